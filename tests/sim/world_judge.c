/* The run's records and the verdicts on them (check/).
 *
 * History: what clients asked and were told (world_wire.c), on the world's clock. Log: each
 * revision when the first member applied it; that all members apply the same is seen at each index
 * (check_state) and again by check_digests. Leases have a history of their own, on a clock that
 * runs a little faster where machines' clocks drift: their promise is one of time, and time is what
 * the drifting leader measures. */
#include "tests/sim/world_wire.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/digest.h"
#include "check/lease.h"
#include "check/lin.h"
#include "check/lock.h"
#include "check/log.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

enum {
    POOL_BYTES = 1 << 30,
    LEASE_EXCUSE_US = 500000,
    LEASE_SLACK_US = 7000000, /* an election, 5 s, and what clocks drift meanwhile */
};

struct judge {
    struct sim *sim;
    struct check_pool pool;
    struct history history;
    struct history leases; /* lease operations alone, on the leases' clock */
    uint32_t *twins;       /* by operation of history: the one of leases */
    size_t cap_twins;
    struct check_log log;
    bool *written;         /* by number: the fresh values (world_ask.c) that are in the log */
    size_t cap_written;
    struct check_digest *digests;
    size_t n_digests, cap_digests;
    struct check_watch **watches;
    size_t n_watches, cap_watches;
    struct check_lease_end *ends;
    size_t n_ends, cap_ends;
    int64_t *leaders_us;
    size_t n_leaders, cap_leaders;
    int64_t settled; /* every open watch must have told this much in the end */
};

struct judge *judge_new(struct sim *s)
{
    struct judge *j = mem_zalloc(sizeof *j);
    j->sim = s;
    check_pool_init(&j->pool, POOL_BYTES);
    history_init(&j->history, &j->pool);
    history_init(&j->leases, &j->pool);
    check_log_init(&j->log, &j->pool);
    return j;
}

void judge_free(struct judge *j)
{
    if (j != NULL) {
        history_fini(&j->history);
        history_fini(&j->leases);
        mem_free(j->twins);
        check_log_fini(&j->log);
        check_pool_fini(&j->pool);
        mem_free(j->digests);
        mem_free(j->watches);
        mem_free(j->ends);
        mem_free(j->leaders_us);
        mem_free(j->written);
        mem_free(j);
    }
}

const struct check_log *judge_log(const struct judge *j)
{
    return &j->log;
}

static int64_t now_us(const struct judge *j)
{
    return (int64_t)j->sim->now;
}

/* As the fastest clock of a member would count: a lease that holds by that is not early by its
 * own. */
static int64_t on_lease_clock(const struct judge *j, int64_t us)
{
    return us + ((j->sim->o.faults & FAULT_CLOCK) != 0 ? us / 16 : 0);
}

static int64_t lease_us(const struct judge *j)
{
    return on_lease_clock(j, now_us(j));
}

/* --- operations ------------------------------------------------------------------------------- */

static uint32_t note_call(struct judge *j, const struct node *n, unsigned member,
                          const struct check_request *request)
{
    uint32_t op = history_call(&j->history, n->id, member, now_us(j), request);
    if (op != CHECK_NO_OP) {
        j->twins = mem_grow(j->twins, &j->cap_twins, j->history.n, sizeof *j->twins);
        j->twins[op] = request->kind >= CHECK_GRANT
                           ? history_call(&j->leases, n->id, member, lease_us(j), request)
                           : CHECK_NO_OP;
    }
    return op;
}

void judge_compacts(struct judge *j, const struct node *n, int64_t revision)
{
    struct check_request request = { .kind = CHECK_COMPACT, .revision = revision };
    (void)note_call(j, n, n->id, &request);
}

uint32_t judge_call(struct judge *j, const struct node *n, unsigned member,
                    const ProtobufCMessage *msg)
{
    struct check_request request;
    struct arena arena;
    uint32_t op = CHECK_NO_OP;
    arena_init(&arena);
    if (pack_request(&arena, msg, &request)) {
        op = note_call(j, n, member, &request);
        j->sim->stats->proposed += request.kind != CHECK_RANGE && request.kind != CHECK_KEEPALIVE;
    } else if (msg->descriptor == &etcdserverpb__txn_request__descriptor) {
        j->history.others_write = true;
    }
    arena_fini(&arena);
    return op;
}

/* What an answer that is no success says of a write. */
static enum check_outcome outcome_of(struct judge *j, int err, bool never_sent)
{
    if (never_sent) {
        return CHECK_FAILED;
    }
    switch (err) {
    /* Refused by the member before it did anything: the client sends it again for that reason. */
    case E_NOLEADER:
    case E_TOO_MANY_REQUESTS:
    case E_STOPPED:
    case E_LEARNER:
    case E_NOMEM:
    case E_NOSPACE:
    /* Judged by the store. */
    case E_COMPACTED:
    case E_FUTURE_REV:
    case E_LEASE_NOT_FOUND:
    case E_LEASE_EXIST:
    case E_KEY_NOT_FOUND:
    case E_VALUE_PROVIDED:
        return CHECK_FAILED;
    case E_TIMEOUT:
    case E_UNAVAILABLE:
    case E_CANCELED:
    case E_LEADER_CHANGED:
        return CHECK_UNKNOWN;
    default:
        sim_violation(j->sim, "UNKNOWN STATUS %s of a request", err_name(err));
    }
}

static void count(struct judge *j, const struct check_op *op)
{
    struct sim_stats *stats = j->sim->stats;
    bool read = op->kind == CHECK_RANGE;
    if (op->kind == CHECK_KEEPALIVE) {
        return;
    }
    stats->acked += !read && op->outcome == CHECK_OK;
    stats->reads += read && op->outcome == CHECK_OK;
    stats->reads_failed += read && op->outcome != CHECK_OK;
    stats->unknown += !read && op->outcome == CHECK_UNKNOWN;
    stats->refused += !read && op->outcome == CHECK_FAILED;
}

void judge_return(struct judge *j, uint32_t op, int err, bool never_sent,
                  const ProtobufCMessage *msg)
{
    struct check_response response = { 0 };
    struct arena arena;
    if (op == CHECK_NO_OP) {
        return;
    }
    arena_init(&arena);
    if (err == 0) {
        pack_response(&arena, msg, &response);
    }
    if (err == E_NOSPACE) {
        upkeep_refused(j->sim->world->upkeep, &j->history.ops[op]);
    }
    enum check_outcome outcome = err == 0 ? CHECK_OK : outcome_of(j, err, never_sent);
    history_return(&j->history, op, now_us(j), outcome, err, &response);
    history_return(&j->leases, j->twins[op], lease_us(j), outcome, err, &response);
    arena_fini(&arena);
    count(j, &j->history.ops[op]);
    if (j->sim->verbose) {
        autobuf line = BUF_INIT;
        history_print(&j->history, op, &line);
        sim_log(j->sim, "%s", buf_str(&line));
    }
}

/* --- members ---------------------------------------------------------------------------------- */

/* Each value is asked for once, and what a client repeats by itself takes effect once: it may not
 * be written a second time, whatever the client was told. */
static void note_written(struct judge *j, int64_t revision, struct slice value)
{
    char text[24] = { 0 };
    char *end;
    memcpy(text, value.data, value.len < sizeof text ? value.len : sizeof text - 1);
    unsigned long long number = strtoull(text + 1, &end, 10);
    if (text[0] != 'v' || end == text + 1) {
        return;
    }
    size_t had = j->cap_written;
    j->written = mem_grow(j->written, &j->cap_written, (size_t)number + 1, sizeof *j->written);
    memset(j->written + had, 0, (j->cap_written - had) * sizeof *j->written);
    if (j->written[number]) {
        sim_violation(j->sim, "WRITTEN TWICE: v%llu, the second time at revision %" PRId64, number,
                      revision);
    }
    j->written[number] = true;
}

static void add_revision(struct judge *j, struct check_log *log, int64_t revision,
                         struct record *const *records, size_t n)
{
    struct check_event *events = mem_zalloc((n + 1) * sizeof *events);
    for (size_t i = 0; i < n; i++) {
        struct kv_view v;
        record_view(records[i], &v);
        events[i].deleted = v.tombstone;
        events[i].kv.key = v.key;
        events[i].kv.mod_revision = v.mod_revision;
        if (!v.tombstone) {
            events[i].kv = (struct check_kv){ v.key,          v.value,   v.create_revision,
                                              v.mod_revision, v.version, v.lease };
            if (log == &j->log) {
                note_written(j, revision, v.value);
            }
        }
    }
    int rv = check_log_add(log, revision, now_us(j), events, n);
    mem_free(events);
    if (rv != 0) {
        sim_violation(j->sim, "BAD REVISION %" PRId64 ": %s", revision, err_name(rv));
    }
}

void judge_revision(struct judge *j, int64_t revision, struct record *const *records, size_t n)
{
    if (revision > check_log_last(&j->log)) {
        add_revision(j, &j->log, revision, records, n);
    }
}

void judge_digest(struct judge *j, const struct node *n, uint64_t index, uint64_t digest)
{
    j->digests = mem_grow(j->digests, &j->cap_digests, j->n_digests + 1, sizeof *j->digests);
    j->digests[j->n_digests++] = (struct check_digest){
        .member = n->id,
        .life = n->gen,
        .index = index,
        .digest = digest,
        .at_us = now_us(j),
    };
}

void judge_lease_end(struct judge *j, int64_t lease)
{
    j->ends = mem_grow(j->ends, &j->cap_ends, j->n_ends + 1, sizeof *j->ends);
    j->ends[j->n_ends++] = (struct check_lease_end){ lease, lease_us(j) };
}

static void note_leader(struct judge *j, int64_t at_us)
{
    j->leaders_us =
        mem_grow(j->leaders_us, &j->cap_leaders, j->n_leaders + 1, sizeof *j->leaders_us);
    j->leaders_us[j->n_leaders++] = at_us;
}

void judge_leader(struct judge *j)
{
    note_leader(j, lease_us(j));
}

/* --- watches ---------------------------------------------------------------------------------- */

struct check_watch *judge_watch(struct judge *j, const struct node *n)
{
    struct check_watch *w = check_watch_new(&j->pool, n->id, (uint32_t)j->n_watches + 1);
    if (w == NULL) {
        sim_violation(j->sim, "RECORDS DROPPED: the run is too long for its pool");
    }
    j->watches = mem_grow(j->watches, &j->cap_watches, j->n_watches + 1, sizeof *j->watches);
    j->watches[j->n_watches++] = w;
    return w;
}

void judge_settle(struct judge *j)
{
    j->settled = check_log_last(&j->log);
}

static bool in_range(struct slice at, struct slice key, struct slice range_end)
{
    return range_end.len == 0 ? slice_eq(at, key)
                              : slice_cmp(at, key) >= 0 && slice_cmp(at, range_end) < 0;
}

void judge_told(struct judge *j, const struct node *n, struct slice key, struct slice range_end,
                int64_t after, int64_t revision, const struct client_event *events, size_t n_events)
{
    size_t at = 0;
    if (n_events > 0 && revision <= after) {
        sim_violation(j->sim, "CLIENT WATCH: client %u hears of revision %" PRId64 " again", n->id,
                      revision);
    }
    for (int64_t r = after + 1; r <= revision; r++) {
        const struct check_rev *rev = check_log_find(&j->log, r);
        for (uint32_t i = 0; rev != NULL && i < rev->n; i++) {
            struct slice k = check_pool_get(&j->pool, rev->events[i].kv.key);
            if (!in_range(k, key, range_end)) {
                continue;
            }
            if (at == n_events || events[at].kv.mod_revision != r ||
                !slice_eq(events[at].kv.key, k) ||
                (events[at].type == EVENT_DELETE) != rev->events[i].deleted) {
                sim_violation(j->sim, "CLIENT WATCH: client %u is not told revision %" PRId64,
                              n->id, r);
            }
            at++;
        }
    }
    if (at != n_events) {
        sim_violation(j->sim, "CLIENT WATCH: client %u is told more than there is up to %" PRId64,
                      n->id, revision);
    }
}

static int64_t record_revision(const struct record *r)
{
    struct kv_view v;
    record_view(r, &v);
    return v.mod_revision;
}

/* --- verdicts --------------------------------------------------------------------------------- */

/* Names the first verdict that does not hold, in one line; all is printed before. */
void judge_pronounce(struct judge *j, const struct check_report *report)
{
    autobuf text = BUF_INIT;
    check_report_print(report, &text);
    if (j->sim->verbose || check_report_result(report) != CHECK_HOLDS) {
        printf("%s", buf_str(&text));
    }
    for (size_t i = 0; i < report->n; i++) {
        const struct check_verdict *v = report->verdicts[i];
        if (v->result != CHECK_HOLDS) {
            char name[32];
            const char *example = v->example.len > 0 ? (const char *)v->example.data : "";
            str_copy(name, sizeof name, v->name);
            for (char *c = name; *c != '\0'; c++) {
                *c = (char)toupper((unsigned char)*c); /* the invariant's name (trial.c) */
            }
            sim_violation(j->sim, "%s: %s, %.*s", name, check_result_text(v->result),
                          (int)strcspn(example, "\n"), example);
        }
    }
}

static void judge_watches(struct judge *j, struct check_report *report)
{
    struct check_watch_options o = { .complete_revision = j->settled };
    for (size_t i = 0; i < j->history.n; i++) {
        const struct check_op *op = &j->history.ops[i];
        if (op->kind == CHECK_COMPACT && op->lease > o.compacted_revision) {
            o.compacted_revision = op->lease;
        }
    }
    (void)check_watches(j->watches, j->n_watches, &j->log, &o, report);
}

/* While there are faults the members may be without a quorum at any time, so how late is asked of
 * the second phase alone. */
static void judge_leases(struct judge *j, struct check_report *report)
{
    int64_t healed_us = (int64_t)j->sim->o.fault_us;
    for (int64_t at_us = 0; at_us <= healed_us; at_us += LEASE_EXCUSE_US) {
        note_leader(j, on_lease_clock(j, at_us));
    }
    struct check_lease_facts facts = {
        .ends = j->ends,
        .n_ends = j->n_ends,
        .leaders_us = j->leaders_us,
        .n_leaders = j->n_leaders,
        .slack_us = LEASE_SLACK_US,
        .end_us = lease_us(j),
    };
    (void)check_leases(&j->leases, NULL, &facts, report);
}

/* The elector's election is a mutex of etcd's kind; "data" is what it protects. */
static void judge_lock(struct judge *j, struct check_report *report)
{
    const struct check_lock lock = {
        .lock_prefix = slice_str("lock/0/"),
        .data_prefix = slice_str("data"),
        .queue = true,
    };
    (void)check_locks(&j->history, &j->log, &lock, 1, report);
}

/* All that this member's store still knows: since the last compaction. */
static void read_log(struct judge *j, struct store *store, struct check_log *log)
{
    enum { PIECE = 1000 };
    int64_t compacted = store_compact_revision(store);
    int64_t from = compacted > 1 ? compacted + 1 : 2;
    struct arena arena;
    arena_init(&arena);
    check_log_base(log, from - 1, NULL, 0);
    while (from <= store_revision(store)) {
        struct record **records;
        size_t n;
        if (store_history(store, from, PIECE, &arena, &records, &n, &from) != 0) {
            sim_violation(j->sim, "NO HISTORY from revision %" PRId64, from);
        }
        for (size_t at = 0, end = 0; at < n; at = end) {
            int64_t revision = record_revision(records[at]);
            while (end < n && record_revision(records[end]) == revision) {
                end++;
            }
            add_revision(j, log, revision, records + at, end - at);
        }
    }
    arena_fini(&arena);
}

static void judge_logs(struct judge *j, struct check_report *report)
{
    static const char *const NAMES[] = { "first applied", "a member" };
    struct check_log logs[SIM_NODES_MAX];
    const struct check_log *all[SIM_NODES_MAX + 1] = { &j->log };
    const char *names[SIM_NODES_MAX + 1] = { NAMES[0] };
    size_t n = 0;
    for (unsigned i = 1; i <= j->sim->n_nodes; i++) {
        const struct node *node = &j->sim->nodes[i];
        struct store *store = world_store(node);
        if (store != NULL && world_member_expected(node)) {
            check_log_init(&logs[n], &j->pool);
            read_log(j, store, &logs[n]);
            all[n + 1] = &logs[n];
            names[++n] = NAMES[1];
        }
    }
    (void)check_logs_agree(all, names, n + 1, report);
    for (size_t i = 0; i < n; i++) {
        check_log_fini(&logs[i]);
    }
}

void judge_end(struct judge *j)
{
    struct check_report report;
    check_report_init(&report);
    if (j->history.dropped != 0 || j->leases.dropped != 0 || j->log.dropped != 0) {
        sim_violation(j->sim, "RECORDS DROPPED: the run is too long for its pool");
    }
    (void)check_linearizable(&j->history, &j->log, &report);
    judge_watches(j, &report);
    judge_leases(j, &report);
    judge_lock(j, &report);
    judge_logs(j, &report);
    (void)check_digests(j->digests, j->n_digests, &report);
    judge_pronounce(j, &report);
    check_report_fini(&report);
}
