/* The shim's rules: what is valid, what a mistake is told, which rule counts. */
#include "fixture.h"

#include <errno.h>

#include "lib/base/str.h"
#include "lib/io/fault_rules.h"

static void assert_prints(const char *text, const char *want)
{
    struct fault_rules rules = FAULT_RULES_INIT;
    struct err err = ERR_INIT;
    autobuf printed = BUF_INIT;

    assert_int_equal(fault_rules_parse(slice_str(text), &rules, &err), 0);
    fault_rules_print(&rules, &printed);
    assert_string_equal(buf_str(&printed), want);
    fault_rules_fini(&rules);
}

static void what_is_valid_prints_in_one_form(void **state)
{
    (void)state;
    assert_prints("", "seed 0\n");
    assert_prints("# a comment\n\n  seed 42 # and another\n", "seed 42\n");
    assert_prints("link m1>m2 drop=1.0", "seed 0\nlink m1>m2 drop=1.0\n");
    assert_prints("link m1>* delay_ms=50..100 drop=0.1 duplicate=0.01 reorder=0.05\n",
                  "seed 0\nlink m1>* drop=0.1 duplicate=0.01 reorder=0.05 delay_ms=50..100\n");
    assert_prints("link *>127.0.0.1:2380 cut\r\n", "seed 0\nlink *>127.0.0.1:2380 cut\n");
    assert_prints("link a>b drop=0", "seed 0\nlink a>b drop=0\n");
    assert_prints("conn 127.0.0.1:2379 stall\nconn * refuse\nclient refuse",
                  "seed 0\nconn 127.0.0.1:2379 stall\nconn * refuse\nclient refuse\n");
    assert_prints("disk sync_ms=200..400\ndisk full sync_fails=EIO\n\tdisk track_unsynced",
                  "seed 0\ndisk sync_ms=200..400 sync_fails=EIO full track_unsynced\n");
    assert_prints("disk write_ms=1..9 sync_ms=7 write_fails=ENOSPC",
                  "seed 0\ndisk sync_ms=7 write_ms=1..9 write_fails=ENOSPC\n");
    assert_prints("clock wall_ms=+3600000", "seed 0\nclock wall_ms=+3600000\n");
    assert_prints("clock wall_ms=-5", "seed 0\nclock wall_ms=-5\n");
}

static void a_mistake_is_told_with_its_line_and_what_is_valid(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        { "seed 1\nlnk a>b cut", "line 2: unknown rule \"lnk\" (valid: seed, link, conn," },
        { "seed", "line 1: seed: one number must follow" },
        { "seed -1", "one number must follow" },
        { "link a cut", "line 1: link: \"a\" is not FROM>TO" },
        { "link >b cut", "is not a name or host:port" },
        { "link a>b", "(valid: cut, drop=, duplicate=, reorder=, delay_ms=)" },
        { "link a>b lose=1", "unknown word \"lose=1\"" },
        { "link a>b drop=2", "\"2\" is not a probability from 0 to 1" },
        { "link a>b drop=nan", "\"nan\" is not a probability" },
        { "link a>b drop=1e-1", "\"1e-1\" is not a probability" },
        { "link a>b drop=", "\"\" is not a probability" },
        { "link a>b delay_ms=9..3", "\"9..3\" is not A or A..B milliseconds" },
        { "link a>b delay_ms=99999999", "at most 60000" },
        { "conn stall", "ADDRESS and stall or refuse must follow" },
        { "client maybe", "\"maybe\" is neither stall nor refuse" },
        { "disk sync_fails=EPERM", "\"EPERM\" is none of EIO, ENOSPC, EDQUOT, EROFS" },
        { "clock wall_ms=5", "\"5\" is not +N or -N milliseconds" },
        { "clock wall_ms=+-5", "is not +N or -N milliseconds" },
        { "seed 1 2\n", "one number must follow" },
        { "a b c d e f g h i j k l m n o p q", "more than 16 words" },
        { "seed \x01", "a control byte (0x01)" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fault_rules rules = { .seed = 99 };
        struct err err = ERR_INIT;
        assert_int_equal(fault_rules_parse(slice_str(cases[i].text), &rules, &err), E_INVAL);
        assert_non_null(strstr(err.msg, cases[i].want));
        assert_int_equal(rules.seed, 99);
    }
}

static void there_is_a_bound_for_text_and_rules(void **state)
{
    struct fault_rules rules = FAULT_RULES_INIT;
    struct err err = ERR_INIT;
    autobuf text = BUF_INIT;

    (void)state;
    for (int i = 0; i < FAULT_LINKS_MAX + 1; i++) {
        buf_append_str(&text, "link a>b cut\n");
    }
    assert_int_equal(fault_rules_parse(buf_slice(&text), &rules, &err), E_TOOBIG);
    assert_non_null(strstr(err.msg, "line 257: link: more than 256 links"));
    memset(buf_reserve(&text, FAULT_TEXT_MAX_BYTES), ' ', FAULT_TEXT_MAX_BYTES);
    buf_advance(&text, FAULT_TEXT_MAX_BYTES);
    assert_int_equal(fault_rules_parse(buf_slice(&text), &rules, &err), E_TOOBIG);
}

static void the_first_rule_that_fits_counts(void **state)
{
    struct fault_rules r = FAULT_RULES_INIT;
    const struct fault_name m1 = { "m1", "127.0.0.1:1" };
    const struct fault_name m2 = { "m2", "127.0.0.1:2" };
    const struct fault_name nameless = { NULL, "127.0.0.1:3" };

    (void)state;
    assert_int_equal(fault_rules_parse(slice_str("link m1>m2 drop=0.5\n"
                                                 "link m1>127.0.0.1:3 cut\n"
                                                 "link *>m1 drop=0.25\n"
                                                 "conn 127.0.0.1:2 stall\n"
                                                 "conn * refuse\n"), &r, NULL), 0);
    assert_true(fault_rules_link(&r, m1, m2)->drop > 0.4);
    assert_true(fault_rules_link(&r, m1, nameless)->cut);
    assert_true(fault_rules_link(&r, m2, m1)->drop < 0.3);
    assert_null(fault_rules_link(&r, m2, nameless));
    assert_int_equal(fault_rules_conn(&r, m2), FAULT_CONN_STALL);
    assert_int_equal(fault_rules_conn(&r, m1), FAULT_CONN_REFUSE);
    fault_rules_fini(&r);
}

int test_fault_rules_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_valid_prints_in_one_form),
        cmocka_unit_test(a_mistake_is_told_with_its_line_and_what_is_valid),
        cmocka_unit_test(there_is_a_bound_for_text_and_rules),
        cmocka_unit_test(the_first_rule_that_fits_counts),
    };
    return cmocka_run_group_tests_name("fault rules", tests, NULL, NULL);
}
