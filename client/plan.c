/* Plans; see plan.h. Names and texts of the objects concerned are copied into the plan's arena,
 * because the cache may change before the plan is carried out. */
#include "client/plan.h"

#include <stdio.h>

#include "client/objects.h"
#include "lib/base/alloc.h"

void plan_init(struct plan *p, uint64_t seed, int64_t now_ms)
{
    *p = (struct plan){ .requeue_after_ms = UINT64_MAX, .now_ms = now_ms };
    arena_init(&p->arena);
    rng_init(&p->rng, seed);
}

void plan_fini(struct plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        object_free(p->ops[i].object);
    }
    mem_free(p->ops);
    p->ops = NULL;
    p->n = p->cap = 0;
    arena_fini(&p->arena);
}

static struct plan_op *add_op(struct plan *p, enum plan_action action, const struct object *o)
{
    const struct object_meta *m = &o->metadata;
    struct plan_op *op;

    p->ops = mem_grow(p->ops, &p->cap, p->n + 1, sizeof *p->ops);
    op = &p->ops[p->n++];
    *op = (struct plan_op){
        .action = action,
        .kind = o->kind,
        .namespace_ = arena_strdup(&p->arena, m->namespace_ != NULL ? m->namespace_ : ""),
        .name = arena_strdup(&p->arena, m->name != NULL ? m->name : ""),
        .uid = arena_strdup(&p->arena, m->uid != NULL ? m->uid : ""),
        .resource_version = m->resource_version,
    };
    return op;
}

struct object *plan_create(struct plan *p, struct object *taken)
{
    object_stamp_new(taken, &p->rng, p->now_ms);
    taken->metadata.resource_version = 0;
    add_op(p, PLAN_CREATE, taken)->object = taken;
    return taken;
}

bool plan_update(struct plan *p, const struct object *old, struct object *taken)
{
    if (!object_stamp_update(taken, old)) {
        object_free(taken);
        return false;
    }
    add_op(p, PLAN_UPDATE, taken)->object = taken;
    return true;
}

bool plan_update_status(struct plan *p, const struct object *old, struct object *taken)
{
    taken->metadata.resource_version = old->metadata.resource_version;
    taken->metadata.generation = old->metadata.generation;
    if (object_equal(old, taken)) {
        object_free(taken);
        return false;
    }
    add_op(p, PLAN_UPDATE_STATUS, taken)->object = taken;
    return true;
}

void plan_delete(struct plan *p, const struct object *o)
{
    add_op(p, PLAN_DELETE, o);
}

void plan_event(struct plan *p, const struct object *about, const char *type, const char *reason,
                const char *fmt, ...)
{
    struct plan_op *op = add_op(p, PLAN_EVENT, about);
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    op->type = arena_strdup(&p->arena, type);
    op->reason = arena_strdup(&p->arena, reason);
    op->message = arena_strdup(&p->arena, text);
}

void plan_requeue_after(struct plan *p, uint64_t delay_ms)
{
    if (delay_ms < p->requeue_after_ms) {
        p->requeue_after_ms = delay_ms;
    }
}

size_t plan_count(const struct plan *p, enum plan_action action)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++) {
        n += p->ops[i].action == action;
    }
    return n;
}
