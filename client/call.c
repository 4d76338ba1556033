/* Unary calls: sent on the current endpoint, and again elsewhere until their deadline.
 *
 *                  endpoint up                  answer
 *     WAITING -----------------------> SENT -----------------> finish
 *        ^                              | failed, may repeat
 *        +------ PAUSED <---------------+
 *
 * May repeat: always when the request certainly never left (never_sent) or the server refused it
 * before it did anything; also after an uncertain end when the call is idempotent (reads, guarded
 * txns, grants). A try of an idempotent call gets 1.5 s, again 1.5, 3, 3, 6 ... so that a silent
 * member does not eat the whole deadline. At the deadline the caller is told the last real
 * failure, not just "timed out". */
#include "client/internal.h"

#include "lib/base/alloc.h"
#include "lib/base/bug.h"

static const struct backoff call_backoff = { 20, 500 };

static void call_send(struct client_call *call);

static void call_free(struct client_call *call)
{
    timer_stop(&call->pause);
    timer_stop(&call->deadline);
    ready_cancel(&call->failed);
    list_remove(&call->link);
    if (call->cleanup != NULL) {
        call->cleanup(call);
    }
    protobuf_c_message_free_unpacked(call->request, NULL);
    mem_free(call);
}

static void call_end(struct client_call *call, int status, const struct err *err,
                     const ProtobufCMessage *msg)
{
    timer_stop(&call->pause);
    timer_stop(&call->deadline);
    list_remove(&call->link);
    call->finish(call, status, err, msg);
    call_free(call);
}

/* A sentence for the end of a call whose time is up. */
static void call_expire(struct client_call *call)
{
    struct client *c = call->client;
    struct err err = call->last;

    if (err.code == 0) {
        if (c->current != NULL && !login_settled(c) && c->login.why.code != 0) {
            err = c->login.why;
        } else if (c->current == NULL) {
            client_explain(c, &err);
        } else {
            err_set(&err, E_TIMEOUT, "%s did not answer in time", c->current->address);
        }
    }
    call_end(call, err.code, &err, NULL);
}

/* What the end of an attempt says about the member. A caller's own short deadline says nothing. */
static void judge(struct client_call *call, struct endpoint *e, int code, const char *text)
{
    uint64_t took_ms = loop_now_ms(call->client->loop) - call->sent_ms;

    if (code != E_TIMEOUT || took_ms >= CLIENT_ATTEMPT_MS) {
        client_judge(call->client, e, code, text);
    }
}

static void on_deadline(struct timer *t)
{
    struct client_call *call = CONTAINER_OF(t, struct client_call, deadline);

    if (call->rpc != NULL) {
        struct endpoint *e = TAKE(call->endpoint);

        rpc_request_cancel(TAKE(call->rpc));
        if (call->last.code == 0) {
            err_set(&call->last, E_TIMEOUT, "%s did not answer in time", e->address);
        }
        judge(call, e, E_TIMEOUT, "");
        client_release(call->client, e);
    }
    call_expire(call);
}

static void on_pause_over(struct timer *t)
{
    call_send(CONTAINER_OF(t, struct client_call, pause));
}

/* Refused before anything was done, whatever the call. */
static bool refused(int code)
{
    return code == E_TOO_MANY_REQUESTS || code == E_LEARNER || code == E_STOPPED;
}

bool call_transient(int code)
{
    switch (code) {
    case E_UNAVAILABLE:
    case E_NOLEADER:
    case E_LEADER_CHANGED:
    case E_NOTLEADER:
    case E_STOPPED:
    case E_LEARNER:
    case E_TIMEOUT:
    case E_TOO_MANY_REQUESTS:
    case E_CANCELED:
    case E_CLOSED:
        return true;
    default:
        return false;
    }
}

static bool may_repeat(const struct client_call *call, int code, bool never_sent)
{
    return call_transient(code) &&
           (never_sent || refused(code) || call->idempotent || BUG(BUG_WRITE_RETRIED));
}

static void on_answer(void *arg, const struct rpc_result *result)
{
    struct client_call *call = arg;
    struct client *c = call->client;
    struct endpoint *e = TAKE(call->endpoint);
    uint64_t now = loop_now_ms(c->loop);
    uint64_t pause_ms;

    call->rpc = NULL;
    client_release(c, e);
    if (result->err == 0) {
        if (c->current == e) {
            c->noleader_since_ms = 0;
            client_heard(c);
        }
        call_end(call, 0, NULL, result->msg);
        return;
    }
    err_set(&call->last, result->err, "%s: %s", e->address,
            result->text[0] != 0 ? result->text : err_text(result->err));
    judge(call, e, result->err, result->text);
    if (now < call->deadline_ms && login_void(c, result->err, call->login)) {
        call_send(call); /* or calls_resume does */
        return;
    }
    if (call->only != NULL || !may_repeat(call, result->err, result->never_sent)) {
        call_end(call, call->last.code, &call->last, NULL);
        return;
    }
    if (now >= call->deadline_ms) {
        call_expire(call);
        return;
    }
    pause_ms = c->current == NULL ? 0 : backoff_delay_ms(&call_backoff, call->attempts, &c->rng);
    if (pause_ms != 0) {
        timer_start(&call->pause, pause_ms);
    }
}

static void call_send(struct client_call *call)
{
    struct client *c = call->client;
    struct endpoint *e = call->only != NULL ? call->only : c->current;
    uint64_t now = loop_now_ms(c->loop);
    uint64_t timeout_ms;

    if (c->login.state == LOGIN_REFUSED) {
        call->last = c->login.why;
        loop_ready(c->loop, &call->failed);
        return;
    }
    if (e == NULL || e->channel == NULL || !login_settled(c)) {
        return; /* calls_resume sends it */
    }
    timeout_ms = call->deadline_ms > now ? call->deadline_ms - now : 1;
    if (call->idempotent && c->n_endpoints > 1 && call->attempts < 8) {
        uint64_t attempt_ms = (uint64_t)CLIENT_ATTEMPT_MS << (call->attempts / 2);

        timeout_ms = timeout_ms < attempt_ms ? timeout_ms : attempt_ms;
    }
    call->attempts++;
    call->sent_ms = now;
    call->endpoint = e;
    e->in_flight++;
    call->rpc = rpc_call_unary(e->channel, call->path, call->request, call->response, timeout_ms,
                               on_answer, call);
    call->login = c->login.serial;
    login_request(c, call->rpc);
}

/* In flight on a member that has been left: what may be repeated does not wait for its end. */
static bool stranded(const struct client_call *call)
{
    return call->rpc != NULL && call->idempotent && call->only == NULL &&
           call->endpoint != call->client->current;
}

void calls_resume(struct client *c)
{
    LIST_FOREACH_SAFE(it, &c->calls) {
        struct client_call *call = LIST_ENTRY(it, struct client_call, link);

        if (stranded(call)) {
            rpc_request_cancel(TAKE(call->rpc));
            client_release(c, TAKE(call->endpoint));
        }
        if (call->rpc == NULL && !timer_active(&call->pause)) {
            call_send(call);
        }
    }
}

static ProtobufCMessage *message_copy(const ProtobufCMessage *msg)
{
    size_t len = protobuf_c_message_get_packed_size(msg);
    autofree uint8_t *bytes = mem_alloc(len + 1);
    ProtobufCMessage *copy;

    protobuf_c_message_pack(msg, bytes);
    copy = protobuf_c_message_unpack(msg->descriptor, NULL, len, bytes);
    INVARIANT(copy != NULL);
    return copy;
}

static void on_failed(struct ready *r)
{
    struct client_call *call = CONTAINER_OF(r, struct client_call, failed);

    call_end(call, call->last.code, &call->last, NULL);
}

struct client_call *call_start(struct client *c, const struct call_spec *spec)
{
    struct client_call *call = mem_zalloc(sizeof *call);
    uint64_t timeout_ms = spec->timeout_ms != 0 ? spec->timeout_ms : c->timeout_ms;

    call->client = c;
    call->path = spec->path;
    call->request = message_copy(spec->request);
    call->response = spec->response;
    call->idempotent = spec->idempotent;
    call->finish = spec->finish;
    call->cleanup = spec->cleanup;
    call->done = spec->done;
    call->arg = spec->arg;
    call->user = spec->user;
    call->deadline_ms = loop_now_ms(c->loop) + timeout_ms;
    timer_init(c->loop, &call->pause, on_pause_over);
    timer_init(c->loop, &call->deadline, on_deadline);
    ready_init(&call->failed, on_failed);
    list_push_back(&c->calls, &call->link);
    timer_start_at(&call->deadline, call->deadline_ms);
    call->only = spec->only;
    if (call->only != NULL) {
        if (call->only->channel != NULL) {
            if (!login_settled(c)) {
                client_want(c); /* the current endpoint is the one that is asked to let us in */
            }
            call_send(call);
        } else {
            call->last = call->only->why;
            loop_ready(c->loop, &call->failed);
        }
        return call;
    }
    client_want(c);
    /* Behind calls that wait for the same endpoint, so that order is kept. */
    if (c->current != NULL && c->told == c->current) {
        call_send(call);
    }
    return call;
}

void client_call_cancel(struct client_call *call)
{
    if (call == NULL) {
        return;
    }
    if (call->rpc != NULL) {
        rpc_request_cancel(TAKE(call->rpc));
        client_release(call->client, TAKE(call->endpoint));
    }
    call_free(call);
}

void calls_orphan(struct client *c)
{
    struct list *l;

    while ((l = list_pop_front(&c->calls)) != NULL) {
        struct client_call *call = LIST_ENTRY(l, struct client_call, link);

        if (call->rpc != NULL) {
            rpc_request_cancel(TAKE(call->rpc));
            call->endpoint->in_flight--;
            call->endpoint = NULL;
        }
        timer_stop(&call->pause);
        timer_stop(&call->deadline);
        call->client = NULL;
        err_set(&call->last, E_CANCELED, "the client was closed");
        loop_ready(c->loop, &call->failed);
    }
}
