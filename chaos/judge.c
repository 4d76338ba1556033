/* THE table of checks: what was seen into verdicts, and verdicts into the report.
 *
 * The yardstick is the log of a member that told all of it; all members must have told the same.
 * Where no member could, the checks that rest on it were not run, and the report says why. */
#include <inttypes.h>

#include "chaos/run_internal.h"
#include "check/lease.h"
#include "check/lin.h"
#include "check/lock.h"
#include "check/orch.h"
#include "check/watch.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

enum {
    LEASE_SLACK_US = 8 * 1000 * 1000, /* an election, another, + 5 s, and our view */
    ORPHAN_US = 20 * 1000 * 1000,     /* our pods have a second to end */
};

struct judge {
    struct run *run;
    const struct check_log *log; /* the yardstick; NULL = none */
    struct check_report report;
};

static bool has_load(const struct run *r, const char *name)
{
    for (size_t i = 0; i < LOADS_N; i++) {
        if (str_eq(load_table[i].name, name)) {
            return (r->o.loads >> i & 1) != 0;
        }
    }
    UNREACHABLE();
}

/* --- of the members --------------------------------------------------------------------------- */

static void logs_agree(struct judge *j)
{
    const struct check_log *logs[TARGET_MEMBERS_MAX];
    const char *names[TARGET_MEMBERS_MAX];
    struct tail *t = &j->run->tail;
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (t->members[i].why_not == NULL) {
            logs[n] = &t->members[i].log;
            names[n++] = j->run->o.target->members[i].name;
        }
    }
    check_logs_agree(logs, names, n, &j->report);
    struct check_verdict *v = check_report_verdict(
        &j->report, "logs complete", "Each member tells its whole log of the run.", "members");
    for (size_t i = 0; i < t->n; i++) {
        v->checked++;
        if (t->members[i].why_not != NULL) {
            check_undecided(v, "%s: %s", j->run->o.target->members[i].name, t->members[i].why_not);
        }
    }
}

static void hashes_agree(struct judge *j)
{
    const struct tail *t = &j->run->tail;
    struct check_verdict *v = check_report_verdict(
        &j->report, "data equal", "All members' data hash alike at one revision.", "members");
    int first = -1;
    for (size_t i = 0; i < t->n; i++) {
        const struct tail_member *m = &t->members[i];
        if (!m->hash_known) {
            check_undecided(v, "%s did not tell its hash at revision %" PRId64,
                            j->run->o.target->members[i].name, j->run->loads.end_revision);
            continue;
        }
        v->checked++;
        if (first < 0) {
            first = (int)i;
        } else if (m->hash != t->members[first].hash) {
            check_violatedf(v,
                            "at revision %" PRId64 " %s has the hash %08" PRIx32 ", %s %08" PRIx32,
                            j->run->loads.end_revision, j->run->o.target->members[first].name,
                            t->members[first].hash, j->run->o.target->members[i].name, m->hash);
        }
    }
}

static void recovers(struct judge *j)
{
    const struct nemesis *n = &j->run->nemesis;
    struct check_verdict *v = check_report_verdict(
        &j->report, "recovers",
        "Within 30 s after each fault all members serve and all pods are ready.", "faults");
    v->checked += n->begun;
    for (uint64_t i = 0; i < n->not_recovered; i++) {
        check_violatedf(v, "%s", n->first_not_recovered);
    }
    if (j->run->unsettled != NULL) {
        check_violatedf(v, "30 s after the last write this had not come to rest: %s",
                        j->run->unsettled);
    }
    v = check_report_verdict(&j->report, "stays up",
                             "No member ends by itself (but on a full disk).", "members");
    v->checked += j->run->o.target->n_members;
    for (uint64_t i = 0; i < n->deaths; i++) {
        check_violatedf(v, "%s", n->first_death);
    }
}

/* An etcd reads its leader and its term one after the other: together they can be wrong. */
static void one_leader(struct judge *j)
{
    const struct sight *s = &j->run->sight;
    if (!str_starts(j->run->o.target->server, "Barque")) {
        return;
    }
    struct check_verdict *v = check_report_verdict(
        &j->report, "one leader", "No two members are said to lead in one term.", "elections");
    v->checked += j->run->n_leaders;
    if (s->other_leader >= 0) {
        check_violatedf(v, "in term %" PRIu64 " %s is said to lead, and another member too",
                        s->other_term, j->run->o.target->members[s->other_leader].name);
    }
}

/* --- of the clients' answers ------------------------------------------------------------------ */

/* Somebody else wrote too: then a change that no operation of ours explains is theirs. */
static bool others_write(const struct judge *j)
{
    struct slice prefix = slice_str(j->run->loads.prefix);
    for (size_t i = 0; i < j->log->n; i++) {
        const struct check_rev *rev = &j->log->revs[i];
        for (uint32_t k = 0; k < rev->n; k++) {
            if (!slice_starts(check_pool_get(j->log->pool, rev->events[k].kv.key), prefix)) {
                return true;
            }
        }
    }
    return false;
}

static void linearizable(struct judge *j)
{
    j->run->history.others_write = others_write(j);
    check_linearizable(&j->run->history, j->log, &j->report);
}

static void watches(struct judge *j)
{
    const struct loads *l = &j->run->loads;
    struct check_watch_options o = { .complete_revision = l->end_revision };
    check_watches(l->watches, l->n_watches, j->log, &o, &j->report);
}

static void leases(struct judge *j)
{
    struct check_lease_facts f = { .leaders_us = j->run->leaders_us,
                                   .n_leaders = j->run->n_leaders,
                                   .slack_us = LEASE_SLACK_US };
    check_leases(&j->run->history, j->log, &f, &j->report);
}

static void locks(struct judge *j)
{
    char lock[96], data[96];
    struct check_lock one = { .lock_prefix = loads_key(&j->run->loads, lock, "lock/key"),
                              .data_prefix = loads_key(&j->run->loads, data, "lockdata/") };
    check_locks(&j->run->history, j->log, &one, 1, &j->report);
}

static void objects(struct judge *j)
{
    const struct journal *n = &j->run->journal;
    autofree struct check_process *processes = journal_processes(n);
    struct check_orch_facts f = {
        .processes = processes,
        .n_processes = n->n,
        .contacts = n->contacts,
        .n_contacts = n->n_contacts,
        .has_journals = n->loop != NULL && !n->overflow,
        .orphan_us = ORPHAN_US,
        .end_us = j->run->end_us,
        .healed = j->run->unsettled == NULL,
    };
    check_orchestration(j->log, &f, &j->report);
}

/* --- the table -------------------------------------------------------------------------------- */

struct check {
    const char *title, *load; /* load: runs with that load only; NULL = always */
    bool needs_log;
    void (*judge)(struct judge *j);
};

/* clang-format off */
static const struct check checks[] = {
    { "recovers", NULL, false, recovers },
    { "one leader", NULL, false, one_leader },
    { "logs agree", NULL, false, logs_agree },
    { "data equal", NULL, false, hashes_agree },
    { "linearizable", NULL, true, linearizable },
    { "watches", "watch", true, watches },
    { "leases", "lease", true, leases },
    { "locks", "txn", true, locks },
    { "objects", "deployments", true, objects },
};
/* clang-format on */

static void tell(struct run *r, const struct check_verdict *v)
{
    struct chaos_report *p = r->report;
    struct chaos_check *c = chaos_report_add_check(p, v->name, v->holds);
    if (c == NULL) {
        return;
    }
    const char *example = v->example.len > 0 ? chaos_report_printf(p, "%.*s", (int)v->example.len,
                                                                   (const char *)v->example.data)
                                             : NULL;
    c->unit = v->unit;
    c->checked = v->checked;
    switch (v->result) {
    case CHECK_HOLDS:
        if (v->checked == 0) { /* silence is no proof */
            c->reason = "nothing came up that it could have judged";
        } else {
            c->result = CHAOS_CHECK_HELD;
        }
        break;
    case CHECK_VIOLATED:
        c->result = CHAOS_CHECK_VIOLATED;
        c->counterexample = example;
        break;
    default:
        c->reason = example;
        break;
    }
}

void run_check(struct run *r)
{
    struct judge j = { .run = r };
    int best = tail_best(&r->tail);
    j.log = best >= 0 ? &r->tail.members[best].log : NULL;
    check_report_init(&j.report);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        const struct check *c = &checks[i];
        if (c->load != NULL && !has_load(r, c->load)) {
            continue;
        }
        if (c->needs_log && j.log == NULL) {
            struct chaos_check *absent = chaos_report_add_check(
                r->report, c->title, "It is judged by a member's whole log of the run.");
            if (absent != NULL) {
                absent->reason = r->tail.n > 0 ? r->tail.members[0].why_not : "no log was read";
            }
            continue;
        }
        c->judge(&j);
    }
    for (size_t i = 0; i < j.report.n; i++) {
        tell(r, j.report.verdicts[i]);
    }
    check_report_fini(&j.report);
}
