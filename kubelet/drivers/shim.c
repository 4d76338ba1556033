/* `barque shim DIR`: parent of one container process, so that the agent can come and go.
 *
 * One life: started by the driver in a session of its own -> reads meta -> locks -> forks and execs
 * the program in its own process group, stdout and stderr on pipes -> writes pid -> copies lines
 * into the log with time stamps -> waits -> kills what the program left behind (the shim is its
 * subreaper) -> writes exit atomically -> touches events -> ends. If the shim is killed, the kernel
 * kills the program too (PR_SET_PDEATHSIG), and the driver finds an unlocked directory without
 * exit: ContainerStatusUnknown. A signal goes to the program's process group, straight from the
 * driver.
 *
 * Deliberately small and synchronous (poll), no loop, few hundred KiB: there is one for each
 * container. */
#include "kubelet/drivers/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kubelet/kubelet.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/codec/json.h"

enum { READ_BYTES = 4096, EXIT_EXEC_FAILED = 127, KILL_ROUNDS = 1000 };

struct stream {
    const char *name;
    int fd;       /* -1 = ended */
    struct buf line;
};

struct shim {
    json_t *meta;
    int log_fd;
    size_t log_bytes;
    struct stream streams[2];
    char *events;
    pid_t child;
};

static int write_all(int fd, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return -1;
        }
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static void write_file(const char *name, const char *text)
{
    char temporary[32];
    snprintf(temporary, sizeof temporary, ".%s", name);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (write_all(fd, text, strlen(text)) == 0) {
            rename(temporary, name);
        }
        close(fd);
    }
}

static void touch_events(const struct shim *s)
{
    int fd = open(s->events, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
}

static void write_exit(const struct shim *s, int code, int signal, const char *reason,
                       const char *message)
{
    autofree char *text = mem_printf("%d %d %" PRId64 " %s\n%s", code, signal, clock_wall_ms(),
                                     reason, message);
    write_file(SHIM_EXIT, text);
    touch_events(s);
}

/* --- log: whole lines with time, long ones in parts (P) --------------------------------------- */

static int log_open(void)
{
    return open(SHIM_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* At most two files of LIMIT_LOG_FILE_BYTES for each attempt, however much a program says. */
static void log_rotate(struct shim *s, size_t more)
{
    s->log_bytes += more;
    if (s->log_bytes <= LIMIT_LOG_FILE_BYTES || rename(SHIM_LOG, SHIM_LOG_OLD) != 0) {
        return;
    }
    int fd = log_open();
    if (fd >= 0) {
        close(s->log_fd);
        s->log_fd = fd;
        s->log_bytes = more;
    }
}

static void log_line(struct shim *s, const struct stream *st, const uint8_t *data, size_t len,
                     bool whole)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char second[32];
    clock_format((int64_t)now.tv_sec * 1000, second, sizeof second);
    second[strcspn(second, "Z")] = '\0';
    autobuf out = BUF_INIT;
    buf_printf(&out, "%s.%09ldZ %s %s ", second, now.tv_nsec, st->name, whole ? "F" : "P");
    buf_append(&out, data, len);
    buf_append_char(&out, '\n');
    log_rotate(s, out.len);
    write_all(s->log_fd, out.data, out.len); /* a full disk loses log lines, never the program */
}

static void take_lines(struct shim *s, struct stream *st)
{
    size_t from = 0;
    for (size_t i = 0; i < st->line.len; i++) {
        if (st->line.data[i] == '\n') {
            log_line(s, st, st->line.data + from, i - from, true);
            from = i + 1;
        }
    }
    buf_consume(&st->line, from);
    if (st->line.len >= LIMIT_LOG_LINE_BYTES) {
        log_line(s, st, st->line.data, st->line.len, false);
        buf_reset(&st->line);
    }
}

static void read_stream(struct shim *s, struct stream *st)
{
    ssize_t n = read(st->fd, buf_reserve(&st->line, READ_BYTES), READ_BYTES);
    if (n > 0) {
        buf_advance(&st->line, (size_t)n);
        take_lines(s, st);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        if (st->line.len > 0) {
            log_line(s, st, st->line.data, st->line.len, true);
        }
        buf_fini(&st->line);
        close(st->fd);
        st->fd = -1;
    }
}

/* --- the program ------------------------------------------------------------------------------ */

static char **string_array(const json_t *list)
{
    size_t n = json_array_size(list);
    char **out = mem_zalloc((n + 1) * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        out[i] = mem_strdup(text != NULL ? text : "");
    }
    return out;
}

/* In the child. Tells errno through `report` when exec fails. */
static void exec_program(const struct shim *s, int out, int err, int report, pid_t parent)
    __attribute__((noreturn));
static void exec_program(const struct shim *s, int out, int err, int report, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(EXIT_EXEC_FAILED);
    }
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 1; i < NSIG; i++) {
        signal(i, SIG_DFL); /* an ignored signal would stay ignored over exec */
    }
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null, 0);
    dup2(out, 1);
    dup2(err, 2);
    char **argv = string_array(json_object_get(s->meta, "argv"));
    char **envp = string_array(json_object_get(s->meta, "env"));
    const char *cwd = json_string_value(json_object_get(s->meta, "cwd"));
    int rv = cwd != NULL ? chdir(cwd) : 0;
    if (rv == 0) {
        execvpe(argv[0], argv, envp);
    }
    int e = errno;
    write_all(report, &e, sizeof e);
    _exit(EXIT_EXEC_FAILED);
}

/* 0, or the errno with which the program could not be started. */
static int start_program(struct shim *s)
{
    int out[2], err[2], report[2];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
        return errno;
    }
    pid_t self = getpid();
    s->child = fork();
    if (s->child < 0) {
        return errno;
    }
    if (s->child == 0) {
        exec_program(s, out[1], err[1], report[1], self);
    }
    close(out[1]);
    close(err[1]);
    close(report[1]);
    int failed = 0;
    ssize_t n = read(report[0], &failed, sizeof failed);
    close(report[0]);
    if (n == (ssize_t)sizeof failed) {
        waitpid(s->child, NULL, 0);
        return failed;
    }
    s->streams[0] = (struct stream){ "stdout", out[0], BUF_INIT };
    s->streams[1] = (struct stream){ "stderr", err[0], BUF_INIT };
    return 0;
}

/* The program has ended; what its children still write within a moment is kept. */
static void drain(struct shim *s)
{
    struct pollfd fds[2];
    for (int round = 0; round < 100; round++) {
        nfds_t n = 0;
        for (int i = 0; i < 2; i++) {
            if (s->streams[i].fd >= 0) {
                fds[n++] = (struct pollfd){ .fd = s->streams[i].fd, .events = POLLIN };
            }
        }
        if (n == 0 || poll(fds, n, 10) <= 0) {
            return;
        }
        for (int i = 0; i < 2; i++) {
            struct pollfd one = { .fd = s->streams[i].fd, .events = POLLIN };
            if (one.fd >= 0 && poll(&one, 1, 0) > 0) {
                read_stream(s, &s->streams[i]);
            }
        }
    }
}

/* Orphans of the program come to us (subreaper) and are reaped. True: the program itself has
 * ended. It is reaped only after its group was killed, so that the group's number still means
 * that group. */
static bool reap(const struct shim *s, int *ret_status)
{
    siginfo_t info = { 0 };
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
        if (info.si_pid == s->child) {
            kill(-s->child, SIGKILL);
            return waitpid(s->child, ret_status, 0) == s->child;
        }
        waitpid(info.si_pid, NULL, WNOHANG);
        info.si_pid = 0;
    }
    return false;
}

/* Copies output until the program ends (its own end, not that of what inherited its pipes). */
static int follow(struct shim *s, int child_fd)
{
    for (;;) {
        struct pollfd fds[3] = {
            { .fd = s->streams[0].fd, .events = POLLIN },
            { .fd = s->streams[1].fd, .events = POLLIN },
            { .fd = child_fd, .events = POLLIN },
        };
        if (poll(fds, 3, -1) < 0 && errno != EINTR) {
            break;
        }
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents != 0) {
                read_stream(s, &s->streams[i]);
            }
        }
        if (fds[2].revents != 0) {
            struct signalfd_siginfo drop;
            if (read(child_fd, &drop, sizeof drop) < 0 && errno != EAGAIN) {
                break;
            }
            int status;
            if (reap(s, &status)) {
                drain(s);
                return status;
            }
        }
    }
    int status = 0;
    waitpid(s->child, &status, 0);
    return status;
}

/* A container is its first process and all that came of it: what is left when it ends goes too.
 * They are our children then (subreaper), in whatever group they are. */
static void kill_rest(void)
{
    autofree char *path = mem_printf("/proc/self/task/%d/children", (int)getpid());
    for (int round = 0; round < KILL_ROUNDS; round++) {
        FILE *f = fopen(path, "re");
        int pid, n = 0;
        while (f != NULL && fscanf(f, "%d", &pid) == 1) {
            kill(pid, SIGKILL);
            n++;
        }
        if (f != NULL) {
            fclose(f);
        }
        for (int i = 0; i < n; i++) {
            waitpid(-1, NULL, 0);
        }
        if (n == 0) {
            return;
        }
    }
}

static int shim_open(struct shim *s, const char *dir)
{
    if (chdir(dir) != 0) {
        return -1;
    }
    int lock = open(SHIM_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (lock < 0 || fcntl(lock, F_SETLK, &whole) != 0) {
        return -1;
    }
    FILE *f = fopen(SHIM_META, "re");
    if (f == NULL) {
        return -1;
    }
    autobuf text = BUF_INIT;
    size_t n;
    while ((n = fread(buf_reserve(&text, READ_BYTES), 1, READ_BYTES, f)) > 0) {
        buf_advance(&text, n);
        if (text.len > LIMIT_DOC_BYTES) {
            break;
        }
    }
    fclose(f);
    if (json_parse(buf_slice(&text), &s->meta, NULL) != 0) {
        return -1;
    }
    const char *events = json_string_value(json_object_get(s->meta, "events"));
    s->events = mem_strdup(events != NULL ? events : "/dev/null");
    s->log_fd = log_open();
    return s->log_fd < 0 ? -1 : 0;
}

int kubelet_shim_main(int argc, char **argv)
{
    struct shim s = { .log_fd = -1 };
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    int child_fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    if (argc != 2 || child_fd < 0 || shim_open(&s, argv[1]) != 0) {
        return 1;
    }
    fcntl(SHIM_READY_FD, F_SETFD, FD_CLOEXEC); /* the program must not keep it open */
    prctl(PR_SET_NAME, "barque-shim");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    int rv = start_program(&s);
    if (rv != 0) {
        json_t *program = json_array_get(json_object_get(s.meta, "argv"), 0);
        autofree char *message = mem_printf("cannot run %s: %s", json_string_value(program),
                                            strerror(rv));
        write_exit(&s, rv == ENOENT ? 127 : 126, 0, "StartError", message);
        close(SHIM_READY_FD);
        return 0;
    }
    autofree char *pid = mem_printf("%d %" PRId64 "\n", (int)s.child, clock_wall_ms());
    write_file(SHIM_PID, pid);
    touch_events(&s);
    close(SHIM_READY_FD);
    int status = follow(&s, child_fd);
    kill_rest();
    if (WIFSIGNALED(status)) {
        write_exit(&s, 128 + WTERMSIG(status), WTERMSIG(status), "Error", "");
    } else {
        write_exit(&s, WEXITSTATUS(status), 0, WEXITSTATUS(status) == 0 ? "Completed" : "Error",
                   "");
    }
    return 0;
}
