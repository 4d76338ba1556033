/* The writer, the watcher, the leader probe. See observe.h. */
#include "cmd/demo/observe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/meta.h"
#include "client/login_as.h"
#include "lib/base/alloc.h"
#include "lib/base/rng.h"

enum { PROBE_MS = 20, PROBE_TIMEOUT_MS = 300, WRITE_TIMEOUT_MS = 1500, VERIFY_PAGE = 2000 };

/* --- writer ----------------------------------------------------------------------------------- */

static void write_next(struct observer *o);

enum { KEY_MAX = 64 };

static void key_of(const struct observer *o, int64_t seq, char *ret_key)
{
    snprintf(ret_key, KEY_MAX, "%s%08" PRId64, o->prefix, seq);
}

static int64_t seq_of(const struct observer *o, struct slice key)
{
    char text[KEY_MAX] = "";
    memcpy(text, key.data, key.len < KEY_MAX - 1 ? key.len : KEY_MAX - 1);
    return strtoll(text + strlen(o->prefix), NULL, 10);
}

static void write_done(void *arg, const struct client_result *result)
{
    struct observer *o = arg;
    uint64_t now = loop_now_ms(o->loop), us = loop_now_us(o->loop);
    if (result->status == 0) {
        o->outcomes[o->seq] = WRITE_ACKED;
        o->acked++;
        o->last_ack_ms = now;
        if (o->first_ack_ms == 0 && o->sent_us / 1000 >= o->mark_ms) {
            o->first_ack_ms = now;
        }
        o->latencies_us[o->n_latencies++ % DEMO_WRITES_MAX] = (uint32_t)(us - o->sent_us);
    } else {
        o->outcomes[o->seq] = WRITE_UNKNOWN;
        o->unknown++;
        if (o->first_failure_ms == 0) {
            o->first_failure_ms = now;
        }
    }
    if (o->writing) {
        timer_start(&o->pause, DEMO_WRITE_PAUSE_MS);
    }
}

static void write_next(struct observer *o)
{
    if (!o->writing || o->seq + 1 >= DEMO_WRITES_MAX) {
        return;
    }
    char key[KEY_MAX], value[32];
    o->seq++;
    key_of(o, o->seq, key);
    snprintf(value, sizeof value, "%" PRId64, o->seq);
    o->sent_us = loop_now_us(o->loop);
    struct client_put put = { .key = slice_str(key), .value = slice_str(value),
                              .timeout_ms = WRITE_TIMEOUT_MS };
    client_put_kv(o->client, &put, write_done, o);
}

static void on_pause(struct timer *t)
{
    write_next(CONTAINER_OF(t, struct observer, pause));
}

void observer_start_writes(struct observer *o)
{
    o->writing = true;
    write_next(o);
}

void observer_stop_writes(struct observer *o)
{
    o->writing = false;
    timer_stop(&o->pause);
}

/* --- watcher ---------------------------------------------------------------------------------- */

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct observer *o = arg;
    (void)revision;
    for (size_t i = 0; i < n; i++) {
        const struct client_kv *kv = &events[i].kv;
        int64_t seq = seq_of(o, kv->key);
        if (seq <= 0 || seq >= DEMO_WRITES_MAX || events[i].type != EVENT_PUT) {
            continue;
        }
        o->events++;
        o->repeated += o->seen[seq] > 0;
        o->seen[seq] = 1;
        o->disordered += kv->mod_revision <= o->watch_revision;
        o->watch_revision = kv->mod_revision;
        if (o->first_event_ms == 0 && o->first_ack_ms != 0) {
            o->first_event_ms = loop_now_ms(o->loop);
        }
    }
}

static void on_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct observer *o = arg;
    (void)status;
    (void)compact_revision;
    (void)err;
    o->watch = NULL;
    o->watch_lost = true;
}

static void on_resume(void *arg, const char *endpoint, int64_t revision)
{
    struct observer *o = arg;
    (void)endpoint;
    (void)revision;
    o->resumes++;
}

/* --- leader ----------------------------------------------------------------------------------- */

struct probe {
    struct observer *observer;
    size_t master;
};

static void probed(void *arg, int status, const struct client_status *s, const struct err *err)
{
    struct probe *p = arg;
    struct observer *o = p->observer;
    (void)err;
    o->probes--;
    if (status == 0) {
        o->members[p->master] = s->member_id;
        if (s->leader_id != 0 && s->raft_term >= o->leader_term &&
            (s->leader_id != o->leader_id || s->raft_term > o->leader_term)) {
            o->leader_id = s->leader_id;
            o->leader_term = s->raft_term;
            o->leader_since_ms = loop_now_ms(o->loop);
        }
    }
    mem_free(p);
}

static void on_probe(struct timer *t)
{
    struct observer *o = CONTAINER_OF(t, struct observer, probe);
    for (size_t i = 0; i < o->cluster->n_masters && o->probes < 8; i++) {
        if (demo_process_runs(&o->cluster->masters[i])) {
            struct probe *p = mem_zalloc(sizeof *p);
            p->observer = o;
            p->master = i;
            o->probes++;
            client_status_of(o->client, o->cluster->endpoints[i], PROBE_TIMEOUT_MS, probed, p);
        }
    }
    timer_start(t, PROBE_MS);
}

int observer_leader(const struct observer *o)
{
    for (size_t i = 0; i < o->cluster->n_masters; i++) {
        if (o->leader_id != 0 && o->members[i] == o->leader_id) {
            return (int)i;
        }
    }
    return -1;
}

void observer_mark(struct observer *o)
{
    o->mark_ms = loop_now_us(o->loop) / 1000;
    o->first_failure_ms = o->first_ack_ms = o->first_event_ms = 0;
}

/* --- verification: page through everything ---------------------------------------------------- */

struct verify {
    struct observer *observer;
    observer_verified done;
    void *arg;
    uint8_t *there;
    int64_t wrong;
    char next[KEY_MAX];
};

static void verify_page(struct verify *v);

static void verify_end(struct verify *v, bool failed)
{
    struct observer *o = v->observer;
    int64_t missing = 0, unseen = 0;
    for (int64_t seq = 1; seq <= o->seq; seq++) {
        missing += o->outcomes[seq] == WRITE_ACKED && !v->there[seq];
        unseen += v->there[seq] && !o->seen[seq];
    }
    v->done(v->arg, failed ? -1 : missing, v->wrong, unseen);
    mem_free(v->there);
    mem_free(v);
}

static void verified_page(void *arg, const struct client_result *result)
{
    struct verify *v = arg;
    for (size_t i = 0; result->status == 0 && i < result->n_kvs; i++) {
        const struct client_kv *kv = &result->kvs[i];
        char value[32] = "";
        memcpy(value, kv->value.data, kv->value.len < 31 ? kv->value.len : 31);
        int64_t seq = seq_of(v->observer, kv->key);
        if (seq > 0 && seq < DEMO_WRITES_MAX) {
            v->there[seq] = 1;
            v->wrong += strtoll(value, NULL, 10) != seq || kv->version != 1;
        }
        key_of(v->observer, seq + 1, v->next);
    }
    if (result->status == 0 && result->more) {
        verify_page(v);
    } else {
        verify_end(v, result->status != 0);
    }
}

static void verify_page(struct verify *v)
{
    struct client_range r = { .key = slice_str(v->next),
                              .range_end = slice_str(v->observer->prefix_end),
                              .limit = VERIFY_PAGE };
    client_get(v->observer->client, &r, verified_page, v);
}

void observer_verify(struct observer *o, observer_verified done, void *arg)
{
    struct verify *v = mem_zalloc(sizeof *v);
    v->observer = o;
    v->done = done;
    v->arg = arg;
    v->there = mem_zalloc(DEMO_WRITES_MAX);
    key_of(o, 0, v->next);
    verify_page(v);
}

/* --- workload --------------------------------------------------------------------------------- */

void observer_workload(const struct observer *o, const char *node, struct workload *ret_workload)
{
    struct workload w = { 0 };
    const struct lister *l = informers_lister(o->informers);
    const struct object *d = lister_get(l, &kind_deployment, "default", "web");
    struct arena arena;
    arena_init(&arena);
    char hash[32] = "";
    if (d != NULL) {
        w.deployment = object_deployment(d);
        pod_template_hash(&w.deployment->spec.template_, 0, hash);
        w.rollout_complete =
            w.deployment->status.observed_generation >= d->metadata.generation &&
            w.deployment->status.updated_replicas == w.deployment->spec.replicas &&
            w.deployment->status.replicas == w.deployment->spec.replicas &&
            w.deployment->status.available_replicas == w.deployment->spec.replicas;
    }
    struct object_list pods = lister_by(l, &kind_pod, &index_label, "app=web", &arena);
    for (size_t i = 0; i < pods.n; i++) {
        const struct pod *p = object_pod(pods.items[i]);
        const char *have = string_map_get(&p->object.metadata.labels, LABEL_POD_TEMPLATE_HASH);
        bool here = node != NULL && p->spec.node_name != NULL &&
                    strcmp(p->spec.node_name, node) == 0;
        bool ready = pod_is_ready(p) && pod_is_active(p);
        w.pods += pod_is_active(p);
        w.ready += ready;
        w.ready_current += ready && have != NULL && strcmp(have, hash) == 0;
        w.ready_elsewhere += ready && !here;
        w.on_node += here && pod_is_active(p);
    }
    arena_fini(&arena);
    *ret_workload = w;
}

size_t observer_ready_nodes(const struct observer *o)
{
    size_t n = 0, at = 0;
    const struct cache *c = lister_cache(informers_lister(o->informers), &kind_node);
    const struct object *node;
    while ((node = cache_next(c, &at)) != NULL) {
        n += condition_is_true(&object_node(node)->status.conditions, "Ready");
    }
    return n;
}

bool observer_node_is_ready(const struct observer *o, const char *name)
{
    const struct object *node = lister_get(informers_lister(o->informers), &kind_node, NULL, name);
    return node != NULL && condition_is_true(&object_node(node)->status.conditions, "Ready");
}

/* --- life ------------------------------------------------------------------------------------- */

int observer_open(struct observer *o, struct loop *loop, struct demo_cluster *c, struct err *err)
{
    memset(o, 0, sizeof *o);
    o->loop = loop;
    o->cluster = c;
    o->outcomes = mem_zalloc(DEMO_WRITES_MAX);
    o->seen = mem_zalloc(DEMO_WRITES_MAX);
    o->latencies_us = mem_zalloc(DEMO_WRITES_MAX * sizeof *o->latencies_us);
    const char *endpoints[DEMO_MASTERS_MAX];
    for (size_t i = 0; i < c->n_masters; i++) {
        endpoints[i] = c->endpoints[i];
    }
    uint64_t seed = rng_os_seed();
    snprintf(o->prefix, sizeof o->prefix, "/demo/%08x/", (unsigned)seed);
    snprintf(o->prefix_end, sizeof o->prefix_end, "/demo/%08x0", (unsigned)seed);
    struct client_options options = { .loop = loop, .endpoints = endpoints,
                                      .n_endpoints = c->n_masters, .seed = seed };
    struct login_as as = LOGIN_AS_INIT; /* as masters and agents, who inherit the variables */
    int rv = login_as_read(NULL, NULL, &as, err);
    if (rv == 0) {
        login_as_options(&as, &options);
        rv = client_new(&options, &o->client, err);
    }
    login_as_fini(&as);
    if (rv != 0) {
        return rv;
    }
    o->informers = informers_new(o->client, seed);
    informers_of(o->informers, &kind_deployment);
    informers_of(o->informers, &kind_node);
    informers_of(o->informers, &kind_pod);
    timer_init(loop, &o->pause, on_pause);
    timer_init(loop, &o->probe, on_probe);
    timer_start(&o->probe, PROBE_MS);
    struct client_watch_options watch = { .key = slice_str(o->prefix),
                                          .range_end = slice_str(o->prefix_end),
                                          .start_revision = 1,
                                          .on_events = on_events,
                                          .on_end = on_end,
                                          .on_resume = on_resume,
                                          .arg = o };
    o->watch = client_watch_start(o->client, &watch);
    return 0;
}

void observer_close(struct observer *o)
{
    observer_stop_writes(o);
    timer_stop(&o->probe);
    if (o->watch != NULL) {
        client_watch_stop(o->watch);
    }
    if (o->client != NULL) {
        informers_free(o->informers);
        client_free(o->client);
    }
    mem_free(o->outcomes);
    mem_free(o->seen);
    mem_free(o->latencies_us);
}
