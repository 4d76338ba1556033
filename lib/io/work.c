/* Workers: one thread and two queues each.
 *
 *     worker_submit -> [queue] -> run() (thread) -> [finished] -> wake-up -> done() (loop)
 *
 * The thread takes one job at a time; a wake-up is sent only when `finished` was empty, so jobs
 * that finish together cost one. The loop stays alive while jobs are pending.
 *
 * worker_free may be called from a done(): the struct lives until its wake-up handle is closed,
 * and `firing` (what the loop has taken but not yet called back) is emptied, so no further
 * done() comes. */
#include "lib/io/work.h"

#include <pthread.h>
#include <signal.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/io/internal.h"

struct worker {
    struct loop *loop;
    uv_async_t wakeup;
    pthread_t thread;
    char name[16];
    size_t pending;
    struct list firing; /* loop thread only */

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t submitted;
    struct list queue;
    struct list finished;
    bool stop;
};

/* The next job, or NULL when the worker is to end. */
static struct job *take(struct worker *w)
{
    struct list *l = NULL;

    pthread_mutex_lock(&w->lock);
    while (!w->stop && (l = list_pop_front(&w->queue)) == NULL) {
        pthread_cond_wait(&w->submitted, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return l != NULL ? LIST_ENTRY(l, struct job, link) : NULL;
}

static void finish(struct worker *w, struct job *job)
{
    pthread_mutex_lock(&w->lock);
    bool first = list_empty(&w->finished);
    list_push_back(&w->finished, &job->link);
    pthread_mutex_unlock(&w->lock);
    if (first) {
        uv_async_send(&w->wakeup);
    }
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct job *job;

    pthread_setname_np(pthread_self(), w->name);
    while ((job = take(w)) != NULL) {
        job->run(job);
        finish(w, job);
    }
    return NULL;
}

static void on_wakeup(uv_async_t *wakeup)
{
    struct worker *w = wakeup->data;
    struct list *l;

    pthread_mutex_lock(&w->lock);
    list_move_all(&w->firing, &w->finished);
    pthread_mutex_unlock(&w->lock);
    while ((l = list_pop_front(&w->firing)) != NULL) {
        struct job *job = LIST_ENTRY(l, struct job, link);
        w->pending--;
        if (w->pending == 0) {
            uv_unref((uv_handle_t *)&w->wakeup);
        }
        job->done(job);
    }
}

struct worker *worker_new(struct loop *loop, const char *name)
{
    struct worker *w = mem_zalloc(sizeof *w);
    sigset_t all;
    sigset_t old;

    w->loop = loop;
    str_copy(w->name, sizeof w->name, name);
    list_init(&w->queue);
    list_init(&w->finished);
    list_init(&w->firing);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->submitted, NULL);
    int rv = uv_async_init(&loop->uv, &w->wakeup, on_wakeup);
    PRE(rv == 0);
    w->wakeup.data = w;
    uv_unref((uv_handle_t *)&w->wakeup);
    sigfillset(&all); /* signals are the loop thread's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rv = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    PRE(rv == 0); /* no thread: the process cannot do its work */
    return w;
}

void worker_submit(struct worker *w, struct job *job)
{
    PRE(job->run != NULL);
    PRE(job->done != NULL);
    job->worker = w;
    if (w->pending == 0) {
        uv_ref((uv_handle_t *)&w->wakeup);
    }
    w->pending++;
    pthread_mutex_lock(&w->lock);
    bool sleeps = list_empty(&w->queue);
    list_push_back(&w->queue, &job->link);
    pthread_mutex_unlock(&w->lock);
    if (sleeps) {
        pthread_cond_signal(&w->submitted);
    }
}

size_t worker_pending(const struct worker *w)
{
    return w->pending;
}

static void on_closed(uv_handle_t *handle)
{
    struct worker *w = handle->data;

    pthread_cond_destroy(&w->submitted);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}

static void drop(struct list *jobs)
{
    while (list_pop_front(jobs) != NULL) {
    }
}

void worker_free(struct worker *w)
{
    if (w == NULL) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_mutex_unlock(&w->lock);
    pthread_cond_signal(&w->submitted);
    pthread_join(w->thread, NULL);
    drop(&w->queue);
    drop(&w->finished);
    drop(&w->firing);
    w->pending = 0;
    uv_close((uv_handle_t *)&w->wakeup, on_closed);
}
