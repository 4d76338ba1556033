/* The log: levels, the shape of a line, and that nobody waits for a reader that does not read. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/log.h"

struct captured {
    int n;
    enum log_level level;
    char line[8192];
};

static void capture(void *arg, enum log_level level, const char *line)
{
    struct captured *c = arg;
    c->n++;
    c->level = level;
    (void)snprintf(c->line, sizeof c->line, "%s", line);
}

static int set_up(void **state)
{
    *state = mem_zalloc(sizeof(struct captured));
    log_set_level(LOG_INFO);
    log_set_sink(capture, *state);
    return 0;
}

static int tear_down(void **state)
{
    log_set_sink(NULL, NULL);
    log_set_level(LOG_INFO);
    mem_free(*state);
    return 0;
}

static void a_line_has_time_level_area_message_and_fields(void **state)
{
    struct captured *c = *state;
    log_info("raft", "became leader", "term=%d last=%d", 7, 1041);
    assert_int_equal(c->n, 1);
    assert_int_equal(c->level, LOG_INFO);
    assert_int_equal(c->line[10], 'T');
    assert_int_equal(c->line[23], 'Z');
    assert_string_equal(c->line + 24, " INFO  raft  became leader term=7 last=1041");
    log_error("wal", "torn tail");
    assert_string_equal(c->line + 24, " ERROR wal  torn tail");
}

static void lines_below_the_level_are_not_formatted(void **state)
{
    struct captured *c = *state;
    log_debug("x", "not seen");
    assert_int_equal(c->n, 0);
    log_set_level(LOG_DEBUG);
    log_debug("x", "seen");
    assert_int_equal(c->n, 1);
    log_set_level(LOG_OFF);
    log_error("x", "not seen");
    assert_int_equal(c->n, 1);
}

static void a_field_cannot_start_a_new_line(void **state)
{
    struct captured *c = *state;
    log_warn("x", "key", "key=%s", "a\nERROR forged\x1b[0m");
    assert_null(strchr(c->line, '\n'));
    assert_null(strchr(c->line, 0x1b));
}

static void a_long_line_is_cut_with_dots(void **state)
{
    struct captured *c = *state;
    log_info("x", "long", "v=%06000d", 1);
    assert_true(strlen(c->line) < 4200);
    assert_string_equal(c->line + strlen(c->line) - 3, "...");
}

static void level_names_parse(void **state)
{
    (void)state;
    enum log_level l;
    assert_int_equal(log_level_parse("debug", &l), 0);
    assert_int_equal(l, LOG_DEBUG);
    assert_int_equal(log_level_parse("WARN", &l), 0);
    assert_int_equal(l, LOG_WARN);
    assert_int_equal(log_level_parse("panic", &l), 0);
    assert_int_equal(l, LOG_ERROR);
    assert_int_equal(log_level_parse("loud", &l), E_INVAL);
}

static void the_thread_writes_every_line_in_order(void **state)
{
    (void)state;
    enum { LINES = 200 };
    int fds[2];
    char *text = mem_zalloc(LINES * 64);
    size_t len = 0;
    log_set_sink(NULL, NULL);
    assert_int_equal(pipe(fds), 0);
    log_start(fds[1]);
    for (int i = 0; i < LINES; i++) {
        log_info("t", "line", "i=%d", i);
    }
    log_flush(5000);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    for (ssize_t n; (n = read(fds[0], text + len, LINES * 64 - len)) > 0;) {
        len += (size_t)n;
    }
    log_stop();
    const char *at = text;
    for (int i = 0; i < LINES; i++) {
        char want[32];
        (void)snprintf(want, sizeof want, "line i=%d\n", i);
        at = strstr(at, want);
        assert_non_null(at);
    }
    close(fds[0]);
    close(fds[1]);
    mem_free(text);
}

static void a_full_ring_drops_and_counts_and_a_stop_does_not_hang(void **state)
{
    (void)state;
    int fds[2];
    log_set_sink(NULL, NULL);
    assert_int_equal(pipe(fds), 0);
    uint64_t before = log_dropped();
    log_start(fds[1]);
    /* Far more than pipe and ring hold, with nobody reading. */
    for (int i = 0; i < 2000; i++) {
        log_info("t", "line", "v=%01000d", i);
    }
    assert_true(log_dropped() > before);
    uint64_t t0 = clock_mono_ms();
    log_stop();
    assert_true(clock_mono_ms() - t0 < 5000);
    close(fds[0]);
    close(fds[1]);
}

/* In a child: stderr becomes a pipe that is full and that nobody reads. */
static void stop_the_reader(void)
{
    static char zeros[4096];
    int fds[2];
    if (pipe(fds) != 0 || fcntl(fds[1], F_SETFL, O_NONBLOCK) != 0) {
        _exit(3);
    }
    while (write(fds[1], zeros, sizeof zeros) > 0) {
    }
    if (fcntl(fds[1], F_SETFL, 0) != 0 || dup2(fds[1], STDERR_FILENO) < 0) {
        _exit(3);
    }
    alarm(20); /* ends what hangs, but not in the way that is wanted */
}

static void assert_unheard(void)
{
    stop_the_reader();
    log_start(STDERR_FILENO);
    log_error("t", "the last line");
    assert_fail("test", "nobody reads this", __FILE__, __LINE__);
}

static void run_out_of_memory_unheard(void)
{
    stop_the_reader();
    mem_exhausted(1);
}

static void who_must_end_ends_though_nobody_reads_stderr(void **state)
{
    (void)state;
    assert_true(child_aborts(assert_unheard, ""));
    assert_true(child_exits(run_out_of_memory_unheard, MEM_EXIT_STATUS, ""));
}

static void the_reader_is_told_how_many_lines_were_lost(void **state)
{
    (void)state;
    int fds[2];
    char *text = mem_zalloc(4 * 1024 * 1024);
    size_t len = 0;
    log_set_sink(NULL, NULL);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    log_start(fds[1]);
    for (int i = 0; i < 2000; i++) {
        log_info("t", "line", "v=%01000d", i);
    }
    uint64_t until = clock_mono_ms() + 10000;
    while (strstr(text, "lines dropped count=") == NULL && clock_mono_ms() < until) {
        ssize_t n = read(fds[0], text + len, 4 * 1024 * 1024 - 1 - len);
        len += n > 0 ? (size_t)n : 0;
        text[len] = 0;
        log_flush(1);
    }
    assert_non_null(strstr(text, " WARN  log  lines dropped count="));
    log_stop();
    close(fds[0]);
    close(fds[1]);
    mem_free(text);
}

int test_log_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_time_level_area_message_and_fields, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(lines_below_the_level_are_not_formatted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_field_cannot_start_a_new_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_line_is_cut_with_dots, set_up, tear_down),
        cmocka_unit_test(level_names_parse),
        cmocka_unit_test_setup_teardown(the_thread_writes_every_line_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_ring_drops_and_counts_and_a_stop_does_not_hang,
                                        set_up, tear_down),
        cmocka_unit_test(who_must_end_ends_though_nobody_reads_stderr),
        cmocka_unit_test_setup_teardown(the_reader_is_told_how_many_lines_were_lost, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
