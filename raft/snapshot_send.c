/* Sending the newest snapshot to a peer that lags behind the log: the file's bytes, as they are, on
 * a stream of their own, pulled as the connection drains. In front of the file goes the
 * InstallSnapshot message (u32 big-endian length, payload), for its term.
 *
 * The core asks again at every heartbeat while the peer is not there yet: one stream a peer, and a
 * pause after it so that the peer can install. */
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

void snapshot_send_start(struct rnode *n, uint64_t to, const struct raft_install_snapshot *m)
{
    struct snapshot_send *s = send_of(n, to);
    if (s->stream != NULL || loop_now_ms(n->loop) < s->quiet_until_ms || n->closing != CLOSE_NO) {
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
        mem_free(s);
    }
}
