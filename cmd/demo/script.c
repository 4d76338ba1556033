/* The scenes of `barque demo --script`, in order: start, apply, then one failure after the
 * other. See tour.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/manifest.h"
#include "api/meta.h"
#include "client/objects.h"
#include "cmd/demo/tour.h"
#include "lib/base/alloc.h"
#include "lib/base/rng.h"

enum { REPLICAS = 6 };

/* --- scene 1: ready --------------------------------------------------------------------------- */

static void ready_act(struct tour *t)
{
    for (size_t i = 0; i < t->cluster->n_masters && t->failed == NULL; i++) {
        if (demo_process_start(t->cluster, &t->cluster->masters[i], &t->err) != 0) {
            t->failed = "start";
        }
    }
    for (size_t i = 0; i < t->cluster->n_agents && t->failed == NULL; i++) {
        if (demo_process_start(t->cluster, &t->cluster->agents[i], &t->err) != 0) {
            t->failed = "start";
        }
    }
}

static bool ready_over(struct tour *t)
{
    return observer_leader(&t->observer) >= 0 &&
           observer_ready_nodes(&t->observer) == t->cluster->n_agents;
}

static void ready_measure(struct tour *t)
{
    long kib = 0;
    for (size_t i = 0; i < t->cluster->n_masters; i++) {
        kib += demo_process_rss_kib(&t->cluster->masters[i]);
    }
    for (size_t i = 0; i < t->cluster->n_agents; i++) {
        kib += demo_process_rss_kib(&t->cluster->agents[i]);
    }
    tour_figure(t, "start", "masters and agents ready", tour_elapsed(t), 10, "s", 2);
    tour_figure(t, "start", "memory of all of them", (double)kib / 1024.0, 150, "MB", 0);
}

/* --- scene 2: apply --------------------------------------------------------------------------- */

static void created(void *arg, struct objects_result *result)
{
    struct tour *t = arg;
    if (result->status != 0 && result->status != E_EXIST) {
        t->err = *result->err;
        t->failed = "apply";
    }
}

static void apply_act(struct tour *t)
{
    struct object **objects;
    size_t n;
    struct problems problems;
    problems_init(&problems);
    if (manifest_parse(demo_manifest(), "default", &objects, &n, &problems) != 0) {
        autobuf text = BUF_INIT;
        problems_print(&problems, "web.yaml", demo_manifest(), &text);
        err_set(&t->err, E_INVAL, "%s", buf_str(&text));
        t->failed = "apply";
        problems_fini(&problems);
        return;
    }
    problems_fini(&problems);
    struct rng rng;
    rng_init(&rng, rng_os_seed());
    for (size_t i = 0; i < n; i++) {
        object_stamp_new(objects[i], &rng, loop_wall_ms(t->loop));
        objects_create(t->observer.client, objects[i], created, t);
        object_free(objects[i]);
    }
    mem_free(objects);
}

static bool all_ready(struct tour *t)
{
    struct workload w;
    observer_workload(&t->observer, NULL, &w);
    return w.rollout_complete && w.ready == REPLICAS && w.pods == REPLICAS;
}

static void apply_measure(struct tour *t)
{
    tour_figure(t, "apply", "Deployment web x6, all Running", tour_elapsed(t), 10, "s", 2);
}

/* --- scene 3: writes and watcher -------------------------------------------------------------- */

static void writes_act(struct tour *t)
{
    observer_mark(&t->observer);
    observer_start_writes(&t->observer);
}

static bool writes_over(struct tour *t)
{
    return t->observer.acked >= 100 && t->observer.events >= 50;
}

static int cmp_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void writes_measure(struct tour *t)
{
    size_t n = t->observer.n_latencies;
    uint32_t *sorted = mem_dup(t->observer.latencies_us, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, cmp_u32);
    uint32_t median = sorted[n / 2];
    tour_figure(t, "writes", "median latency of a replicated write", median / 1000.0, -1, "ms", 2);
    mem_free(sorted);
}

/* --- scene 4: the leader dies ----------------------------------------------------------------- */

static void leader_act(struct tour *t)
{
    t->victim = observer_leader(&t->observer);
    observer_mark(&t->observer);
    demo_process_kill(t->cluster, &t->cluster->masters[t->victim]);
}

static bool leader_over(struct tour *t)
{
    int now = observer_leader(&t->observer);
    return now >= 0 && now != t->victim && t->observer.first_ack_ms != 0 &&
           t->observer.first_event_ms != 0;
}

static void leader_measure(struct tour *t)
{
    const struct observer *o = &t->observer;
    tour_figure(t, "kill leader", "new leader known", tour_since(t, o->leader_since_ms), 3, "s", 2);
    tour_figure(t, "kill leader", "first acknowledged write", tour_since(t, o->first_ack_ms), 3,
                "s", 2);
    tour_figure(t, "kill leader", "watcher hears of it", tour_since(t, o->first_event_ms), 3.5,
                "s", 2);
}

/* The killed one comes back before the next scene. */
static void back_act(struct tour *t)
{
    demo_process_start(t->cluster, &t->cluster->masters[t->victim], &t->err);
    t->observer.members[t->victim] = 0;
}

static bool back_over(struct tour *t)
{
    return t->observer.members[t->victim] != 0;
}

static void back_measure(struct tour *t)
{
    tour_figure(t, "kill leader", "back as a follower after restart", tour_elapsed(t), 5, "s", 2);
}

/* --- scene 5: a node dies --------------------------------------------------------------------- */

static void node_act(struct tour *t)
{
    t->victim = 0;
    t->victim_pods = 0;
    for (size_t i = 0; i < t->cluster->n_agents; i++) {
        struct workload w;
        observer_workload(&t->observer, t->cluster->agents[i].name, &w);
        if (w.on_node > t->victim_pods) {
            t->victim = (int)i;
            t->victim_pods = w.on_node;
        }
    }
    demo_process_kill(t->cluster, &t->cluster->agents[t->victim]);
}

static bool node_over(struct tour *t)
{
    struct workload w;
    observer_workload(&t->observer, t->cluster->agents[t->victim].name, &w);
    return w.ready_elsewhere >= REPLICAS && w.on_node == 0;
}

static void node_measure(struct tour *t)
{
    tour_figure(t, "kill node", "pods it had", (double)t->victim_pods, -1, "pods", 0);
    tour_figure(t, "kill node", "all of them run elsewhere", tour_elapsed(t), 5, "s", 2);
}

static void node_back_act(struct tour *t)
{
    demo_process_start(t->cluster, &t->cluster->agents[t->victim], &t->err);
}

static void node_back_measure(struct tour *t)
{
    tour_figure(t, "kill node", "Ready again after restart", tour_elapsed(t), 5, "s", 2);
}

/* --- scene 6: all masters die ----------------------------------------------------------------- */

static void all_act(struct tour *t)
{
    for (size_t i = 0; i < t->cluster->n_masters; i++) {
        demo_process_kill(t->cluster, &t->cluster->masters[i]);
        t->observer.members[i] = 0;
    }
    t->observer.leader_id = 0;
    for (size_t i = 0; i < t->cluster->n_masters; i++) {
        demo_process_start(t->cluster, &t->cluster->masters[i], &t->err);
    }
    t->begun_ms = loop_now_us(t->loop) / 1000;
    observer_mark(&t->observer);
}

static bool all_over(struct tour *t)
{
    struct workload w;
    observer_workload(&t->observer, NULL, &w);
    return t->observer.first_ack_ms != 0 && t->observer.first_event_ms != 0 &&
           observer_leader(&t->observer) >= 0 &&
           observer_ready_nodes(&t->observer) == t->cluster->n_agents && w.ready == REPLICAS;
}

static void all_measure(struct tour *t)
{
    tour_figure(t, "kill all masters", "first acknowledged write after restart",
           tour_since(t, t->observer.first_ack_ms), 5, "s", 2);
}

/* --- scenes 7 and 8: update and rollback ------------------------------------------------------ */

static void edited(void *arg, struct objects_result *result)
{
    struct tour *t = arg;
    t->applied = result->status == 0;
    if (result->status != 0) {
        t->err = *result->err;
        t->failed = "rolling update";
    }
}

static int set_release(struct object *o, const char *release)
{
    struct deployment *d = object_deployment(o);
    string_map_set(&d->spec.template_.metadata.annotations, "release", release);
    return 0;
}

static int edit_update(void *arg, struct object *o, struct err *err)
{
    (void)arg;
    (void)err;
    return set_release(o, "2");
}

/* The template before: what `barque rollout undo` writes. */
static int edit_rollback(void *arg, struct object *o, struct err *err)
{
    (void)arg;
    (void)err;
    string_map_remove(&object_deployment(o)->spec.template_.metadata.annotations, "release");
    return 0;
}

static void rollout_act(struct tour *t, objects_edit edit)
{
    t->applied = false;
    t->least_ready = REPLICAS;
    objects_modify(t->observer.client, &kind_deployment, "default", "web", edit, edited, t);
}

static void update_act(struct tour *t)
{
    rollout_act(t, edit_update);
}

static void rollback_act(struct tour *t)
{
    rollout_act(t, edit_rollback);
}

static bool rollout_over(struct tour *t)
{
    struct workload w;
    observer_workload(&t->observer, NULL, &w);
    t->least_ready = w.ready < t->least_ready ? w.ready : t->least_ready;
    return t->applied && w.rollout_complete && w.ready_current == REPLICAS && w.pods == REPLICAS;
}

/* maxUnavailable 25 % of 6 rounds down to 1. */
static void update_measure(struct tour *t)
{
    tour_figure(t, "rolling update", "complete", tour_elapsed(t), 60, "s", 2);
    tour_figure_min(t, "rolling update", "fewest pods ready meanwhile", (double)t->least_ready,
               REPLICAS - 1, "pods");
}

static void rollback_measure(struct tour *t)
{
    tour_figure(t, "rollback", "complete", tour_elapsed(t), 60, "s", 2);
    tour_figure_min(t, "rollback", "fewest pods ready meanwhile", (double)t->least_ready,
                    REPLICAS - 1,
               "pods");
}

/* --- scene 9: nothing lost -------------------------------------------------------------------- */

static void verify_measure(struct tour *t)
{
    const struct observer *o = &t->observer;
    tour_figure_min(t, "verify", "writes acknowledged", (double)o->acked, 100, "writes");
    tour_figure(t, "verify", "acknowledged writes lost", (double)t->missing, 0, "", 0);
    tour_figure(t, "verify", "wrong values", (double)t->wrong, 0, "", 0);
    tour_figure(t, "verify", "outcome unknown to the writer", (double)o->unknown, -1, "", 0);
    tour_figure(t, "verify", "events the watcher missed", (double)t->unseen, 0, "", 0);
    tour_figure(t, "verify", "events repeated", (double)o->repeated, 0, "", 0);
    tour_figure(t, "verify", "events out of order", (double)o->disordered, 0, "", 0);
    tour_figure(t, "verify", "watch moved to another member", (double)o->resumes, -1, "times", 0);
}

/* --- the table -------------------------------------------------------------------------------- */

const struct scene script_scenes[] = {
    { "3 masters, 5 agents", 30000, ready_act, ready_over, ready_measure },
    { "apply web.yaml: Deployment x6", 30000, apply_act, all_ready, apply_measure },
    { "a stream of writes and a watcher begin", 20000, writes_act, writes_over, writes_measure },
    { "kill -9 the leader", 20000, leader_act, leader_over, leader_measure },
    { "restart it", 20000, back_act, back_over, back_measure },
    { "kill -9 a node with all its pods", 30000, node_act, node_over, node_measure },
    { "restart it", 20000, node_back_act, ready_over, node_back_measure },
    { "kill -9 all masters, restart them", 30000, all_act, all_over, all_measure },
    { "rolling update", 90000, update_act, rollout_over, update_measure },
    { "rollback", 90000, rollback_act, rollout_over, rollback_measure },
    { "read everything back", 30000, tour_verify_act, tour_verify_over, verify_measure },
};
const size_t script_scenes_n = ARRAY_LEN(script_scenes);
/* The first two: a cluster with its workload. */
const size_t script_scenes_setup_n = 2;
