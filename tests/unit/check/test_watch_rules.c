/* Rules of watches that no right stream comes near: each in one small stream. */
#include <stdio.h>

#include "check/watch.h"
#include "lib/base/err.h"
#include "tests/unit/check/tests.h"

enum { LAST = 6 };

struct world {
    struct check_pool pool;
    struct check_log log;
    struct check_watch *w;
    struct check_watch_options o;
};

static struct check_kv kv_of(int64_t revision, const char *key)
{
    return (struct check_kv){ .key = slice_str(key),
                              .value = slice_str("v"),
                              .create_revision = revision,
                              .mod_revision = revision,
                              .version = 1 };
}

/* Revisions 2 to 6: keys "2" to "6"; 4 has "4" and "4b". */
static void world_init(struct world *w, size_t pool_max)
{
    *w = (struct world){ .o = { .complete_revision = 0 } };
    check_pool_init(&w->pool, pool_max);
    check_log_init(&w->log, &w->pool);
    for (int64_t r = 2; r <= LAST; r++) {
        char key[8];
        snprintf(key, sizeof key, "%d", (int)r);
        struct check_event e[2] = { { .kv = kv_of(r, key) }, { .kv = kv_of(r, "4b") } };
        assert_int_equal(check_log_add(&w->log, r, 0, e, r == 4 ? 2 : 1), 0);
    }
    w->w = check_watch_new(&w->pool, 1, 1);
}

static void asked(struct world *w, int64_t start, int64_t compacted)
{
    struct check_watch_request r = { .range_end = slice_make("", 1), .start_revision = start };
    check_watch_asked(w->w, 1, 1, &r, compacted);
}

static void told(struct world *w, int64_t r)
{
    char key[8];
    snprintf(key, sizeof key, "%d", (int)r);
    struct check_watch_event e[2] = { { .kv = kv_of(r, key) }, { .kv = kv_of(r, "4b") } };
    check_watch_events(w->w, 2, r, false, e, r == 4 ? 2 : 1);
}

static void judge(struct world *w, const char *verdict, enum check_result want)
{
    struct check_report report;
    check_report_init(&report);
    int rv = check_watches(&w->w, 1, &w->log, &w->o, &report);
    assert_int_equal(rv, check_result_code(check_report_result(&report)));
    assert_int_equal(check_report_result(&report), want);
    if (verdict != NULL) {
        assert_int_equal(check_report_find(&report, verdict)->result, want);
    }
    check_report_fini(&report);
    check_log_fini(&w->log);
    check_pool_fini(&w->pool);
}

#define STREAM(verdict, want, ...)                                                                 \
    do {                                                                                           \
        struct world world_, *w = &world_;                                                         \
        world_init(w, 0);                                                                          \
        __VA_ARGS__;                                                                               \
        judge(w, verdict, want);                                                                   \
    } while (0)

static void test_creation_is_told_first(void **state)
{
    (void)state;
    STREAM(NULL, CHECK_HOLDS, asked(w, 2, 0); check_watch_created(w->w, 1, 6); told(w, 2));
    STREAM("watch start", CHECK_VIOLATED, asked(w, 2, 0); told(w, 2);
           check_watch_created(w->w, 1, 6));
    STREAM("watch start", CHECK_VIOLATED, asked(w, 0, 0); told(w, 2));
}

static void test_bookmarks_do_not_go_back(void **state)
{
    (void)state;
    STREAM("watch bookmarkable", CHECK_VIOLATED, asked(w, 5, 0); check_watch_created(w->w, 1, 6);
           told(w, 5); check_watch_progress(w->w, 3, 4));
    /* A watch of the future is told where the store is. */
    STREAM(NULL, CHECK_HOLDS, asked(w, 90, 0); check_watch_created(w->w, 1, 6);
           check_watch_progress(w->w, 3, 6));
}

static void test_an_event_twice_in_one_response_is_caught(void **state)
{
    (void)state;
    struct check_watch_event e[2] = { { .kv = kv_of(2, "2") }, { .kv = kv_of(2, "2") } };
    STREAM("watch unique", CHECK_VIOLATED, asked(w, 2, 0); check_watch_created(w->w, 1, 6);
           check_watch_events(w->w, 2, 2, false, e, 2));
}

static void test_what_is_open_at_the_end_must_be_there(void **state)
{
    (void)state;
    STREAM("watch reliable", CHECK_VIOLATED, w->o.complete_revision = LAST; asked(w, 2, 0));
    STREAM(NULL, CHECK_HOLDS, w->o.complete_revision = LAST; asked(w, 2, 0);
           check_watch_lost(w->w, 2));
    STREAM("watch compacted", CHECK_VIOLATED, w->o.complete_revision = LAST;
           w->o.compacted_revision = 4; asked(w, 2, 4); check_watch_created(w->w, 1, 6));
}

static void test_after_a_cut_nothing_counts(void **state)
{
    (void)state;
    STREAM(NULL, CHECK_HOLDS, asked(w, 2, 0); check_watch_created(w->w, 1, 6);
           check_watch_canceled(w->w, 2, 6, 0); told(w, 5));
    STREAM(NULL, CHECK_HOLDS, asked(w, 2, 0); check_watch_progress(w->w, 2, 1);
           check_watch_lost(w->w, 3));
}

static void test_a_log_too_short_leaves_it_open(void **state)
{
    (void)state;
    STREAM(
        "watch reliable", CHECK_UNDECIDED, asked(w, 2, 0); check_watch_created(w->w, 1, 6);
        for (int64_t r = 2; r <= LAST + 1; r++) { told(w, r); });
    STREAM(
        "watch reliable", CHECK_UNDECIDED, asked(w, 2, 0); check_watch_created(w->w, 1, 6);
        for (int64_t r = 2; r <= LAST; r++) { told(w, r); } check_watch_progress(w->w, 2, 9));
    struct world w;
    world_init(&w, 0);
    check_log_fini(&w.log);
    check_log_init(&w.log, &w.pool);
    struct check_kv base = kv_of(3, "3");
    check_log_base(&w.log, 5, &base, 1);
    asked(&w, 2, 0);
    judge(&w, "watch reliable", CHECK_UNDECIDED);
}

static void test_a_full_pool_leaves_it_open(void **state)
{
    (void)state;
    struct world w;
    uint64_t dropped = 0, facts = 0;
    world_init(&w, 1 << 16);
    asked(&w, 2, 0);
    for (int i = 0; i < 10000 && dropped == 0; i++) {
        check_watch_progress(w.w, 2, 1);
        facts = check_watch_facts(w.w, &dropped);
    }
    assert_true(facts > 10 && dropped == 1);
    assert_null(check_watch_new(&w.pool, 1, 2));
    judge(&w, "watch reliable", CHECK_UNDECIDED);
}

int run_watch_rules_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_creation_is_told_first),
        cmocka_unit_test(test_bookmarks_do_not_go_back),
        cmocka_unit_test(test_an_event_twice_in_one_response_is_caught),
        cmocka_unit_test(test_what_is_open_at_the_end_must_be_there),
        cmocka_unit_test(test_after_a_cut_nothing_counts),
        cmocka_unit_test(test_a_log_too_short_leaves_it_open),
        cmocka_unit_test(test_a_full_pool_leaves_it_open),
    };
    return cmocka_run_group_tests_name("check/watch rules", tests, NULL, NULL);
}
