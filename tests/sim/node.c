/* The lives of a machine: boot, orderly stop, crash.
 *
 * All of a node's code runs inside node_enter. A disk that was told to die in the middle of a job
 * and a fatal error after an injected fault leave it by longjmp: the process is gone at that very
 * point, so what it held in memory is leaked on purpose (nothing may run in it any more). */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "raft/tuning.h"
#include "tests/sim/net.h"

enum { STOP_WITHIN_US = 20000000 };

/* The process ended. The page cache stays (cut = false: kill -9) or is lost. */
static void node_gone(struct node *n, bool cut)
{
    clients_node_down(n);
    if (n->transport != NULL) {
        net_transport_free(n->transport);
    }
    sim_loop_free(n->loop);
    machine_free(n->machine);
    n->loop = NULL;
    n->machine = NULL;
    n->rnode = NULL;
    n->raft = NULL;
    n->up = n->stopping = n->closed = n->broken = false;
    n->mirror.electing = false;
    n->paused_until = 0;
    n->change.active = false;
    n->transferring = 0;
    n->gen++;
    sim_fs_end_life(n->fs);
    if (cut) {
        sim_fs_crash(n->fs);
    }
}

void node_enter(struct node *n, void (*fn)(struct node *n, void *arg), void *arg)
{
    struct sim *s = n->sim;
    INVARIANT(s->running == NULL && n->loop != NULL);
    s->running = n;
    sim_loop_before(n->loop);
    if (setjmp(s->crash) == 0) {
        fn(n, arg);
        s->running = NULL;
        sim_loop_after(n->loop);
    } else {
        s->running = NULL;
        s->stats->crashes++;
        SIM_LOG(s, "member %u dies within an operation", n->id);
        n->machine = NULL; /* it may be pinned by a snapshot that nobody ends any more */
        node_gone(n, true);
        sim_post(s, s->now + rng_range(&s->rng, 20000, 800000), EV_BOOT, n, 0, NULL);
        return;
    }
    if (n->closed) {
        s->stats->stops++;
        SIM_LOG(s, "member %u has stopped", n->id);
        node_gone(n, false);
    }
}

void node_lose(struct node *n, const char *why)
{
    n->lost = true;
    n->sim->stats->lost++;
    SIM_LOG(n->sim, "member %u is lost: %s", n->id, why);
}

void node_die(struct node *n)
{
    longjmp(n->sim->crash, 1);
}

static void on_fatal(void *arg, const struct err *err)
{
    struct node *n = arg;
    if (n->flipped && err->code == E_CORRUPT) {
        node_lose(n, err->msg);
        node_die(n);
    }
    if (!n->broken) {
        sim_violation(n->sim, "FATAL: member %u: %s (%s)", n->id, err->msg, err_name(err->code));
    }
    node_die(n);
}

static void on_ask(void *arg, uint64_t ask_id, struct slice question)
{
    clients_on_ask(arg, ask_id, question);
}

static void on_change(void *arg)
{
    struct node *n = arg;
    struct rnode_status status;
    if (n->rnode == NULL) {
        return;
    }
    rnode_get_status(n->rnode, &status);
    sim_trace(n->sim, status.term ^ status.leader_id << 32);
}

static size_t founders(struct sim *s, struct rnode_member *members)
{
    for (unsigned i = 0; i < s->o.founders; i++) {
        struct rnode_member *m = &members[i];
        *m = (struct rnode_member){ .id = s->nodes[i + 1].member_id, .role = RNODE_VOTER };
        snprintf(m->name, sizeof m->name, "m%u", i + 1);
        snprintf(m->peer_address, sizeof m->peer_address, "10.0.0.%u:2380", i + 1);
    }
    return s->o.founders;
}

static void boot(struct node *n, void *arg)
{
    struct sim *s = n->sim;
    struct rnode_member members[SIM_NODES_MAX];
    struct err err = ERR_INIT;
    char name[16], address[32];
    (void)arg;
    snprintf(name, sizeof name, "m%u", n->id);
    snprintf(address, sizeof address, "10.0.0.%u:2380", n->id);
    bool founder = n->id <= s->o.founders;
    struct rnode_options o = {
        .loop = n->loop,
        .dir = "/data/member",
        .cluster_id = SIM_CLUSTER_ID,
        .member_id = n->member_id,
        .name = name,
        .peer_listen = address,
        .client_url = "http://127.0.0.1:2379",
        .initial = members,
        .n_initial = founder ? founders(s, members) : node_joining(n, members),
        .seed = rng_u64(&s->rng),
        .election_timeout_ms = 1000,
        .heartbeat_ms = 100,
        .snapshot_entries = s->o.snapshot_entries,
        .snapshot_trailing = s->o.snapshot_trailing,
        .unsafe_no_fsync = (s->gates_off & BUG_NO_FSYNC) != 0,
        .fsm = machine_fsm(n->machine),
        .on_change = on_change,
        .on_ask = on_ask,
        .fatal = on_fatal,
        .arg = n,
    };
    struct rnode_tuning tuning = {
        .gates_off = s->gates_off & ~(uint32_t)BUGS,
        .wal_segment_bytes = s->o.wal_segment_bytes,
        .inflight_max = s->o.inflight_max,
        .no_pre_vote = s->o.no_pre_vote,
        .digest_ms = 1000,
    };
    int rv = rnode_open_tuned(&o, &tuning, &n->rnode, &err);
    if (rv != 0) {
        if (n->flipped && rv == E_CORRUPT) {
            node_lose(n, err.msg);
        }
        if (n->broken || n->lost || (rv == E_DISKFULL && sim_fs_is_full(n->fs))) {
            node_die(n);
        }
        sim_violation(s, "CANNOT START: member %u: %s (%s)", n->id, err.msg, err_name(rv));
    }
}

void node_boot(struct node *n)
{
    INVARIANT(n->used && !n->up);
    SIM_LOG(n->sim, "member %u boots", n->id);
    n->up = true;
    n->loop = sim_loop_new(n);
    n->machine = machine_new(n);
    node_enter(n, boot, NULL);
}

static void abandon(struct node *n, void *arg)
{
    (void)arg;
    rnode_abandon(n->rnode);
}

static void run_job(struct node *n, void *arg)
{
    sim_loop_job_run(n->loop, *(uint64_t *)arg);
}

void node_crash(struct node *n, bool in_write, bool cut)
{
    struct sim *s = n->sim;
    uint64_t worker = in_write ? sim_loop_any_job(n->loop) : 0;
    if (worker != 0) {
        sim_fs_die_after(n->fs, rng_range(&s->dice, 1, 6));
        node_enter(n, run_job, &worker);
        if (!n->up) {
            return;
        }
    }
    SIM_LOG(s, "member %u %s", n->id, cut ? "loses power" : "is killed");
    s->stats->crashes++;
    n->up = false;
    node_enter(n, abandon, NULL);
    node_gone(n, cut);
    sim_post(s, s->now + rng_range(&s->dice, 20000, rng_chance(&s->dice, 0.3) ? 8000000 : 500000),
             EV_BOOT, n, 0, NULL);
}

static void on_closed(void *arg)
{
    struct node *n = arg;
    n->closed = true;
}

static void stop(struct node *n, void *arg)
{
    (void)arg;
    rnode_close(n->rnode, on_closed, n);
}

void node_stop(struct node *n)
{
    SIM_LOG(n->sim, "member %u stops", n->id);
    n->stopping = true;
    n->stop_by = n->sim->now + STOP_WITHIN_US;
    node_enter(n, stop, NULL);
}

void node_end(struct node *n)
{
    n->up = false;
    n->stopping = false;
    if (n->rnode != NULL) {
        node_enter(n, abandon, NULL);
    }
    node_gone(n, false);
}
