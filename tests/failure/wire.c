/* The store's requests as messages of etcd's API. The opposite of server/convert.c. */
#include "lib/base/assert.h"
#include "server/convert.h"
#include "tests/failure/failure.h"

bool ask_reads(const struct ask *a)
{
    return a->is_range || (a->command.type == COMMAND_TXN && txn_is_readonly(&a->command.txn));
}

static Etcdserverpb__RangeRequest *range_pb(const struct range_request *r, struct arena *arena)
{
    Etcdserverpb__RangeRequest *m = arena_alloc(arena, sizeof *m);
    etcdserverpb__range_request__init(m);
    m->key = pb_slice(r->key);
    m->range_end = pb_slice(r->range_end);
    m->limit = r->limit;
    m->revision = r->revision;
    m->sort_order = (Etcdserverpb__RangeRequest__SortOrder)r->sort_order;
    m->sort_target = (Etcdserverpb__RangeRequest__SortTarget)r->sort_target;
    m->keys_only = r->keys_only;
    m->count_only = r->count_only;
    m->min_mod_revision = r->min_mod_revision;
    m->max_mod_revision = r->max_mod_revision;
    m->min_create_revision = r->min_create_revision;
    m->max_create_revision = r->max_create_revision;
    return m;
}

static Etcdserverpb__PutRequest *put_pb(const struct put_request *r, struct arena *arena)
{
    Etcdserverpb__PutRequest *m = arena_alloc(arena, sizeof *m);
    etcdserverpb__put_request__init(m);
    m->key = pb_slice(r->key);
    m->value = pb_slice(r->value);
    m->lease = r->lease;
    m->prev_kv = r->prev_kv;
    m->ignore_value = r->ignore_value;
    m->ignore_lease = r->ignore_lease;
    return m;
}

static Etcdserverpb__DeleteRangeRequest *delete_pb(const struct delete_request *r,
                                                   struct arena *arena)
{
    Etcdserverpb__DeleteRangeRequest *m = arena_alloc(arena, sizeof *m);
    etcdserverpb__delete_range_request__init(m);
    m->key = pb_slice(r->key);
    m->range_end = pb_slice(r->range_end);
    m->prev_kv = r->prev_kv;
    return m;
}

static void compare_pb(const struct compare *c, Etcdserverpb__Compare *m)
{
    etcdserverpb__compare__init(m);
    m->result = (Etcdserverpb__Compare__CompareResult)c->result;
    m->target = (Etcdserverpb__Compare__CompareTarget)c->target;
    m->key = pb_slice(c->key);
    m->range_end = pb_slice(c->range_end);
    switch (c->target) {
    case COMPARE_VERSION:
        m->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
        m->version = c->number;
        break;
    case COMPARE_CREATE:
        m->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
        m->create_revision = c->number;
        break;
    case COMPARE_MOD:
        m->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
        m->mod_revision = c->number;
        break;
    case COMPARE_LEASE:
        m->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE;
        m->lease = c->number;
        break;
    default:
        m->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
        m->value = pb_slice(c->value);
    }
}

static Etcdserverpb__TxnRequest *txn_pb(const struct txn_request *t, struct arena *arena);

static Etcdserverpb__RequestOp **ops_pb(const struct op *ops, size_t n, struct arena *arena)
{
    Etcdserverpb__RequestOp **out = arena_alloc(arena, (n + 1) * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        Etcdserverpb__RequestOp *m = out[i] = arena_alloc(arena, sizeof *m);
        etcdserverpb__request_op__init(m);
        switch (ops[i].type) {
        case OP_RANGE:
            m->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
            m->request_range = range_pb(&ops[i].range, arena);
            break;
        case OP_PUT:
            m->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
            m->request_put = put_pb(&ops[i].put, arena);
            break;
        case OP_DELETE:
            m->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
            m->request_delete_range = delete_pb(&ops[i].del, arena);
            break;
        case OP_TXN:
            m->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
            m->request_txn = txn_pb(ops[i].txn, arena);
            break;
        case OP_NONE:
            break;
        }
    }
    return out;
}

static Etcdserverpb__TxnRequest *txn_pb(const struct txn_request *t, struct arena *arena)
{
    Etcdserverpb__TxnRequest *m = arena_alloc(arena, sizeof *m);
    etcdserverpb__txn_request__init(m);
    m->n_compare = t->n_compare;
    m->compare = arena_alloc(arena, (t->n_compare + 1) * sizeof *m->compare);
    for (size_t i = 0; i < t->n_compare; i++) {
        m->compare[i] = arena_alloc(arena, sizeof *m->compare[i]);
        compare_pb(&t->compare[i], m->compare[i]);
    }
    m->n_success = t->n_success;
    m->success = ops_pb(t->success, t->n_success, arena);
    m->n_failure = t->n_failure;
    m->failure = ops_pb(t->failure, t->n_failure, arena);
    return m;
}

static const ProtobufCMessage *lease_pb(const struct command *c, struct arena *arena)
{
    if (c->type == COMMAND_LEASE_GRANT) {
        Etcdserverpb__LeaseGrantRequest *m = arena_alloc(arena, sizeof *m);
        etcdserverpb__lease_grant_request__init(m);
        m->id = c->lease_grant.id;
        m->ttl = c->lease_grant.ttl_s;
        return &m->base;
    }
    Etcdserverpb__LeaseRevokeRequest *m = arena_alloc(arena, sizeof *m);
    etcdserverpb__lease_revoke_request__init(m);
    m->id = c->lease_revoke.ids[0];
    return &m->base;
}

static const ProtobufCMessage *compact_pb(const struct command *c, struct arena *arena)
{
    Etcdserverpb__CompactionRequest *m = arena_alloc(arena, sizeof *m);
    etcdserverpb__compaction_request__init(m);
    m->revision = c->compact.revision;
    return &m->base;
}

void ask_to_wire(const struct ask *a, struct arena *arena, struct wire *ret_wire)
{
    const struct command *c = &a->command;
    if (a->is_range) {
        *ret_wire = (struct wire){ "/etcdserverpb.KV/Range", &range_pb(&a->range, arena)->base,
                                   &etcdserverpb__range_response__descriptor };
        return;
    }
    switch (c->type) {
    case COMMAND_PUT:
        *ret_wire = (struct wire){ "/etcdserverpb.KV/Put", &put_pb(&c->put, arena)->base,
                                   &etcdserverpb__put_response__descriptor };
        return;
    case COMMAND_DELETE:
        *ret_wire = (struct wire){ "/etcdserverpb.KV/DeleteRange",
                                   &delete_pb(&c->del, arena)->base,
                                   &etcdserverpb__delete_range_response__descriptor };
        return;
    case COMMAND_TXN:
        *ret_wire = (struct wire){ "/etcdserverpb.KV/Txn", &txn_pb(&c->txn, arena)->base,
                                   &etcdserverpb__txn_response__descriptor };
        return;
    case COMMAND_COMPACT:
        *ret_wire = (struct wire){ "/etcdserverpb.KV/Compact", compact_pb(c, arena),
                                   &etcdserverpb__compaction_response__descriptor };
        return;
    case COMMAND_LEASE_GRANT:
        *ret_wire = (struct wire){ "/etcdserverpb.Lease/LeaseGrant", lease_pb(c, arena),
                                   &etcdserverpb__lease_grant_response__descriptor };
        return;
    case COMMAND_LEASE_REVOKE:
        *ret_wire = (struct wire){ "/etcdserverpb.Lease/LeaseRevoke", lease_pb(c, arena),
                                   &etcdserverpb__lease_revoke_response__descriptor };
        return;
    case COMMAND_LEASE_CHECKPOINT:
    case COMMAND_ALARM:
    case COMMAND_AUTH:
        break;
    }
    UNREACHABLE();
}
