/* Asks Barque and a real etcd the same random questions and compares every answer.
 *
 *   differential --barque ADDR[,ADDR...] --etcd ADDR [--seed N] [--requests N] [--seconds N]
 *                [--plant NAME]
 *
 * Both must be new and have the same flags. The seed and what was asked are printed; the first
 * difference ends the run with exit code 1 and names the request, both answers and the path.
 * Exit code 3: a server could not answer (an election, a slow machine), which says nothing.
 * --plant puts a difference into Barque's answers, to see that it is found. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "tests/differential/watching.h"

struct run {
    struct duel duel;
    struct gen gen;
    struct watching *watching;
    uint64_t requests, seconds;
    const char *barque, *etcd;
    struct arena arena;
};

/* --- kinds of things to do -------------------------------------------------------------------- */

static void ask_kv(struct run *r, void (*make)(struct gen *g, struct question *ret_question))
{
    struct question q;
    make(&r->gen, &q);
    duel_ask(&r->duel, &q);
}

/* What both said, to aim the next questions at. */
static void learn(struct run *r)
{
    const ProtobufCMessage *m = r->duel.answers[ETCD].msg;
    if (m == NULL) {
        return;
    }
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "header");
    const Etcdserverpb__ResponseHeader *h =
        *(void *const *)(const void *)((const char *)m + f->offset);
    r->gen.revision = h->revision > r->gen.revision ? h->revision : r->gen.revision;
}

static void do_range(struct run *r)
{
    ask_kv(r, gen_range);
}

static void do_put(struct run *r)
{
    ask_kv(r, gen_put);
}

static void do_delete(struct run *r)
{
    ask_kv(r, gen_delete);
}

static void do_txn(struct run *r)
{
    ask_kv(r, gen_txn);
}

static void do_compact(struct run *r)
{
    watching_compare(r->watching, &r->gen);
    struct question q;
    gen_compact(&r->gen, &q);
    duel_ask(&r->duel, &q);
    if (r->duel.answers[ETCD].msg != NULL) {
        r->gen.compacted =
            ((const Etcdserverpb__CompactionRequest *)(const void *)q.msg)->revision;
    }
}

static void do_hash(struct run *r)
{
    ask_kv(r, gen_hash);
}

static void do_grant(struct run *r)
{
    ask_kv(r, gen_grant);
}

static void do_revoke(struct run *r)
{
    ask_kv(r, gen_revoke);
}

static void do_time_to_live(struct run *r)
{
    ask_kv(r, gen_time_to_live);
}

static void do_leases(struct run *r)
{
    ask_kv(r, gen_leases);
}

/* A lease of the servers' own choice, and a time below the floor: it must not stay. Its ids differ,
 * so they are taken out of the comparison. */
static void do_short_lease(struct run *r)
{
    static const int64_t ttls[] = { 0, -5, 1, 2, 3 };
    Etcdserverpb__LeaseGrantRequest g = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    Etcdserverpb__LeaseRevokeRequest a = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT, b = a;
    g.ttl = ttls[rng_range(&r->gen.rng, 0, ARRAY_LEN(ttls) - 1)];
    struct question grant = { "/etcdserverpb.Lease/LeaseGrant", &g.base,
                              &etcdserverpb__lease_grant_response__descriptor };
    r->duel.own_id = true;
    duel_ask(&r->duel, &grant);
    r->duel.own_id = false;
    a.id = r->duel.own_ids[BARQUE];
    b.id = r->duel.own_ids[ETCD];
    struct question qa = { "/etcdserverpb.Lease/LeaseRevoke", &a.base,
                           &etcdserverpb__lease_revoke_response__descriptor };
    struct question qb = qa;
    qb.msg = &b.base;
    duel_ask_each(&r->duel, &qa, &qb);
}

static void do_keepalive(struct run *r)
{
    Etcdserverpb__LeaseKeepAliveRequest m = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
    m.id = gen_lease(&r->gen);
    struct question q = { "/etcdserverpb.Lease/LeaseKeepAlive", &m.base,
                          &etcdserverpb__lease_keep_alive_response__descriptor };
    duel_ask_stream(&r->duel, &q);
}

static void do_watch(struct run *r)
{
    watching_act(r->watching, &r->gen);
}

/* Asked of a member that may be behind, each has to be answered as if it were not. */
static void do_range_anew(struct run *r)
{
    Etcdserverpb__RangeRequest m = ETCDSERVERPB__RANGE_REQUEST__INIT;
    m.key = (ProtobufCBinaryData){ 1, (uint8_t *)(uintptr_t)"a" };
    m.range_end = (ProtobufCBinaryData){ 1, (uint8_t *)(uintptr_t)"z" };
    struct question q = { "/etcdserverpb.KV/Range", &m.base,
                          &etcdserverpb__range_response__descriptor };
    duel_ask(&r->duel, &q);
}

static void do_keys_of_lease(struct run *r)
{
    Etcdserverpb__LeaseTimeToLiveRequest m = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;
    m.id = gen_lease(&r->gen);
    m.keys = 1;
    struct question q = { "/etcdserverpb.Lease/LeaseTimeToLive", &m.base,
                          &etcdserverpb__lease_time_to_live_response__descriptor };
    duel_ask(&r->duel, &q);
}

/* The next member, right after a write by another one. */
static void do_move(struct run *r)
{
    static void (*const firsts[])(struct run *r) = { do_range_anew, do_keys_of_lease, do_leases };
    struct duel *d = &r->duel;
    do_put(r);
    learn(r);
    d->member = (size_t)rng_range(&r->gen.rng, 0, d->n_members - 1);
    firsts[rng_range(&r->gen.rng, 0, ARRAY_LEN(firsts) - 1)](r);
}

static struct kind {
    const char *name;
    unsigned weight;
    void (*act)(struct run *r);
} const kinds[] = {
    { "put", 240, do_put },           { "range", 250, do_range },
    { "delete", 60, do_delete },      { "txn", 250, do_txn },
    { "compact", 12, do_compact },    { "grant", 40, do_grant },
    { "revoke", 20, do_revoke },      { "ttl", 40, do_time_to_live },
    { "leases", 15, do_leases },      { "short", 6, do_short_lease },
    { "keepalive", 15, do_keepalive }, { "watch", 40, do_watch },
    { "move", 25, do_move },          { "hash", 30, do_hash },
};

static const struct kind *kind_pick(struct rng *rng)
{
    unsigned sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        sum += kinds[i].weight;
    }
    unsigned at = (unsigned)rng_range(rng, 0, sum - 1);
    for (size_t i = 0;; i++) {
        if (at < kinds[i].weight) {
            return &kinds[i];
        }
        at -= kinds[i].weight;
    }
}

static void run(struct run *r)
{
    uint64_t until_ms = loop_now_ms(r->duel.loop) + r->seconds * 1000;
    r->watching = watching_new(&r->duel);
    while (r->duel.asked < r->requests && loop_now_ms(r->duel.loop) < until_ms) {
        arena_init(&r->arena);
        kind_pick(&r->gen.rng)->act(r);
        learn(r);
        arena_fini(&r->arena);
    }
    watching_compare(r->watching, &r->gen);
    printf("# measured: %" PRIu64 " requests (%" PRIu64 " refused alike), %" PRIu64
           " events, all the same, --seed %" PRIu64 "\n", r->duel.asked, r->duel.errors,
           watching_events(r->watching), r->duel.seed);
    watching_free(r->watching);
}

/* --- the command line ------------------------------------------------------------------------- */

static int usage(void)
{
    fprintf(stderr, "differential: see the head of tests/differential/main.c\n");
    return EXIT_USAGE;
}

static enum plant plant_of(const char *name)
{
    for (int i = 0; i < PLANTS; i++) {
        if (strcmp(name, plant_names[i]) == 0) {
            return (enum plant)i;
        }
    }
    return PLANTS;
}

static bool set_option(struct run *r, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t *number;
        const char **text;
    } options[] = {
        { "--seed", &r->duel.seed, NULL },     { "--requests", &r->requests, NULL },
        { "--seconds", &r->seconds, NULL },    { "--barque", NULL, &r->barque },
        { "--etcd", NULL, &r->etcd },
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (strcmp(options[i].name, name) == 0) {
            if (options[i].number != NULL) {
                *options[i].number = strtoull(value, NULL, 10);
            } else {
                *options[i].text = value;
            }
            return true;
        }
    }
    if (strcmp(name, "--plant") == 0) {
        r->duel.plant = plant_of(value);
        r->duel.planted_at = 100;
        return r->duel.plant != PLANTS;
    }
    return false;
}

static struct rpc_channel *channel_to(struct loop *loop, const char *address)
{
    struct rpc_channel_options o = { .loop = loop, .address = address, .seed = 1 };
    return rpc_channel_new(&o);
}

static void channels_open(struct run *r, char *addresses)
{
    struct duel *d = &r->duel;
    d->etcd = channel_to(d->loop, r->etcd);
    char *rest = NULL;
    for (char *a = strtok_r(addresses, ",", &rest); a != NULL && d->n_members < MEMBERS_MAX;
         a = strtok_r(NULL, ",", &rest)) {
        d->members[d->n_members++] = channel_to(d->loop, a);
    }
}

int main(int argc, char **argv)
{
    struct run r = { .requests = 4000, .seconds = 600, .gen = { .revision = 1 } };
    r.duel.seed = 1;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !set_option(&r, argv[i], argv[i + 1])) {
            return usage();
        }
    }
    if (r.barque == NULL || r.etcd == NULL) {
        return usage();
    }
    printf("# seed %" PRIu64 "\n", r.duel.seed);
    rng_init(&r.gen.rng, r.duel.seed);
    r.gen.arena = &r.arena;
    r.duel.loop = loop_new();
    char *addresses = mem_strdup(r.barque);
    channels_open(&r, addresses);
    run(&r);
    duel_close(&r.duel);
    loop_free(r.duel.loop);
    mem_free(addresses);
    return 0;
}
