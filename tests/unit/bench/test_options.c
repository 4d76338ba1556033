/* The flags of `barque bench`. */
#include "tests/unit/bench/tests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/engine.h"
#include "lib/base/assert.h"

/* Up to four arguments after the command's name. */
static int parse(struct bench_options *o, struct err *err, const char *a, const char *b,
                 const char *c, const char *d)
{
    const char *argv[] = { "bench", a, b, c, d, NULL };
    int argc = 1;
    while (argc < 5 && argv[argc] != NULL) {
        argc++;
    }
    return bench_options_parse(o, argc, (char **)(uintptr_t)argv, err);
}

static void without_flags_the_defaults_hold(void **state)
{
    (void)state;
    struct bench_options o;
    assert_int_equal(parse(&o, NULL, NULL, NULL, NULL, NULL), 0);
    assert_string_equal(o.load, "put");
    assert_int_equal(o.n_endpoints, 1);
    assert_string_equal(o.endpoints[0], "127.0.0.1:2379");
    assert_int_equal(o.clients, 100);
    assert_int_equal(o.conns, 10);
    assert_int_equal(o.value_bytes, 256);
    assert_false(o.json);
}

static void endpoints_are_addresses_or_urls(void **state)
{
    (void)state;
    struct bench_options o;
    assert_int_equal(parse(&o, NULL, "--endpoints", "a:1,http://127.0.0.1:2,c:3", NULL, NULL), 0);
    assert_int_equal(o.n_endpoints, 3);
    assert_string_equal(o.endpoints[0], "a:1");
    assert_string_equal(o.endpoints[1], "127.0.0.1:2");
    assert_string_equal(o.endpoints[2], "c:3");
}

static void values_follow_an_equals_sign_too(void **state)
{
    (void)state;
    struct bench_options o;
    assert_int_equal(parse(&o, NULL, "--clients=1", "--pids=12,34", "-o", "json"), 0);
    assert_int_equal(o.clients, 1);
    assert_int_equal(o.n_pids, 2);
    assert_int_equal(o.pids[0], 12);
    assert_int_equal(o.pids[1], 34);
    assert_true(o.json);
}

static void there_are_never_more_connections_than_clients(void **state)
{
    (void)state;
    struct bench_options o;
    assert_int_equal(parse(&o, NULL, "--clients", "3", NULL, NULL), 0);
    assert_int_equal(o.conns, 3);
}

static void help_is_asked_for_by_either_name(void **state)
{
    (void)state;
    struct bench_options o;
    assert_int_equal(parse(&o, NULL, "--help", NULL, NULL, NULL), 0);
    assert_true(o.help);
    assert_int_equal(parse(&o, NULL, "-h", NULL, NULL, NULL), 0);
    assert_true(o.help);
}

static void wrong_flags_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *flag, *value, *says;
    } cases[] = {
        { "--endpoint", "a:1", "did you mean --endpoints?" },
        { "--endpoints", "a", "is not HOST:PORT" },
        { "--endpoints", "https://a:1", "TLS is absent" },
        { "--endpoints", ",", "is empty" },
        { "--clients", "0", "not a number from 1 to 100000" },
        { "--clients", "ten", "not a number from 1 to 100000" },
        { "--clients", "100001", "not a number from 1 to 100000" },
        { "--value-bytes", "1048577", "not a number from 0 to 1048576" },
        { "--batch", "129", "not a number from 1 to 128" },
        { "--pids", "1,x", "\"x\" is not a process id" },
        { "--pids", "0", "\"0\" is not a process id" },
        { "--seconds", NULL, "--seconds needs a value" },
        { "-o", "yaml", "neither table nor json" },
        { "put", NULL, "unexpected argument \"put\"" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench_options o;
        struct err err = ERR_INIT;
        assert_int_equal(parse(&o, &err, cases[i].flag, cases[i].value, NULL, NULL), E_INVAL);
        if (strstr(err.msg, cases[i].says) == NULL) {
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].flag, err.msg, cases[i].says);
        }
    }
}

static void every_load_is_found_by_its_name_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < bench_loads_n; i++) {
        assert_ptr_equal(load_find(bench_loads[i].name), &bench_loads[i]);
    }
    assert_null(load_find("gets"));
}

static void keys_sort_in_order_of_their_index(void **state)
{
    (void)state;
    uint8_t a[KEY_BYTES], b[KEY_BYTES];
    bench_key(a, 42);
    assert_memory_equal(a, "bench/0000000042", KEY_BYTES);
    bench_key(a, 99999);
    bench_key(b, 100000);
    assert_true(memcmp(a, b, KEY_BYTES) < 0);
}

int test_options_run(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_flags_the_defaults_hold),
        cmocka_unit_test(endpoints_are_addresses_or_urls),
        cmocka_unit_test(values_follow_an_equals_sign_too),
        cmocka_unit_test(there_are_never_more_connections_than_clients),
        cmocka_unit_test(help_is_asked_for_by_either_name),
        cmocka_unit_test(wrong_flags_are_refused_with_the_reason),
        cmocka_unit_test(every_load_is_found_by_its_name_only),
        cmocka_unit_test(keys_sort_in_order_of_their_index),
    };
    return cmocka_run_group_tests_name("bench options", tests, NULL, NULL);
}
