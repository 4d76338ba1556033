/* Processes, signals and watched descriptors: with real ones. */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/io/process.h"
#include "lib/io/usage.h"

struct child {
    struct loop *loop;
    int exits;
    int exit_code;
    int signal;
    int kill_after; /* what process_kill said in on_exit */
};

static void on_exit_cb(void *arg, struct process *p, int exit_code, int signal)
{
    struct child *c = arg;

    c->exits++;
    c->exit_code = exit_code;
    c->signal = signal;
    c->kill_after = process_kill(p, SIGTERM);
    process_release(p);
    loop_stop(c->loop);
}

static struct process_options options_of(struct child *c, const char *const *argv)
{
    return (struct process_options){
        .path = argv[0],
        .argv = argv,
        .stdout_fd = -1,
        .stderr_fd = -1,
        .on_exit = on_exit_cb,
        .arg = c,
    };
}

static void exit_codes_are_told(void **state)
{
    static const struct {
        const char *argv[4];
        int code;
    } cases[] = {
        { { "/bin/true" }, 0 },
        { { "false" }, 1 }, /* found in PATH */
        { { "/bin/sh", "-c", "exit 42" }, 42 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct child c = { .loop = loop_new() };
        struct process_options o = options_of(&c, cases[i].argv);
        struct process *p;
        assert_int_equal(process_spawn(c.loop, &o, &p, NULL), 0);
        assert_true(process_pid(p) > 0);
        run_to_stop(c.loop);
        assert_int_equal(c.exits, 1);
        assert_int_equal(c.exit_code, cases[i].code);
        assert_int_equal(c.signal, 0);
        assert_int_equal(c.kill_after, E_NOTFOUND);
        loop_free(c.loop);
    }
}

static void a_killed_child_tells_the_signal(void **state)
{
    static const char *const argv[] = { "/bin/sleep", "1000", NULL };
    struct child c = { .loop = loop_new() };
    struct process_options o = options_of(&c, argv);
    struct process *p;

    (void)state;
    o.new_session = true;
    assert_int_equal(process_spawn(c.loop, &o, &p, NULL), 0);
    assert_int_equal(getsid(process_pid(p)), process_pid(p));
    assert_int_equal(process_kill(p, SIGKILL), 0);
    run_to_stop(c.loop);
    assert_int_equal(c.signal, SIGKILL);
    loop_free(c.loop);
}

static void a_missing_program_is_named(void **state)
{
    static const char *const argv[] = { "/no/such/program", NULL };
    static const char *const plain[] = { "/etc/passwd", NULL };
    struct child c = { .loop = loop_new() };
    struct process_options o = options_of(&c, argv);
    struct process *p;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(process_spawn(c.loop, &o, &p, &err), E_NOTFOUND);
    assert_non_null(strstr(err.msg, "/no/such/program"));
    o = options_of(&c, plain);
    assert_int_equal(process_spawn(c.loop, &o, &p, &err), E_PERM);
    assert_non_null(strstr(err.msg, "/etc/passwd"));
    static const char *const good[] = { "/bin/true", NULL };
    o = options_of(&c, good);
    o.cwd = "/no/such/directory";
    assert_int_equal(process_spawn(c.loop, &o, &p, &err), E_NOTFOUND);
    assert_non_null(strstr(err.msg, "/no/such/directory"));
    assert_int_equal(c.exits, 0);
    loop_free(c.loop);
}

struct watched {
    struct loop *loop;
    struct fd_watch *watch;
    struct buf text;
    int eof;
};

static void on_readable(void *arg, int fd)
{
    struct watched *w = arg;
    char bytes[256];
    ssize_t n = read(fd, bytes, sizeof bytes);

    if (n > 0) {
        buf_append(&w->text, bytes, (size_t)n);
    } else if (n == 0) {
        w->eof++;
        fd_watch_stop(w->watch);
        loop_stop(w->loop);
    }
}

static void environment_directory_and_output_are_the_childs(void **state)
{
    static const char *const argv[] = { "/bin/sh", "-c", "echo $NAME in $(pwd); echo bad >&2",
                                        NULL };
    static const char *const envp[] = { "NAME=barque", "PATH=/usr/bin:/bin", NULL };
    struct child c = { .loop = loop_new() };
    struct process_options o = options_of(&c, argv);
    struct watched w = { .loop = c.loop };
    struct process *p;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    o.envp = envp;
    o.cwd = "/";
    o.stdout_fd = fds[1];
    assert_int_equal(process_spawn(c.loop, &o, &p, NULL), 0);
    close(fds[1]);
    w.watch = fd_watch_start(c.loop, fds[0], on_readable, &w);
    assert_non_null(w.watch);
    while (c.exits == 0 || w.eof == 0) {
        run_to_stop(c.loop);
    }
    assert_string_equal(buf_str(&w.text), "barque in /\n");
    assert_int_equal(c.exit_code, 0);
    close(fds[0]);
    buf_fini(&w.text);
    loop_free(c.loop);
}

static void a_released_child_is_forgotten_and_leaves_no_zombie(void **state)
{
    static const char *const argv[] = { "/bin/true", NULL };
    struct child c = { .loop = loop_new() };
    struct process_options o = options_of(&c, argv);
    struct process *p;

    (void)state;
    assert_int_equal(process_spawn(c.loop, &o, &p, NULL), 0);
    process_release(p);
    loop_run(c.loop); /* it does not hold the loop */
    static const char *const later[] = { "/bin/sleep", "0.05", NULL };
    o = options_of(&c, later);
    assert_int_equal(process_spawn(c.loop, &o, &p, NULL), 0);
    run_to_stop(c.loop);
    assert_int_equal(c.exits, 1); /* the second's only */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, dead or alive */
    loop_free(c.loop);
}

struct heard {
    struct loop *loop;
    int signals[4];
    int n;
};

static void on_signal(void *arg, int signal)
{
    struct heard *h = arg;

    h->signals[h->n++] = signal;
    loop_stop(h->loop);
}

static void signals_are_told_on_the_loop(void **state)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct heard h = { .loop = loop_new() };
    struct signal_watch *w = signal_watch_start(h.loop, signals, 3, on_signal, &h);

    (void)state;
    raise(SIGTERM);
    assert_int_equal(h.n, 0);
    run_to_stop(h.loop);
    raise(SIGHUP);
    run_to_stop(h.loop);
    assert_int_equal(h.n, 2);
    assert_int_equal(h.signals[0], SIGTERM);
    assert_int_equal(h.signals[1], SIGHUP);
    signal_watch_stop(w);
    loop_run(h.loop);
    loop_free(h.loop);
}

static void a_regular_file_cannot_be_watched(void **state)
{
    struct loop *loop = loop_new();
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_null(fd_watch_start(loop, fd, on_readable, NULL));
    close(fd);
    loop_free(loop);
}

static void the_usage_is_the_kernels_view(void **state)
{
    struct usage before, after;
    enum { BYTES = 32 * 1024 * 1024 };
    (void)state;
    assert_int_equal(usage_read(&before), 0);
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    char *held = malloc(BYTES);
    assert_non_null(held);
    memset(held, 1, BYTES);
    assert_int_equal(usage_read(&after), 0);
    assert_true(held[BYTES - 1] == 1);
    assert_true(after.resident_bytes >= before.resident_bytes + BYTES / 2);
    assert_true(after.virtual_bytes >= after.resident_bytes);
    assert_int_equal(after.fds, before.fds + 1);
    assert_true(after.fds < after.fds_max);
    assert_true(after.cpu_s >= before.cpu_s);
    double age_s = (double)time(NULL) - after.start_s;
    assert_true(age_s > -5 && age_s < 3600);
    close(fd);
    free(held);
}

int test_process_run(void)
{
    const struct CMUnitTest tests[] = {
        io_test(exit_codes_are_told),
        io_test(a_killed_child_tells_the_signal),
        io_test(a_missing_program_is_named),
        io_test(environment_directory_and_output_are_the_childs),
        io_test(a_released_child_is_forgotten_and_leaves_no_zombie),
        io_test(signals_are_told_on_the_loop),
        io_test(a_regular_file_cannot_be_watched),
        io_test(the_usage_is_the_kernels_view),
    };
    return cmocka_run_group_tests_name("io/process", tests, NULL, NULL);
}
