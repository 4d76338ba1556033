/* From a request to the wire, the history and the counts. See ops.h. */
#include "chaos/ops.h"

#include <string.h>

#include "chaos/wire.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

struct op {
    struct list link;
    struct ops *ops;
    enum check_kind kind;
    bool write;
    uint32_t id; /* in the history */
    uint64_t sent_us;
    struct rpc_request *rpc;   /* unary */
    struct rpc_stream *stream; /* a keepalive: one message each way */
    struct timer timeout;      /* of a keepalive */
    ops_done done;
    void *arg;
};

/* --- latency ---------------------------------------------------------------------------------- */

static size_t bucket_of(uint64_t us)
{
    if (us < 8) {
        return (size_t)us;
    }
    unsigned top = 63 - (unsigned)__builtin_clzll(us);
    size_t b = (top - 2) * 8 + (size_t)(us >> (top - 3) & 7);
    return b < OPS_BUCKETS ? b : OPS_BUCKETS - 1;
}

static uint64_t bucket_value(size_t b)
{
    return b < 8 ? b : (uint64_t)(8 + b % 8) << (b / 8 - 1);
}

void latency_add(struct latency *l, uint64_t us)
{
    l->n[bucket_of(us)]++;
    l->count++;
    l->max_us = us > l->max_us ? us : l->max_us;
}

int64_t latency_percentile(const struct latency *l, double p)
{
    uint64_t rank = (uint64_t)((double)l->count * p / 100), seen = 0;
    for (size_t b = 0; b < OPS_BUCKETS; b++) {
        seen += l->n[b];
        if (l->n[b] > 0 && seen > rank) {
            uint64_t v = bucket_value(b);
            return (int64_t)(v < l->max_us ? v : l->max_us);
        }
    }
    return l->count > 0 ? (int64_t)l->max_us : CHAOS_ABSENT;
}

static void on_sample(struct timer *t)
{
    struct ops *o = CONTAINER_OF(t, struct ops, sampler);
    uint64_t now = loop_now_us(o->loop) / 1000;
    while (o->next_sample_ms <= now) { /* a turn that was late gives empty samples, not fewer */
        struct chaos_sample s = { o->sample_ok, o->sample_failed,
                                  latency_percentile(&o->sample, 50),
                                  latency_percentile(&o->sample, 99) };
        chaos_report_add_sample(o->report, &s);
        memset(&o->sample, 0, sizeof o->sample);
        o->sample_ok = o->sample_failed = 0;
        o->next_sample_ms += OPS_SAMPLE_MS;
    }
    timer_start(t, o->next_sample_ms - now);
}

/* --- outcome ---------------------------------------------------------------------------------- */

/* Refused before it was proposed, or judged by the store and refused. All else may have happened.
 */
static bool certainly_not(const struct rpc_result *r)
{
    if (r->never_sent) {
        return true;
    }
    switch (r->err) {
    case E_COMPACTED:
    case E_FUTURE_REV:
    case E_LEASE_NOT_FOUND:
    case E_LEASE_EXIST:
    case E_KEY_NOT_FOUND:
    case E_TOO_MANY_REQUESTS:
    case E_NOSPACE:
    case E_LEARNER:
        return true;
    default:
        return false;
    }
}

static void count(struct op *op, enum check_outcome outcome, uint64_t took_us)
{
    struct ops *o = op->ops;
    struct ops_total *t = &o->totals[op->kind];
    if (outcome == CHECK_OK) {
        t->ok++;
        o->ok++;
        o->sample_ok++;
        latency_add(&t->latency, took_us);
        latency_add(&o->sample, took_us);
        return;
    }
    t->failed += outcome == CHECK_FAILED;
    t->unknown += outcome == CHECK_UNKNOWN;
    o->failed++;
    o->sample_failed++;
}

static void op_free(struct op *op)
{
    list_remove(&op->link);
    op->ops->n_in_flight--;
    timer_stop(&op->timeout);
    mem_free(op);
}

static void finish(struct op *op, const struct rpc_result *result)
{
    struct ops *o = op->ops;
    int64_t now = ops_now_us(o);
    struct arena arena;
    struct check_response response = { 0 };
    enum check_outcome outcome = CHECK_OK;
    arena_init(&arena);
    if (result->err == 0) {
        wire_response(&arena, op->kind, result->msg, &response);
    } else {
        outcome = certainly_not(result) ? CHECK_FAILED : CHECK_UNKNOWN;
        chaos_report_add_error(o->report,
                               result->text[0] != '\0' ? result->text : err_text(result->err), 1);
    }
    history_return(o->history, op->id, now, outcome, result->err,
                   outcome == CHECK_OK ? &response : NULL);
    count(op, outcome, (uint64_t)now - op->sent_us);
    if (outcome == CHECK_OK && op->write && o->on_write != NULL) {
        o->on_write(o->arg, op->sent_us / 1000);
    }
    ops_done done = op->done;
    void *arg = op->arg;
    op_free(op);
    if (done != NULL) {
        done(arg, outcome, result->err, outcome == CHECK_OK ? &response : NULL);
    }
    arena_fini(&arena);
}

static void on_unary(void *arg, const struct rpc_result *result)
{
    struct op *op = arg;
    op->rpc = NULL;
    finish(op, result);
}

/* --- keepalives: a stream of one message each way ----------------------------------------------
 */

static void on_keepalive(void *arg, const ProtobufCMessage *msg)
{
    struct op *op = arg;
    struct rpc_result result = { .text = "", .msg = (ProtobufCMessage *)(uintptr_t)msg };
    rpc_stream_cancel(op->stream);
    op->stream = NULL;
    finish(op, &result);
}

static void on_keepalive_closed(void *arg, const struct rpc_result *result)
{
    struct op *op = arg;
    struct rpc_result failed = *result;
    op->stream = NULL;
    if (failed.err == 0) { /* closed without an answer */
        failed.err = E_UNAVAILABLE;
        failed.text = "the stream ended without an answer";
    }
    finish(op, &failed);
}

static void on_keepalive_timeout(struct timer *t)
{
    struct op *op = CONTAINER_OF(t, struct op, timeout);
    struct rpc_result late = { .err = E_TIMEOUT, .text = "deadline exceeded" };
    rpc_stream_cancel(op->stream);
    op->stream = NULL;
    finish(op, &late);
}

static void send_keepalive(struct op *op, struct rpc_channel *ch, int64_t lease)
{
    static const struct rpc_stream_events events = { .message = on_keepalive,
                                                     .closed = on_keepalive_closed };
    Etcdserverpb__LeaseKeepAliveRequest m = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
    m.id = lease;
    op->stream = rpc_stream_open(ch, "/etcdserverpb.Lease/LeaseKeepAlive",
                                 &etcdserverpb__lease_keep_alive_response__descriptor, &events, op);
    rpc_stream_send(op->stream, &m.base);
    timer_start(&op->timeout, OPS_TIMEOUT_MS);
}

/* --- calling ---------------------------------------------------------------------------------- */

static bool is_write(const struct check_request *r)
{
    return r->kind == CHECK_PUT || r->kind == CHECK_DELETE || r->kind == CHECK_TXN;
}

bool ops_call(struct ops *o, uint32_t client, size_t member, const struct check_request *request,
              ops_done done, void *arg)
{
    PRE(member < o->target->n_members);
    if (o->n_in_flight >= OPS_IN_FLIGHT_MAX) {
        return false;
    }
    uint64_t now = (uint64_t)ops_now_us(o);
    uint32_t id = history_call(o->history, client, (uint32_t)member, (int64_t)now, request);
    if (id == CHECK_NO_OP) {
        return false;
    }
    struct op *op = mem_zalloc(sizeof *op);
    *op = (struct op){ .ops = o,
                       .kind = request->kind,
                       .write = is_write(request),
                       .id = id,
                       .sent_us = now,
                       .done = done,
                       .arg = arg };
    timer_init(o->loop, &op->timeout, on_keepalive_timeout);
    list_push_back(&o->in_flight, &op->link);
    o->n_in_flight++;
    struct rpc_channel *ch = o->channels[member];
    if (request->kind == CHECK_KEEPALIVE) {
        send_keepalive(op, ch, request->lease);
        return true;
    }
    struct arena arena;
    arena_init(&arena);
    struct wire_call call = wire_request(&arena, request);
    op->rpc =
        rpc_call_unary(ch, call.path, call.message, call.answer, OPS_TIMEOUT_MS, on_unary, op);
    arena_fini(&arena);
    return true;
}

int64_t ops_now_us(const struct ops *o)
{
    return (int64_t)loop_now_us(o->loop);
}

/* --- life ------------------------------------------------------------------------------------- */

int ops_open(struct ops *o, struct loop *loop, struct target *t, struct history *h,
             struct chaos_report *report, uint64_t seed, struct err *err)
{
    memset(o, 0, sizeof *o);
    o->loop = loop;
    o->target = t;
    o->history = h;
    o->report = report;
    list_init(&o->in_flight);
    timer_init(loop, &o->sampler, on_sample);
    for (size_t i = 0; i < t->n_members; i++) {
        struct rpc_channel_options options = { .loop = loop,
                                               .address = t->members[i].endpoint,
                                               .seed = seed + i };
        o->channels[i] = rpc_channel_new(&options);
        if (o->channels[i] == NULL) {
            return err_set(err, E_INVAL, "%s is not an address", t->members[i].endpoint);
        }
    }
    return 0;
}

void ops_start_samples(struct ops *o)
{
    o->report->sample_ms = OPS_SAMPLE_MS;
    o->next_sample_ms = loop_now_us(o->loop) / 1000 + OPS_SAMPLE_MS;
    timer_start(&o->sampler, OPS_SAMPLE_MS);
}

void ops_stop_samples(struct ops *o)
{
    timer_stop(&o->sampler);
}

void ops_close(struct ops *o)
{
    timer_stop(&o->sampler);
    while (!list_empty(&o->in_flight)) {
        struct op *op = CONTAINER_OF(list_first(&o->in_flight), struct op, link);
        if (op->rpc != NULL) {
            rpc_request_cancel(op->rpc);
        }
        if (op->stream != NULL) {
            rpc_stream_cancel(op->stream);
        }
        op_free(op);
    }
    for (size_t i = 0; i < o->target->n_members; i++) {
        if (o->channels[i] != NULL) {
            rpc_channel_free(o->channels[i]);
            o->channels[i] = NULL;
        }
    }
}

void ops_report(const struct ops *o)
{
    static const char *const names[CHECK_KINDS] = {
        [CHECK_PUT] = "put",
        [CHECK_RANGE] = "range",
        [CHECK_DELETE] = "delete",
        [CHECK_TXN] = "txn",
        [CHECK_COMPACT] = "compact",
        [CHECK_GRANT] = "lease grant",
        [CHECK_REVOKE] = "lease revoke",
        [CHECK_KEEPALIVE] = "lease keepalive",
    };
    for (size_t k = 0; k < CHECK_KINDS; k++) {
        const struct ops_total *t = &o->totals[k];
        if (t->ok + t->failed + t->unknown == 0) {
            continue;
        }
        struct chaos_op *r = chaos_report_add_op(o->report, names[k]);
        if (r != NULL) {
            r->ok = t->ok;
            r->failed = t->failed;
            r->unknown = t->unknown;
            r->p50_us = latency_percentile(&t->latency, 50);
            r->p99_us = latency_percentile(&t->latency, 99);
            r->max_us = t->ok > 0 ? (int64_t)t->latency.max_us : CHAOS_ABSENT;
        }
    }
}
