/* The small state machine: a chain of hashes. One applied command more or less, or in another
 * order, and every later digest differs. Its snapshot is the state and some filling, in several
 * chunks. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "tests/sim/machine.h"

enum { CHAIN_MAGIC = 0x43484149, CHUNKS_MAX = 6, FILL_BYTES = 700 };

struct chain {
    uint64_t magic;
    uint64_t applied; /* index of the last command */
    uint64_t digest;
    uint64_t count;
};

struct pin {
    struct chain state;
    unsigned chunks, sent;
};

static uint64_t mix(uint64_t h, uint64_t v)
{
    return hash_u64(h ^ hash_u64(v + 0x9e3779b97f4a7c15u));
}

static void *chain_new(struct node *n)
{
    struct chain *c = mem_zalloc(sizeof *c);
    (void)n;
    c->magic = CHAIN_MAGIC;
    c->digest = 1;
    return c;
}

static void chain_apply(void *state, uint64_t index, uint64_t term, struct slice command)
{
    struct chain *c = state;
    c->digest = mix(mix(mix(c->digest, index), term), hash_bytes(command.data, command.len));
    c->applied = index;
    c->count++;
}

static void *chain_pin(void *state)
{
    struct pin *p = mem_zalloc(sizeof *p);
    p->state = *(struct chain *)state;
    p->chunks = 1 + (unsigned)(p->state.digest % CHUNKS_MAX);
    return p;
}

static int chain_next(void *pin, struct buf *out)
{
    struct pin *p = pin;
    uint8_t fill[FILL_BYTES];
    if (p->sent == 0) {
        buf_append(out, &p->state, sizeof p->state);
    }
    memset(fill, (int)p->sent, sizeof fill);
    buf_append(out, fill, sizeof fill);
    return ++p->sent < p->chunks;
}

static void chain_unpin(void *pin)
{
    mem_free(pin);
}

static int chain_restore(void *state, struct slice bytes, uint64_t offset)
{
    uint8_t *to = state;
    for (size_t i = 0; i < bytes.len && offset + i < sizeof(struct chain); i++) {
        to[offset + i] = bytes.data[i];
    }
    return 0;
}

static bool chain_restored(void *state, uint64_t bytes)
{
    struct chain *c = state;
    unsigned chunks = 1 + (unsigned)(c->digest % CHUNKS_MAX);
    return c->magic == CHAIN_MAGIC && bytes == sizeof *c + (uint64_t)chunks * FILL_BYTES;
}

static void chain_free(void *state)
{
    mem_free(state);
}

static uint64_t chain_digest(const void *state)
{
    return ((const struct chain *)state)->digest;
}

static uint64_t chain_applied(const void *state)
{
    return ((const struct chain *)state)->applied;
}

static uint64_t chain_content(void *state)
{
    return ((const struct chain *)state)->count;
}

/* The id, then filling whose length and bytes follow from the run's randomness. */
static void chain_command(struct sim *s, uint64_t id, struct buf *out)
{
    size_t len = (size_t)rng_range(&s->dice, 0, s->o.payload_max);
    buf_put_u64(out, id);
    uint8_t *p = buf_reserve(out, len);
    memset(p, (int)(id & 0xff), len);
    buf_advance(out, len);
}

const struct machine_ops CHAIN_OPS = {
    .new = chain_new,
    .free = chain_free,
    .apply = chain_apply,
    .digest = chain_digest,
    .applied = chain_applied,
    .content = chain_content,
    .pin = chain_pin,
    .next = chain_next,
    .unpin = chain_unpin,
    .restore = chain_restore,
    .restored = chain_restored,
    .command = chain_command,
};
