/* The command line: every spelling of a flag, and what is said about wrong ones. */
#include "tests/unit/cli/test.h"

#include <stdio.h>

#include "cli/flags.h"
#include "lib/base/assert.h"

struct values {
    const char *output, *name;
    bool watch, all;
    int64_t limit;
    uint64_t timeout_ms;
    struct cli_list files;
};

struct parsed {
    struct values v;
    int argc;
    char *argv[16];
    char text[16][64];
    bool help;
    int rv;
    struct err err;
};

/* `line` is cut at blanks. */
static struct parsed *parse(const char *line)
{
    static struct parsed p;
    struct values *v = &p.v;
    const struct cli_flag flags[] = {
        { "output", 'o', CLI_STRING, &v->output, "FORMAT", "how" },
        { "name", 'n', CLI_STRING, &v->name, "NAME", "who" },
        { "watch", 'w', CLI_BOOL, &v->watch, NULL, "go on" },
        { "all", 'A', CLI_BOOL, &v->all, NULL, "everything" },
        { "limit", 0, CLI_INT, &v->limit, "N", "how many" },
        { "timeout", 0, CLI_DURATION, &v->timeout_ms, "TIME", "how long" },
        { "file", 'f', CLI_LIST, &v->files, "FILE", "which" },
    };

    p = (struct parsed){ .argc = 0 };
    while (*line != 0) {
        size_t n = strcspn(line, " ");
        snprintf(p.text[p.argc], sizeof p.text[0], "%.*s", (int)n, line);
        p.argv[p.argc] = p.text[p.argc];
        p.argc++;
        line += n + (line[n] == ' ');
    }
    p.rv = cli_flags_parse(flags, ARRAY_LEN(flags), &p.argc, p.argv, &p.help, &p.err);
    return &p;
}

static void a_value_may_follow_in_every_usual_way(void **state)
{
    static const char *const lines[] = {
        "get -o yaml",       "get -oyaml",     "get -o=yaml", "get --output yaml",
        "get --output=yaml", "get -woyaml -w",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct parsed *p = parse(lines[i]);
        assert_int_equal(p->rv, 0);
        assert_string_equal(p->v.output, "yaml");
    }
}

static void letters_of_booleans_may_stand_together(void **state)
{
    struct parsed *p = parse("get -wA pods");

    (void)state;
    assert_int_equal(p->rv, 0);
    assert_true(p->v.watch);
    assert_true(p->v.all);
    assert_int_equal(p->argc, 2);
    assert_string_equal(p->argv[1], "pods");
}

static void a_boolean_may_be_told_false(void **state)
{
    (void)state;
    assert_false(parse("x --watch --watch=false")->v.watch);
    assert_int_equal(parse("x --watch=maybe")->rv, E_INVAL);
}

static void arguments_keep_their_order_among_flags(void **state)
{
    struct parsed *p = parse("kv put --limit 3 key -n me value -");

    (void)state;
    assert_int_equal(p->argc, 5);
    assert_string_equal(p->argv[1], "put");
    assert_string_equal(p->argv[2], "key");
    assert_string_equal(p->argv[3], "value");
    assert_string_equal(p->argv[4], "-");
    assert_int_equal(p->v.limit, 3);
}

static void two_dashes_end_the_flags(void **state)
{
    struct parsed *p = parse("kv put -- --key -v");

    (void)state;
    assert_int_equal(p->argc, 4);
    assert_string_equal(p->argv[2], "--key");
    assert_string_equal(p->argv[3], "-v");
}

static void a_list_flag_gathers_its_values(void **state)
{
    struct parsed *p = parse("apply -f a -f b --file=c");

    (void)state;
    assert_int_equal(p->v.files.n, 3);
    assert_string_equal(p->v.files.items[2], "c");
}

static void plain_durations_are_seconds(void **state)
{
    (void)state;
    assert_int_equal(parse("x --timeout 5")->v.timeout_ms, 5000);
    assert_int_equal(parse("x --timeout 250ms")->v.timeout_ms, 250);
    assert_int_equal(parse("x --timeout 2m")->v.timeout_ms, 120000);
    assert_int_equal(parse("x --timeout soon")->rv, E_INVAL);
}

static void a_misspelt_flag_gets_the_nearest_name(void **state)
{
    struct parsed *p = parse("get --outptu yaml");

    (void)state;
    assert_int_equal(p->rv, E_INVAL);
    assert_string_equal(p->err.msg, "unknown flag --outptu (did you mean --output?)");
    assert_int_equal(parse("get -x")->rv, E_INVAL);
}

static void a_missing_value_is_told(void **state)
{
    struct parsed *p = parse("get -o");

    (void)state;
    assert_int_equal(p->rv, E_INVAL);
    assert_string_equal(p->err.msg, "-o needs a value (FORMAT)");
    assert_int_equal(parse("x --limit many")->rv, E_INVAL);
}

static void help_is_a_flag_of_every_verb(void **state)
{
    (void)state;
    assert_true(parse("get -h")->help);
    assert_true(parse("get pods --help")->help);
    assert_false(parse("get pods")->help);
}

static void too_many_values_of_a_list_are_refused(void **state)
{
    struct cli_list list = { .n = 0 };
    const struct cli_flag flag = { "file", 'f', CLI_LIST, &list, "FILE", "which" };
    char *argv[2 * CLI_LIST_MAX + 4] = { NULL };
    char name[] = "x", letter[] = "-f", text[] = "v";
    int argc = 1;
    bool help;
    struct err err;

    (void)state;
    argv[0] = name;
    for (int i = 0; i <= CLI_LIST_MAX; i++) {
        argv[argc++] = letter;
        argv[argc++] = text;
    }
    assert_int_equal(cli_flags_parse(&flag, 1, &argc, argv, &help, &err), E_TOOBIG);
}

static void help_lists_letter_name_and_value(void **state)
{
    const char *s;
    bool b;
    const struct cli_flag flags[] = {
        { "output", 'o', CLI_STRING, &s, "FORMAT", "how it is printed" },
        { "all", 0, CLI_BOOL, &b, NULL, "everything" },
    };
    autobuf out = BUF_INIT;

    (void)state;
    cli_flags_print(flags, ARRAY_LEN(flags), &out);
    assert_string_equal(buf_str(&out), "  -o, --output FORMAT          how it is printed\n"
                                       "      --all                    everything\n");
}

int test_flags_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_may_follow_in_every_usual_way),
        cmocka_unit_test(letters_of_booleans_may_stand_together),
        cmocka_unit_test(a_boolean_may_be_told_false),
        cmocka_unit_test(arguments_keep_their_order_among_flags),
        cmocka_unit_test(two_dashes_end_the_flags),
        cmocka_unit_test(a_list_flag_gathers_its_values),
        cmocka_unit_test(plain_durations_are_seconds),
        cmocka_unit_test(a_misspelt_flag_gets_the_nearest_name),
        cmocka_unit_test(a_missing_value_is_told),
        cmocka_unit_test(help_is_a_flag_of_every_verb),
        cmocka_unit_test(too_many_values_of_a_list_are_refused),
        cmocka_unit_test(help_lists_letter_name_and_value),
    };
    return cmocka_run_group_tests_name("flags", tests, NULL, NULL);
}
