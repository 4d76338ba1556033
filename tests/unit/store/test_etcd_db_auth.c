/* Users and roles in etcd's database file: they come back as they were, but for passwords of a kind
 * that nobody here can check. */
#include "tests/unit/store/tests.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "store/auth.h"
#include "store/etcd_db.h"
#include "tests/unit/lib/codec/bolt_items.h"
#include "tests/unit/store/snapshot_bytes.h"
#include "tests/unit/store/world.h"

enum { CHANGES = 9 /* of fill */ };

static void change(struct world *w, enum auth_action action, const char *user, const char *role,
                   const char *secret, int64_t number)
{
    static const struct auth_who root = { WHO_USER, { (const uint8_t *)"root", 4 }, UINT64_MAX };
    struct auth_change c = { .action = action, .user = slice_str(user), .role = slice_str(role),
                             .secret = slice_str(secret), .number = number };
    if (action == AUTH_ROLE_GRANT) {
        c.key = slice_str("a");
        c.range_end = slice_str("c");
    }
    assert_int_equal(apply(w, (struct command){ .type = COMMAND_AUTH, .who = root, .auth = c }), 0);
}

/* root, u (with role r: a..c), and n without a password; auth is on. */
static void fill(struct world *w, const char *secret)
{
    change(w, AUTH_USER_ADD, "root", "", secret, 0);
    change(w, AUTH_USER_GRANT, "root", "root", "", 0);
    change(w, AUTH_USER_ADD, "u", "", secret, 0);
    change(w, AUTH_USER_ADD, "n", "", "", 1);
    change(w, AUTH_ROLE_ADD, "", "r", "", 0);
    change(w, AUTH_ROLE_ADD, "", "empty", "", 0);
    change(w, AUTH_ROLE_GRANT, "", "r", "", ACCESS_READ);
    change(w, AUTH_USER_GRANT, "u", "r", "", 0);
    change(w, AUTH_ENABLE, "", "", "0123456789abcdef0123456789abcdef", 0);
}

static void write_db(struct store *s, struct buf *out)
{
    struct etcd_db_facts facts = { .term = 1 };
    struct store_pin *pin = store_pin(s);
    struct etcd_db *db = etcd_db_new(pin, &facts);
    while (etcd_db_next(db, 10000, out) == 1) {
    }
    etcd_db_free(db);
    store_unpin(s, pin);
}

static int read_db(struct slice bytes, struct store **ret, struct etcd_db_report *ret_report)
{
    struct err err = ERR_INIT;
    struct etcd_db_options o = { .applied_index = CHANGES };
    int rv = etcd_db_read(bytes, &o, ret, ret_report, &err);
    assert_int_equal(rv == 0, err.msg[0] == '\0');
    return rv;
}

static void assert_sound(struct store *s)
{
    struct err err = ERR_INIT;
    autobuf a = BUF_INIT, b = BUF_INIT;
    snapshot_bytes(s, &a);
    struct store *again = snapshot_restore(buf_slice(&a), 5000, NULL, &err);
    assert_string_equal(err.msg, "");
    snapshot_bytes(again, &b);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    store_free(again);
}

static void users_and_roles_come_back_as_they_were(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    struct etcd_db_report report;
    autobuf file = BUF_INIT, again = BUF_INIT;
    fill(w, "$scrypt$1");
    write_db(w->store, &file);
    assert_int_equal(read_db(buf_slice(&file), &s, &report), 0);
    assert_int_equal(report.users, 3);
    assert_int_equal(report.roles, 2);
    assert_true(report.auth_enabled);
    assert_false(report.auth_off);
    const struct auth *a = store_auth(s), *was = store_auth(w->store);
    assert_true(a->enabled);
    assert_int_equal(a->revision, was->revision);
    assert_true(slice_eq(a->secret, was->secret));
    assert_true(auth_user(a, slice_str("n"))->no_password);
    assert_true(slice_eq(auth_user(a, slice_str("u"))->secret, slice_str("$scrypt$1")));
    assert_int_not_equal(auth_user(a, slice_str("u"))->since,
                         auth_user(was, slice_str("u"))->since); /* old tokens are void */
    struct auth_who u = { WHO_USER, slice_str("u"), a->revision };
    assert_int_equal(auth_may_range(a, &u, slice_str("a"), slice_str("c"), ACCESS_READ), 0);
    assert_int_equal(auth_may_range(a, &u, slice_str("a"), slice_str("c"), ACCESS_WRITE), E_PERM);
    assert_int_equal(auth_may_range(a, &u, slice_str("c"), slice_str(""), ACCESS_READ), E_PERM);
    assert_sound(s);
    write_db(s, &again);
    assert_true(slice_eq(buf_slice(&file), buf_slice(&again)));
    store_free(s);
}

static void passwords_of_another_kind_are_nobodys_and_auth_is_off(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    struct etcd_db_report report;
    autobuf file = BUF_INIT;
    fill(w, "$9$another");
    write_db(w->store, &file);
    assert_int_equal(read_db(buf_slice(&file), &s, &report), 0);
    assert_int_equal(report.foreign_passwords, 2);
    assert_true(report.auth_enabled);
    assert_true(report.auth_off);
    assert_false(store_auth(s)->enabled);
    assert_int_equal(auth_user(store_auth(s), slice_str("u"))->secret.len, 0);
    assert_int_equal(auth_role(store_auth(s), slice_str("r"))->n, 1);
    assert_sound(s);
    store_free(s);
}

/* Without our key in it, as etcd writes it. */
static void members_make_the_same_key_for_tokens_of_a_file_of_etcds(void **state)
{
    struct world *w = *state;
    struct store *s[2] = { NULL, NULL };
    struct etcd_db_report report;
    autobuf file = BUF_INIT;
    fill(w, "$2a$10$8tTBCDQ.C73/6nqsKQ7LfuHDIf8qYetqg6cqthewcv1wVwrjLAG6q");
    write_db(w->store, &file);
    uint8_t *key = memmem(file.data, file.len, "barqueTokenKey", 14);
    assert_non_null(key);
    key[0] = 'c'; /* a name that nobody knows, in order */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(read_db(buf_slice(&file), &s[i], &report), 0);
        assert_true(store_auth(s[i])->enabled && report.foreign_passwords == 0);
    }
    struct slice made = store_auth(s[0])->secret;
    assert_int_equal(made.len, 32);
    assert_true(slice_eq(made, store_auth(s[1])->secret));
    assert_false(slice_eq(made, store_auth(w->store)->secret));
    store_free(s[0]);
    store_free(s[1]);
}

static void a_store_without_users_says_nothing_of_them(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    struct etcd_db_report report;
    autobuf file = BUF_INIT;
    put(w, "k", "v");
    write_db(w->store, &file);
    assert_int_equal(read_db(buf_slice(&file), &s, &report), 0);
    assert_int_equal(report.users + report.roles, 0);
    assert_int_equal(store_auth(s)->revision, 1);
    assert_false(report.auth_enabled);
    store_free(s);
}

/* One user and one role, as bytes. */
static int read_pair(struct slice user, struct slice role)
{
    struct bolt_items none = { 0 }, users = { 0 }, roles = { 0 };
    struct store *s = NULL;
    struct etcd_db_report report;
    autobuf file = BUF_INIT;
    uint64_t told;
    bolt_items_add(&users, slice_str("u"), user);
    bolt_items_add(&roles, slice_str("r"), role);
    struct bolt_bucket buckets[] = {
        bolt_items_bucket("authRoles", &roles), bolt_items_bucket("authUsers", &users),
        bolt_items_bucket("key", &none), bolt_items_bucket("meta", &none),
    };
    bolt_items_file(buckets, 4, 4096, &file, &told);
    int rv = read_db(buf_slice(&file), &s, &report);
    if (rv == 0) {
        assert_sound(s);
        store_free(s);
    }
    mem_free(users.items);
    mem_free(roles.items);
    return rv;
}

static void what_is_malformed_is_refused(void **state)
{
    (void)state;
    static const char user[] = "\x0a\1u\x1a\1r", role[] = "\x0a\1r\x12\6\x12\1a\x1a\1b";
    static const struct {
        const char *user, *role;
        int want;
    } rows[] = {
        { user, role, 0 },
        { "\x0a\1v", role, E_CORRUPT },                     /* another one's name */
        { "\x0a\1u\x1a\1r\x1a\1r", role, E_CORRUPT },       /* one role twice */
        { "\x0a\x7fu", role, E_CORRUPT },                   /* cut */
        { user, "\x0a\1s", E_CORRUPT },
        { user, "\x0a\1r\x12\6\x12\1b\x1a\1a", E_CORRUPT }, /* the end is before the key */
        { user, "\x0a\1r\x12\5\x08\3\x12\1a", E_CORRUPT },  /* no such kind of access */
        { user, "\x0a\1r\x12\3\x1a\1b", E_CORRUPT },        /* no key */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(read_pair(slice_str(rows[i].user), slice_str(rows[i].role)),
                         rows[i].want);
    }
}

int test_etcd_db_auth_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(users_and_roles_come_back_as_they_were),
        WORLD_TEST(passwords_of_another_kind_are_nobodys_and_auth_is_off),
        WORLD_TEST(members_make_the_same_key_for_tokens_of_a_file_of_etcds),
        WORLD_TEST(a_store_without_users_says_nothing_of_them),
        cmocka_unit_test(what_is_malformed_is_refused),
    };
    return cmocka_run_group_tests_name("store/etcd_db_auth", tests, NULL, NULL);
}
