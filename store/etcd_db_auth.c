/* Users and roles in etcd's database file: authpb.User and authpb.Role by name, and in the bucket
 * "auth" authEnabled (one byte), authRevision (u64, big-endian) and, of ours, barqueTokenKey.
 *
 * Passwords are hashes in both, mostly bcrypt's, which both can check (lib/codec/secret.h). A user
 * with another kind of hash comes over without a password that anybody knows; authentication is off
 * then, and the caller says so: a cluster into which nobody can log in could not even be mended.
 *
 * A file of etcd's has no key for tokens. All members of a cluster are restored from one file, each
 * by itself, and must agree on one, so it is made of the users with their hashes: whoever may read
 * the file knows those anyhow. */
#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/codec/pb_wire.h"
#include "lib/codec/secret.h"
#include "store/etcd_db_internal.h"
#include "store/internal.h"

#define TOKEN_KEY "barqueTokenKey"
#define ROOT "root"

enum { BCRYPT_BYTES = 60 };

enum { STATE_ITEMS = 3, USER_NAME = 1, USER_SECRET = 2, USER_ROLE = 3, USER_OPTIONS = 4,
       ROLE_NAME = 1, ROLE_PERMISSION = 2, PERMISSION_KIND = 1, PERMISSION_KEY = 2,
       PERMISSION_END = 3, OPTION_NO_PASSWORD = 1 };

/* --- writing ---------------------------------------------------------------------------------- */

static struct slice copy(struct arena *arena, struct slice s)
{
    return slice_make(arena_dup(arena, s.data, s.len), s.len);
}

static struct slice kept(struct arena *arena, const struct buf *b)
{
    return copy(arena, buf_slice(b));
}

static struct slice user_pb(const struct auth_user *u, struct arena *arena)
{
    autobuf b = BUF_INIT, options = BUF_INIT;
    pb_wire_put_bytes(&b, USER_NAME, u->name);
    pb_wire_put_bytes(&b, USER_SECRET, u->secret);
    for (size_t i = 0; i < u->roles.n; i++) {
        pb_wire_put_bytes(&b, USER_ROLE, *u->roles.names[i]);
    }
    pb_wire_put_u64(&options, OPTION_NO_PASSWORD, u->no_password ? 1 : 0);
    pb_wire_put_bytes(&b, USER_OPTIONS, buf_slice(&options));
    return kept(arena, &b);
}

static struct slice role_pb(const struct auth_role *r, struct arena *arena)
{
    autobuf b = BUF_INIT, p = BUF_INIT;
    pb_wire_put_bytes(&b, ROLE_NAME, r->name);
    for (size_t i = 0; i < r->n; i++) {
        buf_reset(&p);
        pb_wire_put_u64(&p, PERMISSION_KIND, r->permissions[i].access);
        pb_wire_put_bytes(&p, PERMISSION_KEY, r->permissions[i].key);
        pb_wire_put_bytes(&p, PERMISSION_END, r->permissions[i].range_end);
        pb_wire_put_bytes(&b, ROLE_PERMISSION, buf_slice(&p));
    }
    return kept(arena, &b);
}

static void state_items(const struct auth *a, struct arena *arena, struct etcd_db_items *l)
{
    autobuf b = BUF_INIT;
    l->items = arena_alloc(arena, STATE_ITEMS * sizeof *l->items);
    buf_put_u8(&b, a->enabled);
    l->items[0][0] = slice_str("authEnabled");
    l->items[0][1] = kept(arena, &b);
    buf_reset(&b);
    buf_put_u64(&b, a->revision);
    l->items[1][0] = slice_str("authRevision");
    l->items[1][1] = kept(arena, &b);
    buf_reset(&b);
    buf_append_slice(&b, a->secret);
    l->items[2][0] = slice_str(TOKEN_KEY);
    l->items[2][1] = kept(arena, &b);
    l->n = STATE_ITEMS;
}

void etcd_db_auth_items(const struct auth *a, struct arena *arena, struct etcd_db_auth *ret_auth)
{
    *ret_auth = (struct etcd_db_auth){ 0 };
    if (a->revision <= 1) {
        return;
    }
    state_items(a, arena, &ret_auth->state);
    struct etcd_db_items *roles = &ret_auth->roles, *users = &ret_auth->users;
    roles->items = arena_alloc(arena, (a->roles.n + 1) * sizeof *roles->items);
    users->items = arena_alloc(arena, (a->users.n + 1) * sizeof *users->items);
    for (; roles->n < a->roles.n; roles->n++) {
        roles->items[roles->n][0] = copy(arena, auth_role_at(a, roles->n)->name);
        roles->items[roles->n][1] = role_pb(auth_role_at(a, roles->n), arena);
    }
    for (; users->n < a->users.n; users->n++) {
        users->items[users->n][0] = copy(arena, auth_user_at(a, users->n)->name);
        users->items[users->n][1] = user_pb(auth_user_at(a, users->n), arena);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

static int corrupt(struct err *err, const char *what)
{
    return err_set(err, E_CORRUPT, "database: %s", what);
}

static struct pb_wire wire_of(struct slice bytes)
{
    return (struct pb_wire){ bytes.data, bytes.data + bytes.len };
}

static bool name_fits(struct slice name)
{
    return name.len > 0 && name.len <= LIMIT_AUTH_NAME_BYTES;
}

static int read_permission(struct auth *a, struct auth_role *r, struct slice bytes)
{
    struct pb_wire w = wire_of(bytes);
    struct pb_wire_field f;
    struct slice key = { 0 }, end = { 0 };
    uint64_t access = ACCESS_READ;
    int rv;
    while ((rv = pb_wire_next(&w, &f)) == 1) {
        if (f.number == PERMISSION_KIND && !f.is_bytes) {
            access = f.u64;
        } else if (f.number == PERMISSION_KEY && f.is_bytes) {
            key = f.bytes;
        } else if (f.number == PERMISSION_END && f.is_bytes) {
            end = f.bytes;
        }
    }
    if (rv != 0 || access > ACCESS_READ_WRITE || key.len > LIMIT_KEY_BYTES ||
        end.len > LIMIT_KEY_BYTES || !auth_permission_valid(key, end)) {
        return E_CORRUPT;
    }
    auth_set_permission(a, r, key, end, (enum auth_access)access);
    return 0;
}

static int read_role(struct auth *a, struct slice name, struct slice value)
{
    struct pb_wire w = wire_of(value);
    struct pb_wire_field f;
    if (!name_fits(name)) {
        return E_CORRUPT;
    }
    struct auth_role *r = auth_add_role(a, name);
    int rv;
    while ((rv = pb_wire_next(&w, &f)) == 1) {
        bool odd = f.number == ROLE_NAME && (!f.is_bytes || !slice_eq(f.bytes, name));
        bool permission = f.number == ROLE_PERMISSION && f.is_bytes;
        if (odd || (permission && read_permission(a, r, f.bytes) != 0)) {
            return E_CORRUPT;
        }
        if (a->bytes > AUTH_READ_BYTES) {
            return E_TOOBIG;
        }
    }
    return rv;
}

static bool is_known(struct slice secret)
{
    bool bcrypt = slice_starts(secret, slice_str("$2")) && secret.len == BCRYPT_BYTES;
    bool scrypt = slice_starts(secret, slice_str("$scrypt$"));
    return bcrypt || (scrypt && secret.len <= LIMIT_AUTH_SECRET_BYTES);
}

static bool no_password(struct slice options)
{
    struct pb_wire w = wire_of(options);
    struct pb_wire_field f;
    bool no = false;
    while (pb_wire_next(&w, &f) == 1) {
        no = f.number == OPTION_NO_PASSWORD && !f.is_bytes ? f.u64 != 0 : no;
    }
    return no;
}

static int read_user(struct auth *a, struct slice name, struct slice value, uint64_t *foreign)
{
    struct pb_wire w = wire_of(value);
    struct pb_wire_field f;
    struct slice secret = { 0 };
    bool no = false;
    int rv;
    if (!name_fits(name)) {
        return E_CORRUPT;
    }
    while ((rv = pb_wire_next(&w, &f)) == 1) {
        if (f.number == USER_SECRET && f.is_bytes) {
            secret = f.bytes;
        } else if (f.number == USER_OPTIONS && f.is_bytes) {
            no = no_password(f.bytes);
        } else if (f.number == USER_NAME && (!f.is_bytes || !slice_eq(f.bytes, name))) {
            return E_CORRUPT;
        }
    }
    if (rv != 0) {
        return rv;
    }
    *foreign += secret.len > 0 && !is_known(secret);
    struct auth_user *u = auth_add_user(a, name, is_known(secret) ? secret : slice_str(""));
    u->no_password = no;
    u->since = a->revision; /* tokens of the old cluster are void */
    for (w = wire_of(value); pb_wire_next(&w, &f) == 1;) {
        if (f.number == USER_ROLE && f.is_bytes &&
            (!name_fits(f.bytes) || !auth_add_grant(a, u, f.bytes))) {
            return E_CORRUPT;
        }
        if (a->bytes > AUTH_READ_BYTES) {
            return E_TOOBIG;
        }
    }
    return 0;
}

static int read_state(const struct bolt *b, struct auth *a, struct err *err)
{
    struct bolt_cursor c;
    struct slice key, value;
    int rv = etcd_db_seek(b, "auth", &c, err);
    while (rv == 0 && (rv = bolt_next(&c, &key, &value, err)) == 1) {
        rv = 0;
        if (slice_eq(key, slice_str("authEnabled"))) {
            a->enabled = value.len == 1 && value.data[0] == 1;
        } else if (slice_eq(key, slice_str("authRevision")) && value.len == 8) {
            a->revision = 0;
            for (int i = 0; i < 8; i++) {
                a->revision = a->revision << 8 | value.data[i];
            }
        } else if (slice_eq(key, slice_str(TOKEN_KEY)) && value.len <= LIMIT_AUTH_SECRET_BYTES) {
            auth_set_secret(a, value);
        }
    }
    if (rv == 0 && a->revision > COUNT_READ_MAX) {
        rv = corrupt(err, "the revision of users and roles is impossible");
    }
    return rv == E_NOTFOUND ? 0 : rv;
}

static void make_token_key(struct auth *a)
{
    autobuf all = BUF_INIT;
    uint8_t key[SECRET_SUM_BYTES];
    for (size_t i = 0; i < a->users.n; i++) {
        const struct auth_user *u = auth_user_at(a, i);
        buf_put_u32(&all, (uint32_t)u->name.len);
        buf_append_slice(&all, u->name);
        buf_put_u32(&all, (uint32_t)u->secret.len);
        buf_append_slice(&all, u->secret);
    }
    secret_sum(slice_str(TOKEN_KEY), buf_slice(&all), key);
    auth_set_secret(a, slice_make(key, sizeof key));
}

/* So that there is a hash, too, without which a key made of the users could be guessed. */
static bool root_can_log_in(const struct auth *a)
{
    const struct auth_user *root = auth_user(a, slice_str(ROOT));
    return root != NULL && root->secret.len > 0 &&
           auth_user_has(root, slice_str(ROOT));
}

/* What is more than commands can make would give a snapshot that nobody takes. */
static int tell(const struct auth *a, int rv, const char *malformed, struct err *err)
{
    if (rv == E_TOOBIG || (rv == 0 && a->bytes > AUTH_READ_BYTES)) {
        return err_set(err, E_TOOBIG, "database: users and roles are more than Barque takes "
                       "(%d bytes)", AUTH_READ_BYTES);
    }
    return rv != 0 ? corrupt(err, malformed) : 0;
}

int etcd_db_auth_read(const struct bolt *b, struct auth *a, struct etcd_db_report *report,
                      struct err *err)
{
    struct bolt_cursor c;
    struct slice name, value;
    int rv = read_state(b, a, err);
    if (rv != 0) {
        return rv;
    }
    a->revision = a->revision < 1 ? 1 : a->revision;
    rv = etcd_db_seek(b, "authRoles", &c, err);
    while (rv == 0 && (rv = bolt_next(&c, &name, &value, err)) == 1) {
        rv = tell(a, read_role(a, name, value), "a role is malformed", err);
    }
    if (rv == 0 || rv == E_NOTFOUND) {
        rv = etcd_db_seek(b, "authUsers", &c, err);
    }
    while (rv == 0 && (rv = bolt_next(&c, &name, &value, err)) == 1) {
        rv = tell(a, read_user(a, name, value, &report->foreign_passwords), "a user is malformed",
                  err);
    }
    if (rv != 0 && rv != E_NOTFOUND) {
        return rv;
    }
    if (a->revision == 1 && (a->users.n + a->roles.n + a->secret.len > 0 || a->enabled)) {
        a->revision = 2; /* 1 says that nothing was ever set */
    }
    report->users = a->users.n;
    report->roles = a->roles.n;
    report->auth_enabled = a->enabled;
    a->enabled = a->enabled && root_can_log_in(a) && report->foreign_passwords == 0;
    if (a->enabled && a->secret.len < SECRET_SUM_BYTES) {
        make_token_key(a);
    }
    report->auth_off = report->auth_enabled && !a->enabled;
    return 0;
}
