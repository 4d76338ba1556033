/* What users, roles and alarms must do, said as simply as possible: tables of a few names without
 * order, nothing remembered from one question to the next. Rules are those of store/auth.h and
 * store/alarm.h (etcd's).
 *
 *     the first member to apply an index -> before: must it be refused, and for what?
 *                                        -> after: was it, and is the state what it must be?
 *
 * A sum of the state after each change is kept by index. A snapshot's store, and every member in
 * the end, must have the sum of its index: the store's digest tells only what was applied, and a
 * snapshot brings that number along, whatever else it forgets. */
#include "tests/sim/admin_model.h"

#include <inttypes.h>

#include "lib/base/alloc.h"

static const struct slice ROOT = { (const uint8_t *)"root", 4 };

static bool is(const struct text *t, struct slice s)
{
    return slice_eq(slice_make(t->bytes, t->len), s);
}

static struct text text_of(struct slice s)
{
    struct text t = { .len = s.len };
    INVARIANT(s.len <= TEXT_BYTES);
    memcpy(t.bytes, s.data, s.len);
    return t;
}

struct user *model_user(struct admin_model *m, struct slice name)
{
    for (size_t i = 0; i < m->n_users; i++) {
        if (is(&m->users[i].name, name)) {
            return &m->users[i];
        }
    }
    return NULL;
}

struct role *model_role(struct admin_model *m, struct slice name)
{
    for (size_t i = 0; i < m->n_roles; i++) {
        if (is(&m->roles[i].name, name)) {
            return &m->roles[i];
        }
    }
    return NULL;
}

bool model_has_role(const struct user *u, struct slice role)
{
    for (size_t i = 0; i < u->n_roles; i++) {
        if (is(&u->roles[i], role)) {
            return true;
        }
    }
    return false;
}

/* --- sums ------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    return hash_u64(h ^ hash_u64(v + 0x9e3779b97f4a7c15u));
}

static uint64_t mix_bytes(uint64_t h, struct slice s)
{
    return mix(h, hash_bytes(s.data, s.len));
}

static uint64_t mix_text(uint64_t h, const struct text *t)
{
    return mix_bytes(h, slice_make(t->bytes, t->len));
}

static uint64_t sum_permission(struct slice key, struct slice end, int64_t access)
{
    return mix(mix_bytes(mix_bytes(1, key), end), (uint64_t)access);
}

static uint64_t sum_alarm(const struct alarm *a)
{
    return mix(mix(mix(2, a->member), a->type), a->automatic);
}

static uint64_t sum_of_model(const struct admin_model *m)
{
    uint64_t sum = mix_text(mix(mix(3, m->revision), m->enabled), &m->secret);
    for (size_t i = 0; i < m->n_users; i++) {
        const struct user *u = &m->users[i];
        uint64_t roles = 0;
        for (size_t k = 0; k < u->n_roles; k++) {
            roles += mix_text(4, &u->roles[k]);
        }
        sum += mix(mix(mix(mix_text(mix_text(5, &u->name), &u->secret), u->no_password), u->since),
                   roles);
    }
    for (size_t i = 0; i < m->n_roles; i++) {
        const struct role *r = &m->roles[i];
        uint64_t all = 0;
        for (size_t k = 0; k < r->n; k++) {
            const struct permission *p = &r->permissions[k];
            all += sum_permission(slice_make(p->key.bytes, p->key.len),
                                  slice_make(p->end.bytes, p->end.len), p->access);
        }
        sum += mix(mix_text(6, &r->name), all);
    }
    for (size_t i = 0; i < m->n_alarms; i++) {
        sum += sum_alarm(&m->alarms[i]);
    }
    return sum;
}

/* The same of a store. */
static uint64_t sum_of_store(const struct store *s)
{
    const struct auth *a = store_auth(s);
    const struct alarms *alarms = store_alarms(s);
    uint64_t sum = mix_bytes(mix(mix(3, a->revision), a->enabled), a->secret);
    for (size_t i = 0; i < a->users.n; i++) {
        const struct auth_user *u = auth_user_at(a, i);
        uint64_t roles = 0;
        for (size_t k = 0; k < u->roles.n; k++) {
            roles += mix_bytes(4, *u->roles.names[k]);
        }
        sum += mix(mix(mix(mix_bytes(mix_bytes(5, u->name), u->secret), u->no_password), u->since),
                   roles);
    }
    for (size_t i = 0; i < a->roles.n; i++) {
        const struct auth_role *r = auth_role_at(a, i);
        uint64_t all = 0;
        for (size_t k = 0; k < r->n; k++) {
            all += sum_permission(r->permissions[k].key, r->permissions[k].range_end,
                                  r->permissions[k].access);
        }
        sum += mix(mix_bytes(6, r->name), all);
    }
    for (size_t i = 0; i < alarms->n; i++) {
        sum += sum_alarm(&alarms->items[i]);
    }
    return sum;
}

static void remember(struct admin_model *m, uint64_t value)
{
    m->sums = mem_grow(m->sums, &m->sums_cap, m->n_sums + 1, sizeof *m->sums);
    m->sums[m->n_sums++] = (struct sum){ m->last, value };
}

struct admin_model *admin_model_new(void)
{
    struct admin_model *m = mem_zalloc(sizeof *m);
    m->revision = 1;
    remember(m, sum_of_model(m));
    return m;
}

void admin_model_free(struct admin_model *m)
{
    if (m != NULL) {
        mem_free(m->sums);
        mem_free(m);
    }
}

/* --- changes ---------------------------------------------------------------------------------- */

static int user_add(struct admin_model *m, const struct auth_change *c)
{
    if (model_user(m, c->user) != NULL) {
        return E_USER_EXIST;
    }
    INVARIANT(m->n_users < USERS);
    m->users[m->n_users++] = (struct user){
        .name = text_of(c->user),
        .secret = text_of(c->secret),
        .no_password = c->number == 1,
        .since = ++m->revision,
    };
    return 0;
}

static int user_delete(struct admin_model *m, const struct auth_change *c)
{
    struct user *u = model_user(m, c->user);
    if (m->enabled && slice_eq(c->user, ROOT)) {
        return E_AUTH_MGMT;
    }
    if (u == NULL) {
        return E_USER_NOT_FOUND;
    }
    *u = m->users[--m->n_users];
    m->revision++;
    return 0;
}

static int user_password(struct admin_model *m, const struct auth_change *c)
{
    struct user *u = model_user(m, c->user);
    if (u == NULL) {
        return E_USER_NOT_FOUND;
    }
    u->secret = u->no_password ? u->secret : text_of(c->secret);
    u->since = ++m->revision;
    return 0;
}

static int user_grant(struct admin_model *m, const struct auth_change *c)
{
    struct user *u = model_user(m, c->user);
    if (u == NULL) {
        return E_USER_NOT_FOUND;
    }
    if (!slice_eq(c->role, ROOT) && model_role(m, c->role) == NULL) {
        return E_ROLE_NOT_FOUND;
    }
    if (!model_has_role(u, c->role)) {
        INVARIANT(u->n_roles < ROLES);
        u->roles[u->n_roles++] = text_of(c->role);
        m->revision++;
    }
    return 0;
}

static bool take_role(struct user *u, struct slice role)
{
    for (size_t i = 0; i < u->n_roles; i++) {
        if (is(&u->roles[i], role)) {
            u->roles[i] = u->roles[--u->n_roles];
            return true;
        }
    }
    return false;
}

static int user_revoke(struct admin_model *m, const struct auth_change *c)
{
    struct user *u = model_user(m, c->user);
    if (m->enabled && slice_eq(c->user, ROOT) && slice_eq(c->role, ROOT)) {
        return E_AUTH_MGMT;
    }
    if (u == NULL) {
        return E_USER_NOT_FOUND;
    }
    if (!take_role(u, c->role)) {
        return E_ROLE_NOT_GRANTED;
    }
    m->revision++;
    return 0;
}

static int role_add(struct admin_model *m, const struct auth_change *c)
{
    if (model_role(m, c->role) != NULL) {
        return E_ROLE_EXIST;
    }
    INVARIANT(m->n_roles < ROLES);
    m->roles[m->n_roles] = (struct role){ .n = 0 };
    m->roles[m->n_roles++].name = text_of(c->role);
    m->revision++;
    return 0;
}

static int role_delete(struct admin_model *m, const struct auth_change *c)
{
    struct role *r = model_role(m, c->role);
    if (m->enabled && slice_eq(c->role, ROOT)) {
        return E_AUTH_MGMT;
    }
    if (r == NULL) {
        return E_ROLE_NOT_FOUND;
    }
    for (size_t i = 0; i < m->n_users; i++) {
        (void)take_role(&m->users[i], c->role);
    }
    *r = m->roles[--m->n_roles];
    m->revision++;
    return 0;
}

static struct permission *permission_of(struct role *r, const struct auth_change *c)
{
    for (size_t i = 0; i < r->n; i++) {
        if (is(&r->permissions[i].key, c->key) && is(&r->permissions[i].end, c->range_end)) {
            return &r->permissions[i];
        }
    }
    return NULL;
}

/* What is asked is a range (admin.c). */
static int role_grant(struct admin_model *m, const struct auth_change *c)
{
    struct role *r = model_role(m, c->role);
    if (r == NULL) {
        return E_ROLE_NOT_FOUND;
    }
    struct permission *p = permission_of(r, c);
    if (p == NULL) {
        INVARIANT(r->n < PERMISSIONS);
        p = &r->permissions[r->n++];
    }
    *p = (struct permission){ text_of(c->key), text_of(c->range_end), c->number };
    m->revision++;
    return 0;
}

static int role_revoke(struct admin_model *m, const struct auth_change *c)
{
    struct role *r = model_role(m, c->role);
    struct permission *p = r != NULL ? permission_of(r, c) : NULL;
    if (p == NULL) {
        return r == NULL ? E_ROLE_NOT_FOUND : E_PERM_NOT_GRANTED;
    }
    *p = r->permissions[--r->n];
    m->revision++;
    return 0;
}

static int change_auth(struct admin_model *m, const struct auth_change *c)
{
    const struct user *root = model_user(m, ROOT);
    switch (c->action) {
    case AUTH_ENABLE:
        if (m->enabled) {
            return 0;
        }
        if (root == NULL || !model_has_role(root, ROOT)) {
            return root == NULL ? E_ROOT_USER : E_ROOT_ROLE;
        }
        m->secret = text_of(c->secret);
        m->enabled = true;
        return 0;
    case AUTH_DISABLE:
        m->revision += m->enabled;
        m->enabled = false;
        return 0;
    case AUTH_USER_ADD:
        return user_add(m, c);
    case AUTH_USER_DELETE:
        return user_delete(m, c);
    case AUTH_USER_PASSWORD:
        return user_password(m, c);
    case AUTH_USER_GRANT:
        return user_grant(m, c);
    case AUTH_USER_REVOKE:
        return user_revoke(m, c);
    case AUTH_ROLE_ADD:
        return role_add(m, c);
    case AUTH_ROLE_DELETE:
        return role_delete(m, c);
    case AUTH_ROLE_GRANT:
        return role_grant(m, c);
    case AUTH_ROLE_REVOKE:
        return role_revoke(m, c);
    }
    UNREACHABLE();
}

static void change_alarm(struct admin_model *m, const struct alarm_change *c)
{
    struct alarm *found = NULL;
    for (size_t i = 0; i < m->n_alarms; i++) {
        if (m->alarms[i].member == c->member && m->alarms[i].type == c->type) {
            found = &m->alarms[i];
        }
    }
    if (c->type == ALARM_NONE) {
        return;
    }
    if (c->active && found == NULL) {
        INVARIANT(m->n_alarms < ALARMS);
        m->alarms[m->n_alarms++] = (struct alarm){ c->member, c->type, c->automatic };
    } else if (c->active) {
        found->automatic = found->automatic && c->automatic;
    } else if (found != NULL && (found->automatic || !c->automatic)) {
        *found = m->alarms[--m->n_alarms];
    }
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool is_administration(const struct command *c)
{
    return c->type == COMMAND_AUTH || c->type == COMMAND_ALARM;
}

void admin_before(struct node *n, uint64_t index, const struct store *store,
                  const struct command *c)
{
    struct admin_model *m = n->sim->admin;
    if (m == NULL || index <= m->last) {
        return;
    }
    m->first = true;
    m->last = index;
    m->refusal = admin_refusal(m, store, c);
    m->outcome = m->refusal;
    if (m->refusal == 0 && c->type == COMMAND_AUTH) {
        m->outcome = change_auth(m, &c->auth);
    } else if (m->refusal == 0 && c->type == COMMAND_ALARM) {
        change_alarm(m, &c->alarm);
    }
}

void admin_after(struct node *n, uint64_t index, const struct store *store,
                 const struct command *c, int status)
{
    struct admin_model *m = n->sim->admin;
    if (m == NULL || !m->first) {
        return;
    }
    m->first = false;
    n->sim->stats->administered += is_administration(c) && status == 0;
    n->sim->stats->no_right += status == E_PERM || status == E_AUTH_OLD || status == E_USER_EMPTY;
    n->sim->stats->alarmed += status == E_NOSPACE || status == E_CORRUPT;
    bool refused = status == E_PERM || status == E_AUTH_OLD || status == E_USER_EMPTY ||
                   status == E_NOSPACE || status == E_CORRUPT;
    bool well = is_administration(c) || m->refusal != 0 ? status == m->outcome : !refused;
    if (!well) {
        sim_violation(n->sim,
                      "RIGHTS: index %" PRIu64 ", command %d, auth revision %" PRIu64
                      ": %s where %s was due",
                      index, (int)c->type, m->revision, err_name(status), err_name(m->outcome));
    }
    if (is_administration(c) && m->refusal == 0) {
        uint64_t sum = sum_of_model(m);
        if (sum != sum_of_store(store)) {
            sim_violation(n->sim, "ADMINISTRATION: index %" PRIu64 ": not the users, roles or "
                                  "alarms that are due", index);
        }
        remember(m, sum);
    }
}

void admin_check(struct node *n, const struct store *store)
{
    const struct admin_model *m = n->sim->admin;
    uint64_t index = store_applied_index(store);
    if (m == NULL) {
        return;
    }
    size_t i = m->n_sums - 1; /* the first is of index 0 */
    while (m->sums[i].index > index) {
        i--;
    }
    if (sum_of_store(store) != m->sums[i].value) {
        sim_violation(n->sim, "ADMINISTRATION LOST: member %u at index %" PRIu64, n->id, index);
    }
}
