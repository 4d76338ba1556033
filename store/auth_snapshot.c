/* The auth state in a snapshot: frames of kind 6, each a run of items, written only when something
 * was ever set.
 *
 *     item = [1, revision, enabled, secret]            the first item, once
 *            [2, role]                                 roles ascend
 *            [3, key, range_end, access]               of the role before; ascend
 *            [4, user, secret, no password, since]     users ascend, after all roles
 *            [5, role]                                 of the user before; ascend
 *
 * Equal states write equal bytes. The reader believes nothing: order, bounds and the sum of bytes
 * are checked as they come. */
#include "lib/base/limits.h"
#include "lib/codec/mp.h"
#include "store/auth.h"
#include "store/snapshot.h"

enum item { ITEM_HEAD = 1, ITEM_ROLE = 2, ITEM_PERMISSION = 3, ITEM_USER = 4, ITEM_GRANT = 5 };

/* --- writing ---------------------------------------------------------------------------------- */

struct writer {
    struct buf *out;
    size_t at; /* of the frame that is open */
};

static void frame_open(struct writer *w)
{
    w->at = w->out->len;
    buf_put_u32(w->out, 0);
    mp_put_u64(w->out, FRAME_AUTH);
}

static void frame_close(struct writer *w)
{
    size_t len = w->out->len - w->at - 4;
    for (int i = 0; i < 4; i++) {
        w->out->data[w->at + (size_t)i] = (uint8_t)(len >> (24 - 8 * i));
    }
}

static void item_open(struct writer *w, enum item kind, uint32_t n)
{
    if (w->out->len - w->at >= SNAPSHOT_FRAME_BYTES) {
        frame_close(w);
        frame_open(w);
    }
    mp_put_array(w->out, n);
    mp_put_u64(w->out, kind);
}

static void write_role(struct writer *w, const struct auth_role *r)
{
    item_open(w, ITEM_ROLE, 2);
    mp_put_bin(w->out, r->name);
    for (size_t i = 0; i < r->n; i++) {
        item_open(w, ITEM_PERMISSION, 4);
        mp_put_bin(w->out, r->permissions[i].key);
        mp_put_bin(w->out, r->permissions[i].range_end);
        mp_put_u64(w->out, r->permissions[i].access);
    }
}

static void write_user(struct writer *w, const struct auth_user *u)
{
    item_open(w, ITEM_USER, 5);
    mp_put_bin(w->out, u->name);
    mp_put_bin(w->out, u->secret);
    mp_put_bool(w->out, u->no_password);
    mp_put_u64(w->out, u->since);
    for (size_t i = 0; i < u->roles.n; i++) {
        item_open(w, ITEM_GRANT, 2);
        mp_put_bin(w->out, *u->roles.names[i]);
    }
}

void auth_write_frames(const struct auth *a, struct buf *out)
{
    struct writer w = { .out = out };
    if (a->revision == 1) {
        return;
    }
    frame_open(&w);
    item_open(&w, ITEM_HEAD, 4);
    mp_put_u64(out, a->revision);
    mp_put_bool(out, a->enabled);
    mp_put_bin(out, a->secret);
    for (size_t i = 0; i < a->roles.n; i++) {
        write_role(&w, auth_role_at(a, i));
    }
    for (size_t i = 0; i < a->users.n; i++) {
        write_user(&w, auth_user_at(a, i));
    }
    frame_close(&w);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool read_head(struct auth *a, struct mp_reader *m)
{
    uint64_t revision = mp_get_u64(m);
    bool enabled = mp_get_bool(m);
    struct slice secret = mp_get_bin(m, LIMIT_AUTH_SECRET_BYTES);
    if (mp_reader_error(m) != 0 || revision < 2 || revision > INT64_MAX) {
        return false;
    }
    a->revision = revision;
    a->enabled = enabled;
    auth_set_secret(a, secret);
    return true;
}

static bool read_role(struct auth *a, struct mp_reader *m)
{
    struct slice name = mp_get_bin(m, LIMIT_AUTH_NAME_BYTES);
    bool follows = a->roles.n == 0 ||
                   slice_cmp(auth_role_at(a, a->roles.n - 1)->name, name) < 0;
    if (mp_reader_error(m) != 0 || name.len == 0 || !follows || a->users.n > 0) {
        return false;
    }
    auth_add_role(a, name);
    return true;
}

static bool read_permission(struct auth *a, struct mp_reader *m)
{
    struct slice key = mp_get_bin(m, LIMIT_KEY_BYTES), end = mp_get_bin(m, LIMIT_KEY_BYTES);
    uint64_t access = mp_get_u64(m);
    if (mp_reader_error(m) != 0 || a->roles.n == 0 || a->users.n > 0 ||
        access > ACCESS_READ_WRITE || !auth_permission_valid(key, end)) {
        return false;
    }
    struct auth_role *r = auth_role_at(a, a->roles.n - 1);
    if (r->n > 0) {
        const struct auth_permission *last = &r->permissions[r->n - 1];
        int c = slice_cmp(last->key, key);
        if (c > 0 || (c == 0 && slice_cmp(last->range_end, end) >= 0)) {
            return false;
        }
    }
    auth_set_permission(a, r, key, end, (enum auth_access)access);
    return true;
}

static bool read_user(struct auth *a, struct mp_reader *m)
{
    struct slice name = mp_get_bin(m, LIMIT_AUTH_NAME_BYTES);
    struct slice secret = mp_get_bin(m, LIMIT_AUTH_SECRET_BYTES);
    bool no_password = mp_get_bool(m);
    uint64_t since = mp_get_u64(m);
    bool follows = a->users.n == 0 ||
                   slice_cmp(auth_user_at(a, a->users.n - 1)->name, name) < 0;
    if (mp_reader_error(m) != 0 || name.len == 0 || !follows || since > a->revision) {
        return false;
    }
    struct auth_user *u = auth_add_user(a, name, secret);
    u->no_password = no_password;
    u->since = since;
    return true;
}

static bool read_grant(struct auth *a, struct mp_reader *m)
{
    struct slice role = mp_get_bin(m, LIMIT_AUTH_NAME_BYTES);
    if (mp_reader_error(m) != 0 || a->users.n == 0) {
        return false;
    }
    struct auth_user *u = auth_user_at(a, a->users.n - 1);
    bool follows = u->roles.n == 0 || slice_cmp(*u->roles.names[u->roles.n - 1], role) < 0;
    if (follows) {
        auth_add_grant(a, u, role);
    }
    return follows;
}

static bool read_item(struct auth *a, struct mp_reader *m)
{
    static const struct {
        bool (*read)(struct auth *a, struct mp_reader *m);
        uint32_t n; /* elements that follow the kind */
    } rows[] = {
        [ITEM_HEAD] = { read_head, 3 },       [ITEM_ROLE] = { read_role, 1 },
        [ITEM_PERMISSION] = { read_permission, 3 }, [ITEM_USER] = { read_user, 4 },
        [ITEM_GRANT] = { read_grant, 1 },
    };
    uint32_t n = mp_get_array(m, 16);
    uint64_t kind = mp_get_u64(m);
    bool known = kind >= ITEM_HEAD && kind <= ITEM_GRANT;
    if (mp_reader_error(m) != 0 || !known || n < rows[kind].n + 1) {
        return false;
    }
    if ((kind == ITEM_HEAD) != (a->revision == 1) || !rows[kind].read(a, m)) {
        return false;
    }
    for (uint32_t extra = n - rows[kind].n - 1; extra > 0; extra--) {
        mp_skip(m);
    }
    return mp_reader_error(m) == 0 && a->bytes <= AUTH_READ_BYTES;
}

int auth_read_frame(struct auth *a, struct mp_reader *m)
{
    while (m->at < m->end) {
        if (!read_item(a, m)) {
            return E_CORRUPT;
        }
    }
    return 0;
}
