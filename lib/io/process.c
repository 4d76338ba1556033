/* Child processes over uv_spawn (fork and execve; a failing execve is told to the caller).
 *
 * A process object lives from process_spawn to process_release, whether the child has ended or
 * not. Released while the child runs, the object stays on loop->released without keeping the
 * loop alive, so that the child is still waited for and leaves no zombie. */
#include "lib/io/process.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/io/internal.h"

struct process {
    struct loop *loop;
    struct list link; /* in loop->released */
    uv_process_t handle;
    void (*on_exit)(void *arg, struct process *p, int exit_code, int signal);
    void *arg;
    pid_t pid;
    bool ended;
    bool released;
};

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void close_handle(struct process *p)
{
    list_remove(&p->link);
    uv_close((uv_handle_t *)&p->handle, on_closed);
}

static void on_exit_cb(uv_process_t *handle, int64_t exit_code, int signal)
{
    struct process *p = handle->data;

    p->ended = true;
    if (p->released) {
        close_handle(p);
    } else if (p->on_exit != NULL) {
        p->on_exit(p->arg, p, (int)exit_code, signal);
    }
}

static uv_stdio_container_t output_to(int fd)
{
    uv_stdio_container_t c = { .flags = UV_IGNORE };

    if (fd >= 0) {
        c.flags = UV_INHERIT_FD;
        c.data.fd = fd;
    }
    return c;
}

/* The system says "no such file" for the program and for the directory alike. */
static int spawn_error(const struct process_options *o, int errnum, struct err *err)
{
    if (o->cwd != NULL && access(o->cwd, X_OK) != 0) {
        return err_errno(err, errno, "start %s: directory %s", o->path, o->cwd);
    }
    return err_errno(err, errnum, "start %s", o->path);
}

int process_spawn(struct loop *loop, const struct process_options *options,
                  struct process **ret_process, struct err *err)
{
    uv_stdio_container_t stdio[3] = { { .flags = UV_IGNORE },
                                      output_to(options->stdout_fd),
                                      output_to(options->stderr_fd) };
    uv_process_options_t o = {
        .exit_cb = on_exit_cb,
        .file = options->path,
        .args = (char **)(uintptr_t)options->argv, /* libuv does not change them */
        .env = (char **)(uintptr_t)options->envp,
        .cwd = options->cwd,
        .flags = options->new_session ? UV_PROCESS_DETACHED : 0,
        .stdio_count = 3,
        .stdio = stdio,
    };
    struct process *p = mem_zalloc(sizeof *p);

    PRE(options->argv != NULL);
    p->loop = loop;
    p->on_exit = options->on_exit;
    p->arg = options->arg;
    p->handle.data = p;
    list_init(&p->link);
    int rv = uv_spawn(&loop->uv, &p->handle, &o);
    if (rv != 0) {
        rv = spawn_error(options, -rv, err);
        close_handle(p);
        return rv;
    }
    p->pid = p->handle.pid;
    *ret_process = p;
    return 0;
}

pid_t process_pid(const struct process *p)
{
    return p->pid;
}

int process_kill(struct process *p, int signal)
{
    if (p->ended) {
        return E_NOTFOUND; /* the pid may be another's by now */
    }
    /* Not waited for yet, so the pid is still this child's. */
    return kill(p->pid, signal) == 0 ? 0 : err_from_errno(errno == ESRCH ? ENOENT : errno);
}

void process_release(struct process *p)
{
    if (p == NULL) {
        return;
    }
    PRE(!p->released);
    p->released = true;
    if (p->ended) {
        close_handle(p);
    } else {
        uv_unref((uv_handle_t *)&p->handle);
        list_push_back(&p->loop->released, &p->link);
    }
}

void processes_forget(struct loop *loop)
{
    struct list *l;

    while ((l = list_first(&loop->released)) != NULL) {
        close_handle(LIST_ENTRY(l, struct process, link));
    }
}

/* --- scheduling ----------------------------------------------------------------------------- */

/* The kernel's struct sched_attr in its first form; the C library has none. */
struct slice_attr {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns; /* of an ordinary thread: the slice it asks for (0.1 .. 100 ms) */
    uint64_t deadline_ns;
    uint64_t period_ns;
};

/* EEVDF runs the thread with the earliest deadline, which is a slice away: a short one is served
 * soon, and gets no more CPU for it. */
void process_wake_soon(void)
{
    enum { SLICE_NS = 100000 };
    struct slice_attr a = { .size = sizeof a };
    if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) != 0 || a.policy != SCHED_OTHER) {
        return;
    }
    a.runtime_ns = SLICE_NS;
    (void)syscall(SYS_sched_setattr, 0, &a, 0);
}
