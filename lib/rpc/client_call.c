/* Calls of a client: opening, the answer, the end, cancelling, pausing.
 *
 *   rpc_call_unary / rpc_stream_open -> ch->pending -> (turn end, link ready) HEADERS + DATA
 *   -> headers, messages -> trailers -> close of the stream -> done / closed, once.
 *
 * never_sent is true only when the request's HEADERS never left the session, or the server said
 * that it did not look at them (GOAWAY below the stream, REFUSED_STREAM).
 * A call that was cancelled, or told of its end early (deadline), turns silent and lives on until
 * its stream closes. */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/rpc/channel_int.h"
#include "lib/rpc/pb.h"

#define SLICE_LIT(text) { (const uint8_t *)(text), sizeof(text) - 1 }

/* --- memory ----------------------------------------------------------------------------------- */

static struct client_call *call_new(struct rpc_channel *ch, const char *path,
                                    const ProtobufCMessageDescriptor *response, void *arg)
{
    struct client_call *call = ch->free_calls;
    PRE(!ch->freeing);
    if (call != NULL) {
        ch->free_calls = call->next_free;
        ch->n_free--;
        struct arena arena = call->arena;
        memset(call, 0, sizeof *call);
        call->arena = arena;
    } else {
        call = mem_zalloc(sizeof *call);
        arena_init(&call->arena);
    }
    h2_stream_init(&call->stream);
    call->ch = ch;
    call->path = arena_strdup(&call->arena, path);
    call->response = response;
    call->arg = arg;
    call->grpc_status = -1;
    grpc_reader_init(&call->reader, LIMIT_CLIENT_RECV_BYTES);
    heap_item_init(&call->deadline);
    list_init(&call->resume);
    list_init(&call->entry);
    list_push_back(&ch->pending, &call->entry);
    channel_flush_later(ch);
    return call;
}

static void call_free(struct client_call *call)
{
    struct rpc_channel *ch = call->ch;
    if (!call->was_opened) {
        h2_stream_fini(&call->stream);
    }
    heap_remove(&ch->deadlines, &call->deadline);
    list_remove(&call->entry);
    list_remove(&call->resume);
    grpc_reader_fini(&call->reader);
    buf_fini(&call->text);
    buf_fini(&call->held);
    if (ch->n_free < CLIENT_CALL_POOL_MAX && !ch->freeing) {
        arena_reset(&call->arena);
        call->next_free = ch->free_calls;
        ch->free_calls = call;
        ch->n_free++;
    } else {
        arena_fini(&call->arena);
        mem_free(call);
    }
}

void client_pool_fini(struct rpc_channel *ch)
{
    while (ch->free_calls != NULL) {
        struct client_call *call = ch->free_calls;
        ch->free_calls = call->next_free;
        arena_fini(&call->arena);
        mem_free(call);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Calls done or closed, unless the caller wants to hear no more. */
static void tell(struct client_call *call, const struct rpc_result *result)
{
    if (call->silent) {
        return;
    }
    call->silent = true;
    heap_remove(&call->ch->deadlines, &call->deadline);
    if (call->is_stream) {
        call->events.closed(call->arg, result);
    } else {
        call->done(call->arg, result);
    }
}

void client_call_fail(struct client_call *call, int grpc_code, const char *text, bool never_sent)
{
    struct rpc_result r = {
        .err = status_to_err(grpc_code, text),
        .grpc_code = grpc_code,
        .text = text,
        .never_sent = never_sent,
    };
    PRE(call->link == NULL);
    list_remove(&call->entry);
    tell(call, &r);
    call_free(call);
}

/* What an HTTP status without grpc-status means (gRPC's own table). */
static int code_of_http(int status)
{
    switch (status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

static int code_of_reset(uint32_t h2_code)
{
    switch (h2_code) {
    case H2_REFUSED_STREAM:
        return GRPC_UNAVAILABLE;
    case H2_CANCEL:
        return GRPC_CANCELED;
    case H2_ENHANCE_YOUR_CALM:
        return GRPC_RESOURCE_EXHAUSTED;
    case H2_INADEQUATE_SECURITY:
        return GRPC_PERMISSION_DENIED;
    default:
        return GRPC_INTERNAL;
    }
}

static void set_result(struct client_call *call, int code, const char *text)
{
    call->result.grpc_code = code;
    call->result.err = status_to_err(code, text);
    call->result.text = text;
}

/* From trailers, the reset code, or the link's end, in this order. */
static void work_out_result(struct client_call *call, uint32_t h2_code)
{
    /* Of trailers that were cut off nothing counts: a code without its text is another error. */
    bool told = call->status_whole;
    if (told && call->grpc_status == GRPC_OK && !call->is_stream && call->msg == NULL) {
        set_result(call, GRPC_INTERNAL, "the server sent no message");
    } else if (told) {
        set_result(call, call->grpc_status, call->text.len > 0 ? buf_str(&call->text) : "");
        call->result.msg = call->grpc_status == GRPC_OK ? call->msg : NULL;
    } else if (call->link->lost) {
        bool freeing = call->ch->freeing;
        buf_reset(&call->text);
        buf_append_str(&call->text, call->link->why.msg);
        set_result(call, freeing ? GRPC_CANCELED : GRPC_UNAVAILABLE, buf_str(&call->text));
        call->result.never_sent = !call->stream.headers_sent;
    } else if (call->http_status != 0 && call->http_status != 200) {
        buf_printf(&call->text, "the server answered with HTTP status %d", call->http_status);
        set_result(call, code_of_http(call->http_status), buf_str(&call->text));
    } else {
        set_result(call, code_of_reset(h2_code), h2_code == H2_NO_ERROR
                                                      ? "the stream ended without a status"
                                                      : "the stream was reset");
        call->result.never_sent = h2_code == H2_REFUSED_STREAM || !call->stream.headers_sent;
    }
}

void client_call_stream_gone(struct client_call *call, uint32_t code)
{
    if (!call->silent) {
        work_out_result(call, code);
    }
    list_remove(&call->entry);
    call->link = NULL;
    if (!call->silent && call->held.len > 0) {
        call->end_waits = true; /* messages before it have not been read */
        list_push_back(&call->ch->ended, &call->entry);
        return;
    }
    tell(call, &call->result);
    call_free(call);
}

void client_deadlines_run(struct rpc_channel *ch)
{
    uint64_t now_ms = loop_now_ms(ch->loop);
    struct heap_item *it;
    while ((it = heap_peek(&ch->deadlines)) != NULL && it->key <= now_ms) {
        struct client_call *call = CONTAINER_OF(it, struct client_call, deadline);
        struct rpc_result r = {
            .err = E_TIMEOUT,
            .grpc_code = GRPC_DEADLINE_EXCEEDED,
            .text = "context deadline exceeded",
            .never_sent = !call->stream.headers_sent,
        };
        if (call->link == NULL) {
            client_call_fail(call, r.grpc_code, r.text, true);
            continue;
        }
        h2_reset(&call->stream, H2_CANCEL);
        link_dirty(call->link);
        tell(call, &r);
    }
    if (it != NULL) {
        timer_start_at(&ch->deadline_timer, it->key);
    }
}

static void cancel(struct client_call *call)
{
    PRE(!call->silent);
    call->silent = true;
    heap_remove(&call->ch->deadlines, &call->deadline);
    if (call->link != NULL) {
        h2_reset(&call->stream, H2_CANCEL);
        link_dirty(call->link);
    } else if (!call->delivering) {
        call_free(call);
    }
}

/* --- the way out ------------------------------------------------------------------------------ */

static void queue_piece(void *arg, struct value *v)
{
    struct client_call *call = arg;
    h2_queue_value(&call->stream, v);
}

bool client_call_open(struct client_call *call, struct link *l)
{
    const struct rpc_channel *ch = l->ch;
    struct h2_header h[8 + CLIENT_METADATA_MAX] = {
        { SLICE_LIT(":method"), SLICE_LIT("POST") },
        { SLICE_LIT(":scheme"), SLICE_LIT("http") },
        { SLICE_LIT(":path"), slice_str(call->path) },
        { SLICE_LIT(":authority"), slice_str(ch->authority) },
        { SLICE_LIT("content-type"), SLICE_LIT("application/grpc") },
        { SLICE_LIT("te"), SLICE_LIT("trailers") },
    };
    size_t n = 6;
    if (call->timeout_text[0] != '\0') {
        h[n++] = (struct h2_header){ SLICE_LIT("grpc-timeout"), slice_str(call->timeout_text) };
    }
    if (ch->metadata_value != NULL) {
        h[n++] = (struct h2_header){ slice_str(ch->metadata_name), slice_str(ch->metadata_value) };
    }
    memcpy(h + n, call->metadata, call->n_metadata * sizeof *h);
    n += call->n_metadata;
    if (h2_request(l->h2, &call->stream, h, n) != 0) {
        return false;
    }
    call->was_opened = true;
    call->link = l;
    list_push_back(&l->calls, &call->entry);
    link_pings_start(l);
    link_dirty(l);
    return true;
}

struct rpc_request *rpc_call_unary(struct rpc_channel *ch, const char *path,
                                   const ProtobufCMessage *msg,
                                   const ProtobufCMessageDescriptor *response, uint64_t timeout_ms,
                                   void (*done)(void *arg, const struct rpc_result *result),
                                   void *arg)
{
    struct client_call *call = call_new(ch, path, response, arg);
    call->done = done;
    pb_pack_framed(msg, queue_piece, call);
    h2_end(&call->stream);
    if (timeout_ms > 0) {
        uint64_t due_ms = loop_now_ms(ch->loop) + timeout_ms;
        grpc_timeout_format(timeout_ms, call->timeout_text);
        heap_push(&ch->deadlines, &call->deadline, due_ms);
        if (heap_peek(&ch->deadlines) == &call->deadline) {
            timer_start_at(&ch->deadline_timer, due_ms);
        }
    }
    return (struct rpc_request *)call;
}

void rpc_request_cancel(struct rpc_request *r)
{
    cancel((struct client_call *)r);
}

struct rpc_stream *rpc_stream_open(struct rpc_channel *ch, const char *path,
                                   const ProtobufCMessageDescriptor *response,
                                   const struct rpc_stream_events *events, void *arg)
{
    struct client_call *call = call_new(ch, path, response, arg);
    PRE(events->message != NULL && events->closed != NULL);
    call->is_stream = true;
    call->events = *events;
    return (struct rpc_stream *)call;
}

static void add_metadata(struct client_call *call, const char *name, const char *value)
{
    PRE(!call->was_opened && call->n_metadata < CLIENT_METADATA_MAX);
    call->metadata[call->n_metadata++] = (struct h2_header){
        slice_str(arena_strdup(&call->arena, name)),
        slice_str(arena_strdup(&call->arena, value)),
    };
}

void rpc_request_metadata(struct rpc_request *r, const char *name, const char *value)
{
    add_metadata((struct client_call *)r, name, value);
}

void rpc_stream_metadata(struct rpc_stream *stream, const char *name, const char *value)
{
    add_metadata((struct client_call *)stream, name, value);
}

void rpc_stream_send(struct rpc_stream *stream, const ProtobufCMessage *msg)
{
    struct client_call *call = (struct client_call *)stream;
    pb_pack_framed(msg, queue_piece, call);
    if (call->link != NULL) {
        link_dirty(call->link);
    }
}

size_t rpc_stream_queued(const struct rpc_stream *stream)
{
    return ((const struct client_call *)stream)->stream.queued;
}

void rpc_stream_half_close(struct rpc_stream *stream)
{
    struct client_call *call = (struct client_call *)stream;
    h2_end(&call->stream);
    if (call->link != NULL) {
        link_dirty(call->link);
    }
}

void rpc_stream_cancel(struct rpc_stream *stream)
{
    cancel((struct client_call *)stream);
}

/* --- the answer ------------------------------------------------------------------------------- */

static int parse_number(struct slice s)
{
    int v = 0;
    if (s.len == 0 || s.len > 3) {
        return -1;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return -1;
        }
        v = v * 10 + (s.data[i] - '0');
    }
    return v;
}

void client_call_header(struct client_call *call, struct slice name, struct slice value)
{
    if (slice_eq(name, slice_str(":status"))) {
        call->http_status = parse_number(value);
    } else if (slice_eq(name, slice_str("grpc-status"))) {
        int code = parse_number(value);
        call->grpc_status = code < 0 ? GRPC_UNKNOWN : code;
    } else if (slice_eq(name, slice_str("grpc-message")) && value.len <= LIMIT_HEADER_BYTES) {
        buf_reset(&call->text);
        grpc_percent_decode(&call->text, value);
    }
}

void client_call_headers_end(struct client_call *call)
{
    call->status_whole = call->grpc_status >= 0;
}

/* A broken answer ends the call here; the stream is reset. */
static void answer_is_broken(struct client_call *call, int code, const char *text)
{
    struct rpc_result r = { .err = status_to_err(code, text), .grpc_code = code, .text = text };
    h2_reset(&call->stream, H2_CANCEL);
    tell(call, &r);
}

static void stream_message(struct client_call *call, struct slice payload)
{
    struct arena *arena = &call->ch->scratch; /* deliveries do not nest */
    ProtobufCMessage *msg = pb_unpack(call->response, payload, arena, SIZE_MAX);
    if (msg == NULL) {
        answer_is_broken(call, GRPC_INTERNAL, "the server sent a malformed message");
    } else {
        call->events.message(call->arg, msg);
    }
    arena_reset(arena);
}

static bool on_message(void *arg, struct slice payload)
{
    struct client_call *call = arg;
    if (call->silent) {
        return false;
    }
    if (call->is_stream) {
        if (call->paused || call->held.len > 0) { /* in order behind those that wait */
            uint8_t prefix[GRPC_PREFIX_BYTES];
            grpc_prefix(prefix, payload.len);
            buf_append(&call->held, prefix, sizeof prefix);
            buf_append_slice(&call->held, payload);
        } else {
            stream_message(call, payload);
        }
        return !call->silent;
    }
    if (call->msg == NULL) {
        call->msg = pb_unpack(call->response, payload, &call->arena, SIZE_MAX);
    } else {
        call->msg = NULL;
    }
    if (call->msg == NULL) {
        answer_is_broken(call, GRPC_INTERNAL, "the server sent a malformed answer");
    }
    return !call->silent;
}

void client_call_data(struct client_call *call, struct slice bytes)
{
    size_t len;
    if (!call->silent) {
        int rv = grpc_reader_feed(&call->reader, bytes, on_message, call, &len);
        if (rv != 0 && !call->silent) {
            int code = rv == E_UNSUPPORTED ? GRPC_UNIMPLEMENTED : GRPC_RESOURCE_EXHAUSTED;
            answer_is_broken(call, code,
                             "the server sent a message of a form or size that is not accepted");
        }
    }
    if (call->paused && !call->silent) {
        call->unconsumed += bytes.len;
        h2_consume_conn(call->stream.h2, bytes.len);
    } else {
        h2_consume(&call->stream, bytes.len);
    }
}

/* --- pausing ---------------------------------------------------------------------------------- */

void rpc_stream_pause(struct rpc_stream *stream, bool pause)
{
    struct client_call *call = (struct client_call *)stream;
    call->paused = pause && !call->ch->freeing;
    if (!pause && list_empty(&call->resume)) {
        list_push_back(&call->ch->resumes, &call->resume);
        loop_ready(call->ch->loop, &call->ch->work);
    }
}

/* Delivers held messages until none is left or the reader pauses again. */
static void deliver_held(struct client_call *call)
{
    struct buf held = call->held;
    size_t at = 0;
    buf_init(&call->held);
    call->delivering = true;
    while (at < held.len && !call->paused && !call->silent) {
        const uint8_t *p = held.data + at;
        size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
        at += GRPC_PREFIX_BYTES + len;
        stream_message(call, slice_make(p + GRPC_PREFIX_BYTES, len));
    }
    call->delivering = false;
    if (!call->silent) {
        buf_append(&call->held, held.data + at, held.len - at);
    }
    buf_fini(&held);
}

void client_call_resume(struct client_call *call)
{
    if (call->paused) {
        return;
    }
    if (!call->silent && call->held.len > 0) {
        deliver_held(call);
    }
    if (call->held.len > 0 && !call->silent) {
        return; /* paused again */
    }
    if (call->unconsumed > 0 && call->link != NULL) {
        h2_consume_stream(&call->stream, call->unconsumed);
        call->unconsumed = 0;
        link_dirty(call->link);
    }
    if (call->end_waits) {
        tell(call, &call->result);
        call_free(call);
    }
}
