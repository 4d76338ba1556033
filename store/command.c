/* Commands as bytes in the Raft log: msgpack, [version, type, body], and while auth is on
 * [version, type, body, who].
 *
 *     body of put         [key, value, lease, flags]   1 prev_kv, 2 ignore_value, 4 ignore_lease
 *             delete      [key, range_end, flags]      1 prev_kv
 *             txn         [[compare...], [op...], [op...]]
 *             compact     [revision]
 *             grant       [id, ttl_s]
 *             revoke      [[id...], expired]
 *             checkpoint  [[id, remaining_ttl_s, id, ...]]
 *             alarm       [action, member, type, flags]   1 set, 2 clear; 1 automatic
 *             auth        [action, user, role, key, range_end, secret, number]
 *     who                 [kind, user, auth revision]         1 a user, 2 the system
 *     compare             [result, target, key, range_end, number, value]
 *     op                  [op_type, body]                     body nil for an empty op
 *     range               [key, range_end, limit, revision, order, target, flags,
 *                          min_mod, max_mod, min_create, max_create]   1 keys_only, 2 count_only
 *
 * A reader skips elements after those it knows; a later format adds at the end, or raises the
 * version. Decoding is bounded: nesting by LIMIT_TXN_DEPTH, all lists together by
 * LIMIT_COMMAND_ITEMS, and no list is longer than the bytes that are left, so memory is
 * proportional to the entry. */
#include "store/command.h"

#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/codec/mp.h"

enum { COMMAND_VERSION = 1, ARRAY_MAX = 32 };

/* --- writing ---------------------------------------------------------------------------------- */

static void put_encode(const struct put_request *p, struct buf *out)
{
    mp_put_array(out, 4);
    mp_put_bin(out, p->key);
    mp_put_bin(out, p->value);
    mp_put_i64(out, p->lease);
    unsigned flags = (p->prev_kv ? 1u : 0) | (p->ignore_value ? 2u : 0);
    mp_put_u64(out, flags | (p->ignore_lease ? 4u : 0));
}

static void delete_encode(const struct delete_request *d, struct buf *out)
{
    mp_put_array(out, 3);
    mp_put_bin(out, d->key);
    mp_put_bin(out, d->range_end);
    mp_put_u64(out, d->prev_kv ? 1 : 0);
}

static void range_encode(const struct range_request *r, struct buf *out)
{
    mp_put_array(out, 11);
    mp_put_bin(out, r->key);
    mp_put_bin(out, r->range_end);
    mp_put_i64(out, r->limit);
    mp_put_i64(out, r->revision);
    mp_put_i64(out, r->sort_order);
    mp_put_i64(out, r->sort_target);
    mp_put_u64(out, (r->keys_only ? 1u : 0) | (r->count_only ? 2u : 0));
    mp_put_i64(out, r->min_mod_revision);
    mp_put_i64(out, r->max_mod_revision);
    mp_put_i64(out, r->min_create_revision);
    mp_put_i64(out, r->max_create_revision);
}

static void compare_encode(const struct compare *c, struct buf *out)
{
    mp_put_array(out, 6);
    mp_put_i64(out, c->result);
    mp_put_i64(out, c->target);
    mp_put_bin(out, c->key);
    mp_put_bin(out, c->range_end);
    mp_put_i64(out, c->number);
    mp_put_bin(out, c->value);
}

static void txn_encode(const struct txn_request *t, struct buf *out);

static void ops_encode(const struct op *ops, size_t n, struct buf *out)
{
    mp_put_array(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        mp_put_array(out, 2);
        mp_put_u64(out, ops[i].type);
        switch (ops[i].type) {
        case OP_RANGE:
            range_encode(&ops[i].range, out);
            break;
        case OP_PUT:
            put_encode(&ops[i].put, out);
            break;
        case OP_DELETE:
            delete_encode(&ops[i].del, out);
            break;
        case OP_TXN:
            txn_encode(ops[i].txn, out);
            break;
        case OP_NONE:
            mp_put_nil(out);
            break;
        }
    }
}

static void txn_encode(const struct txn_request *t, struct buf *out)
{
    mp_put_array(out, 3);
    mp_put_array(out, (uint32_t)t->n_compare);
    for (size_t i = 0; i < t->n_compare; i++) {
        compare_encode(&t->compare[i], out);
    }
    ops_encode(t->success, t->n_success, out);
    ops_encode(t->failure, t->n_failure, out);
}

static void revoke_encode(const struct command *c, struct buf *out)
{
    mp_put_array(out, 2);
    mp_put_array(out, (uint32_t)c->lease_revoke.n);
    for (size_t i = 0; i < c->lease_revoke.n; i++) {
        mp_put_i64(out, c->lease_revoke.ids[i]);
    }
    mp_put_bool(out, c->lease_revoke.expired);
}

static void checkpoint_encode(const struct command *c, struct buf *out)
{
    mp_put_array(out, 1);
    mp_put_array(out, (uint32_t)c->lease_checkpoint.n * 2);
    for (size_t i = 0; i < c->lease_checkpoint.n; i++) {
        mp_put_i64(out, c->lease_checkpoint.items[i].id);
        mp_put_i64(out, c->lease_checkpoint.items[i].remaining_ttl_s);
    }
}

static void auth_encode(const struct auth_change *a, struct buf *out)
{
    mp_put_array(out, 7);
    mp_put_u64(out, a->action);
    mp_put_bin(out, a->user);
    mp_put_bin(out, a->role);
    mp_put_bin(out, a->key);
    mp_put_bin(out, a->range_end);
    mp_put_bin(out, a->secret);
    mp_put_i64(out, a->number);
}

static void who_encode(const struct auth_who *w, struct buf *out)
{
    mp_put_array(out, 3);
    mp_put_u64(out, w->kind);
    mp_put_bin(out, w->user);
    mp_put_u64(out, w->revision);
}

static void body_encode(const struct command *c, struct buf *out)
{
    switch (c->type) {
    case COMMAND_PUT:
        put_encode(&c->put, out);
        return;
    case COMMAND_DELETE:
        delete_encode(&c->del, out);
        return;
    case COMMAND_TXN:
        txn_encode(&c->txn, out);
        return;
    case COMMAND_COMPACT:
        mp_put_array(out, 1);
        mp_put_i64(out, c->compact.revision);
        return;
    case COMMAND_LEASE_GRANT:
        mp_put_array(out, 2);
        mp_put_i64(out, c->lease_grant.id);
        mp_put_i64(out, c->lease_grant.ttl_s);
        return;
    case COMMAND_LEASE_REVOKE:
        revoke_encode(c, out);
        return;
    case COMMAND_LEASE_CHECKPOINT:
        checkpoint_encode(c, out);
        return;
    case COMMAND_ALARM:
        mp_put_array(out, 4);
        mp_put_u64(out, c->alarm.active ? 1 : 2);
        mp_put_u64(out, c->alarm.member);
        mp_put_u64(out, c->alarm.type);
        mp_put_u64(out, c->alarm.automatic ? 1 : 0);
        return;
    case COMMAND_AUTH:
        auth_encode(&c->auth, out);
        return;
    }
    UNREACHABLE();
}

void command_encode(const struct command *c, struct buf *out)
{
    mp_put_array(out, c->who.kind == WHO_NOBODY ? 3 : 4);
    mp_put_u64(out, COMMAND_VERSION);
    mp_put_u64(out, c->type);
    body_encode(c, out);
    if (c->who.kind != WHO_NOBODY) {
        who_encode(&c->who, out);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

struct decoder {
    struct mp_reader r;
    struct arena *arena;
    size_t items; /* of all lists so far */
    int error;    /* what mp_reader cannot know */
};

static bool failed(const struct decoder *d)
{
    return d->error != 0 || mp_reader_error(&d->r) != 0;
}

static void fail(struct decoder *d, int error)
{
    if (!failed(d)) {
        d->error = error;
    }
}

/* Opens a record of at least `known` elements; returns how many follow those. */
static uint32_t open_record(struct decoder *d, uint32_t known)
{
    uint32_t n = mp_get_array(&d->r, ARRAY_MAX);
    if (n < known) {
        fail(d, E_PROTO);
        return 0;
    }
    return n - known;
}

static void close_record(struct decoder *d, uint32_t extra)
{
    for (uint32_t i = 0; i < extra && !failed(d); i++) {
        mp_skip(&d->r);
    }
}

/* Opens a list; its length is backed by the bytes that are left (mp_get_array). */
static size_t open_list(struct decoder *d)
{
    uint32_t n = mp_get_array(&d->r, LIMIT_COMMAND_ITEMS);
    if (failed(d)) {
        return 0;
    }
    d->items += n;
    if (d->items > LIMIT_COMMAND_ITEMS) {
        fail(d, E_TOOBIG);
        return 0;
    }
    return n;
}

/* An enum of the wire: a compare may carry any 32 bits, and what they mean is the txn's affair. */
static int get_int(struct decoder *d)
{
    int64_t v = mp_get_i64(&d->r);
    if (v < INT32_MIN || v > INT32_MAX) {
        fail(d, E_PROTO);
        return 0;
    }
    return (int)v;
}

static struct slice get_key(struct decoder *d)
{
    return mp_get_bin(&d->r, LIMIT_KEY_BYTES);
}

static void put_decode(struct decoder *d, struct put_request *p)
{
    uint32_t extra = open_record(d, 4);
    p->key = get_key(d);
    p->value = mp_get_bin(&d->r, LIMIT_VALUE_BYTES);
    p->lease = mp_get_i64(&d->r);
    uint64_t flags = mp_get_u64(&d->r);
    p->prev_kv = flags & 1;
    p->ignore_value = flags & 2;
    p->ignore_lease = flags & 4;
    close_record(d, extra);
}

static void delete_decode(struct decoder *d, struct delete_request *del)
{
    uint32_t extra = open_record(d, 3);
    del->key = get_key(d);
    del->range_end = get_key(d);
    del->prev_kv = mp_get_u64(&d->r) & 1;
    close_record(d, extra);
}

static void range_decode(struct decoder *d, struct range_request *r)
{
    uint32_t extra = open_record(d, 11);
    r->key = get_key(d);
    r->range_end = get_key(d);
    r->limit = mp_get_i64(&d->r);
    r->revision = mp_get_i64(&d->r);
    r->sort_order = get_int(d);
    r->sort_target = get_int(d);
    uint64_t flags = mp_get_u64(&d->r);
    r->keys_only = flags & 1;
    r->count_only = flags & 2;
    r->min_mod_revision = mp_get_i64(&d->r);
    r->max_mod_revision = mp_get_i64(&d->r);
    r->min_create_revision = mp_get_i64(&d->r);
    r->max_create_revision = mp_get_i64(&d->r);
    close_record(d, extra);
}

static void compare_decode(struct decoder *d, struct compare *c)
{
    uint32_t extra = open_record(d, 6);
    c->result = get_int(d);
    c->target = get_int(d);
    c->key = get_key(d);
    c->range_end = get_key(d);
    c->number = mp_get_i64(&d->r);
    c->value = mp_get_bin(&d->r, LIMIT_VALUE_BYTES);
    close_record(d, extra);
}

static void txn_decode(struct decoder *d, struct txn_request *t, int depth);

static void op_decode(struct decoder *d, struct op *op, int depth)
{
    uint32_t extra = open_record(d, 2);
    uint64_t type = mp_get_u64(&d->r);
    switch (type) {
    case OP_RANGE:
        range_decode(d, &op->range);
        break;
    case OP_PUT:
        put_decode(d, &op->put);
        break;
    case OP_DELETE:
        delete_decode(d, &op->del);
        break;
    case OP_TXN:
        op->txn = arena_zalloc(d->arena, sizeof *op->txn);
        txn_decode(d, op->txn, depth + 1);
        break;
    case OP_NONE:
        mp_skip(&d->r);
        break;
    default:
        fail(d, E_PROTO);
        return;
    }
    op->type = (enum op_type)type;
    close_record(d, extra);
}

static struct op *ops_decode(struct decoder *d, size_t *ret_n, int depth)
{
    size_t n = open_list(d);
    struct op *ops = n > 0 ? arena_zalloc(d->arena, n * sizeof *ops) : NULL;
    for (size_t i = 0; i < n && !failed(d); i++) {
        op_decode(d, &ops[i], depth);
    }
    *ret_n = n;
    return ops;
}

static void txn_decode(struct decoder *d, struct txn_request *t, int depth)
{
    if (depth > LIMIT_TXN_DEPTH) {
        fail(d, E_TOOBIG);
        return;
    }
    uint32_t extra = open_record(d, 3);
    t->n_compare = open_list(d);
    if (t->n_compare > 0) {
        t->compare = arena_zalloc(d->arena, t->n_compare * sizeof *t->compare);
    }
    for (size_t i = 0; i < t->n_compare && !failed(d); i++) {
        compare_decode(d, &t->compare[i]);
    }
    t->success = ops_decode(d, &t->n_success, depth);
    t->failure = ops_decode(d, &t->n_failure, depth);
    close_record(d, extra);
}

static void revoke_decode(struct decoder *d, struct command *c)
{
    uint32_t extra = open_record(d, 2);
    size_t n = open_list(d);
    c->lease_revoke.ids = arena_alloc(d->arena, (n + 1) * sizeof *c->lease_revoke.ids);
    c->lease_revoke.n = n;
    for (size_t i = 0; i < n && !failed(d); i++) {
        c->lease_revoke.ids[i] = mp_get_i64(&d->r);
    }
    c->lease_revoke.expired = mp_get_bool(&d->r);
    close_record(d, extra);
}

static void checkpoint_decode(struct decoder *d, struct command *c)
{
    uint32_t extra = open_record(d, 1);
    size_t n = open_list(d);
    if (n % 2 != 0) {
        fail(d, E_PROTO);
        return;
    }
    struct lease_checkpoint *items = arena_alloc(d->arena, (n / 2 + 1) * sizeof *items);
    for (size_t i = 0; i < n / 2 && !failed(d); i++) {
        items[i].id = mp_get_i64(&d->r);
        items[i].remaining_ttl_s = mp_get_i64(&d->r);
    }
    c->lease_checkpoint.items = items;
    c->lease_checkpoint.n = n / 2;
    close_record(d, extra);
}

static void alarm_decode(struct decoder *d, struct alarm_change *a)
{
    uint32_t extra = open_record(d, 4);
    uint64_t action = mp_get_u64(&d->r);
    a->member = mp_get_u64(&d->r);
    uint64_t type = mp_get_u64(&d->r);
    a->automatic = mp_get_u64(&d->r) & 1;
    if (action < 1 || action > 2 || type > ALARM_CORRUPT) {
        fail(d, E_PROTO);
        return;
    }
    a->active = action == 1;
    a->type = (enum alarm_type)type;
    close_record(d, extra);
}

static void auth_decode(struct decoder *d, struct auth_change *a)
{
    uint32_t extra = open_record(d, 7);
    uint64_t action = mp_get_u64(&d->r);
    a->user = mp_get_bin(&d->r, LIMIT_AUTH_NAME_BYTES);
    a->role = mp_get_bin(&d->r, LIMIT_AUTH_NAME_BYTES);
    a->key = get_key(d);
    a->range_end = get_key(d);
    a->secret = mp_get_bin(&d->r, LIMIT_AUTH_SECRET_BYTES);
    a->number = mp_get_i64(&d->r);
    if (action < AUTH_ENABLE || action > AUTH_ROLE_REVOKE) {
        fail(d, E_PROTO);
        return;
    }
    a->action = (enum auth_action)action;
    close_record(d, extra);
}

static void who_decode(struct decoder *d, struct auth_who *w)
{
    if (mp_get_nil(&d->r)) {
        return;
    }
    uint32_t extra = open_record(d, 3);
    uint64_t kind = mp_get_u64(&d->r);
    w->user = mp_get_bin(&d->r, LIMIT_AUTH_NAME_BYTES);
    w->revision = mp_get_u64(&d->r);
    if ((kind != WHO_USER || w->revision == 0) && kind != WHO_SYSTEM) {
        fail(d, E_PROTO);
        return;
    }
    w->kind = (enum who_kind)kind;
    close_record(d, extra);
}

static void body_decode(struct decoder *d, uint64_t type, struct command *c)
{
    uint32_t extra = 0;
    switch (type) {
    case COMMAND_PUT:
        put_decode(d, &c->put);
        break;
    case COMMAND_DELETE:
        delete_decode(d, &c->del);
        break;
    case COMMAND_TXN:
        txn_decode(d, &c->txn, 1);
        break;
    case COMMAND_COMPACT:
        extra = open_record(d, 1);
        c->compact.revision = mp_get_i64(&d->r);
        close_record(d, extra);
        break;
    case COMMAND_LEASE_GRANT:
        extra = open_record(d, 2);
        c->lease_grant.id = mp_get_i64(&d->r);
        c->lease_grant.ttl_s = mp_get_i64(&d->r);
        close_record(d, extra);
        break;
    case COMMAND_LEASE_REVOKE:
        revoke_decode(d, c);
        break;
    case COMMAND_LEASE_CHECKPOINT:
        checkpoint_decode(d, c);
        break;
    case COMMAND_ALARM:
        alarm_decode(d, &c->alarm);
        break;
    case COMMAND_AUTH:
        auth_decode(d, &c->auth);
        break;
    default:
        fail(d, E_PROTO);
        return;
    }
    c->type = (enum command_type)type;
}

int command_decode(struct slice bytes, struct arena *arena, struct command *ret_command)
{
    struct decoder d = { .arena = arena };
    struct command c = { 0 };
    mp_reader_init(&d.r, bytes);
    uint32_t extra = open_record(&d, 3);
    if (mp_get_u64(&d.r) != COMMAND_VERSION) {
        fail(&d, E_PROTO);
    }
    uint64_t type = mp_get_u64(&d.r);
    if (!failed(&d)) {
        body_decode(&d, type, &c);
    }
    if (extra > 0 && !failed(&d)) {
        who_decode(&d, &c.who);
        extra--;
    }
    close_record(&d, extra);
    int rv = d.error != 0 ? d.error : mp_reader_finish(&d.r);
    if (rv == 0) {
        *ret_command = c;
    }
    return rv;
}
