/* The auth state and its changes. Rules and errors are etcd's, tested case by case in
 * tests/unit/store/test_auth.c:
 *
 *   - auth is enabled only with a user root that has the role root, and while it is on neither of
 *     them can be taken away (E_AUTH_MGMT);
 *   - every change makes a revision, except enabling, and a grant of a role that the user has;
 *   - the role root can be granted without being there; deleting a role takes it from all users.
 *
 * Enabling brings a new secret, so tokens of an earlier time are void. */
#include "store/auth.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"

enum { ITEM_BYTES = 96 }; /* what each name and permission counts beside its bytes */

static const struct slice ROOT = { (const uint8_t *)"root", 4 };

static struct slice own(struct slice s)
{
    return slice_make(mem_dup(s.data, s.len), s.len);
}

static void disown(struct slice *s)
{
    mem_free((void *)(uintptr_t)s->data);
    *s = slice_make(NULL, 0);
}

/* --- names in order --------------------------------------------------------------------------- */

/* The first place whose name is not before this one. */
static size_t table_place(const struct auth_table *t, struct slice name)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (slice_cmp(*t->names[mid], name) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static struct slice *table_find(const struct auth_table *t, struct slice name)
{
    size_t at = table_place(t, name);
    return at < t->n && slice_eq(*t->names[at], name) ? t->names[at] : NULL;
}

static void table_insert(struct auth_table *t, struct slice *name)
{
    size_t at = table_place(t, *name);
    t->names = mem_grow(t->names, &t->cap, t->n + 1, sizeof(struct slice *));
    memmove(t->names + at + 1, t->names + at, (t->n - at) * sizeof(struct slice *));
    t->names[at] = name;
    t->n++;
}

static struct slice *table_remove(struct auth_table *t, struct slice name)
{
    struct slice *found = table_find(t, name);
    if (found != NULL) {
        size_t at = table_place(t, name);
        t->n--;
        memmove(t->names + at, t->names + at + 1, (t->n - at) * sizeof(struct slice *));
    }
    return found;
}

/* --- users and roles -------------------------------------------------------------------------- */

struct auth_user *auth_user(const struct auth *a, struct slice name)
{
    struct slice *found = table_find(&a->users, name);
    return found != NULL ? CONTAINER_OF(found, struct auth_user, name) : NULL;
}

struct auth_role *auth_role(const struct auth *a, struct slice name)
{
    struct slice *found = table_find(&a->roles, name);
    return found != NULL ? CONTAINER_OF(found, struct auth_role, name) : NULL;
}

struct auth_user *auth_user_at(const struct auth *a, size_t i)
{
    PRE(i < a->users.n);
    return CONTAINER_OF(a->users.names[i], struct auth_user, name);
}

struct auth_role *auth_role_at(const struct auth *a, size_t i)
{
    PRE(i < a->roles.n);
    return CONTAINER_OF(a->roles.names[i], struct auth_role, name);
}

bool auth_user_has(const struct auth_user *u, struct slice role)
{
    return table_find(&u->roles, role) != NULL;
}

struct auth_user *auth_add_user(struct auth *a, struct slice name, struct slice secret)
{
    struct auth_user *u = mem_zalloc(sizeof *u);
    u->name = own(name);
    u->secret = own(secret);
    table_insert(&a->users, &u->name);
    a->bytes += name.len + secret.len + ITEM_BYTES;
    return u;
}

struct auth_role *auth_add_role(struct auth *a, struct slice name)
{
    struct auth_role *r = mem_zalloc(sizeof *r);
    r->name = own(name);
    table_insert(&a->roles, &r->name);
    a->bytes += name.len + ITEM_BYTES;
    return r;
}

bool auth_add_grant(struct auth *a, struct auth_user *u, struct slice role)
{
    if (auth_user_has(u, role)) {
        return false;
    }
    struct slice *name = mem_zalloc(sizeof *name);
    *name = own(role);
    table_insert(&u->roles, name);
    a->bytes += role.len + ITEM_BYTES;
    return true;
}

static bool take_grant(struct auth *a, struct auth_user *u, struct slice role)
{
    struct slice *name = table_remove(&u->roles, role);
    if (name == NULL) {
        return false;
    }
    a->bytes -= name->len + ITEM_BYTES;
    disown(name);
    mem_free(name);
    return true;
}

static void free_user(struct auth *a, struct auth_user *u)
{
    while (u->roles.n > 0) {
        take_grant(a, u, *u->roles.names[u->roles.n - 1]);
    }
    a->bytes -= u->name.len + u->secret.len + ITEM_BYTES;
    mem_free(u->roles.names);
    auth_spans_free(u->spans);
    disown(&u->name);
    disown(&u->secret);
    mem_free(u);
}

static void take_permission(struct auth *a, struct auth_role *r, size_t at)
{
    struct auth_permission *p = &r->permissions[at];
    a->bytes -= p->key.len + p->range_end.len + ITEM_BYTES;
    disown(&p->key);
    disown(&p->range_end);
    r->n--;
    memmove(p, p + 1, (r->n - at) * sizeof *p);
}

static void free_role(struct auth *a, struct auth_role *r)
{
    while (r->n > 0) {
        take_permission(a, r, r->n - 1);
    }
    a->bytes -= r->name.len + ITEM_BYTES;
    mem_free(r->permissions);
    disown(&r->name);
    mem_free(r);
}

/* The place of (key, range_end), and whether it is taken. */
static size_t permission_place(const struct auth_role *r, struct slice key, struct slice range_end,
                               bool *ret_there)
{
    size_t lo = 0, hi = r->n;
    *ret_there = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = slice_cmp(r->permissions[mid].key, key);
        c = c != 0 ? c : slice_cmp(r->permissions[mid].range_end, range_end);
        *ret_there = *ret_there || c == 0;
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

void auth_set_permission(struct auth *a, struct auth_role *r, struct slice key,
                         struct slice range_end, enum auth_access access)
{
    bool there;
    size_t at = permission_place(r, key, range_end, &there);
    if (there) {
        r->permissions[at].access = access;
        return;
    }
    uint8_t *bytes = mem_zalloc(key.len + 1);
    memcpy(bytes, key.data, key.len);
    r->permissions = mem_grow(r->permissions, &r->cap, r->n + 1, sizeof *r->permissions);
    struct auth_permission *p = &r->permissions[at];
    memmove(p + 1, p, (r->n - at) * sizeof *p);
    *p = (struct auth_permission){ slice_make(bytes, key.len), own(range_end), access };
    r->n++;
    a->bytes += key.len + range_end.len + ITEM_BYTES;
}

bool auth_permission_valid(struct slice key, struct slice range_end)
{
    bool open = range_end.len == 1 && range_end.data[0] == 0;
    return key.len > 0 && (range_end.len == 0 || open || slice_cmp(key, range_end) < 0);
}

void auth_set_secret(struct auth *a, struct slice secret)
{
    struct slice owned = own(secret);
    disown(&a->secret);
    a->secret = owned;
}

/* --- the whole -------------------------------------------------------------------------------- */

void auth_init(struct auth *a)
{
    *a = (struct auth){ .revision = 1 };
}

void auth_fini(struct auth *a)
{
    for (size_t i = 0; i < a->users.n; i++) {
        free_user(a, auth_user_at(a, i));
    }
    for (size_t i = 0; i < a->roles.n; i++) {
        free_role(a, auth_role_at(a, i));
    }
    mem_free(a->users.names);
    mem_free(a->roles.names);
    disown(&a->secret);
    auth_init(a);
}

/* --- changes ---------------------------------------------------------------------------------- */

static int enable(struct auth *a, const struct auth_change *c)
{
    const struct auth_user *root = auth_user(a, ROOT);
    if (a->enabled) {
        return 0;
    }
    if (root == NULL) {
        return E_ROOT_USER;
    }
    if (!auth_user_has(root, ROOT)) {
        return E_ROOT_ROLE;
    }
    auth_set_secret(a, c->secret);
    a->enabled = true;
    return 0;
}

static int disable(struct auth *a, const struct auth_change *c)
{
    (void)c;
    a->revision += a->enabled;
    a->enabled = false;
    return 0;
}

static int user_add(struct auth *a, const struct auth_change *c)
{
    if (c->user.len == 0) {
        return E_USER_EMPTY;
    }
    if (auth_user(a, c->user) != NULL) {
        return E_USER_EXIST;
    }
    struct auth_user *u = auth_add_user(a, c->user, c->secret);
    u->no_password = c->number == 1;
    u->since = ++a->revision;
    return 0;
}

static int user_delete(struct auth *a, const struct auth_change *c)
{
    if (a->enabled && slice_eq(c->user, ROOT)) {
        return E_AUTH_MGMT;
    }
    struct slice *found = table_remove(&a->users, c->user);
    if (found == NULL) {
        return E_USER_NOT_FOUND;
    }
    free_user(a, CONTAINER_OF(found, struct auth_user, name));
    a->revision++;
    return 0;
}

static int user_password(struct auth *a, const struct auth_change *c)
{
    struct auth_user *u = auth_user(a, c->user);
    if (u == NULL) {
        return E_USER_NOT_FOUND;
    }
    if (!u->no_password) {
        a->bytes = a->bytes - u->secret.len + c->secret.len;
        disown(&u->secret);
        u->secret = own(c->secret);
    }
    u->since = ++a->revision;
    return 0;
}

static int user_grant(struct auth *a, const struct auth_change *c)
{
    struct auth_user *u = auth_user(a, c->user);
    if (u == NULL) {
        return E_USER_NOT_FOUND;
    }
    if (!slice_eq(c->role, ROOT) && auth_role(a, c->role) == NULL) {
        return E_ROLE_NOT_FOUND;
    }
    a->revision += auth_add_grant(a, u, c->role);
    return 0;
}

static int user_revoke(struct auth *a, const struct auth_change *c)
{
    if (a->enabled && slice_eq(c->user, ROOT) && slice_eq(c->role, ROOT)) {
        return E_AUTH_MGMT;
    }
    struct auth_user *u = auth_user(a, c->user);
    if (u == NULL) {
        return E_USER_NOT_FOUND;
    }
    if (!take_grant(a, u, c->role)) {
        return E_ROLE_NOT_GRANTED;
    }
    a->revision++;
    return 0;
}

static int role_add(struct auth *a, const struct auth_change *c)
{
    if (c->role.len == 0) {
        return E_ROLE_EMPTY;
    }
    if (auth_role(a, c->role) != NULL) {
        return E_ROLE_EXIST;
    }
    auth_add_role(a, c->role);
    a->revision++;
    return 0;
}

static int role_delete(struct auth *a, const struct auth_change *c)
{
    if (a->enabled && slice_eq(c->role, ROOT)) {
        return E_AUTH_MGMT;
    }
    struct slice *found = table_remove(&a->roles, c->role);
    if (found == NULL) {
        return E_ROLE_NOT_FOUND;
    }
    for (size_t i = 0; i < a->users.n && !BUG(BUG_AUTH_ROLE_KEPT); i++) {
        take_grant(a, auth_user_at(a, i), c->role);
    }
    free_role(a, CONTAINER_OF(found, struct auth_role, name));
    a->revision++;
    return 0;
}

static int role_grant(struct auth *a, const struct auth_change *c)
{
    if (!auth_permission_valid(c->key, c->range_end) || c->number < ACCESS_READ ||
        c->number > ACCESS_READ_WRITE) {
        return E_AUTH_MGMT;
    }
    struct auth_role *r = auth_role(a, c->role);
    if (r == NULL) {
        return E_ROLE_NOT_FOUND;
    }
    auth_set_permission(a, r, c->key, c->range_end, (enum auth_access)c->number);
    a->revision++;
    return 0;
}

static int role_revoke(struct auth *a, const struct auth_change *c)
{
    struct auth_role *r = auth_role(a, c->role);
    bool there;
    if (r == NULL) {
        return E_ROLE_NOT_FOUND;
    }
    size_t at = permission_place(r, c->key, c->range_end, &there);
    if (!there) {
        return E_PERM_NOT_GRANTED;
    }
    take_permission(a, r, at);
    a->revision++;
    return 0;
}

int auth_apply(struct auth *a, const struct auth_change *c)
{
    static const struct {
        int (*run)(struct auth *a, const struct auth_change *c);
        bool adds;
    } rows[] = {
        [AUTH_ENABLE] = { enable, false },
        [AUTH_DISABLE] = { disable, false },
        [AUTH_USER_ADD] = { user_add, true },
        [AUTH_USER_DELETE] = { user_delete, false },
        [AUTH_USER_PASSWORD] = { user_password, false },
        [AUTH_USER_GRANT] = { user_grant, true },
        [AUTH_USER_REVOKE] = { user_revoke, false },
        [AUTH_ROLE_ADD] = { role_add, true },
        [AUTH_ROLE_DELETE] = { role_delete, false },
        [AUTH_ROLE_GRANT] = { role_grant, true },
        [AUTH_ROLE_REVOKE] = { role_revoke, false },
    };
    PRE(c->action >= AUTH_ENABLE && (size_t)c->action < ARRAY_LEN(rows));
    size_t more = c->user.len + c->role.len + c->key.len + c->range_end.len + c->secret.len +
                  ITEM_BYTES;
    if (rows[c->action].adds && a->bytes + more > LIMIT_AUTH_BYTES) {
        return E_NOSPACE;
    }
    return rows[c->action].run(a, c);
}
