/* One question to both, two answers, one comparison. */
#include "tests/differential/duel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "tests/differential/fields.h"

enum { CALL_MS = 15000 };

const char *const plant_names[PLANTS] = { "nothing", "revision", "nested",
                                          "unknown", "text",     "event" };

struct rpc_channel *duel_channel(const struct duel *d, int side)
{
    return side == BARQUE ? d->members[d->member] : d->etcd;
}

bool duel_plants(struct duel *d, enum plant plant)
{
    if (d->plant != plant || d->asked < d->planted_at) {
        return false;
    }
    d->plant = PLANT_NOTHING;
    return true;
}

/* --- waiting ---------------------------------------------------------------------------------- */

struct waiter {
    struct timer timer;
    bool (*cond)(void *arg);
    void *arg;
    uint64_t until_ms;
    bool held;
};

static void on_look(struct timer *t)
{
    struct waiter *w = CONTAINER_OF(t, struct waiter, timer);
    w->held = w->cond(w->arg);
    if (w->held || loop_now_ms(t->loop) >= w->until_ms) {
        loop_stop(t->loop);
    } else {
        timer_start(t, 1);
    }
}

bool duel_wait(struct duel *d, bool (*cond)(void *arg), void *arg, uint64_t deadline_ms)
{
    struct waiter w = { .cond = cond, .arg = arg, .until_ms = loop_now_ms(d->loop) + deadline_ms };
    if (cond(arg)) {
        return true;
    }
    timer_init(d->loop, &w.timer, on_look);
    timer_start(&w.timer, 0);
    loop_run(d->loop);
    timer_stop(&w.timer);
    return w.held || cond(arg);
}

/* --- what is said at the end ------------------------------------------------------------------ */

static void print_message(const char *name, const ProtobufCMessage *m)
{
    autobuf text = BUF_INIT;
    fields_print(m, &text);
    printf("#   %-8s %s\n", name, m != NULL ? buf_str(&text) : "-");
}

void duel_differs(struct duel *d, const char *what, const char *path, const ProtobufCMessage *asked,
                  const ProtobufCMessage *barque, const ProtobufCMessage *etcd)
{
    printf("# differs: %s, request %" PRIu64 " of --seed %" PRIu64 "\n", what, d->asked, d->seed);
    printf("#   path     %s\n", path);
    print_message("request", asked);
    print_message("barque", barque);
    print_message("etcd", etcd);
    fflush(stdout);
    _Exit(EXIT_DIFFERS); /* calls are open; there is nothing to keep */
}

void duel_disturbed(struct duel *d, const char *what, const char *text)
{
    printf("# disturbed: %s, request %" PRIu64 " of --seed %" PRIu64 ": %s\n", what, d->asked,
           d->seed, text);
    fflush(stdout);
    _Exit(EXIT_DISTURBED);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void on_done(void *arg, const struct rpc_result *result)
{
    struct answer *a = arg;
    a->code = result->grpc_code;
    snprintf(a->text, sizeof a->text, "%s", result->text);
    a->msg = result->err == 0 ? fields_copy(result->msg) : NULL;
    if (result->err != 0 && result->grpc_code == 0) {
        a->code = GRPC_UNAVAILABLE; /* not an answer, whatever it was */
    }
    a->done = true;
}

static bool both_done(void *arg)
{
    const struct duel *d = arg;
    return d->answers[BARQUE].done && d->answers[ETCD].done;
}

/* Not an answer to the question: the servers had other troubles. */
static bool is_disturbance(int code)
{
    return code == GRPC_UNAVAILABLE || code == GRPC_DEADLINE_EXCEEDED || code == GRPC_CANCELED;
}

static Etcdserverpb__ResponseHeader *header_of(ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "header");
    return f != NULL ? *(void **)(void *)((char *)m + f->offset) : NULL;
}

static bool spoil_nested(struct duel *d, ProtobufCMessage *m)
{
    if (m->descriptor != &etcdserverpb__txn_response__descriptor) {
        return false;
    }
    Etcdserverpb__TxnResponse *t = (Etcdserverpb__TxnResponse *)(void *)m;
    for (size_t i = 0; i < t->n_responses; i++) {
        Etcdserverpb__ResponseOp *op = t->responses[i];
        if (op->response_case == ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE &&
            op->response_range->n_kvs > 0 && duel_plants(d, PLANT_NESTED)) {
            op->response_range->kvs[op->response_range->n_kvs - 1]->version++;
            return true;
        }
    }
    return false;
}

static ProtobufCMessage *with_unknown_field(ProtobufCMessage *m)
{
    static const uint8_t field[] = { 0xf8, 0x07, 0x01 }; /* 127: varint 1 */
    autobuf bytes = BUF_INIT;
    size_t n = protobuf_c_message_get_packed_size(m);
    buf_advance(&bytes, protobuf_c_message_pack(m, buf_reserve(&bytes, n + 1)));
    buf_append(&bytes, field, sizeof field);
    ProtobufCMessage *spoiled =
        protobuf_c_message_unpack(m->descriptor, NULL, bytes.len, bytes.data);
    protobuf_c_message_free_unpacked(m, NULL);
    return spoiled;
}

/* The self-check's differences. */
static void spoil(struct duel *d, struct answer *a)
{
    if (a->msg == NULL) {
        if (duel_plants(d, PLANT_TEXT)) {
            a->text[0] = a->text[0] == 'E' ? 'e' : 'E';
        }
        return;
    }
    if (spoil_nested(d, a->msg)) {
        return;
    }
    Etcdserverpb__ResponseHeader *h = header_of(a->msg);
    if (h != NULL && duel_plants(d, PLANT_REVISION)) {
        h->revision++;
    } else if (duel_plants(d, PLANT_UNKNOWN)) {
        a->msg = with_unknown_field(a->msg);
    }
}

/* Chosen by the server: it must be one; which one is not compared. */
static void take_out_id(struct duel *d)
{
    for (int i = 0; i < SIDES; i++) {
        Etcdserverpb__LeaseGrantResponse *m =
            (Etcdserverpb__LeaseGrantResponse *)(void *)d->answers[i].msg;
        if (m != NULL && m->id > 0) {
            d->own_ids[i] = m->id;
            m->id = 0;
        }
    }
}

static void compare_answers(struct duel *d, const struct question *q)
{
    struct answer *a = &d->answers[BARQUE], *b = &d->answers[ETCD];
    if (is_disturbance(a->code) || is_disturbance(b->code)) {
        duel_disturbed(d, q->path, is_disturbance(a->code) ? a->text : b->text);
    }
    spoil(d, a);
    if (d->own_id) {
        take_out_id(d);
    }
    autobuf path = BUF_INIT;
    if (a->code != b->code || strcmp(a->text, b->text) != 0) {
        buf_printf(&path, "status: %d \"%s\" against %d \"%s\"", a->code, a->text, b->code,
                   b->text);
        duel_differs(d, q->path, buf_str(&path), q->msg, a->msg, b->msg);
    } else if (!fields_same(a->msg, b->msg, &path)) {
        duel_differs(d, q->path, buf_str(&path), q->msg, a->msg, b->msg);
    }
    d->errors += a->code != 0;
}

static void answers_reset(struct duel *d)
{
    for (int i = 0; i < SIDES; i++) {
        if (d->answers[i].msg != NULL) {
            protobuf_c_message_free_unpacked(d->answers[i].msg, NULL);
        }
        d->answers[i] = (struct answer){ 0 };
    }
}

/* --- streams of one --------------------------------------------------------------------------- */

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct answer *a = arg;
    if (a->msg == NULL) {
        a->msg = fields_copy(msg);
    }
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct answer *a = arg;
    a->code = result->grpc_code;
    snprintf(a->text, sizeof a->text, "%s", result->text);
    a->done = true;
}

void duel_ask_stream(struct duel *d, const struct question *q)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    d->asked++;
    answers_reset(d);
    for (int i = 0; i < SIDES; i++) {
        struct rpc_stream *s =
            rpc_stream_open(duel_channel(d, i), q->path, q->response, &events, &d->answers[i]);
        rpc_stream_send(s, q->msg);
        rpc_stream_half_close(s);
    }
    if (!duel_wait(d, both_done, d, 2 * CALL_MS)) {
        duel_disturbed(d, q->path, "no answer");
    }
    compare_answers(d, q);
}

void duel_close(struct duel *d)
{
    answers_reset(d);
    for (size_t i = 0; i < d->n_members; i++) {
        rpc_channel_free(d->members[i]);
    }
    rpc_channel_free(d->etcd);
}

/* --- one question ----------------------------------------------------------------------------- */

void duel_ask_each(struct duel *d, const struct question *barque, const struct question *etcd)
{
    const struct question *questions[SIDES] = { barque, etcd };
    d->asked++;
    answers_reset(d);
    for (int i = 0; i < SIDES; i++) {
        rpc_call_unary(duel_channel(d, i), questions[i]->path, questions[i]->msg,
                       questions[i]->response, CALL_MS, on_done, &d->answers[i]);
    }
    if (!duel_wait(d, both_done, d, 2 * CALL_MS)) {
        duel_disturbed(d, barque->path, "no answer");
    }
    compare_answers(d, barque);
}

void duel_ask(struct duel *d, const struct question *q)
{
    duel_ask_each(d, q, q);
}
