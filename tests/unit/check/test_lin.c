/* Single rules, each as small as it gets: the answer that is right, and the one beside it that is
 * not. */
#include <stdio.h>

#include "check/lin.h"
#include "lib/base/err.h"
#include "tests/unit/check/tests.h"

struct world {
    struct check_pool pool;
    struct history h;
    struct check_log log;
    bool logged;
    int64_t now;
};

static void world_init(struct world *w)
{
    *w = (struct world){ .now = 0 };
    check_pool_init(&w->pool, 0);
    history_init(&w->h, &w->pool);
    check_log_init(&w->log, &w->pool);
}

static void world_fini(struct world *w)
{
    check_log_fini(&w->log);
    history_fini(&w->h);
    check_pool_fini(&w->pool);
}

static enum check_result judge(struct world *w)
{
    struct check_report r;
    check_report_init(&r);
    check_linearizable(&w->h, w->logged ? &w->log : NULL, &r);
    enum check_result result = check_report_result(&r);
    check_report_fini(&r);
    return result;
}

/* One after the other: each operation takes 10 us. */
static void ask(struct world *w, const struct check_request *r, enum check_outcome outcome,
                int error, const struct check_response *told)
{
    uint32_t id = history_call(&w->h, 0, 1, w->now + 1, r);
    w->now += 10;
    history_return(&w->h, id, w->now, outcome, error, told);
}

static struct check_request put_of(const char *key, const char *value, int64_t lease)
{
    return (struct check_request){ .kind = CHECK_PUT,
                                   .ask = { .kind = CHECK_PUT,
                                            .key = slice_str(key),
                                            .value = slice_str(value),
                                            .lease = lease } };
}

static void put(struct world *w, const char *key, const char *value, int64_t lease, int64_t rev)
{
    struct check_request r = put_of(key, value, lease);
    struct check_answer a = { 0 };
    struct check_response told = { .revision = rev, .answers = &a, .n_answers = 1 };
    ask(w, &r, CHECK_OK, 0, &told);
}

static void put_refused(struct world *w, const char *key, bool keep_value, int64_t lease, int error)
{
    struct check_request r = put_of(key, keep_value ? "" : "x", lease);
    r.ask.ignore_value = keep_value;
    ask(w, &r, CHECK_FAILED, error, NULL);
}

static void del(struct world *w, const char *key, int64_t deleted, int64_t rev)
{
    struct check_request r = { .kind = CHECK_DELETE,
                               .ask = { .kind = CHECK_DELETE, .key = slice_str(key) } };
    struct check_answer a = { .deleted = deleted };
    struct check_response told = { .revision = rev, .answers = &a, .n_answers = 1 };
    ask(w, &r, CHECK_OK, 0, &told);
}

static void count_at(struct world *w, int64_t at, int64_t count, int64_t rev, int error)
{
    struct check_request r = { .kind = CHECK_RANGE,
                               .ask = { .kind = CHECK_RANGE,
                                        .key = slice_str(""),
                                        .range_end = slice_make("", 1),
                                        .revision = at,
                                        .count_only = true } };
    struct check_answer a = { .count = count };
    struct check_response told = { .revision = rev, .answers = &a, .n_answers = 1 };
    ask(w, &r, error != 0 ? CHECK_FAILED : CHECK_OK, error, &told);
}

static void number_op(struct world *w, enum check_kind kind, int64_t number, int64_t rev, int error)
{
    struct check_request r = { .kind = kind, .revision = number, .lease = number, .ttl_s = 5 };
    struct check_response told = { .revision = rev, .lease = number, .ttl_s = 5 };
    ask(w, &r, error != 0 ? CHECK_FAILED : CHECK_OK, error, &told);
}

static void logged_delete(struct world *w, int64_t rev, const char *a, const char *b)
{
    struct check_event events[2] = {
        { .kv = { .key = slice_str(a), .mod_revision = rev }, .deleted = true },
        { .kv = { .key = slice_str(b != NULL ? b : ""), .mod_revision = rev }, .deleted = true },
    };
    assert_int_equal(check_log_add(&w->log, rev, 0, events, b != NULL ? 2 : 1), 0);
}

static void logged_put(struct world *w, int64_t rev, const char *key, const char *value,
                       int64_t lease)
{
    struct check_event e = { .kv = { .key = slice_str(key),
                                     .value = slice_str(value),
                                     .create_revision = rev,
                                     .mod_revision = rev,
                                     .version = 1,
                                     .lease = lease } };
    assert_int_equal(check_log_add(&w->log, rev, 0, &e, 1), 0);
}

#define JUDGED(want, ...)                                                                          \
    do {                                                                                           \
        struct world world_, *w = &world_;                                                         \
        world_init(w);                                                                             \
        __VA_ARGS__;                                                                               \
        assert_int_equal(judge(w), want);                                                          \
        world_fini(w);                                                                             \
    } while (0)

static void test_an_empty_history_holds(void **state)
{
    (void)state;
    JUDGED(CHECK_HOLDS, (void)0);
}

static void test_compacted_is_refused_after_and_never_before(void **state)
{
    (void)state;
    JUDGED(CHECK_HOLDS, put(w, "a", "1", 0, 2); put(w, "a", "2", 0, 3);
           number_op(w, CHECK_COMPACT, 3, 3, 0); count_at(w, 2, 0, 0, E_COMPACTED);
           count_at(w, 3, 1, 3, 0); number_op(w, CHECK_COMPACT, 3, 0, E_COMPACTED));
    JUDGED(CHECK_VIOLATED, put(w, "a", "1", 0, 2); put(w, "a", "2", 0, 3);
           number_op(w, CHECK_COMPACT, 3, 3, 0); count_at(w, 2, 1, 3, 0));
    JUDGED(CHECK_VIOLATED, put(w, "a", "1", 0, 2); put(w, "a", "2", 0, 3);
           count_at(w, 2, 0, 0, E_COMPACTED));
    JUDGED(CHECK_VIOLATED, put(w, "a", "1", 0, 2); number_op(w, CHECK_COMPACT, 2, 2, 0);
           count_at(w, 2, 0, 0, E_COMPACTED)); /* the compacted revision itself stays */
    JUDGED(CHECK_VIOLATED, put(w, "a", "1", 0, 2); number_op(w, CHECK_COMPACT, 3, 2, 0));
}

static void test_the_future_is_refused_and_only_the_future(void **state)
{
    (void)state;
    JUDGED(CHECK_HOLDS, put(w, "a", "1", 0, 2); count_at(w, 3, 0, 0, E_FUTURE_REV));
    JUDGED(CHECK_VIOLATED, put(w, "a", "1", 0, 2); count_at(w, 2, 0, 0, E_FUTURE_REV));
    JUDGED(CHECK_VIOLATED, put(w, "a", "1", 0, 2); count_at(w, 3, 1, 2, 0));
    JUDGED(CHECK_VIOLATED, put(w, "a", "1", 0, 2); number_op(w, CHECK_COMPACT, 2, 0, E_FUTURE_REV));
}

static void test_a_missing_key_is_missing_at_some_moment(void **state)
{
    (void)state;
    JUDGED(CHECK_HOLDS, put_refused(w, "a", true, 0, E_KEY_NOT_FOUND); put(w, "a", "1", 0, 2));
    JUDGED(CHECK_VIOLATED, put(w, "a", "1", 0, 2); put_refused(w, "a", true, 0, E_KEY_NOT_FOUND));
    JUDGED(CHECK_HOLDS, put(w, "a", "1", 0, 2); del(w, "a", 1, 3);
           put_refused(w, "a", true, 0, E_KEY_NOT_FOUND); put(w, "a", "2", 0, 4));
    JUDGED(CHECK_VIOLATED, put(w, "a", "1", 0, 2); del(w, "a", 1, 3); put(w, "a", "2", 0, 4);
           put_refused(w, "a", true, 0, E_KEY_NOT_FOUND); put(w, "b", "2", 0, 5));
}

static void test_leases_exist_from_their_grant_to_their_revoke(void **state)
{
    (void)state;
    JUDGED(CHECK_HOLDS, number_op(w, CHECK_GRANT, 7, 1, 0); put(w, "a", "1", 7, 2);
           number_op(w, CHECK_REVOKE, 7, 3, 0); count_at(w, 0, 0, 3, 0));
    JUDGED(CHECK_VIOLATED, number_op(w, CHECK_GRANT, 7, 1, 0); put(w, "a", "1", 7, 2);
           number_op(w, CHECK_REVOKE, 7, 2, 0)); /* its key stays */
    JUDGED(CHECK_VIOLATED, put(w, "a", "1", 7, 2));
    JUDGED(CHECK_VIOLATED, number_op(w, CHECK_GRANT, 7, 1, 0); number_op(w, CHECK_REVOKE, 7, 1, 0);
           put(w, "a", "1", 7, 2));
    JUDGED(CHECK_VIOLATED, number_op(w, CHECK_GRANT, 7, 0, E_LEASE_EXIST));
    JUDGED(CHECK_HOLDS, number_op(w, CHECK_GRANT, 7, 1, 0);
           number_op(w, CHECK_GRANT, 7, 0, E_LEASE_EXIST));
}

static void test_a_lease_ends_with_all_its_keys_and_no_others(void **state)
{
    (void)state;
    JUDGED(CHECK_HOLDS, w->logged = true; number_op(w, CHECK_GRANT, 7, 1, 0);
           put(w, "a", "1", 7, 2); put(w, "b", "2", 7, 3); logged_put(w, 2, "a", "1", 7);
           logged_put(w, 3, "b", "2", 7); logged_delete(w, 4, "a", "b"));
    JUDGED(CHECK_VIOLATED, w->logged = true; number_op(w, CHECK_GRANT, 7, 1, 0);
           put(w, "a", "1", 7, 2); put(w, "b", "2", 7, 3); logged_put(w, 2, "a", "1", 7);
           logged_put(w, 3, "b", "2", 7); logged_delete(w, 4, "a", NULL));
    JUDGED(CHECK_VIOLATED, w->logged = true; number_op(w, CHECK_GRANT, 7, 1, 0);
           put(w, "a", "1", 7, 2); put(w, "b", "2", 0, 3); logged_put(w, 2, "a", "1", 7);
           logged_put(w, 3, "b", "2", 0); logged_delete(w, 4, "a", "b"));
    /* Two leases at once is what a store may do that ends them in batches. */
    JUDGED(CHECK_HOLDS, w->logged = true; number_op(w, CHECK_GRANT, 7, 1, 0);
           number_op(w, CHECK_GRANT, 8, 1, 0); put(w, "a", "1", 7, 2); put(w, "b", "2", 8, 3);
           logged_put(w, 2, "a", "1", 7); logged_put(w, 3, "b", "2", 8);
           logged_delete(w, 4, "a", "b"));
}

static void test_strangers_may_write_when_that_is_said(void **state)
{
    (void)state;
    JUDGED(CHECK_VIOLATED, w->logged = true; put(w, "a", "1", 0, 2); logged_put(w, 2, "a", "1", 0);
           logged_put(w, 3, "b", "x", 0); count_at(w, 0, 2, 3, 0));
    JUDGED(CHECK_HOLDS, w->logged = true; w->h.others_write = true; put(w, "a", "1", 0, 2);
           logged_put(w, 2, "a", "1", 0); logged_put(w, 3, "b", "x", 0); count_at(w, 0, 2, 3, 0));
    JUDGED(CHECK_VIOLATED, w->logged = true; w->h.others_write = true; put(w, "a", "1", 0, 2);
           logged_put(w, 2, "a", "1", 0); logged_put(w, 3, "b", "x", 0); count_at(w, 0, 1, 3, 0));
    /* Without a log nobody can say what they did. */
    JUDGED(CHECK_UNDECIDED, w->h.others_write = true; put(w, "a", "1", 0, 2);
           count_at(w, 0, 2, 3, 0));
}

static void test_what_is_before_the_log_is_undecided(void **state)
{
    (void)state;
    struct check_kv base = { .key = slice_str("a"),
                             .value = slice_str("1"),
                             .create_revision = 4,
                             .mod_revision = 9,
                             .version = 3 };
    JUDGED(CHECK_HOLDS, w->logged = true; check_log_base(&w->log, 10, &base, 1);
           count_at(w, 0, 1, 10, 0); put(w, "b", "1", 0, 11); count_at(w, 0, 2, 11, 0));
    JUDGED(CHECK_UNDECIDED, w->logged = true; check_log_base(&w->log, 10, &base, 1);
           count_at(w, 0, 1, 9, 0));
}

static void test_an_impossible_log_is_a_violation(void **state)
{
    (void)state;
    JUDGED(CHECK_VIOLATED, w->logged = true; w->h.others_write = true;
           logged_put(w, 2, "a", "1", 0); logged_put(w, 3, "a", "2", 0)); /* created twice */
    JUDGED(CHECK_VIOLATED, w->logged = true; w->h.others_write = true;
           logged_delete(w, 2, "a", NULL));
}

static void unknown_delete(struct world *w, const char *key, const char *end)
{
    struct check_request r = {
        .kind = CHECK_DELETE,
        .ask = { .kind = CHECK_DELETE, .key = slice_str(key), .range_end = slice_str(end) }
    };
    ask(w, &r, CHECK_UNKNOWN, 0, NULL);
}

/* A range and a key are deleted, and nobody was told. Either may have deleted the lone key first,
 * but only the range both keys afterwards: so it was not the range. */
static void unknown_deletes(struct world *w, bool thrice)
{
    w->logged = true;
    put(w, "a", "1", 0, 2);
    logged_put(w, 2, "a", "1", 0);
    unknown_delete(w, "a", "z");
    unknown_delete(w, "a", "");
    logged_delete(w, 3, "a", NULL);
    put(w, "a", "2", 0, 4);
    logged_put(w, 4, "a", "2", 0);
    put(w, "b", "3", 0, 5);
    logged_put(w, 5, "b", "3", 0);
    logged_delete(w, 6, "a", "b");
    if (thrice) {
        put(w, "a", "4", 0, 7);
        logged_put(w, 7, "a", "4", 0);
        logged_delete(w, 8, "a", NULL);
    }
}

static void test_unanswered_deletes_explain_one_revision_each(void **state)
{
    (void)state;
    JUDGED(CHECK_HOLDS, unknown_deletes(w, false));
    JUDGED(CHECK_VIOLATED, unknown_deletes(w, true));
}

/* Three deletes for two: only the matching of all sees it, no revision alone does. */
static void test_two_deletes_do_not_explain_three(void **state)
{
    (void)state;
    for (int n = 2; n <= 3; n++) {
        struct world world, *w = &world;
        world_init(w);
        w->logged = true;
        unknown_delete(w, "a", "b");
        unknown_delete(w, "a", "c");
        for (int i = 0; i < n; i++) {
            int64_t rev = 2 + 2 * i;
            char value[8];
            snprintf(value, sizeof value, "%d", i);
            put(w, "a", value, 0, rev);
            logged_put(w, rev, "a", value, 0);
            logged_delete(w, rev + 1, "a", NULL);
        }
        assert_int_equal(judge(w), n == 2 ? CHECK_HOLDS : CHECK_VIOLATED);
        world_fini(w);
    }
}

/* The range is taken for the first revision until the third needs it: then the first must be given
 * to the delete of "b". A fourth has nothing left. */
static void test_a_wrong_guess_is_mended(void **state)
{
    (void)state;
    static const char *const keys[] = { "b", "a", "a", "a" };
    for (int n = 3; n <= 4; n++) {
        struct world world, *w = &world;
        world_init(w);
        w->logged = true;
        unknown_delete(w, "a", "z");
        unknown_delete(w, "a", "");
        unknown_delete(w, "b", "");
        for (int i = 0; i < n; i++) {
            int64_t rev = 2 + 2 * i;
            char value[8];
            snprintf(value, sizeof value, "%d", i);
            put(w, keys[i], value, 0, rev);
            logged_put(w, rev, keys[i], value, 0);
            logged_delete(w, rev + 1, keys[i], NULL);
        }
        assert_int_equal(judge(w), n == 3 ? CHECK_HOLDS : CHECK_VIOLATED);
        world_fini(w);
    }
}

/* Past the log's end a write cannot be used that the log needs. */
static void test_the_end_of_a_log_does_not_free_its_writes(void **state)
{
    (void)state;
    struct check_request r = put_of("a", "once", 0);
    JUDGED(CHECK_VIOLATED, w->logged = true; ask(w, &r, CHECK_UNKNOWN, 0, NULL);
           logged_put(w, 2, "a", "once", 0); count_at(w, 0, 1, 3, 0));
    JUDGED(CHECK_HOLDS, w->logged = true; ask(w, &r, CHECK_UNKNOWN, 0, NULL); r.ask.value.len = 2;
           ask(w, &r, CHECK_UNKNOWN, 0, NULL); r.ask.value.len = 4;
           logged_put(w, 2, "a", "once", 0); count_at(w, 0, 1, 3, 0));
}

static void test_leases_that_may_have_ended_together_leave_it_open(void **state)
{
    (void)state;
    JUDGED(CHECK_UNDECIDED, number_op(w, CHECK_GRANT, 7, 1, 0); number_op(w, CHECK_GRANT, 8, 1, 0);
           put(w, "a", "1", 7, 2); put(w, "b", "2", 8, 3); count_at(w, 0, 0, 4, 0));
    JUDGED(CHECK_HOLDS, number_op(w, CHECK_GRANT, 7, 1, 0); put(w, "a", "1", 7, 2);
           put(w, "b", "2", 7, 3); count_at(w, 0, 0, 4, 0));
}

/* A txn that reads a revision to come is refused, so it cannot have made this one. */
static void test_an_unanswered_txn_cannot_have_read_the_future(void **state)
{
    (void)state;
    for (int64_t at = 2; at <= 3; at++) {
        struct check_ask asks[2] = {
            { .kind = CHECK_RANGE, .key = slice_str("a"), .revision = at },
            { .kind = CHECK_PUT, .key = slice_str("b"), .value = slice_str("x") },
        };
        struct check_request r = { .kind = CHECK_TXN, .then_asks = asks, .n_then = 2 };
        JUDGED(at == 2 ? CHECK_HOLDS : CHECK_VIOLATED, put(w, "a", "1", 0, 2);
               ask(w, &r, CHECK_UNKNOWN, 0, NULL); count_at(w, 0, 2, 3, 0));
    }
}

static void test_an_answer_of_another_shape_is_a_violation(void **state)
{
    (void)state;
    struct check_request r = put_of("a", "1", 0);
    struct check_answer a[2] = { { .count = 0 } };
    struct check_response two = { .revision = 2, .answers = a, .n_answers = 2 };
    JUDGED(CHECK_VIOLATED, ask(w, &r, CHECK_OK, 0, &two));
    two.n_answers = 1;
    JUDGED(CHECK_HOLDS, ask(w, &r, CHECK_OK, 0, &two));
}

static void test_two_writes_of_one_revision_are_a_violation(void **state)
{
    (void)state;
    JUDGED(CHECK_VIOLATED, put(w, "a", "1", 0, 2); put(w, "b", "1", 0, 2));
}

/* Forty writes without an answer fill forty revisions in any order: too many to try them all. With
 * a right answer the first order will do; a wrong one leaves it open, but not for ever. */
static void test_a_search_without_end_is_given_up(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        struct world world, *w = &world;
        world_init(w);
        for (int i = 0; i < 40; i++) {
            char text[16];
            snprintf(text, sizeof text, "u%d", i);
            struct check_request r = put_of(text, text, 0);
            ask(w, &r, CHECK_UNKNOWN, 0, NULL);
        }
        put(w, "z", "z", 0, 42);
        count_at(w, 0, wrong ? 40 : 41, 42, 0);
        assert_int_equal(judge(w), wrong ? CHECK_UNDECIDED : CHECK_HOLDS);
        world_fini(w);
    }
}

static void test_a_counterexample_shows_both_sides(void **state)
{
    (void)state;
    struct world world, *w = &world;
    struct check_report r;
    world_init(w);
    put(w, "a", "1", 0, 2);
    count_at(w, 0, 5, 2, 0);
    check_report_init(&r);
    assert_int_equal(check_linearizable(&w->h, NULL, &r), E_MISMATCH);
    autobuf out = BUF_INIT;
    check_report_print(&r, &out);
    assert_non_null(strstr(buf_str(&out), "against the state at revision 2: told count 5, but 1"));
    check_report_fini(&r);
    world_fini(w);
}

int run_lin_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_history_holds),
        cmocka_unit_test(test_compacted_is_refused_after_and_never_before),
        cmocka_unit_test(test_the_future_is_refused_and_only_the_future),
        cmocka_unit_test(test_a_missing_key_is_missing_at_some_moment),
        cmocka_unit_test(test_leases_exist_from_their_grant_to_their_revoke),
        cmocka_unit_test(test_a_lease_ends_with_all_its_keys_and_no_others),
        cmocka_unit_test(test_strangers_may_write_when_that_is_said),
        cmocka_unit_test(test_what_is_before_the_log_is_undecided),
        cmocka_unit_test(test_an_impossible_log_is_a_violation),
        cmocka_unit_test(test_unanswered_deletes_explain_one_revision_each),
        cmocka_unit_test(test_two_deletes_do_not_explain_three),
        cmocka_unit_test(test_a_wrong_guess_is_mended),
        cmocka_unit_test(test_the_end_of_a_log_does_not_free_its_writes),
        cmocka_unit_test(test_leases_that_may_have_ended_together_leave_it_open),
        cmocka_unit_test(test_an_unanswered_txn_cannot_have_read_the_future),
        cmocka_unit_test(test_an_answer_of_another_shape_is_a_violation),
        cmocka_unit_test(test_two_writes_of_one_revision_are_a_violation),
        cmocka_unit_test(test_a_search_without_end_is_given_up),
        cmocka_unit_test(test_a_counterexample_shows_both_sides),
    };
    return cmocka_run_group_tests_name("check/lin", tests, NULL, NULL);
}
