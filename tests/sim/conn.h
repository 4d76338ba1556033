/* The simulated byte streams' parts, shared by conn.c (a connection) and dial.c (how two ends
 * meet).
 *
 * Each end belongs to one machine's life. What one end has sent and the other's program has not
 * read yet lies in the other end's `arriving`, whole while it is under way: a window bounds it, so
 * a reader that does not read stops the writer. */
#ifndef BARQUE_TESTS_SIM_CONN_H
#define BARQUE_TESTS_SIM_CONN_H

#include "lib/base/buf.h"
#include "lib/io/conn.h"
#include "lib/io/timer.h"
#include "tests/sim/sim.h"

enum { CONN_NAME_BYTES = 32 };

/* Of one life of one machine. */
struct host {
    struct list listeners;
    struct list conns;
    struct list connects;
    unsigned port; /* of the last outgoing connection */
};

struct listener {
    struct list link;
    struct node *node;
    unsigned port;
    void (*on_accept)(void *arg, struct conn *c);
    void *arg;
    char address[CONN_NAME_BYTES];
};

struct conn {
    struct list link; /* host.conns */
    uint64_t id;      /* unique in the run: events name it */
    struct loop *loop;
    struct node *node;
    struct conn *peer; /* NULL: nobody reads there any more */
    unsigned remote;   /* the other machine */
    unsigned port;     /* of the listener */
    bool established;  /* accepted, or told to be connected */
    struct conn_events events;
    void *arg;
    bool has_events;

    struct list dirty; /* in the loop's list: to be sent at the end of the turn */
    struct buf out;
    size_t out_at;
    size_t high_bytes;
    bool congested;

    struct list arriving; /* struct chunk, by arrival */
    size_t arriving_bytes;
    uint64_t last_arrival;
    uint64_t retry_at;   /* the way here is cut: looked at again */
    uint64_t reset_at;   /* a reset arrives; 0 none */
    uint64_t stalled_until;
    uint64_t void_since; /* sent to nobody since; 0 */

    bool paused, closing, last_words, said_end;
    struct timer linger;
    struct ready closed;
    int status;
    char peer_name[CONN_NAME_BYTES], local_name[CONN_NAME_BYTES];
};

/* conn.c */
struct conn *sim_conn_new(struct node *n, unsigned remote, unsigned port, const char *local,
                          const char *peer);
/* Something may have arrived for it: looked at, at time t. */
void sim_conn_look(struct conn *c, uint64_t t);
void sim_conn_end(struct conn *c, int status);
void sim_conn_free(struct conn *c);
/* The end's program has died; silent: its machine, too. */
void sim_conn_orphan(struct conn *c, bool silent);
/* dial.c */
struct host *sim_host(struct node *n);

#endif
