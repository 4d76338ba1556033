/* A person at work: makes, scales, rolls out and deletes Deployments, and
 * deletes pods; one thing at a time. In the end what was wanted last must stand (world_orch.c). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/apps.h"
#include "api/manifest.h"
#include "api/meta.h"
#include "client/objects.h"
#include "lib/base/alloc.h"
#include "lib/base/timestamp.h"
#include "lib/io/loop.h"
#include "tests/sim/world_orch.h"

enum { DEPLOYMENTS = 3, REPLICAS_MAX = 5 };

struct user {
    struct client *client;
    struct client_call *call; /* under way, one of the two */
    struct objects_op *op;
    unsigned replicas, image; /* of the edit under way */
};

/* --- one thing at a time ---------------------------------------------------------------------- */

static void on_done(void *arg, struct objects_result *r)
{
    struct user *u = arg;
    (void)r;
    u->call = NULL;
    u->op = NULL;
}

static struct object *new_deployment(struct user *u, const char *name)
{
    struct rng *dice = world_dice();
    struct object **objects;
    struct problems problems;
    size_t n;
    autobuf yaml = BUF_INIT;
    buf_printf(&yaml,
               "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: %s}\nspec:\n"
               "  replicas: %u\n  selector: {matchLabels: {app: %s}}\n"
               "  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: %u}}\n"
               "  template:\n    metadata: {labels: {app: %s}}\n    spec:\n"
               "      terminationGracePeriodSeconds: 2\n"
               "      containers:\n      - name: main\n        image: v1\n"
               "        command: [serve]\n"
               "        resources: {requests: {cpu: %s}}\n",
               name, (unsigned)rng_range(dice, 1, REPLICAS_MAX), name,
               (unsigned)rng_range(dice, 0, 1), name,
               rng_chance(dice, 0.5) ? "100m" : "300m");
    problems_init(&problems);
    int rv = manifest_parse(buf_slice(&yaml), "default", &objects, &n, &problems);
    if (rv != 0) {
        world_violation("MANIFEST", problems.items[0].message);
    }
    problems_fini(&problems);
    struct object *o = objects[0];
    mem_free(objects);
    object_stamp_new(o, dice, loop_wall_ms(client_loop(u->client)));
    return o;
}

static int edit(void *arg, struct object *o, struct err *err)
{
    struct user *u = arg;
    struct deployment *d = object_deployment(o);
    (void)err;
    if (u->replicas != 0) {
        d->spec.replicas = (int32_t)u->replicas;
        d->spec.has_replicas = true;
    }
    if (u->image != 0) {
        char image[16];
        snprintf(image, sizeof image, "v%u", u->image);
        string_set(&d->spec.template_.spec.containers[0].image, image);
    }
    return 0;
}

/* --- deleting a pod, as `barque delete` does -------------------------------------------------- */

static void on_pods(void *arg, struct objects_result *r)
{
    struct user *u = arg;
    u->op = NULL;
    if (r->status != 0 || r->n_items == 0) {
        return;
    }
    const struct object *o = r->items[world_now() % r->n_items];
    if (o->metadata.deletion_timestamp != NULL) {
        return;
    }
    orch_user_deletes(o->metadata.uid);
    if (object_pod(o)->spec.node_name == NULL) {
        u->call = objects_delete(u->client, &kind_pod, o->metadata.namespace_, o->metadata.name,
                                 o->metadata.resource_version, on_done, u);
        return;
    }
    char now[32];
    struct object *copy = object_copy(o);
    clock_format(loop_wall_ms(client_loop(u->client)), now, sizeof now);
    string_set(&copy->metadata.deletion_timestamp, now);
    copy->metadata.deletion_grace_period_seconds =
        object_pod(o)->spec.termination_grace_period_seconds;
    u->call = objects_update(u->client, copy, on_done, u);
    object_free(copy);
}

/* --- what it does ----------------------------------------------------------------------------- */

void user_act(struct user *u)
{
    struct rng *dice = world_dice();
    char name[16];
    if (u->call != NULL || u->op != NULL) {
        return;
    }
    snprintf(name, sizeof name, "d%u", (unsigned)rng_range(dice, 1, DEPLOYMENTS));
    uint64_t what = rng_range(dice, 0, 99);
    if (what < 40) {
        struct object *o = new_deployment(u, name);
        u->call = objects_create(u->client, o, on_done, u);
        object_free(o);
    } else if (what < 60) {
        u->replicas = (unsigned)rng_range(dice, 1, REPLICAS_MAX);
        u->image = 0;
        u->op = objects_modify(u->client, &kind_deployment, "default", name, edit, on_done, u);
    } else if (what < 85) {
        u->replicas = 0;
        u->image = (unsigned)rng_range(dice, 1, 9);
        u->op = objects_modify(u->client, &kind_deployment, "default", name, edit, on_done, u);
    } else if (what < 95) {
        u->op = objects_list(u->client, &kind_pod, "default", on_pods, u);
    } else {
        u->call = objects_delete(u->client, &kind_deployment, "default", name, 0, on_done, u);
    }
}

/* --- lives ------------------------------------------------------------------------------------ */

struct user *user_start(struct client *client)
{
    struct user *u = mem_zalloc(sizeof *u);
    u->client = client;
    return u;
}

void user_end(struct user *u)
{
    if (u == NULL) {
        return;
    }
    if (u->call != NULL) {
        client_call_cancel(TAKE(u->call));
    }
    if (u->op != NULL) {
        objects_op_cancel(TAKE(u->op));
    }
    mem_free(u);
}
