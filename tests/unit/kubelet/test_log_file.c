/* Reading logs: the last lines, and lines as people see them. */
#include "tests/unit/kubelet/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kubelet/log_file.h"
#include "lib/base/alloc.h"
#include "lib/io/loop.h"

static uint64_t tail_of(const char *text, size_t len, int64_t lines)
{
    char path[] = "/tmp/barque-log.XXXXXX";
    int fd = mkstemp(path);
    struct loop *loop = loop_new();
    struct file *f = NULL;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
    assert_int_equal(file_open(loop_fs(loop), path, FILE_READ, &f, NULL), 0);
    uint64_t offset = log_file_tail(f, lines);
    file_close(f);
    unlink(path);
    loop_free(loop);
    return offset;
}

static void the_tail_begins_where_the_last_lines_begin(void **state)
{
    (void)state;
    assert_int_equal(tail_of("a\nbb\nccc\n", 9, 1), 5);
    assert_int_equal(tail_of("a\nbb\nccc\n", 9, 2), 2);
    assert_int_equal(tail_of("a\nbb\nccc\n", 9, 3), 0);
    assert_int_equal(tail_of("a\nbb\nccc\n", 9, 100), 0);
    assert_int_equal(tail_of("a\nbb", 4, 1), 2); /* a line that is not whole yet */
    assert_int_equal(tail_of("", 0, 1), 0);
    assert_int_equal(tail_of("\n\n\n", 3, 2), 1);
}

static void the_tail_of_a_long_log_is_found_across_blocks(void **state)
{
    enum { LINES = 3000, WIDTH = 100 };
    autofree char *text = mem_alloc(LINES * WIDTH);
    (void)state;
    memset(text, 'x', LINES * WIDTH);
    for (size_t i = 1; i <= LINES; i++) {
        text[i * WIDTH - 1] = '\n';
    }
    for (int64_t n = 1; n < LINES; n += 333) {
        assert_int_equal(tail_of(text, LINES * WIDTH, n), (LINES - n) * WIDTH);
    }
}

struct line_row {
    const char *line;
    bool timestamps;
    const char *want;
};

static const struct line_row rows[] = {
    { "2026-11-23T10:00:00.1Z stdout F hello world", false, "hello world\n" },
    { "2026-11-23T10:00:00.1Z stderr F ", false, "\n" },
    { "2026-11-23T10:00:00.1Z stdout P part", false, "part" },
    { "2026-11-23T10:00:00.1Z stdout F hello", true, "2026-11-23T10:00:00.1Z hello\n" },
    { "torn", false, "" },
    { "", false, "" },
    { "2026 stdout", false, "" },
    { "   ", false, "" },
};

static void lines_lose_what_people_need_not_see(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = BUF_INIT;
        log_file_line(rows[i].line, strlen(rows[i].line), rows[i].timestamps, &out);
        if (strcmp(buf_str(&out), rows[i].want) != 0) {
            fail_msg("row %zu gives \"%s\"", i, buf_str(&out));
        }
        buf_fini(&out);
    }
}

int test_log_file_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tail_begins_where_the_last_lines_begin),
        cmocka_unit_test(the_tail_of_a_long_log_is_found_across_blocks),
        cmocka_unit_test(lines_lose_what_people_need_not_see),
    };
    return cmocka_run_group_tests_name("log_file", tests, NULL, NULL);
}
