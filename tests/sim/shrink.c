/* A failing run, made small: fewer kinds of faults, fewer members, a shorter first phase, fewer
 * acts and client events, plainer options, as long as the same invariant still breaks.
 *
 * Greedy: every candidate leaves something out; one that fails the same way is the run to go on
 * with. Leaving something out changes the course of disks and network too, so a candidate is tried
 * with a few salts (other courses of these) before it is given up. Lists are cut by halves, then
 * quarters, down to single choices. Passes repeat until one finds nothing or the limits are
 * reached; without reaching the limit of time, the same run shrinks to the same result. */
#include "tests/sim/shrink.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

enum { CPU_S = 20, SALTS = 3, LAST_US = 1000, SHORT_US = 200000 };

struct shrinker {
    struct sim_setup best; /* every option fixed */
    struct trial found;    /* how it ended */
    uint64_t seed;
    unsigned trials, trials_max;
    uint64_t deadline_ms;
};

static bool spent(const struct shrinker *s)
{
    return s->trials >= s->trials_max || clock_mono_ms() >= s->deadline_ms;
}

static uint64_t made(const struct shrinker *s, enum choice kind)
{
    return s->found.stats.choices[kind] - s->found.stats.skipped[kind];
}

static void setup_copy(struct sim_setup *to, const struct sim_setup *from)
{
    *to = *from;
    for (size_t i = 0; i < CHOICES_SKIPPABLE; i++) {
        skips_copy(&to->skips[i], &from->skips[i]);
    }
}

static void setup_fini(struct sim_setup *setup)
{
    for (size_t i = 0; i < CHOICES_SKIPPABLE; i++) {
        skips_fini(&setup->skips[i]);
    }
}

/* Tries a candidate (taken over); true when it still fails the same way and is the best now. */
static bool attempt(struct shrinker *s, struct sim_setup *candidate)
{
    uint64_t salt = candidate->set.salt;
    for (unsigned k = 0; k < SALTS && !spent(s) && options_bearable(&candidate->set); k++) {
        struct trial t;
        candidate->set.salt = (salt + k) % SALTS;
        s->trials++;
        if (trial_run(candidate, s->seed, CPU_S, &t) == 0 && t.verdict.violated &&
            trial_same(t.verdict.text, s->found.verdict.text)) {
            setup_fini(&s->best);
            s->best = *candidate;
            s->found = t;
            return true;
        }
    }
    setup_fini(candidate);
    return false;
}

/* --- passes: each says whether it found anything ---------------------------------------------- */

static bool fewer_faults(struct shrinker *s)
{
    bool any = false;
    for (unsigned i = 0; i < FAULTS; i++) {
        struct sim_setup c;
        if ((s->best.set.faults >> i & 1) != 0) {
            setup_copy(&c, &s->best);
            c.set.faults &= ~(1u << i);
            any = attempt(s, &c) || any;
        }
    }
    return any;
}

static bool fewer_founders(struct shrinker *s)
{
    for (unsigned n = 1; n < s->best.set.founders; n++) {
        struct sim_setup c;
        setup_copy(&c, &s->best);
        c.set.founders = n;
        if (attempt(s, &c)) {
            return true;
        }
    }
    return false;
}

static bool fewer_clients(struct shrinker *s)
{
    for (unsigned n = 1; n < s->best.set.clients; n++) {
        struct sim_setup c;
        setup_copy(&c, &s->best);
        c.set.clients = n;
        if (attempt(s, &c)) {
            return true;
        }
    }
    return false;
}

/* The first phase ends with the violation, or as early as it still comes about. */
static bool shorter(struct shrinker *s)
{
    uint64_t before = s->best.set.fault_us;
    if (s->found.verdict.at_us + LAST_US < before) {
        struct sim_setup c;
        setup_copy(&c, &s->best);
        c.set.fault_us = s->found.verdict.at_us + LAST_US;
        (void)attempt(s, &c);
    }
    for (uint64_t part = 2; part <= 8 && s->best.set.fault_us > SHORT_US && !spent(s); part *= 2) {
        struct sim_setup c;
        setup_copy(&c, &s->best);
        c.set.fault_us -= c.set.fault_us / part;
        (void)attempt(s, &c);
    }
    return s->best.set.fault_us + SHORT_US < before;
}

/* Leaves out of a kind of choices all of first..last that are still in. */
static bool leave_out(struct shrinker *s, enum choice kind, uint64_t first, uint64_t last)
{
    struct sim_setup c;
    uint64_t out = 0;
    setup_copy(&c, &s->best);
    for (uint64_t i = first; i <= last; i++) {
        out += !skips_has(&c.skips[kind], i);
        skips_set(&c.skips[kind], i, true);
    }
    if (out == 0) {
        setup_fini(&c);
        return false;
    }
    return attempt(s, &c);
}

static bool fewer_choices(struct shrinker *s, enum choice kind)
{
    enum { PARTS_MAX = 64 };
    bool any = false;
    uint64_t n = s->found.stats.choices[kind];
    for (uint64_t parts = 1; n > 0; parts *= 2) {
        uint64_t size = (n + parts - 1) / parts;
        for (uint64_t first = 1; first <= n && !spent(s); first += size) {
            any = leave_out(s, kind, first, first + size - 1 < n ? first + size - 1 : n) || any;
        }
        if (size == 1 || spent(s) || (parts >= PARTS_MAX && made(s, kind) > PARTS_MAX)) {
            break;
        }
    }
    return any;
}

/* Options at their plainest. */
static bool plainer(struct shrinker *s)
{
    static const struct {
        const char *name, *value;
    } PLAIN[] = {
        { "loss", "0" },    { "duplicate", "0" },   { "late", "0" }, { "turn_us", "0" },
        { "keys", "2" },    { "payload_max", "0" }, { "no_pre_vote", "0" },
        { "nemesis_hi_us", "500000" }, /* sooner */
    };
    for (size_t i = 0; i < ARRAY_LEN(PLAIN) && !spent(s); i++) {
        struct sim_setup c;
        setup_copy(&c, &s->best);
        INVARIANT(options_set(&c, PLAIN[i].name, PLAIN[i].value) == 0);
        if (memcmp(&c.set, &s->best.set, sizeof c.set) == 0) {
            setup_fini(&c);
        } else {
            (void)attempt(s, &c);
        }
    }
    return false;
}

/* What comes after the last choice that was made need not be listed. */
static void tidy(struct shrinker *s)
{
    for (size_t kind = 0; kind < CHOICES_SKIPPABLE; kind++) {
        struct skips *skips = &s->best.skips[kind];
        for (uint64_t i = s->found.stats.choices[kind] + 1; i < skips->n; i++) {
            skips->in[i] = false;
        }
    }
}

static void passes(struct shrinker *s)
{
    bool any = true;
    while (any && !spent(s)) {
        any = shorter(s);
        any = fewer_choices(s, CHOICE_ACT) || any;
        any = fewer_faults(s) || any;
        any = fewer_founders(s) || any;
        any = fewer_clients(s) || any;
        any = fewer_choices(s, CHOICE_CLIENT) || any;
        any = plainer(s) || any;
    }
}

static unsigned bits(uint32_t mask)
{
    return (unsigned)__builtin_popcount(mask);
}

bool shrink(const struct sim_setup *setup, uint64_t seed, const struct shrink_limits *limits,
            struct kept *ret_kept, char **ret_about)
{
    struct shrinker s = { .seed = seed, .trials_max = limits->trials };
    autobuf about = BUF_INIT;
    s.deadline_ms = clock_mono_ms() + (uint64_t)limits->seconds * 1000;
    setup_copy(&s.best, setup);
    s.best.verbose = s.best.frames = false;
    options_pin(&s.best, seed);
    if (trial_run(&s.best, seed, CPU_S, &s.found) != 0 || !s.found.verdict.violated) {
        setup_fini(&s.best);
        return false;
    }
    struct sim_options before = s.best.set;
    uint64_t acts = made(&s, CHOICE_ACT), clients = made(&s, CHOICE_CLIENT);
    passes(&s);
    tidy(&s);
    buf_printf(&about,
               "faults %u -> %u, founders %u -> %u, first phase %.1f -> %.1f s, acts %" PRIu64
               " -> %" PRIu64 ", client events %" PRIu64 " -> %" PRIu64 " (%u trials)",
               bits(before.faults), bits(s.best.set.faults), before.founders, s.best.set.founders,
               (double)before.fault_us / 1e6, (double)s.best.set.fault_us / 1e6, acts,
               made(&s, CHOICE_ACT), clients, made(&s, CHOICE_CLIENT), s.trials);
    *ret_kept = (struct kept){ .setup = s.best, .seed = seed };
    str_copy(ret_kept->violation, sizeof ret_kept->violation, s.found.verdict.text);
    *ret_about = buf_take(&about);
    return true;
}
