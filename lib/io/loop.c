/* The loop: libuv's, with an end of turn.
 *
 * One turn is one pass of uv_run: timers fire, then the end of the turn (a prepare handle: the
 * last thing before the loop would sleep), then libuv waits and calls back for sockets and
 * files. So the end of turn sees what the last wait and the timers after it have caused:
 *
 *     wait -> I/O callbacks -> closed handles -> timers -> [ready, hooks, conn output] -> wait ...
 *
 * What a ready call makes ready, and what a hook arms again after having run, belongs to another
 * turn; then the idle handle is on, which makes the next wait return at once: nothing pending
 * ever waits for an unrelated event, and nothing that repeats itself starves the sockets. */
#include "lib/io/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/clock.h"
#include "lib/io/fault_internal.h"
#include "lib/io/internal.h"

enum {
    CONNS_RESERVED = 40, /* of peers: seven members with a snapshot stream each */
    FILES_RESERVED = 24, /* WAL, snapshots, what the process has from its start */
    CONNS_MIN = 16,
};

static bool pending(const struct loop *loop)
{
    return !list_empty(&loop->ready) || !list_empty(&loop->hooks) || !list_empty(&loop->dirty);
}

/* --- the end of a turn ----------------------------------------------------------------------- */

static void run_ready(struct loop *loop)
{
    struct list *l;

    loop->in_ready = true;
    while ((l = list_pop_front(&loop->ready)) != NULL) {
        struct ready *r = LIST_ENTRY(l, struct ready, link);
        r->fn(r);
    }
    loop->in_ready = false;
}

static bool run_hook(struct loop *loop)
{
    struct list *l = list_pop_front(&loop->hooks);
    if (l == NULL) {
        return false;
    }
    struct turn_hook *h = LIST_ENTRY(l, struct turn_hook, link);
    h->turn = loop->turn;
    h->fn(h);
    return true;
}

static void idle_noop(uv_idle_t *idle)
{
    (void)idle;
}

static void idle_update(struct loop *loop)
{
    if (pending(loop)) {
        uv_idle_start(&loop->idle, idle_noop);
    } else {
        uv_idle_stop(&loop->idle);
    }
}

/* Each hook runs at most once a turn and a ready call queues only into the next, so this ends. */
static void turn_end(struct loop *loop)
{
    loop->turn++;
    do {
        run_ready(loop);
    } while (run_hook(loop));
    conns_flush(loop);
    list_move_all(&loop->ready, &loop->ready_next);
    list_move_all(&loop->hooks, &loop->hooks_next);
    idle_update(loop);
}

static void on_prepare(uv_prepare_t *prepare)
{
    turn_end(prepare->data);
}

/* --- life ------------------------------------------------------------------------------------ */

/* Before main, because libuv wants it before any other call. */
__attribute__((constructor)) static void use_our_allocator(void)
{
    int rv = uv_replace_allocator(mem_alloc, mem_realloc, mem_calloc, mem_free);
    PRE(rv == 0);
}

struct loop *loop_new(void)
{
    struct loop *loop = mem_alloc(sizeof *loop);
    memset(loop, 0, offsetof(struct loop, read_buffer)); /* the buffer's pages come when used */

    signal(SIGPIPE, SIG_IGN);
    int rv = uv_loop_init(&loop->uv);
    PRE(rv == 0); /* no epoll descriptor: nothing can be done without one */
    loop->uv.data = loop;
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_idle_init(&loop->uv, &loop->idle);
    uv_timer_init(&loop->uv, &loop->timer);
    loop->prepare.data = loop->timer.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_unref((uv_handle_t *)&loop->prepare);
    heap_init(&loop->timers);
    heap_init(&loop->due);
    list_init(&loop->ready);
    list_init(&loop->ready_next);
    list_init(&loop->hooks);
    list_init(&loop->hooks_next);
    list_init(&loop->dirty);
    list_init(&loop->conns);
    list_init(&loop->connects);
    list_init(&loop->listeners);
    list_init(&loop->released);
    loop->conns_max = LIMIT_CONNS;
    loop->conns_reserved = CONNS_RESERVED;
    loop->fs.name = "disk";
    return loop;
}

void loop_free(struct loop *loop)
{
    enum { CLOSE_PASSES = 64 }; /* a close callback may close another handle, a few deep */

    if (loop == NULL) {
        return;
    }
    PRE(!loop->running);
    faults_stop(loop);
    processes_forget(loop);
    while (loop->resolving > 0) {
        uv_run(&loop->uv, UV_RUN_ONCE);
    }
    uv_timer_stop(&loop->timer);
    for (int i = 0; i < CLOSE_PASSES && (pending(loop) || uv_loop_alive(&loop->uv)); i++) {
        idle_update(loop);
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    }
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->timer, NULL);
    /* swallowed when loop_stop came at the end of the last turn */
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    int rv = uv_loop_close(&loop->uv);
    PRE(rv == 0); /* a conn, listener, worker, process or watch was left open */
    heap_fini(&loop->timers);
    heap_fini(&loop->due);
    out_pool_fini(&loop->out_pool);
    mem_free(loop);
}

void loop_run(struct loop *loop)
{
    PRE(!loop->running);
    loop->running = true;
    do {
        if (!loop->stop) {
            idle_update(loop);
            uv_run(&loop->uv, UV_RUN_DEFAULT);
        }
        turn_end(loop); /* what the last callbacks left behind */
    } while (!loop->stop && (pending(loop) || uv_loop_alive(&loop->uv)));
    loop->running = false;
    loop->stop = false;
}

void loop_stop(struct loop *loop)
{
    loop->stop = true;
    uv_stop(&loop->uv);
}

/* --- clock ----------------------------------------------------------------------------------- */

uint64_t loop_now_ms(struct loop *loop)
{
    if (!loop->running) {
        uv_update_time(&loop->uv); /* between runs there is no turn whose time could be kept */
    }
    return uv_now(&loop->uv);
}

uint64_t loop_now_us(struct loop *loop)
{
    (void)loop;
    return clock_mono_us();
}

int64_t loop_wall_ms(struct loop *loop)
{
    int64_t jump_ms = loop->faults != NULL ? faults_wall_ms(loop->faults) : 0;
    return clock_wall_ms() + jump_ms;
}

/* --- file descriptors ------------------------------------------------------------------------ */

int loop_fit_descriptors(struct loop *loop, struct err *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return err_errno(err, errno, "getrlimit");
    }
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit most = { limit.rlim_max, limit.rlim_max };
        limit = setrlimit(RLIMIT_NOFILE, &most) == 0 ? most : limit;
    }
    const rlim_t kept = CONNS_RESERVED + FILES_RESERVED;
    if (limit.rlim_cur < kept + CONNS_MIN) {
        return err_set(err, E_UNAVAILABLE, "%llu file descriptors are too few: at least %llu are "
                       "needed. Next: raise the limit (ulimit -n)",
                       (unsigned long long)limit.rlim_cur, (unsigned long long)kept + CONNS_MIN);
    }
    rlim_t most = limit.rlim_cur - kept;
    loop->conns_max = most < LIMIT_CONNS ? (size_t)most : LIMIT_CONNS;
    return 0;
}

/* --- ready and hooks ------------------------------------------------------------------------- */

void ready_init(struct ready *r, void (*fn)(struct ready *self))
{
    list_init(&r->link);
    r->fn = fn;
}

void loop_ready(struct loop *loop, struct ready *r)
{
    PRE(r->fn != NULL);
    if (list_empty(&r->link)) {
        list_push_back(loop->in_ready ? &loop->ready_next : &loop->ready, &r->link);
    }
}

void ready_cancel(struct ready *r)
{
    list_remove(&r->link);
}

void turn_hook_init(struct turn_hook *h, void (*fn)(struct turn_hook *self))
{
    list_init(&h->link);
    h->fn = fn;
    h->turn = 0;
}

void loop_at_turn_end(struct loop *loop, struct turn_hook *h)
{
    PRE(h->fn != NULL);
    if (list_empty(&h->link)) {
        bool ran = h->turn == loop->turn && h->turn != 0;
        list_push_back(ran ? &loop->hooks_next : &loop->hooks, &h->link);
    }
}

void turn_hook_cancel(struct turn_hook *h)
{
    list_remove(&h->link);
}

/* --- shared ---------------------------------------------------------------------------------- */

int io_status(int uv_status)
{
    switch (-uv_status) {
    case 0:
        return 0;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENOTCONN:
        return E_CLOSED;
    case ETIMEDOUT:
        return E_TIMEOUT;
    case ECANCELED:
        return E_CANCELED;
    default:
        return err_from_errno(-uv_status);
    }
}

struct fs *loop_fs(struct loop *loop)
{
    return &loop->fs;
}
