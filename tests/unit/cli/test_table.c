/* The printer of tables, by golden text. */
#include "tests/unit/cli/test.h"

#include "cli/table.h"

static void fill(struct table *t, const char *const *cells, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        table_add(t, cells[i], TONE_PLAIN);
    }
}

static void print_is(struct table *t, size_t width, const char *want)
{
    struct table_style style = { width, false };
    autobuf out = BUF_INIT;

    table_print(t, &style, &out);
    assert_string_equal(buf_str(&out), want);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    static const char *const cells[] = { "NAME", "READY", "AGE", "web-1", "1/1", "5s",
                                         "a",    "10/10", "12d" };
    struct table t;

    (void)state;
    table_init(&t, 3);
    fill(&t, cells, 9);
    assert_int_equal(table_rows(&t), 2);
    print_is(&t, 0, "NAME    READY   AGE\n"
                    "web-1   1/1     5s\n"
                    "a       10/10   12d\n");
    table_fini(&t);
}

static void an_absent_cell_says_so(void **state)
{
    static const char *const cells[] = { "NAME", "NODE", "p", NULL };
    struct table t;

    (void)state;
    table_init(&t, 2);
    fill(&t, cells, 4);
    print_is(&t, 0, "NAME   NODE\np      <none>\n");
    table_fini(&t);
}

static void no_line_ends_with_blanks(void **state)
{
    static const char *const cells[] = { "A", "B", "x", "" };
    struct table t;

    (void)state;
    table_init(&t, 2);
    fill(&t, cells, 4);
    print_is(&t, 0, "A   B\nx\n");
    table_fini(&t);
}

static void the_widest_cells_are_cut_to_fit_the_screen(void **state)
{
    static const char *const cells[] = { "NAME", "MESSAGE", "pod", "a message of many words" };
    struct table t;

    (void)state;
    table_init(&t, 2);
    fill(&t, cells, 4);
    print_is(&t, 24, "NAME   MESSAGE\n"
                     "pod    a message of man~\n");
    table_fini(&t);
}

static void names_are_never_cut(void **state)
{
    static const char *const cells[] = { "NAMESPACE", "NAME", "AGE", "default",
                                         "a-long-name-of-a-pod", "1s" };
    struct table t;

    (void)state;
    table_init(&t, 3);
    fill(&t, cells, 6);
    print_is(&t, 10, "NAMESPACE   NAME                   AGE\n"
                     "default     a-long-name-of-a-pod   1s\n");
    table_fini(&t);
}

static void characters_are_counted_not_bytes(void **state)
{
    static const char *const cells[] = { "A", "B", "\xc3\xa4\xc3\xb6", "x", "abc", "y" };
    struct table t;

    (void)state;
    table_init(&t, 2);
    fill(&t, cells, 6);
    print_is(&t, 0, "A     B\n"
                    "\xc3\xa4\xc3\xb6    x\n"
                    "abc   y\n");
    table_fini(&t);
}

static void rows_added_later_stay_in_line(void **state)
{
    static const char *const first[] = { "NAME", "AGE", "web-12", "1s" };
    static const char *const later[] = { "web-1", "2s" };
    static const char *const wider[] = { "web-12345", "3s" };
    struct table t;

    (void)state;
    table_init(&t, 2);
    fill(&t, first, 4);
    print_is(&t, 0, "NAME     AGE\nweb-12   1s\n");
    fill(&t, later, 2);
    print_is(&t, 0, "web-1    2s\n");
    fill(&t, wider, 2);
    print_is(&t, 0, "web-12345   3s\n");
    table_fini(&t);
}

static void control_characters_never_reach_the_terminal(void **state)
{
    static const char *const cells[] = { "A", "\x1b[2Jx" };
    struct table t;

    (void)state;
    table_init(&t, 1);
    fill(&t, cells, 2);
    print_is(&t, 0, "A\n?[2Jx\n");
    table_fini(&t);
}

static void colours_are_only_used_when_asked_for(void **state)
{
    struct table_style style = { 0, true };
    autobuf out = BUF_INIT;
    struct table t;

    (void)state;
    table_init(&t, 2);
    table_add(&t, "S", TONE_PLAIN);
    table_add(&t, "X", TONE_PLAIN);
    table_add(&t, "ok", TONE_GOOD);
    table_add(&t, "y", TONE_PLAIN);
    table_print(&t, &style, &out);
    assert_string_equal(buf_str(&out), "S    X\n\x1b[32mok\x1b[0m   y\n");
    table_clear(&t);
    table_add(&t, "S", TONE_BAD);
    table_add(&t, "X", TONE_BAD);
    print_is(&t, 0, "S   X\n");
    table_fini(&t);
}

int test_table_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(an_absent_cell_says_so),
        cmocka_unit_test(no_line_ends_with_blanks),
        cmocka_unit_test(the_widest_cells_are_cut_to_fit_the_screen),
        cmocka_unit_test(names_are_never_cut),
        cmocka_unit_test(characters_are_counted_not_bytes),
        cmocka_unit_test(rows_added_later_stay_in_line),
        cmocka_unit_test(control_characters_never_reach_the_terminal),
        cmocka_unit_test(colours_are_only_used_when_asked_for),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
