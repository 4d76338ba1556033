/* Dealing faults over a run, and counting what they cost. See plan.h. */
#include "chaos/plan.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/rng.h"

enum {
    SHORT_RUN_MS = 60 * 1000,
    LASTS_MIN_MS = 1500,
    NODE_LASTS_MS = 4500, /* until it is missed and its pods are elsewhere */
};

static uint64_t clamp(uint64_t v, uint64_t lo, uint64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

uint64_t plan_warm_up_ms(uint64_t total_ms)
{
    return clamp(total_ms / 10, 1500, 5000);
}

uint64_t plan_calm_ms(uint64_t total_ms)
{
    return clamp(total_ms / 6, 3000, 15000);
}

/* --- what is possible ------------------------------------------------------------------------- */

static size_t tolerance(size_t n_members)
{
    return n_members > 0 ? (n_members - 1) / 2 : 0;
}

/* NULL = possible. */
static const char *impossible(enum fault_kind kind, const struct plan_options *o,
                              const struct plan_shape *shape)
{
    const struct fault *f = &faults[kind];
    for (size_t i = 0; i < NEEDS_N; i++) {
        if ((f->needs >> i & 1) != 0 && shape->why_not[i] != NULL) {
            return shape->why_not[i];
        }
    }
    if (kind == FAULT_NODE && shape->n_nodes < 2) {
        return "the pods of a lost node need another node";
    }
    if (kind == FAULT_PARTIAL && shape->n_members < 3) {
        return "it needs three members or more";
    }
    if (o->break_quorum) {
        return NULL;
    }
    if (f->breaks_quorum) {
        return "it takes the quorum; allow that with --break-quorum";
    }
    return f->cost > tolerance(shape->n_members)
               ? "this cluster cannot lose a member; allow it with --break-quorum"
               : NULL;
}

/* --- counting --------------------------------------------------------------------------------- */

static uint64_t end_of(const struct plan_step *s)
{
    return s->at_ms + s->lasts_ms + PLAN_RECOVER_MS;
}

static unsigned cost_of(const struct plan_step *s, size_t n_members)
{
    return faults[s->kind].breaks_quorum ? (unsigned)n_members : faults[s->kind].cost;
}

/* Members gone, faults under way and nodes gone at one moment. */
struct load {
    size_t members, faults, nodes;
};

static struct load load_at(const struct plan *p, uint64_t at_ms)
{
    struct load sum = { 0, 0, 0 };
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct plan_step *s = &p->steps[i];
        if (s->at_ms <= at_ms && at_ms < end_of(s)) {
            sum.members += cost_of(s, p->n_members);
            sum.faults++;
            sum.nodes += s->kind == FAULT_NODE;
        }
    }
    return sum;
}

/* May `s` begin when it says? Looked at wherever the load can rise: its own start, and the starts
 * of others within it (there are none later than the last step's, as steps come in order). */
static bool fits(const struct plan *p, const struct plan_step *s)
{
    struct load have = load_at(p, s->at_ms);
    size_t allowed = tolerance(p->n_members);
    if (have.faults + 1 > p->options.together || (s->kind == FAULT_NODE && have.nodes > 0)) {
        return false;
    }
    unsigned cost = cost_of(s, p->n_members);
    return p->options.break_quorum || cost == 0 || have.members + cost <= allowed;
}

/* The first moment after at_ms at which something ends. */
static uint64_t next_end(const struct plan *p, uint64_t at_ms)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < p->n_steps; i++) {
        uint64_t end = end_of(&p->steps[i]);
        next = end > at_ms && end < next ? end : next;
    }
    return next;
}

int plan_check(const struct plan *p, struct err *err)
{
    size_t allowed = tolerance(p->n_members);
    for (size_t i = 0; i < p->n_steps && !p->options.break_quorum; i++) {
        const struct plan_step *s = &p->steps[i];
        struct load have = load_at(p, s->at_ms);
        if (cost_of(s, p->n_members) > 0 && have.members > allowed) {
            autobuf text = BUF_INIT;
            plan_step_text(s, &text);
            return err_set(err, E_PERM,
                           "at %.1f s, \"%s\" would leave %zu of %zu members: no quorum. Next: "
                           "fewer faults at once (--together), or --break-quorum",
                           (double)s->at_ms / 1000, buf_str(&text),
                           have.members < p->n_members ? p->n_members - have.members : 0,
                           p->n_members);
        }
    }
    return 0;
}

/* --- dealing ---------------------------------------------------------------------------------- */

struct dealer {
    struct rng rng;
    enum fault_kind deck[FAULTS_N];
    size_t n, at;
};

static enum fault_kind deal(struct dealer *d)
{
    if (d->at == 0) { /* shuffle */
        for (size_t i = d->n; i > 1; i--) {
            size_t k = (size_t)rng_range(&d->rng, 0, i - 1);
            enum fault_kind kind = d->deck[i - 1];
            d->deck[i - 1] = d->deck[k];
            d->deck[k] = kind;
        }
    }
    enum fault_kind kind = d->deck[d->at];
    d->at = (d->at + 1) % d->n;
    return kind;
}

static enum fault_who draw_who(struct rng *rng, unsigned bits)
{
    size_t n = (size_t)__builtin_popcount(bits), k = (size_t)rng_range(rng, 0, n - 1);
    for (size_t i = 0; i < WHO_N; i++) {
        if ((bits >> i & 1) != 0 && k-- == 0) {
            return (enum fault_who)i;
        }
    }
    UNREACHABLE();
}

static struct plan_step draw_step(struct dealer *d, bool short_run)
{
    struct plan_step s = { .kind = deal(d) };
    const struct fault *f = &faults[s.kind];
    s.who = draw_who(&d->rng, f->who);
    s.pick = (uint32_t)rng_range(&d->rng, 0, UINT32_MAX);
    s.lasts_ms =
        short_run ? rng_range(&d->rng, LASTS_MIN_MS, 2500) : rng_range(&d->rng, 2500, 8000);
    s.lasts_ms += s.kind == FAULT_NODE ? NODE_LASTS_MS : 0;
    if (f->unit != NULL) {
        uint64_t span = (uint64_t)(f->amount_max - f->amount_min);
        s.amount = f->amount_min + (int64_t)rng_range(&d->rng, 0, span);
    }
    return s;
}

static void add(struct plan *p, const struct plan_step *s)
{
    p->steps = mem_grow(p->steps, &p->cap_steps, p->n_steps + 1, sizeof *p->steps);
    p->steps[p->n_steps++] = *s;
}

static void fill(struct plan *p, struct dealer *d)
{
    uint64_t total = p->options.total_ms, at = plan_warm_up_ms(total);
    uint64_t until = total - plan_calm_ms(total);
    bool short_run = total < SHORT_RUN_MS;
    while (p->n_steps < PLAN_STEPS_MAX) {
        struct plan_step s = draw_step(d, short_run);
        s.at_ms = at;
        while (!fits(p, &s)) {
            s.at_ms = next_end(p, s.at_ms);
            INVARIANT(s.at_ms != UINT64_MAX); /* alone, every step of the deck fits */
        }
        if (s.at_ms + LASTS_MIN_MS > until) {
            return;
        }
        s.lasts_ms = s.lasts_ms < until - s.at_ms ? s.lasts_ms : until - s.at_ms;
        add(p, &s);
        uint64_t rest = short_run ? rng_range(&d->rng, 2000, 3500) : rng_range(&d->rng, 4000, 9000);
        at = s.at_ms + rest + (p->options.together > 1 ? 0 : s.lasts_ms);
    }
}

int plan_make(const struct plan_options *o, const struct plan_shape *shape, struct plan *ret_plan,
              struct err *err)
{
    PRE(o->together >= 1);
    PRE(o->together <= PLAN_TOGETHER_MAX);
    struct plan p = { .options = *o, .n_members = shape->n_members, .n_nodes = shape->n_nodes };
    struct dealer d = { .n = 0 };
    rng_init(&d.rng, o->seed);
    for (size_t i = 0; i < FAULTS_N; i++) {
        if ((o->kinds >> i & 1) == 0) {
            continue;
        }
        const char *why = impossible((enum fault_kind)i, o, shape);
        if (why == NULL) {
            d.deck[d.n++] = (enum fault_kind)i;
        } else if (o->kinds_named) {
            return err_set(err, E_INVAL, "%s is not possible here: %s", faults[i].name, why);
        } else {
            p.lacks[p.n_lacks++] = (struct plan_lack){ (enum fault_kind)i, why };
        }
    }
    if (o->kinds == 0) { /* the workload alone */
        *ret_plan = p;
        return 0;
    }
    if (d.n == 0) {
        return err_set(err, E_INVAL,
                       "no fault is possible here: %s. Next: --faults none, a workload alone",
                       p.n_lacks > 0 ? p.lacks[0].why : "none was asked for");
    }
    if (o->total_ms < plan_warm_up_ms(o->total_ms) + plan_calm_ms(o->total_ms) + 3000) {
        return err_set(err, E_INVAL, "the run is too short for a fault. Next: --seconds 12");
    }
    fill(&p, &d);
    int rv = plan_check(&p, err);
    if (rv != 0) {
        plan_free(&p);
        return rv;
    }
    *ret_plan = p;
    return 0;
}

void plan_free(struct plan *p)
{
    mem_free(p->steps);
    *p = (struct plan){ 0 };
}

/* --- for people ------------------------------------------------------------------------------- */

void plan_step_text(const struct plan_step *s, struct buf *out)
{
    const struct fault *f = &faults[s->kind];
    buf_printf(out, "%s %s", f->name, fault_who_text(s->who));
    if (f->unit != NULL) {
        buf_printf(out, " %" PRId64 "%s%s", s->amount, f->unit[0] == 'm' ? " " : "", f->unit);
    }
}

void plan_print(const struct plan *p, struct buf *out)
{
    buf_printf(out, "seed %" PRIu64 ", %.0f s, %zu members, %zu nodes, %zu faults\n\n",
               p->options.seed, (double)p->options.total_ms / 1000, p->n_members, p->n_nodes,
               p->n_steps);
    buf_printf(out, "  %-9s %-7s %-38s %s\n", "AT", "LASTS", "FAULT", "WHAT");
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct plan_step *s = &p->steps[i];
        autobuf text = BUF_INIT;
        plan_step_text(s, &text);
        buf_printf(out, "  %7.1f s %5.1f s %-38s %s\n", (double)s->at_ms / 1000,
                   (double)s->lasts_ms / 1000, buf_str(&text), faults[s->kind].what);
    }
    if (p->n_lacks > 0) {
        buf_printf(out, "\n  Not possible here:\n");
    }
    for (size_t i = 0; i < p->n_lacks; i++) {
        buf_printf(out, "    %-12s %s\n", faults[p->lacks[i].kind].name, p->lacks[i].why);
    }
}
