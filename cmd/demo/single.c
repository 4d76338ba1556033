/* `barque demo kill m1`, `kill n2`, `restart m1`: one failure in a running demo, measured like
 * in the script. A stream of writes and a watcher run while it happens, and are checked at the
 * end. */
#include <stdio.h>
#include <string.h>

#include "cmd/demo/tour.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

enum { WARM_WRITES = 50 };

/* The tour is embedded so that scenes find what they act on. */
struct single {
    struct tour tour;
    struct demo_process *process;
    bool master, led;
    struct workload before;
};

static struct single *single_of(struct tour *t)
{
    return CONTAINER_OF(t, struct single, tour);
}

static void warm_act(struct tour *t)
{
    observer_mark(&t->observer);
    observer_start_writes(&t->observer);
}

static bool warm_over(struct tour *t)
{
    return t->observer.acked >= WARM_WRITES && informers_synced(t->observer.informers) &&
           observer_leader(&t->observer) >= 0;
}

static void warm_measure(struct tour *t)
{
    struct single *s = single_of(t);
    observer_workload(&t->observer, s->process->name, &s->before);
    int leader = observer_leader(&t->observer);
    s->led = leader >= 0 && s->process == &t->cluster->masters[leader];
}

static void kill_act(struct tour *t)
{
    struct single *s = single_of(t);
    observer_mark(&t->observer);
    t->observer.leader_id = s->led ? 0 : t->observer.leader_id;
    demo_process_kill(t->cluster, s->process);
}

static bool kill_over(struct tour *t)
{
    struct single *s = single_of(t);
    struct workload w;
    observer_workload(&t->observer, s->process->name, &w);
    bool writes = t->observer.first_ack_ms != 0 && t->observer.first_event_ms != 0 &&
                  observer_leader(&t->observer) >= 0;
    return writes && (s->master || (w.on_node == 0 && w.ready >= s->before.ready));
}

static void kill_measure(struct tour *t)
{
    struct single *s = single_of(t);
    const struct observer *o = &t->observer;
    const char *scene = s->process->name;
    if (s->led) {
        tour_figure(t, scene, "new leader known", tour_since(t, o->leader_since_ms), -1, "s", 2);
    }
    tour_figure(t, scene, "first acknowledged write", tour_since(t, o->first_ack_ms), -1, "s", 2);
    tour_figure(t, scene, "watcher hears of it", tour_since(t, o->first_event_ms), -1, "s", 2);
    if (!s->master) {
        tour_figure(t, scene, "pods it had", (double)s->before.on_node, -1, "pods", 0);
        tour_figure(t, scene, "all of them run elsewhere", tour_elapsed(t), -1, "s", 2);
    }
}

static void restart_act(struct tour *t)
{
    struct single *s = single_of(t);
    if (demo_process_start(t->cluster, s->process, &t->err) != 0) {
        t->failed = "restart";
    }
    for (size_t i = 0; i < t->cluster->n_masters; i++) {
        if (s->process == &t->cluster->masters[i]) {
            t->observer.members[i] = 0;
        }
    }
}

static bool restart_over(struct tour *t)
{
    struct single *s = single_of(t);
    for (size_t i = 0; i < t->cluster->n_masters; i++) {
        if (s->process == &t->cluster->masters[i]) {
            return t->observer.members[i] != 0;
        }
    }
    return observer_node_is_ready(&t->observer, s->process->name);
}

static void restart_measure(struct tour *t)
{
    tour_figure(t, single_of(t)->process->name, "answers again", tour_elapsed(t), -1, "s", 2);
}

static void verify_measure(struct tour *t)
{
    tour_figure(t, "verify", "acknowledged writes lost", (double)t->missing, 0, "", 0);
    tour_figure(t, "verify", "events missed or repeated",
                (double)(t->unseen + t->observer.repeated), 0, "", 0);
}

static const struct scene kill_scenes[] = {
    { "writes and a watcher begin", 10000, warm_act, warm_over, warm_measure },
    { "kill -9", 30000, kill_act, kill_over, kill_measure },
    { "read everything back", 20000, tour_verify_act, tour_verify_over, verify_measure },
};
static const struct scene restart_scenes[] = {
    { "restart", 20000, restart_act, restart_over, restart_measure },
};

int demo_single(struct demo_cluster *c, const char *verb, const char *name)
{
    struct single s = { .process = demo_cluster_find(c, name) };
    bool kills = str_eq(verb, "kill");
    if (s.process == NULL) {
        fprintf(stderr, "barque demo: there is no %s; masters are m1..m%zu, nodes n1..n%zu\n", name,
                c->n_masters, c->n_agents);
        return 3;
    }
    if (kills != demo_process_runs(s.process)) {
        fprintf(stderr, "barque demo: %s %s\n", name,
                kills ? "is not running. Next: barque demo restart it" : "is running already");
        return 1;
    }
    s.master = s.process->client_port != 0;
    struct loop *loop = loop_new();
    const struct scene *scenes = kills ? kill_scenes : restart_scenes;
    size_t n = kills ? ARRAY_LEN(kill_scenes) : ARRAY_LEN(restart_scenes);
    tour_start(&s.tour, loop, c, scenes, n);
    /* tour_start clears the tour only: what surrounds it stays. */
    loop_run(loop);
    bool held = tour_report(&s.tour, NULL);
    tour_end(&s.tour);
    return held ? 0 : 1;
}
