/* Steps in time, roles into members, and what recovery took. See nemesis.h. */
#include "chaos/nemesis.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/io/process.h"

enum {
    TICK_MS = 20,
    BEAR_MS = 30000, /* the cluster must be well again within this */
    RETRY_MS = 500,  /* a heal that failed is tried again */
    GRACE_MS = 5000, /* a full disk may end a member a little after it was healed */
};

static int64_t since_start(const struct nemesis *n, uint64_t at_ms)
{
    return (int64_t)(at_ms - n->o.started_ms);
}

/* --- who is hit ------------------------------------------------------------------------------- */

static uint64_t hurt_members(const struct nemesis *n)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < n->n; i++) {
        bits |= n->injuries[i].state == INJURY_HURT ? n->injuries[i].members : 0;
    }
    return bits;
}

static int by_name(const struct nemesis *n, const char *name)
{
    for (size_t m = 0; m < n->o.target->n_members; m++) {
        if (str_eq(n->o.target->members[m].name, name)) {
            return (int)m;
        }
    }
    return -1;
}

/* The k-th of the members that are well and not `but`; -1 when there is none. */
static int nth_well(const struct nemesis *n, uint32_t k, int but)
{
    uint64_t hurt = hurt_members(n);
    int list[TARGET_MEMBERS_MAX];
    size_t found = 0;
    for (size_t m = 0; m < n->o.target->n_members; m++) {
        if ((hurt >> m & 1) == 0 && (int)m != but) {
            list[found++] = (int)m;
        }
    }
    return found > 0 ? list[k % found] : -1;
}

static uint64_t majority_with(const struct nemesis *n, int leader)
{
    size_t need = n->o.target->n_members / 2 + 1;
    uint64_t bits = leader >= 0 ? 1ull << leader : 0;
    for (size_t m = 0; (size_t)__builtin_popcountll(bits) < need; m++) {
        bits |= 1ull << m;
    }
    return bits;
}

/* False: nobody has that role now; later somebody will. */
static bool resolve(struct injury *i)
{
    struct nemesis *n = i->nemesis;
    int leader = n->o.sight->leader, one = -1;
    uint64_t all = (1ull << n->o.target->n_members) - 1;
    switch (i->step->who) {
    case WHO_LEADER:
        one = leader;
        break;
    case WHO_FOLLOWER:
        one = nth_well(n, i->step->pick, leader);
        break;
    case WHO_CONTROLLERS:
    case WHO_SCHEDULER: {
        const char *name = n->o.sight->elected[i->step->who == WHO_SCHEDULER];
        str_copy(i->elected_before, sizeof i->elected_before, name);
        one = by_name(n, name);
        break;
    }
    case WHO_NODE:
        i->node = n->o.target->n_nodes > 0 ? (int)(i->step->pick % n->o.target->n_nodes) : -1;
        return i->node >= 0;
    case WHO_MOST:
        i->members = majority_with(n, leader);
        return true;
    default:
        i->members = i->step->kind == FAULT_MEMBERSHIP ? 0 : all;
        return true;
    }
    if (one < 0 || (hurt_members(n) >> one & 1) != 0) {
        return false;
    }
    i->members = 1ull << one;
    if (i->step->kind == FAULT_PARTIAL) {
        i->other = nth_well(n, i->step->pick / 7, one);
        return i->other >= 0;
    }
    return true;
}

/* --- may it begin ----------------------------------------------------------------------------- */

static size_t not_serving(const struct nemesis *n)
{
    uint64_t hurt = hurt_members(n);
    size_t count = 0;
    for (size_t m = 0; m < n->o.target->n_members; m++) {
        count += (hurt >> m & 1) != 0 || !sight_serves(n->o.sight, m, 0);
    }
    return count;
}

static bool all_over(const struct nemesis *n)
{
    for (size_t i = 0; i < n->next; i++) {
        if (n->injuries[i].state == INJURY_HURT || n->injuries[i].state == INJURY_HEALED) {
            return false;
        }
    }
    return true;
}

/* The cluster can lose what the next step costs. */
static bool bearable(const struct nemesis *n, const struct plan_step *s)
{
    const struct plan_options *o = &n->o.plan->options;
    if (o->together == 1 && !all_over(n)) {
        return false;
    }
    if (s->kind == FAULT_MEMBERSHIP && n->grow.step != GROW_NONE && n->grow.step != GROW_GONE) {
        return false;
    }
    if (s->kind == FAULT_NODE && n->o.pods_ready != NULL && !n->o.pods_ready(n->o.arg)) {
        return false;
    }
    size_t gone = not_serving(n);
    if (o->break_quorum) {
        return o->together > 1 || gone == 0;
    }
    return gone + faults[s->kind].cost <= (n->o.target->n_members - 1) / 2;
}

/* --- begin ------------------------------------------------------------------------------------ */

static uint64_t lanes_of(const struct injury *i)
{
    uint64_t lanes = i->members; /* members are the first lanes, then the nodes */
    if (i->other >= 0) {
        lanes |= 1ull << i->other;
    }
    size_t node_lane = i->nemesis->o.target->n_members + (size_t)(i->node >= 0 ? i->node : 0);
    if (i->node >= 0 && node_lane < CHAOS_LANES_MAX) {
        lanes |= 1ull << node_lane;
    }
    return lanes;
}

static void describe(const struct injury *i, struct buf *out)
{
    const struct target *t = i->nemesis->o.target;
    const struct fault *f = &faults[i->step->kind];
    buf_append_str(out, f->name);
    for (size_t m = 0; m < t->n_members; m++) {
        if ((i->members >> m & 1) != 0) {
            buf_printf(out, " %s", t->members[m].name);
        }
    }
    if (i->node >= 0) {
        buf_printf(out, " %s", t->nodes[i->node]);
    }
    if (i->other >= 0) {
        buf_printf(out, "-%s", t->members[i->other].name);
    }
    if (f->unit != NULL && f->unit[0] != '\0') {
        buf_printf(out, " %" PRId64 " %s", i->step->amount, f->unit);
    } else if (f->unit != NULL) {
        buf_append_str(out, i->step->amount != 0 ? " (not heard)" : " (hears nobody)");
    }
}

static void news(struct nemesis *n, const char *what, const struct injury *i)
{
    if (n->o.on_news != NULL) {
        autobuf text = BUF_INIT;
        buf_append_str(&text, what);
        describe(i, &text);
        n->o.on_news(n->o.arg, buf_str(&text));
    }
}

static void begin(struct injury *i)
{
    struct nemesis *n = i->nemesis;
    struct err err = ERR_INIT;
    i->begun_ms = loop_now_us(n->o.loop) / 1000;
    i->term_before = n->o.sight->term;
    n->o.sight->lost_ms = 0;
    i->state = INJURY_HURT;
    n->begun++;
    news(n, "", i);
    int rv = injury_act(i, &err);
    autobuf text = BUF_INIT;
    describe(i, &text);
    i->fault = chaos_report_add_fault(n->o.report, faults[i->step->kind].name,
                                      faults[i->step->kind].family, lanes_of(i),
                                      since_start(n, i->begun_ms));
    if (i->fault != NULL) {
        i->fault->detail = chaos_report_printf(
            n->o.report, "%s, %s for %.1f s%s%s", buf_str(&text), fault_who_text(i->step->who),
            (double)i->step->lasts_ms / 1000, rv != 0 ? "; failed: " : "", rv != 0 ? err.msg : "");
    }
    if (rv != 0) {
        chaos_report_add_error(n->o.report, err.msg, 1);
    }
}

static void not_well(struct nemesis *n, const char *what)
{
    if (n->not_recovered++ == 0) {
        n->first_not_recovered = chaos_report_printf(n->o.report, "%s", what);
    }
}

static void skip(struct injury *i)
{
    struct nemesis *n = i->nemesis;
    autobuf text = BUF_INIT;
    plan_step_text(i->step, &text);
    size_t gone = not_serving(n);
    i->state = INJURY_SKIPPED;
    not_well(n, chaos_report_printf(n->o.report,
                                    "%s was due, but %d s later %zu of %zu members "
                                    "did not serve",
                                    buf_str(&text), BEAR_MS / 1000, gone, n->o.target->n_members));
}

static void begin_due(struct nemesis *n, uint64_t now)
{
    while (n->next < n->n && !n->stopping) {
        struct injury *i = &n->injuries[n->next];
        if (now < n->o.started_ms + i->step->at_ms + n->shift_ms) {
            return;
        }
        n->waiting_since_ms = n->waiting_since_ms == 0 ? now : n->waiting_since_ms;
        bool ready = bearable(n, i->step) && resolve(i);
        uint64_t waited = now - n->waiting_since_ms;
        if (!ready && waited < BEAR_MS) {
            return;
        }
        n->shift_ms += waited;
        n->waiting_since_ms = 0;
        n->next++;
        const struct plan_options *o = &n->o.plan->options;
        if (!ready) {
            skip(i);
        } else if (i->step->at_ms + n->shift_ms + i->step->lasts_ms >
                   o->total_ms - plan_calm_ms(o->total_ms) + BEAR_MS / 10) {
            i->state = INJURY_SKIPPED; /* waiting has eaten its time */
            chaos_report_add_counter(n->o.report, "faults left out for want of time", 1);
        } else {
            begin(i);
        }
    }
}

/* --- recovery --------------------------------------------------------------------------------- */

static void note(struct injury *i, enum chaos_recovery what, uint64_t at_ms)
{
    uint64_t zero = what == CHAOS_ALL_READY ? i->healed_ms : i->begun_ms;
    if (i->fault != NULL && i->fault->recovery_ms[what] == CHAOS_ABSENT && at_ms >= zero) {
        i->fault->recovery_ms[what] = (int64_t)(at_ms - zero);
    }
}

static void watch_leader(struct injury *i)
{
    const struct sight *s = i->nemesis->o.sight;
    if (i->elected_before[0] != '\0') {
        const char *now = s->elected[i->step->who == WHO_SCHEDULER];
        if (now[0] == '\0') {
            note(i, CHAOS_DETECT, loop_now_ms(s->loop));
        } else if (!str_eq(now, i->elected_before)) {
            note(i, CHAOS_DETECT, loop_now_ms(s->loop));
            note(i, CHAOS_ELECT, loop_now_ms(s->loop));
        }
        return;
    }
    if (s->lost_ms > i->begun_ms) {
        note(i, CHAOS_DETECT, s->lost_ms);
    }
    if (s->leader_since_ms > i->begun_ms && s->term > i->term_before) {
        note(i, CHAOS_ELECT, s->leader_since_ms);
    }
}

/* NULL = all is as before the fault; else what is not. */
static const char *unwell(const struct injury *i)
{
    struct nemesis *n = i->nemesis;
    uint64_t hurt = hurt_members(n);
    for (size_t m = 0; m < n->o.target->n_members; m++) {
        const struct sight_member *s = &n->o.sight->members[m];
        const char *name = n->o.target->members[m].name;
        if ((hurt >> m & 1) != 0) {
            continue;
        }
        if (s->answered_ms < i->healed_ms || !sight_answers(n->o.sight, m)) {
            snprintf(n->why, sizeof n->why, "%s does not answer", name);
            return n->why;
        }
        if (s->learner) {
            snprintf(n->why, sizeof n->why, "%s does not vote yet", name);
            return n->why;
        }
        if (s->leader_id == 0) {
            snprintf(n->why, sizeof n->why, "%s knows no leader", name);
            return n->why;
        }
        if (s->revision < i->revision_healed) {
            snprintf(n->why, sizeof n->why, "%s is at revision %" PRId64 " of %" PRId64, name,
                     s->revision, i->revision_healed);
            return n->why;
        }
    }
    return n->o.pods_ready == NULL || n->o.pods_ready(n->o.arg) ? NULL : "not all pods are ready";
}

static void heal(struct injury *i, uint64_t now)
{
    struct nemesis *n = i->nemesis;
    struct err err = ERR_INIT;
    i->state = INJURY_HEALED; /* before the rules are told anew */
    if (injury_heal(i, &err) != 0) {
        i->state = INJURY_HURT;
        i->healed_ms = now + RETRY_MS;
        if (err.code != E_NOTREADY) {
            chaos_report_add_error(n->o.report, err.msg, 1);
        }
        return;
    }
    i->healed_ms = now;
    i->revision_healed = sight_revision(n->o.sight);
    if (i->fault != NULL) {
        i->fault->end_ms = since_start(n, now);
    }
    news(n, "healed: ", i);
}

static void follow(struct injury *i, uint64_t now)
{
    struct nemesis *n = i->nemesis;
    watch_leader(i);
    if (i->node >= 0 && n->o.pods_left != NULL &&
        !n->o.pods_left(n->o.arg, n->o.target->nodes[i->node])) {
        note(i, CHAOS_REPLACED, now);
    }
    if (i->state == INJURY_HURT) {
        bool over = n->stopping || now >= i->begun_ms + i->step->lasts_ms;
        if (over && now >= i->healed_ms) { /* healed_ms: a failed heal waits until then */
            heal(i, now);
        }
    } else if (unwell(i) == NULL) {
        note(i, CHAOS_ALL_READY, now);
        i->state = INJURY_OVER;
    } else if (now >= i->healed_ms + BEAR_MS) {
        autobuf text = BUF_INIT;
        describe(i, &text);
        i->state = INJURY_OVER;
        not_well(n, chaos_report_printf(n->o.report, "%s (healed at %.1f s): %d s later %s",
                                        buf_str(&text), (double)since_start(n, i->healed_ms) / 1000,
                                        BEAR_MS / 1000, unwell(i)));
    }
}

/* --- members that end by themselves ----------------------------------------------------------- */

/* Killed, or on a disk that was full a moment ago. */
static bool may_be_down(const struct nemesis *n, size_t member, uint64_t now)
{
    for (size_t i = 0; i < n->next; i++) {
        const struct injury *j = &n->injuries[i];
        bool recent = j->state == INJURY_HURT || j->state == INJURY_HEALED ||
                      (j->state == INJURY_OVER && now < j->healed_ms + GRACE_MS);
        if ((j->members >> member & 1) != 0 && recent &&
            (j->state == INJURY_HURT || j->step->kind == FAULT_FULL_DISK)) {
            return true;
        }
    }
    return false;
}

static void watch_deaths(struct nemesis *n, uint64_t now)
{
    struct target *t = n->o.target;
    for (size_t m = 0; m < t->n_members && t->why_not[NEED_SIGNAL] == NULL; m++) {
        if (t->ops->runs(t, TARGET_MEMBER, m)) {
            n->member_up_ms[m] = now;
            continue;
        }
        bool innocent = may_be_down(n, m, now);
        if (n->member_up_ms[m] != 0 && !innocent) {
            n->member_up_ms[m] = 0;
            if (n->deaths++ == 0) {
                n->first_death = chaos_report_printf(
                    n->o.report, "%s ended by itself at %.1f s; it said why in %s",
                    t->members[m].name, (double)since_start(n, now) / 1000, t->members[m].log);
            }
        }
        bool hurt = (hurt_members(n) >> m & 1) != 0;
        if (!hurt && t->why_not[NEED_RESTART] == NULL) {
            t->ops->start(t, TARGET_MEMBER, m, NULL);
        }
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_tick(struct timer *timer)
{
    struct nemesis *n = CONTAINER_OF(timer, struct nemesis, tick);
    uint64_t now = loop_now_us(n->o.loop) / 1000;
    for (size_t i = 0; i < n->next; i++) {
        struct injury *j = &n->injuries[i];
        if (j->state == INJURY_HURT || j->state == INJURY_HEALED) {
            follow(j, now);
        }
    }
    if (n->grow.step != GROW_NONE) {
        grow_poll(&n->grow);
    }
    begin_due(n, now);
    watch_deaths(n, now);
    if (!n->done && (n->next == n->n || n->stopping) && all_over(n)) {
        n->done = true;
        n->o.on_done(n->o.arg);
    }
    timer_start(timer, TICK_MS);
}

void nemesis_start(struct nemesis *n, const struct nemesis_options *options)
{
    memset(n, 0, sizeof *n);
    n->o = *options;
    n->n = options->plan->n_steps;
    n->injuries = mem_zalloc((n->n + 1) * sizeof *n->injuries);
    for (size_t i = 0; i < n->n; i++) {
        struct injury *j = &n->injuries[i];
        j->nemesis = n;
        j->step = &options->plan->steps[i];
        j->node = j->other = -1;
        timer_init(n->o.loop, &j->timer, NULL);
    }
    timer_init(n->o.loop, &n->tick, on_tick);
    timer_start(&n->tick, TICK_MS);
}

void nemesis_stop(struct nemesis *n)
{
    n->stopping = true;
}

void nemesis_free(struct nemesis *n)
{
    if (n->injuries == NULL) {
        return;
    }
    timer_stop(&n->tick);
    if (n->grow.step != GROW_NONE) {
        grow_end(&n->grow);
    }
    for (size_t i = 0; i < n->n; i++) {
        timer_stop(&n->injuries[i].timer);
        if (n->injuries[i].damager != NULL) {
            process_release(n->injuries[i].damager);
        }
    }
    mem_free(n->injuries);
    n->injuries = NULL;
}

void nemesis_wrote(struct nemesis *n, uint64_t sent_ms)
{
    for (size_t i = 0; i < n->next; i++) {
        struct injury *j = &n->injuries[i];
        if ((j->state == INJURY_HURT || j->state == INJURY_HEALED) && sent_ms >= j->begun_ms) {
            note(j, CHAOS_FIRST_WRITE, loop_now_us(n->o.loop) / 1000);
        }
    }
}

void nemesis_now(const struct nemesis *n, struct buf *out)
{
    for (size_t i = 0; i < n->next; i++) {
        if (n->injuries[i].state == INJURY_HURT) {
            buf_append_str(out, out->len > 0 ? ", " : "");
            describe(&n->injuries[i], out);
        }
    }
}
