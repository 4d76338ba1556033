/* Store and model side by side. Each step is one command or one range; besides, at random:
 * compaction steps of random size, pins held over many steps whose bytes must not change, and
 * the whole store replaced by what its snapshot restores to. A second store that never
 * compacts its memory and is never restored must stay equal in digest and in the hash of its
 * content: nothing physical may show. */
#include "tests/unit/store/differential.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "tests/unit/store/model.h"
#include "tests/unit/store/snapshot_bytes.h"

struct run {
    struct gen *g;
    struct store *store, *twin;
    struct model *model;
    struct store_options options;
    uint64_t index;
    struct store_pin *pin;
    struct buf pinned; /* what the pin's bytes must be */
};

static bool same(const struct run *r, const char *what, struct buf *store, struct buf *model)
{
    if (slice_eq(buf_slice(store), buf_slice(model))) {
        return true;
    }
    fprintf(stderr, "step %" PRIu64 ": %s differs\n  store: %s\n  model: %s\n", r->index, what,
            buf_str(store), buf_str(model));
    return false;
}

/* Through the log's encoding, as in life. */
static bool step_command(struct run *r)
{
    struct command c, decoded;
    autobuf entry = BUF_INIT;
    gen_command(r->g, &c);
    command_encode(&c, &entry);
    if (command_decode(buf_slice(&entry), r->g->arena, &decoded) != 0) {
        fprintf(stderr, "step %" PRIu64 ": an encoded command does not decode\n", r->index);
        return false;
    }
    autobuf a = BUF_INIT, b = BUF_INIT, t = BUF_INIT;
    r->index++;
    store_apply_text(r->store, r->index, &decoded, &a);
    store_apply_text(r->twin, r->index, &c, &t);
    model_apply(r->model, &c, &b);
    return same(r, "apply", &a, &b) && same(r, "twin", &t, &b);
}

static bool step_range(struct run *r)
{
    struct range_request range;
    gen_range(r->g, &range);
    autobuf a = BUF_INIT, b = BUF_INIT;
    store_range_text(r->store, &range, &a);
    model_range(r->model, &range, &b);
    return same(r, "range", &a, &b);
}

static bool check_state(struct run *r)
{
    autobuf a = BUF_INIT, b = BUF_INIT;
    store_state_text(r->store, &a);
    model_state(r->model, &b);
    if (store_digest(r->store) != store_digest(r->twin)) {
        fprintf(stderr, "step %" PRIu64 ": digests differ\n", r->index);
        return false;
    }
    uint32_t x = 0, y = 1;
    unsigned span = (unsigned)(store_revision(r->store) - store_compact_revision(r->store)) + 1;
    int64_t at = store_compact_revision(r->store) + gen_below(r->g, span);
    int rx = store_hash_kv(r->store, at, &x), ry = store_hash_kv(r->twin, at, &y);
    if (rx != 0 || ry != 0 || x != y || store_live_bytes(r->store) != store_live_bytes(r->twin)) {
        fprintf(stderr, "step %" PRIu64 ": contents differ at %" PRId64 "\n", r->index, at);
        return false;
    }
    return same(r, "state", &a, &b);
}

static bool step_pin(struct run *r)
{
    if (r->pin == NULL) {
        struct store_pin *now = store_pin(r->store);
        buf_reset(&r->pinned);
        while (store_pin_next(now, &r->pinned) == 1) {
        }
        store_unpin(r->store, now);
        r->pin = store_pin(r->store);
        return true;
    }
    autobuf later = BUF_INIT;
    while (store_pin_next(r->pin, &later) == 1) {
    }
    store_unpin(r->store, r->pin);
    r->pin = NULL;
    if (!slice_eq(buf_slice(&later), buf_slice(&r->pinned))) {
        fprintf(stderr, "step %" PRIu64 ": a pin's bytes changed\n", r->index);
        return false;
    }
    return true;
}

static bool step_restore(struct run *r)
{
    if (r->pin != NULL) {
        return step_pin(r);
    }
    autobuf a = BUF_INIT, b = BUF_INIT;
    snapshot_bytes(r->store, &a);
    snapshot_bytes(r->twin, &b);
    if (!slice_eq(buf_slice(&a), buf_slice(&b))) {
        fprintf(stderr, "step %" PRIu64 ": snapshots of equal stores differ\n", r->index);
        return false;
    }
    struct err err = ERR_INIT;
    struct store *restored =
        snapshot_restore(buf_slice(&a), 1 + gen_below(r->g, 250), &r->options, &err);
    if (restored == NULL) {
        fprintf(stderr, "step %" PRIu64 ": restore failed: %s\n", r->index, err.msg);
        return false;
    }
    store_free(r->store);
    r->store = restored;
    return true;
}

static bool run_step(struct run *r)
{
    arena_reset(r->g->arena);
    r->g->revision = model_revision(r->model);
    r->g->compact_revision = model_compact_revision(r->model);
    unsigned kind = gen_below(r->g, 250);
    if (kind < 100) {
        return step_command(r);
    }
    if (kind < 240) {
        return step_range(r);
    }
    switch (kind) {
    case 240:
    case 241:
        return step_pin(r);
    case 242:
        return step_restore(r);
    case 243:
        return check_state(r);
    default:
        store_compact_step(r->store, gen_below(r->g, 30));
        return true;
    }
}

bool differential_run(struct gen *g, size_t steps, int64_t quota_bytes)
{
    struct run r = { .g = g, .options = { .quota_bytes = quota_bytes } };
    r.store = store_new(&r.options);
    r.twin = store_new(&r.options);
    r.model = model_new(quota_bytes);
    bool ok = true;
    for (size_t i = 0; ok && i < steps && !gen_done(g); i++) {
        ok = run_step(&r);
    }
    ok = ok && check_state(&r);
    if (r.pin != NULL) {
        ok = step_pin(&r) && ok;
    }
    store_free(r.store);
    store_free(r.twin);
    model_free(r.model);
    buf_fini(&r.pinned);
    return ok;
}
