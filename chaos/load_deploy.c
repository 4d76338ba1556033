/* A Deployment that is scaled and rolled out while everything else breaks. Its pods do nothing:
 * what is looked at is that as many are ready as are wanted, on nodes that live.
 *
 *   create -> ready -> (scale | roll out) -> ready -> ... -> stop: no more edits -> settled: ready
 *
 * An edit is made only when the one before is done, or EDIT_MAX_MS later: a rollout that is hurt
 * midway must go on, and one that is overtaken must come to the newest. */
#include <stdio.h>
#include <string.h>

#include "api/manifest.h"
#include "api/meta.h"
#include "chaos/load.h"
#include "client/informer.h"
#include "client/objects.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

enum { REPLICAS_MIN = 2, REPLICAS_MAX = 6, TICK_MS = 50, EDIT_MIN_MS = 1500, EDIT_MAX_MS = 9000 };

static const char manifest[] = "apiVersion: apps/v1\n"
                               "kind: Deployment\n"
                               "metadata: { name: %s, labels: { app: %s } }\n"
                               "spec:\n"
                               "  replicas: 4\n"
                               "  selector: { matchLabels: { app: %s } }\n"
                               "  template:\n"
                               "    metadata: { labels: { app: %s } }\n"
                               "    spec:\n"
                               "      terminationGracePeriodSeconds: 1\n"
                               "      containers:\n"
                               "      - name: idle\n"
                               "        image: busybox\n"
                               "        command: [/bin/sleep, \"86400\"]\n"
                               "        resources: { requests: { cpu: 50m, memory: 8Mi } }\n";

struct load_deploy {
    struct loads *loads;
    struct informers *informers;
    struct object *desired; /* to be created; NULL once it is there */
    struct timer tick;
    char name[32], selector[48];
    bool creating, gone; /* gone: freed while the store still creates */
    struct objects_op *edit;
    int32_t replicas; /* of the edit under way; -1 = a rollout */
    uint64_t release, last_edit_ms, next_edit_ms;
};

/* --- looking ---------------------------------------------------------------------------------- */

static const struct deployment *deployment_of(const struct load_deploy *d)
{
    const struct object *o =
        lister_get(informers_lister(d->informers), &kind_deployment, "default", d->name);
    return o != NULL ? object_deployment(o) : NULL;
}

static bool is_complete(const struct deployment *p)
{
    return p->status.observed_generation >= p->object.metadata.generation &&
           p->status.updated_replicas == p->spec.replicas &&
           p->status.replicas == p->spec.replicas &&
           p->status.available_replicas == p->spec.replicas;
}

struct pods {
    size_t ready, on_node;
};

static struct pods count_pods(const struct load_deploy *d, const char *node)
{
    struct pods n = { 0, 0 };
    struct arena arena;
    arena_init(&arena);
    struct object_list pods =
        lister_by(informers_lister(d->informers), &kind_pod, &index_label, d->selector, &arena);
    for (size_t i = 0; i < pods.n; i++) {
        const struct pod *p = object_pod(pods.items[i]);
        bool here = node != NULL && str_eq(p->spec.node_name, node);
        n.ready += pod_is_ready(p) && pod_is_active(p) && !here;
        n.on_node += here && pod_is_active(p);
    }
    arena_fini(&arena);
    return n;
}

bool load_deploy_ready(const struct loads *l)
{
    const struct load_deploy *d = l->deploy;
    if (d == NULL) {
        return true;
    }
    const struct deployment *p = deployment_of(d);
    return p != NULL && d->edit == NULL && is_complete(p) &&
           count_pods(d, NULL).ready >= (size_t)p->spec.replicas;
}

bool load_deploy_left(const struct loads *l, const char *node)
{
    const struct load_deploy *d = l->deploy;
    const struct deployment *p = d != NULL ? deployment_of(d) : NULL;
    if (p == NULL) {
        return false;
    }
    struct pods n = count_pods(d, node);
    return n.on_node > 0 || n.ready < (size_t)p->spec.replicas;
}

/* --- creating --------------------------------------------------------------------------------- */

static void on_created(void *arg, struct objects_result *result)
{
    struct load_deploy *d = arg;
    d->creating = false;
    if (d->gone) {
        object_free(d->desired);
        mem_free(d);
        return;
    }
    if (result->status == 0 || result->status == E_EXIST) {
        object_free(d->desired);
        d->desired = NULL;
    } else {
        chaos_report_add_error(d->loads->report, result->err->msg, 1);
    }
}

static struct object *parse(struct load_deploy *d)
{
    struct object **objects;
    struct problems problems;
    size_t n;
    autofree char *text = mem_printf(manifest, d->name, d->name, d->name, d->name);
    problems_init(&problems);
    int rv = manifest_parse(slice_str(text), "default", &objects, &n, &problems);
    problems_fini(&problems);
    INVARIANT(rv == 0 && n == 1); /* the text is ours */
    struct object *o = objects[0];
    mem_free(objects);
    object_stamp_new(o, &d->loads->rng, loop_wall_ms(d->loads->loop));
    return o;
}

/* --- editing ---------------------------------------------------------------------------------- */

static int edit(void *arg, struct object *o, struct err *err)
{
    struct load_deploy *d = arg;
    struct deployment *p = object_deployment(o);
    char release[24];
    (void)err;
    if (d->replicas >= 0) {
        p->spec.replicas = d->replicas;
        return 0;
    }
    snprintf(release, sizeof release, "r%llu", (unsigned long long)d->release);
    string_map_set(&p->spec.template_.metadata.annotations, "release", release);
    return 0;
}

static void on_edited(void *arg, struct objects_result *result)
{
    struct load_deploy *d = arg;
    d->edit = NULL;
    if (result->status == 0) {
        chaos_report_add_counter(d->loads->report,
                                 d->replicas >= 0 ? "deployments scaled" : "rollouts begun", 1);
    } else {
        chaos_report_add_error(d->loads->report, result->err->msg, 1);
    }
}

static void edit_next(struct load_deploy *d, uint64_t now)
{
    struct rng *rng = &d->loads->rng;
    d->replicas = -1;
    if (rng_chance(rng, 0.5)) {
        d->replicas = (int32_t)rng_range(rng, REPLICAS_MIN, REPLICAS_MAX);
    } else {
        d->release++;
    }
    d->last_edit_ms = now;
    d->next_edit_ms = now + rng_range(rng, EDIT_MIN_MS, 3 * EDIT_MIN_MS);
    d->edit =
        objects_modify(d->loads->client, &kind_deployment, "default", d->name, edit, on_edited, d);
}

static void on_tick(struct timer *t)
{
    struct load_deploy *d = CONTAINER_OF(t, struct load_deploy, tick);
    uint64_t now = loop_now_ms(d->loads->loop);
    if (d->desired != NULL && !d->creating) {
        d->creating = true;
        objects_create(d->loads->client, d->desired, on_created, d);
    }
    const struct deployment *p = deployment_of(d);
    bool due = now >= d->next_edit_ms && p != NULL &&
               (is_complete(p) || now >= d->last_edit_ms + EDIT_MAX_MS);
    if (d->loads->running && due && d->edit == NULL) {
        edit_next(d, now);
    }
    timer_start(t, TICK_MS);
}

/* --- life ------------------------------------------------------------------------------------- */

void load_deploy_start(struct loads *l)
{
    struct load_deploy *d = mem_zalloc(sizeof *d);
    l->deploy = d;
    d->loads = l;
    snprintf(d->name, sizeof d->name, "chaos-%08x", (unsigned)(l->run_id & UINT32_MAX));
    snprintf(d->selector, sizeof d->selector, "app=%s", d->name);
    d->informers = informers_new(l->client, l->seed);
    informers_of(d->informers, &kind_deployment);
    informers_of(d->informers, &kind_pod);
    d->desired = parse(d);
    d->last_edit_ms = loop_now_ms(l->loop);
    d->next_edit_ms = d->last_edit_ms + EDIT_MIN_MS;
    timer_init(l->loop, &d->tick, on_tick);
    timer_start(&d->tick, 1);
}

bool load_deploy_settled(struct loads *l)
{
    return load_deploy_ready(l);
}

const char *load_deploy_name(const struct loads *l)
{
    return l->deploy != NULL ? l->deploy->name : NULL;
}

void load_deploy_free(struct loads *l)
{
    struct load_deploy *d = l->deploy;
    if (d == NULL) {
        return;
    }
    timer_stop(&d->tick);
    if (d->edit != NULL) {
        objects_op_cancel(d->edit);
    }
    informers_free(d->informers);
    l->deploy = NULL;
    d->gone = d->creating;
    if (!d->gone) {
        object_free(d->desired);
        mem_free(d);
    }
}
