/* Sending the newest snapshot to a peer that lags behind the log: the file's bytes, as they are, on
 * a stream of their own, pulled as the connection drains. In front of the file goes the
 * InstallSnapshot message (u32 big-endian length, payload), for its term.
 *
 * The core asks again at every heartbeat while the peer is not there yet: one stream a peer, and a
 * pause after it so that the peer can install. A peer that has it all and asks again could not use
 * it: then the file is read back, and when its bytes are damaged a new one is taken from memory. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "raft/node.h"

struct snapshot_send {
    struct list link;
    struct rnode *n;
    uint64_t to;
    struct transport_stream *stream; /* NULL: over */
    struct file *file;
    uint64_t offset;
    uint64_t size;
    struct buf head;
    uint64_t quiet_until_ms;
    uint64_t index;          /* of the snapshot being sent */
    uint64_t sent_index;     /* of the last one that arrived whole */
    uint64_t checked_index;  /* this one's file is good */
    struct job check;
    bool checking;
    char *check_path;
    int check_status;
    struct err check_err;
};

static int on_next(void *arg, struct buf *out)
{
    struct snapshot_send *s = arg;
    if (s->head.len != 0) {
        buf_append_slice(out, buf_slice(&s->head));
        buf_reset(&s->head);
        return 1;
    }
    size_t got = 0;
    struct err err = ERR_INIT;
    size_t want = LIMIT_SNAPSHOT_CHUNK_BYTES;
    int rv = file_pread(s->file, buf_reserve(out, want), want, s->offset, &got, &err);
    if (rv != 0) {
        log_error("raft", "reading a snapshot failed", "error=\"%s\"", err.msg);
        return rv;
    }
    buf_advance(out, got);
    s->offset += got;
    return s->offset < s->size && got != 0 ? 1 : 0;
}

static void on_done(void *arg, int status)
{
    struct snapshot_send *s = arg;
    struct rnode *n = s->n;
    s->stream = NULL;
    file_close(s->file);
    s->file = NULL;
    uint64_t pause = status == 0 ? 2 * n->options.election_timeout_ms : n->options.heartbeat_ms;
    s->quiet_until_ms = loop_now_ms(n->loop) + pause;
    s->sent_index = status == 0 ? s->index : s->sent_index;
    log_info("raft", status == 0 ? "snapshot sent" : "sending a snapshot failed",
             "to=%016" PRIx64 " bytes=%" PRIu64 " status=%s", s->to, s->offset, err_name(status));
}

static struct snapshot_send *send_of(struct rnode *n, uint64_t to)
{
    LIST_FOREACH(l, &n->snapshots.sends) {
        struct snapshot_send *s = LIST_ENTRY(l, struct snapshot_send, link);
        if (s->to == to) {
            return s;
        }
    }
    struct snapshot_send *s = mem_zalloc(sizeof *s);
    s->n = n;
    s->to = to;
    list_push_back(&n->snapshots.sends, &s->link);
    return s;
}

/* --- asked for again: is the file good? --- */

static void check_run(struct job *job)
{
    struct snapshot_send *s = CONTAINER_OF(job, struct snapshot_send, check);
    struct snapshot_reader r;
    autobuf chunk = BUF_INIT;
    int rv = snapshot_reader_open(&r, s->n->fs, s->check_path, 0, &s->check_err);
    if (rv == 0) {
        while ((rv = snapshot_reader_next(&r, &chunk, &s->check_err)) == 1) {
        }
        snapshot_reader_close(&r);
    }
    s->check_status = rv;
}

static void check_done(struct job *job)
{
    struct snapshot_send *s = CONTAINER_OF(job, struct snapshot_send, check);
    struct rnode *n = s->n;
    s->checking = false;
    mem_free(s->check_path);
    s->check_path = NULL;
    if (s->check_status == 0) {
        s->checked_index = s->sent_index;
    } else if (s->check_status == E_CORRUPT && s->sent_index == n->snapshots.current.index) {
        log_error("raft", "the snapshot on this disk is damaged: it is written anew; check the "
                  "disk", "error=\"%s\"", s->check_err.msg);
        n->snapshots.renew = true;
        snapshot_take_maybe(n);
    }
}

/* Whoever has received it whole and asks again could not use it. */
static bool must_check(struct snapshot_send *s)
{
    struct rnode *n = s->n;
    const struct snapshot_info *info = &n->snapshots.current;
    if (s->sent_index != info->index || s->checked_index == info->index) {
        return n->snapshots.renew;
    }
    if (!s->checking) {
        s->checking = true;
        s->check_path = snapshot_path(n->snapshots.dir, info->index, info->term);
        s->check = (struct job){ .run = check_run, .done = check_done };
        list_init(&s->check.link);
        worker_submit(n->snapshots.worker, &s->check);
    }
    return true;
}

/* --- start --- */

void snapshot_send_start(struct rnode *n, uint64_t to, const struct raft_install_snapshot *m)
{
    struct snapshot_send *s = send_of(n, to);
    if (s->stream != NULL || loop_now_ms(n->loop) < s->quiet_until_ms || n->closing != CLOSE_NO ||
        must_check(s)) {
        return;
    }
    const struct snapshot_info *info = &n->snapshots.current;
    PRE(info->index != 0);
    struct err err = ERR_INIT;
    autofree char *path = snapshot_path(n->snapshots.dir, info->index, info->term);
    int rv = file_open(n->fs, path, FILE_READ, &s->file, &err);
    if (rv == 0) {
        rv = file_size(s->file, &s->size, &err);
    }
    if (rv != 0) {
        log_error("raft", "opening a snapshot failed", "error=\"%s\"", err.msg);
        file_close(s->file);
        s->file = NULL;
        return;
    }
    struct raft_message message = { .type = RAFT_INSTALL_SNAPSHOT };
    message.install_snapshot.version = m->version;
    message.install_snapshot.term = m->term;
    autobuf payload = BUF_INIT;
    message_put_raft(&payload, &message);
    buf_reset(&s->head);
    buf_put_u32(&s->head, (uint32_t)payload.len);
    buf_append_slice(&s->head, buf_slice(&payload));
    s->offset = 0;
    s->index = info->index;
    uint64_t id = n->epoch << 32 | ++n->snapshots.next_stream;
    s->stream = transport_stream_start(n->transport, to, id, on_next, on_done, s);
}

void snapshot_send_fini(struct rnode *n)
{
    struct list *l;
    while ((l = list_pop_front(&n->snapshots.sends)) != NULL) {
        struct snapshot_send *s = LIST_ENTRY(l, struct snapshot_send, link);
        file_close(s->file);
        buf_fini(&s->head);
        mem_free(s->check_path);
        mem_free(s);
    }
}
