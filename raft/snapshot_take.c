/* Taking a snapshot of our own: pinned in O(1) on the loop, written by the worker in chunks, then
 * the log before it is dropped, except a trailing part for slow followers.
 *
 *   snapshot_take_maybe (after each step) -> pin -> job: write, sync, rename -> done:
 *   RAFT_SNAPSHOT, compact
 *
 * If a leader's snapshot is installed meanwhile ours comes too late and is forgotten (feeding an
 * older one would corrupt the core's bookkeeping). */
#include <inttypes.h>
#include <stdatomic.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/log.h"
#include "raft/configuration.h"
#include "raft/node.h"

enum { RETRY_MS = 5000 };

struct snapshot_take {
    struct job job;
    struct rnode *n;
    uint64_t started_ms;
    /* the worker's */
    struct fs *fs;
    struct rnode_fsm fsm;
    char *dir;
    struct snapshot_info info;
    void *pin;
    atomic_bool canceled;
    bool remove_older;
    bool renews;
    int status;
    struct err err;
};

static int write_chunks(struct snapshot_take *t, struct snapshot_writer *w)
{
    autobuf chunk = BUF_INIT;
    int more = 1;
    int rv = 0;
    while (more == 1 && rv == 0) {
        if (atomic_load(&t->canceled)) {
            return err_set(&t->err, E_CANCELED, "stopping");
        }
        buf_reset(&chunk);
        more = t->fsm.snapshot_next(t->fsm.arg, t->pin, &chunk);
        rv = snapshot_writer_append(w, buf_slice(&chunk), &t->err);
    }
    return rv;
}

static void on_run(struct job *job)
{
    struct snapshot_take *t = CONTAINER_OF(job, struct snapshot_take, job);
    struct snapshot_writer w;
    int rv = snapshot_writer_open(&w, t->fs, t->dir, &t->info, &t->err);
    if (rv == 0) {
        rv = write_chunks(t, &w);
        if (rv == 0) {
            rv = snapshot_writer_finish(&w, &t->err);
        } else {
            snapshot_writer_abort(&w);
        }
    }
    if (rv == 0 && t->remove_older) {
        rv = snapshot_remove_older(t->fs, t->dir, t->info.index, &t->err);
    }
    t->status = rv;
}

static void take_free(struct snapshot_take *t)
{
    t->fsm.snapshot_unpin(t->fsm.arg, t->pin);
    snapshot_info_fini(&t->info);
    mem_free(t->dir);
    mem_free(t);
}

uint64_t snapshot_trailing(const struct rnode *n, uint64_t index)
{
    uint64_t k = 0;
    size_t bytes = 0;
    while (k < n->options.snapshot_trailing && bytes < TRAILING_BYTES) {
        const struct entry *e = k < index ? entry_log_get(&n->log, index - k) : NULL;
        if (e == NULL) {
            return n->options.snapshot_trailing; /* there are no more: all may stay */
        }
        bytes += e->data->len;
        k++;
    }
    return k;
}

static void tell_core(struct rnode *n, const struct snapshot_info *info, uint64_t trailing)
{
    if (!n->core_up) {
        return; /* it is started with this snapshot */
    }
    struct raft_event event = { .type = RAFT_SNAPSHOT };
    event.snapshot.metadata.index = info->index;
    event.snapshot.metadata.term = info->term;
    event.snapshot.metadata.configuration_index = info->conf_index;
    configuration_decode(value_slice(info->conf), &event.snapshot.metadata.configuration);
    event.snapshot.trailing = (unsigned)trailing;
    driver_event(n, &event, NULL);
}

static void taken(struct snapshot_take *t)
{
    struct rnode *n = t->n;
    if (t->status != 0) {
        if (t->status == E_DISKFULL) {
            log_error("raft", "no space for a snapshot; trying again", "error=\"%s\"", t->err.msg);
            n->snapshots.not_before_ms = loop_now_ms(n->loop) + RETRY_MS;
        } else if (t->status != E_CANCELED) {
            err_prefix(&t->err, "writing a snapshot failed; check the disk, then restart this "
                       "member");
            node_fatal(n, &t->err);
        }
        return;
    }
    n->snapshots.renew = n->snapshots.renew && !t->renews;
    if (!n->installing && n->closing < CLOSE_TRANSPORT &&
        t->info.index > n->snapshots.current.index) {
        uint64_t trailing = snapshot_trailing(n, t->info.index);
        snapshot_info_fini(&n->snapshots.current);
        snapshot_info_copy(&t->info, &n->snapshots.current);
        n->settling = true; /* one step at a time: the log is compacted together with the core's */
        tell_core(n, &t->info, trailing);
        n->settling = false;
        if (t->info.index > trailing) {
            entry_log_compact(&n->log, t->info.index - trailing);
            wal_compact(n->wal, t->info.index - trailing);
            wal_flush(n->wal);
        }
        log_info("raft", "snapshot taken", "index=%" PRIu64 " first=%" PRIu64 " ms=%" PRIu64,
                 t->info.index, n->log.first, loop_now_ms(n->loop) - t->started_ms);
        driver_settle(n);
    }
}

static void on_done(struct job *job)
{
    struct snapshot_take *t = CONTAINER_OF(job, struct snapshot_take, job);
    struct rnode *n = t->n;
    n->snapshots.taking = NULL;
    taken(t);
    take_free(t);
    if (n->snapshots.swap_index != 0) {
        install_on_reset(n, n->snapshots.swap_index);
    }
}

void snapshot_take_cancel(struct rnode *n)
{
    if (n->snapshots.taking != NULL) {
        atomic_store(&n->snapshots.taking->canceled, true);
    }
}

static bool is_due(const struct rnode *n)
{
    uint64_t newest = n->snapshots.current.index;
    if (n->snapshots.renew) {
        return n->applied >= newest && n->conf != NULL;
    }
    if (n->applied <= newest || n->conf == NULL) {
        return false;
    }
    return n->applied - newest >= n->options.snapshot_entries ||
           n->snapshots.bytes_applied >= n->options.snapshot_bytes;
}

void snapshot_take_maybe(struct rnode *n)
{
    struct snapshots *s = &n->snapshots;
    if (s->taking != NULL || n->installing || n->closing != CLOSE_NO || !is_due(n) ||
        loop_now_ms(n->loop) < s->not_before_ms) {
        return;
    }
    uint64_t index = BUG(BUG_SNAPSHOT_BEHIND) ? n->applied - 1 : n->applied;
    uint64_t term = driver_entry_term(n, index);
    if (term == 0) {
        return;
    }
    struct snapshot_take *t = mem_zalloc(sizeof *t);
    t->job = (struct job){ .run = on_run, .done = on_done };
    list_init(&t->job.link);
    t->n = n;
    t->started_ms = loop_now_ms(n->loop);
    t->fs = n->fs;
    t->fsm = n->options.fsm;
    t->dir = mem_strdup(s->dir);
    t->info = (struct snapshot_info){ .cluster_id = n->cluster_id, .index = index,
                                      .term = term, .conf_index = n->conf_index,
                                      .conf = value_ref(n->conf),
                                      .attrs = membership_encode_attrs(n) };
    t->pin = t->fsm.snapshot_pin(t->fsm.arg);
    t->remove_older = list_empty(&s->sends);
    t->renews = s->renew;
    s->taking = t;
    s->bytes_applied = 0;
    worker_submit(s->worker, &t->job);
}

/* The worker is gone (it finished or never ran the job). */
void snapshot_take_fini(struct rnode *n)
{
    snapshot_take_cancel(n);
    if (n->snapshots.worker != NULL) {
        worker_free(n->snapshots.worker);
        n->snapshots.worker = NULL;
    }
    if (n->snapshots.taking != NULL) {
        take_free(n->snapshots.taking);
        n->snapshots.taking = NULL;
    }
}
