/* A made-up run that looks like a real one: throughput with noise, that falls to nothing after a
 * fault hurts the leader and comes back in steps; latencies that follow; leaders in turn. */
#include "tests/unit/chaos/sample.h"

#include "lib/base/assert.h"
#include "lib/base/rng.h"

enum { MEMBERS = 3, NODES = 3, RUN_MS = 300000, SAMPLE_MS = 500 };

static const struct kind {
    const char *kind, *detail;
    enum chaos_family family;
    int64_t last_ms;
    bool node, leaderless;
} kinds[] = {
    { "kill", "SIGKILL, started again after 2 s", CHAOS_PROCESS, 2000, false, true },
    { "partition", "the leader from both others", CHAOS_NETWORK, 9000, false, true },
    { "slow disk", "fsync takes 200 ms longer", CHAOS_DISK, 12000, false, false },
    { "node loss", "agent and its pods killed, back after 15 s", CHAOS_NODES, 15000, true, false },
    { "pause", "SIGSTOP for 6 s", CHAOS_PROCESS, 6000, false, true },
    { "clock jump", "30 s ahead", CHAOS_CLOCK, 500, false, false },
    { "delay", "80 ms, jitter 20 ms on all links", CHAOS_NETWORK, 14000, false, false },
    { "membership", "member removed, added again as a learner", CHAOS_MEMBERSHIP, 8000, false,
      false },
};

static uint64_t below(struct rng *rng, uint64_t n)
{
    return rng_range(rng, 0, n - 1);
}

static void add_faults(struct chaos_report *r, int faults, struct rng *rng)
{
    int leader = 0;
    uint64_t term = 2;
    struct chaos_mark *m = chaos_report_add_mark(r, CHAOS_MARK_LEADER, 0);
    m->lane = leader;
    m->term = term;
    for (int i = 0; i < faults; i++) {
        const struct kind *k = &kinds[(size_t)i % ARRAY_LEN(kinds)];
        int64_t begin = 8000 + (int64_t)i * (RUN_MS - 40000) / faults + (int64_t)below(rng, 4000);
        int lane = k->node         ? MEMBERS + (int)below(rng, NODES)
                   : k->leaderless ? leader
                                   : (int)below(rng, MEMBERS);
        bool all = k->family == CHAOS_NETWORK && !k->leaderless;
        struct chaos_fault *f =
            chaos_report_add_fault(r, k->kind, k->family, all ? 0 : 1u << lane, begin);
        f->detail = k->detail;
        f->end_ms = begin + k->last_ms;
        f->recovery_ms[CHAOS_FIRST_WRITE] = 20 + (int64_t)below(rng, 90);
        f->recovery_ms[CHAOS_ALL_READY] = 400 + (int64_t)below(rng, 2500);
        if (k->node) {
            f->recovery_ms[CHAOS_DETECT] = 3000 + (int64_t)below(rng, 300);
            f->recovery_ms[CHAOS_REPLACED] = 3600 + (int64_t)below(rng, 900);
        }
        if (k->leaderless) {
            f->recovery_ms[CHAOS_DETECT] = 1000 + (int64_t)below(rng, 400);
            f->recovery_ms[CHAOS_ELECT] = f->recovery_ms[CHAOS_DETECT] + 40;
            f->recovery_ms[CHAOS_FIRST_WRITE] =
                f->recovery_ms[CHAOS_ELECT] + 30 + (int64_t)below(rng, 500);
            leader = (leader + 1) % MEMBERS;
            m = chaos_report_add_mark(r, CHAOS_MARK_LEADER, begin + f->recovery_ms[CHAOS_ELECT]);
            m->lane = leader;
            m->term = ++term;
        }
    }
}

static void add_samples(struct chaos_report *r, struct rng *rng)
{
    r->sample_ms = SAMPLE_MS;
    for (int64_t at = 0; at < RUN_MS; at += SAMPLE_MS) {
        double rate = 5200 + (double)below(rng, 500), slow = 1;
        uint64_t failed = 0;
        for (size_t i = 0; i < r->fault_count; i++) {
            const struct chaos_fault *f = &r->faults[i];
            int64_t since = at + SAMPLE_MS - f->begin_ms;
            if (since > 0 && f->recovery_ms[CHAOS_ELECT] != CHAOS_ABSENT &&
                since < f->recovery_ms[CHAOS_FIRST_WRITE]) {
                rate = 0;
                failed = 6 + below(rng, 30);
            } else if (since > 0 && at < f->end_ms && f->family == CHAOS_DISK) {
                slow = 20;
                rate *= 0.28;
            } else if (since > 0 && at < f->end_ms && f->targets == 0) {
                slow = 9;
                rate *= 0.42;
            } else if (since > 0 && at < f->end_ms) {
                rate *= 0.86;
                slow = slow > 1.4 ? slow : 1.4;
            }
        }
        struct chaos_sample s = {
            .ok = (uint64_t)(rate * SAMPLE_MS / 1000),
            .failed = failed,
            .p50_us = rate > 0 ? (int64_t)(1300 * slow) + (int64_t)below(rng, 200) : CHAOS_ABSENT,
            .p99_us = rate > 0 ? (int64_t)(5200 * slow) + (int64_t)below(rng, 2600) : CHAOS_ABSENT,
        };
        chaos_report_add_sample(r, &s);
    }
}

static void add_check(struct chaos_report *r, const char *name, const char *claim, uint64_t checked,
                      const char *unit)
{
    struct chaos_check *c = chaos_report_add_check(r, name, claim);
    c->result = CHAOS_CHECK_HELD;
    c->checked = checked;
    c->unit = unit;
}

static void add_checks(struct chaos_report *r, bool violated)
{
    add_check(r, "linearizable",
              "Every answer is one that a single copy of the data would give, in "
              "an order that agrees with real time.",
              1427310, "operations");
    add_check(r, "watch",
              "Every stream saw each change once, in order, with no gap, through every "
              "change of member.",
              612044, "events");
    add_check(r, "lease",
              "No lease ended before its TTL after the last acknowledged keepalive, and "
              "none lived much longer.",
              1180, "leases");
    add_check(r, "lock", "A fenced lock had one holder at a time.", 5210, "critical sections");
    add_check(r, "same state", "After the last heal all members hold the same state.", 3,
              "members");
    add_check(r, "liveness", "After each heal the cluster took writes again within 30 s.", 14,
              "heals");
    struct chaos_check *c = chaos_report_add_check(r, "orchestration",
                                                   "No pod is lost, none is "
                                                   "bound twice, rollouts keep their minimum.");
    c->reason = "the target runs no control plane";
    if (violated) {
        c = &r->checks[0];
        c->result = CHAOS_CHECK_VIOLATED;
        c->at_ms = 121400;
        c->counterexample =
            "stale read: client 5 read key \"k/17\" at revision 80412,\n"
            "  but revision 80455 was acknowledged to client 2 before the read was sent\n\n"
            "  client 2  put   k/17 = \"2:9131\"   121.302 s .. 121.388 s   -> revision 80455\n"
            "  client 5  range k/17               121.391 s .. 121.400 s   -> \"6:8977\" (80412)\n";
    }
}

struct chaos_report *sample_run(int faults, bool violated)
{
    struct chaos_report *r = chaos_report_new();
    struct rng rng;
    rng_init(&rng, 7);
    r->target = "demo cluster: 3 masters, 3 nodes";
    r->server = "Barque 0.1.0";
    r->workload = "8 clients on 64 keys: 50 % reads, 40 % writes, 10 % transactions; 4 watchers";
    r->version = "0.1.0";
    r->commit = "0928e60f5a1c";
    r->replay = "barque chaos replay 42 --minutes 5";
    r->machine = "Linux 6.1 x86_64";
    r->seed = 42;
    r->cpus = 2;
    r->memory_bytes = UINT64_C(8) << 30;
    r->start_wall_ms = INT64_C(1795879620000);
    r->duration_ms = RUN_MS;
    for (int i = 0; i < MEMBERS; i++) {
        chaos_report_add_lane(r, CHAOS_MEMBER, chaos_report_printf(r, "master-%d", i + 1));
    }
    for (int i = 0; i < NODES; i++) {
        chaos_report_add_lane(r, CHAOS_NODE, chaos_report_printf(r, "node-%d", i + 1));
    }
    add_faults(r, faults, &rng);
    add_samples(r, &rng);
    add_checks(r, violated);
    static const char *const ops[] = { "put", "range", "txn", "delete", "lease grant" };
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        struct chaos_op *op = chaos_report_add_op(r, ops[i]);
        op->ok = 512000 / (i * i + 1);
        op->failed = 31 / (i + 1);
        op->unknown = 57 / (i + 1);
        op->p50_us = 1350 + (int64_t)i * 90;
        op->p99_us = 6100 + (int64_t)i * 700;
        op->max_us = 2140000 - (int64_t)i * 200000;
    }
    chaos_report_add_error(r, "etcdserver: leader changed", 41);
    chaos_report_add_error(r, "deadline exceeded", 83);
    chaos_report_add_error(r, "connection refused", 12);
    chaos_report_add_counter(r, "watch events", 612044);
    chaos_report_add_counter(r, "reconnects", 61);
    chaos_report_add_counter(r, "leases granted", 1180);
    chaos_report_add_refusal(r, "full disk", "needs a file system of its own (root)");
    return r;
}

struct chaos_report *sample_hostile(void)
{
    static const char bad[] =
        "</title><script>alert(1)</script>\" onload='x' &amp; ]]> <!-- \x01\x02\x1b[31m\r\n\t"
        "\xff\xfe\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80 \xe2\x80\xae"
        "evil \xe6\x97\xa5\xe6\x9c\xac "
        "\xef\xbf\xbf \xc2\x85 \xf0\x9f\x92\xa5";
    struct chaos_report *r = chaos_report_new();
    const char *long_text = chaos_report_printf(r, "%s%20000d<", bad, 1);
    r->target = r->server = r->workload = r->version = r->commit = r->replay = r->machine = bad;
    r->failure = long_text;
    r->seed = UINT64_MAX;
    r->memory_bytes = UINT64_MAX;
    r->start_wall_ms = 1;
    r->duration_ms = 1;
    r->interrupted = true;
    for (int i = 0; i < CHAOS_LANES_MAX; i++) {
        chaos_report_add_lane(r, (enum chaos_role)(i % CHAOS_ROLE_N), i % 2 ? bad : long_text);
    }
    for (int i = 0; i < CHAOS_FAULTS_MAX; i++) {
        struct chaos_fault *f =
            chaos_report_add_fault(r, i % 3 ? bad : chaos_report_printf(r, "%d%s", i, bad),
                                   (enum chaos_family)(i % CHAOS_FAMILY_N), UINT64_MAX >> i % 64,
                                   i * INT64_C(1) << i % 40);
        f->detail = i % 2 ? long_text : NULL;
        f->end_ms = i % 5 ? CHAOS_ABSENT : INT64_MAX / 4;
        f->recovery_ms[i % CHAOS_RECOVERY_N] = INT64_MAX / 4;
    }
    for (int i = 0; i < 3; i++) {
        struct chaos_mark *m =
            chaos_report_add_mark(r, (enum chaos_mark_kind)(i % 2), INT64_MAX / 4);
        m->text = bad;
        m->lane = i;
        struct chaos_check *c = chaos_report_add_check(r, i ? bad : NULL, i ? long_text : NULL);
        c->result = (enum chaos_result)i;
        c->checked = UINT64_MAX;
        c->unit = bad;
        c->reason = bad;
        c->counterexample = long_text;
        c->at_ms = 5;
        struct chaos_op *op = chaos_report_add_op(r, bad);
        op->ok = UINT64_MAX / 8;
        op->max_us = INT64_MAX;
        struct chaos_sample s = { UINT64_MAX / 8, UINT64_MAX / 8, INT64_MAX, INT64_MAX };
        chaos_report_add_sample(r, &s);
        chaos_report_add_error(r, long_text, UINT64_MAX);
        chaos_report_add_counter(r, bad, UINT64_MAX);
        chaos_report_add_refusal(r, bad, long_text);
    }
    return r;
}
