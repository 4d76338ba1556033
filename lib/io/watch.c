/* Watching signals and file descriptors: thin owners of libuv's handles, freed when those are
 * closed. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/io/internal.h"
#include "lib/io/process.h"

/* --- signals --------------------------------------------------------------------------------- */

enum { SIGNALS_MAX = 16 };

struct signal_watch {
    void (*fn)(void *arg, int signal);
    void *arg;
    size_t open; /* handles not yet closed */
    size_t n;
    bool stopped;
    uv_signal_t handles[SIGNALS_MAX];
};

static void on_signal(uv_signal_t *handle, int signal)
{
    struct signal_watch *w = handle->data;

    if (!w->stopped) {
        w->fn(w->arg, signal);
    }
}

struct signal_watch *signal_watch_start(struct loop *loop, const int *signals, size_t n,
                                        void (*fn)(void *arg, int signal), void *arg)
{
    struct signal_watch *w = mem_zalloc(sizeof *w);

    PRE(n > 0);
    PRE(n <= SIGNALS_MAX);
    w->fn = fn;
    w->arg = arg;
    w->n = w->open = n;
    for (size_t i = 0; i < n; i++) {
        int rv = uv_signal_init(&loop->uv, &w->handles[i]);
        PRE(rv == 0);
        w->handles[i].data = w;
        rv = uv_signal_start(&w->handles[i], on_signal, signals[i]);
        PRE(rv == 0); /* not a signal that can be caught */
    }
    return w;
}

static void on_signal_closed(uv_handle_t *handle)
{
    struct signal_watch *w = handle->data;

    if (--w->open == 0) {
        mem_free(w);
    }
}

void signal_watch_stop(struct signal_watch *w)
{
    if (w == NULL || w->stopped) {
        return;
    }
    w->stopped = true;
    for (size_t i = 0; i < w->n; i++) {
        uv_close((uv_handle_t *)&w->handles[i], on_signal_closed);
    }
}

/* --- file descriptors ------------------------------------------------------------------------ */

struct fd_watch {
    uv_poll_t poll;
    int fd;
    void (*fn)(void *arg, int fd);
    void *arg;
    bool stopped;
};

/* An error or the far end's close is told too: the owner's read sees which. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct fd_watch *w = poll->data;

    (void)status;
    (void)events;
    w->fn(w->arg, w->fd);
}

struct fd_watch *fd_watch_start(struct loop *loop, int fd, void (*fn)(void *arg, int fd), void *arg)
{
    struct fd_watch *w = mem_zalloc(sizeof *w);

    w->fd = fd;
    w->fn = fn;
    w->arg = arg;
    if (uv_poll_init(&loop->uv, &w->poll, fd) != 0) {
        mem_free(w);
        return NULL;
    }
    w->poll.data = w;
    int rv = uv_poll_start(&w->poll, UV_READABLE, on_poll);
    PRE(rv == 0);
    return w;
}

static void on_poll_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void fd_watch_stop(struct fd_watch *w)
{
    if (w == NULL || w->stopped) {
        return;
    }
    w->stopped = true;
    uv_close((uv_handle_t *)&w->poll, on_poll_closed);
}
