/* The WAL's queue and group commit: the loop's half.
 *
 * Life of an entry: wal_append queues it -> when the worker is free, the whole queue becomes the
 * batch of one job -> the job encodes, writes, syncs -> done: on_durable(last index of the batch),
 * and the next batch starts.
 *
 * Truncation while a batch runs: the batch may contain entries that are already replaced in the
 * queue, so on_durable reports no index at or above the lowest one queued since. */
#include "raft/wal.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/io/timer.h"
#include "lib/io/work.h"
#include "raft/wal_file.h"

enum { RETRY_MS = 1000 };
enum op_kind { OP_ENTRY, OP_RESET, OP_COMPACT };

struct op {
    enum op_kind kind;
    uint32_t type;
    uint64_t index;
    uint64_t term;
    struct value *data;
};

struct batch {
    struct op *ops;
    size_t n;
    size_t cap;
};

struct wal {
    struct wal_options options;
    struct worker *worker;
    struct job job;
    struct timer retry;
    struct wal_files files; /* the worker's while busy, as is next_op */
    size_t next_op;         /* of the running batch */
    bool full;
    struct batch queued;
    struct batch running;
    bool busy;
    bool failed;
    bool closing;
    uint64_t last;       /* of all that was queued */
    uint64_t batch_safe; /* highest index the running batch will make durable */
    uint64_t started_us;
    uint64_t batches;
    uint64_t size_bytes;
    struct err error;    /* set by the job */
    void (*closed)(void *arg);
    void *closed_arg;
};

static void batch_clear(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        value_unref(b->ops[i].data);
    }
    b->n = 0;
}

static int run_op(struct wal_files *f, const struct op *op, struct err *err)
{
    switch (op->kind) {
    case OP_ENTRY:
        return wal_files_append(f, op->index, op->term, op->type, value_slice(op->data), err);
    case OP_RESET: {
        int rv = wal_files_roll(f, true, op->index, op->term, 0, err);
        return rv == 0 ? wal_files_compact(f, 0, true, err) : rv;
    }
    case OP_COMPACT:
        return wal_files_compact(f, op->index, false, err);
    }
    UNREACHABLE();
}

static void on_run(struct job *job)
{
    struct wal *w = CONTAINER_OF(job, struct wal, job);
    int rv = 0;
    while (w->next_op < w->running.n) {
        rv = run_op(&w->files, &w->running.ops[w->next_op], &w->error);
        if (rv != 0) {
            break;
        }
        w->next_op++;
    }
    if (rv == 0) {
        (void)wal_files_sync(&w->files, &w->error);
    }
}

static void wal_free(struct wal *w)
{
    timer_stop(&w->retry);
    worker_free(w->worker);
    batch_clear(&w->queued);
    batch_clear(&w->running);
    mem_free(w->queued.ops);
    mem_free(w->running.ops);
    wal_files_fini(&w->files);
    mem_free(w);
}

void wal_flush(struct wal *w)
{
    if (w->busy || w->failed || w->queued.n == 0) {
        return;
    }
    struct batch free_batch = w->running;
    w->running = w->queued;
    w->queued = free_batch;
    w->busy = true;
    w->next_op = 0;
    w->batch_safe = 0;
    for (size_t i = 0; i < w->running.n; i++) {
        const struct op *op = &w->running.ops[i];
        if (op->kind != OP_COMPACT) {
            w->batch_safe = op->kind == OP_ENTRY ? op->index : 0;
        }
    }
    w->batches++;
    w->started_us = loop_now_us(w->options.loop);
    worker_submit(w->worker, &w->job);
}

static void tell(struct wal *w)
{
    uint64_t took = loop_now_us(w->options.loop) - w->started_us;
    if (w->options.on_synced != NULL) {
        w->options.on_synced(w->options.arg, (double)took / 1e6);
    }
    uint64_t reset_index = 0;
    bool reset = false;
    for (size_t i = 0; i < w->running.n; i++) {
        if (w->running.ops[i].kind == OP_RESET) {
            reset = true;
            reset_index = w->running.ops[i].index;
        }
    }
    batch_clear(&w->running);
    uint64_t safe = w->batch_safe;
    w->batch_safe = 0;
    if (reset && !w->closing) {
        w->options.on_reset(w->options.arg, reset_index);
    }
    if (safe != 0 && !w->closing) {
        w->options.on_durable(w->options.arg, safe);
    }
}

static void tell_full(struct wal *w, bool full)
{
    if (w->full != full) {
        w->full = full;
        if (w->options.on_full != NULL) {
            w->options.on_full(w->options.arg, full);
        }
    }
}

static void on_retry(struct timer *timer)
{
    struct wal *w = CONTAINER_OF(timer, struct wal, retry);
    worker_submit(w->worker, &w->job);
}

static void on_done(struct job *job)
{
    struct wal *w = CONTAINER_OF(job, struct wal, job);
    if (w->error.code == E_DISKFULL && w->files.full) {
        w->error.code = 0;
        if (!w->closing) {
            tell_full(w, true);
            timer_start(&w->retry, RETRY_MS); /* still busy: the batch goes on from next_op */
            return;
        }
        batch_clear(&w->queued); /* not acknowledged, and no reason to wait */
    }
    tell_full(w, false);
    w->busy = false;
    w->size_bytes = w->files.n * w->files.segment_bytes;
    if (w->error.code != 0 && !w->failed) {
        w->failed = true;
        batch_clear(&w->running);
        w->options.on_failed(w->options.arg, &w->error);
    } else if (!w->failed) {
        tell(w);
    }
    wal_flush(w);
    if (w->closing && !w->busy) {
        void (*closed)(void *arg) = w->closed;
        void *arg = w->closed_arg;
        wal_free(w);
        closed(arg);
    }
}

int wal_open(const struct wal_options *options, const struct wal_sink *sink, struct wal **ret_wal,
             struct err *err)
{
    struct wal *w = mem_zalloc(sizeof *w);
    w->options = *options;
    w->job = (struct job){ .run = on_run, .done = on_done };
    list_init(&w->job.link);
    timer_init(options->loop, &w->retry, on_retry);
    wal_files_init(&w->files, options);
    int rv = fs_mkdir_p(options->fs, options->dir, 0700, err);
    if (rv == 0) {
        rv = options->create ? wal_files_roll(&w->files, false, 0, 0, 0, err)
                             : wal_files_scan(&w->files, sink, err);
    }
    if (rv != 0) {
        wal_files_fini(&w->files);
        mem_free(w);
        return rv;
    }
    w->last = w->files.last;
    w->size_bytes = w->files.n * w->files.segment_bytes;
    w->worker = worker_new(options->loop, "wal");
    *ret_wal = w;
    return 0;
}

static void queue(struct wal *w, struct op op)
{
    PRE(!w->closing);
    struct batch *b = &w->queued;
    b->ops = mem_grow(b->ops, &b->cap, b->n + 1, sizeof *b->ops);
    b->ops[b->n++] = op;
}

void wal_append(struct wal *w, uint64_t index, uint64_t term, uint32_t type, struct value *data)
{
    PRE(index > 0);
    PRE(index <= w->last + 1);
    if (index <= w->batch_safe && !BUG(BUG_WAL_OLD_DURABLE)) {
        w->batch_safe = index - 1;
    }
    w->last = index;
    queue(w, (struct op){ OP_ENTRY, type, index, term, value_ref(data) });
}

void wal_reset(struct wal *w, uint64_t index, uint64_t term)
{
    w->batch_safe = 0;
    w->last = index;
    queue(w, (struct op){ .kind = OP_RESET, .index = index, .term = term });
}

void wal_compact(struct wal *w, uint64_t index)
{
    queue(w, (struct op){ .kind = OP_COMPACT, .index = index });
}

bool wal_idle(const struct wal *w)
{
    return !w->busy && w->queued.n == 0;
}

uint64_t wal_running(const struct wal *w)
{
    return w->busy && !w->full ? w->batches : 0;
}

uint64_t wal_size_bytes(const struct wal *w)
{
    return w->size_bytes;
}

void wal_close(struct wal *w, void (*closed)(void *arg), void *arg)
{
    PRE(!w->closing);
    w->closing = true;
    w->closed = closed;
    w->closed_arg = arg;
    if (w->failed || w->full) { /* what was not written was not acknowledged */
        batch_clear(&w->queued);
    }
    if (timer_active(&w->retry)) {
        timer_stop(&w->retry);
        w->next_op = w->running.n;
        worker_submit(w->worker, &w->job);
    }
    if (!w->busy) {
        /* An empty job, so that the callback never runs inside this call. */
        w->busy = true;
        worker_submit(w->worker, &w->job);
    }
}

void wal_abandon(struct wal *w)
{
    wal_free(w);
}
