/* Members as somebody describes them: signals to their process ids, or commands for it.
 *
 * A member's process id is the one of the program that `start` ran last, as long as it lives; else
 * what stands in `pid_file`; else `pid`. Commands are run without a shell and waited for. */
#include "cmd/chaos/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/chaos/given.h"
#include "cmd/chaos/netns.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/io/file.h"

enum { COMMAND_MS = 15000, END_MS = 3000 };

static struct given_member *member_of(struct target *t, size_t i)
{
    return &((struct given *)t->arg)->members[i];
}

/* --- process ids ------------------------------------------------------------------------------ */

static pid_t pid_of(struct given_member *m)
{
    if (m->child > 0 && waitpid(m->child, NULL, WNOHANG) == m->child) {
        m->child = 0;
    }
    if (m->child > 0) {
        return m->child;
    }
    pid_t pid = m->pid;
    if (m->pid_file != NULL) {
        FILE *f = fopen(m->pid_file, "re");
        int n = 0;
        pid = f != NULL && fscanf(f, "%d", &n) == 1 ? n : 0;
        if (f != NULL) {
            fclose(f);
        }
    }
    if (pid != m->seen) {
        m->seen = pid;
        m->seen_started = 0;
    }
    return target_pid_is(pid, &m->seen_started) ? pid : 0;
}

static bool has_pid(const struct given_member *m)
{
    return m->child > 0 || m->pid > 0 || m->pid_file != NULL;
}

static bool runs(struct target *t, enum target_part part, size_t i)
{
    struct given_member *m = member_of(t, i);
    PRE(part == TARGET_MEMBER);
    return has_pid(m) ? pid_of(m) != 0 : !m->down;
}

/* --- commands --------------------------------------------------------------------------------- */

static pid_t spawn(char *const *argv, const char *log, int netns, bool ours)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0) {
        return pid;
    }
    setsid();
    if (ours) { /* it must not outlive a chaos that is killed */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(127);
        }
    }
    if (netns > 0 && setns(netns, CLONE_NEWNET) != 0) {
        _exit(127);
    }
    int null = open("/dev/null", O_RDWR);
    int out = log != NULL ? open(log, O_WRONLY | O_CREAT | O_APPEND, 0600) : null;
    dup2(null, 0);
    dup2(out, 1);
    dup2(out, 2);
    close_range(3, ~0u, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(argv[0], argv);
    _exit(127);
}

static int command(char *const *argv, const char *what, const char *name, struct err *err)
{
    pid_t pid = spawn(argv, NULL, 0, false);
    int status = 0;
    for (int ms = 0; pid > 0 && waitpid(pid, &status, WNOHANG) == 0; ms += 2) {
        if (ms > COMMAND_MS) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            return err_set(err, E_TIMEOUT, "the %s command of %s did not end in %d s", what, name,
                           COMMAND_MS / 1000);
        }
        poll(NULL, 0, 2);
    }
    if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return err_set(err, E_IO, "the %s command of %s (%s ...) failed", what, name, argv[0]);
    }
    return 0;
}

/* --- the operations --------------------------------------------------------------------------- */

static int start(struct target *t, enum target_part part, size_t i, struct err *err)
{
    struct given_member *m = member_of(t, i);
    const char *log = t->members[i].log[0] != '\0' ? t->members[i].log : NULL;
    PRE(part == TARGET_MEMBER);
    PRE(m->start != NULL);
    pid_t pid = spawn(m->start, log, m->netns, t->own);
    if (pid < 0) {
        return err_errno(err, errno, "start %s", t->members[i].name);
    }
    m->child = pid;
    m->down = false;
    return 0;
}

static int pause_(struct target *t, size_t i, bool on, struct err *err)
{
    struct given_member *m = member_of(t, i);
    char **argv = on ? m->pause : m->resume;
    if (argv != NULL) {
        return command(argv, on ? "pause" : "resume", t->members[i].name, err);
    }
    pid_t pid = pid_of(m);
    if (pid == 0 || kill(pid, on ? SIGSTOP : SIGCONT) != 0) {
        return err_set(err, E_NOTFOUND, "%s does not run", t->members[i].name);
    }
    return 0;
}

static void kill_(struct target *t, enum target_part part, size_t i)
{
    struct given_member *m = member_of(t, i);
    PRE(part == TARGET_MEMBER);
    m->down = true;
    if (m->kill != NULL) {
        command(m->kill, "kill", t->members[i].name, NULL);
        return;
    }
    pid_t pid = pid_of(m);
    if (pid > 0) {
        kill(pid, SIGKILL);
    }
    for (int k = 0; k < END_MS && pid_of(m) != 0; k++) {
        poll(NULL, 0, 1);
    }
}

static int open_(struct target *t, struct err *err)
{
    int rv = 0;
    for (size_t i = 0; t->own && rv == 0 && i < t->n_members; i++) {
        rv = start(t, TARGET_MEMBER, i, err);
    }
    return rv;
}

static void close_(struct target *t, bool keep)
{
    struct given *g = t->arg;
    for (size_t i = 0; t->own && i < t->n_members; i++) {
        kill_(t, TARGET_MEMBER, i);
    }
    if (t->own && !keep) {
        fs_remove_tree(loop_fs(g->loop), g->dir, NULL);
    }
}

static void free_(struct target *t)
{
    struct given *g = TAKE(t->arg);
    if (t->own) {
        rmdir(g->dir); /* nothing was started: a plan alone */
    }
    netns_free(g->net);
    arena_fini(&g->arena);
    mem_free(g);
}

const struct target_ops given_ops = {
    .open = open_,
    .close = close_,
    .runs = runs,
    .start = start,
    .pause = pause_,
    .kill = kill_,
    .free = free_,
};
