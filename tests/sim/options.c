/* A run's options: drawn from its seed (swarm), fixed by name (--set, regression files), printed.
 *
 * One table names them all. A regression file fixes every one, because sim_draw changes with the
 * simulator and a kept run should not. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "tests/sim/admin.h"

enum type { T_MASK, T_UNSIGNED, T_U64, T_SIZE, T_DOUBLE, T_BOOL };

static const struct option {
    const char *name;
    size_t offset;
    enum type type;
} OPTIONS[] = {
#define OPTION(field, type) { #field, offsetof(struct sim_options, field), type }
    OPTION(faults, T_MASK),
    OPTION(acts, T_MASK),
    OPTION(founders, T_UNSIGNED),
    OPTION(salt, T_U64),
    OPTION(fault_us, T_U64),
    OPTION(heal_us, T_U64),
    OPTION(nemesis_lo_us, T_U64),
    OPTION(nemesis_hi_us, T_U64),
    OPTION(client_lo_us, T_U64),
    OPTION(client_hi_us, T_U64),
    OPTION(delay_lo_us, T_U64),
    OPTION(delay_hi_us, T_U64),
    OPTION(loss, T_DOUBLE),
    OPTION(duplicate, T_DOUBLE),
    OPTION(late, T_DOUBLE),
    OPTION(disk_lo_us, T_U64),
    OPTION(disk_hi_us, T_U64),
    OPTION(turn_us, T_U64),
    OPTION(payload_max, T_UNSIGNED),
    OPTION(keys, T_UNSIGNED),
    OPTION(snapshot_entries, T_U64),
    OPTION(snapshot_trailing, T_U64),
    OPTION(chunk_us, T_U64),
    OPTION(wal_segment_bytes, T_SIZE),
    OPTION(inflight_max, T_UNSIGNED),
    OPTION(no_pre_vote, T_BOOL),
    OPTION(admin, T_UNSIGNED),
    OPTION(clients, T_UNSIGNED),
    OPTION(masters, T_UNSIGNED),
    OPTION(agents, T_UNSIGNED),
    OPTION(window_bytes, T_SIZE),
    OPTION(piece_bytes, T_SIZE),
    OPTION(split, T_DOUBLE),
#undef OPTION
};

static const char *const FAULT_NAMES[FAULTS] = {
    "crash", "crash-in-write", "pause", "partition", "transfer", "membership", "stop",
    "slow-disk", "loss", "duplicate", "reorder", "stream", "clock", "power", "disk-error",
    "bit-flip", "disk-full", "conn", "flap", "wall-clock", "misdirect", "disk-stall",
};

/* --- drawing ---------------------------------------------------------------------------------- */

static uint64_t pick(struct rng *r, const uint64_t *values, size_t n)
{
    return values[rng_range(r, 0, n - 1)];
}
#define PICK(r, ...) \
    pick(r, (const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8)

static uint32_t draw_faults(struct rng *r)
{
    uint32_t faults = 0;
    for (unsigned i = 0; i < FAULTS_BARE; i++) {
        faults |= rng_chance(r, 0.6) ? 1u << i : 0;
    }
    if (rng_chance(r, 0.7)) {
        faults &= ~(uint32_t)FAULT_DISK_ERROR;
    }
    if (rng_chance(r, 0.6)) {
        faults &= ~(uint32_t)FAULT_BIT_FLIP;
    }
    return faults;
}

/* Faults that would be more than a cluster can stand. */
static uint32_t bearable(uint32_t faults, unsigned founders)
{
    if (founders < 3) {
        faults &= ~(uint32_t)FAULT_BIT_FLIP;
    }
    if ((faults & FAULT_BIT_FLIP) != 0) {
        faults &= ~(uint32_t)FAULT_MEMBERSHIP; /* who is lost needs the others' quorum */
    }
    return faults;
}

bool options_bearable(const struct sim_options *o)
{
    return bearable(o->faults, o->founders) == o->faults;
}

static void option_copy(const struct option *option, struct sim_options *to,
                        const struct sim_options *from)
{
    static const size_t SIZES[] = {
        [T_MASK] = sizeof(uint32_t), [T_UNSIGNED] = sizeof(unsigned), [T_U64] = sizeof(uint64_t),
        [T_SIZE] = sizeof(size_t),   [T_DOUBLE] = sizeof(double),     [T_BOOL] = sizeof(bool),
    };
    memcpy((char *)to + option->offset, (const char *)from + option->offset, SIZES[option->type]);
}

/* Healing takes longer: replacements are held for a minute where many nodes vanished at once, and
 * then it must be quiet for a while. */
static void draw_orchestration(struct rng *r, struct sim_options *o)
{
    o->masters = (unsigned)PICK(r, 2, 3);
    o->agents = (unsigned)PICK(r, 2, 3, 4);
    o->heal_us = 150000000;
}

/* What whole members and their clients need besides; drawn last, so that the rest stays. */
static void draw_world(const struct sim_setup *setup, struct rng *r, struct sim_options *o)
{
    for (unsigned i = FAULTS_BARE; i < FAULTS_DRAWN; i++) {
        o->faults |= rng_chance(r, 0.6) ? 1u << i : 0;
    }
    o->faults = bearable(o->faults & ~setup->faults_off, o->founders);
    o->acts = o->faults;
    o->keys = (unsigned)PICK(r, 3, 6, 12);
    o->payload_max = (unsigned)PICK(r, 0, 0, 100, 3000, 40000, 300000);
    o->clients = (unsigned)PICK(r, 2, 3, 4);
    o->client_lo_us = 1000 * PICK(r, 5, 20, 50);
    o->client_hi_us = 1000 * PICK(r, 60, 150, 400);
    o->window_bytes = (size_t)PICK(r, 2048, 65536, 65536, 262144);
    if (o->window_bytes < 65536 && o->payload_max > 3000) {
        o->payload_max = 3000; /* 50 KB/s: a long value would take longer than clients wait */
    }
    o->piece_bytes = (size_t)PICK(r, 200, 1500, 65536, 65536);
    o->split = 0.001 * (double)PICK(r, 0, 20, 20, 300);
    if (rng_chance(r, 0.25)) {
        draw_orchestration(r, o);
    }
}

void sim_draw(const struct sim_setup *setup, struct sim_options *o, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed);
    *o = (struct sim_options){ .seed = seed };
    o->faults = draw_faults(&r);
    o->founders = (unsigned)PICK(&r, 1, 2, 3, 3, 3, 3, 4, 5, 5);
    o->founders = setup->founders != 0 ? setup->founders : o->founders;
    o->faults = bearable((o->faults | setup->faults_on) & ~setup->faults_off, o->founders);
    o->acts = o->faults;
    o->fault_us = 1000000 * PICK(&r, 30, 60, 60, 120);
    o->heal_us = 30000000;
    o->nemesis_lo_us = 1000 * PICK(&r, 50, 200, 500);
    o->nemesis_hi_us = 1000 * PICK(&r, 1000, 2500, 6000);
    o->client_lo_us = 1000 * PICK(&r, 1, 5, 20);
    o->client_hi_us = 1000 * PICK(&r, 30, 60, 250);
    o->delay_lo_us = PICK(&r, 50, 200, 1000);
    o->delay_hi_us = PICK(&r, 1000, 3000, 8000, 40000);
    o->loss = (o->faults & FAULT_LOSS) != 0 ? 0.001 * (double)PICK(&r, 5, 10, 50, 200) : 0;
    o->duplicate = (o->faults & FAULT_DUPLICATE) != 0 ? 0.02 : 0;
    o->late = (o->faults & FAULT_REORDER) != 0 ? 0.001 * (double)PICK(&r, 2, 20, 50) : 0.001;
    o->disk_lo_us = PICK(&r, 20, 200, 1000);
    o->disk_hi_us = PICK(&r, 1000, 6000, 20000);
    o->turn_us = PICK(&r, 0, 20, 200, 1000);
    o->payload_max = (unsigned)PICK(&r, 0, 16, 100, 1000);
    o->keys = 40;
    o->snapshot_entries = PICK(&r, 20, 60, 200, 100000);
    o->snapshot_trailing = PICK(&r, 0, 5, 20, 100);
    o->chunk_us = PICK(&r, 200, 5000, 100000);
    o->wal_segment_bytes = (size_t)PICK(&r, 8192, 32768, 262144);
    o->inflight_max = (unsigned)PICK(&r, 0, 64, 256);
    o->no_pre_vote = rng_chance(&r, 0.2);
    if (setup->machine == &WORLD_OPS) {
        draw_world(setup, &r, o);
    }
    o->admin = setup->machine != &CHAIN_OPS ? admin_draw(o, setup->machine == &WORLD_OPS) : 0;
    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++) {
        if ((setup->set_mask >> i & 1) != 0) {
            option_copy(&OPTIONS[i], o, &setup->set);
        }
    }
}

/* --- fixing ----------------------------------------------------------------------------------- */

static int parse_faults(const char *text, uint32_t *ret)
{
    uint32_t faults = 0;
    const char *at = str_eq(text, "none") ? "" : text;
    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        size_t i = 0;
        while (i < FAULTS && (strlen(FAULT_NAMES[i]) != len ||
                              strncmp(FAULT_NAMES[i], at, len) != 0)) {
            i++;
        }
        if (i == FAULTS) {
            return E_INVAL;
        }
        faults |= 1u << i;
        at += len + (at[len] == ',');
    }
    *ret = faults;
    return 0;
}

static int option_parse(const struct option *option, struct sim_options *o, const char *text)
{
    void *field = (char *)o + option->offset;
    char *end;
    errno = 0;
    if (option->type == T_MASK) {
        return parse_faults(text, field);
    }
    if (option->type == T_DOUBLE) {
        *(double *)field = strtod(text, &end);
        return end == text || *end != '\0' ? E_INVAL : 0;
    }
    uint64_t value = strtoull(text, &end, 0);
    if (end == text || *end != '\0' || errno != 0 ||
        (option->type == T_UNSIGNED && value > UINT32_MAX) ||
        (option->type == T_BOOL && value > 1)) {
        return E_INVAL;
    }
    switch (option->type) {
    case T_UNSIGNED:
        *(unsigned *)field = (unsigned)value;
        break;
    case T_SIZE:
        *(size_t *)field = (size_t)value;
        break;
    case T_BOOL:
        *(bool *)field = value != 0;
        break;
    default:
        *(uint64_t *)field = value;
        break;
    }
    return 0;
}

int options_set(struct sim_setup *setup, const char *name, const char *value)
{
    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++) {
        if (str_eq(OPTIONS[i].name, name)) {
            setup->set_mask |= (uint64_t)1 << i;
            return option_parse(&OPTIONS[i], &setup->set, value);
        }
    }
    return E_NOTFOUND;
}

void options_pin(struct sim_setup *setup, uint64_t seed)
{
    sim_draw(setup, &setup->set, seed);
    setup->set_mask = ((uint64_t)1 << ARRAY_LEN(OPTIONS)) - 1;
}

/* --- printing --------------------------------------------------------------------------------- */

void options_print_faults(uint32_t faults, struct buf *out)
{
    const char *between = "";
    for (unsigned i = 0; i < FAULTS; i++) {
        if ((faults >> i & 1) != 0) {
            buf_printf(out, "%s%s", between, FAULT_NAMES[i]);
            between = ",";
        }
    }
    if (between[0] == '\0') {
        buf_append_str(out, "none");
    }
}

static void option_print(const struct option *option, const struct sim_options *o, struct buf *out)
{
    const void *field = (const char *)o + option->offset;
    switch (option->type) {
    case T_MASK:
        options_print_faults(*(const uint32_t *)field, out);
        break;
    case T_UNSIGNED:
        buf_printf(out, "%u", *(const unsigned *)field);
        break;
    case T_U64:
        buf_printf(out, "%" PRIu64, *(const uint64_t *)field);
        break;
    case T_SIZE:
        buf_printf(out, "%zu", *(const size_t *)field);
        break;
    case T_DOUBLE:
        buf_printf(out, "%.9g", *(const double *)field);
        break;
    case T_BOOL:
        buf_printf(out, "%d", (int)*(const bool *)field);
        break;
    }
}

static void print_set(const struct sim_setup *setup, const char *before, char between,
                      const char *after, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++) {
        if ((setup->set_mask >> i & 1) != 0) {
            buf_printf(out, "%s%s%c", before, OPTIONS[i].name, between);
            option_print(&OPTIONS[i], &setup->set, out);
            buf_append_str(out, after);
        }
    }
}

void options_print_set(const struct sim_setup *setup, struct buf *out)
{
    print_set(setup, " --set ", '=', "", out);
}

void options_print_lines(const struct sim_setup *setup, struct buf *out)
{
    print_set(setup, "", ' ', "\n", out);
}

void sim_print_options(const struct sim_options *o)
{
    enum { COLUMNS = 100 };
    autobuf line = BUF_INIT;
    printf("seed %" PRIu64 "\n", o->seed);
    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++) {
        autobuf one = BUF_INIT;
        buf_printf(&one, "  %s ", OPTIONS[i].name);
        option_print(&OPTIONS[i], o, &one);
        if (line.len > 0 && line.len + one.len > COLUMNS) {
            printf("%s\n", buf_str(&line));
            buf_reset(&line);
        }
        buf_append_slice(&line, buf_slice(&one));
    }
    printf("%s\n", buf_str(&line));
}
