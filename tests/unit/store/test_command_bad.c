/* Commands as bytes that no member writes: refused with the right code, whatever is malformed. */
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "tests/unit/store/mp_text.h"
#include "tests/unit/store/world.h"

#define PUT "[ 'k' 'v' 0 0 ]"
#define OPS "[ [ 2 " PUT " ] ]"
#define COMPARE "[ 0 1 'k' '' 0 'v' ]"

static void what_is_sound_is_read(void **state)
{
    struct world *w = *state;
    static const char *const rows[] = {
        "[ 1 1 " PUT " ]",
        "[ 1 2 [ 'k' 'm' 1 ] ]",
        "[ 1 3 [ [ " COMPARE " ] " OPS " [ ] ] ]",
        "[ 1 3 [ [ [ -2147483648 2147483647 'k' '' 0 'v' ] ] [ ] [ [ 0 N ] ] ] ]",
        "[ 1 4 [ 7 ] ]",
        "[ 1 5 [ 7 60 ] ]",
        "[ 1 6 [ [ 7 8 ] F ] ]",
        "[ 1 7 [ [ 7 30 8 40 ] ] ]",
        "[ 1 9 [ 1 'u' 'r' 'k' 'm' 's' 0 ] ]",
        "[ 1 9 [ 11 'u' 'r' 'k' 'm' 's' 0 ] [ 1 'root' 7 ] ]",
        "[ 1 4 [ 7 ] N ]",
        "[ 1 4 [ 7 ] [ 2 '' 0 ] ]",
        /* with what a later version adds at the ends of records */
        "[ 1 3 [ [ [ 0 1 'k' '' 0 'v' N ] ] [ [ 2 [ 'k' 'v' 0 0 T ] 'x' ] ] [ ] [ 1 ] ] ]",
        "[ 1 6 [ [ 7 ] F 1 ] N 'x' ]",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct command c;
        autobuf b = BUF_INIT;
        mp_text(rows[i], 0, &b);
        if (command_decode(buf_slice(&b), &w->arena, &c) != 0) {
            fail_msg("refused: %s", rows[i]);
        }
    }
}

static void what_is_malformed_is_refused(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *text;
        int want;
    } rows[] = {
        { "", E_TRUNCATED },
        { "7", E_PROTO },
        { "[ 1 4 ]", E_PROTO },                                /* no body */
        { "[ 2 4 [ 7 ] ]", E_PROTO },                          /* another version */
        { "[ 1 0 [ 7 ] ]", E_PROTO },
        { "[ 1 10 [ 7 ] ]", E_PROTO },                         /* a type that there is not */
        { "[ 1 8 [ 7 ] ]", E_PROTO },                          /* an alarm: too short, */
        { "[ 1 8 [ 0 7 1 0 ] ]", E_PROTO },                    /* neither set nor cleared, */
        { "[ 1 8 [ 3 7 1 0 ] ]", E_PROTO },
        { "[ 1 8 [ 1 7 3 0 ] ]", E_PROTO },                    /* of no kind */
        { "[ 1 4 [ 7 ] ] 1", E_PROTO },                        /* something after it */
        { "[ 1 4 [ ] ]", E_PROTO },
        { "[ 1 4 [ 'x' ] ]", E_PROTO },
        { "[ 1 1 [ 'k' 'v' 0 ] ]", E_PROTO },
        { "[ 1 1 [ 7 'v' 0 0 ] ]", E_PROTO },
        { "[ 1 3 [ [ ] [ ] ] ]", E_PROTO },
        { "[ 1 3 [ [ [ 2147483648 1 'k' '' 0 'v' ] ] [ ] [ ] ] ]", E_PROTO },
        { "[ 1 3 [ [ [ 0 -2147483649 'k' '' 0 'v' ] ] [ ] [ ] ] ]", E_PROTO },
        { "[ 1 3 [ [ [ 0 1 'k' ] " COMPARE " ] [ ] [ ] ] ]", E_PROTO }, /* the first of two */
        { "[ 1 3 [ [ ] [ [ 5 N ] ] [ ] ] ]", E_PROTO },        /* no such op */
        { "[ 1 3 [ [ ] [ [ 2 ] [ 0 N ] ] [ ] ] ]", E_PROTO },
        { "[ 1 3 [ [ ] [ ] 7 ] ]", E_PROTO },
        { "[ 1 3 [ [ ] [ [ 1 [ 'k' '' 0 0 2147483648 0 0 0 0 0 0 ] ] ] [ ] ] ]", E_PROTO },
        { "[ 1 6 [ [ 'x' 8 ] F ] ]", E_PROTO },
        { "[ 1 6 [ [ 7 ] 1 ] ]", E_PROTO },
        { "[ 1 7 [ [ 7 ] ] ]", E_PROTO },                      /* an id without its time */
        { "[ 1 7 [ [ 'x' 30 8 40 ] ] ]", E_PROTO },
        { "[ 1 9 [ 0 'u' 'r' 'k' 'm' 's' 0 ] ]", E_PROTO },
        { "[ 1 9 [ 12 'u' 'r' 'k' 'm' 's' 0 ] ]", E_PROTO },
        { "[ 1 9 [ 1 'u' 'r' 'k' 'm' 's' ] ]", E_PROTO },
        { "[ 1 4 [ 7 ] [ 0 '' 0 ] ]", E_PROTO },               /* nobody is not told */
        { "[ 1 4 [ 7 ] [ 3 'u' 7 ] ]", E_PROTO },
        { "[ 1 4 [ 7 ] [ 1 'u' 0 ] ]", E_PROTO },              /* a user of no revision */
        { "[ 1 4 [ 7 ] [ 1 'u' ] ]", E_PROTO },
        { "[ 1 4 [ 7 ] N !", E_PROTO },                         /* an element that is none */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct command c = { .type = COMMAND_AUTH };
        autobuf b = BUF_INIT;
        mp_text(rows[i].text, 0, &b);
        int rv = command_decode(buf_slice(&b), &w->arena, &c);
        if (rv != rows[i].want) {
            fail_msg("%s: %s, want %s", rows[i].text, err_name(rv), err_name(rows[i].want));
        }
        assert_int_equal(c.type, COMMAND_AUTH); /* nothing is given out */
    }
}

static void all_lists_of_a_command_are_bounded_together(void **state)
{
    struct world *w = *state;
    for (uint32_t more = 0; more < 2; more++) {
        autobuf b = BUF_INIT;
        mp_put_array(&b, 3);
        mp_put_u64(&b, 1);
        mp_put_u64(&b, COMMAND_TXN);
        mp_put_array(&b, 3);
        mp_put_array(&b, 0);
        for (uint32_t branch = 0; branch < 2; branch++) {
            uint32_t n = LIMIT_COMMAND_ITEMS / 2 + more * branch;
            mp_put_array(&b, n);
            for (uint32_t i = 0; i < n; i++) {
                mp_text("[ 0 N ]", 0, &b);
            }
        }
        struct command c;
        assert_int_equal(command_decode(buf_slice(&b), &w->arena, &c), more == 0 ? 0 : E_TOOBIG);
    }
}

/* --- checks ----------------------------------------------------------------------------------- */

static void sorting_is_known_or_refused(void **state)
{
    (void)state;
    for (int order = -2; order < 6; order++) {
        for (int target = -2; target < 8; target++) {
            struct range_request r = { .key = slice_str("a"), .sort_order = order,
                                       .sort_target = target };
            bool known = order >= 0 && order <= 2 && target >= 0 && target <= 4;
            assert_int_equal(range_check(&r), known ? 0 : E_INVALID_SORT);
        }
    }
}

static void a_txn_with_a_nested_write_or_a_put_is_not_readonly(void **state)
{
    (void)state;
    struct op puts[] = { op_put("a", "1") }, gets[] = { op_get("a", "") };
    struct txn_request writes = { .success = puts, .n_success = 1 };
    struct txn_request reads = { .success = gets, .n_success = 1 };
    const struct {
        struct op op;
        bool readonly;
    } rows[] = {
        { op_put("a", "1"), false },
        { op_del("a", ""), false },
        { op_get("a", ""), true },
        { { .type = OP_NONE }, true },
        { { .type = OP_TXN, .txn = &writes }, false },
        { { .type = OP_TXN, .txn = &reads }, true },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct op op = rows[i].op;
        struct txn_request t = { .failure = &op, .n_failure = 1 };
        assert_int_equal(txn_is_readonly(&t), rows[i].readonly);
    }
}

/* Wide deletes over many puts that exclude each other: their product is what it costs. */
static void a_txn_that_is_too_much_work_to_check_is_refused(void **state)
{
    struct world *w = *state;
    enum { N = 1100 };
    struct op *puts = arena_zalloc(&w->arena, N * sizeof *puts);
    struct op *dels = arena_zalloc(&w->arena, N * sizeof *dels);
    for (size_t i = 0; i < N; i++) {
        uint8_t key[] = { 'k', (uint8_t)(i >> 8), (uint8_t)i };
        struct slice name = arena_dup_slice(&w->arena, slice_make(key, sizeof key));
        puts[i] = (struct op){ .type = OP_PUT, .put = { .key = name } };
        dels[i] = op_del("a", "*");
    }
    for (size_t n = 900; n <= N; n += N - 900) {
        struct txn_request t_puts = { .success = puts, .n_success = n };
        struct txn_request t_dels = { .success = dels, .n_success = n };
        struct op ops[] = { { .type = OP_TXN, .txn = &t_puts },
                            { .type = OP_TXN, .txn = &t_dels } };
        struct txn_request t = { .success = ops, .n_success = 2 };
        assert_int_equal(txn_check(&t, 2 * N + 2), n * n > LIMIT_TXN_CHECK_STEPS ? E_TOO_MANY_OPS
                                                                                 : 0);
    }
}

int test_command_bad_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(what_is_sound_is_read),
        WORLD_TEST(what_is_malformed_is_refused),
        WORLD_TEST(all_lists_of_a_command_are_bounded_together),
        cmocka_unit_test(sorting_is_known_or_refused),
        cmocka_unit_test(a_txn_with_a_nested_write_or_a_put_is_not_readonly),
        WORLD_TEST(a_txn_that_is_too_much_work_to_check_is_refused),
    };
    return cmocka_run_group_tests_name("store/command_bad", tests, NULL, NULL);
}
