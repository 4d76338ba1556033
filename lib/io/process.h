/* Child processes and signals. Spawn never goes through a shell: execve with argv.
 * Threads: loop. */
#ifndef BARQUE_IO_PROCESS_H
#define BARQUE_IO_PROCESS_H

#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/io/loop.h"

struct process;

struct process_options {
    const char *path;         /* executable; looked up in PATH when it has no slash */
    const char *const *argv;  /* NULL-terminated, argv[0] included */
    const char *const *envp;  /* NULL = inherit */
    const char *cwd;          /* NULL = inherit */
    int stdout_fd;            /* -1 = /dev/null; the child gets a copy */
    int stderr_fd;
    bool new_session;         /* setsid: own process group, survives the terminal */
    void (*on_exit)(void *arg, struct process *p, int exit_code, int signal);
    void *arg;
};

/* E_NOTFOUND / E_PERM with a message that names the program. */
int process_spawn(struct loop *loop, const struct process_options *options,
                  struct process **ret_process, struct err *err);
pid_t process_pid(const struct process *p);
int process_kill(struct process *p, int signal); /* E_NOTFOUND when it has ended */
/* Forgets the child (no on_exit any more); it is not killed. The object lives until this call,
 * so call it after on_exit (or in it) too. */
void process_release(struct process *p);

/* Asks the kernel to let this thread, and those it starts from now on, run soon after they wake: a
 * server that works microseconds at a time should not wait for a neighbour's whole turn. A hint,
 * without effect before Linux 6.12. Children inherit it. */
void process_wake_soon(void);

/* Calls fn on the loop when one of the signals arrives (SIGINT, SIGTERM, SIGHUP; at most 16). Keeps
 * loop_run running until it is stopped. */
struct signal_watch;
struct signal_watch *signal_watch_start(struct loop *loop, const int *signals, size_t n,
                                        void (*fn)(void *arg, int signal), void *arg);
void signal_watch_stop(struct signal_watch *w);

/* Watches a file descriptor for readability (pipes, inotify); makes it non-blocking. fn is also
 * called when the far end has closed: its read tells. NULL when the descriptor cannot be watched
 * (a regular file, or one that is watched already). */
struct fd_watch;
struct fd_watch *fd_watch_start(struct loop *loop, int fd, void (*fn)(void *arg, int fd),
                                void *arg);
void fd_watch_stop(struct fd_watch *w); /* does not close fd */

#endif
