/* Label selectors: what they match, the command line's syntax, and how they print. */
#include "test.h"

#include "api/selector.h"
#include "lib/base/assert.h"

struct match_case {
    const char *selector, *labels; /* labels in the same syntax */
    bool matches;
};

static struct label_selector parsed(const char *text)
{
    struct label_selector s = { 0 };
    struct err err = ERR_INIT;
    if (label_selector_parse(text, &s, &err) != 0) {
        fail_msg("%s", err.msg);
    }
    return s;
}

static void selectors_match_as_in_kubernetes(void **state)
{
    static const struct match_case cases[] = {
        { "", "a=1", true },
        { "", "", true },
        { "a=1", "a=1,b=2", true },
        { "a=1", "a=2", false },
        { "a=1", "b=1", false },
        { "a==1", "a=1", true },
        { "a=", "a=", true },
        { "a=", "b=1", false },
        { "a!=1", "a=2", true },
        { "a!=1", "a=1", false },
        { "a!=1", "b=1", true },
        { "a in (1,2)", "a=2", true },
        { "a in (1,2)", "a=3", false },
        { "a in (1,2)", "b=1", false },
        { "a notin (1,2)", "a=3", true },
        { "a notin (1,2)", "a=1", false },
        { "a notin (1,2)", "", true },
        { "a", "a=1", true },
        { "a", "b=1", false },
        { "!a", "b=1", true },
        { "!a", "a=1", false },
        { "a=1,a=2", "a=1", false },
        { "a=1, b in ( x , y ), c notin (z), d, !e", "a=1,b=y,d=0", true },
        { "a=1, b in (x,y), c notin (z), d, !e", "a=1,b=y,d=0,e=0", false },
        { "x.y/app=web", "x.y/app=web", true },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct label_selector s = parsed(cases[i].selector), labels = parsed(cases[i].labels);
        if (label_selector_matches(&s, &labels.match_labels) != cases[i].matches) {
            fail_msg("\"%s\" with \"%s\"", cases[i].selector, cases[i].labels);
        }
        label_selector_fini(&s);
        label_selector_fini(&labels);
    }
}

static void an_unknown_operator_matches_nothing(void **state)
{
    (void)state;
    char key[] = "a", op[] = "Like";
    struct label_requirement r = { .key = key, .operator_ = op };
    struct label_selector s = { .match_expressions = &r, .n_match_expressions = 1 };
    struct string_map labels = { NULL, 0 };
    assert_false(label_selector_matches(&s, &labels));
}

static void wrong_selectors_say_where(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "a=1,", "selector \"a=1,\": expected a label key at the end" },
        { ",a", "selector \",a\", character 1: expected a label key, got \",a\"" },
        { "a b", "selector \"a b\", character 3: expected \"=\", \"!=\", \"in\", \"notin\" or "
                 "\",\", got \"b\"" },
        { "a in x", "selector \"a in x\", character 6: expected \"(\", got \"x\"" },
        { "a in (x", "selector \"a in (x\": expected \",\" or \")\" at the end" },
        { "a in (x y)", "selector \"a in (x y)\", character 9: expected \",\" or \")\", got "
                        "\"y)\"" },
        { "a=-", "selector \"a=-\", character 3: expected a label value (letters, digits, - _ .; "
                 "at most 63), got \"-\"" },
        { "-=a", "selector \"-=a\", character 1: expected a label key, got \"-=a\"" },
        { "!", "selector \"!\": expected a label key at the end" },
        { "!a=1", "selector \"!a=1\", character 3: expected \",\", got \"=1\"" },
        { "a=1)", "selector \"a=1)\", character 4: expected \",\", got \")\"" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct label_selector s = { 0 };
        struct err err = ERR_INIT;
        assert_int_equal(label_selector_parse(cases[i].text, &s, &err), E_INVAL);
        assert_string_equal(err.msg, cases[i].message);
    }
}

static void selectors_print_as_they_are_typed(void **state)
{
    static const char *const texts[] = {
        "", "a=1", "a=1,b=2", "a!=1", "a in (1,2)", "a notin (1,2)", "a", "!a",
        "a=1,b in (x,y),c notin (y,z),d,!e",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        autobuf out = BUF_INIT;
        struct label_selector s = parsed(texts[i]);
        label_selector_print(&s, &out);
        assert_string_equal(buf_str(&out), texts[i]);
        label_selector_fini(&s);
    }
}

int test_selector_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selectors_match_as_in_kubernetes),
        cmocka_unit_test(an_unknown_operator_matches_nothing),
        cmocka_unit_test(wrong_selectors_say_where),
        cmocka_unit_test(selectors_print_as_they_are_typed),
    };
    return cmocka_run_group_tests_name("selector", tests, NULL, NULL);
}
