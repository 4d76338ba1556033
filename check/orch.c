/* The walk: the log's values one by one, and what must hold at every revision. */
#include "check/orch.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "check/internal.h"
#include "check/orch_state.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

enum {
    WINDOW_US = 10000000,
    SECOND_US = 1000000,
    /* Whoever deletes decides on what it saw a moment ago: pods that were ready, and numbers that
     * were wanted, so recently still count. */
    SIGHT_US = 2 * SECOND_US
};

/* --- saying ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void broken(struct orch *o, struct check_verdict *v,
                                                         const char *fmt, ...)
{
    struct buf *out = check_violated(v);
    if (out == NULL) {
        return;
    }
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    buf_printf(out, "revision %" PRId64 " (", o->revision);
    check_print_time(o->at_us, out);
    buf_append_str(out, "): ");
    buf_append_str(out, text);
}

/* --- at every revision ------------------------------------------------------------------------ */

static bool over(int64_t own, int64_t used, int64_t allocatable)
{
    return own > 0 && allocatable >= 0 && used > allocatable;
}

/* Only what the pod itself asks for can be too much by its binding. */
static void check_fit(struct orch *o, const struct orch_pod *p)
{
    const struct orch_node *n = p->node;
    if (!n->live) {
        return;
    }
    o->fits->checked++;
    const char *what = over(p->cpu, n->used_cpu, n->cpu)               ? "cpu"
                       : over(p->memory, n->used_memory, n->memory)    ? "memory"
                       : n->pods >= 0 && n->used_pods * 1000 > n->pods ? "pods"
                                                                       : NULL;
    if (what != NULL) {
        broken(o, o->fits,
               "pod %s is bound to node %s, which is short of %s then: cpu %" PRId64 "m of %" PRId64
               "m, memory %" PRId64 " of %" PRId64 ", pods %" PRId64 " of %" PRId64,
               p->name, n->name, what, n->used_cpu, n->cpu, n->used_memory / 1000, n->memory / 1000,
               n->used_pods, n->pods / 1000);
    }
}

static void check_once(struct orch *o, const struct orch_change *c)
{
    const struct orch_pod *p = c->entry->pod;
    if (p == NULL) {
        return;
    }
    o->once->checked++;
    if (c->rebound_from != NULL) {
        broken(o, o->once, "pod %s (%s) was bound to node %s, now to %s", p->name, p->uid,
               c->rebound_from, p->node != NULL ? p->node->name : "none");
    }
}

int64_t orch_ready(struct orch *o, const char *deployment_uid, int64_t since_us)
{
    int64_t n = 0;
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&o->pods, &at)) != NULL) {
        const struct orch_pod *p = e->value;
        const struct orch_set *s = p->owner != NULL ? map_get_str(&o->sets, p->owner) : NULL;
        bool ready = p->live && p->ready && !p->deleting && !p->terminal;
        n += s != NULL && str_eq(s->owner, deployment_uid) && (ready || p->unready_us > since_us);
    }
    return n;
}

static bool by_people(const struct orch *o, const char *uid)
{
    for (size_t i = 0; i < o->facts->n_user_deletes; i++) {
        if (str_eq(o->facts->user_deletes[i], uid)) {
            return true;
        }
    }
    return false;
}

/* A set is told a number, not names: it may have been to lose one that was not ready, which is
 * ready again now that one is deleted; the very one that is deleted, while the set does as told. */
static bool one_recovered(struct orch *o, struct orch_pod *deleted, bool told, int64_t since)
{
    struct orch_pod *rose = told && deleted->ready_us > since ? deleted : NULL;
    size_t at = 0;
    struct map_entry *e;
    while (rose == NULL && (e = map_next(&o->pods, &at)) != NULL) {
        struct orch_pod *p = e->value;
        if (p != deleted && str_eq(p->owner, deleted->owner) && p->live && p->ready &&
            !p->deleting && p->ready_us > since) {
            rose = p;
        }
    }
    if (rose != NULL) {
        rose->ready_us = INT64_MIN; /* excuses one */
    }
    return rose != NULL;
}

/* Is a pod to go because the set was told a smaller number, which is not carried out yet? */
static bool was_told(struct orch *o, const struct orch_set *s)
{
    int64_t pods = 1; /* the one that goes */
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&o->pods, &at)) != NULL) {
        const struct orch_pod *p = e->value;
        pods += str_eq(p->owner, s->uid) && p->live && !p->deleting && !p->terminal;
    }
    return pods > s->replicas && s->lowered_us < o->at_us;
}

/* What a set does it was told to do when it got its number; after an outage that is long ago. */
static int64_t sight_begins(const struct orch *o, const struct orch_set *s, bool told)
{
    int64_t sight = o->facts->sight_us != 0 ? o->facts->sight_us : SIGHT_US;
    return (told ? s->lowered_us : o->at_us) - sight;
}

/* Held against what its writer may have seen: of the last `sight_us`. */
static void check_rollout(struct orch *o, struct orch_pod *p)
{
    const struct orch_set *s = p->owner != NULL ? map_get_str(&o->sets, p->owner) : NULL;
    const struct orch_deployment *d =
        s != NULL && s->owner != NULL ? map_get_str(&o->deployments, s->owner) : NULL;
    bool told = s != NULL && was_told(o, s);
    int64_t since = s != NULL ? sight_begins(o, s, told) : 0;
    if (d == NULL || !d->live || d->recreates || by_people(o, p->uid) ||
        (p->node != NULL &&
         (p->node->unreachable || !p->node->live || p->node->unreachable_us > since))) {
        return;
    }
    o->rollout->checked++;
    int64_t min = d->min;
    if (d->changed_us > since && d->min_before < min) {
        min = d->min_before;
    }
    int64_t own = p->unready_us;
    p->unready_us = INT64_MIN; /* itself is the one that goes */
    int64_t ready = orch_ready(o, d->uid, since);
    p->unready_us = own;
    if (ready < min && !one_recovered(o, p, told, since)) {
        broken(o, o->rollout,
               "ready pod %s is deleted: that leaves %" PRId64 " ready ones of "
               "Deployment %s, which wants at least %" PRId64,
               p->name, ready, d->name, min);
    }
    /* It was meant to go: for who deletes next it is no pod that was there a moment ago. */
    p->unready_us = INT64_MIN;
}

static void check_generation(struct orch *o, const struct orch_entry *e, int64_t generation,
                             int64_t observed, bool same)
{
    if (e->set == NULL && e->deployment == NULL) {
        return;
    }
    const char *name = e->set != NULL ? e->set->name : e->deployment->name;
    o->generation->checked++;
    if (e->observed > e->generation) {
        broken(o, o->generation, "%s %s: observedGeneration %" PRId64 " of generation %" PRId64,
               e->kind->kind, name, e->observed, e->generation);
    } else if (same && (e->observed < observed || e->generation < generation)) {
        broken(o, o->generation,
               "%s %s goes back: generation %" PRId64 " to %" PRId64 ", observedGeneration %" PRId64
               " to %" PRId64,
               e->kind->kind, name, generation, e->generation, observed, e->observed);
    }
}

/* --- quiet spans ------------------------------------------------------------------------------ */

static const struct check_span *quiet_at(const struct orch *o, int64_t at_us)
{
    for (size_t i = 0; i < o->facts->n_quiet; i++) {
        const struct check_span *s = &o->facts->quiet[i];
        if (at_us >= s->from_us && at_us < s->to_us) {
            return s;
        }
    }
    return NULL;
}

/* The ring holds one write more than a window may have. */
static void check_quiet(struct orch *o, struct orch_entry *e, uint32_t key)
{
    const struct check_span *span = o->at_us != 0 ? quiet_at(o, o->at_us) : NULL;
    if (span == NULL || e->kind == NULL) {
        return;
    }
    o->quiet->checked++;
    if (e->writes == NULL) {
        e->writes = arena_zalloc(&o->arena, (o->ring + 1) * sizeof *e->writes);
    }
    uint64_t slot = e->n_writes % o->ring;
    int64_t oldest = e->n_writes >= o->ring ? e->writes[slot] : INT64_MIN;
    int64_t window = o->facts->quiet_window_us != 0 ? o->facts->quiet_window_us : WINDOW_US;
    e->writes[slot] = o->at_us;
    e->n_writes++;
    if (oldest >= span->from_us && oldest > o->at_us - window) {
        autobuf text = BUF_INIT;
        check_print_bytes(o->log->pool, key, &text);
        broken(o, o->quiet,
               "%s is written for the %" PRIu64 "th time in %" PRId64
               " ms, and nobody asked for anything",
               buf_str(&text), o->ring + 1, (o->at_us - oldest) / 1000);
    }
}

/* --- all -------------------------------------------------------------------------------------- */

static void step(struct orch *o, uint32_t key, uint32_t value, bool deleted, bool base)
{
    struct orch_change c;
    struct err err = ERR_INIT;
    const struct orch_entry *before = u64map_get(&o->entries, key);
    const char *uid = before != NULL ? before->uid : NULL;
    int64_t generation = before != NULL ? before->generation : 0;
    int64_t observed = before != NULL ? before->observed : 0;
    bool taken = orch_take(o, key, check_pool_get(o->log->pool, value), deleted, &c, &err);
    o->readable->checked += c.entry->kind != NULL && !deleted;
    if (!taken) {
        autobuf text = BUF_INIT;
        check_print_bytes(o->log->pool, key, &text);
        broken(o, o->readable, "%s: %s", buf_str(&text), err.msg);
        return;
    }
    if (base) {
        return;
    }
    check_once(o, &c);
    if (c.new_binding != NULL && c.rebound_from == NULL) {
        check_fit(o, c.new_binding);
    }
    if (c.deleted != NULL) {
        check_rollout(o, c.deleted);
    }
    check_generation(o, c.entry, generation, observed, uid != NULL && str_eq(uid, c.entry->uid));
    check_quiet(o, c.entry, key);
}

static void walk(struct orch *o)
{
    o->revision = o->log->base_revision;
    for (size_t i = 0; i < o->log->n_base; i++) {
        step(o, o->log->base[i].key, o->log->base[i].value, false, true);
    }
    for (size_t i = 0; i < o->log->n; i++) {
        const struct check_rev *rev = &o->log->revs[i];
        o->revision = rev->revision;
        o->at_us = rev->at_us;
        for (uint32_t j = 0; j < rev->n; j++) {
            const struct check_pevent *e = &rev->events[j];
            step(o, e->kv.key, e->kv.value, e->deleted, false);
        }
    }
}

static void orch_init(struct orch *o, struct check_report *r)
{
    o->once = check_report_verdict(r, "bound once", "a pod's node never changes", "pod writes");
    o->fits = check_report_verdict(
        r, "fits its node", "what is bound to a node stays within its allocatable", "bindings");
    o->rollout = check_report_verdict(
        r, "rollout available", "no deletion leaves a Deployment too few ready pods", "deletions");
    o->generation = check_report_verdict(
        r, "generation observed", "observedGeneration only grows, up to generation", "writes");
    o->quiet = check_report_verdict(r, "idle quiet",
                                    "an idle object is written at most once a second", "writes");
    o->readable =
        check_report_verdict(r, "objects readable", "every stored object parses", "objects");
    o->bound =
        check_report_verdict(r, "runs where bound",
                             "processes run where their pod is bound, and only there", "processes");
    o->orphan = check_report_verdict(
        r, "no orphan", "a process without a pod ends soon after contact", "processes");
    o->lost = check_report_verdict(
        r, "no pod lost", "in the end all pods that are wanted are ready and run", "objects");
    arena_init(&o->arena);
    u64map_init(&o->entries);
    map_init(&o->pods);
    map_init(&o->nodes);
    map_init(&o->sets);
    map_init(&o->deployments);
    int64_t window = o->facts->quiet_window_us != 0 ? o->facts->quiet_window_us : WINDOW_US;
    o->ring = (uint64_t)(window / SECOND_US > 0 ? window / SECOND_US : 1);
}

static enum check_result orch_fini(struct orch *o)
{
    const struct check_verdict *all[] = { o->once,       o->fits,   o->rollout,
                                          o->generation, o->quiet,  o->readable,
                                          o->bound,      o->orphan, o->lost };
    enum check_result worst = CHECK_HOLDS;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        worst = all[i]->result > worst ? all[i]->result : worst;
    }
    u64map_fini(&o->entries);
    map_fini(&o->pods);
    map_fini(&o->nodes);
    map_fini(&o->sets);
    map_fini(&o->deployments);
    arena_fini(&o->arena);
    return worst;
}

int check_orchestration(const struct check_log *log, const struct check_orch_facts *facts,
                        struct check_report *report)
{
    struct orch o = { .log = log, .facts = facts };
    orch_init(&o, report);
    walk(&o);
    if (facts->has_journals) {
        orch_check_journals(&o);
    }
    if (facts->healed) {
        orch_check_end(&o);
    }
    if (log->dropped != 0) {
        check_undecided(o.once, "the log has no room for %" PRIu64 " revisions", log->dropped);
        check_undecided(o.lost, "the log has no room for %" PRIu64 " revisions", log->dropped);
    }
    return check_result_code(orch_fini(&o));
}
