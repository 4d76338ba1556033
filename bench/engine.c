/* The phases of a run. Counting is per call and must stay cheap: the machine's CPUs are the
 * servers'. */
#include "bench/engine.h"

#include <inttypes.h>
#include <string.h>

#include "bench/account.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

enum {
    WINDOW_MS = 1000,
    DRAIN_MS = 3000,
    PROBE_TIMEOUT_MS = 2000,
    PROBE_PAUSE_MS = 50,
    SMALL_WINDOW = 65535
};

/* --- counting -------------------------------------------------------------------------------- */

bool bench_running(const struct bench *b)
{
    return b->phase == PHASE_WARMUP || b->phase == PHASE_MEASURE;
}

void bench_begin(struct bench *b)
{
    b->in_flight++;
}

void bench_end(struct bench *b)
{
    PRE(b->in_flight > 0);
    b->in_flight--;
    if (b->phase == PHASE_DRAIN && b->in_flight == 0) {
        b->phase = PHASE_DONE;
        loop_stop(b->loop);
    }
}

void bench_count(struct bench *b, uint64_t started_us, uint64_t ops)
{
    if (b->phase == PHASE_MEASURE) {
        uint64_t now = loop_now_us(b->loop);
        histogram_record(&b->result.latency, now > started_us ? now - started_us : 0);
        b->result.ops += ops;
    }
}

void bench_error(struct bench *b, const char *text)
{
    str_copy(b->result.last_error, sizeof b->result.last_error, text);
    if (b->phase == PHASE_MEASURE) {
        b->result.errors++;
    }
}

void bench_expected(struct bench *b, uint64_t seen, uint64_t expected)
{
    if (b->failure.code == 0 && seen < expected) {
        b->result.errors += expected - seen;
        snprintf(b->result.last_error, sizeof b->result.last_error, "%" PRIu64 " events never came",
                 expected - seen);
    }
}

/* --- keys and values -------------------------------------------------------------------------- */

struct rpc_channel *bench_channel(struct bench *b, size_t caller)
{
    return b->channels[caller % b->n_channels];
}

void bench_key(uint8_t *ret_key, uint64_t index)
{
    memcpy(ret_key, "bench/", 6);
    for (size_t i = KEY_BYTES; i > 6; i--) {
        ret_key[i - 1] = (uint8_t)('0' + index % 10);
        index /= 10;
    }
}

ProtobufCBinaryData bench_value(struct bench *b)
{
    size_t at = (size_t)(rng_u64(&b->rng) % NOISE_BYTES);
    return (ProtobufCBinaryData){ b->o->value_bytes, b->noise + at };
}

void bench_put_op(struct bench *b, Etcdserverpb__RequestOp *op, Etcdserverpb__PutRequest *put,
                  ProtobufCBinaryData key)
{
    etcdserverpb__put_request__init(put);
    put->key = key;
    put->value = bench_value(b);
    etcdserverpb__request_op__init(op);
    op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    op->request_put = put;
}

/* --- phases ----------------------------------------------------------------------------------- */

static void account(struct bench *b, uint64_t *ret_server_us)
{
    *ret_server_us = 0;
    if (account_cpu_us(b->o->pids, b->o->n_pids, ret_server_us) != 0) {
        b->result.pids_lost = true;
    }
}

static void window_end(struct bench *b, uint64_t now_us)
{
    struct bench_result *r = &b->result;
    if (now_us > b->window_us && r->n_windows < BENCH_SECONDS_MAX + 1) {
        r->windows[r->n_windows++] =
            (double)(r->ops - b->window_ops) * 1e6 / (double)(now_us - b->window_us);
    }
    b->window_ops = r->ops;
    b->window_us = now_us;
}

static void measure(struct bench *b)
{
    b->phase = PHASE_MEASURE;
    b->phase_us = b->window_us = loop_now_us(b->loop);
    account(b, &b->server_cpu_before);
    b->client_cpu_before = clock_cpu_us();
    timer_start(&b->tick, WINDOW_MS);
}

/* The end of MEASURE: all figures are taken here, then open calls may end. */
static void drain(struct bench *b)
{
    struct bench_result *r = &b->result;
    uint64_t now_us = loop_now_us(b->loop);
    uint64_t server_us;
    account(b, &server_us);
    r->client_cpu_us = clock_cpu_us() - b->client_cpu_before;
    r->server_cpu_us = server_us - b->server_cpu_before;
    r->measured_us = now_us - b->phase_us;
    if (now_us - b->window_us > WINDOW_MS * 1000 / 2 || r->n_windows == 0) {
        window_end(b, now_us);
    }
    if (account_rss_bytes(b->o->pids, b->o->n_pids, &r->server_rss_bytes) != 0) {
        r->pids_lost = true;
    }
    b->phase = PHASE_DRAIN;
    timer_start(&b->tick, DRAIN_MS);
    bench_begin(b); /* stop() may end the last operation */
    if (b->load->stop != NULL) {
        b->load->stop(b);
    }
    bench_end(b);
}

static void on_tick(struct timer *t)
{
    struct bench *b = CONTAINER_OF(t, struct bench, tick);
    if (b->phase == PHASE_WARMUP) {
        measure(b);
        return;
    }
    if (b->phase != PHASE_MEASURE) { /* DRAIN took too long: leave the rest */
        b->phase = PHASE_DONE;
        loop_stop(b->loop);
        return;
    }
    window_end(b, loop_now_us(b->loop));
    bool timed = (b->load->traits & LOAD_SELF_ENDING) == 0;
    if (timed && b->result.n_windows >= b->o->seconds) {
        drain(b);
        return;
    }
    timer_start(&b->tick, WINDOW_MS);
}

void bench_go(struct bench *b)
{
    PRE(b->phase == PHASE_PREPARE);
    if ((b->load->traits & LOAD_SELF_ENDING) != 0 || b->o->warmup_seconds == 0) {
        measure(b);
        return;
    }
    b->phase = PHASE_WARMUP;
    timer_start(&b->tick, b->o->warmup_seconds * 1000);
}

void bench_finish(struct bench *b)
{
    if (b->phase == PHASE_MEASURE) {
        drain(b);
    }
}

void bench_fail(struct bench *b, int code, const char *text)
{
    err_set(&b->failure, code, "%s", text);
    b->phase = PHASE_DONE;
    loop_stop(b->loop);
}

/* --- the first answer ------------------------------------------------------------------------- */

static void keys_filled(struct bench *b)
{
    b->load->start(b);
}

static void prepare(struct bench *b, const Etcdserverpb__RangeResponse *m)
{
    b->phase = PHASE_PREPARE;
    bool empty = m->count < (int64_t)b->o->keys;
    if ((b->load->traits & LOAD_NEEDS_KEYS) != 0 && empty) {
        fill_start(b, keys_filled);
    } else {
        b->load->start(b);
    }
}

static void again_or_fail(struct bench *b, const struct rpc_result *result)
{
    if (loop_now_ms(b->loop) >= b->wait_until_ms) {
        char text[400];
        snprintf(text, sizeof text, "%s does not answer: %s (%s). Next: start a member there, or "
                 "name one with --endpoints", b->o->endpoints[0], result->text,
                 grpc_code_name(result->grpc_code));
        bench_fail(b, result->err, text);
        return;
    }
    timer_start(&b->probe, PROBE_PAUSE_MS);
}

void bench_probed(struct bench *b, const struct rpc_result *result)
{
    if (b->logged_in) {
        timer_start(&b->probe, 0);
    } else {
        again_or_fail(b, result);
    }
}

static void probed(void *arg, const struct rpc_result *result)
{
    struct bench *b = arg;
    if (b->phase != PHASE_PROBE) {
        return;
    }
    if (result->err == 0) {
        prepare(b, (const void *)result->msg);
    } else if (result->err == E_USER_EMPTY || result->err == E_PERM) { /* waiting changes nothing */
        char text[400];
        snprintf(text, sizeof text, "%s: %s. Next: --user NAME --password-file FILE of one who may "
                 "read and write what begins with bench", b->o->endpoints[0], result->text);
        bench_fail(b, result->err, text);
    } else {
        again_or_fail(b, result);
    }
}

/* A linearizable count of the key space: proves a leader, and says whether keys are there. */
static void probe(struct timer *t)
{
    struct bench *b = CONTAINER_OF(t, struct bench, probe);
    if (b->o->user != NULL && !b->logged_in) {
        bench_login(b);
        return;
    }
    uint8_t from[KEY_BYTES], to[KEY_BYTES];
    bench_key(from, 0);
    bench_key(to, b->o->keys);
    Etcdserverpb__RangeRequest m = ETCDSERVERPB__RANGE_REQUEST__INIT;
    m.key = (ProtobufCBinaryData){ sizeof from, from };
    m.range_end = (ProtobufCBinaryData){ sizeof to, to };
    m.count_only = true;
    rpc_call_unary(b->channels[0], "/etcdserverpb.KV/Range", &m.base,
                   &etcdserverpb__range_response__descriptor, PROBE_TIMEOUT_MS, probed, b);
}

static void channels_open(struct bench *b)
{
    b->n_channels = b->o->conns;
    b->channels = mem_alloc(b->n_channels * sizeof *b->channels);
    for (size_t i = 0; i < b->n_channels; i++) {
        struct rpc_channel_options options = {
            .loop = b->loop,
            .address = b->o->endpoints[i % b->o->n_endpoints],
            .connect_timeout_ms = 1000,
            .ping_ms = 5000,
            .ping_timeout_ms = 10000,
            .stream_window = (b->load->traits & LOAD_SMALL_WINDOW) != 0 ? SMALL_WINDOW : 0,
            .seed = rng_u64(&b->rng),
        };
        b->channels[i] = rpc_channel_new(&options);
    }
}

static void start(struct bench *b)
{
    if ((b->load->traits & LOAD_NO_PROBE) != 0) {
        b->phase = PHASE_PREPARE;
        b->load->start(b);
        return;
    }
    channels_open(b);
    timer_start(&b->probe, 0);
}

int bench_run(const struct bench_options *o, const struct load *load,
              struct bench_result *ret_result, struct err *err)
{
    struct bench *b = mem_zalloc(sizeof *b);
    b->o = o;
    b->load = load;
    b->loop = loop_new();
    rng_init(&b->rng, o->seed);
    histogram_init(&b->result.latency);
    b->result.windows = mem_alloc((BENCH_SECONDS_MAX + 1) * sizeof(double));
    b->noise = mem_alloc(NOISE_BYTES + o->value_bytes);
    for (size_t i = 0; i < NOISE_BYTES + o->value_bytes; i++) {
        b->noise[i] = (uint8_t)('!' + rng_u64(&b->rng) % 90);
    }
    timer_init(b->loop, &b->tick, on_tick);
    timer_init(b->loop, &b->probe, probe);
    b->wait_until_ms = loop_now_ms(b->loop) + o->wait_seconds * 1000;
    start(b);
    loop_run(b->loop);
    b->phase = PHASE_DONE;
    timer_stop(&b->tick);
    timer_stop(&b->probe);
    for (size_t i = 0; i < b->n_channels; i++) {
        rpc_channel_free(b->channels[i]);
    }
    loop_free(b->loop);
    if (load->free != NULL) {
        load->free(b);
    }
    *ret_result = b->result;
    int rv = b->failure.code;
    if (rv != 0) {
        err_set(err, rv, "%s", b->failure.msg);
    }
    mem_free(b->fill);
    mem_free(b->channels);
    mem_free(b->noise);
    mem_free(b);
    return rv;
}
