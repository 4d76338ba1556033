/* Plays a scenario against a cluster of brains (cluster.h): what people and machines do, a line
 * each. After each line everybody takes turns until all is quiet; the trace tells what they did on
 * the way. The clock moves by `wait` only. */
#include <inttypes.h>
#include <stdlib.h>

#include "api/manifest.h"
#include "api/meta.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "tests/scenario/cluster.h"
#include "tests/scenario/scenario.h"

/* A Deployment, and the fewest ready and the most pods (without those on their way out) that it had
 * during the line that is played. */
struct track {
    char *name;
    int32_t ready_min, pods_max;
};

struct world {
    struct cluster *cluster;
    struct map tracks; /* Deployment's name -> struct track */
    struct buf *trace;
};

/* --- counting --------------------------------------------------------------------------------- */

static void count_pods(struct world *world, const char *app, int32_t *ret_ready, int32_t *ret_pods)
{
    size_t at = 0;
    const struct object *o;
    const struct cache *pods = lister_cache(&world->cluster->lister, &kind_pod);
    *ret_ready = *ret_pods = 0;
    while ((o = cache_next(pods, &at)) != NULL) {
        const char *label = string_map_get(&o->metadata.labels, "app");
        if (label != NULL && strcmp(label, app) == 0 && pod_is_active(object_pod(o))) {
            *ret_pods += 1;
            *ret_ready += pod_is_ready(object_pod(o));
        }
    }
}

static void on_pods(void *arg)
{
    struct world *world = arg;
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&world->tracks, &at)) != NULL) {
        struct track *t = e->value;
        int32_t ready, pods;
        count_pods(world, t->name, &ready, &pods);
        t->ready_min = ready < t->ready_min ? ready : t->ready_min;
        t->pods_max = pods > t->pods_max ? pods : t->pods_max;
    }
}

static void begin_line(struct world *world)
{
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&world->tracks, &at)) != NULL) {
        struct track *t = e->value;
        count_pods(world, t->name, &t->ready_min, &t->pods_max);
    }
}

static void end_line(struct world *world)
{
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&world->tracks, &at)) != NULL) {
        const struct track *t = e->value;
        int32_t ready, pods;
        count_pods(world, t->name, &ready, &pods);
        buf_printf(world->trace, "  %s: %d ready (never below %d) of %d pods (never above %d)\n",
                   t->name, (int)ready, (int)t->ready_min, (int)pods, (int)t->pods_max);
    }
}

/* --- objects ---------------------------------------------------------------------------------- */

static void write_update(struct world *world, const struct object *old, struct object *taken)
{
    struct plan p;
    cluster_plan_init(world->cluster, &p);
    plan_update(&p, old, taken);
    bool done = cluster_carry_out(world->cluster, &p);
    INVARIANT(done);
}

static void write_delete(struct world *world, const struct object *o)
{
    struct plan p;
    cluster_plan_init(world->cluster, &p);
    plan_delete(&p, o);
    bool done = cluster_carry_out(world->cluster, &p);
    INVARIANT(done);
}

static struct deployment *read_deployment(struct words *w, const char *name)
{
    autobuf yaml = BUF_INIT;
    struct problems problems;
    struct object **objects = NULL;
    size_t n = 0;
    const char *replicas = words_next(w), *image = words_option(w, "image");
    const char *strategy = words_option(w, "strategy"), *surge = words_option(w, "surge");
    const char *unavailable = words_option(w, "unavailable"), *ready = words_option(w, "min-ready");
    const char *cpu = words_option(w, "cpu"), *command = words_option(w, "command");
    const char *config = words_option(w, "config");
    buf_printf(&yaml, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: %s}\nspec:\n"
               "  replicas: %s\n  selector: {matchLabels: {app: %s}}\n  minReadySeconds: %s\n"
               "  strategy:\n    type: %s\n", name, replicas, name, ready != NULL ? ready : "0",
               strategy != NULL ? strategy : "RollingUpdate");
    if (strategy == NULL) {
        buf_printf(&yaml, "    rollingUpdate: {maxSurge: %s, maxUnavailable: %s}\n",
                   surge != NULL ? surge : "1", unavailable != NULL ? unavailable : "0");
    }
    buf_printf(&yaml, "  template:\n    metadata: {labels: {app: %s}}\n    spec:\n"
               "      terminationGracePeriodSeconds: 5\n"
               "      containers:\n      - name: main\n        image: %s\n        command: [%s]\n"
               "        resources: {requests: {cpu: %s}}\n", name, image != NULL ? image : "v1",
               command != NULL ? command : "serve", cpu != NULL ? cpu : "100m");
    if (config != NULL) {
        buf_printf(&yaml, "        env:\n        - name: GREETING\n          valueFrom: "
                   "{configMapKeyRef: {name: %s, key: greeting}}\n", config);
    }
    problems_init(&problems);
    if (manifest_parse(buf_slice(&yaml), "default", &objects, &n, &problems) != 0) {
        words_fail(w, problems.items[0].message);
    }
    problems_fini(&problems);
    struct deployment *d = object_deployment(objects[0]);
    mem_free(objects);
    return d;
}

static void play_apply(struct world *world, struct words *w)
{
    const char *name = words_next(w);
    struct deployment *wanted = read_deployment(w, name);
    const struct object *old =
        lister_get(&world->cluster->lister, &kind_deployment, "default", name);
    if (old != NULL) {
        struct deployment *next = object_deployment(object_copy(old));
        struct deployment swap = *next;
        next->spec = wanted->spec;
        wanted->spec = swap.spec;
        object_free(&wanted->object);
        write_update(world, old, &next->object);
        return;
    }
    struct track *t = mem_zalloc(sizeof *t);
    t->name = mem_strdup(name);
    map_put_str(&world->tracks, name, t);
    struct plan p;
    cluster_plan_init(world->cluster, &p);
    plan_create(&p, &wanted->object);
    cluster_carry_out(world->cluster, &p);
}

static const struct object *deployment_of(struct world *world, struct words *w)
{
    const struct object *o =
        lister_get(&world->cluster->lister, &kind_deployment, "default", words_next(w));
    if (o == NULL) {
        words_fail(w, "no such Deployment");
    }
    return o;
}

static void play_scale(struct world *world, struct words *w)
{
    const struct object *old = deployment_of(world, w);
    struct deployment *next = object_deployment(object_copy(old));
    next->spec.replicas = (int32_t)words_number(w, words_next(w));
    write_update(world, old, &next->object);
}

static void play_delete(struct world *world, struct words *w)
{
    write_delete(world, deployment_of(world, w));
}

static void play_configmap(struct world *world, struct words *w)
{
    struct configmap *m = object_configmap(object_new(&kind_configmap));
    struct plan p;
    string_set(&m->object.metadata.name, words_next(w));
    string_set(&m->object.metadata.namespace_, "default");
    string_map_set(&m->data, "greeting", words_next(w));
    cluster_plan_init(world->cluster, &p);
    plan_create(&p, &m->object);
    cluster_carry_out(world->cluster, &p);
}

/* --- nodes ------------------------------------------------------------------------------------ */

static struct agent *node_of(struct world *world, struct words *w)
{
    struct agent *a = agent_of(world->cluster, words_next(w));
    if (a == NULL) {
        words_fail(w, "no such node");
    }
    return a;
}

static void play_node(struct world *world, struct words *w)
{
    const char *name = words_next(w), *cpu = words_option(w, "cpu");
    const char *pods = words_option(w, "pods");
    struct agent *a = agent_new(world->cluster, name, cpu != NULL ? cpu : "4", "8Gi",
                                pods != NULL ? pods : "110");
    a->epoch = 1;
    a->running = a->connected = true;
    agent_register(world->cluster, a);
}

/* A power cut: the machine and all that ran on it. */
static void play_kill(struct world *world, struct words *w)
{
    struct agent *a = node_of(world, w);
    a->running = a->connected = false;
    agent_lose_processes(a);
    agent_lapse(world->cluster, a);
}

/* A cable is pulled: what runs there goes on. */
static void play_cut(struct world *world, struct words *w)
{
    struct agent *a = node_of(world, w);
    a->connected = false;
    agent_lapse(world->cluster, a);
}

/* Back after kill (as a new registration) or cut: first it stops what nobody wants here now. */
static void play_start(struct world *world, struct words *w)
{
    struct agent *a = node_of(world, w);
    a->epoch += !a->running;
    a->running = a->connected = true;
    while (agent_pass(world->cluster, a)) {
    }
    agent_register(world->cluster, a);
}

static void set_unschedulable(struct world *world, struct words *w, bool value)
{
    const struct object *old =
        lister_get(&world->cluster->lister, &kind_node, NULL, node_of(world, w)->name);
    struct node *next = object_node(object_copy(old));
    next->spec.unschedulable = value;
    write_update(world, old, &next->object);
}

static void play_cordon(struct world *world, struct words *w)
{
    set_unschedulable(world, w, true);
}

static void play_uncordon(struct world *world, struct words *w)
{
    set_unschedulable(world, w, false);
}

/* --- pods ------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct object *const *x = a, *const *y = b;
    return strcmp((*x)->metadata.name, (*y)->metadata.name);
}

static struct object_list pods_by_name(struct world *world, struct arena *arena)
{
    struct object_list pods = lister_list(&world->cluster->lister, &kind_pod, NULL, arena);
    qsort(pods.items, pods.n, sizeof *pods.items, by_name);
    return pods;
}

/* The n-th by name, from 1. */
static const struct pod *pod_of(struct world *world, struct words *w)
{
    struct object_list pods = pods_by_name(world, w->arena);
    int64_t n = words_number(w, words_next(w));
    if (n < 1 || (size_t)n > pods.n) {
        words_fail(w, "there are not so many pods");
    }
    return object_pod(pods.items[n - 1]);
}

/* `crash POD CODE`: its running container ends with that code. */
static void play_crash(struct world *world, struct words *w)
{
    const struct pod *pod = pod_of(world, w);
    int code = (int)words_number(w, words_next(w));
    struct agent *a = agent_of(world->cluster, pod->spec.node_name);
    LIST_FOREACH(l, &a->attempts) {
        struct fake_attempt *f = LIST_ENTRY(l, struct fake_attempt, link);
        if (strcmp(f->pod_uid, pod->object.metadata.uid) == 0 &&
            f->view.state == ATTEMPT_RUNNING) {
            agent_end_attempt(a, f, world->cluster->now_ms, code, 0);
        }
    }
}

static void play_delete_pod(struct world *world, struct words *w)
{
    const struct pod *pod = pod_of(world, w);
    struct object *next = object_copy(&pod->object);
    string_set(&next->metadata.deletion_timestamp, "2026-01-01T00:00:00Z");
    write_update(world, &pod->object, next);
}

static void play_wait(struct world *world, struct words *w)
{
    cluster_wait(world->cluster, words_time(w, words_next(w)));
}

static void play_show(struct world *world, struct words *w)
{
    struct object_list pods = pods_by_name(world, w->arena);
    struct object_list nodes = lister_list(&world->cluster->lister, &kind_node, NULL, w->arena);
    for (size_t i = 0; i < nodes.n; i++) {
        const struct node *n = object_node(nodes.items[i]);
        size_t here = 0;
        for (size_t k = 0; k < pods.n; k++) {
            const char *on = object_pod(pods.items[k])->spec.node_name;
            here += on != NULL && strcmp(on, n->object.metadata.name) == 0;
        }
        buf_printf(world->trace, "  node %s: %s, %zu pods", n->object.metadata.name,
                   condition_is_true(&n->status.conditions, "Ready") ? "ready" : "not ready", here);
        for (size_t k = 0; k < n->spec.n_taints; k++) {
            buf_printf(world->trace, ", taint %s", n->spec.taints[k].effect);
        }
        buf_append_str(world->trace, n->spec.unschedulable ? ", cordoned\n" : "\n");
    }
    for (size_t i = 0; i < pods.n; i++) {
        const struct pod *p = object_pod(pods.items[i]);
        int32_t restarts = p->status.n_container_statuses > 0
                               ? p->status.container_statuses[0].restart_count : 0;
        const char *node = p->spec.node_name != NULL ? p->spec.node_name : "-";
        buf_printf(world->trace, "  pod %s on %s: %s%s, %s, %d restarts\n",
                   p->object.metadata.name, node, p->status.phase,
                   p->object.metadata.deletion_timestamp != NULL ? " (ending)" : "",
                   pod_is_ready(p) ? "ready" : "not ready", (int)restarts);
    }
}

/* --- the player ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*play)(struct world *world, struct words *w);
} verbs[] = {
    { "apply", play_apply },
    { "scale", play_scale },
    { "delete", play_delete },
    { "configmap", play_configmap },
    { "node", play_node },
    { "kill", play_kill },
    { "cut", play_cut },
    { "start", play_start },
    { "cordon", play_cordon },
    { "uncordon", play_uncordon },
    { "crash", play_crash },
    { "delete-pod", play_delete_pod },
    { "wait", play_wait },
    { "show", play_show },
};

static void play(void *arg, struct words *w)
{
    struct world *world = arg;
    const char *verb = words_next(w);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verbs[i].name, verb) == 0) {
            begin_line(world);
            verbs[i].play(world, w);
            cluster_settle(world->cluster);
            end_line(world);
            return;
        }
    }
    words_fail(w, "no such verb");
}

static void *begin(struct buf *trace)
{
    struct world *world = mem_zalloc(sizeof *world);
    world->trace = trace;
    world->cluster = cluster_new(trace);
    world->cluster->on_pods = on_pods;
    world->cluster->arg = world;
    map_init(&world->tracks);
    return world;
}

static void end(void *arg)
{
    struct world *world = arg;
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&world->tracks, &at)) != NULL) {
        struct track *t = e->value;
        mem_free(t->name);
        mem_free(t);
    }
    map_fini(&world->tracks);
    cluster_free(world->cluster);
    mem_free(world);
}

const struct player player_orchestration = { begin, play, NULL, end };
