/* The process driver and its shim with real processes in a temporary directory. */
#include "tests/unit/kubelet/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/io/file.h"
#include "lib/io/loop.h"

enum { WAIT_MS = 20000 };

struct yard {
    struct loop *loop;
    struct driver *driver;
    struct arena arena;
    char root[64];
};

static void driver_open(struct yard *y, const char *shim)
{
    struct err err = ERR_INIT;
    if (driver_process_new(y->loop, y->root, shim, &y->driver, &err) != 0) {
        fail_msg("%s", err.msg);
    }
}

static int open_yard(void **state)
{
    struct yard *y = mem_zalloc(sizeof *y);
    snprintf(y->root, sizeof y->root, "/tmp/barque-kubelet.XXXXXX");
    assert_non_null(mkdtemp(y->root));
    y->loop = loop_new();
    arena_init(&y->arena);
    driver_open(y, "/proc/self/exe");
    *state = y;
    return 0;
}

static struct attempt *list(struct yard *y, size_t *ret_n)
{
    struct attempt *attempts = NULL;
    struct err err = ERR_INIT;
    if (y->driver->list(y->driver, &y->arena, &attempts, ret_n, &err) != 0) {
        fail_msg("%s", err.msg);
    }
    return attempts;
}

static struct attempt *find(struct yard *y, int32_t attempt)
{
    size_t n;
    struct attempt *all = list(y, &n);
    for (size_t i = 0; i < n; i++) {
        if (all[i].attempt == attempt) {
            return &all[i];
        }
    }
    fail_msg("no attempt %d", attempt);
    return NULL;
}

static void pause_a_little(void)
{
    nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
}

static struct attempt *wait_exit(struct yard *y, int32_t attempt)
{
    uint64_t until = clock_mono_ms() + WAIT_MS;
    struct attempt *a = find(y, attempt);
    while (a->state != ATTEMPT_EXITED) {
        assert_true(clock_mono_ms() < until);
        pause_a_little();
        a = find(y, attempt);
    }
    return a;
}

static int close_yard(void **state)
{
    struct yard *y = *state;
    size_t n;
    struct attempt *all = list(y, &n);
    for (size_t i = 0; i < n; i++) {
        y->driver->signal(y->driver, all[i].id, SIGKILL);
    }
    for (size_t i = 0; i < n; i++) {
        wait_exit(y, all[i].attempt);
        y->driver->remove(y->driver, all[i].id);
    }
    list(y, &n);
    assert_int_equal(n, 0);
    y->driver->free(y->driver);
    fs_remove_tree(loop_fs(y->loop), y->root, NULL);
    loop_free(y->loop);
    arena_fini(&y->arena);
    mem_free(y);
    return 0;
}

/* command and more are JSON. */
static int start(struct yard *y, int32_t attempt, const char *command, const char *more)
{
    char spec[2048];
    snprintf(spec, sizeof spec, "'containers':[{'name':'c'%s%s%s}],"
             "'terminationGracePeriodSeconds':7", command[0] != '\0' ? ",'command':" : "", command,
             more);
    struct node_item *item = make_item(spec, false);
    struct start_request r = { .pod_uid = "u1", .pod_namespace = "d", .pod_name = "web",
                               .node_name = "n1", .spec = &item->spec,
                               .container = &item->spec.containers[0], .attempt = attempt };
    struct err err = ERR_INIT;
    int rv = y->driver->start(y->driver, &r, &err);
    object_free(&item->object);
    return rv;
}

static char *read_log(struct yard *y, int32_t attempt)
{
    struct buf text = BUF_INIT;
    autofree char *path = y->driver->log_path(y->driver, "u1", "c", attempt);
    assert_int_equal(fs_read_file(loop_fs(y->loop), path, 1 << 20, &text, NULL), 0);
    return buf_take(&text);
}

/* Waits until the log has this text. */
static void wait_log(struct yard *y, int32_t attempt, const char *text)
{
    uint64_t until = clock_mono_ms() + WAIT_MS;
    for (;;) {
        autofree char *log = read_log(y, attempt);
        if (strstr(log, text) != NULL) {
            return;
        }
        assert_true(clock_mono_ms() < until);
        pause_a_little();
    }
}

static int number_after(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    assert_non_null(at);
    return (int)strtol(at + strlen(word), NULL, 10);
}

static bool lives(int pid)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    bool yes = f != NULL && fgets(line, sizeof line, f) != NULL && strstr(line, ") Z") == NULL;
    if (f != NULL) {
        fclose(f);
    }
    return yes;
}

static void wait_gone(int pid)
{
    uint64_t until = clock_mono_ms() + WAIT_MS;
    while (lives(pid)) {
        assert_true(clock_mono_ms() < until);
        pause_a_little();
    }
}

static void exit_codes_are_told(void **state)
{
    struct yard *y = *state;
    start(y, 0, "['sh','-c','exit 0']", "");
    start(y, 1, "['sh','-c','exit 42']", "");
    struct attempt *a = wait_exit(y, 0);
    assert_int_equal(a->exit_code, 0);
    assert_string_equal(a->reason, "Completed");
    a = wait_exit(y, 1);
    assert_int_equal(a->exit_code, 42);
    assert_int_equal(a->signal, 0);
    assert_string_equal(a->reason, "Error");
    assert_string_equal(a->id, "u1/c/1");
    assert_string_equal(a->pod_namespace, "d");
    assert_string_equal(a->pod_name, "web");
    assert_int_equal(a->grace_s, 7);
    assert_true(a->finished_ms >= a->started_ms);
}

static void a_started_program_runs_when_start_returns(void **state)
{
    struct yard *y = *state;
    assert_int_equal(start(y, 0, "['sleep','1000']", ""), 0);
    struct attempt *a = find(y, 0);
    assert_int_equal(a->state, ATTEMPT_RUNNING);
    assert_true(lives(a->pid));
    assert_int_equal(getpgid(a->pid), a->pid);
}

static void signals_reach_the_whole_group_and_are_told(void **state)
{
    struct yard *y = *state;
    start(y, 0, "['sh','-c','sleep 1000 & echo child $!; wait']", "");
    wait_log(y, 0, "child ");
    autofree char *log = read_log(y, 0);
    int child = number_after(log, "child ");
    assert_true(lives(child));
    assert_int_equal(y->driver->signal(y->driver, "u1/c/0", SIGTERM), 0);
    struct attempt *a = wait_exit(y, 0);
    assert_int_equal(a->signal, SIGTERM);
    wait_gone(child);
    assert_int_equal(y->driver->signal(y->driver, "u1/c/0", SIGTERM), E_NOTFOUND);
}

static void a_program_may_answer_term_in_its_own_way(void **state)
{
    struct yard *y = *state;
    start(y, 0, "['sh','-c','trap \\\"echo bye; exit 5\\\" TERM; echo on; while :; do sleep 1 & "
                "wait $!; done']", "");
    wait_log(y, 0, " F on");
    y->driver->signal(y->driver, "u1/c/0", SIGTERM);
    struct attempt *a = wait_exit(y, 0);
    assert_int_equal(a->exit_code, 5);
    wait_log(y, 0, " F bye");
}

static void what_a_program_leaves_behind_ends_with_it(void **state)
{
    struct yard *y = *state;
    start(y, 0, "['sh','-c','sleep 1000 & echo same $!; setsid sleep 1001 & echo other $!; "
                "sleep 0.2; exit 3']", "");
    struct attempt *a = wait_exit(y, 0);
    assert_int_equal(a->exit_code, 3);
    autofree char *log = read_log(y, 0);
    wait_gone(number_after(log, "same "));
    wait_gone(number_after(log, "other "));
}

static void output_is_logged_in_cri_lines(void **state)
{
    struct yard *y = *state;
    start(y, 0, "['sh','-c','echo one; echo two >&2; printf three']", "");
    wait_exit(y, 0);
    autofree char *log = read_log(y, 0);
    assert_non_null(strstr(log, "Z stdout F one\n"));
    assert_non_null(strstr(log, "Z stderr F two\n"));
    assert_non_null(strstr(log, "Z stdout F three\n"));
    assert_int_equal(log[4], '-');
    assert_int_equal(log[10], 'T');
    assert_int_equal(log[19], '.'); /* nanoseconds */
}

static void huge_lines_are_split_into_marked_parts(void **state)
{
    struct yard *y = *state;
    start(y, 0, "['sh','-c','head -c 100000 /dev/zero | tr \\\"\\\\0\\\" x; echo']", "");
    wait_exit(y, 0);
    autofree char *log = read_log(y, 0);
    size_t parts = 0, ends = 0, total = 0;
    for (char *line = log; *line != '\0'; line = strchr(line, '\n') + 1) {
        char *at = strstr(line, " stdout ") + 8;
        parts += at[0] == 'P';
        ends += at[0] == 'F';
        size_t len = strcspn(at + 2, "\n");
        assert_true(len <= LIMIT_LOG_LINE_BYTES + 4096);
        total += len;
    }
    assert_int_equal(total, 100000);
    assert_int_equal(ends, 1);
    assert_true(parts >= 4);
}

static void a_log_is_rotated_and_only_one_before_is_kept(void **state)
{
    struct yard *y = *state;
    char path[160];
    struct buf old = BUF_INIT;
    start(y, 0, "['sh','-c','yes 0123456789012345678901234567890123456789 | head -n 300000; "
                "echo last']", "");
    wait_exit(y, 0);
    snprintf(path, sizeof path, "%s/pods/u1/c/0/log.1", y->root);
    assert_int_equal(fs_read_file(loop_fs(y->loop), path, 4 * LIMIT_LOG_FILE_BYTES, &old, NULL), 0);
    assert_in_range(old.len, LIMIT_LOG_FILE_BYTES / 2, LIMIT_LOG_FILE_BYTES);
    assert_int_equal(old.data[old.len - 1], '\n'); /* whole lines */
    buf_fini(&old);
    snprintf(path, sizeof path, "%s/pods/u1/c/0/log", y->root);
    assert_int_equal(fs_read_file(loop_fs(y->loop), path, 4 * LIMIT_LOG_FILE_BYTES, &old, NULL), 0);
    assert_true(old.len <= LIMIT_LOG_FILE_BYTES);
    assert_non_null(strstr(buf_str(&old), " F last\n"));
    buf_fini(&old);
}

static void environment_arguments_and_directory_are_given(void **state)
{
    struct yard *y = *state;
    start(y, 0, "['sh','-c','echo $A-$1-$(pwd)-$HOSTNAME','x','$(A)$$(A)']",
          ",'env':[{'name':'A','value':'val'}],'workingDir':'/usr'");
    wait_exit(y, 0);
    autofree char *log = read_log(y, 0);
    assert_non_null(strstr(log, " F val-val$(A)-"));
}

static void the_program_inherits_nothing_but_its_three_descriptors(void **state)
{
    struct yard *y = *state;
    start(y, 0, "['sh','-c','for i in 3 4 5 6 7 8 9 10 11 12 13 14 15 16 20 63; do "
                "[ -e /proc/$$$$/fd/$i ] && echo open $i; done; [ -e /proc/$$$$/fd/2 ] && echo two;"
                " grep SigIgn /proc/$$$$/status']", "");
    wait_exit(y, 0);
    autofree char *log = read_log(y, 0);
    assert_null(strstr(log, "open"));
    assert_non_null(strstr(log, " F two\n"));
    const char *ignored = strstr(log, "SigIgn:\t");
    assert_non_null(ignored);
    /* Apart from the two that libc keeps to itself (32 and 33). */
    assert_int_equal(strtoull(ignored + 8, NULL, 16) & ~0x180000000ull, 0);
}

static void a_program_that_cannot_run_is_an_attempt_that_failed_to_start(void **state)
{
    struct yard *y = *state;
    assert_int_equal(start(y, 0, "['/no/such/program']", ""), 0);
    struct attempt *a = find(y, 0);
    assert_int_equal(a->state, ATTEMPT_EXITED);
    assert_string_equal(a->reason, "StartError");
    assert_int_equal(a->exit_code, 127);
    assert_non_null(strstr(a->message, "/no/such/program"));
    start(y, 1, "['/etc/passwd']", "");
    assert_int_equal(find(y, 1)->exit_code, 126);
    start(y, 2, "['true']", ",'workingDir':'/no/such/place'");
    assert_string_equal(find(y, 2)->reason, "StartError");
}

static void no_command_is_told_in_the_status(void **state)
{
    struct yard *y = *state;
    assert_int_equal(start(y, 0, "", ""), 0);
    struct attempt *a = find(y, 0);
    assert_int_equal(a->state, ATTEMPT_EXITED);
    assert_string_equal(a->reason, "StartError");
    assert_non_null(strstr(a->message, "no command"));
}

static void a_shim_that_cannot_run_is_told_at_once(void **state)
{
    struct yard *y = *state;
    y->driver->free(y->driver);
    driver_open(y, "/no/such/shim");
    start(y, 0, "['true']", "");
    struct attempt *a = find(y, 0);
    assert_int_equal(a->state, ATTEMPT_EXITED);
    assert_string_equal(a->reason, "StartError");
    assert_non_null(strstr(a->message, "/no/such/shim"));
}

static void a_new_driver_finds_what_the_old_one_started(void **state)
{
    struct yard *y = *state;
    start(y, 0, "['sh','-c','echo before; sleep 1000']", "");
    int pid = find(y, 0)->pid;
    y->driver->free(y->driver);
    driver_open(y, "/proc/self/exe");
    struct attempt *a = find(y, 0);
    assert_int_equal(a->state, ATTEMPT_RUNNING);
    assert_int_equal(a->pid, pid);
    assert_true(lives(pid));
    y->driver->signal(y->driver, a->id, SIGKILL);
    assert_int_equal(wait_exit(y, 0)->signal, SIGKILL);
}

static int parent_of(int pid)
{
    char path[64];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d (%*[^)]) %*c %d", &parent), 1);
    fclose(f);
    return parent;
}

static void a_killed_shim_takes_the_program_along_and_the_status_is_unknown(void **state)
{
    struct yard *y = *state;
    start(y, 0, "['sleep','1000']", "");
    int pid = find(y, 0)->pid;
    int shim = parent_of(pid);
    assert_int_not_equal(shim, getpid());
    kill(shim, SIGKILL);
    wait_gone(pid);
    wait_gone(shim);
    struct attempt *a = wait_exit(y, 0);
    assert_string_equal(a->reason, "ContainerStatusUnknown");
    assert_int_equal(a->exit_code, 137);
}

static void ids_that_are_no_ids_are_refused(void **state)
{
    struct yard *y = *state;
    static const char *const bad[] = { "", "u1", "u1/c", "u1/c/0/x", "../c/0", "u1/../0", "u1/./0",
                                       "u1/c d/0" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(y->driver->signal(y->driver, bad[i], SIGTERM), E_INVAL);
        assert_int_equal(y->driver->remove(y->driver, bad[i]), E_INVAL);
    }
    assert_null(y->driver->log_path(y->driver, "..", "c", 0));
}

static void a_removed_attempt_leaves_nothing(void **state)
{
    struct yard *y = *state;
    char path[128];
    start(y, 0, "['true']", "");
    wait_exit(y, 0);
    assert_int_equal(y->driver->remove(y->driver, "u1/c/0"), 0);
    snprintf(path, sizeof path, "%s/pods/u1", y->root);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/events/u1", y->root);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

static void changes_are_told_without_asking(void **state)
{
    struct yard *y = *state;
    y->driver->changed = stop_loop;
    y->driver->arg = y->loop;
    start(y, 0, "['sh','-c','sleep 0.05; exit 9']", "");
    uint64_t until = clock_mono_ms() + WAIT_MS;
    while (find(y, 0)->state != ATTEMPT_EXITED) {
        assert_true(clock_mono_ms() < until);
        loop_run(y->loop); /* returns at each change; hangs when none is told */
    }
    assert_int_equal(find(y, 0)->exit_code, 9);
}

#define with_yard(test) cmocka_unit_test_setup_teardown(test, open_yard, close_yard)

int test_process_run(void)
{
    const struct CMUnitTest tests[] = {
        with_yard(exit_codes_are_told),
        with_yard(a_started_program_runs_when_start_returns),
        with_yard(signals_reach_the_whole_group_and_are_told),
        with_yard(a_program_may_answer_term_in_its_own_way),
        with_yard(what_a_program_leaves_behind_ends_with_it),
        with_yard(output_is_logged_in_cri_lines),
        with_yard(huge_lines_are_split_into_marked_parts),
        with_yard(a_log_is_rotated_and_only_one_before_is_kept),
        with_yard(environment_arguments_and_directory_are_given),
        with_yard(the_program_inherits_nothing_but_its_three_descriptors),
        with_yard(a_program_that_cannot_run_is_an_attempt_that_failed_to_start),
        with_yard(no_command_is_told_in_the_status),
        with_yard(a_shim_that_cannot_run_is_told_at_once),
        with_yard(a_new_driver_finds_what_the_old_one_started),
        with_yard(a_killed_shim_takes_the_program_along_and_the_status_is_unknown),
        with_yard(ids_that_are_no_ids_are_refused),
        with_yard(a_removed_attempt_leaves_nothing),
        with_yard(changes_are_told_without_asking),
    };
    return cmocka_run_group_tests_name("driver_process", tests, NULL, NULL);
}
