/* Inside a session: what h2.c (life, streams, events) and h2_out.c (output) share. */
#ifndef BARQUE_RPC_H2_INT_H
#define BARQUE_RPC_H2_INT_H

#include <nghttp2/nghttp2.h>

#include "lib/rpc/h2.h"

/* Frames that cost the peer nothing and carry no work: so many in a second are a flood. */
enum flood { FLOOD_PING, FLOOD_SETTINGS, FLOOD_RST, FLOOD_EMPTY_DATA, FLOOD_OTHER, FLOOD_KINDS };

struct h2 {
    nghttp2_session *session;
    const struct h2_events *events;
    void *arg;
    const struct h2_sink *sink; /* while pulling */
    struct list streams;
    size_t queued;
    size_t *queued_total; /* of all sessions of one owner; may be NULL */
    bool server;
    bool flooded;
    bool ping_due; /* something was sent since the last ping: one more is no flood */
    uint64_t now_ms;
    uint64_t flood_start_ms;
    uint32_t flood_seen[FLOOD_KINDS];
};

/* Bytes came into the queues of this session's streams, or left them. */
static inline void h2_count_queued(struct h2 *h2, size_t came, size_t left)
{
    h2->queued += came - left;
    if (h2->queued_total != NULL) {
        *h2->queued_total += came - left;
    }
}

static inline struct h2_stream *h2_stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* The header list as nghttp2 takes it; the bytes are not copied. */
void h2_headers_to_nv(const struct h2_header *headers, size_t n, nghttp2_nv *nv);
/* nghttp2's callbacks for DATA. */
ssize_t h2_read_data(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
                     uint32_t *flags, nghttp2_data_source *source, void *arg);
int h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd,
                 size_t length, nghttp2_data_source *source, void *arg);

#endif
