/* Who may do what, case by case: spans of keys, kinds of clients, every command and every op. */
#include "lib/base/assert.h"
#include "store/auth.h"
#include "tests/unit/store/mp_text.h"
#include "tests/unit/store/snapshot_bytes.h"
#include "tests/unit/store/world.h"

enum { REVISION = 9 };

#define ON "[ 1 9 T '' ] "
#define OFF "[ 1 9 F '' ] "

static void auth_of(struct auth *a, const char *text)
{
    struct mp_reader m;
    autobuf b = BUF_INIT;
    mp_text(text, 0, &b);
    mp_reader_init(&m, buf_slice(&b));
    auth_init(a);
    assert_int_equal(auth_read_frame(a, &m), 0);
}

static struct auth_who user(const char *name, uint64_t revision)
{
    return (struct auth_who){ WHO_USER, slice_str(name), revision };
}

/* --- spans ------------------------------------------------------------------------------------ */

static void permissions_add_up_to_spans(void **state)
{
    (void)state;
    static const struct {
        const char *permissions, *key, *end;
        enum auth_access access;
        int want;
    } rows[] = {
        { "", "a", "", ACCESS_READ, E_PERM },
        { "[ 3 'a' 'c' 0 ] ", "b", "", ACCESS_READ, 0 },
        { "[ 3 'a' 'c' 0 ] ", "b", "", ACCESS_WRITE, E_PERM },
        { "[ 3 'a' 'c' 1 ] ", "b", "", ACCESS_READ, E_PERM },
        { "[ 3 'a' 'c' 1 ] ", "b", "", ACCESS_WRITE, 0 },
        { "[ 3 'a' 'c' 2 ] ", "a", "c", ACCESS_WRITE, 0 },
        { "[ 3 'a' 'c' 0 ] ", "c", "", ACCESS_READ, E_PERM },
        { "[ 3 'a' 'c' 0 ] ", "b", "*", ACCESS_READ, E_PERM },
        /* one begins in the other, or where it ends, or after a gap */
        { "[ 3 'a' 'c' 0 ] [ 3 'b' 'e' 0 ] ", "a", "e", ACCESS_READ, 0 },
        { "[ 3 'a' 'c' 0 ] [ 3 'c' 'e' 0 ] ", "a", "e", ACCESS_READ, 0 },
        { "[ 3 'a' 'c' 0 ] [ 3 'd' 'e' 0 ] ", "a", "e", ACCESS_READ, E_PERM },
        { "[ 3 'a' 'c' 0 ] [ 3 'd' 'e' 0 ] ", "d", "e", ACCESS_READ, 0 },
        { "[ 3 'a' 'c' 0 ] [ 3 'c' 'e' 1 ] ", "a", "e", ACCESS_READ, E_PERM },
        /* one is inside the other */
        { "[ 3 'a' 'z' 0 ] [ 3 'b' 'c' 0 ] ", "a", "z", ACCESS_READ, 0 },
        { "[ 3 'a' 'z' 0 ] [ 3 'b' 'z' 0 ] ", "x", "z", ACCESS_READ, 0 },
        { "[ 3 'a' 'c' 0 ] [ 3 'a' 'z' 0 ] ", "a", "z", ACCESS_READ, 0 },
        /* without an end */
        { "[ 3 'b' Z 0 ] ", "b", "*", ACCESS_READ, 0 },
        { "[ 3 'b' Z 0 ] ", "a", "*", ACCESS_READ, E_PERM },
        { "[ 3 'a' 'c' 0 ] [ 3 'b' Z 0 ] ", "a", "*", ACCESS_READ, 0 },
        { "[ 3 'b' Z 0 ] [ 3 'c' 'd' 0 ] ", "x", "*", ACCESS_READ, 0 },
        { "[ 3 'b' Z 0 ] [ 3 'c' Z 0 ] ", "b", "*", ACCESS_READ, 0 },
        { "[ 3 'a' '' 0 ] [ 3 'c' Z 0 ] ", "b", "", ACCESS_READ, E_PERM },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct auth a;
        autobuf text = BUF_INIT;
        buf_printf(&text, ON "[ 2 'r' ] %s[ 4 'u' '' F 2 ] [ 5 'r' ]", rows[i].permissions);
        auth_of(&a, buf_str(&text));
        struct auth_who u = user("u", REVISION);
        int rv = auth_may_range(&a, &u, slice_str(rows[i].key), end_of(rows[i].end),
                                rows[i].access);
        if (rv != rows[i].want) {
            fail_msg("%sgive [%s, %s): %d", rows[i].permissions, rows[i].key, rows[i].end, rv);
        }
        auth_fini(&a);
    }
}

static void a_role_that_is_not_there_gives_nothing(void **state)
{
    (void)state;
    struct auth a;
    auth_of(&a, ON "[ 2 'r' ] [ 3 'k' '' 0 ] [ 4 'u' '' F 2 ] [ 5 'gone' ] [ 5 'r' ]");
    struct auth_who u = user("u", REVISION);
    struct slice none = slice_str("");
    assert_int_equal(auth_may_range(&a, &u, slice_str("k"), none, ACCESS_READ), 0);
    assert_int_equal(auth_may_range(&a, &u, slice_str("l"), none, ACCESS_READ), E_PERM);
    auth_fini(&a);
}

/* --- kinds of clients ------------------------------------------------------------------------- */

static void each_kind_of_client_has_its_answer(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        struct auth_who who;
        int range, admin, any;
    } rows[] = {
        { OFF, { .kind = WHO_NOBODY }, 0, 0, 0 },
        { OFF, { .kind = WHO_SYSTEM }, 0, 0, 0 },
        { ON, { .kind = WHO_NOBODY }, E_USER_EMPTY, E_USER_EMPTY, E_USER_EMPTY },
        { ON, { .kind = WHO_SYSTEM }, 0, 0, 0 },
        { ON, { WHO_USER, { (const uint8_t *)"root", 4 }, REVISION }, 0, 0, 0 },
        { ON, { WHO_USER, { (const uint8_t *)"root", 4 }, REVISION - 1 }, E_AUTH_OLD, 0, 0 },
        { ON, { WHO_USER, { (const uint8_t *)"u", 1 }, REVISION }, 0, E_PERM, 0 },
        { ON, { WHO_USER, { (const uint8_t *)"u", 1 }, REVISION - 1 }, E_AUTH_OLD, E_PERM, 0 },
        { ON, { WHO_USER, { (const uint8_t *)"v", 1 }, REVISION }, E_PERM, E_PERM, 0 },
        { OFF, { WHO_USER, { (const uint8_t *)"v", 1 }, 1 }, 0, 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct auth a;
        autobuf text = BUF_INIT;
        buf_printf(&text, "%s[ 2 'r' ] [ 3 'k' '' 0 ] [ 4 'root' '' F 2 ] [ 5 'root' ] "
                   "[ 4 'u' '' F 2 ] [ 5 'r' ]", rows[i].state);
        auth_of(&a, buf_str(&text));
        struct slice none = slice_str("");
        const struct auth_who *w = &rows[i].who;
        assert_int_equal(auth_may_range(&a, w, slice_str("k"), none, ACCESS_READ), rows[i].range);
        assert_int_equal(auth_may_admin(&a, w), rows[i].admin);
        assert_int_equal(auth_may_any(&a, w), rows[i].any);
        auth_fini(&a);
    }
}

/* --- commands --------------------------------------------------------------------------------- */

/* u may read a..c and write b..d: b both, a and c one each, z neither. Lease 7 has b and z, 8 has
 * b, 9 nothing. */
static void world_of_rules(struct world *w)
{
    static const char text[] =
        "1 'barque-store' 1 4 0 5 6 | 2 7 60 60 8 60 60 9 60 60 | "
        "6 " ON "[ 2 'r' ] [ 3 'a' 'c' 0 ] [ 3 'b' 'd' 1 ] "
        "[ 4 'root' '' F 2 ] [ 5 'root' ] [ 4 'u' '' F 2 ] [ 5 'r' ] | "
        "3 'b' 0 2 0 'v' 2 1 7 'bb' 0 3 0 'v' 3 1 8 'z' 0 4 0 'v' 4 1 7 | 4 3 #";
    struct err err = ERR_INIT;
    autobuf bytes = BUF_INIT;
    snapshot_text(text, &bytes);
    store_free(w->store);
    w->store = snapshot_restore(buf_slice(&bytes), bytes.len, NULL, &err);
    w->index = 5;
    assert_string_equal(err.msg, "");
}

static int as_u(struct world *w, struct command c)
{
    c.who = user("u", REVISION);
    return apply(w, c);
}

static void a_put_and_a_delete_need_what_they_tell(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *key, *end;
        bool prev_kv, is_delete;
        int64_t lease;
        int want;
    } rows[] = {
        { "b", "", false, false, 0, 0 },
        { "c", "", false, false, 0, 0 },
        { "a", "", false, false, 0, E_PERM },
        { "b", "", true, false, 0, 0 },
        { "c", "", true, false, 0, E_PERM },
        { "b", "", false, false, 7, E_PERM }, /* who may put z's lease may delete z */
        { "b", "", false, false, 8, 0 },
        { "b", "", false, false, 9, 0 },
        { "b", "", false, false, 10, E_LEASE_NOT_FOUND },
        { "b", "c", false, true, 0, 0 },
        { "b", "d", false, true, 0, 0 },
        { "a", "c", false, true, 0, E_PERM },
        { "b", "c", true, true, 0, 0 },
        { "b", "d", true, true, 0, E_PERM },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world_of_rules(w);
        struct command c = { .type = rows[i].is_delete ? COMMAND_DELETE : COMMAND_PUT };
        c.put = (struct put_request){ .key = slice_str(rows[i].key), .lease = rows[i].lease,
                                      .prev_kv = rows[i].prev_kv };
        if (rows[i].is_delete) {
            c.del = (struct delete_request){ slice_str(rows[i].key), end_of(rows[i].end),
                                             rows[i].prev_kv };
        }
        int64_t before = store_revision(w->store);
        int rv = as_u(w, c);
        if (rv != rows[i].want) {
            fail_msg("row %zu: %d", i, rv);
        }
        assert_int_equal(store_revision(w->store), before + (rv == 0));
    }
}

static void a_txn_needs_the_right_for_each_of_its_parts(void **state)
{
    struct world *w = *state;
    struct op deep[] = { op_put("z", "1") };
    struct txn_request inner = { .success = deep, .n_success = 1 }, empty = { 0 };
    struct op told = op_del("b", "d");
    told.del.prev_kv = true;
    const struct {
        const char *compare, *compare_end;
        struct op op;
        int want;
    } rows[] = {
        { "a", "", op_get("b", ""), 0 },
        { "a", "c", op_get("a", "c"), 0 },
        { "a", "d", op_get("a", "c"), E_PERM },
        { "c", "", op_get("a", "c"), E_PERM },
        { "a", "", op_get("c", ""), E_PERM },
        { "a", "", op_put("b", "1"), 0 },
        { "a", "", op_put("a", "1"), E_PERM },
        { "a", "", op_del("b", "d"), 0 },
        { "a", "", op_del("z", ""), E_PERM },
        { "a", "", told, E_PERM },
        { "a", "", { .type = OP_TXN, .txn = &empty }, 0 },
        { "a", "", { .type = OP_TXN, .txn = &inner }, E_PERM },
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        world_of_rules(w);
        struct compare cmp[] = { { .key = slice_str("a") },
                                 { .key = slice_str(rows[i / 2].compare),
                                   .range_end = slice_str(rows[i / 2].compare_end) } };
        struct op ops[] = { op_get("a", ""), rows[i / 2].op };
        struct txn_request t = { .compare = cmp, .n_compare = 2 };
        if (i % 2 == 0) {
            t.success = ops;
            t.n_success = 2;
        } else {
            t.failure = ops;
            t.n_failure = 2;
        }
        struct auth_who u = user("u", REVISION);
        assert_int_equal(store_may_txn(w->store, &u, &t), rows[i / 2].want);
        assert_int_equal(as_u(w, (struct command){ .type = COMMAND_TXN, .txn = t }),
                         rows[i / 2].want);
    }
}

static void an_op_of_no_kind_needs_no_right(void **state)
{
    struct world *w = *state;
    world_of_rules(w);
    struct op none[] = { { .type = OP_NONE } };
    struct txn_request t = { .success = none, .n_success = 1 };
    struct auth_who u = user("u", REVISION);
    assert_int_equal(store_may_txn(w->store, &u, &t), 0);
    assert_int_equal(txn_check(&t, 128), E_KEY_NOT_FOUND); /* what refuses it */
}

static void who_revokes_a_lease_must_be_allowed_to_delete_its_keys(void **state)
{
    struct world *w = *state;
    static const struct {
        struct auth_who who;
        int64_t ids[2];
        bool expired;
        int want;
    } rows[] = {
        { { WHO_USER, { (const uint8_t *)"u", 1 }, REVISION }, { 8, 9 }, false, 0 },
        { { WHO_USER, { (const uint8_t *)"u", 1 }, REVISION }, { 8, 7 }, false, E_PERM },
        { { WHO_USER, { (const uint8_t *)"u", 1 }, REVISION - 1 }, { 8, 9 }, false, E_AUTH_OLD },
        { { WHO_USER, { (const uint8_t *)"root", 4 }, REVISION }, { 8, 7 }, false, 0 },
        { { .kind = WHO_SYSTEM }, { 8, 7 }, false, 0 },
        { { .kind = WHO_NOBODY }, { 8, 7 }, false, E_USER_EMPTY },
        { { .kind = WHO_NOBODY }, { 8, 7 }, true, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world_of_rules(w);
        int64_t ids[] = { rows[i].ids[0], rows[i].ids[1] };
        struct command c = { .type = COMMAND_LEASE_REVOKE, .who = rows[i].who,
                             .lease_revoke = { ids, 2, rows[i].expired } };
        assert_int_equal(apply(w, c), rows[i].want);
        assert_int_equal(store_live_keys(w->store), rows[i].want != 0 ? 3 : ids[1] == 7 ? 0 : 2);
    }
    world_of_rules(w);
    struct auth_who u = user("u", REVISION);
    assert_int_equal(store_may_lease(w->store, &u, 8, ACCESS_READ), 0);
    assert_int_equal(store_may_lease(w->store, &u, 7, ACCESS_READ), E_PERM);
    assert_int_equal(store_may_lease(w->store, &u, 77, ACCESS_READ), 0); /* there is none */
}

static void what_a_member_does_by_itself_needs_no_user(void **state)
{
    struct world *w = *state;
    world_of_rules(w);
    assert_int_equal(grant(w, 20, 60), 0);
    struct lease_checkpoint item = { 20, 30 };
    assert_int_equal(apply(w, (struct command){ .type = COMMAND_LEASE_CHECKPOINT,
                                                .lease_checkpoint = { &item, 1 } }), 0);
    assert_int_equal(compact(w, 3), 0);
    assert_int_equal(put(w, "b", "1"), E_USER_EMPTY);
}

/* --- changes ---------------------------------------------------------------------------------- */

static void what_a_change_may_not_say_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct auth_change c;
        int want;
    } rows[] = {
        { { .action = AUTH_ROLE_GRANT, .role = { (const uint8_t *)"r", 1 },
            .key = { (const uint8_t *)"k", 1 }, .number = -1 }, E_AUTH_MGMT },
        { { .action = AUTH_ROLE_GRANT, .role = { (const uint8_t *)"r", 1 },
            .key = { (const uint8_t *)"k", 1 }, .number = 3 }, E_AUTH_MGMT },
        { { .action = AUTH_ROLE_GRANT, .role = { (const uint8_t *)"r", 1 },
            .key = { (const uint8_t *)"k", 1 }, .number = 2 }, 0 },
        { { .action = AUTH_USER_DELETE, .user = { (const uint8_t *)"root", 4 } }, E_AUTH_MGMT },
        { { .action = AUTH_USER_DELETE, .user = { (const uint8_t *)"u", 1 } }, 0 },
        { { .action = AUTH_USER_REVOKE, .user = { (const uint8_t *)"root", 4 },
            .role = { (const uint8_t *)"root", 4 } }, E_AUTH_MGMT },
        { { .action = AUTH_USER_REVOKE, .user = { (const uint8_t *)"root", 4 },
            .role = { (const uint8_t *)"r", 1 } }, 0 },
        { { .action = AUTH_USER_REVOKE, .user = { (const uint8_t *)"u", 1 },
            .role = { (const uint8_t *)"root", 4 } }, E_ROLE_NOT_GRANTED },
        { { .action = AUTH_USER_PASSWORD, .user = { (const uint8_t *)"n", 1 },
            .secret = { (const uint8_t *)"s", 1 } }, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct auth a;
        auth_of(&a, ON "[ 2 'r' ] [ 4 'n' '' T 2 ] [ 4 'root' '' F 2 ] [ 5 'r' ] [ 5 'root' ] "
                       "[ 4 'u' '' F 2 ] [ 5 'r' ]");
        assert_int_equal(auth_apply(&a, &rows[i].c), rows[i].want);
        assert_int_equal(a.revision, REVISION + (rows[i].want == 0));
        assert_int_equal(auth_user(&a, slice_str("n"))->secret.len, 0); /* stays without one */
        auth_fini(&a);
    }
}

static void a_permission_that_is_there_is_found_among_many(void **state)
{
    (void)state;
    struct auth a;
    auth_of(&a, ON "[ 2 'r' ]");
    struct auth_role *r = auth_role(&a, slice_str("r"));
    for (unsigned round = 0; round < 3; round++) {
        for (uint8_t i = 0; i < 20; i++) {
            uint8_t key = (uint8_t)('a' + 7 * i % 20);
            auth_set_permission(&a, r, slice_make(&key, 1), slice_str(""),
                                (enum auth_access)round);
        }
        assert_int_equal(r->n, 20);
        for (size_t i = 0; i < r->n; i++) {
            assert_int_equal(r->permissions[i].key.data[0], 'a' + i);
            assert_int_equal(r->permissions[i].access, round);
        }
    }
    auth_fini(&a);
}

int test_auth_rules_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permissions_add_up_to_spans),
        cmocka_unit_test(a_role_that_is_not_there_gives_nothing),
        cmocka_unit_test(each_kind_of_client_has_its_answer),
        WORLD_TEST(a_put_and_a_delete_need_what_they_tell),
        WORLD_TEST(a_txn_needs_the_right_for_each_of_its_parts),
        WORLD_TEST(an_op_of_no_kind_needs_no_right),
        WORLD_TEST(who_revokes_a_lease_must_be_allowed_to_delete_its_keys),
        WORLD_TEST(what_a_member_does_by_itself_needs_no_user),
        cmocka_unit_test(what_a_change_may_not_say_is_refused),
        cmocka_unit_test(a_permission_that_is_there_is_found_among_many),
    };
    return cmocka_run_group_tests_name("store/auth_rules", tests, NULL, NULL);
}
