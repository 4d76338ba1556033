/* Users, roles, permissions: etcd's rules, and that they bind what is applied. */
#include <stdio.h>

#include "lib/base/limits.h"
#include "tests/unit/store/snapshot_bytes.h"
#include "tests/unit/store/world.h"

static const struct auth_who root = { WHO_USER, { (const uint8_t *)"root", 4 }, UINT64_MAX };

static uint64_t revision(const struct world *w)
{
    return store_auth(w->store)->revision;
}

static struct auth_who who(const struct world *w, const char *user)
{
    return (struct auth_who){ WHO_USER, slice_str(user), revision(w) };
}

static int change(struct world *w, struct auth_change c)
{
    return apply(w, (struct command){ .type = COMMAND_AUTH, .who = root, .auth = c });
}

static int named(struct world *w, enum auth_action action, const char *user, const char *role)
{
    return change(w, (struct auth_change){ .action = action, .user = slice_str(user),
                                           .role = slice_str(role), .secret = slice_str("s") });
}

static int permit(struct world *w, const char *role, const char *key, const char *end,
                  enum auth_access access)
{
    return change(w, (struct auth_change){ .action = AUTH_ROLE_GRANT, .role = slice_str(role),
                                           .key = slice_str(key), .range_end = end_of(end),
                                           .number = access });
}

static int forbid(struct world *w, const char *role, const char *key, const char *end)
{
    return change(w, (struct auth_change){ .action = AUTH_ROLE_REVOKE, .role = slice_str(role),
                                           .key = slice_str(key), .range_end = end_of(end) });
}

/* Users root and u (with role r), auth on. */
static void enable(struct world *w)
{
    assert_int_equal(named(w, AUTH_USER_ADD, "root", ""), 0);
    assert_int_equal(named(w, AUTH_USER_GRANT, "root", "root"), 0);
    assert_int_equal(named(w, AUTH_USER_ADD, "u", ""), 0);
    assert_int_equal(named(w, AUTH_ROLE_ADD, "", "r"), 0);
    assert_int_equal(named(w, AUTH_USER_GRANT, "u", "r"), 0);
    assert_int_equal(named(w, AUTH_ENABLE, "", ""), 0);
}

static int may(struct world *w, const char *key, const char *end, enum auth_access access)
{
    struct auth_who u = who(w, "u");
    return auth_may_range(store_auth(w->store), &u, slice_str(key), end_of(end), access);
}

/* --- changes ---------------------------------------------------------------------------------- */

static void auth_is_enabled_only_with_a_root_that_is_one(void **state)
{
    struct world *w = *state;
    assert_int_equal(named(w, AUTH_ENABLE, "", ""), E_ROOT_USER);
    assert_int_equal(named(w, AUTH_USER_ADD, "root", ""), 0);
    assert_int_equal(named(w, AUTH_ENABLE, "", ""), E_ROOT_ROLE);
    assert_int_equal(named(w, AUTH_USER_GRANT, "root", "root"), 0); /* without such a role */
    uint64_t before = revision(w);
    assert_int_equal(named(w, AUTH_ENABLE, "", ""), 0);
    assert_int_equal(named(w, AUTH_ENABLE, "", ""), 0);
    assert_true(store_auth(w->store)->enabled);
    assert_int_equal(revision(w), before);
    assert_int_equal(named(w, AUTH_DISABLE, "", ""), 0);
    assert_int_equal(revision(w), before + 1);
    assert_int_equal(named(w, AUTH_DISABLE, "", ""), 0);
    assert_int_equal(revision(w), before + 1);
}

static void root_cannot_be_taken_away_while_auth_is_on(void **state)
{
    struct world *w = *state;
    enable(w);
    assert_int_equal(named(w, AUTH_ROLE_ADD, "", "root"), 0);
    assert_int_equal(named(w, AUTH_USER_DELETE, "root", ""), E_AUTH_MGMT);
    assert_int_equal(named(w, AUTH_USER_REVOKE, "root", "root"), E_AUTH_MGMT);
    assert_int_equal(named(w, AUTH_ROLE_DELETE, "", "root"), E_AUTH_MGMT);
    assert_int_equal(named(w, AUTH_DISABLE, "", ""), 0);
    assert_int_equal(named(w, AUTH_USER_REVOKE, "root", "root"), 0);
    assert_int_equal(named(w, AUTH_ROLE_DELETE, "", "root"), 0);
    assert_int_equal(named(w, AUTH_USER_DELETE, "root", ""), 0);
}

static void every_change_says_what_is_wrong(void **state)
{
    struct world *w = *state;
    assert_int_equal(named(w, AUTH_USER_ADD, "", ""), E_USER_EMPTY);
    assert_int_equal(named(w, AUTH_USER_ADD, "u", ""), 0);
    assert_int_equal(named(w, AUTH_USER_ADD, "u", ""), E_USER_EXIST);
    assert_int_equal(named(w, AUTH_USER_DELETE, "v", ""), E_USER_NOT_FOUND);
    assert_int_equal(named(w, AUTH_USER_PASSWORD, "v", ""), E_USER_NOT_FOUND);
    assert_int_equal(named(w, AUTH_USER_GRANT, "v", "r"), E_USER_NOT_FOUND);
    assert_int_equal(named(w, AUTH_USER_GRANT, "u", "r"), E_ROLE_NOT_FOUND);
    assert_int_equal(named(w, AUTH_USER_REVOKE, "v", "r"), E_USER_NOT_FOUND);
    assert_int_equal(named(w, AUTH_USER_REVOKE, "u", "r"), E_ROLE_NOT_GRANTED);
    assert_int_equal(named(w, AUTH_ROLE_ADD, "", ""), E_ROLE_EMPTY);
    assert_int_equal(named(w, AUTH_ROLE_ADD, "", "r"), 0);
    assert_int_equal(named(w, AUTH_ROLE_ADD, "", "r"), E_ROLE_EXIST);
    assert_int_equal(named(w, AUTH_ROLE_DELETE, "", "q"), E_ROLE_NOT_FOUND);
    assert_int_equal(permit(w, "q", "a", "", ACCESS_READ), E_ROLE_NOT_FOUND);
    assert_int_equal(permit(w, "r", "", "", ACCESS_READ), E_AUTH_MGMT);
    assert_int_equal(permit(w, "r", "b", "a", ACCESS_READ), E_AUTH_MGMT);
    assert_int_equal(permit(w, "r", "b", "b", ACCESS_READ), E_AUTH_MGMT);
    assert_int_equal(forbid(w, "q", "a", ""), E_ROLE_NOT_FOUND);
    assert_int_equal(forbid(w, "r", "a", ""), E_PERM_NOT_GRANTED);
    assert_int_equal(revision(w), 3); /* 1, and two that did something */
}

static void a_role_that_is_deleted_is_taken_from_all(void **state)
{
    struct world *w = *state;
    enable(w);
    uint64_t before = revision(w);
    assert_int_equal(named(w, AUTH_USER_GRANT, "u", "r"), 0); /* again: nothing */
    assert_int_equal(revision(w), before);
    assert_int_equal(named(w, AUTH_ROLE_DELETE, "", "r"), 0);
    assert_int_equal(auth_user(store_auth(w->store), slice_str("u"))->roles.n, 0);
    assert_int_equal(named(w, AUTH_ROLE_ADD, "", "r"), 0);
    assert_int_equal(named(w, AUTH_USER_REVOKE, "u", "r"), E_ROLE_NOT_GRANTED);
}

static void a_password_marks_when_it_was_set(void **state)
{
    struct world *w = *state;
    assert_int_equal(named(w, AUTH_USER_ADD, "u", ""), 0);
    const struct auth_user *u = auth_user(store_auth(w->store), slice_str("u"));
    assert_int_equal(u->since, 2);
    assert_int_equal(named(w, AUTH_ROLE_ADD, "", "r"), 0);
    struct auth_change c = { .action = AUTH_USER_PASSWORD, .user = slice_str("u"),
                             .secret = slice_str("new") };
    assert_int_equal(change(w, c), 0);
    assert_int_equal(u->since, 4);
    assert_true(slice_eq(u->secret, slice_str("new")));
    c = (struct auth_change){ .action = AUTH_USER_ADD, .user = slice_str("n"), .number = 1 };
    assert_int_equal(change(w, c), 0);
    assert_true(auth_user(store_auth(w->store), slice_str("n"))->no_password);
}

static void users_and_roles_have_a_bound_together(void **state)
{
    struct world *w = *state;
    size_t len = 3 * 1024 * 1024;
    uint8_t *key = arena_zalloc(&w->arena, len);
    assert_int_equal(named(w, AUTH_ROLE_ADD, "", "r"), 0);
    int rv = 0;
    for (unsigned i = 1; i < 10 && rv == 0; i++) {
        key[0] = (uint8_t)i;
        rv = change(w, (struct auth_change){ .action = AUTH_ROLE_GRANT, .role = slice_str("r"),
                                             .key = slice_make(key, len) });
    }
    assert_int_equal(rv, E_NOSPACE);
    assert_int_equal(auth_role(store_auth(w->store), slice_str("r"))->n, LIMIT_AUTH_BYTES / len);
    assert_int_equal(named(w, AUTH_ROLE_DELETE, "", "r"), 0);
    assert_int_equal(store_auth(w->store)->bytes, 0);
}

/* --- who may do what -------------------------------------------------------------------------- */

static void permissions_that_touch_add_up(void **state)
{
    struct world *w = *state;
    enable(w);
    permit(w, "r", "c", "e", ACCESS_READ);
    permit(w, "r", "a", "c", ACCESS_READ);
    permit(w, "r", "k", "", ACCESS_READ_WRITE);
    permit(w, "r", "x", "*", ACCESS_WRITE);
    assert_int_equal(may(w, "b", "d", ACCESS_READ), 0);
    assert_int_equal(may(w, "a", "e", ACCESS_READ), 0);
    assert_int_equal(may(w, "a", "ea", ACCESS_READ), E_PERM);
    assert_int_equal(may(w, "a", "*", ACCESS_READ), E_PERM);
    assert_int_equal(may(w, "Z", "b", ACCESS_READ), E_PERM);
    assert_int_equal(may(w, "e", "", ACCESS_READ), E_PERM);
    assert_int_equal(may(w, "dzz", "", ACCESS_READ), 0);
    assert_int_equal(may(w, "a", "", ACCESS_WRITE), E_PERM);
    assert_int_equal(may(w, "k", "", ACCESS_READ), 0);
    assert_int_equal(may(w, "k", "", ACCESS_WRITE), 0);
    assert_int_equal(may(w, "k", "k1", ACCESS_WRITE), E_PERM);
    assert_int_equal(may(w, "x", "*", ACCESS_WRITE), 0);
    assert_int_equal(may(w, "y", "z", ACCESS_WRITE), 0);
    assert_int_equal(may(w, "w", "*", ACCESS_WRITE), E_PERM);
}

static void a_single_key_touches_the_one_right_after_it(void **state)
{
    struct world *w = *state;
    enable(w);
    uint8_t after[2] = { 'k', 0 };
    permit(w, "r", "k", "", ACCESS_READ);
    change(w, (struct auth_change){ .action = AUTH_ROLE_GRANT, .role = slice_str("r"),
                                    .key = slice_make(after, 2), .range_end = slice_str("m") });
    assert_int_equal(may(w, "k", "m", ACCESS_READ), 0);
    assert_int_equal(may(w, "j", "m", ACCESS_READ), E_PERM);
}

static void what_is_revoked_is_forbidden_at_once(void **state)
{
    struct world *w = *state;
    enable(w);
    permit(w, "r", "a", "c", ACCESS_READ_WRITE);
    assert_int_equal(may(w, "a", "", ACCESS_READ), 0);
    permit(w, "r", "a", "c", ACCESS_WRITE);
    assert_int_equal(may(w, "a", "", ACCESS_READ), E_PERM);
    assert_int_equal(may(w, "a", "", ACCESS_WRITE), 0);
    forbid(w, "r", "a", "c");
    assert_int_equal(may(w, "a", "", ACCESS_WRITE), E_PERM);
    permit(w, "r", "a", "c", ACCESS_WRITE);
    named(w, AUTH_USER_REVOKE, "u", "r");
    assert_int_equal(may(w, "a", "", ACCESS_WRITE), E_PERM);
}

static int put_as(struct world *w, struct auth_who as, struct put_request p)
{
    return apply(w, (struct command){ .type = COMMAND_PUT, .who = as, .put = p });
}

static void what_is_applied_is_checked_as_of_then(void **state)
{
    struct world *w = *state;
    struct put_request p = { .key = slice_str("a"), .value = slice_str("1") };
    assert_int_equal(put_as(w, (struct auth_who){ 0 }, p), 0); /* off: anybody */
    enable(w);
    permit(w, "r", "a", "", ACCESS_WRITE);
    struct auth_who u = who(w, "u");
    assert_int_equal(put_as(w, (struct auth_who){ 0 }, p), E_USER_EMPTY);
    assert_int_equal(put_as(w, u, p), 0);
    assert_int_equal(put_as(w, root, p), 0);
    assert_int_equal(put_as(w, (struct auth_who){ .kind = WHO_SYSTEM }, p), 0);
    p.prev_kv = true;
    assert_int_equal(put_as(w, u, p), E_PERM);
    p = (struct put_request){ .key = slice_str("b") };
    assert_int_equal(put_as(w, u, p), E_PERM);
    named(w, AUTH_ROLE_ADD, "", "other");
    p.key = slice_str("a");
    assert_int_equal(put_as(w, u, p), E_AUTH_OLD);
    assert_int_equal(put_as(w, who(w, "nobody"), p), E_PERM);
    assert_int_equal(store_revision(w->store), 5); /* 1, and four puts */
}

static void only_root_manages(void **state)
{
    struct world *w = *state;
    enable(w);
    struct command c = { .type = COMMAND_AUTH,
                         .auth = { .action = AUTH_USER_ADD, .user = slice_str("x") } };
    assert_int_equal(apply(w, c), E_USER_EMPTY);
    c.who = who(w, "u");
    assert_int_equal(apply(w, c), E_PERM);
    named(w, AUTH_USER_GRANT, "u", "root");
    assert_int_equal(apply(w, c), 0);
}

static void a_txn_needs_all_it_could_do(void **state)
{
    struct world *w = *state;
    enable(w);
    permit(w, "r", "a", "c", ACCESS_READ_WRITE);
    struct compare cmp = { .key = slice_str("a") };
    struct op in[] = { op_put("b", "1"), op_put("z", "1") };
    struct txn_request inner = { .failure = in, .n_failure = 1 };
    struct op ops[] = { op_get("a", "c"), { .type = OP_TXN, .txn = &inner } };
    struct command c = { .type = COMMAND_TXN, .who = who(w, "u"),
                         .txn = { &cmp, NULL, ops, 1, 0, 2 } };
    assert_int_equal(apply(w, c), 0);
    inner.n_failure = 2;
    assert_int_equal(apply(w, c), E_PERM);
    inner.n_failure = 1;
    cmp.key = slice_str("z");
    assert_int_equal(apply(w, c), E_PERM);
    cmp.key = slice_str("a");
    ops[0] = op_del("a", "d");
    assert_int_equal(apply(w, c), E_PERM);
}

static void a_lease_is_no_way_around(void **state)
{
    struct world *w = *state;
    grant(w, 7, 60);
    grant(w, 8, 60);
    put_leased(w, "z", "1", 7);
    enable(w);
    permit(w, "r", "a", "", ACCESS_WRITE);
    struct put_request p = { .key = slice_str("a"), .lease = 7 };
    assert_int_equal(put_as(w, who(w, "u"), p), E_PERM); /* u could not revoke it */
    p.lease = 8;
    assert_int_equal(put_as(w, who(w, "u"), p), 0);
    int64_t ids[] = { 7, 8 };
    struct command c = { .type = COMMAND_LEASE_REVOKE, .who = who(w, "u"),
                         .lease_revoke = { ids, 1, false } };
    assert_int_equal(apply(w, c), E_PERM);
    c.lease_revoke.ids = ids + 1;
    assert_int_equal(apply(w, c), 0);
    c.who = (struct auth_who){ 0 };
    c.lease_revoke.ids = ids;
    c.lease_revoke.expired = true; /* time, not a client */
    assert_int_equal(apply(w, c), 0);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void a_snapshot_carries_users_and_roles(void **state)
{
    struct world *w = *state;
    enable(w);
    for (unsigned i = 0; i < 3000; i++) { /* more than one frame */
        char key[16];
        snprintf(key, sizeof key, "k%05u", i);
        permit(w, "r", key, i % 2 == 0 ? "" : "*", (enum auth_access)(i % 3));
    }
    named(w, AUTH_USER_GRANT, "u", "root");
    autobuf a = BUF_INIT, b = BUF_INIT;
    struct err err = ERR_INIT;
    snapshot_bytes(w->store, &a);
    struct store *s = snapshot_restore(buf_slice(&a), 1000, NULL, &err);
    assert_non_null(s);
    snapshot_bytes(s, &b);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    assert_true(store_auth(s)->enabled);
    assert_int_equal(store_auth(s)->revision, revision(w));
    assert_int_equal(store_auth(s)->bytes, store_auth(w->store)->bytes);
    store_free(s);
}

static void a_store_without_users_writes_what_it_always_wrote(void **state)
{
    struct world *w = *state;
    autobuf a = BUF_INIT;
    put(w, "a", "1");
    named(w, AUTH_USER_DELETE, "nobody", "");
    snapshot_bytes(w->store, &a);
    for (size_t at = 0; at < a.len;) {
        const uint8_t *p = a.data + at;
        assert_int_not_equal(p[4], 6);
        at += 4 + ((size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
    }
}

static uint64_t digest_with(const char *role, const char *key)
{
    struct store *s = store_new(NULL);
    struct command c = { .type = COMMAND_AUTH };
    const struct auth_change changes[] = {
        { .action = AUTH_ROLE_ADD, .role = slice_str(role) },
        { .action = AUTH_ROLE_GRANT, .role = slice_str(role), .key = slice_str(key) },
    };
    for (uint64_t i = 0; i < 2; i++) {
        struct store_result r;
        store_result_init(&r);
        c.auth = changes[i];
        store_apply(s, 1 + i, &c, &r);
        assert_int_equal(r.status, 0);
        store_result_fini(&r);
    }
    uint64_t digest = store_digest(s);
    store_free(s);
    return digest;
}

static void members_that_differ_in_a_permission_have_other_digests(void **state)
{
    (void)state;
    assert_true(digest_with("r", "a") == digest_with("r", "a"));
    assert_true(digest_with("r", "a") != digest_with("r", "b"));
    assert_true(digest_with("r", "a") != digest_with("q", "a"));
}

int test_auth_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(auth_is_enabled_only_with_a_root_that_is_one),
        WORLD_TEST(root_cannot_be_taken_away_while_auth_is_on),
        WORLD_TEST(every_change_says_what_is_wrong),
        WORLD_TEST(a_role_that_is_deleted_is_taken_from_all),
        WORLD_TEST(a_password_marks_when_it_was_set),
        WORLD_TEST(users_and_roles_have_a_bound_together),
        WORLD_TEST(permissions_that_touch_add_up),
        WORLD_TEST(a_single_key_touches_the_one_right_after_it),
        WORLD_TEST(what_is_revoked_is_forbidden_at_once),
        WORLD_TEST(what_is_applied_is_checked_as_of_then),
        WORLD_TEST(only_root_manages),
        WORLD_TEST(a_txn_needs_all_it_could_do),
        WORLD_TEST(a_lease_is_no_way_around),
        WORLD_TEST(a_snapshot_carries_users_and_roles),
        WORLD_TEST(a_store_without_users_writes_what_it_always_wrote),
        WORLD_TEST(members_that_differ_in_a_permission_have_other_digests),
    };
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
