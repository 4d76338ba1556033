/* Generators of choices, and sets of choices left out (choice.h). */
#include "tests/sim/choice.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "tests/sim/sim.h"

enum { SKIPS_MAX = 10000000 };

bool sim_choose(struct sim *s, enum choice kind)
{
    uint64_t number = ++s->choices[kind];
    rng_init(&s->dice, hash_u64(s->o.seed ^ hash_u64((uint64_t)kind << 56 ^ number)));
    if (kind >= CHOICE_PROBE) {
        return true;
    }
    bool skip = skips_has(&s->setup->skips[kind], number);
    s->stats->choices[kind]++;
    s->stats->skipped[kind] += skip;
    return !skip;
}

bool skips_has(const struct skips *s, uint64_t number)
{
    return number < s->n && s->in[number];
}

void skips_set(struct skips *s, uint64_t number, bool in)
{
    INVARIANT(number <= SKIPS_MAX);
    if (number >= s->n) {
        uint64_t n = number + 1 > s->n * 2 ? number + 1 : s->n * 2;
        s->in = mem_realloc(s->in, (size_t)n * sizeof *s->in);
        memset(s->in + s->n, 0, (size_t)(n - s->n) * sizeof *s->in);
        s->n = n;
    }
    s->in[number] = in;
}

uint64_t skips_count(const struct skips *s)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < s->n; i++) {
        count += s->in[i];
    }
    return count;
}

void skips_copy(struct skips *to, const struct skips *from)
{
    *to = (struct skips){ 0 };
    if (from->n > 0) {
        to->in = mem_alloc((size_t)from->n * sizeof *to->in);
        memcpy(to->in, from->in, (size_t)from->n * sizeof *to->in);
        to->n = from->n;
    }
}

void skips_fini(struct skips *s)
{
    mem_free(s->in);
    *s = (struct skips){ 0 };
}

void skips_print(const struct skips *s, struct buf *out)
{
    size_t before = out->len;
    for (uint64_t i = 0; i < s->n; i++) {
        uint64_t first = i;
        if (!s->in[i]) {
            continue;
        }
        while (i + 1 < s->n && s->in[i + 1]) {
            i++;
        }
        buf_printf(out, first == i ? "%s%" PRIu64 : "%s%" PRIu64 "-%" PRIu64,
                   out->len > before ? "," : "", first, i);
    }
    if (out->len == before) {
        buf_append_str(out, "none");
    }
}

int skips_parse(const char *text, struct skips *ret)
{
    struct skips s = { 0 };
    const char *at = str_eq(text, "none") ? "" : text;
    while (*at != '\0') {
        char *end;
        uint64_t first = strtoull(at, &end, 10);
        uint64_t last = *end == '-' ? strtoull(end + 1, &end, 10) : first;
        if (end == at || first == 0 || last < first || last > SKIPS_MAX ||
            (*end != ',' && *end != '\0')) {
            skips_fini(&s);
            return E_INVAL;
        }
        for (uint64_t i = first; i <= last; i++) {
            skips_set(&s, i, true);
        }
        at = *end == ',' ? end + 1 : end;
    }
    *ret = s;
    return 0;
}
