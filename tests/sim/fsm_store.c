/* The real store as the replicated state machine: puts, deletes, transactions, leases and
 * compactions over few keys, so that they meet. A command is the proposal's id and the store's own
 * encoding. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "tests/sim/admin.h"
#include "tests/sim/machine.h"

enum { LEASES = 6, COMPACT_STEP = 8 };

struct kv {
    struct node *node;
    struct store *store;
    struct store_restore *restore;
    int64_t revision; /* of the last events */
};

static void on_events(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct kv *kv = arg;
    if (revision <= kv->revision || n == 0) {
        sim_violation(kv->node->sim, "EVENTS OUT OF ORDER: revision %" PRId64 " after %" PRId64,
                      revision, kv->revision);
    }
    for (size_t i = 0; i < n; i++) {
        struct kv_view view;
        record_view(records[i], &view);
        if (view.mod_revision != revision || view.sub != (int32_t)i) {
            sim_violation(kv->node->sim, "EVENT OF REVISION %" PRId64 " AMONG %" PRId64,
                          view.mod_revision, revision);
        }
    }
    kv->revision = revision;
}

static void kv_listen(struct kv *kv)
{
    kv->revision = store_revision(kv->store);
    store_set_on_events(kv->store, on_events, kv);
}

static void *kv_new(struct node *n)
{
    struct kv *kv = mem_zalloc(sizeof *kv);
    struct store_options options = { 0 };
    kv->node = n;
    kv->store = store_new(&options);
    kv_listen(kv);
    return kv;
}

static void kv_free(void *state)
{
    struct kv *kv = state;
    if (kv->restore != NULL) {
        store_restore_abort(kv->restore);
    }
    store_free(kv->store);
    mem_free(kv);
}

static void kv_apply(void *state, uint64_t index, uint64_t term, struct slice command)
{
    struct kv *kv = state;
    struct arena arena;
    struct command c;
    struct store_result result;
    (void)term;
    arena_init(&arena);
    if (command_decode(slice_make(command.data + 8, command.len - 8), &arena, &c) != 0) {
        sim_violation(kv->node->sim, "UNDECODABLE COMMAND at %" PRIu64, index);
    }
    store_result_init(&result);
    admin_before(kv->node, index, kv->store, &c);
    store_apply(kv->store, index, &c, &result);
    admin_after(kv->node, index, kv->store, &c, result.status);
    if (result.revision != store_revision(kv->store)) {
        sim_violation(kv->node->sim, "REVISION OF THE ANSWER: %" PRId64 " at index %" PRIu64,
                      result.revision, index);
    }
    store_result_fini(&result);
    arena_fini(&arena);
    (void)store_compact_step(kv->store, COMPACT_STEP);
}

static uint64_t kv_digest(const void *state)
{
    uint64_t digest = store_digest(((const struct kv *)state)->store);
    return digest != 0 ? digest : 1;
}

static uint64_t kv_applied(const void *state)
{
    return store_applied_index(((const struct kv *)state)->store);
}

static uint64_t kv_content(void *state)
{
    struct kv *kv = state;
    uint32_t hash = 0;
    admin_check(kv->node, kv->store);
    if (store_hash_kv(kv->store, 0, &hash) != 0) {
        sim_violation(kv->node->sim, "HASHKV FAILS at member %u", kv->node->id);
    }
    return (uint64_t)hash << 32 ^ (uint64_t)store_revision(kv->store);
}

/* --- snapshots -------------------------------------------------------------------------------- */

struct kv_pin {
    struct kv *kv;
    struct store_pin *pin;
};

static void *kv_pin(void *state)
{
    struct kv_pin *p = mem_zalloc(sizeof *p);
    p->kv = state;
    p->pin = store_pin(p->kv->store);
    return p;
}

static int kv_next(void *pin, struct buf *out)
{
    return store_pin_next(((struct kv_pin *)pin)->pin, out);
}

static void kv_unpin(void *pin)
{
    struct kv_pin *p = pin;
    store_unpin(p->kv->store, p->pin);
    mem_free(p);
}

static int kv_restore(void *state, struct slice bytes, uint64_t offset)
{
    struct kv *kv = state;
    struct store_options options = { 0 };
    struct err err = ERR_INIT;
    if (offset == 0 && kv->restore == NULL) {
        kv->restore = store_restore_begin(&options);
    }
    return store_restore_chunk(kv->restore, bytes, &err);
}

static bool kv_restored(void *state, uint64_t bytes)
{
    struct kv *kv = state;
    struct store *store;
    struct err err = ERR_INIT;
    if (bytes == 0 || store_restore_finish(TAKE(kv->restore), &store, &err) != 0) {
        return false;
    }
    store_free(kv->store);
    kv->store = store;
    admin_check(kv->node, store);
    kv_listen(kv);
    return true;
}

/* --- commands --------------------------------------------------------------------------------- */

static struct slice some_key(struct sim *s, char text[16])
{
    snprintf(text, 16, "k%02u", (unsigned)rng_range(&s->dice, 0, s->o.keys - 1));
    return slice_str(text);
}

static int64_t some_lease(struct sim *s)
{
    return (int64_t)rng_range(&s->dice, 1, LEASES);
}

static void some_write(struct sim *s, struct op *op, char key[16], struct slice value)
{
    if (rng_chance(&s->dice, 0.7)) {
        *op = (struct op){ .type = OP_PUT };
        op->put = (struct put_request){ .key = some_key(s, key), .value = value };
        op->put.lease = rng_chance(&s->dice, 0.2) ? some_lease(s) : 0;
    } else {
        *op = (struct op){ .type = OP_DELETE };
        op->del.key = some_key(s, key);
        op->del.range_end = rng_chance(&s->dice, 0.2) ? slice_str("k99") : slice_make(NULL, 0);
    }
}

/* Where it is asked: a member knows users and roles as its own store does. */
static const struct store *store_here(const struct sim *s)
{
    return ((const struct kv *)machine_state(s->running->machine))->store;
}

static void tell(struct sim *s, struct command *c, struct buf *out)
{
    if ((s->o.admin & ADMIN_AUTH) != 0) {
        admin_sign(s, store_here(s), c);
    }
    command_encode(c, out);
}

static void encode_txn(struct sim *s, struct slice value, struct buf *out)
{
    char keys[3][16];
    struct op branches[2];
    struct compare compare = {
        .target = COMPARE_VERSION,
        .result = (int)rng_range(&s->dice, COMPARE_EQUAL, COMPARE_NOT_EQUAL),
        .key = some_key(s, keys[0]),
        .number = (int64_t)rng_range(&s->dice, 0, 3),
    };
    some_write(s, &branches[0], keys[1], value);
    some_write(s, &branches[1], keys[2], value);
    struct command c = { .type = COMMAND_TXN };
    c.txn = (struct txn_request){
        .compare = &compare, .n_compare = 1,
        .success = &branches[0], .n_success = 1,
        .failure = &branches[1], .n_failure = 1,
    };
    tell(s, &c, out);
}

static void encode_lease(struct sim *s, struct buf *out)
{
    struct command c = { .type = COMMAND_LEASE_GRANT };
    int64_t id = some_lease(s);
    if (rng_chance(&s->dice, 0.5)) {
        c.lease_grant.id = id;
        c.lease_grant.ttl_s = 10;
    } else {
        c.type = COMMAND_LEASE_REVOKE;
        c.lease_revoke.ids = &id;
        c.lease_revoke.n = 1;
    }
    tell(s, &c, out);
}

static void kv_command(struct sim *s, uint64_t id, struct buf *out)
{
    char key[16];
    char text[1024];
    struct op op;
    size_t len = (size_t)rng_range(&s->dice, 0, s->o.payload_max);
    snprintf(text, sizeof text, "%" PRIu64, id);
    memset(text + strlen(text), 'v', sizeof text - strlen(text));
    struct slice value = slice_make(text, len < 24 ? 24 : len);
    double what = rng_double(&s->dice);
    buf_put_u64(out, id);
    if (s->o.admin != 0) {
        struct command c;
        if (admin_command(s, store_here(s), &c)) {
            tell(s, &c, out);
            return;
        }
    }
    if (what < 0.15) {
        encode_txn(s, value, out);
    } else if (what < 0.25) {
        encode_lease(s, out);
    } else if (what < 0.27) {
        struct command c = { .type = COMMAND_COMPACT };
        c.compact.revision = (int64_t)rng_range(&s->dice, 1, id);
        tell(s, &c, out);
    } else {
        some_write(s, &op, key, value);
        struct command c = { .type = op.type == OP_PUT ? COMMAND_PUT : COMMAND_DELETE };
        if (op.type == OP_PUT) {
            c.put = op.put;
        } else {
            c.del = op.del;
        }
        tell(s, &c, out);
    }
}

const struct machine_ops STORE_OPS = {
    .new = kv_new,
    .free = kv_free,
    .apply = kv_apply,
    .digest = kv_digest,
    .applied = kv_applied,
    .content = kv_content,
    .pin = kv_pin,
    .next = kv_next,
    .unpin = kv_unpin,
    .restore = kv_restore,
    .restored = kv_restored,
    .command = kv_command,
};
