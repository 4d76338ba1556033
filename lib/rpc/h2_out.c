/* The output of a session: queues of chunks, and how nghttp2 asks for them.
 *
 * A response's bytes:  h2_queue_* -> chunks -> read_data (how much now?) -> send_data (9-byte frame
 * header and the chunks' bytes to the sink). Values of COPY_BELOW bytes or more are referenced. */
#include <nghttp2/nghttp2.h>

#include "lib/base/alloc.h"
#include "lib/base/err.h"
#include "lib/rpc/h2_int.h"

enum { COPY_BELOW = 4096 };

void h2_headers_to_nv(const struct h2_header *headers, size_t n, nghttp2_nv *nv)
{
    for (size_t i = 0; i < n; i++) {
        nv[i] = (nghttp2_nv){ (uint8_t *)(uintptr_t)headers[i].name.data,
                              (uint8_t *)(uintptr_t)headers[i].value.data, headers[i].name.len,
                              headers[i].value.len,
                              NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE };
    }
}

static void chunk_drop(struct h2_stream *s, struct h2_chunk *c)
{
    list_remove(&c->link);
    value_unref(c->value);
    mem_free(c->owned);
    if (c == &s->first) {
        s->first_used = false;
    } else {
        mem_free(c);
    }
}

ssize_t h2_read_data(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
                     uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)buf;
    (void)source;
    (void)arg;
    struct h2_stream *s = h2_stream_of(session, id);
    if (s == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (s->queued == 0 && !s->ended) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (s->queued > length || !s->ended) {
        return (ssize_t)(s->queued < length ? s->queued : length);
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (s->n_trailers > 0) {
        nghttp2_nv nv[ARRAY_LEN(s->trailers)];
        h2_headers_to_nv(s->trailers, s->n_trailers, nv);
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, id, nv, s->n_trailers) != 0) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)s->queued;
}

/* Moves n queued bytes to the sink. */
static void send_chunks(struct h2 *h2, struct h2_stream *s, size_t n)
{
    INVARIANT(n <= s->queued);
    s->queued -= n;
    s->sent_bytes += n;
    h2_count_queued(h2, 0, n);
    while (n > 0) {
        struct h2_chunk *c = LIST_ENTRY(list_first(&s->chunks), struct h2_chunk, link);
        size_t part = c->len < n ? c->len : n;
        if (c->value != NULL && part >= COPY_BELOW) {
            h2->sink->value(h2->sink->arg, c->value, (size_t)(c->data - c->value->data), part);
        } else {
            h2->sink->bytes(h2->sink->arg, slice_make(c->data, part));
        }
        c->data += part;
        c->len -= part;
        n -= part;
        if (c->len == 0) {
            chunk_drop(s, c);
        }
    }
}

int h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd,
                 size_t length, nghttp2_data_source *source, void *arg)
{
    (void)source;
    struct h2 *h2 = arg;
    struct h2_stream *s = h2_stream_of(session, frame->hd.stream_id);
    if (s == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (h2->sink->full(h2->sink->arg)) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    h2->sink->bytes(h2->sink->arg, slice_make(framehd, 9));
    send_chunks(h2, s, length);
    return 0;
}

int h2_pull(struct h2 *h2, const struct h2_sink *sink)
{
    int rv = 0;
    h2->sink = sink;
    while (!sink->full(sink->arg)) {
        const uint8_t *data;
        ssize_t n = nghttp2_session_mem_send(h2->session, &data);
        if (n <= 0) {
            rv = n < 0 ? E_PROTO : 0;
            break;
        }
        sink->bytes(sink->arg, slice_make(data, (size_t)n));
    }
    h2->sink = NULL;
    return rv;
}

static void resume(struct h2_stream *s)
{
    if (s->deferred) {
        s->deferred = false;
        nghttp2_session_resume_data(s->h2->session, s->id);
    }
}

static void queue(struct h2_stream *s, struct value *v, uint8_t *owned, const uint8_t *data,
                  size_t len)
{
    if (len == 0 || s->closed || s->ended) {
        value_unref(v);
        mem_free(owned);
        return;
    }
    struct h2_chunk *c = s->first_used ? mem_alloc(sizeof *c) : &s->first;
    if (c == &s->first) {
        s->first_used = true;
    }
    *c = (struct h2_chunk){ .value = v, .owned = owned, .data = data, .len = len };
    list_push_back(&s->chunks, &c->link);
    s->queued += len;
    if (s->h2 != NULL) {
        h2_count_queued(s->h2, len, 0);
        resume(s);
    }
}

void h2_queue_value(struct h2_stream *s, struct value *v)
{
    queue(s, v, NULL, v->data, v->len);
}

void h2_queue_owned(struct h2_stream *s, uint8_t *data, size_t len)
{
    queue(s, NULL, data, data, len);
}

void h2_end(struct h2_stream *s)
{
    s->ended = true;
    if (s->h2 != NULL) {
        resume(s);
    }
}

void h2_stream_fini(struct h2_stream *s)
{
    PRE(s->h2 == NULL);
    s->closed = true;
    s->queued = 0;
    while (!list_empty(&s->chunks)) {
        chunk_drop(s, LIST_ENTRY(list_first(&s->chunks), struct h2_chunk, link));
    }
}
