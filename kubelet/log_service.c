/* Logs of this node's pods, served to the command line: barque.node.v1.Node/Logs (a stream).
 *
 * Reads the CRI log file of the newest attempt (or the one before), strips or keeps the time
 * stamps, and goes on reading while `follow` is set and the container may still write. Pulled:
 * nothing is read while the stream is not writable. Following looks at the file every FOLLOW_MS. */
#include <stdlib.h>
#include <string.h>

#include "kubelet/internal.h"
#include "kubelet/log_file.h"
#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "proto/node.pb-c.h"

enum { FOLLOW_MS = 100, CHUNK_BYTES = 64 * 1024, IDLE_ROUNDS_AFTER_END = 2, ASK_ROUNDS = 4 };

struct log_stream {
    struct list link;
    struct kubelet *kubelet;
    struct rpc_call *call;
    struct timer timer;
    struct file *file;
    struct file *next;    /* the log was rotated: goes on here when `file` is read to its end */
    char *path, *pod_uid, *container;
    int32_t attempt;
    uint64_t offset;
    struct buf partial;   /* the beginning of a line that is not whole yet */
    bool follow, timestamps;
    unsigned quiet_rounds; /* reads that found nothing */
    int idle_rounds;      /* reads that found nothing since the attempt ended */
};

/* --- which attempt ---------------------------------------------------------------------------- */

static bool wanted(const struct attempt *a, const Barque__Node__V1__LogsRequest *m)
{
    return strcmp(a->pod_namespace, m->namespace_) == 0 && strcmp(a->pod_name, m->pod) == 0 &&
           (m->container[0] == '\0' || strcmp(a->container, m->container) == 0);
}

/* The newest, or the one before it. NULL with the reason. */
static const struct attempt *choose(const Barque__Node__V1__LogsRequest *m,
                                    const struct attempt *attempts, size_t n, const char **ret_why)
{
    const struct attempt *last = NULL, *before = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct attempt *a = &attempts[i];
        if (!wanted(a, m)) {
            continue;
        }
        if (last != NULL && strcmp(last->container, a->container) != 0) {
            *ret_why = "the pod has several containers: name one with -c";
            return NULL;
        }
        if (last == NULL || a->started_ms > last->started_ms ||
            (a->started_ms == last->started_ms && a->attempt > last->attempt)) {
            before = last;
            last = a;
        } else if (before == NULL || a->attempt > before->attempt) {
            before = a;
        }
    }
    *ret_why = last == NULL ? "no such container has been started on this node"
                            : "there was no attempt before this one";
    return m->previous ? before : last;
}

/* --- a stream --------------------------------------------------------------------------------- */

static void stream_end(struct log_stream *st, enum grpc_code code, const char *text)
{
    struct rpc_call *call = st->call;
    timer_stop(&st->timer);
    list_remove(&st->link);
    file_close(st->file);
    file_close(st->next);
    buf_fini(&st->partial);
    mem_free(st->path);
    mem_free(st->pod_uid);
    mem_free(st->container);
    mem_free(st);
    rpc_call_set_data(call, NULL);
    rpc_finish(call, code, text);
}

static void send_lines(struct log_stream *st)
{
    autobuf out = BUF_INIT;
    size_t from = 0;
    for (size_t i = 0; i < st->partial.len; i++) {
        if (st->partial.data[i] == '\n') {
            log_file_line((const char *)st->partial.data + from, i - from, st->timestamps, &out);
            from = i + 1;
        }
    }
    buf_consume(&st->partial, from);
    if (out.len > 0) {
        Barque__Node__V1__LogsResponse m = BARQUE__NODE__V1__LOGS_RESPONSE__INIT;
        m.data = (ProtobufCBinaryData){ out.len, out.data };
        rpc_send(st->call, &m.base);
    }
}

static bool still_running(const struct log_stream *st)
{
    struct kubelet *k = st->kubelet;
    struct arena arena;
    struct attempt *attempts;
    size_t n = 0;
    bool running = false;
    arena_init(&arena);
    if (k->driver->list(k->driver, &arena, &attempts, &n, NULL) == 0) {
        for (size_t i = 0; i < n; i++) {
            running = running || (strcmp(attempts[i].pod_uid, st->pod_uid) == 0 &&
                                  strcmp(attempts[i].container, st->container) == 0 &&
                                  attempts[i].attempt == st->attempt &&
                                  attempts[i].state == ATTEMPT_RUNNING);
        }
    }
    arena_fini(&arena);
    return running;
}

/* A file of that name that is shorter than what we have read is another one. */
static bool rotated(struct log_stream *st)
{
    struct file *f = NULL;
    uint64_t size = 0;
    if (file_open(loop_fs(st->kubelet->loop), st->path, FILE_READ, &f, NULL) != 0) {
        return false;
    }
    if (file_size(f, &size, NULL) == 0 && size < st->offset) {
        st->next = f;
        return true;
    }
    file_close(f);
    return false;
}

static void pump(struct log_stream *st)
{
    while (rpc_writable(st->call)) {
        size_t got = 0;
        uint8_t *at = buf_reserve(&st->partial, CHUNK_BYTES);
        struct err err = ERR_INIT;
        if (file_pread(st->file, at, CHUNK_BYTES, st->offset, &got, &err) != 0) {
            stream_end(st, GRPC_INTERNAL, err.msg);
            return;
        }
        if (got > 0) {
            st->offset += got;
            st->idle_rounds = 0;
            buf_advance(&st->partial, got);
            send_lines(st);
            continue;
        }
        if (st->next != NULL) {
            file_close(st->file);
            st->file = TAKE(st->next);
            st->offset = 0;
            continue;
        }
        if (st->follow && rotated(st)) {
            continue; /* what was written last before the rotation, then the next file */
        }
        bool ask = ++st->quiet_rounds % ASK_ROUNDS == 0; /* asking costs a listing */
        if (!st->follow ||
            (ask && !still_running(st) && ++st->idle_rounds >= IDLE_ROUNDS_AFTER_END)) {
            stream_end(st, GRPC_OK, "");
            return;
        }
        timer_start(&st->timer, FOLLOW_MS);
        return;
    }
}

static void on_timer(struct timer *t)
{
    pump(CONTAINER_OF(t, struct log_stream, timer));
}

static void logs_message(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Barque__Node__V1__LogsRequest *m =
        (const Barque__Node__V1__LogsRequest *)(const void *)msg;
    struct kubelet *k = rpc_call_arg(call);
    struct arena *arena = rpc_call_arena(call);
    struct attempt *attempts;
    size_t n;
    const char *why = "cannot list containers";
    struct err err = ERR_INIT;
    if (rpc_call_data(call) != NULL) {
        rpc_fail(call, GRPC_INVALID_ARGUMENT, "one request a stream");
        return;
    }
    const struct attempt *a = NULL;
    if (k->driver->list(k->driver, arena, &attempts, &n, &err) == 0) {
        a = choose(m, attempts, n, &why);
    }
    autofree char *path = a != NULL && k->driver->log_path != NULL
                     ? k->driver->log_path(k->driver, a->pod_uid, a->container, a->attempt) : NULL;
    struct file *file = NULL;
    if (path != NULL && file_open(loop_fs(k->loop), path, FILE_READ, &file, &err) != 0) {
        why = err.msg;
    }
    if (file == NULL) {
        rpc_fail(call, GRPC_NOT_FOUND, why);
        return;
    }
    struct log_stream *st = mem_zalloc(sizeof *st);
    st->kubelet = k;
    st->call = call;
    st->file = file;
    st->path = TAKE(path);
    st->pod_uid = mem_strdup(a->pod_uid);
    st->container = mem_strdup(a->container);
    st->attempt = a->attempt;
    st->follow = m->follow != 0;
    st->timestamps = m->timestamps != 0;
    st->offset = m->tail_lines > 0 ? log_file_tail(file, m->tail_lines) : 0;
    timer_init(k->loop, &st->timer, on_timer);
    list_push_back(&k->log_streams, &st->link);
    rpc_call_set_data(call, st);
    pump(st);
}

/* The client half-closes after its one request; that is not the end. */
static void logs_half_close(struct rpc_call *call)
{
    (void)call;
}

static void logs_writable(struct rpc_call *call)
{
    struct log_stream *st = rpc_call_data(call);
    if (st != NULL) {
        pump(st);
    }
}

static void logs_closed(struct rpc_call *call)
{
    struct log_stream *st = rpc_call_data(call);
    if (st != NULL) {
        stream_end(st, GRPC_CANCELED, "");
    }
}

static const struct rpc_method methods[] = {
    { "/barque.node.v1.Node/Logs", RPC_STREAM, &barque__node__v1__logs_request__descriptor,
      logs_message, NULL, logs_half_close, logs_writable, logs_closed },
};

int log_service_open(struct kubelet *k, const char *listen, struct err *err)
{
    struct rpc_server_options options = { .loop = k->loop, .arg = k };
    k->rpc = rpc_server_new(&options);
    rpc_server_methods(k->rpc, methods, ARRAY_LEN(methods));
    return rpc_server_listen(k->rpc, listen, RPC_SERVES_GRPC, err);
}

const char *log_service_address(const struct kubelet *k)
{
    return rpc_server_address(k->rpc, 0);
}

void log_service_close(struct kubelet *k)
{
    struct list *it;
    while ((it = list_first(&k->log_streams)) != NULL) {
        stream_end(LIST_ENTRY(it, struct log_stream, link), GRPC_UNAVAILABLE,
                   "the node's agent is stopping");
    }
    if (k->rpc != NULL) {
        rpc_server_free(k->rpc);
    }
}
