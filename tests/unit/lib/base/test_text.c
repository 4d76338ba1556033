/* str, slice, err and clock: parsing, matching, messages and the two ways to write time. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

static void integers_parse_whole_in_range_or_not_at_all(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", " 1", "1 ", "-1", "+1", "0x1", "1.0",
                                         "18446744073709551616", "99999999999999999999" };
    uint64_t u = 7;
    int64_t i = 7;
    for (size_t k = 0; k < ARRAY_LEN(wrong); k++) {
        assert_int_equal(str_parse_u64(wrong[k], UINT64_MAX, &u), E_INVAL);
    }
    assert_int_equal(u, 7);
    assert_int_equal(str_parse_u64("18446744073709551615", UINT64_MAX, &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(str_parse_u64("65535", 65535, &u), 0);
    assert_int_equal(str_parse_u64("65536", 65535, &u), E_INVAL);
    assert_int_equal(str_parse_u64("9", 5, &u), E_INVAL);
    assert_int_equal(str_parse_i64("-9223372036854775808", &i), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(str_parse_i64("9223372036854775808", &i), E_INVAL);
    assert_int_equal(str_parse_i64("-", &i), E_INVAL);
}

static void durations_take_units_and_sums(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } right[] = { { "500ms", 500 },  { "3s", 3000 },        { "2m", 120000 },
                  { "1h", 3600000 }, { "1h30m", 5400000 },  { "1m500ms", 60500 },
                  { "100", 100 },    { "0", 0 } };
    static const char *const wrong[] = { "",    "s",   "5x",  "1.5s",
                                         "-1s", "5 s", "99999999999999999h" };
    uint64_t ms;
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        assert_int_equal(str_parse_duration(right[i].text, 1, &ms), 0);
        assert_true(ms == right[i].ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(str_parse_duration(wrong[i], 1, &ms), E_INVAL);
    }
    assert_int_equal(str_parse_duration("5", 1000, &ms), 0);
    assert_int_equal(ms, 5000);
}

static void strings_compare_and_copy_safely(void **state)
{
    (void)state;
    char dst[4];
    assert_true(str_starts("registry", "reg") && !str_starts("re", "reg"));
    assert_true(str_ends("a.yaml", ".yaml") && !str_ends("yaml", ".yaml"));
    assert_true(str_eq(NULL, NULL) && !str_eq(NULL, "") && str_eq("a", "a"));
    assert_true(str_copy(dst, sizeof dst, "abc"));
    assert_false(str_copy(dst, sizeof dst, "abcd"));
    assert_string_equal(dst, "abc");
    char hex[17];
    str_hex_u64(0xdeadbeef01u, hex);
    assert_string_equal(hex, "deadbeef01");
    str_hex_u64(UINT64_MAX, hex);
    assert_string_equal(hex, "ffffffffffffffff");
}

static void slices_order_like_etcd_keys(void **state)
{
    (void)state;
    assert_true(slice_cmp(slice_str("a"), slice_str("ab")) < 0);
    assert_true(slice_cmp(slice_str("b"), slice_str("ab")) > 0);
    assert_true(slice_cmp(slice_str("\xff"), slice_str("a")) > 0);
    assert_int_equal(slice_cmp(slice_str(""), slice_make(NULL, 0)), 0);
    assert_true(slice_starts(slice_str("abc"), slice_str("ab")));
    assert_false(slice_starts(slice_str("a"), slice_str("ab")));
}

static void a_near_name_is_suggested_and_a_far_one_is_not(void **state)
{
    (void)state;
    static const char *const names[] = { "pods", "nodes", "deployments", "services" };
    assert_string_equal(str_nearest("deploymnets", names, 4), "deployments");
    assert_string_equal(str_nearest("pod", names, 4), "pods");
    assert_null(str_nearest("xyz", names, 4));
    assert_null(str_nearest("", names, 0));
    assert_int_equal(str_distance("kitten", "sitting", 5), 3);
    assert_int_equal(str_distance("kitten", "sitting", 2), 3);
    assert_int_equal(str_distance("", "abc", 9), 3);
    assert_int_equal(str_distance("same", "same", 0), 0);
}

static void quoting_shows_bytes_within_its_room(void **state)
{
    (void)state;
    char *s = str_quote(slice_make("a\0\xff z", 5), 40);
    assert_string_equal(s, "a\\x00\\xff z");
    mem_free(s);
    s = str_quote(slice_str("abcdefgh"), 8);
    assert_string_equal(s, "abcdefgh");
    mem_free(s);
    s = str_quote(slice_str("abcdefghi"), 8);
    assert_string_equal(s, "abcde...");
    mem_free(s);
    s = str_quote(slice_str("\1\2\3"), 10);
    assert_string_equal(s, "\\x01...");
    mem_free(s);
    s = str_quote(slice_str("abc"), 2);
    assert_string_equal(s, "..");
    mem_free(s);
}

static void messages_are_prefixed_on_the_way_up(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_int_equal(err_set(&e, E_CORRUPT, "record %d", 7), E_CORRUPT);
    assert_int_equal(err_prefix(&e, "open %s", "wal"), E_CORRUPT);
    assert_string_equal(e.msg, "open wal: record 7");
    assert_int_equal(err_set(&e, E_IO, "again: %s", e.msg), E_IO);
    assert_string_equal(e.msg, "again: open wal: record 7");
    assert_int_equal(err_set(NULL, E_FULL, "x"), E_FULL);
    assert_int_equal(err_prefix(NULL, "x"), E_INVAL);
}

static void a_long_message_is_cut_with_dots(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_set(&e, E_INVAL, "%0600d", 1);
    assert_int_equal(strlen(e.msg), ERR_MSG_MAX - 1);
    assert_string_equal(e.msg + ERR_MSG_MAX - 5, "0...");
    err_prefix(&e, "p");
    assert_int_equal(strlen(e.msg), ERR_MSG_MAX - 1);
    assert_memory_equal(e.msg, "p: 0", 4);
}

static void system_errors_become_codes_and_text(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_int_equal(err_errno(&e, ENOSPC, "write %s", "f"), E_DISKFULL);
    assert_string_equal(e.msg, "write f: No space left on device");
    assert_int_equal(err_from_errno(ENOENT), E_NOTFOUND);
    assert_int_equal(err_from_errno(EROFS), E_PERM);
    assert_int_equal(err_from_errno(EADDRINUSE), E_ADDRINUSE);
    assert_int_equal(err_from_errno(ECONNREFUSED), E_UNAVAILABLE);
    assert_int_equal(err_from_errno(EBADF), E_IO);
}

static void every_code_has_a_name_and_a_sentence(void **state)
{
    (void)state;
    assert_string_equal(err_name(E_CORRUPT), "E_CORRUPT");
    assert_string_equal(err_text(E_CORRUPT), "stored bytes are damaged");
    assert_string_equal(err_name(-999), "E_?");
    static const struct {
        int first;
        int last;
    } ranges[] = { { E_STOPPED, E_OK },
                   { E_NOTREADY, E_NOTLEADER },
                   { E_TRANSFEREE, E_EMPTY_KEY },
                   { E_AUTH_OLD, E_ROOT_USER } };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        for (int code = ranges[i].first; code <= ranges[i].last; code++) {
            assert_string_not_equal(err_name(code), "E_?");
        }
    }
}

static void timestamps_format_and_parse_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = { { "1970-01-01T00:00:00Z", 0 },
                 { "2026-11-23T10:00:00Z", 1795428000000 },
                 { "2000-02-29T23:59:59Z", 951868799000 },
                 { "1969-12-31T23:59:59Z", -1000 },
                 { "2100-03-01T00:00:00Z", 4107542400000 } };
    char text[32];
    int64_t ms;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        clock_format(rows[i].ms, text, sizeof text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(clock_parse(rows[i].text, &ms), 0);
        assert_true(ms == rows[i].ms);
    }
    clock_format(-1, text, sizeof text);
    assert_string_equal(text, "1969-12-31T23:59:59Z");
    assert_int_equal(clock_parse("1970-01-01T00:00:01.023456Z", &ms), 0);
    assert_int_equal(ms, 1023);
}

static void wrong_timestamps_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",                     "2026-11-23",           "2026-11-23T10:00:00",
        "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-01-01T24:00:00Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00ZZ",
        "2026-01-01 00:00:00Z", "26-01-01T00:00:00Z",   "2026-01-01T00:00:00+01:00",
    };
    int64_t ms = 5;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(clock_parse(wrong[i], &ms), E_INVAL);
    }
    assert_int_equal(ms, 5);
}

static void ages_read_like_kubectl(void **state)
{
    (void)state;
    enum { S = 1, M = 60, H = 3600, D = 86400, Y = 365 * 86400 };
    static const struct {
        int64_t s;
        const char *text;
    } rows[] = { { -5, "0s" },          { 0, "0s" },
                 { 119, "119s" },       { 2 * M, "2m" },
                 { 2 * M + 10, "2m10s" }, { 10 * M + 5, "10m" },
                 { 179 * M, "179m" },   { 3 * H + 4 * M, "3h4m" },
                 { 9 * H, "9h" },       { 47 * H, "47h" },
                 { 48 * H, "2d" },      { 3 * D + 5 * H, "3d5h" },
                 { 9 * D, "9d" },       { 700 * D, "700d" },
                 { 2LL * Y + D, "2y1d" }, { 9LL * Y, "9y" } };
    char text[16];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        clock_format_age(rows[i].s * 1000, text, sizeof text);
        assert_string_equal(text, rows[i].text);
    }
}

static void clocks_go_forward(void **state)
{
    (void)state;
    uint64_t a = clock_mono_us();
    uint64_t b = clock_mono_us();
    assert_true(b >= a);
    assert_true(clock_mono_ms() >= a / 1000);
    assert_true(clock_wall_ms() > 1600000000000);
    assert_true(clock_cpu_us() > 0);
}

int test_text_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_parse_whole_in_range_or_not_at_all),
        cmocka_unit_test(durations_take_units_and_sums),
        cmocka_unit_test(strings_compare_and_copy_safely),
        cmocka_unit_test(slices_order_like_etcd_keys),
        cmocka_unit_test(a_near_name_is_suggested_and_a_far_one_is_not),
        cmocka_unit_test(quoting_shows_bytes_within_its_room),
        cmocka_unit_test(messages_are_prefixed_on_the_way_up),
        cmocka_unit_test(a_long_message_is_cut_with_dots),
        cmocka_unit_test(system_errors_become_codes_and_text),
        cmocka_unit_test(every_code_has_a_name_and_a_sentence),
        cmocka_unit_test(timestamps_format_and_parse_both_ways),
        cmocka_unit_test(wrong_timestamps_are_refused),
        cmocka_unit_test(ages_read_like_kubectl),
        cmocka_unit_test(clocks_go_forward),
    };
    return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
