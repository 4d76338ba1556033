/* May they? Said of the naive state of administration, as the rules say it: each permission is
 * looked at, ranges are walked from one end to the other. */
#include "tests/sim/admin_model.h"

static const struct slice ROOT = { (const uint8_t *)"root", 4 };

static bool inside(const struct permission *p, struct slice key)
{
    struct slice lo = slice_make(p->key.bytes, p->key.len);
    struct slice hi = slice_make(p->end.bytes, p->end.len);
    bool open = hi.len == 1 && hi.data[0] == 0;
    return hi.len == 0 ? slice_eq(key, lo)
                       : slice_cmp(lo, key) <= 0 && (open || slice_cmp(key, hi) < 0);
}

/* How far from `key` on some permission of this user reaches. One key alone reaches nowhere: the
 * bounds of ranges are names of keys. Empty: nowhere; a zero byte: to the end of all keys. */
static struct slice reach(struct admin_model *m, const struct user *u, struct slice key, int access)
{
    struct slice far = slice_make(NULL, 0);
    for (size_t i = 0; i < u->n_roles; i++) {
        struct role *r = model_role(m, slice_make(u->roles[i].bytes, u->roles[i].len));
        for (size_t k = 0; r != NULL && k < r->n; k++) {
            const struct permission *p = &r->permissions[k];
            struct slice hi = slice_make(p->end.bytes, p->end.len);
            bool gives = p->access == access || p->access == ACCESS_READ_WRITE;
            if (!gives || hi.len == 0 || !inside(p, key)) {
                continue;
            }
            if (hi.len == 1) {
                return hi;
            }
            far = slice_cmp(far, hi) < 0 ? hi : far;
        }
    }
    return far;
}

static bool may_key(struct admin_model *m, const struct user *u, struct slice key, int access)
{
    for (size_t i = 0; i < u->n_roles; i++) {
        struct role *r = model_role(m, slice_make(u->roles[i].bytes, u->roles[i].len));
        for (size_t k = 0; r != NULL && k < r->n; k++) {
            const struct permission *p = &r->permissions[k];
            if ((p->access == access || p->access == ACCESS_READ_WRITE) && inside(p, key)) {
                return true;
            }
        }
    }
    return false;
}

static int may(struct admin_model *m, const struct auth_who *who, struct slice key,
               struct slice end, int access)
{
    if (who->kind == WHO_SYSTEM) {
        return 0;
    }
    if (who->kind == WHO_NOBODY) {
        return E_USER_EMPTY;
    }
    if (who->revision < m->revision) {
        return E_AUTH_OLD;
    }
    const struct user *u = model_user(m, who->user);
    if (u == NULL) {
        return E_PERM;
    }
    if (model_has_role(u, ROOT)) {
        return 0;
    }
    if (end.len == 0) {
        return may_key(m, u, key, access) ? 0 : E_PERM;
    }
    while (slice_cmp(key, end) < 0) {
        struct slice to = reach(m, u, key, access);
        if (to.len <= 1) {
            return to.len == 1 ? 0 : E_PERM;
        }
        key = to;
    }
    return 0;
}

static int may_admin(struct admin_model *m, const struct auth_who *who)
{
    const struct user *u = who->kind == WHO_USER ? model_user(m, who->user) : NULL;
    if (who->kind == WHO_NOBODY) {
        return E_USER_EMPTY;
    }
    return who->kind == WHO_SYSTEM || (u != NULL && model_has_role(u, ROOT)) ? 0 : E_PERM;
}

/* Which keys hang on a lease is the store's word: others judge that. */
static int may_lease(struct admin_model *m, const struct store *s, const struct auth_who *who,
                     int64_t id)
{
    struct arena arena;
    struct slice *keys;
    int rv = 0;
    if (id == 0 || may_admin(m, who) == 0) {
        return 0;
    }
    arena_init(&arena);
    size_t n = store_lease_keys(s, id, &arena, &keys);
    for (size_t i = 0; i < n && rv == 0; i++) {
        rv = may(m, who, keys[i], slice_make(NULL, 0), ACCESS_WRITE);
    }
    arena_fini(&arena);
    return rv;
}

static int may_put(struct admin_model *m, const struct store *s, const struct auth_who *who,
                   const struct put_request *p)
{
    int rv = may(m, who, p->key, slice_make(NULL, 0), ACCESS_WRITE);
    return rv != 0 ? rv : may_lease(m, s, who, p->lease);
}

static int may_op(struct admin_model *m, const struct store *s, const struct auth_who *who,
                  const struct op *op)
{
    return op->type == OP_PUT ? may_put(m, s, who, &op->put)
                              : may(m, who, op->del.key, op->del.range_end, ACCESS_WRITE);
}

/* Of one compare and one operation each way (fsm_store.c). */
static int may_txn(struct admin_model *m, const struct store *s, const struct auth_who *who,
                   const struct txn_request *t)
{
    int rv = may(m, who, t->compare[0].key, slice_make(NULL, 0), ACCESS_READ);
    rv = rv != 0 ? rv : may_op(m, s, who, &t->success[0]);
    return rv != 0 ? rv : may_op(m, s, who, &t->failure[0]);
}

static int may_command(struct admin_model *m, const struct store *s, const struct command *c)
{
    switch (c->type) {
    case COMMAND_PUT:
        return may_put(m, s, &c->who, &c->put);
    case COMMAND_DELETE:
        return may(m, &c->who, c->del.key, c->del.range_end, ACCESS_WRITE);
    case COMMAND_TXN:
        return may_txn(m, s, &c->who, &c->txn);
    case COMMAND_LEASE_REVOKE:
        return may_lease(m, s, &c->who, c->lease_revoke.ids[0]);
    case COMMAND_AUTH:
        return may_admin(m, &c->who);
    default:
        return 0;
    }
}

static bool adds(const struct command *c)
{
    return c->type == COMMAND_PUT || c->type == COMMAND_LEASE_GRANT ||
           (c->type == COMMAND_TXN &&
            (c->txn.success[0].type == OP_PUT || c->txn.failure[0].type == OP_PUT));
}

static int alarm_refuses(const struct admin_model *m, const struct command *c)
{
    int rv = 0;
    for (size_t i = 0; i < m->n_alarms; i++) {
        if (m->alarms[i].type == ALARM_CORRUPT && c->type != COMMAND_ALARM &&
            c->type != COMMAND_AUTH) {
            return E_CORRUPT;
        }
        rv = adds(c) ? E_NOSPACE : rv;
    }
    return rv;
}

int admin_refusal(struct admin_model *m, const struct store *s, const struct command *c)
{
    int rv = alarm_refuses(m, c);
    return rv == 0 && m->enabled ? may_command(m, s, c) : rv;
}
