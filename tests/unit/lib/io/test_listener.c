/* Listening: names in messages, unix socket files, and pausing at the limits. */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { CONNS = 6 };

struct hall {
    struct loop *loop;
    struct listener *listener;
    struct conn *conns[CONNS];
    int n;
    int stop_at;
};

static void on_read(void *arg, struct slice bytes)
{
    (void)arg;
    (void)bytes;
}

static void on_close(void *arg, int status)
{
    (void)arg;
    (void)status;
}

static const struct conn_events silent = { on_read, NULL, on_close };

static void on_accept(void *arg, struct conn *c)
{
    struct hall *h = arg;

    conn_set_events(c, &silent, h);
    h->conns[h->n++] = c;
    if (h->n == h->stop_at) {
        loop_stop(h->loop);
    }
}

static void hall_open(struct hall *h, const char *address)
{
    *h = (struct hall){ .loop = loop_new() };
    assert_int_equal(listener_open(h->loop, address, on_accept, h, &h->listener, NULL), 0);
}

static void hall_free(struct hall *h)
{
    listener_close(h->listener);
    for (int i = 0; i < h->n; i++) {
        conn_close(h->conns[i]);
    }
    loop_run(h->loop);
    loop_free(h->loop);
}

/* A plain client socket, outside the loop. */
static int client_of(const struct listener *l)
{
    struct address a;
    union socket_address s;

    assert_int_equal(address_parse(listener_address(l), &a, NULL), 0);
    assert_true(address_number(&a, &s));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &s.any, sizeof s.in), 0);
    return fd;
}

static void a_used_address_is_named(void **state)
{
    struct hall h;
    struct listener *second;
    struct err err = ERR_INIT;

    (void)state;
    hall_open(&h, "127.0.0.1:0");
    const char *address = listener_address(h.listener);
    assert_int_equal(listener_open(h.loop, address, on_accept, &h, &second, &err), E_ADDRINUSE);
    assert_non_null(strstr(err.msg, listener_address(h.listener)));
    hall_free(&h);
}

static void bad_addresses_are_refused(void **state)
{
    struct loop *loop = loop_new();
    struct listener *l;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(listener_open(loop, "127.0.0.1", on_accept, NULL, &l, &err), E_INVAL);
    assert_int_equal(listener_open(loop, "no-such-host.invalid:1", on_accept, NULL, &l, &err),
                     E_NOTFOUND);
    assert_non_null(strstr(err.msg, "no-such-host.invalid:1"));
    assert_int_equal(listener_open(loop, "unix:/nonexistent/s", on_accept, NULL, &l, &err),
                     E_NOTFOUND);
    assert_non_null(strstr(err.msg, "unix:/nonexistent/s"));
    loop_free(loop);
}

static void a_dead_owners_socket_file_is_replaced(void **state)
{
    char *dir = temp_dir_new();
    autofree char *path = mem_printf("%s/socket", dir);
    autofree char *address = mem_printf("unix:%s", path);
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct hall h;
    struct listener *second;
    struct err err = ERR_INIT;

    (void)state;
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    close(fd); /* the file stays, as after a crash */
    hall_open(&h, address);
    assert_string_equal(listener_address(h.listener), address);
    assert_int_equal(listener_open(h.loop, address, on_accept, &h, &second, &err), E_ADDRINUSE);
    assert_non_null(strstr(err.msg, address));
    assert_true(fs_exists(NULL, path)); /* the refused second one took nothing away */
    hall_free(&h);
    assert_false(fs_exists(NULL, path));
    temp_dir_free(dir);
}

static void what_is_no_socket_is_not_replaced(void **state)
{
    char *dir = temp_dir_new();
    autofree char *path = mem_printf("%s/notes", dir);
    autofree char *address = mem_printf("unix:%s", path);
    struct loop *loop = loop_new();
    struct listener *l;
    struct err err = ERR_INIT;
    autobuf text = BUF_INIT;

    (void)state;
    assert_int_equal(fs_write_file_atomic(NULL, path, slice_str("kept"), NULL), 0);
    assert_int_equal(listener_open(loop, address, on_accept, NULL, &l, &err), E_ADDRINUSE);
    assert_int_equal(fs_read_file(NULL, path, 100, &text, NULL), 0);
    assert_string_equal(buf_str(&text), "kept");
    loop_free(loop);
    temp_dir_free(dir);
}

static void a_file_that_is_no_longer_ours_stays(void **state)
{
    char *dir = temp_dir_new();
    autofree char *path = mem_printf("%s/socket", dir);
    autofree char *address = mem_printf("unix:%s", path);
    struct hall first, second;

    (void)state;
    hall_open(&first, address);
    assert_int_equal(fs_unlink(NULL, path, NULL), 0); /* by somebody who then takes its place */
    hall_open(&second, address);
    hall_free(&first);
    assert_true(fs_exists(NULL, path));
    hall_free(&second);
    assert_false(fs_exists(NULL, path));
    temp_dir_free(dir);
}

/* Between bind and listen a live owner looks dead. It holds the directory's lock meanwhile, which
 * the other one waits for. */
static void who_is_just_starting_is_not_taken_for_dead(void **state)
{
    char *dir = temp_dir_new();
    autofree char *path = mem_printf("%s/socket", dir);
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int status = 0;

    (void)state;
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    int lock = open(dir, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    pid_t other = fork();
    if (other == 0) {
        struct socket_file f = { .path = NULL };
        int rv = socket_file_listen(&f, socket(AF_UNIX, SOCK_STREAM, 0), &un, 4);
        _exit(rv != 0 && errno == EADDRINUSE ? 0 : 1);
    }
    uint64_t until_ms = clock_mono_ms() + 200; /* time enough to do it wrong */
    while (clock_mono_ms() < until_ms && waitpid(other, &status, WNOHANG) == 0) {
        sched_yield();
    }
    assert_int_equal(listen(fd, 4), 0);
    close(lock);
    waitpid(other, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(fd);
    temp_dir_free(dir);
}

static void accepting_pauses_at_the_limit_and_resumes_with_a_close(void **state)
{
    struct hall h;
    int fds[4];

    (void)state;
    hall_open(&h, "127.0.0.1:0");
    h.loop->conns_max = 2;
    enum log_level level = log_get_level();
    log_set_level(LOG_OFF);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = client_of(h.listener); /* the backlog takes them all */
    }
    h.stop_at = 2;
    run_to_stop(h.loop);
    for (int i = 0; i < 10; i++) {
        uv_run(&h.loop->uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(h.n, 2);
    assert_int_equal(h.loop->n_conns, 2);
    conn_close(h.conns[0]);
    h.stop_at = 3;
    run_to_stop(h.loop);
    h.conns[0] = h.conns[--h.n];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        close(fds[i]);
    }
    /* The peers are gone: their conns close by themselves, and the last two are accepted. */
    h.n = 0;
    h.stop_at = 1;
    run_to_stop(h.loop);
    h.n = 0;
    listener_close(h.listener);
    h.listener = NULL;
    loop_run(h.loop);
    assert_int_equal(h.loop->n_conns, 0);
    log_set_level(level);
    loop_free(h.loop);
}

static void a_listener_for_peers_has_a_reserve(void **state)
{
    struct hall h;
    int fds[5];

    (void)state;
    hall_open(&h, "127.0.0.1:0");
    listener_for_peers(h.listener);
    h.loop->conns_max = 1;
    h.loop->conns_reserved = 2;
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = client_of(h.listener);
    }
    h.stop_at = 3;
    enum log_level level = log_get_level();
    log_set_level(LOG_OFF);
    run_to_stop(h.loop);
    for (int i = 0; i < 10; i++) {
        uv_run(&h.loop->uv, UV_RUN_NOWAIT);
    }
    log_set_level(level);
    assert_int_equal(h.loop->n_conns, 3); /* the clients' limit and the reserve, no more */
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        close(fds[i]);
    }
    hall_free(&h);
}

static rlim_t rlimit_was(rlim_t now)
{
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit limit = { .rlim_cur = now, .rlim_max = old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return old.rlim_cur;
}

static void a_server_raises_its_limit_of_descriptors(void **state)
{
    struct rlimit limit;
    struct loop *loop = loop_new();

    (void)state;
    rlim_t old = rlimit_was(128);
    assert_int_equal(loop_fit_descriptors(loop, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(limit.rlim_cur == limit.rlim_max);
    assert_true(loop->conns_max <= LIMIT_CONNS && loop->conns_max < limit.rlim_cur);
    (void)rlimit_was(old);
    loop_free(loop);
}

static rlim_t highest_fd(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *e;
    rlim_t highest = 0;

    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL) {
        rlim_t fd = strtoul(e->d_name, NULL, 10);
        highest = fd > highest && (int)fd != dirfd(dir) ? fd : highest;
    }
    closedir(dir);
    return highest;
}

static void without_descriptors_clients_wait_and_are_accepted_later(void **state)
{
    struct hall h;
    struct rlimit old;
    int fillers[1024];
    size_t n = 0;

    (void)state;
    hall_open(&h, "127.0.0.1:0");
    int fd = client_of(h.listener);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit low = { .rlim_cur = highest_fd() + 4, .rlim_max = old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (n < ARRAY_LEN(fillers) && (fillers[n] = dup(0)) >= 0) {
        n++;
    }
    enum log_level level = log_get_level();
    log_set_level(LOG_OFF);
    for (int i = 0; i < 5; i++) {
        uv_run(&h.loop->uv, UV_RUN_NOWAIT);
    }
    log_set_level(level);
    assert_int_equal(h.n, 0);
    assert_int_equal(h.loop->n_conns, 0);
    while (n > 0) {
        close(fillers[--n]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    h.stop_at = 1;
    run_to_stop(h.loop); /* the waiting client was not dropped */
    assert_int_equal(h.n, 1);
    close(fd);
    hall_free(&h);
}

static void stop_listening(void *arg, struct conn *c)
{
    struct hall *h = arg;

    conn_set_events(c, &silent, h);
    h->conns[h->n++] = c;
    listener_close(h->listener);
    listener_close(h->listener);
    h->listener = NULL;
    loop_stop(h->loop);
}

static void a_listener_may_be_closed_while_accepting(void **state)
{
    struct hall h = { .loop = loop_new() };
    int fds[2];
    int rv = listener_open(h.loop, "127.0.0.1:0", stop_listening, &h, &h.listener, NULL);

    (void)state;
    assert_int_equal(rv, 0);
    fds[0] = client_of(h.listener);
    fds[1] = client_of(h.listener);
    run_to_stop(h.loop);
    assert_int_equal(h.n, 1);
    close(fds[0]);
    close(fds[1]);
    h.n = 0;
    loop_run(h.loop);
    loop_free(h.loop);
}

int test_listener_run(void)
{
    const struct CMUnitTest tests[] = {
        io_test(a_used_address_is_named),
        io_test(bad_addresses_are_refused),
        io_test(a_dead_owners_socket_file_is_replaced),
        io_test(what_is_no_socket_is_not_replaced),
        io_test(a_file_that_is_no_longer_ours_stays),
        io_test(who_is_just_starting_is_not_taken_for_dead),
        io_test(accepting_pauses_at_the_limit_and_resumes_with_a_close),
        io_test(a_listener_for_peers_has_a_reserve),
        io_test(a_server_raises_its_limit_of_descriptors),
        io_test(without_descriptors_clients_wait_and_are_accepted_later),
        io_test(a_listener_may_be_closed_while_accepting),
    };
    return cmocka_run_group_tests_name("io/listener", tests, NULL, NULL);
}
