/* Recording: what goes in comes out, and the bound holds. */
#include <stdio.h>
#include <string.h>

#include "check/digest.h"
#include "check/history.h"
#include "check/log.h"
#include "lib/base/err.h"
#include "tests/unit/check/tests.h"

static struct check_kv kv_of(const char *key, const char *value, int64_t mod)
{
    return (struct check_kv){ .key = slice_str(key), .value = slice_str(value),
                              .create_revision = mod, .mod_revision = mod, .version = 1 };
}

static void test_equal_bytes_have_equal_ids(void **state)
{
    (void)state;
    struct check_pool p;
    check_pool_init(&p, 0);
    uint32_t a = check_pool_add(&p, slice_str("a"));
    for (int i = 0; i < 5000; i++) {
        char text[16];
        snprintf(text, sizeof text, "k%d", i);
        uint32_t id = check_pool_add(&p, slice_str(text));
        assert_int_equal(check_pool_find(&p, slice_str(text)), id);
    }
    assert_int_equal(check_pool_add(&p, slice_str("a")), a);
    assert_int_equal(check_pool_add(&p, slice_str("")), CHECK_EMPTY);
    assert_int_equal(check_pool_find(&p, slice_str("never")), UINT32_MAX);
    assert_memory_equal(check_pool_get(&p, check_pool_find(&p, slice_str("k4999"))).data, "k4999",
                        5);
    check_pool_fini(&p);
}

static void test_a_get_prints_what_was_asked_and_told(void **state)
{
    (void)state;
    struct check_pool p;
    struct history h;
    check_pool_init(&p, 0);
    history_init(&h, &p);
    struct check_request get = { .kind = CHECK_RANGE,
                                 .ask = { .kind = CHECK_RANGE, .key = slice_str("/a"),
                                          .range_end = slice_str("/b"), .limit = 1 } };
    uint32_t id = history_call(&h, 3, 1, 1200000, &get);
    struct check_kv kv = kv_of("/a", "v", 7);
    struct check_answer answer = { .kvs = &kv, .n_kvs = 1, .count = 2, .more = true };
    struct check_response told = { .revision = 9, .answers = &answer, .n_answers = 1 };
    history_return(&h, id, 1204211, CHECK_OK, 0, &told);
    struct buf out = BUF_INIT;
    history_print(&h, id, &out);
    assert_string_equal(buf_str(&out),
                        "#0 client 3 member 1 [1.200000 s, 1.204211 s] range /a../b limit 1 "
                        "{count 2 more: /a = \"v\" (create 7 mod 7 version 1)} -> revision 9");
    buf_fini(&out);
    history_fini(&h);
    check_pool_fini(&p);
}

static void test_a_full_pool_drops_whole_operations_and_counts_them(void **state)
{
    (void)state;
    struct check_pool p;
    struct history h;
    check_pool_init(&p, 1 << 20);
    history_init(&h, &p);
    uint64_t refused = 0;
    for (int i = 0; i < 20000; i++) {
        char value[128];
        snprintf(value, sizeof value, "%0100d", i);
        struct check_request put = { .kind = CHECK_PUT,
                                     .ask = { .kind = CHECK_PUT, .key = slice_str("k"),
                                              .value = slice_str(value) } };
        uint32_t id = history_call(&h, 0, 0, i, &put);
        struct check_answer answer = { 0 };
        struct check_response told = { .revision = i + 2, .answers = &answer, .n_answers = 1 };
        history_return(&h, id, i, CHECK_OK, 0, &told);
        refused += id == CHECK_NO_OP;
    }
    assert_true(refused > 0 && refused < 20000);
    assert_int_equal(h.n + refused, 20000);
    assert_true(h.dropped >= refused);
    assert_true(check_pool_bytes(&p) + h.cap * sizeof *h.ops < (size_t)3 << 20);
    history_fini(&h);
    check_pool_fini(&p);
}

static void test_logs_that_differ_in_one_value_are_told_apart(void **state)
{
    (void)state;
    struct check_pool p;
    struct check_log logs[2];
    check_pool_init(&p, 0);
    for (int m = 0; m < 2; m++) {
        check_log_init(&logs[m], &p);
        for (int64_t rev = 2; rev < 10; rev++) {
            struct check_event e = { .kv = kv_of("k", m == 1 && rev == 7 ? "y" : "x", rev) };
            assert_int_equal(check_log_add(&logs[m], rev, 0, &e, 1), 0);
            assert_int_equal(check_log_add(&logs[m], rev, 0, &e, 1), E_EXIST);
        }
    }
    const struct check_log *const both[] = { &logs[0], &logs[1] };
    const char *const names[] = { "m1", "m2" };
    struct check_report r;
    check_report_init(&r);
    assert_int_equal(check_logs_agree(both, names, 2, &r), E_MISMATCH);
    struct buf out = BUF_INIT;
    check_report_print(&r, &out);
    assert_non_null(strstr(buf_str(&out), "m2 tells revision 7: put k = \"y\""));
    buf_fini(&out);
    check_report_fini(&r);
    check_report_init(&r);
    assert_int_equal(check_logs_agree(both, names, 1, &r), 0);
    check_report_fini(&r);
    check_log_fini(&logs[0]);
    check_log_fini(&logs[1]);
    check_pool_fini(&p);
}

static void test_a_hole_in_a_log_is_a_violation(void **state)
{
    (void)state;
    struct check_pool p;
    struct check_log l;
    struct check_report r;
    const struct check_log *const one = &l;
    const char *const name = "m1";
    check_pool_init(&p, 0);
    check_log_init(&l, &p);
    check_report_init(&r);
    struct check_event e = { .kv = kv_of("k", "x", 2) };
    assert_int_equal(check_log_add(&l, 3, 0, &e, 1), E_INVAL); /* of another revision */
    assert_int_equal(check_log_add(&l, 2, 0, &e, 0), E_INVAL);
    assert_int_equal(check_log_add(&l, 2, 0, &e, 1), 0);
    e.kv.mod_revision = 4;
    assert_int_equal(check_log_add(&l, 4, 0, &e, 1), 0);
    assert_int_equal(check_logs_agree(&one, &name, 1, &r), E_MISMATCH);
    check_report_fini(&r);
    check_log_fini(&l);
    check_pool_fini(&p);
}

static void test_merged_reports_keep_the_worst_and_the_first(void **state)
{
    (void)state;
    struct check_report a, b;
    check_report_init(&a);
    check_report_init(&b);
    check_report_verdict(&a, "one", "it holds", "facts")->checked = 3;
    check_undecided(check_report_verdict(&b, "one", "it holds", "facts"), "who knows");
    check_report_merge(&a, &b);
    assert_int_equal(check_report_result(&a), CHECK_UNDECIDED);
    check_violatedf(check_report_verdict(&b, "one", "it holds", "facts"), "the first");
    check_violatedf(check_report_verdict(&b, "one", "it holds", "facts"), "the second");
    check_undecided(check_report_verdict(&b, "one", "it holds", "facts"), "too late");
    check_report_merge(&a, &b);
    const struct check_verdict *v = check_report_find(&a, "one");
    assert_int_equal(v->result, CHECK_VIOLATED);
    assert_int_equal(v->violations, 2);
    assert_int_equal(v->checked, 3);
    autobuf out = BUF_INIT;
    check_report_print(&a, &out);
    assert_non_null(strstr(buf_str(&out), "    the first\n    (the first of 2)"));
    assert_null(check_report_find(&a, "two"));
    check_report_fini(&a);
    check_report_fini(&b);
}

static void test_two_digests_at_one_index_are_a_violation(void **state)
{
    (void)state;
    struct check_digest facts[] = {
        { .member = 1, .life = 1, .index = 5, .digest = 50 },
        { .member = 2, .life = 1, .index = 5, .digest = 50 },
        { .member = 1, .life = 1, .index = 6, .digest = 60 },
        { .member = 2, .life = 2, .index = 4, .digest = 40 },
    };
    struct check_report r;
    check_report_init(&r);
    assert_int_equal(check_digests(facts, 4, &r), 0);
    facts[2].index = 5;
    assert_int_equal(check_digests(facts, 4, &r), E_MISMATCH);
    check_report_fini(&r);
    facts[2].index = 6;
    facts[3].life = 1;
    check_report_init(&r);
    assert_int_equal(check_digests(facts, 4, &r), E_MISMATCH);
    check_report_fini(&r);
}

int run_history_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_bytes_have_equal_ids),
        cmocka_unit_test(test_a_get_prints_what_was_asked_and_told),
        cmocka_unit_test(test_a_full_pool_drops_whole_operations_and_counts_them),
        cmocka_unit_test(test_logs_that_differ_in_one_value_are_told_apart),
        cmocka_unit_test(test_a_hole_in_a_log_is_a_violation),
        cmocka_unit_test(test_merged_reports_keep_the_worst_and_the_first),
        cmocka_unit_test(test_two_digests_at_one_index_are_a_violation),
    };
    return cmocka_run_group_tests_name("check/history", tests, NULL, NULL);
}
