/* Operations on objects that take several calls: list in pages, and read-edit-write with
 * repetition.
 *
 *     modify:   GET --> edit --> UPDATE --> done
 *                        ^          |
 *                        +-- conflict: the answer carries the present state (at most 16 times)
 */
#include "client/internal.h"
#include "client/objects.h"
#include "lib/base/alloc.h"

enum { LIST_PAGE = 500, MODIFY_TRIES_MAX = 16 };

struct objects_op {
    struct client *client;
    const struct kind *kind;
    objects_done done;
    void *arg;
    struct client_call *call;

    /* list */
    struct buf from, end;
    int64_t revision;
    struct object **items;
    size_t n_items, cap_items;

    /* modify */
    objects_edit edit;
    uint32_t tries;
    struct object *base; /* what the edit started from */
    struct timer pause;
};

static struct objects_op *op_new(struct client *c, const struct kind *kind, objects_done done,
                                 void *arg)
{
    struct objects_op *op = mem_zalloc(sizeof *op);

    op->client = c;
    op->kind = kind;
    op->done = done;
    op->arg = arg;
    return op;
}

static void op_free(struct objects_op *op)
{
    if (op->edit != NULL) {
        timer_stop(&op->pause);
    }
    for (size_t i = 0; i < op->n_items; i++) {
        object_free(op->items[i]);
    }
    mem_free(op->items);
    object_free(op->base);
    buf_fini(&op->from);
    buf_fini(&op->end);
    mem_free(op);
}

void objects_op_cancel(struct objects_op *op)
{
    if (op == NULL) {
        return;
    }
    client_call_cancel(op->call);
    op_free(op);
}

static void op_end(struct objects_op *op, struct objects_result *r)
{
    op->done(op->arg, r);
    object_free(r->object);
    op_free(op);
}

static void op_fail(struct objects_op *op, int status, const struct err *err)
{
    struct objects_result r = { .status = status, .err = err };

    op_end(op, &r);
}

/* --- list ------------------------------------------------------------------------------------- */

static void list_next(struct objects_op *op);

static int list_keep(struct objects_op *op, const struct client_kv *kv, struct err *err)
{
    struct object *o = NULL;
    int rv = object_decode(op->kind, kv, &o, err);

    if (rv != 0) {
        return rv;
    }
    op->items = mem_grow(op->items, &op->cap_items, op->n_items + 1, sizeof *op->items);
    op->items[op->n_items++] = o;
    return 0;
}

static void on_page(void *arg, const struct client_result *result)
{
    struct objects_op *op = arg;
    struct objects_result r = { 0 };
    struct err err;

    op->call = NULL;
    if (result->status != 0) {
        op_fail(op, result->status, result->err);
        return;
    }
    if (op->revision == 0) {
        op->revision = result->revision;
    }
    for (size_t i = 0; i < result->n_kvs; i++) {
        if (list_keep(op, &result->kvs[i], &err) != 0) {
            op_fail(op, err.code, &err);
            return;
        }
    }
    if (result->more && result->n_kvs != 0) {
        buf_reset(&op->from);
        buf_append_slice(&op->from, result->kvs[result->n_kvs - 1].key);
        buf_append_char(&op->from, 0);
        list_next(op);
        return;
    }
    r.items = op->items;
    r.n_items = op->n_items;
    r.revision = op->revision;
    op_end(op, &r);
}

static void list_next(struct objects_op *op)
{
    struct client_range range = {
        .key = buf_slice(&op->from),
        .range_end = buf_slice(&op->end),
        .limit = LIST_PAGE,
        .revision = op->revision,
    };

    op->call = client_get(op->client, &range, on_page, op);
}

struct objects_op *objects_list(struct client *c, const struct kind *kind, const char *namespace_,
                                objects_done done, void *arg)
{
    struct objects_op *op = op_new(c, kind, done, arg);

    kind_prefix(kind, namespace_, &op->from);
    client_prefix_end(buf_slice(&op->from), &op->end);
    list_next(op);
    return op;
}

/* --- modify ----------------------------------------------------------------------------------- */

static void on_written(void *arg, struct objects_result *result);

/* PRE: base is the present state. */
static void modify_step(struct objects_op *op)
{
    struct object *o = object_copy(op->base);
    struct objects_result r = { 0 };
    struct err err = ERR_INIT;
    int rv = op->edit(op->arg, o, &err);

    if (rv != 0) {
        object_free(o);
        op_fail(op, rv, &err);
        return;
    }
    if (!object_stamp_update(o, op->base)) {
        r.object = o;
        r.revision = op->base->metadata.resource_version;
        op_end(op, &r);
        return;
    }
    op->tries++;
    op->call = objects_update(op->client, o, on_written, op);
    object_free(o);
}

static void on_pause_over(struct timer *t)
{
    modify_step(CONTAINER_OF(t, struct objects_op, pause));
}

static void on_written(void *arg, struct objects_result *result)
{
    static const struct backoff backoff = { 5, 200 };
    struct objects_op *op = arg;

    op->call = NULL;
    if (result->status != E_CONFLICT || op->tries >= MODIFY_TRIES_MAX) {
        op->done(op->arg, result);
        op_free(op);
        return;
    }
    object_free(op->base);
    op->base = TAKE(result->object);
    timer_start(&op->pause, backoff_delay_ms(&backoff, op->tries, &op->client->rng));
}

static void on_read(void *arg, struct objects_result *result)
{
    struct objects_op *op = arg;

    op->call = NULL;
    if (result->status != 0) {
        op_fail(op, result->status, result->err);
        return;
    }
    op->base = TAKE(result->object);
    modify_step(op);
}

struct objects_op *objects_modify(struct client *c, const struct kind *kind,
                                  const char *namespace_, const char *name, objects_edit edit,
                                  objects_done done, void *arg)
{
    struct objects_op *op = op_new(c, kind, done, arg);

    op->edit = edit;
    timer_init(client_loop(c), &op->pause, on_pause_over);
    op->call = objects_get(c, kind, namespace_, name, on_read, op);
    return op;
}
