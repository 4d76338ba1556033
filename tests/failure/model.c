/* What the cluster's state may be: candidates, each a store of its own that took the commands which
 * happened in it. A candidate lives as long as it explains every answer, byte for byte (both sides
 * put results into messages with server/convert.c: what is judged is the state, not the form). */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "server/convert.h"
#include "tests/failure/failure.h"

enum { CANDIDATES_MAX = 64 };

struct candidate {
    struct store *store;
    uint64_t index;
    const struct command **taken;
    size_t n_taken, taken_cap;
    struct told *told;
    size_t n_told, told_cap;
};

struct model {
    struct candidate *states[CANDIDATES_MAX];
    size_t n;
    struct arena arena;
};

static void on_events(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct candidate *c = arg;
    for (size_t i = 0; i < n; i++) {
        struct kv_view v;
        record_view(records[i], &v);
        c->told = mem_grow(c->told, &c->told_cap, c->n_told + 1, sizeof *c->told);
        c->told[c->n_told++] = (struct told){
            .revision = revision,
            .tombstone = v.tombstone,
            .key = slice_make(mem_dup(v.key.data, v.key.len), v.key.len),
            .value_hash = hash_bytes(v.value.data, v.value.len),
        };
    }
}

static struct candidate *candidate_new(void)
{
    struct candidate *c = mem_zalloc(sizeof *c);
    struct store_options options = { 0 };
    c->store = store_new(&options);
    store_set_on_events(c->store, on_events, c);
    return c;
}

static void candidate_free(struct candidate *c)
{
    store_free(c->store);
    for (size_t i = 0; i < c->n_told; i++) {
        mem_free((void *)(uintptr_t)c->told[i].key.data);
    }
    mem_free(c->told);
    mem_free(c->taken);
    mem_free(c);
}

static void take(struct candidate *c, const struct command *command, struct store_result *r)
{
    store_apply(c->store, ++c->index, command, r);
    c->taken = mem_grow(c->taken, &c->taken_cap, c->n_taken + 1, sizeof *c->taken);
    c->taken[c->n_taken++] = command;
}

static void take_quietly(struct candidate *c, const struct command *command)
{
    struct store_result r;
    store_result_init(&r);
    take(c, command, &r);
    store_result_fini(&r);
}

static struct candidate *candidate_copy(const struct candidate *c)
{
    struct candidate *copy = candidate_new();
    for (size_t i = 0; i < c->n_taken; i++) {
        take_quietly(copy, c->taken[i]);
    }
    return copy;
}

struct model *model_new(void)
{
    struct model *m = mem_zalloc(sizeof *m);
    arena_init(&m->arena);
    m->states[m->n++] = candidate_new();
    return m;
}

/* --- what an answer has to be ----------------------------------------------------------------- */

struct answer {
    int err;
    int64_t revision;
    struct buf packed; /* without its header */
};

static void pack(const ProtobufCMessage *msg, struct buf *out)
{
    size_t n = protobuf_c_message_get_packed_size(msg);
    buf_advance(out, protobuf_c_message_pack(msg, buf_reserve(out, n)));
}

static void expect_range(struct candidate *c, const struct range_request *r, struct answer *a)
{
    struct arena arena;
    struct range_result result = { 0 };
    arena_init(&arena);
    a->err = range_check(r);
    a->err = a->err != 0 ? a->err : store_range(c->store, r, &arena, &result);
    a->revision = store_revision(c->store);
    if (a->err == 0) {
        Etcdserverpb__RangeResponse m = ETCDSERVERPB__RANGE_RESPONSE__INIT;
        range_to_pb(&result, r->keys_only, &arena, &m);
        pack(&m.base, &a->packed);
        range_result_unref(&result);
    }
    arena_fini(&arena);
}

static void expect_delete(const struct store_result *r, struct arena *arena, struct buf *out)
{
    Etcdserverpb__DeleteRangeResponse m = ETCDSERVERPB__DELETE_RANGE_RESPONSE__INIT;
    m.deleted = r->op.n_deleted;
    if (r->op.deleted != NULL) {
        m.n_prev_kvs = (size_t)r->op.n_deleted;
        m.prev_kvs = arena_alloc(arena, (m.n_prev_kvs + 1) * sizeof *m.prev_kvs);
        for (size_t i = 0; i < m.n_prev_kvs; i++) {
            m.prev_kvs[i] = kv_to_pb(r->op.deleted[i], false, arena);
        }
    }
    pack(&m.base, out);
}

static void expect_message(const struct command *c, const struct store_result *r, struct buf *out)
{
    struct arena arena;
    arena_init(&arena);
    if (c->type == COMMAND_PUT) {
        Etcdserverpb__PutResponse m = ETCDSERVERPB__PUT_RESPONSE__INIT;
        m.prev_kv = r->op.prev != NULL ? kv_to_pb(r->op.prev, false, &arena) : NULL;
        pack(&m.base, out);
    } else if (c->type == COMMAND_DELETE) {
        expect_delete(r, &arena, out);
    } else if (c->type == COMMAND_TXN) {
        Etcdserverpb__TxnResponse m = ETCDSERVERPB__TXN_RESPONSE__INIT;
        txn_to_pb(&c->txn, &r->txn, &arena, &m);
        pack(&m.base, out);
    } else if (c->type == COMMAND_LEASE_GRANT) {
        Etcdserverpb__LeaseGrantResponse m = ETCDSERVERPB__LEASE_GRANT_RESPONSE__INIT;
        m.id = r->lease_id;
        m.ttl = r->lease_ttl_s;
        pack(&m.base, out);
    }
    arena_fini(&arena);
}

/* The state takes the request, and says what it would answer. */
static void expect(struct candidate *c, const struct ask *ask, struct answer *a)
{
    if (ask->is_range) {
        expect_range(c, &ask->range, a);
        return;
    }
    struct store_result r;
    store_result_init(&r);
    if (ask_reads(ask)) {
        int rv = store_txn_read(c->store, &ask->command.txn, &r);
        r.status = rv != 0 ? rv : r.status;
    } else {
        take(c, &ask->command, &r);
    }
    a->err = r.status;
    a->revision = r.revision;
    if (a->err == 0) {
        expect_message(&ask->command, &r, &a->packed);
    }
    store_result_fini(&r);
}

/* All our answers begin with their header. */
static Etcdserverpb__ResponseHeader *take_header(ProtobufCMessage *msg)
{
    struct {
        ProtobufCMessage base;
        Etcdserverpb__ResponseHeader *header;
    } *m = (void *)msg;
    return TAKE(m->header);
}

bool model_answer(struct model *m, const struct ask *ask, int err, ProtobufCMessage *msg)
{
    autobuf got = BUF_INIT;
    int64_t revision = 0;
    if (err == 0) {
        Etcdserverpb__ResponseHeader *h = take_header(msg);
        revision = h->revision;
        etcdserverpb__response_header__free_unpacked(h, NULL);
        pack(msg, &got);
    }
    size_t kept = 0;
    for (size_t i = 0; i < m->n; i++) {
        struct answer a = { 0 };
        expect(m->states[i], ask, &a);
        bool same = a.err == err && (err != 0 || (a.revision == revision &&
                                                  slice_eq(buf_slice(&a.packed), buf_slice(&got))));
        buf_fini(&a.packed);
        if (same) {
            m->states[kept++] = m->states[i];
        } else {
            candidate_free(m->states[i]);
        }
    }
    m->n = kept;
    return kept > 0;
}

void model_unknown(struct model *m, const struct ask *a)
{
    size_t n = m->n;
    PRE(!a->is_range);
    for (size_t i = 0; i < n && m->n < CANDIDATES_MAX; i++) {
        struct candidate *c = candidate_copy(m->states[i]);
        take_quietly(c, &a->command);
        m->states[m->n++] = c;
    }
}

void model_happened(struct model *m, const struct ask *a)
{
    for (size_t i = 0; i < m->n; i++) {
        take_quietly(m->states[i], &a->command);
    }
}

int64_t model_revision(const struct model *m)
{
    return store_revision(m->states[0]->store);
}

size_t model_states(const struct model *m)
{
    return m->n;
}

const struct told *model_events(const struct model *m, size_t *ret_n)
{
    *ret_n = m->states[0]->n_told;
    return m->states[0]->told;
}
