/* Real etcd members as children of a test: in a temporary directory, on ephemeral loopback ports,
 * ended by pid. And waiting without sleeping: the loop runs until a condition holds or a deadline
 * passes. */
#ifndef BARQUE_TEST_CLIENT_ETCD_H
#define BARQUE_TEST_CLIENT_ETCD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/client.h"
#include "lib/io/process.h"

enum { ETCD_MEMBERS_MAX = 3 };

struct etcd_member {
    char name[32];
    char address[64];    /* of clients */
    char peer[64];
    struct process *process;
};

struct etcd {
    struct loop *loop;
    char dir[128];
    char initial[256];
    struct etcd_member members[ETCD_MEMBERS_MAX];
    size_t n;
};

/* False (with a printed reason) when there is no etcd on this machine. */
bool etcd_installed(void);
struct etcd *etcd_start(size_t members);
/* One member for all tests of a program, started at the first ask; its loop is shared. */
struct etcd *etcd_shared(void);
/* Ends every member that is still there, also after a failed test. */
void etcd_cleanup(void);
void etcd_kill(struct etcd *e, size_t k, int signal); /* waits until it has ended */
void etcd_restart(struct etcd *e, size_t k);          /* same data, same ports */
size_t etcd_by_address(const struct etcd *e, const char *address);
void etcd_stop(struct etcd *e);
/* Revokes somebody else's lease, as etcdctl would. */
void etcd_revoke(struct etcd *e, int64_t lease);
/* A client of all members. */
struct client *etcd_client(struct etcd *e);
struct client *etcd_client_on(struct etcd *e, struct loop *loop);

/* A client_done: sets the bool at arg when the status is 0. */
void etcd_set_flag(void *arg, const struct client_result *result);

/* A decimal number, or the test fails. */
int etcd_number(const char *text);
/* Runs the loop until cond(arg); false when deadline_ms passed first. */
bool run_until(struct loop *loop, bool (*cond)(void *arg), void *arg, uint64_t deadline_ms);
/* Runs the loop until *flag. */
bool run_until_set(struct loop *loop, const bool *flag, uint64_t deadline_ms);
/* Closes handles that close on the next turns. */
void run_turns(struct loop *loop);

/* Blocking forms for tests. They fail the test on another status than 0. */
int64_t must_put(struct client *c, const char *key, const char *value, int64_t lease);
/* The value (mem_free), or NULL when absent. */
char *must_get(struct client *c, const char *key);

#endif
