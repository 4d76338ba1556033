/* Connections that come to us: judge the hello, refuse or welcome, then hand frames and chunks on.
 *
 * A member of this cluster that we were not told of is welcome: after an absence our configuration
 * may be older than its membership, and what brings us up to date comes from it. Where it listens
 * is in its hello.
 *
 * Whoever has not said a valid hello yet is a stranger: it may make us buffer PEER_HELLO_MAX_BYTES
 * for at most 5 s, and there are at most PEER_STRANGERS_MAX of them. A peer's newer connection for
 * frames replaces its older one, so that frames of a dead connection never follow newer ones. */
#include <inttypes.h>

#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "raft/transport_link.h"

/* The first rule that refuses, in this order; PEER_WELCOME when none does. */
static enum peer_code judge(const struct transport *t, int decoded, const struct peer_hello *hello)
{
    if (decoded == E_UNSUPPORTED) {
        return PEER_REFUSED_VERSION;
    }
    if (hello->cluster_id != t->options.cluster_id) {
        return PEER_REFUSED_CLUSTER;
    }
    if (u64map_get(&t->removed, hello->from) != NULL) {
        return PEER_REFUSED_REMOVED;
    }
    if (hello->to != t->options.member_id) {
        return PEER_REFUSED_TARGET;
    }
    if (hello->from == 0 || hello->from == t->options.member_id) {
        return PEER_REFUSED_UNKNOWN;
    }
    if (u64map_get(&t->peers, hello->from) == NULL &&
        (hello->address[0] == '\0' || t->peers.n >= LIMIT_PEERS)) {
        return PEER_REFUSED_UNKNOWN;
    }
    return PEER_WELCOME;
}

static void tell_refusal(struct transport *t, const struct link *l, enum peer_code code)
{
    uint64_t key = hash_u64(l->hello.from ^ hash_u64(l->hello.cluster_id ^ (uint64_t)code));
    if (u64map_get(&t->refused, key) != NULL) {
        return;
    }
    if (t->refused.n >= PEER_REFUSALS_LOGGED_MAX) {
        u64map_fini(&t->refused);
        u64map_init(&t->refused);
    }
    u64map_put(&t->refused, key, t);
    log_warn("raft", "peer refused", "peer=%" PRIx64 " name=%s address=%s reason=\"%s\"",
             l->hello.from, l->hello.name, conn_peer_name(l->conn), peer_code_text(code));
}

static int accept_hello(struct link *l, struct slice payload)
{
    struct transport *t = l->t;
    int rv = peer_hello_decode(payload, &l->hello);
    if (rv != 0 && rv != E_UNSUPPORTED) {
        return rv;
    }
    if (rv == 0 && l->hello.kind == PEER_KIND_KNOCK) {
        return transport_accept_knock(l);
    }
    enum peer_code code = judge(t, rv, &l->hello);
    link_answer(l, code);
    t->strangers--;
    l->greeted = true;
    if (peer_code_refuses(code)) {
        tell_refusal(t, l, code);
        link_close_after_flush(l);
        return 0;
    }
    l->deadline_ms = 0;
    l->heard = false;
    if (u64map_get(&t->peers, l->hello.from) == NULL) {
        transport_introduce(t, l->hello.from, l->hello.address);
    }
    if (l->hello.kind == PEER_KIND_STREAM) {
        l->frame_max = LIMIT_SNAPSHOT_CHUNK_BYTES + 1;
        return 0;
    }
    l->frame_max = LIMIT_PEER_FRAME_BYTES;
    struct peer *p = u64map_get(&t->peers, l->hello.from);
    if (p->in_link != NULL) {
        link_close(p->in_link);
    }
    p->in_link = l;
    return 0;
}

static int accept_chunk(struct link *l, struct slice payload)
{
    struct transport_options *o = &l->t->options;
    if (payload.data[0] > 1) {
        return E_PROTO;
    }
    bool last = payload.data[0] == 1;
    struct slice bytes = slice_make(payload.data + 1, payload.len - 1);
    int rv = o->on_stream(o->arg, l->hello.from, l->hello.stream_id, bytes, last);
    if (l->closing) {
        return 0;
    }
    if (rv == E_NOTREADY) {
        return rv;
    }
    if (rv != 0) {
        link_close(l); /* the receiver said no: it knows, so nothing is told to it */
        return 0;
    }
    if (last) {
        link_answer(l, PEER_RECEIVED);
        link_close_after_flush(l);
    }
    return 0;
}

static int accept_frame(struct link *l, struct slice payload)
{
    struct transport_options *o = &l->t->options;
    if (!l->greeted) {
        return l->knock_id == 0 ? accept_hello(l, payload) : E_PROTO;
    }
    if (l->hello.kind == PEER_KIND_STREAM) {
        return accept_chunk(l, payload);
    }
    transport_count_received(l->t, l->hello.from, payload.len);
    o->on_frame(o->arg, l->hello.from, payload);
    return 0;
}

static void accept_closed(struct link *l, int status)
{
    struct transport *t = l->t;
    if (!l->greeted) {
        t->strangers--;
        log_debug("raft", "stranger closed", "reason=\"%s\"", err_text(status));
        return;
    }
    if (l->hello.kind == PEER_KIND_STREAM) {
        t->options.on_stream_broken(t->options.arg, l->hello.from, l->hello.stream_id);
        return;
    }
    struct peer *p = u64map_get(&t->peers, l->hello.from);
    if (p != NULL && p->in_link == l) {
        p->in_link = NULL;
    }
    if (status != E_CLOSED) {
        log_warn("raft", "connection of a peer failed", "peer=%" PRIx64 " reason=\"%s\"",
                 l->hello.from, err_text(status));
    }
}

static const struct link_ops ACCEPT_OPS = {
    .frame = accept_frame,
    .closed = accept_closed,
};

void transport_on_accept(void *arg, struct conn *conn)
{
    struct transport *t = arg;
    struct link *l = link_accept(t, conn, &ACCEPT_OPS);
    if (t->closing || t->strangers >= PEER_STRANGERS_MAX) {
        link_close(l);
        return;
    }
    t->strangers++;
}
