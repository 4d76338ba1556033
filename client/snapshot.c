/* One channel, a login if there is a user, one stream. The end is told on the next turn, when the
 * stream's memory is gone. */
#include "client/snapshot.h"

#include "client/internal.h"
#include "lib/base/alloc.h"
#include "lib/io/timer.h"
#include "proto/rpc_auth.pb-c.h"

enum { SILENCE_MS = 30000 };

struct client_snapshot {
    struct client_snapshot_options o;
    struct rpc_channel *channel;
    struct rpc_request *login; /* under way, or NULL */
    struct rpc_stream *stream; /* NULL before it is opened, and once it has ended */
    struct timer silence;
    struct ready end;
    int status;
    struct err err;
};

static void snapshot_free(struct client_snapshot *s)
{
    timer_stop(&s->silence);
    ready_cancel(&s->end);
    if (s->login != NULL) {
        rpc_request_cancel(s->login);
    }
    if (s->stream != NULL) {
        rpc_stream_cancel(s->stream);
    }
    rpc_channel_free(s->channel);
    mem_free(s);
}

static void on_end(struct ready *ready)
{
    struct client_snapshot *s = CONTAINER_OF(ready, struct client_snapshot, end);
    struct client_snapshot_options o = s->o;
    int status = s->status;
    struct err err = s->err;
    snapshot_free(s);
    o.done(o.arg, status, &err);
}

/* The first reason counts. */
static void end(struct client_snapshot *s, int status)
{
    s->status = status;
    timer_stop(&s->silence);
    if (s->login != NULL) {
        rpc_request_cancel(s->login);
        s->login = NULL;
    }
    if (s->stream != NULL) {
        rpc_stream_cancel(s->stream);
        s->stream = NULL;
    }
    loop_ready(s->o.loop, &s->end);
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct client_snapshot *s = arg;
    const Etcdserverpb__SnapshotResponse *m =
        (const Etcdserverpb__SnapshotResponse *)(const void *)msg;
    if (s->stream == NULL) {
        return;
    }
    timer_start(&s->silence, s->o.silence_ms);
    int rv = s->o.on_blob(s->o.arg, slice_make(m->blob.data, m->blob.len), m->remaining_bytes,
                          &s->err);
    if (rv != 0) {
        end(s, rv);
    }
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct client_snapshot *s = arg;
    s->stream = NULL;
    if (result->err != 0) {
        err_set(&s->err, result->err, "%s", result->text[0] != '\0' ? result->text
                                                                    : err_text(result->err));
    }
    end(s, result->err);
}

static void on_silence(struct timer *timer)
{
    struct client_snapshot *s = CONTAINER_OF(timer, struct client_snapshot, silence);
    end(s, err_set(&s->err, E_TIMEOUT, "nothing came for %llu s",
                   (unsigned long long)(s->o.silence_ms / 1000)));
}

static void open_stream(struct client_snapshot *s, const char *token)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    Etcdserverpb__SnapshotRequest request = ETCDSERVERPB__SNAPSHOT_REQUEST__INIT;
    s->stream = rpc_stream_open(s->channel, "/etcdserverpb.Maintenance/Snapshot",
                                &etcdserverpb__snapshot_response__descriptor, &events, s);
    if (token != NULL) {
        rpc_stream_metadata(s->stream, "token", token);
    }
    rpc_stream_send(s->stream, &request.base);
    rpc_stream_half_close(s->stream);
}

static void on_login(void *arg, const struct rpc_result *result)
{
    struct client_snapshot *s = arg;
    s->login = NULL;
    if (result->err != 0) {
        end(s, err_set(&s->err, result->err, "%s", result->text[0] != '\0'
                                                       ? result->text
                                                       : err_text(result->err)));
        return;
    }
    const Etcdserverpb__AuthenticateResponse *m =
        (const Etcdserverpb__AuthenticateResponse *)(const void *)result->msg;
    open_stream(s, m->token);
}

static void login(struct client_snapshot *s, const char *user, const char *password)
{
    Etcdserverpb__AuthenticateRequest request = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
    request.name = (char *)(uintptr_t)user;
    request.password = (char *)(uintptr_t)(password != NULL ? password : "");
    s->login = rpc_call_unary(s->channel, "/etcdserverpb.Auth/Authenticate", &request.base,
                              &etcdserverpb__authenticate_response__descriptor, s->o.silence_ms,
                              on_login, s);
}

int client_snapshot_start(const struct client_snapshot_options *options,
                          struct client_snapshot **ret_snapshot, struct err *err)
{
    struct endpoint e = { 0 };
    int rv = endpoint_init(NULL, &e, options->endpoint, err);
    if (rv != 0) {
        return rv;
    }
    struct client_snapshot *s = mem_zalloc(sizeof *s);
    s->o = *options;
    s->o.endpoint = s->o.user = s->o.password = NULL;
    s->o.silence_ms = options->silence_ms != 0 ? options->silence_ms : SILENCE_MS;
    ready_init(&s->end, on_end);
    timer_init(options->loop, &s->silence, on_silence);
    timer_start(&s->silence, s->o.silence_ms);
    struct rpc_channel_options c = { .loop = options->loop, .address = e.address,
                                     .connect_timeout_ms = CLIENT_CONNECT_MS };
    s->channel = rpc_channel_new(&c);
    if (options->user != NULL) {
        login(s, options->user, options->password);
    } else {
        open_stream(s, NULL);
    }
    *ret_snapshot = s;
    return 0;
}

void client_snapshot_cancel(struct client_snapshot *s)
{
    snapshot_free(s);
}
