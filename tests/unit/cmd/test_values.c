/* Values as Go's flag package reads them: what is taken, as what, and what is not. */
#include "cmd/values.h"

#include "tests/unit/cmd/test.h"

static void booleans_are_those_of_go(void **state)
{
    static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
    static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };
    static const char *const neither[] = { "", "yes", "on", "tRUE", "2", "true " };
    bool b;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        b = false;
        assert_int_equal(value_bool(yes[i], &b), 0);
        assert_true(b);
        assert_int_equal(value_bool(no[i], &b), 0);
        assert_false(b);
        assert_int_equal(value_bool(neither[i], &b), E_INVAL);
    }
}

static void numbers_may_have_a_base(void **state)
{
    static const struct { const char *text; uint64_t v; } good[] = {
        { "0", 0 },      { "12", 12 },   { "0x1F", 31 }, { "0b101", 5 },
        { "0o17", 15 },  { "017", 15 },  { "9223372036854775807", INT64_MAX },
    };
    static const char *const bad[] = { "",   "-1", "+1",  "1.5",  "0x",  "08",
                                       "1k", " 1", "1_0", "0b12", "0xg", "9223372036854775808" };
    uint64_t v;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(value_u64(good[i].text, INT64_MAX, &v), 0);
        assert_int_equal(v, good[i].v);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(value_u64(bad[i], INT64_MAX, &v), E_INVAL);
    }
}

static void whole_numbers_have_two_ends(void **state)
{
    int64_t v;
    (void)state;
    assert_int_equal(value_i64("-9223372036854775808", &v), 0);
    assert_true(v == INT64_MIN);
    assert_int_equal(value_i64("9223372036854775807", &v), 0);
    assert_true(v == INT64_MAX);
    assert_int_equal(value_i64("-0x10", &v), 0);
    assert_true(v == -16);
    assert_int_equal(value_i64("9223372036854775808", &v), E_INVAL);
    assert_int_equal(value_i64("--1", &v), E_INVAL);
}

static void durations_have_units_fractions_and_parts(void **state)
{
    static const struct { const char *text; uint64_t ms; } good[] = {
        { "0", 0 },          { "0s", 0 },       { "10m", 600000 },  { "1h15m30.5s", 4530500 },
        { "500us", 1 },      { "1500us", 2 },   { "1ns", 1 },       { "1.5h", 5400000 },
        { ".5s", 500 },      { "2.s", 2000 },   { "1m1m", 120000 }, { "100ms", 100 },
        { "3\xc2\xb5s", 1 }, { "0.0000000001s", 0 },
    };
    static const char *const bad[] = { "",  "s",   "10",   "1 s", "-1s", "1x",
                                       ".", "1d",  "1.2.3s", "10 ", "1e3s", "9999999h" };
    uint64_t ms;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        ms = 77;
        assert_int_equal(value_duration(good[i].text, 0, &ms), 0);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(value_duration(bad[i], 0, &ms), E_INVAL);
    }
    assert_int_equal(value_duration("10", 1000000, &ms), 0);
    assert_int_equal(ms, 10);
    assert_int_equal(value_duration("1500000", 1, &ms), 0);
    assert_int_equal(ms, 2);
    assert_int_equal(value_duration("9223372036854775807", 1000000, &ms), E_INVAL);
}

static void choices_are_whole_words(void **state)
{
    (void)state;
    assert_true(value_is_choice("new", "new|existing"));
    assert_true(value_is_choice("existing", "new|existing"));
    assert_false(value_is_choice("exist", "new|existing"));
    assert_false(value_is_choice("", "new|existing"));
    assert_false(value_is_choice("new|existing", "new|existing"));
}

static void every_url_of_a_list_is_looked_at(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(value_urls("http://127.0.0.1:1, http://[::1]:2", &err), 0);
    assert_int_equal(value_urls("http://127.0.0.1:1,nonsense", &err), E_INVAL);
    assert_non_null(strstr(err.msg, "nonsense"));
    assert_int_equal(value_urls("http://127.0.0.1:1,https://127.0.0.1:2", &err), E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "TLS is absent"));
    assert_int_equal(value_urls(" http://127.0.0.1:1 ,unix:///s ", &err), 0);
    assert_int_equal(value_urls("http://127.0.0.1:1 http://127.0.0.1:2", &err), E_INVAL);
    assert_int_equal(value_urls("", &err), E_INVAL);
    assert_int_equal(value_urls(",", &err), E_INVAL);
}

int test_values_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(booleans_are_those_of_go),
        cmocka_unit_test(numbers_may_have_a_base),
        cmocka_unit_test(whole_numbers_have_two_ends),
        cmocka_unit_test(durations_have_units_fractions_and_parts),
        cmocka_unit_test(choices_are_whole_words),
        cmocka_unit_test(every_url_of_a_list_is_looked_at),
    };
    return cmocka_run_group_tests_name("cmd/values", tests, NULL, NULL);
}
