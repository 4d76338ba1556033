/* Quantities: exact values, rounding up, ranges, and canonical text. */
#include "test.h"

#include "api/quantity.h"
#include "lib/base/assert.h"

static void quantities_are_exact_thousandths(void **state)
{
    static const struct {
        const char *text;
        int64_t milli;
    } cases[] = {
        { "0", 0 },
        { "1", 1000 },
        { "+2", 2000 },
        { "-0", 0 },
        { "100m", 100 },
        { "0.1", 100 },
        { "1.5", 1500 },
        { ".5", 500 },
        { "5.", 5000 },
        { "0.0001", 1 },
        { "1u", 1 },
        { "1n", 1 },
        { "0n", 0 },
        { "1001u", 2 },
        { "1k", 1000000 },
        { "1e3", 1000000 },
        { "1E3", 1000000 },
        { "1e+3", 1000000 },
        { "1500e-3", 1500 },
        { "1e-40", 1 },
        { "9P", INT64_C(9000000000000000000) },
        { "1Ki", 1024000 },
        { "64Mi", INT64_C(67108864000) },
        { "1.5Gi", INT64_C(1610612736000) },
        { "2Ti", INT64_C(2199023255552000) },
        { "8Pi", INT64_C(9007199254740992000) },
        { "9223372036854775807m", INT64_MAX },
        { "0000000000000000000000000000000000001", 1000 },
        { "0E", 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        int64_t milli = -1;
        assert_int_equal(quantity_parse(cases[i].text, &milli, &err), 0);
        assert_int_equal(milli, cases[i].milli);
    }
}

static void wrong_quantities_say_why(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "", "\"\" is not a quantity (like 100m, 0.5, 2, 64Mi, 1G, 1e3)" },
        { "abc", "\"abc\" is not a quantity (like 100m, 0.5, 2, 64Mi, 1G, 1e3)" },
        { "1 ", "\"1 \" is not a quantity (like 100m, 0.5, 2, 64Mi, 1G, 1e3)" },
        { "1K", "\"1K\" is not a quantity (like 100m, 0.5, 2, 64Mi, 1G, 1e3)" },
        { "1ki", "\"1ki\" is not a quantity (like 100m, 0.5, 2, 64Mi, 1G, 1e3)" },
        { "1.2.3", "\"1.2.3\" is not a quantity (like 100m, 0.5, 2, 64Mi, 1G, 1e3)" },
        { ".", "\".\" is not a quantity (like 100m, 0.5, 2, 64Mi, 1G, 1e3)" },
        { "1e", "\"1e\" is not a quantity (like 100m, 0.5, 2, 64Mi, 1G, 1e3)" },
        { "1e3x", "\"1e3x\" is not a quantity (like 100m, 0.5, 2, 64Mi, 1G, 1e3)" },
        { "--1", "\"--1\" is not a quantity (like 100m, 0.5, 2, 64Mi, 1G, 1e3)" },
        { "-1", "\"-1\" is negative" },
        { "-0.1m", "\"-0.1m\" is negative" },
        { "9223372036854775808m", "\"9223372036854775808m\" is out of range" },
        { "1E", "\"1E\" is out of range" },
        { "16Ei", "\"16Ei\" is out of range" },
        { "1e99999999999", "\"1e99999999999\" is out of range" },
        { "999999999999999999999999999999Ei",
          "\"999999999999999999999999999999Ei\" is out of range" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        int64_t milli = -1;
        assert_int_equal(quantity_parse(cases[i].text, &milli, &err), E_INVAL);
        assert_string_equal(err.msg, cases[i].message);
        assert_int_equal(milli, -1);
    }
}

static void quantities_print_short(void **state)
{
    static const struct {
        int64_t milli;
        const char *cpu;
    } cpu[] = { { 0, "0" }, { 2000, "2" }, { 1500, "1500m" }, { 1, "1m" } };
    static const struct {
        int64_t bytes;
        const char *text;
    } bytes[] = {
        { 0, "0" }, { 1000, "1000" }, { 1024, "1Ki" }, { 1536, "1536" }, { 67108864, "64Mi" },
        { INT64_C(1) << 40, "1Ti" }, { INT64_C(1) << 62, "4Ei" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cpu); i++) {
        autobuf out = BUF_INIT;
        quantity_print_cpu(cpu[i].milli, &out);
        assert_string_equal(buf_str(&out), cpu[i].cpu);
    }
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
        autobuf out = BUF_INIT;
        quantity_print_bytes(bytes[i].bytes, &out);
        assert_string_equal(buf_str(&out), bytes[i].text);
    }
}

static void what_is_printed_parses_back(void **state)
{
    (void)state;
    for (int64_t milli = 0; milli < 5000; milli += 7) {
        autobuf out = BUF_INIT;
        int64_t back = -1;
        quantity_print_cpu(milli, &out);
        assert_int_equal(quantity_parse(buf_str(&out), &back, NULL), 0);
        assert_int_equal(back, milli);
    }
}

int test_quantity_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantities_are_exact_thousandths),
        cmocka_unit_test(wrong_quantities_say_why),
        cmocka_unit_test(quantities_print_short),
        cmocka_unit_test(what_is_printed_parses_back),
    };
    return cmocka_run_group_tests_name("quantity", tests, NULL, NULL);
}
