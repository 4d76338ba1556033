/* Container runtimes behind one table of four calls: start, signal, list, remove. Drivers:
 * `process` (fork and exec under a shim that outlives the agent), `fake` (deterministic, no
 * processes: tests and hollow nodes).
 *
 * A container attempt is one start of one container of one pod; its id is "<pod
 * uid>/<container>/<attempt>". The driver keeps everything it needs on disk (or in its fake), so
 * a restarted agent finds all by list(). Threads: loop; calls are quick (a fork at most). */
#ifndef BARQUE_KUBELET_RUNTIME_H
#define BARQUE_KUBELET_RUNTIME_H

#include "api/core.h"
#include "lib/base/arena.h"
#include "lib/base/err.h"

struct loop;

enum attempt_state { ATTEMPT_RUNNING, ATTEMPT_EXITED };

/* One container attempt as observed. Strings live in the arena given to list(). */
struct attempt {
    const char *id;
    const char *pod_uid, *pod_namespace, *pod_name, *container;
    int32_t attempt;            /* 0, 1, ...: the restart count */
    int64_t grace_s;            /* the pod's termination grace period */
    enum attempt_state state;
    int64_t started_ms, finished_ms; /* wall */
    int32_t exit_code, signal;  /* signal != 0: ended by it */
    const char *reason;         /* "Completed" "Error" "StartError" "ContainerStatusUnknown" */
    const char *message;        /* NULL or what went wrong */
    int32_t pid;
};

struct start_request {
    const char *pod_uid, *pod_namespace, *pod_name, *node_name;
    const struct pod_spec *spec;
    const struct container *container; /* env is plain values */
    int32_t attempt;
};

struct driver {
    const char *name;
    /* E_NOTFOUND (no such program), E_PERM, E_IO: told with a message; the attempt is then
     * listed as EXITED with reason StartError, so that restart policy and status see it like any
     * other failure. */
    int (*start)(struct driver *d, const struct start_request *request, struct err *err);
    int (*signal)(struct driver *d, const char *id, int signal);
    int (*list)(struct driver *d, struct arena *arena, struct attempt **ret_attempts, size_t *ret_n,
                struct err *err);
    /* Forgets an EXITED attempt, its files and logs. */
    int (*remove)(struct driver *d, const char *id);
    /* Something may have changed: call list() soon. Set by the agent. */
    void (*changed)(void *arg);
    void *arg;
    /* "<root>/pods/<uid>/<container>/<attempt>/log": CRI format; NULL when the driver has no
     * logs. */
    char *(*log_path)(struct driver *d, const char *pod_uid, const char *container,
                      int32_t attempt); /* mem_free */
    void (*free)(struct driver *d); /* processes go on */
};

/* root: the agent's state directory. E_PERM, E_IO with what and where. `shim_path` is the barque
 * binary. */
int driver_process_new(struct loop *loop, const char *root, const char *shim_path,
                       struct driver **ret_driver, struct err *err);
/* Starts "succeed" at once and run until signalled; a container whose command is {"exit", "N"}
 * ends with N after its first list. */
struct driver *driver_fake_new(struct loop *loop);

#endif
