/* The demo's processes: masters m1..m3 and agents n1..n5 under one directory, on loopback.
 *
 * All that is needed to find them again stands in <dir>/demo.json, so `barque demo kill m1` in
 * another terminal acts on the same cluster as the demo that started it. Processes are started
 * detached, with their log in <dir>/<name>.log, and ended by pid. */
#ifndef BARQUE_CMD_DEMO_CLUSTER_H
#define BARQUE_CMD_DEMO_CLUSTER_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"

enum { DEMO_MASTERS_MAX = 7, DEMO_AGENTS_MAX = 50 };

struct demo_process {
    char name[16];          /* "m1", "n3" */
    pid_t pid;              /* 0 = not running */
    int client_port, peer_port; /* masters */
    bool joins;                 /* a master that was added to the others */
    char host[16];              /* its address; "" = 127.0.0.1 */
    int netns;                  /* network namespace it is started in, a descriptor; 0 = ours */
};

struct demo_cluster {
    char dir[256];
    struct demo_process masters[DEMO_MASTERS_MAX], agents[DEMO_AGENTS_MAX];
    size_t n_masters, n_agents;
    bool tied; /* what is started ends with this process, however that ends; not kept in the file */
    char endpoints[DEMO_MASTERS_MAX][32]; /* "127.0.0.1:port" */
};

/* Chooses free ports; nothing is started. */
int demo_cluster_new(const char *dir, size_t masters, size_t agents, struct demo_cluster *ret_c,
                     struct err *err);
int demo_cluster_save(const struct demo_cluster *c, struct err *err);
/* E_NOTFOUND when there is no demo in dir. */
int demo_cluster_load(const char *dir, struct demo_cluster *ret_c, struct err *err);
/* One master more, with free ports and the name after the last; nothing is started. E_FULL when
 * there are DEMO_MASTERS_MAX. demo_cluster_shrink forgets it again. */
int demo_cluster_grow(struct demo_cluster *c, struct demo_process **ret_p, struct err *err);
void demo_cluster_shrink(struct demo_cluster *c);
/* Name -> process; NULL when unknown. */
struct demo_process *demo_cluster_find(struct demo_cluster *c, const char *name);
/* Where it listens: its address as text. */
const char *demo_process_host(const struct demo_process *p);
bool demo_process_runs(const struct demo_process *p);
int demo_process_start(struct demo_cluster *c, struct demo_process *p, struct err *err);
/* kill -9. A node dies whole: its agent, its shims, and every process of its pods. */
void demo_process_kill(struct demo_cluster *c, struct demo_process *p);
/* Ends everything, politely then not, and waits for it. */
void demo_cluster_stop(struct demo_cluster *c);
/* Resident memory in KiB of the process (0 when gone). */
long demo_process_rss_kib(const struct demo_process *p);

#endif
