/* A child with its output in a memory file: nobody has to read while it runs. */
#include "tests/recall/command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"

enum { OUTPUT_MAX = 1 << 20, TELL_MS = 10000, NAP_NS = 10000000 };

static void child(const char *bug, char *const argv[], int out) __attribute__((noreturn));
static void child(const char *bug, char *const argv[], int out)
{
    (void)setpgid(0, 0);
    if (bug != NULL) {
        (void)setenv("BARQUE_BUG", bug, 1);
    } else {
        (void)unsetenv("BARQUE_BUG");
    }
    (void)setenv("CMOCKA_MESSAGE_OUTPUT", "TAP", 1);
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(out, STDERR_FILENO);
    execv(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

static int await(pid_t pid, unsigned wall_s, const char *what, struct rusage *usage,
                 struct outcome *o)
{
    uint64_t start = clock_mono_ms();
    uint64_t told = start;
    int status;
    pid_t got;
    while ((got = wait4(pid, &status, WNOHANG, usage)) == 0) {
        struct timespec nap = { 0, NAP_NS };
        nanosleep(&nap, NULL);
        uint64_t now = clock_mono_ms();
        if (now - told >= TELL_MS) {
            told = now;
            fprintf(stderr, "  %s: %u s\n", what, (unsigned)((now - start) / 1000));
        }
        if (now - start >= 1000ULL * wall_s && !o->timed_out) {
            o->timed_out = true;
            (void)kill(-pid, SIGKILL);
        }
    }
    return got == pid ? status : -1;
}

static char *read_back(int fd)
{
    char *text = mem_zalloc(OUTPUT_MAX + 1);
    size_t len = 0;
    ssize_t got;
    while (len < OUTPUT_MAX && (got = pread(fd, text + len, OUTPUT_MAX - len, (off_t)len)) > 0) {
        len += (size_t)got;
    }
    return text;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int command_run(const char *bug, char *const argv[], unsigned wall_s, const char *what,
                struct outcome *ret)
{
    struct outcome o = { 0 };
    struct rusage usage = { 0 };
    int out = memfd_create("output", MFD_CLOEXEC);
    if (out < 0) {
        return E_IO;
    }
    pid_t pid = fork();
    if (pid == 0) {
        child(bug, argv, out);
    }
    int status = pid > 0 ? await(pid, wall_s, what, &usage, &o) : -1;
    if (status == -1) {
        close(out);
        return E_IO;
    }
    o.failed = status != 0;
    o.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    o.cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    o.output = read_back(out);
    close(out);
    *ret = o;
    return 0;
}

void outcome_fini(struct outcome *o)
{
    mem_free(o->output);
    *o = (struct outcome){ 0 };
}
