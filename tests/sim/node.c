/* The lives of a machine: boot, orderly stop, crash. What runs on it is its kind's affair.
 *
 * All of a node's code runs inside node_enter. A disk that was told to die in the middle of a job
 * and a fatal error after an injected fault leave it by longjmp: the process is gone at that very
 * point, so what it held in memory is leaked on purpose (nothing may run in it any more). */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "tests/sim/net.h"
#include "tests/sim/world_wire.h"

enum { STOP_WITHIN_US = 20000000 };

/* The process ended. The page cache stays (cut = false: kill -9) or is lost. */
static void node_gone(struct node *n, bool cut, bool within)
{
    n->dark = cut;
    if (n->sim->world != NULL) {
        wire_gone(n->sim->world->wire, n);
    }
    if (n->kind->gone != NULL) {
        n->kind->gone(n, within);
    }
    if (n->transport != NULL) {
        net_transport_free(n->transport);
    }
    sim_knock_free(n);
    sim_host_free(n);
    sim_loop_free(n->loop);
    n->loop = NULL;
    n->process = NULL;
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
        SIM_LOG(s, "%s %u dies within an operation", n->kind->name, n->id);
        node_gone(n, true, true);
        sim_post(s, s->now + rng_range(&s->rng, 20000, 800000), EV_BOOT, n, 0, NULL);
        return;
    }
    if (n->closed) {
        s->stats->stops++;
        SIM_LOG(s, "%s %u has stopped", n->kind->name, n->id);
        node_gone(n, false, false);
    }
}

void node_lose(struct node *n, const char *why)
{
    n->lost = true;
    n->sim->stats->lost++;
    SIM_LOG(n->sim, "%s %u is lost: %s", n->kind->name, n->id, why);
}

bool node_was(const struct node *n, uint64_t member_id)
{
    for (size_t i = 0; i < n->n_past; i++) {
        if (n->past_ids[i] == member_id) {
            return true;
        }
    }
    return false;
}

void node_joins(struct node *n, uint64_t member_id)
{
    struct mirror *m = &n->mirror;
    bool is_new = n->member_id == 0;
    if (!is_new && (!n->flipped || node_was(n, member_id))) {
        sim_violation(n->sim, "ANOTHER MEMBER: %s %u was well, and opens as %" PRIx64,
                      n->kind->name, n->id, member_id);
    }
    SIM_LOG(n->sim, "%s %u joins as %" PRIx64, n->kind->name, n->id, member_id);
    n->sim->stats->replaced += !is_new;
    if (!is_new) {
        INVARIANT(n->n_past < ARRAY_LEN(n->past_ids));
        n->past_ids[n->n_past++] = n->member_id;
    }
    n->member_id = member_id;
    n->promises = (struct promises){ 0 };
    *m = (struct mirror){ .terms = m->terms, .cap = m->cap };
}

void node_die(struct node *n)
{
    longjmp(n->sim->crash, 1);
}

static void boot(struct node *n, void *arg)
{
    (void)arg;
    n->kind->boot(n);
}

void node_boot(struct node *n)
{
    INVARIANT(n->used && !n->up);
    SIM_LOG(n->sim, "%s %u boots", n->kind->name, n->id);
    n->up = true;
    n->dark = false;
    n->loop = sim_loop_new(n);
    node_enter(n, boot, NULL);
}

static void abandon(struct node *n, void *arg)
{
    (void)arg;
    n->kind->abandon(n);
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
    SIM_LOG(s, "%s %u %s", n->kind->name, n->id, cut ? "loses power" : "is killed");
    s->stats->crashes++;
    n->up = false;
    node_enter(n, abandon, NULL);
    node_gone(n, cut, false);
    sim_post(s, s->now + rng_range(&s->dice, 20000, rng_chance(&s->dice, 0.3) ? 8000000 : 500000),
             EV_BOOT, n, 0, NULL);
}

static void stop(struct node *n, void *arg)
{
    (void)arg;
    n->kind->stop(n);
}

void node_stop(struct node *n)
{
    SIM_LOG(n->sim, "%s %u stops", n->kind->name, n->id);
    n->stopping = true;
    n->stop_by = n->sim->now + STOP_WITHIN_US;
    node_enter(n, stop, NULL);
}

void node_end(struct node *n)
{
    n->up = false;
    n->stopping = false;
    if (n->process != NULL) {
        node_enter(n, abandon, NULL);
    }
    node_gone(n, false, false);
}
