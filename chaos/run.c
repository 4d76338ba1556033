/* The phases of a run, polled on the loop. See run.h. */
#include "chaos/run_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/objects.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/rng.h"
#include "lib/base/str.h"

enum {
    TICK_MS = 20,
    READY_MS = 30000,
    SETTLE_MS = 30000,
    CLEAN_MS = 4000,
    OVERTIME_MS = 180000,
    BASE_PAGE = 500,
    BASE_KEYS_MAX = 200000,
};

static uint64_t now_ms(const struct run *r)
{
    return loop_now_us(r->o.loop) / 1000;
}

static void enter(struct run *r, enum run_phase phase)
{
    r->phase = phase;
    r->phase_ms = now_ms(r);
    r->asking = false;
}

static void fail(struct run *r, const char *why)
{
    if (r->report->failure == NULL) {
        r->report->failure = chaos_report_printf(r->report, "%s", why);
    }
    enter(r, RUN_CLEAN);
}

static void news(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void news(struct run *r, const char *fmt, ...)
{
    char text[256], line[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    double at = r->began ? (double)(now_ms(r) - r->started_ms) / 1000 : 0;
    snprintf(line, sizeof line, "%6.1f s  %s", at, text);
    if (r->o.on_news != NULL) {
        r->o.on_news(r->o.arg, line);
    }
}

/* --- what others tell ------------------------------------------------------------------------- */

static void mark_leader(struct run *r, int member, uint64_t term)
{
    struct chaos_mark *mark =
        chaos_report_add_mark(r->report, CHAOS_MARK_LEADER, (int64_t)(now_ms(r) - r->started_ms));
    if (mark != NULL) {
        mark->lane = member;
        mark->term = term;
    }
}

static void on_leader(void *arg, int member, uint64_t term)
{
    struct run *r = arg;
    if (r->n_leaders < RUN_LEADERS_MAX) {
        r->leaders_us[r->n_leaders++] = ops_now_us(&r->ops);
    }
    if (!r->began) {
        return;
    }
    mark_leader(r, member, term);
    news(r, "%s leads (term %" PRIu64 ")", r->o.target->members[member].name, term);
}

static void on_nemesis_news(void *arg, const char *text)
{
    news(arg, "%s", text);
}

static void on_nemesis_done(void *arg)
{
    (void)arg; /* polled */
}

static void on_write(void *arg, uint64_t sent_ms)
{
    struct run *r = arg;
    if (r->began) {
        nemesis_wrote(&r->nemesis, sent_ms);
    }
}

static bool pods_ready(void *arg)
{
    return load_deploy_ready(&((struct run *)arg)->loads);
}

static bool pods_left(void *arg, const char *node)
{
    return load_deploy_left(&((struct run *)arg)->loads, node);
}

static void progress(struct run *r)
{
    uint64_t now = now_ms(r);
    if (r->o.on_progress == NULL || now < r->next_progress_ms) {
        return;
    }
    r->next_progress_ms = now + 1000;
    static const char *const phases[RUN_PHASES] = {
        [RUN_OPEN] = "starting the cluster",
        [RUN_READY] = "waiting for all members to serve",
        [RUN_BASE] = "reading what is there",
        [RUN_SETTLE] = "waiting for calm",
        [RUN_TAIL] = "reading members' logs",
        [RUN_CLEAN] = "cleaning up",
        [RUN_LOAD] = "",
        [RUN_OVER] = "",
    };
    autobuf line = BUF_INIT, hurt = BUF_INIT;
    if (r->phase != RUN_LOAD) {
        buf_append_str(&line, phases[r->phase]);
        r->o.on_progress(r->o.arg, buf_str(&line));
        return;
    }
    int leader = r->sight.leader;
    nemesis_now(&r->nemesis, &hurt);
    buf_printf(&line,
               "%" PRIu64 " of %" PRIu64 " s  %" PRIu64 " ok, %" PRIu64 " failed  leader %s"
               "%s%s",
               (now - r->started_ms) / 1000, r->o.plan->options.total_ms / 1000, r->ops.ok,
               r->ops.failed, leader >= 0 ? r->o.target->members[leader].name : "-",
               hurt.len > 0 ? "  now: " : "", buf_str(&hurt));
    r->o.on_progress(r->o.arg, buf_str(&line));
}

/* --- OPEN, READY ------------------------------------------------------------------------------ */

static int connect_(struct run *r, struct err *err)
{
    struct target *t = r->o.target;
    const char *endpoints[TARGET_MEMBERS_MAX];
    for (size_t i = 0; i < t->n_members; i++) {
        endpoints[i] = t->members[i].endpoint;
    }
    struct client_options o = { .loop = r->o.loop,
                                .endpoints = endpoints,
                                .n_endpoints = t->n_members,
                                .seed = r->o.plan->options.seed };
    int rv = client_new(&o, &r->client, err);
    if (rv != 0) {
        return rv;
    }
    rv = ops_open(&r->ops, r->o.loop, t, &r->history, r->report, o.seed, err);
    r->ops.on_write = on_write;
    r->ops.arg = r;
    if (rv == 0) {
        sight_open(&r->sight, r->o.loop, r->client, t);
        r->sight.on_leader = on_leader;
        r->sight.arg = r;
    }
    return rv;
}

static void step_open(struct run *r)
{
    struct err err = ERR_INIT;
    int rv = r->o.target->ops->open(r->o.target, &err);
    r->opened = rv == 0;
    if (rv == 0) {
        rv = connect_(r, &err);
    }
    if (rv != 0) {
        fail(r, err.msg);
    } else {
        enter(r, RUN_READY);
    }
}

static void step_ready(struct run *r)
{
    struct target *t = r->o.target;
    size_t serve = 0, silent = 0;
    for (size_t i = 0; i < t->n_members; i++) {
        bool serves = sight_serves(&r->sight, i, 1);
        serve += serves;
        silent = serves ? silent : i;
    }
    if (serve == t->n_members && r->sight.leader >= 0) {
        r->report->server = chaos_report_printf(r->report, "%s%s%s", t->server,
                                                t->server[0] != '\0' ? " " : "", r->sight.version);
        enter(r, RUN_BASE);
    } else if (now_ms(r) > r->phase_ms + READY_MS) {
        fail(r, chaos_report_printf(r->report,
                                    "%s at %s does not serve. Next: start it, or "
                                    "`barque chaos heal`",
                                    t->members[silent].name, t->members[silent].endpoint));
    }
}

/* --- BASE ------------------------------------------------------------------------------------- */

static void base_end(struct run *r)
{
    autofree struct check_kv *kvs = mem_zalloc((r->n_kvs + 1) * sizeof *kvs);
    for (size_t i = 0; i < r->n_kvs; i++) {
        const struct check_pkv *kv = &r->kvs[i];
        kvs[i] = (struct check_kv){ .key = check_pool_get(&r->pool, kv->key),
                                    .value = check_pool_get(&r->pool, kv->value),
                                    .create_revision = kv->create_revision,
                                    .mod_revision = kv->mod_revision,
                                    .version = kv->version,
                                    .lease = kv->lease };
    }
    check_log_base(&r->base, r->loads.start_revision, kvs, r->n_kvs);
}

static void on_base(void *arg, const struct client_result *result)
{
    struct run *r = arg;
    r->asking = false;
    if (r->phase != RUN_BASE) {
        return;
    }
    if (result->status != 0) {
        if (now_ms(r) > r->phase_ms + READY_MS) {
            fail(r, result->err->msg);
        }
        return; /* again */
    }
    if (r->loads.start_revision == 0) {
        r->loads.start_revision = result->revision;
    }
    for (size_t i = 0; i < result->n_kvs; i++) {
        const struct client_kv *kv = &result->kvs[i];
        r->kvs = mem_grow(r->kvs, &r->cap_kvs, r->n_kvs + 1, sizeof *r->kvs);
        r->kvs[r->n_kvs++] = (struct check_pkv){
            .key = check_pool_add(&r->pool, kv->key),
            .value = check_pool_add(&r->pool, kv->value),
            .create_revision = kv->create_revision,
            .mod_revision = kv->mod_revision,
            .version = kv->version,
            .lease = kv->lease,
        };
        buf_reset(&r->next_key);
        buf_append(&r->next_key, kv->key.data, kv->key.len);
        buf_append(&r->next_key, "\0", 1);
    }
    if (r->n_kvs > BASE_KEYS_MAX) {
        fail(r, "the store has more than 200000 keys: too many to follow. Next: use a cluster of "
                "its own (barque chaos run --start 3)");
    } else if (!result->more) {
        base_end(r);
        enter(r, RUN_LOAD);
    }
}

static void step_base(struct run *r)
{
    if (r->asking) {
        return;
    }
    struct client_range q = { .key = r->next_key.len > 0 ? buf_slice(&r->next_key)
                                                         : slice_make("\0", 1),
                              .range_end = slice_make("\0", 1),
                              .limit = BASE_PAGE,
                              .revision = r->loads.start_revision };
    r->asking = true;
    client_get(r->client, &q, on_base, r);
}

/* --- LOAD ------------------------------------------------------------------------------------- */

static void begin(struct run *r)
{
    struct loads *l = &r->loads;
    r->began = true;
    r->started_ms = now_ms(r);
    r->report->start_wall_ms = loop_wall_ms(r->o.loop);
    mark_leader(r, r->sight.leader, r->sight.term);
    l->loop = r->o.loop;
    l->target = r->o.target;
    l->ops = &r->ops;
    l->report = r->report;
    l->client = r->client;
    l->pool = &r->pool;
    l->seed = r->o.plan->options.seed;
    l->run_id = rng_os_seed(); /* two runs of one seed on one store must not meet */
    l->bits = r->o.loads;
    l->rate = r->o.rate;
    loads_start(l);
    struct nemesis_options n = {
        .loop = r->o.loop,
        .target = r->o.target,
        .sight = &r->sight,
        .ops = &r->ops,
        .plan = r->o.plan,
        .report = r->report,
        .started_ms = r->started_ms,
        .program = r->o.program,
        .on_news = on_nemesis_news,
        .on_done = on_nemesis_done,
        .arg = r,
    };
    if (l->deploy != NULL) {
        n.pods_ready = pods_ready;
        n.pods_left = pods_left;
    }
    nemesis_start(&r->nemesis, &n);
    ops_start_samples(&r->ops);
    if (l->deploy != NULL && r->o.target->node_roots[0][0] != '\0') {
        journal_start(&r->journal, r->o.loop, r->o.target, &r->sight);
    }
}

static void step_load(struct run *r)
{
    uint64_t now = now_ms(r), total = r->o.plan->options.total_ms;
    if (!r->began) {
        begin(r);
        return;
    }
    if (!r->overtime && now > r->started_ms + total + OVERTIME_MS) {
        r->overtime = true;
        news(r, "far over its time: healing");
        nemesis_stop(&r->nemesis);
    }
    bool enough = now >= r->started_ms + total || r->interrupted || r->overtime;
    if (enough && r->nemesis.done) {
        ops_stop_samples(&r->ops);
        loads_stop(&r->loads);
        enter(r, RUN_SETTLE);
    }
}

/* --- SETTLE, TAIL ----------------------------------------------------------------------------- */

static void on_end_revision(void *arg, const struct client_result *result)
{
    struct run *r = arg;
    r->asking = false;
    if (result->status == 0) {
        r->loads.end_revision = result->revision;
    }
}

static void step_settle(struct run *r)
{
    struct loads *l = &r->loads;
    bool late = now_ms(r) > r->phase_ms + SETTLE_MS;
    if (l->end_revision == 0) {
        if (late) {
            fail(r, "the cluster does not answer after it was healed");
        } else if (!r->asking && r->ops.n_in_flight == 0) {
            struct client_range q = { .key = slice_str(l->prefix), .count_only = true };
            r->asking = true;
            client_get(r->client, &q, on_end_revision, r);
        }
        return;
    }
    r->unsettled = loads_unsettled(l);
    if (r->unsettled == NULL || late) {
        r->report->duration_ms = (int64_t)(now_ms(r) - r->started_ms);
        int64_t told = load_watch_end(l);
        l->log_revision = told > l->end_revision ? told : l->end_revision;
        tail_start(&r->tail, l, &r->base);
        enter(r, RUN_TAIL);
    }
}

/* --- CLEAN ------------------------------------------------------------------------------------ */

static void on_cleaned(void *arg, const struct client_result *result)
{
    struct run *r = arg;
    (void)result;
    r->cleaning--;
}

static void on_deployment_deleted(void *arg, struct objects_result *result)
{
    struct run *r = arg;
    (void)result;
    r->cleaning--;
}

static void clean(struct run *r)
{
    struct loads *l = &r->loads;
    const char *name = load_deploy_name(l);
    autobuf end = BUF_INIT;
    client_prefix_end(slice_str(l->prefix), &end);
    r->cleaning = 1;
    client_delete(r->client, slice_str(l->prefix), buf_slice(&end), on_cleaned, r);
    if (name != NULL) {
        r->cleaning++;
        objects_delete(r->client, &kind_deployment, "default", name, 0, on_deployment_deleted, r);
    }
}

static void on_linger(struct timer *t)
{
    loop_stop(CONTAINER_OF(t, struct run, tick)->o.loop);
}

/* Everything ends; calls that were cancelled are told so in the turns that follow. */
static void finish(struct run *r)
{
    struct err err = ERR_INIT;
    if (r->began) {
        ops_report(&r->ops);
        nemesis_free(&r->nemesis);
        loads_free(&r->loads);
    }
    tail_stop(&r->tail);
    journal_stop(&r->journal);
    if (r->ops.loop != NULL) {
        ops_close(&r->ops);
    }
    if (r->sight.loop != NULL) {
        sight_close(&r->sight);
    }
    if (r->client != NULL) {
        client_free(TAKE(r->client));
    }
    if (r->opened && !r->o.target->own && target_heal(r->o.target, &err) != 0) {
        chaos_report_add_error(r->report, err.msg, 1);
    }
    if (r->overtime) {
        chaos_report_add_error(r->report, "the run took far longer than its plan", 1);
    }
    if (r->began && r->loads.end_revision != 0) {
        run_check(r);
    }
    if (r->opened || r->o.target->own) { /* the members' logs may tell why */
        bool violated = chaos_report_verdict(r->report) == CHAOS_VIOLATION;
        r->o.target->ops->close(r->o.target, r->o.keep || violated);
    }
    timer_init(r->o.loop, &r->tick, on_linger);
    timer_start(&r->tick, 50);
}

static void step_clean(struct run *r)
{
    bool worth = r->began && !r->o.target->own && !r->o.keep && r->client != NULL;
    if (worth && !r->asking) {
        r->asking = true;
        clean(r);
    }
    if (!worth || r->cleaning == 0 || now_ms(r) > r->phase_ms + CLEAN_MS) {
        enter(r, RUN_OVER);
        finish(r);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_tick(struct timer *t)
{
    struct run *r = CONTAINER_OF(t, struct run, tick);
    if (r->interrupted && r->phase < RUN_LOAD) {
        fail(r, "interrupted before it began");
    }
    progress(r);
    switch (r->phase) {
    case RUN_OPEN:
        step_open(r);
        break;
    case RUN_READY:
        step_ready(r);
        break;
    case RUN_BASE:
        step_base(r);
        break;
    case RUN_LOAD:
        step_load(r);
        break;
    case RUN_SETTLE:
        step_settle(r);
        break;
    case RUN_TAIL:
        if (r->tail.done) {
            tail_stop(&r->tail);
            journal_stop(&r->journal);
            r->end_us = (int64_t)loop_now_us(r->o.loop);
            enter(r, RUN_CLEAN);
        }
        break;
    case RUN_CLEAN:
        step_clean(r);
        break;
    default:
        UNREACHABLE();
    }
    if (r->phase != RUN_OVER) {
        timer_start(&r->tick, TICK_MS);
    }
}

static void lanes(struct run *r)
{
    const struct target *t = r->o.target;
    for (size_t i = 0; i < t->n_members; i++) {
        chaos_report_add_lane(r->report, CHAOS_MEMBER,
                              chaos_report_printf(r->report, "%s", t->members[i].name));
    }
    for (size_t i = 0; i < t->n_nodes; i++) {
        chaos_report_add_lane(r->report, CHAOS_NODE,
                              chaos_report_printf(r->report, "%s", t->nodes[i]));
    }
}

static void describe(struct run *r)
{
    autobuf load = BUF_INIT;
    for (size_t i = 0; i < LOADS_N; i++) {
        if ((r->o.loads >> i & 1) != 0) {
            buf_printf(&load, "%s%s", load.len > 0 ? ", " : "", load_table[i].name);
        }
    }
    struct chaos_report *p = r->report;
    p->target = chaos_report_printf(p, "%s", r->o.target->text);
    p->workload =
        chaos_report_printf(p, "%s; %" PRIu64 " kv operations a second", buf_str(&load), r->o.rate);
    p->version = BARQUE_VERSION;
    p->commit = r->o.commit;
    p->replay = r->o.replay;
    p->seed = r->o.plan->options.seed;
    for (size_t i = 0; i < r->o.plan->n_lacks; i++) {
        const struct plan_lack *l = &r->o.plan->lacks[i];
        chaos_report_add_refusal(p, faults[l->kind].name, chaos_report_printf(p, "%s", l->why));
    }
}

struct run *run_start(const struct run_options *options)
{
    struct run *r = mem_zalloc(sizeof *r);
    r->o = *options;
    r->report = chaos_report_new();
    check_pool_init(&r->pool, (size_t)1 << 30);
    history_init(&r->history, &r->pool);
    check_log_init(&r->base, &r->pool);
    lanes(r);
    describe(r);
    enter(r, RUN_OPEN);
    timer_init(r->o.loop, &r->tick, on_tick);
    timer_start(&r->tick, 0);
    return r;
}

void run_interrupt(struct run *r)
{
    r->interrupted = r->report->interrupted = true;
    if (r->began && r->phase == RUN_LOAD) {
        struct chaos_mark *mark =
            chaos_report_add_mark(r->report, CHAOS_MARK_NOTE, (int64_t)(now_ms(r) - r->started_ms));
        if (mark != NULL) {
            mark->text = "interrupted: healing";
        }
        news(r, "interrupted: healing");
        nemesis_stop(&r->nemesis);
    }
}

struct chaos_report *run_take_report(struct run *r)
{
    PRE(r->phase == RUN_OVER);
    return TAKE(r->report);
}

void run_free(struct run *r)
{
    if (r == NULL) {
        return;
    }
    tail_free(&r->tail);
    journal_free(&r->journal);
    mem_free(r->loads.seen);
    check_log_fini(&r->base);
    history_fini(&r->history);
    check_pool_fini(&r->pool);
    buf_fini(&r->next_key);
    mem_free(r->kvs);
    chaos_report_free(r->report);
    mem_free(r);
}
