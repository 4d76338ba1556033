/* The process driver: containers as plain processes, each under a shim (shim.c) that outlives the
 * agent.
 *
 * start: directory, meta, then the shim in a session of its own; the driver waits (at most
 * START_WAIT_MS) until the shim says that the program runs or cannot run. list: reads the
 * directories; a lock that is free without an exit file means that shim and program are gone
 * without a word. No image is involved: the container's command runs on the node's own files.
 *
 * Names come from validated objects ([a-z0-9.-]) and are checked again here before they become
 * paths. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kubelet/drivers/shim.h"
#include "kubelet/runtime.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/codec/json.h"
#include "lib/io/file.h"
#include "lib/io/process.h"

/* A shim that has not locked its directory for that long will not come any more. */
enum { START_WAIT_MS = 2000, STARTING_MS = 10000, ID_PARTS = 3 };

struct process_driver {
    struct driver driver;
    struct fs *fs;
    char *pods;   /* <root>/pods */
    char *events; /* <root>/events */
    char *shim;
    int inotify;
    struct fd_watch *watch;
};

/* --- paths ------------------------------------------------------------------------------------ */

static bool safe(const char *s)
{
    return s != NULL && s[0] != '\0' && s[0] != '.' &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyz"
                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")] == '\0';
}

static char *attempt_dir(const struct process_driver *d, const char *uid, const char *container,
                         int32_t attempt)
{
    return mem_printf("%s/%s/%s/%d", d->pods, uid, container, (int)attempt);
}

/* "<uid>/<container>/<attempt>" with nothing strange in it -> its directory, else NULL. */
static char *id_dir(const struct process_driver *d, const char *id)
{
    autofree char *copy = mem_strdup(id);
    char *parts[ID_PARTS];
    size_t n = 0;
    char *save = NULL;
    for (char *p = strtok_r(copy, "/", &save); p != NULL; p = strtok_r(NULL, "/", &save)) {
        if (n == ID_PARTS || !safe(p)) {
            return NULL;
        }
        parts[n++] = p;
    }
    return n == ID_PARTS ? mem_printf("%s/%s/%s/%s", d->pods, parts[0], parts[1], parts[2]) : NULL;
}

/* --- start ------------------------------------------------------------------------------------ */

static void add_env(json_t *env, const char *name, const char *value)
{
    autofree char *text = mem_printf("%s=%s", name, value != NULL ? value : "");
    json_array_append_new(env, json_string(text));
}

/* $(NAME) in command and args is the container's own variable, as in Kubernetes; $$ is a dollar. */
static char *expand(const char *text, const struct container *c)
{
    autobuf out = BUF_INIT;
    for (const char *p = text; *p != '\0'; p++) {
        const char *end = p[0] == '$' && p[1] == '(' ? strchr(p, ')') : NULL;
        size_t i = c->n_env;
        if (end != NULL) {
            size_t len = (size_t)(end - p - 2);
            for (i = 0; i < c->n_env; i++) {
                if (strlen(c->env[i].name) == len && strncmp(c->env[i].name, p + 2, len) == 0) {
                    break;
                }
            }
        }
        if (p[0] == '$' && p[1] == '$') {
            buf_append_char(&out, '$');
            p++;
        } else if (i < c->n_env) {
            buf_append_str(&out, c->env[i].value != NULL ? c->env[i].value : "");
            p = end;
        } else {
            buf_append_char(&out, *p);
        }
    }
    return mem_strdup(buf_str(&out));
}

static void add_argv(json_t *argv, char *const *items, size_t n, const struct container *c)
{
    for (size_t i = 0; i < n; i++) {
        autofree char *text = expand(items[i], c);
        json_array_append_new(argv, json_string(text));
    }
}

static json_t *make_meta(const struct process_driver *d, const struct start_request *r)
{
    const struct container *c = r->container;
    json_t *meta = json_object(), *argv = json_array(), *env = json_array();
    add_argv(argv, c->command, c->n_command, c);
    add_argv(argv, c->args, c->n_args, c);
    const char *path = getenv("PATH");
    add_env(env, "PATH", path != NULL ? path : "/usr/local/bin:/usr/bin:/bin");
    add_env(env, "HOSTNAME", r->pod_name);
    for (size_t i = 0; i < c->n_env; i++) {
        add_env(env, c->env[i].name, c->env[i].value);
    }
    json_object_set_new(meta, "namespace", json_string(r->pod_namespace));
    json_object_set_new(meta, "pod", json_string(r->pod_name));
    json_object_set_new(meta, "grace",
                        json_integer(r->spec->has_termination_grace_period_seconds
                                         ? r->spec->termination_grace_period_seconds : 30));
    json_object_set_new(meta, "argv", argv);
    json_object_set_new(meta, "env", env);
    if (c->working_dir != NULL) {
        json_object_set_new(meta, "cwd", json_string(c->working_dir));
    }
    autofree char *event = mem_printf("%s/%s", d->events, r->pod_uid);
    json_object_set_new(meta, "events", json_string(event));
    json_object_set_new(meta, "created", json_integer(clock_wall_ms()));
    return meta;
}

/* Double fork: the shim belongs to nobody and survives us. `ready` is its SHIM_READY_FD. */
static int spawn_shim(const char *shim, const char *dir, int ready, struct err *err)
{
    pid_t pid = fork();
    if (pid < 0) {
        return err_errno(err, errno, "start the shim of %s", dir);
    }
    if (pid == 0) {
        setsid();
        if (fork() != 0) {
            _exit(0);
        }
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        if (ready != SHIM_READY_FD) {
            dup2(ready, SHIM_READY_FD);
        } else {
            fcntl(ready, F_SETFD, 0); /* it is there already: only keep it over exec */
        }
        close_range(SHIM_READY_FD + 1, ~0u, 0);
        execl(shim, "barque", "shim", dir, (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return 0;
}

/* Until the shim has written pid or exit: it closes its end, by its own end at the latest.
 * False: it did not within START_WAIT_MS; list will tell. */
static bool wait_ready(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int rv;
    while ((rv = poll(&p, 1, START_WAIT_MS)) < 0 && errno == EINTR) {
    }
    return rv > 0;
}

/* What cannot be started is an attempt that has ended: back-off and status see it like any
 * other. */
static int start_failed(const struct process_driver *d, const char *dir, const char *why)
{
    autofree char *path = mem_printf("%s/%s", dir, SHIM_EXIT);
    autofree char *text = mem_printf("128 0 %" PRId64 " StartError\n%s", clock_wall_ms(), why);
    return fs_write_file_atomic(d->fs, path, slice_str(text), NULL);
}

/* The shim closed its pipe: either the files stand, or it has ended without a word. */
static int shim_ended(const struct process_driver *d, const char *dir)
{
    autofree char *pid = mem_printf("%s/%s", dir, SHIM_PID);
    autofree char *end = mem_printf("%s/%s", dir, SHIM_EXIT);
    if (fs_exists(d->fs, pid) || fs_exists(d->fs, end)) {
        return 0;
    }
    autofree char *why = mem_printf("the shim %s cannot be run", d->shim);
    return start_failed(d, dir, why);
}

static int process_start(struct driver *driver, const struct start_request *r, struct err *err)
{
    struct process_driver *d = (struct process_driver *)(void *)driver;
    if (!safe(r->pod_uid) || !safe(r->container->name)) {
        return err_set(err, E_INVAL, "pod %s: uid or container name is not a plain name",
                       r->pod_name);
    }
    autofree char *dir = attempt_dir(d, r->pod_uid, r->container->name, r->attempt);
    autofree char *meta_path = mem_printf("%s/%s", dir, SHIM_META);
    int rv = fs_mkdir_p(d->fs, dir, 0700, err);
    if (rv != 0) {
        return rv;
    }
    json_t *meta = make_meta(d, r);
    autobuf text = BUF_INIT;
    json_write(meta, &text);
    json_decref(meta);
    rv = fs_write_file_atomic(d->fs, meta_path, buf_slice(&text), err);
    if (rv != 0) {
        return rv;
    }
    if (r->container->n_command + r->container->n_args == 0) {
        return start_failed(d, dir, "no command: nothing is known of images, name a program");
    }
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) {
        return err_errno(err, errno, "start %s", dir);
    }
    rv = spawn_shim(d->shim, dir, ready[1], err);
    close(ready[1]);
    bool ended = rv == 0 && wait_ready(ready[0]);
    close(ready[0]);
    return rv == 0 && ended ? shim_ended(d, dir) : rv;
}

/* --- list ------------------------------------------------------------------------------------- */

static const char *read_text(const struct process_driver *d, const char *dir, const char *name,
                             struct arena *arena)
{
    autofree char *path = mem_printf("%s/%s", dir, name);
    autobuf text = BUF_INIT;
    if (fs_read_file(d->fs, path, LIMIT_DOC_BYTES, &text, NULL) != 0) {
        return NULL;
    }
    return arena_strdup(arena, buf_str(&text));
}

/* True while a shim holds the attempt's lock. */
static bool shim_lives(const char *dir)
{
    autofree char *path = mem_printf("%s/%s", dir, SHIM_LOCK);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    bool lives = fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK;
    close(fd);
    return lives;
}

static void read_exit(const char *text, struct attempt *a, struct arena *arena)
{
    int code = 0, signal = 0, used = 0;
    int64_t at = 0;
    char reason[32] = "Error";
    if (sscanf(text, "%d %d %" SCNd64 " %31s%n", &code, &signal, &at, reason, &used) < 4) {
        code = 255;
        at = clock_wall_ms();
    }
    a->state = ATTEMPT_EXITED;
    a->exit_code = signal != 0 ? 0 : code;
    a->signal = signal;
    a->finished_ms = at;
    a->reason = arena_strdup(arena, reason);
    const char *message = strchr(text, '\n');
    a->message = message != NULL && message[1] != '\0' ? message + 1 : NULL;
}

/* False: a directory whose start was cut short before meta; nothing ever ran there. */
static bool read_attempt(const struct process_driver *d, const char *uid, const char *container,
                         const char *attempt, struct arena *arena, struct attempt *a)
{
    autofree char *dir = mem_printf("%s/%s/%s/%s", d->pods, uid, container, attempt);
    const char *meta_text = read_text(d, dir, SHIM_META, arena);
    json_t *meta = NULL;
    if (meta_text == NULL || json_parse(slice_str(meta_text), &meta, NULL) != 0) {
        return false;
    }
    *a = (struct attempt){ 0 };
    a->id = arena_printf(arena, "%s/%s/%s", uid, container, attempt);
    a->pod_uid = arena_strdup(arena, uid);
    a->container = arena_strdup(arena, container);
    a->attempt = (int32_t)strtol(attempt, NULL, 10);
    a->pod_namespace = arena_strdup(arena, json_path_str(meta, "namespace", ""));
    a->pod_name = arena_strdup(arena, json_path_str(meta, "pod", ""));
    a->grace_s = json_path_int(meta, "grace", 30);
    int64_t created_ms = a->started_ms = json_path_int(meta, "created", 0);
    json_decref(meta);
    bool lives = shim_lives(dir); /* before exit is read: a shim writes exit, then lets go */
    const char *pid = read_text(d, dir, SHIM_PID, arena);
    if (pid != NULL) {
        sscanf(pid, "%" SCNd32 " %" SCNd64, &a->pid, &a->started_ms);
    }
    const char *end = read_text(d, dir, SHIM_EXIT, arena);
    if (end != NULL) {
        read_exit(end, a, arena);
    } else if (!lives && (pid != NULL || clock_wall_ms() - created_ms > STARTING_MS ||
                          created_ms > clock_wall_ms())) {
        a->state = ATTEMPT_EXITED;
        a->exit_code = 137;
        a->finished_ms = a->started_ms;
        a->reason = "ContainerStatusUnknown";
        a->message = "the process and its shim are gone without a word";
    }
    return true;
}

struct listing {
    struct process_driver *driver;
    struct arena *arena;
    struct attempt *items;
    size_t n, cap;
};

/* Calls down for each entry of <pods>/<a>/<b>, three levels deep. */
static void list_pod(struct listing *l, const char *uid)
{
    struct process_driver *d = l->driver;
    autofree char *pod_dir = mem_printf("%s/%s", d->pods, uid);
    char **containers, **attempts;
    size_t n_containers, n_attempts;
    if (fs_list(d->fs, pod_dir, &containers, &n_containers, NULL) != 0) {
        return;
    }
    for (size_t c = 0; c < n_containers; c++) {
        autofree char *dir = mem_printf("%s/%s", pod_dir, containers[c]);
        if (fs_list(d->fs, dir, &attempts, &n_attempts, NULL) != 0) {
            continue;
        }
        for (size_t k = 0; k < n_attempts; k++) {
            l->items = mem_grow(l->items, &l->cap, l->n + 1, sizeof *l->items);
            if (read_attempt(d, uid, containers[c], attempts[k], l->arena, &l->items[l->n])) {
                l->n++;
            }
        }
        fs_list_free(attempts, n_attempts);
    }
    fs_list_free(containers, n_containers);
}

static int process_list(struct driver *driver, struct arena *arena, struct attempt **ret_attempts,
                        size_t *ret_n, struct err *err)
{
    struct process_driver *d = (struct process_driver *)(void *)driver;
    struct listing l = { .driver = d, .arena = arena };
    char **uids;
    size_t n;
    int rv = fs_list(d->fs, d->pods, &uids, &n, err);
    if (rv != 0) {
        return rv;
    }
    for (size_t i = 0; i < n; i++) {
        list_pod(&l, uids[i]);
    }
    fs_list_free(uids, n);
    *ret_attempts = arena_dup(arena, l.items, l.n * sizeof *l.items);
    *ret_n = l.n;
    mem_free(l.items);
    return 0;
}

/* --- signal, remove --------------------------------------------------------------------------- */

static int process_signal(struct driver *driver, const char *id, int signal)
{
    struct process_driver *d = (struct process_driver *)(void *)driver;
    autofree char *dir = id_dir(d, id);
    if (dir == NULL) {
        return E_INVAL;
    }
    struct arena arena;
    arena_init(&arena);
    const char *text = read_text(d, dir, SHIM_PID, &arena);
    int32_t pid = text != NULL ? (int32_t)strtol(text, NULL, 10) : 0;
    /* Only while its shim lives: then the pid is still the program's (or a zombie), never a
     * stranger's. */
    bool lives = pid > 1 && shim_lives(dir) && read_text(d, dir, SHIM_EXIT, &arena) == NULL;
    arena_fini(&arena);
    if (!lives || (kill(-pid, signal) != 0 && errno == ESRCH)) {
        return E_NOTFOUND;
    }
    return 0;
}

static int process_remove(struct driver *driver, const char *id)
{
    struct process_driver *d = (struct process_driver *)(void *)driver;
    autofree char *dir = id_dir(d, id);
    if (dir == NULL) {
        return E_INVAL;
    }
    int rv = fs_remove_tree(d->fs, dir, NULL);
    /* The container's and the pod's directories go when they are empty. */
    for (int i = 0; i < 2; i++) {
        *strrchr(dir, '/') = '\0';
        rmdir(dir);
    }
    const char *slash = strchr(id, '/');
    autofree char *event = mem_printf("%s/%.*s", d->events, (int)(slash - id), id);
    if (access(dir, F_OK) != 0) {
        unlink(event);
    }
    return rv;
}

static char *process_log_path(struct driver *driver, const char *uid, const char *container,
                              int32_t attempt)
{
    struct process_driver *d = (struct process_driver *)(void *)driver;
    if (!safe(uid) || !safe(container)) {
        return NULL;
    }
    autofree char *dir = attempt_dir(d, uid, container, attempt);
    return mem_printf("%s/%s", dir, SHIM_LOG);
}

static void on_events(void *arg, int fd)
{
    struct process_driver *d = arg;
    char drop[4096] __attribute__((aligned(8)));
    while (read(fd, drop, sizeof drop) > 0) {
    }
    if (d->driver.changed != NULL) {
        d->driver.changed(d->driver.arg);
    }
}

static void process_free(struct driver *driver)
{
    struct process_driver *d = (struct process_driver *)(void *)driver;
    if (d->watch != NULL) {
        fd_watch_stop(d->watch);
    }
    if (d->inotify >= 0) {
        close(d->inotify);
    }
    mem_free(d->pods);
    mem_free(d->events);
    mem_free(d->shim);
    mem_free(d);
}

int driver_process_new(struct loop *loop, const char *root, const char *shim_path,
                       struct driver **ret_driver, struct err *err)
{
    struct process_driver *d = mem_zalloc(sizeof *d);
    d->driver = (struct driver){ .name = "process",
                                 .start = process_start,
                                 .signal = process_signal,
                                 .list = process_list,
                                 .remove = process_remove,
                                 .log_path = process_log_path,
                                 .free = process_free };
    d->fs = loop_fs(loop);
    int rv = fs_mkdir_p(d->fs, root, 0700, err);
    char *absolute = rv == 0 ? realpath(root, NULL) : NULL;
    d->pods = mem_printf("%s/pods", absolute != NULL ? absolute : root);
    d->events = mem_printf("%s/events", absolute != NULL ? absolute : root);
    free(absolute);
    d->shim = mem_strdup(shim_path);
    d->inotify = -1;
    if (rv == 0) {
        rv = fs_mkdir_p(d->fs, d->pods, 0700, err);
    }
    if (rv == 0) {
        rv = fs_mkdir_p(d->fs, d->events, 0700, err);
    }
    if (rv == 0) {
        d->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (d->inotify < 0 ||
            inotify_add_watch(d->inotify, d->events, IN_CLOSE_WRITE | IN_CREATE) < 0) {
            rv = err_errno(err, errno, "watch %s", d->events);
        }
    }
    if (rv != 0) {
        process_free(&d->driver);
        return rv;
    }
    d->watch = fd_watch_start(loop, d->inotify, on_events, d);
    *ret_driver = &d->driver;
    return 0;
}
