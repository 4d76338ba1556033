/* Receiving a leader's snapshot and installing it.
 *
 *   RECEIVING  chunks of the stream are written to a temporary file by the install worker
 *   CHECKING   all arrived: the worker syncs the file, checks every checksum and builds the new
 *              state beside the running one (fsm.restore_*); the member goes on as before
 *   OFFERED    the core is told (InstallSnapshot); it may find that it needs no snapshot: dropped
 *   INSTALLING it wants it (install_begin): nothing is applied from here on; the file gets its
 *              name, the WAL starts afresh after it, the new state is swapped in, the core is told
 *
 * A crash between rename and the fresh WAL is fine: at start a log that ends before the snapshot is
 * dropped. The stream is verified before the core hears of it, because the core knows no failure of
 * an installation. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "raft/configuration.h"
#include "raft/node.h"

enum receipt_state { RECEIVING, CHECKING, OFFERED, INSTALLING };
enum { HEAD_MAX = 4096, PENDING_BYTES_MAX = 16 * 1024 * 1024 };

struct snapshot_receipt {
    struct list link;         /* snapshots.receipts, with the dropped ones whose jobs still run */
    struct list chunks;       /* struct chunk_job */
    struct rnode *n;
    uint64_t from;
    uint64_t stream_id;
    enum receipt_state state;
    bool dead;                /* dropped; freed when the last job is done */
    size_t jobs;
    size_t pending_bytes;
    struct buf head;          /* of the stream: length and message */
    bool head_done;
    struct raft_message message;
    uint64_t offset;          /* next byte of the file */
    struct job job;           /* check, then publish */
    /* the worker's while a job runs */
    struct fs *fs;
    struct rnode_fsm fsm;
    uint64_t cluster_id;
    struct file *file;
    char *dir;
    char *tmp;
    void *restore;
    struct snapshot_info info;
    int status;
    struct err err;
};

struct chunk_job {
    struct list link;
    struct job job;
    struct snapshot_receipt *r;
    struct value *bytes;
    uint64_t offset;
};

/* --- lifetime --- */

static void chunk_free(struct chunk_job *c)
{
    list_remove(&c->link);
    value_unref(c->bytes);
    mem_free(c);
}

static void receipt_free(struct snapshot_receipt *r)
{
    list_remove(&r->link);
    struct list *l;
    while ((l = list_first(&r->chunks)) != NULL) {
        chunk_free(LIST_ENTRY(l, struct chunk_job, link));
    }
    if (r->restore != NULL) {
        r->fsm.restore_abort(r->fsm.arg, r->restore);
    }
    file_close(r->file);
    buf_fini(&r->head);
    snapshot_info_fini(&r->info);
    mem_free(r->dir);
    mem_free(r->tmp);
    mem_free(r);
}

static void receipt_drop(struct snapshot_receipt *r)
{
    struct rnode *n = r->n;
    if (n->snapshots.receipt == r) {
        n->snapshots.receipt = NULL;
    }
    r->dead = true;
    if (r->jobs == 0) {
        (void)fs_unlink(r->fs, r->tmp, NULL); /* the next start removes what stays */
        receipt_free(r);
    }
}

static struct snapshot_receipt *receipt_new(struct rnode *n, uint64_t from, uint64_t stream_id)
{
    struct snapshot_receipt *r = mem_zalloc(sizeof *r);
    r->n = n;
    r->from = from;
    r->stream_id = stream_id;
    r->fs = n->fs;
    r->fsm = n->options.fsm;
    r->cluster_id = n->cluster_id;
    r->dir = mem_strdup(n->snapshots.dir);
    r->tmp = mem_printf("%s/received-%016" PRIx64 "-%" PRIu64 ".tmp", r->dir, from, stream_id);
    list_init(&r->job.link);
    list_init(&r->chunks);
    list_push_back(&n->snapshots.receipts, &r->link);
    n->snapshots.receipt = r;
    return r;
}

/* --- RECEIVING --- */

static void chunk_run(struct job *job)
{
    struct chunk_job *c = CONTAINER_OF(job, struct chunk_job, job);
    struct snapshot_receipt *r = c->r;
    if (r->status == 0 && r->file == NULL) {
        r->status = file_open(r->fs, r->tmp, FILE_READ | FILE_WRITE | FILE_CREATE | FILE_TRUNC,
                              &r->file, &r->err);
    }
    if (r->status == 0) {
        r->status = file_pwrite(r->file, c->bytes->data, c->bytes->len, c->offset, &r->err);
    }
}

static void chunk_done(struct job *job)
{
    struct chunk_job *c = CONTAINER_OF(job, struct chunk_job, job);
    struct snapshot_receipt *r = c->r;
    r->jobs--;
    r->pending_bytes -= c->bytes->len;
    chunk_free(c);
    if (r->dead) {
        receipt_drop(r);
    }
}

static void write_chunk(struct snapshot_receipt *r, struct slice bytes)
{
    if (bytes.len == 0) {
        return;
    }
    struct chunk_job *c = mem_zalloc(sizeof *c);
    c->job = (struct job){ .run = chunk_run, .done = chunk_done };
    list_init(&c->job.link);
    c->r = r;
    c->bytes = value_new(bytes.data, bytes.len);
    c->offset = r->offset;
    r->offset += bytes.len;
    r->pending_bytes += bytes.len;
    r->jobs++;
    list_push_back(&r->chunks, &c->link);
    worker_submit(r->n->snapshots.install_worker, &c->job);
}

/* Takes the stream's head off the front of *bytes. 0: goes on. */
static int take_head(struct snapshot_receipt *r, struct slice *bytes)
{
    struct buf *h = &r->head;
    while (!r->head_done && bytes->len > 0) {
        size_t want = 4;
        if (h->len >= 4) {
            size_t len = (size_t)h->data[0] << 24 | (size_t)h->data[1] << 16 |
                         (size_t)h->data[2] << 8 | h->data[3];
            if (len == 0 || len > HEAD_MAX) {
                return E_PROTO;
            }
            want += len;
        }
        size_t k = want - h->len < bytes->len ? want - h->len : bytes->len;
        buf_append(h, bytes->data, k);
        *bytes = slice_make(bytes->data + k, bytes->len - k);
        if (h->len == want && want > 4) {
            struct message m;
            int rv = message_decode(&r->n->reader, slice_make(h->data + 4, h->len - 4), &m);
            if (rv != 0 || m.kind != RAFT_INSTALL_SNAPSHOT) {
                return E_PROTO;
            }
            r->message = m.raft;
            r->head_done = true;
        }
    }
    return 0;
}

static void check_run(struct job *job);
static void check_done(struct job *job);

static void start_check(struct snapshot_receipt *r)
{
    r->state = CHECKING;
    r->restore = r->fsm.restore_begin(r->fsm.arg);
    r->job.run = check_run;
    r->job.done = check_done;
    r->jobs++;
    worker_submit(r->n->snapshots.install_worker, &r->job);
}

int install_on_stream(void *arg, uint64_t from, uint64_t stream_id, struct slice bytes, bool last)
{
    struct rnode *n = arg;
    struct snapshot_receipt *r = n->snapshots.receipt;
    if (n->closing != CLOSE_NO) {
        return E_STOPPED;
    }
    if (r != NULL && (r->from != from || r->stream_id != stream_id)) {
        if (r->state != RECEIVING) {
            return E_FULL; /* one at a time; the leader tries again */
        }
        receipt_drop(r);
        r = NULL;
    }
    if (r == NULL) {
        r = receipt_new(n, from, stream_id);
    }
    if (r->state != RECEIVING) {
        return E_PROTO;
    }
    if (r->pending_bytes + bytes.len > PENDING_BYTES_MAX) {
        return E_NOTREADY; /* the disk is slower than the network */
    }
    int rv = take_head(r, &bytes);
    if (rv == 0 && last && !r->head_done) {
        rv = E_TRUNCATED;
    }
    if (rv != 0) {
        log_warn("raft", "refused a snapshot stream", "from=%016" PRIx64 " error=%s", from,
                 err_name(rv));
        receipt_drop(r);
        return rv;
    }
    write_chunk(r, bytes);
    if (last) {
        start_check(r);
    }
    return 0;
}

void install_on_stream_broken(void *arg, uint64_t from, uint64_t stream_id)
{
    struct rnode *n = arg;
    struct snapshot_receipt *r = n->snapshots.receipt;
    if (r != NULL && r->from == from && r->stream_id == stream_id && r->state == RECEIVING) {
        receipt_drop(r);
    }
}

/* --- CHECKING --- */

static int check_file(struct snapshot_receipt *r)
{
    if (r->file == NULL) {
        return err_set(&r->err, E_TRUNCATED, "%s: nothing arrived", r->tmp);
    }
    int rv = BUG(BUG_INSTALL_NO_SYNC) ? 0 : file_sync(r->file, &r->err);
    file_close(r->file);
    r->file = NULL;
    struct snapshot_reader reader;
    if (rv == 0) {
        rv = snapshot_reader_open(&reader, r->fs, r->tmp, r->cluster_id, &r->err);
    }
    if (rv != 0) {
        return rv;
    }
    autobuf chunk = BUF_INIT;
    while ((rv = snapshot_reader_next(&reader, &chunk, &r->err)) == 1) {
        rv = r->fsm.restore_chunk(r->fsm.arg, r->restore, buf_slice(&chunk), &r->err);
        if (rv != 0) {
            break;
        }
    }
    if (rv == 0 && configuration_check(value_slice(reader.info.conf)) != 0) {
        rv = err_set(&r->err, E_CORRUPT, "%s: the configuration is damaged", r->tmp);
    }
    if (rv == 0) {
        snapshot_info_copy(&reader.info, &r->info);
    }
    snapshot_reader_close(&reader);
    return rv;
}

static void check_run(struct job *job)
{
    struct snapshot_receipt *r = CONTAINER_OF(job, struct snapshot_receipt, job);
    if (r->status == 0) {
        r->status = check_file(r);
    }
}

/* Hands the snapshot to the core, which takes it (install_begin) or not. */
static void offer(struct snapshot_receipt *r)
{
    struct rnode *n = r->n;
    struct raft_message m = r->message;
    struct raft_install_snapshot *is = &m.install_snapshot;
    is->last_index = r->info.index;
    is->last_term = r->info.term;
    is->conf_index = r->info.conf_index;
    configuration_decode(value_slice(r->info.conf), &is->conf);
    is->data.base = raft_calloc(1, 8); /* a handle: the core only passes it on */
    is->data.len = 8;
    r->state = OFFERED;
    receive_raft(n, r->from, &m);
    if (r->state == OFFERED) {
        log_info("raft", "a snapshot was not needed", "index=%" PRIu64, r->info.index);
        receipt_drop(r);
    }
}

static void check_done(struct job *job)
{
    struct snapshot_receipt *r = CONTAINER_OF(job, struct snapshot_receipt, job);
    struct rnode *n = r->n;
    r->jobs--;
    INVARIANT(!r->dead); /* only what still arrives is dropped, and one is taken at a time */
    INVARIANT(!n->installing);
    if (r->status != 0 || !n->core_up || n->closing >= CLOSE_TRANSPORT) {
        if (r->status != 0) {
            log_warn("raft", "a received snapshot is not usable",
                     "from=%016" PRIx64 " error=\"%s\"", r->from, r->err.msg);
        }
        receipt_drop(r);
        return;
    }
    offer(r);
}

/* --- INSTALLING --- */

static void publish_run(struct job *job)
{
    struct snapshot_receipt *r = CONTAINER_OF(job, struct snapshot_receipt, job);
    autofree char *path = snapshot_path(r->dir, r->info.index, r->info.term);
    r->status = fs_rename(r->fs, r->tmp, path, &r->err);
    if (r->status == 0 && !BUG(BUG_INSTALL_NO_DIR_SYNC)) {
        r->status = fs_sync_dir(r->fs, r->dir, &r->err);
    }
    if (r->status == 0) {
        r->status = snapshot_remove_older(r->fs, r->dir, r->info.index, &r->err);
    }
}

static void publish_done(struct job *job)
{
    struct snapshot_receipt *r = CONTAINER_OF(job, struct snapshot_receipt, job);
    struct rnode *n = r->n;
    r->jobs--;
    if (r->status != 0) {
        err_prefix(&r->err, "installing a snapshot failed; check the disk, then restart this "
                   "member");
        node_fatal(n, &r->err);
        return;
    }
    if (n->closing < CLOSE_TRANSPORT) {
        wal_reset(n->wal, r->info.index, r->info.term);
        wal_flush(n->wal);
    }
}

void install_begin(struct rnode *n, struct raft_snapshot_metadata *metadata)
{
    struct snapshot_receipt *r = n->snapshots.receipt;
    INVARIANT(r != NULL);
    INVARIANT(r->state == OFFERED);
    INVARIANT(metadata->index == r->info.index);
    raft_configuration_close(&metadata->configuration);
    n->installing = true;
    r->state = INSTALLING;
    r->job.run = publish_run;
    r->job.done = publish_done;
    r->jobs++;
    log_info("raft", "installing a snapshot", "index=%" PRIu64 " applied=%" PRIu64, r->info.index,
             n->applied);
    snapshot_take_cancel(n); /* it pins the state that is to be replaced */
    worker_submit(n->snapshots.install_worker, &r->job);
}

/* The snapshot and the fresh WAL are on disk: the new state counts from here on. */
static int swap_in(struct rnode *n, struct snapshot_receipt *r, struct err *err)
{
    void *restore = r->restore;
    r->restore = NULL;
    int rv = n->options.fsm.restore_commit(n->options.fsm.arg, restore, r->info.index, err);
    if (rv != 0) {
        return rv;
    }
    entry_log_reset(&n->log, r->info.index + 1);
    n->durable = r->info.index;
    n->applied = r->info.index;
    n->applied_term = r->info.term > n->applied_term ? r->info.term : n->applied_term;
    n->commit = r->info.index > n->commit ? r->info.index : n->commit;
    n->change_index = 0;
    value_unref(n->conf);
    n->conf = value_ref(r->info.conf);
    n->conf_index = r->info.conf_index;
    membership_restore_attrs(n, value_slice(r->info.attrs));
    snapshot_info_fini(&n->snapshots.current);
    snapshot_info_copy(&r->info, &n->snapshots.current);
    n->snapshots.bytes_applied = 0;
    digests_restored(n);
    n->applied_dirty = true;
    return 0;
}

void install_on_reset(void *arg, uint64_t index)
{
    struct rnode *n = arg;
    struct snapshot_receipt *r = n->snapshots.receipt;
    if (!n->installing || r->info.index != index) {
        return; /* the reset at start, of a log that ended before its snapshot */
    }
    if (n->snapshots.taking != NULL) {
        n->snapshots.swap_index = index; /* the state machine may not be replaced while pinned */
        return;
    }
    n->snapshots.swap_index = 0;
    struct err err = ERR_INIT;
    if (swap_in(n, r, &err) != 0) {
        node_fatal(n, &err);
        return;
    }
    n->installing = false;
    receipt_drop(r);
    if (n->core_up) {
        const struct snapshot_info *info = &n->snapshots.current;
        struct raft_event event = { .type = RAFT_PERSISTED_SNAPSHOT };
        event.persisted_snapshot.metadata.index = info->index;
        event.persisted_snapshot.metadata.term = info->term;
        event.persisted_snapshot.metadata.configuration_index = info->conf_index;
        configuration_decode(value_slice(info->conf),
                             &event.persisted_snapshot.metadata.configuration);
        event.persisted_snapshot.last = true;
        driver_event(n, &event, NULL);
    } else {
        driver_restart_if_settled(n);
    }
    log_info("raft", "snapshot installed", "index=%" PRIu64, index);
    if (!BUG(BUG_PROPOSE_OVER_SNAPSHOT)) {
        proposals_outcome_lost(n);
    }
    reads_applied(n);
    node_turn(n);
}

void install_fini(struct rnode *n)
{
    struct snapshots *s = &n->snapshots;
    if (s->install_worker != NULL) {
        worker_free(s->install_worker);
        s->install_worker = NULL;
    }
    struct list *l;
    while ((l = list_first(&s->receipts)) != NULL) {
        receipt_free(LIST_ENTRY(l, struct snapshot_receipt, link));
    }
    s->receipt = NULL;
}
