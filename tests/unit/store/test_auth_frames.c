/* Users and roles in a snapshot: what the writer cannot have written is refused, item by item. */
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "store/auth.h"
#include "tests/unit/store/mp_text.h"
#include "tests/unit/store/tests.h"

static int read_bytes(struct auth *a, struct slice bytes)
{
    struct mp_reader m;
    mp_reader_init(&m, bytes);
    return auth_read_frame(a, &m);
}

static int read_text(struct auth *a, const char *text)
{
    autobuf b = BUF_INIT;
    mp_text(text, 0, &b);
    return read_bytes(a, buf_slice(&b));
}

#define HEAD "[ 1 9 T 'key' ] "
#define ROLES HEAD "[ 2 'a' ] [ 2 'b' ] "
#define USERS ROLES "[ 4 'u' 's' F 7 ] "

static void a_frame_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct auth a;
    auth_init(&a);
    assert_int_equal(read_text(&a, ROLES "[ 3 'k' '' 0 ] [ 3 'k' 'm' 2 ] [ 3 'l' '' 1 ] "
                                   "[ 4 'u' 's' F 7 ] [ 5 'a' ] [ 5 'b' ] [ 4 'v' '' T 9 ]"), 0);
    assert_true(a.enabled);
    assert_int_equal(a.revision, 9);
    assert_true(slice_eq(a.secret, slice_str("key")));
    assert_int_equal(a.roles.n, 2);
    assert_int_equal(auth_role(&a, slice_str("a"))->n, 0);
    assert_int_equal(auth_role(&a, slice_str("b"))->n, 3);
    const struct auth_user *u = auth_user(&a, slice_str("u"));
    assert_int_equal(u->roles.n, 2);
    assert_int_equal(u->since, 7);
    assert_false(u->no_password);
    assert_true(auth_user(&a, slice_str("v"))->no_password);
    autobuf again = BUF_INIT;
    struct auth b;
    auth_write_frames(&a, &again);
    auth_init(&b);
    assert_int_equal(read_bytes(&b, slice_make(again.data + 5, again.len - 5)), 0);
    assert_int_equal(b.bytes, a.bytes);
    auth_fini(&a);
    auth_fini(&b);
}

static void frames_follow_each_other_anywhere_between_items(void **state)
{
    (void)state;
    struct auth a;
    auth_init(&a);
    assert_int_equal(read_text(&a, ROLES), 0);
    assert_int_equal(read_text(&a, ""), 0);
    assert_int_equal(read_text(&a, "[ 3 'k' '' 0 ] [ 4 'u' 's' F 7 ]"), 0);
    assert_int_equal(read_text(&a, "[ 5 'b' ]"), 0);
    assert_int_equal(auth_role(&a, slice_str("b"))->n, 1);
    assert_true(auth_user_has(auth_user(&a, slice_str("u")), slice_str("b")));
    assert_int_equal(read_text(&a, HEAD), E_CORRUPT); /* once */
    auth_fini(&a);
}

static void what_a_newer_writer_adds_to_an_item_is_skipped(void **state)
{
    (void)state;
    struct auth a;
    auth_init(&a);
    assert_int_equal(read_text(&a, "[ 1 9 T 'key' 4 N ] [ 2 'a' [ 1 'x' ] ] [ 3 'k' '' 0 'x' ] "
                                   "[ 4 'u' 's' F 7 T ] [ 5 'a' 0 ]"), 0);
    assert_true(auth_user_has(auth_user(&a, slice_str("u")), slice_str("a")));
    assert_int_equal(auth_role(&a, slice_str("a"))->n, 1);
    auth_fini(&a);
}

static void what_cannot_have_been_written_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        { "!", "no msgpack" },
        { "7", "no array" },
        { "[ ]", "no kind" },
        { "[ 0 'a' ]", "kind 0" },
        { HEAD "[ 6 'a' ]", "a kind that is not known" },
        { "[ 2 'a' ]", "no head" },
        { HEAD HEAD, "two heads" },
        { "[ 1 9 T ]", "a head without a secret" },
        { "[ 1 9 T 7 ]", "a secret that is a number" },
        { "[ 1 9 'x' 'key' ]", "enabled by bytes" },
        { "[ 1 1 T 'key' ]", "the revision of a store where nothing was set" },
        { "[ 1 0 T 'key' ]", "revision 0" },
        { "[ 1 9223372036854775808 T 'key' ]", "a revision above all" },
        { "[ 1 9 T 'key' !", "the head's extra element is none" },
        { HEAD "[ 2 ]", "a role without a name" },
        { HEAD "[ 2 7 ]", "a role named by a number" },
        { HEAD "[ 2 '' ]", "a role with an empty name" },
        { ROLES "[ 2 'b' ]", "a role twice" },
        { ROLES "[ 2 'aa' ]", "roles that descend" },
        { USERS "[ 2 'c' ]", "a role after a user" },
        { HEAD "[ 3 'k' '' 0 ]", "a permission of no role" },
        { USERS "[ 3 'k' '' 0 ]", "a permission after a user" },
        { ROLES "[ 3 'k' '' ]", "a permission without a kind" },
        { ROLES "[ 3 'k' '' 'x' ]", "a kind that is bytes" },
        { ROLES "[ 3 'k' '' 3 ]", "no such kind of access" },
        { ROLES "[ 3 '' '' 0 ]", "a permission without a key" },
        { ROLES "[ 3 'k' 'k' 0 ]", "a range that is empty" },
        { ROLES "[ 3 'k' 'j' 0 ]", "a range that ends before it begins" },
        { ROLES "[ 3 'k' '' 0 ] [ 3 'j' '' 0 ]", "permissions that descend" },
        { ROLES "[ 3 'k' 'm' 0 ] [ 3 'k' 'l' 0 ]", "ends that descend" },
        { ROLES "[ 3 'k' 'm' 0 ] [ 3 'k' 'm' 1 ]", "a permission twice" },
        { ROLES "[ 4 'u' 's' F ]", "a user without a revision" },
        { ROLES "[ 4 'u' 's' F 'x' ]", "a revision that is bytes" },
        { ROLES "[ 4 '' 's' F 7 ]", "a user with an empty name" },
        { ROLES "[ 4 'u' 's' F 10 ]", "a password of a revision to come" },
        { USERS "[ 4 'u' 's' F 7 ]", "a user twice" },
        { USERS "[ 4 't' 's' F 7 ]", "users that descend" },
        { ROLES "[ 5 'a' ]", "a grant to no user" },
        { USERS "[ 5 7 ]", "a grant of a number" },
        { USERS "[ 5 'a' ] [ 5 'a' ]", "a grant twice" },
        { USERS "[ 5 'b' ] [ 5 'a' ]", "grants that descend" },
        { USERS "[ 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 ]", "more elements than any has" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct auth a;
        auth_init(&a);
        if (read_text(&a, rows[i].text) != E_CORRUPT) {
            fail_msg("read: %s", rows[i].why);
        }
        auth_fini(&a);
    }
}

static void every_part_of_a_frame_is_refused_unless_items_end_there(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    mp_text(USERS "[ 5 'a' ]", 0, &b);
    unsigned whole = 0;
    for (size_t len = 0; len <= b.len; len++) {
        struct auth a;
        auth_init(&a);
        int rv = read_bytes(&a, slice_make(b.data, len));
        assert_true(rv == 0 || rv == E_CORRUPT);
        whole += rv == 0;
        auth_fini(&a);
    }
    assert_int_equal(whole, 6); /* before the first item and after each of five */
}

static void names_and_the_sum_of_all_are_bounded(void **state)
{
    (void)state;
    struct auth a;
    autobuf b = BUF_INIT;
    static uint8_t key[LIMIT_KEY_BYTES];
    mp_text(HEAD, 0, &b);
    mp_put_array(&b, 2);
    mp_put_u64(&b, 2);
    mp_put_bin(&b, slice_make(key, LIMIT_AUTH_NAME_BYTES + 1));
    auth_init(&a);
    assert_int_equal(read_bytes(&a, buf_slice(&b)), E_CORRUPT);
    auth_fini(&a);

    int rv = 0;
    auth_init(&a);
    assert_int_equal(read_text(&a, ROLES), 0);
    for (uint8_t i = 1; i < 20 && rv == 0; i++) {
        key[0] = i;
        buf_reset(&b);
        mp_put_array(&b, 4);
        mp_put_u64(&b, 3);
        mp_put_bin(&b, slice_make(key, sizeof key));
        mp_put_bin(&b, slice_str("\xff"));
        mp_put_u64(&b, ACCESS_READ);
        rv = read_bytes(&a, buf_slice(&b));
    }
    assert_int_equal(rv, E_CORRUPT);
    assert_in_range(auth_role(&a, slice_str("b"))->n, LIMIT_AUTH_BYTES / sizeof key,
                    1 + 2 * LIMIT_AUTH_BYTES / sizeof key);
    auth_fini(&a);
}

int test_auth_frames_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_read_as_it_was_written),
        cmocka_unit_test(frames_follow_each_other_anywhere_between_items),
        cmocka_unit_test(what_a_newer_writer_adds_to_an_item_is_skipped),
        cmocka_unit_test(what_cannot_have_been_written_is_refused),
        cmocka_unit_test(every_part_of_a_frame_is_refused_unless_items_end_there),
        cmocka_unit_test(names_and_the_sum_of_all_are_bounded),
    };
    return cmocka_run_group_tests_name("store/auth_frames", tests, NULL, NULL);
}
