/* A member that hears of no leader for long asks the others whether it still is one.
 *
 * It may have been removed while it was down: nobody talks to it any more, nobody tells it. Or it
 * was replaced: it found damage, asked for another one in its place, and ended before the answer;
 * what was damaged may be readable at the next start (a page in memory, a sector at its second
 * try), and then it runs under an id that is gone while the one in its place never comes.
 *
 *   no leader heard of, twice looked -> JOIN_WHO of the others (ReadIndex: what it says is so)
 *     its id is among the members      -> look again later
 *     nobody is at its address         -> fatal: E_MEMBER_NOT_FOUND
 *     another one is                   -> noted as damaged, fatal: the way back is server/enter.c's
 *
 * Ids are never used twice, and nobody has one that was not committed before: who is not among the
 * members was removed. */
#include <inttypes.h>

#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "raft/configuration.h"
#include "raft/join.h"
#include "raft/node.h"

enum { LOOK_ELECTIONS = 5, ASK_MS = 8000 };

static bool hears(const struct rnode *n)
{
    uint64_t silence = loop_now_ms(n->loop) - n->leader_heard_ms;
    return driver_leads(n) || silence < LOOK_ELECTIONS * n->options.election_timeout_ms;
}

static bool among(const struct join_answer *a, uint64_t id)
{
    for (size_t i = 0; i < a->n_members; i++) {
        if (a->members[i].id == id) {
            return true;
        }
    }
    return false;
}

static void on_answer(void *arg, int status, const struct join_answer *a, const struct err *why)
{
    struct rnode *n = arg;
    struct err err = ERR_INIT;
    (void)status;
    (void)why;
    n->removed.asking = NULL;
    if (n->closing != CLOSE_NO) {
        node_close_on(n);
        return;
    }
    if (a == NULL || a->status != 0 || among(a, n->id)) {
        return;
    }
    if (a->your_id == 0) {
        err_set(&err, E_MEMBER_NOT_FOUND,
                "this member (%016" PRIx64 ") was removed from cluster %016" PRIx64 ". Next: end "
                "it for good, or remove its data directory and add it again (etcdctl member "
                "add)", n->id, n->cluster_id);
        node_fatal(n, &err);
    } else {
        err_set(&err, E_CORRUPT, "this member (%016" PRIx64 ") had asked for another one in its "
                "place, and %016" PRIx64 " was put there", n->id, a->your_id);
        node_corrupt(n, &err);
    }
}

/* The others, and the address under which they know us; 0: nobody to ask. */
static size_t whom_to_ask(const struct rnode *n, const char **addresses, const char **ret_own)
{
    const struct raft_configuration *conf = &n->core.configuration;
    size_t k = 0;
    *ret_own = n->options.peer_listen;
    for (unsigned i = 0; i < conf->n && k < LIMIT_PEERS; i++) {
        if (conf->servers[i].id == n->id) {
            *ret_own = conf->servers[i].address;
        } else {
            addresses[k++] = conf->servers[i].address;
        }
    }
    return k;
}

static void ask(struct rnode *n)
{
    const char *addresses[LIMIT_PEERS];
    const char *own;
    struct join_options o = { .loop = n->loop, .what = JOIN_WHO, .cluster_id = n->cluster_id,
                              .name = n->options.name, .ask = addresses, .timeout_ms = ASK_MS };
    o.n_ask = whom_to_ask(n, addresses, &own);
    o.address = own;
    if (o.n_ask > 0) {
        n->removed.asking = join_start(&o, on_answer, n);
    }
}

static void look(struct timer *timer)
{
    struct rnode *n = CONTAINER_OF(timer, struct rnode, removed.timer);
    bool lone = n->core_up && !hears(n);
    if (lone && n->removed.lone && n->removed.asking == NULL) {
        ask(n);
    }
    n->removed.lone = lone;
    timer_start(timer, LOOK_ELECTIONS * n->options.election_timeout_ms);
}

void removed_init(struct rnode *n)
{
    timer_init(n->loop, &n->removed.timer, look);
    timer_start(&n->removed.timer, LOOK_ELECTIONS * n->options.election_timeout_ms);
}

void removed_stop(struct rnode *n)
{
    timer_stop(&n->removed.timer);
    if (n->removed.asking != NULL) {
        join_cancel(n->removed.asking);
    }
}

void removed_fini(struct rnode *n)
{
    timer_stop(&n->removed.timer);
    if (n->removed.asking != NULL) {
        join_abandon(n->removed.asking);
    }
}
