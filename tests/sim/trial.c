/* One run in a child process: a violation ends its process on the spot, so whoever wants to go on
 * looks from outside. The verdict and the counts come back through shared memory. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/shrink.h"

static void on_signal(int number)
{
    struct sim *s = sim_current();
    if (s != NULL) {
        sim_condemn(s, number == SIGALRM || number == SIGXCPU ? "HANG" : strsignal(number));
    }
    _exit(1);
}

void trial_catch_signals(void)
{
    static const int SIGNALS[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM, SIGXCPU };
    for (size_t i = 0; i < ARRAY_LEN(SIGNALS); i++) {
        signal(SIGNALS[i], on_signal);
    }
}

static void child(struct sim_setup *setup, uint64_t seed, unsigned cpu_s, struct trial *t)
    __attribute__((noreturn));
static void child(struct sim_setup *setup, uint64_t seed, unsigned cpu_s, struct trial *t)
{
    struct rlimit limit = { .rlim_cur = cpu_s, .rlim_max = cpu_s + 1 };
    (void)setrlimit(RLIMIT_CPU, &limit);
    if (!setup->verbose) {
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
        dup2(STDOUT_FILENO, STDERR_FILENO);
    }
    trial_catch_signals();
    setup->verdict = &t->verdict;
    (void)sim_run(setup, seed, &t->stats);
    fflush(stdout);
    _exit(0);
}

int trial_run(const struct sim_setup *setup, uint64_t seed, unsigned cpu_s, struct trial *ret)
{
    struct sim_setup own = *setup;
    struct trial *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                           0);
    if (t == MAP_FAILED) {
        return E_IO;
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        child(&own, seed, cpu_s, t);
    }
    int status = 0;
    if (pid > 0) {
        (void)waitpid(pid, &status, 0);
        *ret = *t;
        if (status != 0 && !ret->verdict.violated) { /* killed, or judged with no run left */
            ret->verdict = (struct sim_verdict){ .violated = true, .text = "DIED" };
        }
    }
    munmap(t, sizeof *t);
    return pid > 0 ? 0 : E_IO;
}

/* "STALE READ: member 2 has ..." -> 10: words in capitals, else the first word. */
static size_t name_length(const char *text)
{
    size_t n = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        bool word = (text[i] >= 'A' && text[i] <= 'Z') || text[i] == '\'' || text[i] == '-';
        if (!word && text[i] != ' ' && text[i] != ',') {
            break;
        }
        n = word && strchr(" ,:", text[i + 1]) != NULL ? i + 1 : n;
    }
    return n > 0 ? n : strcspn(text, " ");
}

bool trial_same(const char *a, const char *b)
{
    size_t n = name_length(a);
    return n == name_length(b) && memcmp(a, b, n) == 0;
}
