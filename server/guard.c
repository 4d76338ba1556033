/* Who asks, and may they? Off (one branch) while auth is off.
 *
 * Three places, so that nothing is forgotten:
 *
 *   - every call, before its method begins: the table of rights below. A method that is not in it
 *     needs the role root: what is added later is closed until somebody opens it;
 *   - every write, as it is applied: server_write tells the user and the auth revision along with
 *     the command (store/auth_check.c);
 *   - reads and watches, where the key is known: server_may_read.
 *
 * A token (token.h) is signed with a key in the replicated state, made when auth is enabled: so any
 * member takes any other's token, and none needs to be remembered. A new password, a deleted user
 * and a new AuthEnable make tokens void. As with etcd's, using a token keeps it valid: this member
 * remembers those in use beyond their time. */
#include "server/guard.h"

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "server/internal.h"
#include "server/token.h"

/* --- tokens ----------------------------------------------------------------------------------- */

void server_token_make(struct server *s, const struct auth_user *u, struct buf *out)
{
    uint64_t until_ms = (uint64_t)loop_wall_ms(s->loop) + s->options.token_ttl_s * 1000;
    struct token t = { .user_len = u->name.len, .since = u->since,
                       .expiry_s = (until_ms + 999) / 1000 };
    memcpy(t.user, u->name.data, u->name.len);
    token_write(store_auth(s->store)->secret, &t, out);
}

static void forget_overdue(struct server *s, uint64_t now)
{
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&s->tokens, &at)) != NULL) {
        if (*(uint64_t *)e->value < now) {
            mem_free(u64map_remove(&s->tokens, e->key));
        }
    }
}

/* True when it is in time; in the later half of its time, or after, that is remembered. */
static bool token_use(struct server *s, struct slice token, uint64_t expiry_s)
{
    uint64_t ttl_s = s->options.token_ttl_s;
    uint64_t now = loop_now_ms(s->loop), key = hash_bytes(token.data, token.len);
    int64_t left_s = (int64_t)expiry_s - loop_wall_ms(s->loop) / 1000;
    uint64_t *until = u64map_get(&s->tokens, key);
    if (left_s <= 0 && (until == NULL || *until < now)) {
        return false;
    }
    if (until == NULL && (uint64_t)left_s * 2 <= ttl_s + 1) { /* left_s > 0 */
        if (s->tokens.n >= LIMIT_AUTH_TOKENS) {
            forget_overdue(s, now);
        }
        if (s->tokens.n < LIMIT_AUTH_TOKENS) {
            until = mem_zalloc(sizeof *until);
            u64map_put(&s->tokens, key, until);
        }
    }
    if (until != NULL) {
        *until = now + ttl_s * 1000;
    }
    return true;
}

void server_tokens_fini(struct server *s)
{
    forget_overdue(s, UINT64_MAX);
    u64map_fini(&s->tokens);
}

/* NULL: not ours, not in time, or its user is not who it was. */
static const struct auth_user *token_user(struct server *s, struct slice text)
{
    const struct auth *a = store_auth(s->store);
    struct token t;
    if (token_read(a->secret, text, &t) != 0) {
        return NULL;
    }
    const struct auth_user *u = auth_user(a, slice_make(t.user, t.user_len));
    return u != NULL && u->since == t.since && token_use(s, text, t.expiry_s) ? u : NULL;
}

/* --- who asks --------------------------------------------------------------------------------- */

int server_who(struct server *s, const struct rpc_call *call, struct auth_who *ret_who)
{
    const struct auth *a = store_auth(s->store);
    *ret_who = (struct auth_who){ 0 };
    if (!a->enabled) {
        return 0;
    }
    const char *token = rpc_call_metadata(call, "token");
    token = token != NULL ? token : rpc_call_metadata(call, "authorization");
    if (token == NULL) {
        return 0;
    }
    if (str_starts(token, "Bearer ")) {
        token += sizeof "Bearer " - 1;
    }
    const struct auth_user *u = token_user(s, slice_str(token));
    if (u == NULL) {
        return E_AUTH_TOKEN;
    }
    *ret_who = (struct auth_who){ WHO_USER, u->name, a->revision };
    return 0;
}

int server_may_read(struct server *s, const struct rpc_call *call, struct slice key,
                    struct slice range_end)
{
    struct auth_who who;
    int rv = server_who(s, call, &who);
    return rv != 0 ? rv : auth_may_range(store_auth(s->store), &who, key, range_end, ACCESS_READ);
}

int server_may_read_txn(struct server *s, const struct rpc_call *call, const struct txn_request *t)
{
    struct auth_who who;
    int rv = server_who(s, call, &who);
    return rv != 0 ? rv : store_may_txn(s->store, &who, t);
}

int server_may_lease(struct server *s, const struct rpc_call *call, int64_t id,
                     enum auth_access access)
{
    struct auth_who who;
    int rv = server_who(s, call, &who);
    rv = rv != 0 ? rv : auth_may_any(store_auth(s->store), &who);
    return rv != 0 ? rv : store_may_lease(s->store, &who, id, access);
}

int server_may_admin(struct server *s, const struct rpc_call *call)
{
    struct auth_who who;
    int rv = server_who(s, call, &who);
    return rv != 0 ? rv : auth_may_admin(store_auth(s->store), &who);
}

/* --- rights ----------------------------------------------------------------------------------- */

enum right {
    RIGHT_OWN,   /* asked where the keys are known, or nothing to ask */
    RIGHT_ANY,   /* some user */
    RIGHT_ADMIN, /* the role root */
};

static const struct {
    const char *path;
    enum right right;
} rights[] = {
    { "/etcdserverpb.KV/Range", RIGHT_OWN },
    { "/etcdserverpb.KV/RangeStream", RIGHT_OWN },
    { "/etcdserverpb.KV/Put", RIGHT_OWN },
    { "/etcdserverpb.KV/DeleteRange", RIGHT_OWN },
    { "/etcdserverpb.KV/Txn", RIGHT_OWN },
    { "/etcdserverpb.KV/Compact", RIGHT_ADMIN },
    { "/etcdserverpb.Watch/Watch", RIGHT_OWN },
    { "/etcdserverpb.Lease/LeaseGrant", RIGHT_ANY },
    { "/etcdserverpb.Lease/LeaseRevoke", RIGHT_ANY },
    { "/etcdserverpb.Lease/LeaseKeepAlive", RIGHT_OWN },
    { "/etcdserverpb.Lease/LeaseTimeToLive", RIGHT_ANY },
    { "/etcdserverpb.Lease/LeaseLeases", RIGHT_ANY },
    { "/v3lockpb.Lock/Lock", RIGHT_ANY },
    { "/v3lockpb.Lock/Unlock", RIGHT_OWN },
    { "/v3electionpb.Election/Campaign", RIGHT_ANY },
    { "/v3electionpb.Election/Proclaim", RIGHT_OWN },
    { "/v3electionpb.Election/Resign", RIGHT_OWN },
    { "/v3electionpb.Election/Leader", RIGHT_OWN },
    { "/v3electionpb.Election/Observe", RIGHT_OWN },
    { "/etcdserverpb.Cluster/MemberList", RIGHT_ANY },
    { "/etcdserverpb.Cluster/MemberAdd", RIGHT_ADMIN },
    { "/etcdserverpb.Cluster/MemberRemove", RIGHT_ADMIN },
    { "/etcdserverpb.Cluster/MemberUpdate", RIGHT_ADMIN },
    { "/etcdserverpb.Cluster/MemberPromote", RIGHT_ADMIN },
    { "/etcdserverpb.Maintenance/Status", RIGHT_ANY },
    { "/etcdserverpb.Maintenance/Alarm", RIGHT_ANY }, /* to list; to set one asks for more */
    { "/etcdserverpb.Auth/Authenticate", RIGHT_OWN },
    { "/etcdserverpb.Auth/AuthStatus", RIGHT_OWN },
    { "/etcdserverpb.Auth/UserGet", RIGHT_OWN },
    { "/etcdserverpb.Auth/RoleGet", RIGHT_OWN },
    { "/grpc.health.v1.Health/Check", RIGHT_OWN },
    { "/grpc.health.v1.Health/Watch", RIGHT_OWN },
};

static enum right right_of(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(rights); i++) {
        if (strcmp(rights[i].path, path) == 0) {
            return rights[i].right;
        }
    }
    return RIGHT_ADMIN;
}

/* A learner may be far behind, and nobody waits for it: as with etcd's it serves what says so
 * (Range: only a serializable one, kv.c) and everything else elsewhere. */
static bool learner_serves(const char *path)
{
    static const char *const paths[] = { "/etcdserverpb.KV/Range",
                                         "/etcdserverpb.Maintenance/Status",
                                         "/etcdserverpb.Maintenance/Snapshot" };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (strcmp(paths[i], path) == 0) {
            return true;
        }
    }
    return false;
}

int server_admit(struct rpc_call *call)
{
    struct server *s = rpc_call_arg(call);
    if (s->status.learner && !learner_serves(rpc_call_path(call))) {
        return E_LEARNER;
    }
    const struct auth *a = store_auth(s->store);
    struct auth_who who;
    if (s->status.leader_id == 0 && server_wants_leader(call)) {
        return E_NOLEADER; /* any method, as in etcd: also what this member could answer alone */
    }
    if (!a->enabled) {
        return 0;
    }
    enum right right = right_of(rpc_call_path(call));
    int rv = right == RIGHT_OWN ? 0 : server_who(s, call, &who);
    if (rv != 0 || right == RIGHT_OWN) {
        return rv;
    }
    return right == RIGHT_ANY ? auth_may_any(a, &who) : auth_may_admin(a, &who);
}
