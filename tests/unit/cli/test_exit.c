/* Exit codes, and the table of verbs. */
#include "tests/unit/cli/test.h"

#include "cli/cli.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "lib/base/alloc.h"
#include "lib/base/limits.h"

static void each_failure_has_its_stable_code(void **state)
{
    static const struct {
        int status, code;
    } cases[] = {
        { 0, 0 },           { E_INVAL, 1 },     { E_NOTFOUND, 3 },    { E_EXIST, 4 },
        { E_CONFLICT, 4 },  { E_NOLEADER, 5 },  { E_UNAVAILABLE, 5 }, { E_TIMEOUT, 5 },
        { E_COMPACTED, 1 }, { E_NOSPACE, 1 },   { E_PERM, 1 },        { E_LEADER_CHANGED, 5 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(exit_of_status(cases[i].status), cases[i].code);
    }
    assert_int_equal(CLI_USAGE, 2);
    assert_int_equal(CLI_TIMEOUT, 6);
}

static void each_verb_has_one_name_a_group_and_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_verbs_n; i++) {
        assert_ptr_equal(cli_verb_find(cli_verbs[i].name), &cli_verbs[i]);
        assert_true(cli_verbs[i].group < CLI_GROUPS);
        assert_true(strlen(cli_verbs[i].help) < 66);
    }
    assert_null(cli_verb_find("nothing"));
}

static void endpoints_are_cut_at_commas(void **state)
{
    const char *items[LIMIT_ENDPOINTS];
    autofree char *text = NULL;
    autofree char *none = NULL;
    size_t n;
    struct err err;

    (void)state;
    assert_int_equal(cli_endpoints_split("a:1,b:2, c:3,", &text, items, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_string_equal(items[0], "a:1");
    assert_string_equal(items[2], "c:3");
    assert_int_equal(cli_endpoints_split(" ,", &none, items, &n, &err), E_INVAL);
}

int test_exit_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_has_its_stable_code),
        cmocka_unit_test(each_verb_has_one_name_a_group_and_a_sentence),
        cmocka_unit_test(endpoints_are_cut_at_commas),
    };
    return cmocka_run_group_tests_name("exit", tests, NULL, NULL);
}
