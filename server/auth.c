/* etcdserverpb.Auth: users, roles, permissions; on and off; passwords for tokens.
 *
 * A change is a command like any other; a new password is hashed first (passwords.c), so that the
 * log carries salt and hash only. Questions wait for a ReadIndex. Authenticate: a ReadIndex -> the
 * password is held against the hash, beside the loop -> a token (guard.c), unless the user has
 * changed meanwhile. Nothing enters the log for it.
 *
 * Who may ask what: guard.c's table, but for UserGet (oneself) and RoleGet (a role one has). */
#include "proto/rpc_auth.pb-c.h"

#include "lib/base/rng.h"
#include "server/convert.h"
#include "server/guard.h"
#include "server/internal.h"
#include "server/passwords.h"

static const char ROOT[] = "root";

/* --- changes ---------------------------------------------------------------------------------- */

/* The answers to all changes are a header, in field 1: one message stands for them all. */
static void changed(struct write_call *w)
{
    if (w->result.status != 0) {
        rpc_fail_err(w->call, w->result.status);
        return;
    }
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__AuthEnableResponse reply = ETCDSERVERPB__AUTH_ENABLE_RESPONSE__INIT;
    reply.header = server_header(w->server, &header, w->result.revision);
    rpc_reply(w->call, &reply.base);
}

static void change(struct rpc_call *call, const struct auth_change *a)
{
    struct command c = { .type = COMMAND_AUTH, .auth = *a };
    server_write(rpc_call_arg(call), call, &c, changed);
}

static void auth_enable(struct rpc_call *call, ProtobufCMessage *msg)
{
    uint64_t secret[4];
    (void)msg;
    for (size_t i = 0; i < ARRAY_LEN(secret); i++) {
        secret[i] = rng_os_seed();
    }
    change(call, &(struct auth_change){ .action = AUTH_ENABLE,
                                        .secret = slice_make(secret, sizeof secret) });
}

static void auth_disable(struct rpc_call *call, ProtobufCMessage *msg)
{
    (void)msg;
    change(call, &(struct auth_change){ .action = AUTH_DISABLE });
}

/* --- users ------------------------------------------------------------------------------------ */

/* A change that waits for the hash of its password; in the call's arena. */
static void hashed(struct password_ask *ask)
{
    struct auth_change *a = ask->data;
    a->secret = buf_slice(&ask->hashed);
    change(ask->call, a);
}

static void change_with_password(struct rpc_call *call, enum auth_action action, const char *user,
                                 const char *password)
{
    struct auth_change *a = arena_zalloc(rpc_call_arena(call), sizeof *a);
    a->action = action;
    a->user = slice_str(user);
    password_ask(rpc_call_arg(call), call, slice_str(password), slice_make(NULL, 0), a, hashed);
}

static void user_add(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__AuthUserAddRequest *m =
        (const Etcdserverpb__AuthUserAddRequest *)(const void *)msg;
    if (m->name[0] == '\0') {
        rpc_fail_err(call, E_USER_EMPTY);
    } else if (m->options != NULL && m->options->no_password) {
        change(call, &(struct auth_change){ .action = AUTH_USER_ADD, .user = slice_str(m->name),
                                            .number = 1 });
    } else {
        change_with_password(call, AUTH_USER_ADD, m->name, m->password);
    }
}

static void user_password(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__AuthUserChangePasswordRequest *m =
        (const Etcdserverpb__AuthUserChangePasswordRequest *)(const void *)msg;
    change_with_password(call, AUTH_USER_PASSWORD, m->name, m->password);
}

static void user_delete(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__AuthUserDeleteRequest *m =
        (const Etcdserverpb__AuthUserDeleteRequest *)(const void *)msg;
    change(call, &(struct auth_change){ .action = AUTH_USER_DELETE, .user = slice_str(m->name) });
}

static void user_grant(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__AuthUserGrantRoleRequest *m =
        (const Etcdserverpb__AuthUserGrantRoleRequest *)(const void *)msg;
    change(call, &(struct auth_change){ .action = AUTH_USER_GRANT, .user = slice_str(m->user),
                                        .role = slice_str(m->role) });
}

static void user_revoke(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__AuthUserRevokeRoleRequest *m =
        (const Etcdserverpb__AuthUserRevokeRoleRequest *)(const void *)msg;
    change(call, &(struct auth_change){ .action = AUTH_USER_REVOKE, .user = slice_str(m->name),
                                        .role = slice_str(m->role) });
}

/* --- roles ------------------------------------------------------------------------------------ */

static void role_add(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__AuthRoleAddRequest *m =
        (const Etcdserverpb__AuthRoleAddRequest *)(const void *)msg;
    change(call, &(struct auth_change){ .action = AUTH_ROLE_ADD, .role = slice_str(m->name) });
}

static void role_delete(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__AuthRoleDeleteRequest *m =
        (const Etcdserverpb__AuthRoleDeleteRequest *)(const void *)msg;
    change(call, &(struct auth_change){ .action = AUTH_ROLE_DELETE, .role = slice_str(m->role) });
}

static void role_grant(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__AuthRoleGrantPermissionRequest *m =
        (const Etcdserverpb__AuthRoleGrantPermissionRequest *)(const void *)msg;
    if (m->perm == NULL) {
        rpc_fail_err(call, E_PERM_NOT_GIVEN);
        return;
    }
    change(call, &(struct auth_change){ .action = AUTH_ROLE_GRANT, .role = slice_str(m->name),
                                        .key = slice_pb(m->perm->key),
                                        .range_end = slice_pb(m->perm->range_end),
                                        .number = m->perm->permtype });
}

static void role_revoke(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__AuthRoleRevokePermissionRequest *m =
        (const Etcdserverpb__AuthRoleRevokePermissionRequest *)(const void *)msg;
    change(call, &(struct auth_change){ .action = AUTH_ROLE_REVOKE, .role = slice_str(m->role),
                                        .key = slice_pb(m->key),
                                        .range_end = slice_pb(m->range_end) });
}

/* --- questions -------------------------------------------------------------------------------- */

static void ask(struct rpc_call *call, ProtobufCMessage *msg, void (*run)(struct read_call *r))
{
    struct server *s = rpc_call_arg(call);
    if (!server_refuse_corrupt(s, call)) {
        server_read(s, call, msg, run);
    }
}

static void status_read(struct read_call *r)
{
    const struct auth *a = store_auth(r->server->store);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__AuthStatusResponse reply = ETCDSERVERPB__AUTH_STATUS_RESPONSE__INIT;
    reply.header = server_header(r->server, &header, store_revision(r->server->store));
    reply.enabled = a->enabled;
    reply.authrevision = a->revision;
    rpc_reply(r->call, &reply.base);
}

static void auth_status(struct rpc_call *call, ProtobufCMessage *msg)
{
    ask(call, msg, status_read);
}

/* Names as the C strings of a message. */
static char **names_pb(const struct auth_table *t, struct arena *arena)
{
    char **names = arena_alloc(arena, (t->n + 1) * sizeof *names);
    for (size_t i = 0; i < t->n; i++) {
        names[i] = arena_strndup(arena, (const char *)t->names[i]->data, t->names[i]->len);
    }
    return names;
}

/* The role root, or one's own. */
static int may_see(struct read_call *r, const char *user, const char *role)
{
    const struct auth *a = store_auth(r->server->store);
    struct auth_who who;
    int rv = server_who(r->server, r->call, &who);
    rv = rv != 0 ? rv : auth_may_admin(a, &who);
    if (rv != E_PERM) {
        return rv;
    }
    const struct auth_user *u = auth_user(a, who.user);
    bool own = u != NULL && (user != NULL ? slice_eq(u->name, slice_str(user))
                                          : auth_user_has(u, slice_str(role)));
    return own ? 0 : rv;
}

static void user_read(struct read_call *r)
{
    const Etcdserverpb__AuthUserGetRequest *m = r->data;
    int rv = may_see(r, m->name, NULL);
    const struct auth_user *u = auth_user(store_auth(r->server->store), slice_str(m->name));
    if (rv != 0 || u == NULL) {
        rpc_fail_err(r->call, rv != 0 ? rv : E_USER_NOT_FOUND);
        return;
    }
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__AuthUserGetResponse reply = ETCDSERVERPB__AUTH_USER_GET_RESPONSE__INIT;
    reply.header = server_header(r->server, &header, store_revision(r->server->store));
    reply.n_roles = u->roles.n;
    reply.roles = names_pb(&u->roles, rpc_call_arena(r->call));
    rpc_reply(r->call, &reply.base);
}

static void user_get(struct rpc_call *call, ProtobufCMessage *msg)
{
    ask(call, msg, user_read);
}

static void users_read(struct read_call *r)
{
    const struct auth *a = store_auth(r->server->store);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__AuthUserListResponse reply = ETCDSERVERPB__AUTH_USER_LIST_RESPONSE__INIT;
    int rv = server_may_admin(r->server, r->call);
    if (rv != 0) {
        rpc_fail_err(r->call, rv);
        return;
    }
    reply.header = server_header(r->server, &header, store_revision(r->server->store));
    reply.n_users = a->users.n;
    reply.users = names_pb(&a->users, rpc_call_arena(r->call));
    rpc_reply(r->call, &reply.base);
}

static void user_list(struct rpc_call *call, ProtobufCMessage *msg)
{
    ask(call, msg, users_read);
}

static void permissions_pb(const struct auth_role *role, struct arena *arena,
                           Etcdserverpb__AuthRoleGetResponse *reply)
{
    Authpb__Permission *list = arena_alloc(arena, (role->n + 1) * sizeof *list);
    reply->perm = arena_alloc(arena, (role->n + 1) * sizeof *reply->perm);
    reply->n_perm = role->n;
    for (size_t i = 0; i < role->n; i++) {
        const struct auth_permission *p = &role->permissions[i];
        authpb__permission__init(&list[i]);
        list[i].permtype = (Authpb__Permission__Type)p->access;
        list[i].key = pb_slice(p->key);
        list[i].range_end = pb_slice(p->range_end);
        reply->perm[i] = &list[i];
    }
    if (slice_eq(role->name, slice_str(ROOT))) { /* whatever it was given: all keys */
        authpb__permission__init(&list[0]);
        list[0].permtype = AUTHPB__PERMISSION__TYPE__READWRITE;
        list[0].range_end = pb_slice(slice_make("", 1));
        reply->perm[0] = &list[0];
        reply->n_perm = 1;
    }
}

static void role_read(struct read_call *r)
{
    const Etcdserverpb__AuthRoleGetRequest *m = r->data;
    int rv = may_see(r, NULL, m->role);
    const struct auth_role *role = auth_role(store_auth(r->server->store), slice_str(m->role));
    if (rv != 0 || role == NULL) {
        rpc_fail_err(r->call, rv != 0 ? rv : E_ROLE_NOT_FOUND);
        return;
    }
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__AuthRoleGetResponse reply = ETCDSERVERPB__AUTH_ROLE_GET_RESPONSE__INIT;
    reply.header = server_header(r->server, &header, store_revision(r->server->store));
    permissions_pb(role, rpc_call_arena(r->call), &reply);
    rpc_reply(r->call, &reply.base);
}

static void role_get(struct rpc_call *call, ProtobufCMessage *msg)
{
    ask(call, msg, role_read);
}

static void roles_read(struct read_call *r)
{
    const struct auth *a = store_auth(r->server->store);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__AuthRoleListResponse reply = ETCDSERVERPB__AUTH_ROLE_LIST_RESPONSE__INIT;
    int rv = server_may_admin(r->server, r->call);
    if (rv != 0) {
        rpc_fail_err(r->call, rv);
        return;
    }
    reply.header = server_header(r->server, &header, store_revision(r->server->store));
    reply.n_roles = a->roles.n;
    reply.roles = names_pb(&a->roles, rpc_call_arena(r->call));
    rpc_reply(r->call, &reply.base);
}

static void role_list(struct rpc_call *call, ProtobufCMessage *msg)
{
    ask(call, msg, roles_read);
}

/* --- tokens ----------------------------------------------------------------------------------- */

static void checked(struct password_ask *ask)
{
    struct server *s = ask->server;
    const Etcdserverpb__AuthenticateRequest *m = rpc_call_data(ask->call);
    const uint64_t *since = ask->data;
    const struct auth *a = store_auth(s->store);
    const struct auth_user *u = auth_user(a, slice_str(m->name));
    if (!a->enabled || u == NULL || u->since != *since) { /* it was another password */
        rpc_fail_err(ask->call, a->enabled ? E_AUTH_FAILED : E_AUTH_NOT_ENABLED);
        return;
    }
    autobuf token = BUF_INIT;
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__AuthenticateResponse reply = ETCDSERVERPB__AUTHENTICATE_RESPONSE__INIT;
    server_token_make(s, u, &token);
    reply.header = server_header(s, &header, store_revision(s->store));
    reply.token = (char *)(uintptr_t)buf_str(&token);
    rpc_reply(ask->call, &reply.base);
}

static void authenticate_read(struct read_call *r)
{
    const Etcdserverpb__AuthenticateRequest *m = r->data;
    const struct auth *a = store_auth(r->server->store);
    const struct auth_user *u = auth_user(a, slice_str(m->name));
    int rv = 0;
    if (!a->enabled) {
        rv = E_AUTH_NOT_ENABLED;
    } else if (u == NULL) {
        rv = E_AUTH_FAILED;
    } else if (u->no_password) {
        rv = E_NO_PASSWORD;
    } else if (u->secret.len == 0) {
        rv = E_AUTH_FAILED;
    }
    if (rv != 0) {
        rpc_fail_err(r->call, rv);
        return;
    }
    uint64_t *since = arena_alloc(rpc_call_arena(r->call), sizeof *since);
    *since = u->since;
    rpc_call_set_data(r->call, r->data);
    password_ask(r->server, r->call, slice_str(m->password), u->secret, since, checked);
}

static void authenticate(struct rpc_call *call, ProtobufCMessage *msg)
{
    ask(call, msg, authenticate_read);
}

#define ROW(name, request, handler) \
    { "/etcdserverpb.Auth/" name, RPC_UNARY, &etcdserverpb__##request##_request__descriptor, \
      handler, NULL, NULL, NULL, NULL }

static const struct rpc_method methods[] = {
    ROW("AuthEnable", auth_enable, auth_enable),
    ROW("AuthDisable", auth_disable, auth_disable),
    ROW("AuthStatus", auth_status, auth_status),
    ROW("Authenticate", authenticate, authenticate),
    ROW("UserAdd", auth_user_add, user_add),
    ROW("UserGet", auth_user_get, user_get),
    ROW("UserList", auth_user_list, user_list),
    ROW("UserDelete", auth_user_delete, user_delete),
    ROW("UserChangePassword", auth_user_change_password, user_password),
    ROW("UserGrantRole", auth_user_grant_role, user_grant),
    ROW("UserRevokeRole", auth_user_revoke_role, user_revoke),
    ROW("RoleAdd", auth_role_add, role_add),
    ROW("RoleGet", auth_role_get, role_get),
    ROW("RoleList", auth_role_list, role_list),
    ROW("RoleDelete", auth_role_delete, role_delete),
    ROW("RoleGrantPermission", auth_role_grant_permission, role_grant),
    ROW("RoleRevokePermission", auth_role_revoke_permission, role_revoke),
};
const struct service service_auth = { methods, ARRAY_LEN(methods) };
