/* The work queue against a naive model: a table of eight keys and a line of them. The bytes choose
 * the calls; time only moves on. After each call every question has the same answer. */
#include <string.h>

#include "client/workqueue.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { KEYS = 8, BASE_MS = 4, MAX_MS = 40, STEPS_MAX = 4000 };

struct key {
    char name[2];
    bool in_line, processing, dirty, delayed;
    uint64_t due_ms, order; /* of delayed ones: equal times come out as they went in */
    uint32_t failures;
};

struct model {
    struct key keys[KEYS];
    size_t line[KEYS], n_line;
    uint64_t order;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void line_up(struct model *m, size_t k)
{
    if (m->keys[k].processing) {
        m->keys[k].dirty = true;
    } else if (!m->keys[k].in_line) {
        m->keys[k].in_line = true;
        m->line[m->n_line++] = k;
    }
}

static void add(struct model *m, size_t k)
{
    m->keys[k].delayed = false;
    line_up(m, k);
}

static void add_at(struct model *m, size_t k, uint64_t due_ms)
{
    struct key *key = &m->keys[k];
    if (key->in_line || key->dirty || (key->delayed && key->due_ms <= due_ms)) {
        return;
    }
    key->delayed = true;
    key->due_ms = due_ms;
    key->order = ++m->order;
}

static uint64_t wait_ms(uint32_t failures)
{
    uint64_t ms = BASE_MS;
    for (uint32_t i = 1; i < failures && ms < MAX_MS; i++) {
        ms *= 2;
    }
    return ms < MAX_MS ? ms : MAX_MS;
}

/* The delayed key that is due first; KEYS: none. */
static size_t first_due(const struct model *m)
{
    size_t best = KEYS;
    for (size_t k = 0; k < KEYS; k++) {
        const struct key *a = &m->keys[k], *b = &m->keys[best % KEYS];
        if (a->delayed && (best == KEYS || a->due_ms < b->due_ms ||
                           (a->due_ms == b->due_ms && a->order < b->order))) {
            best = k;
        }
    }
    return best;
}

static size_t get(struct model *m, uint64_t now_ms)
{
    size_t k;
    while ((k = first_due(m)) != KEYS && m->keys[k].due_ms <= now_ms) {
        m->keys[k].delayed = false;
        line_up(m, k);
    }
    if (m->n_line == 0) {
        return KEYS;
    }
    k = m->line[0];
    memmove(m->line, m->line + 1, --m->n_line * sizeof m->line[0]);
    m->keys[k].in_line = false;
    m->keys[k].processing = true;
    return k;
}

static void done(struct model *m, size_t k)
{
    m->keys[k].processing = false;
    if (m->keys[k].dirty) {
        m->keys[k].dirty = false;
        line_up(m, k);
    }
}

static void clear(struct model *m)
{
    m->n_line = 0;
    for (size_t k = 0; k < KEYS; k++) {
        m->keys[k].in_line = m->keys[k].dirty = m->keys[k].delayed = false;
        m->keys[k].failures = 0;
    }
}

static void compare(const struct model *m, const struct workqueue *q)
{
    size_t delayed = 0, processing = 0;
    for (size_t k = 0; k < KEYS; k++) {
        delayed += m->keys[k].delayed;
        processing += m->keys[k].processing;
        INVARIANT(workqueue_failures(q, m->keys[k].name) == m->keys[k].failures);
    }
    INVARIANT(workqueue_len(q) == m->n_line);
    INVARIANT(workqueue_delayed(q) == delayed);
    INVARIANT(workqueue_processing(q) == processing);
    size_t due = first_due(m);
    uint64_t next = m->n_line > 0 ? 0 : due != KEYS ? m->keys[due].due_ms : UINT64_MAX;
    INVARIANT(workqueue_next_due_ms(q) == next);
}

static void step(struct model *m, struct workqueue *q, uint8_t what, uint64_t now_ms)
{
    size_t k = what >> 5;
    const char *name = m->keys[k].name;
    switch (what % 8) {
    case 0:
        add(m, k);
        workqueue_add(q, name);
        break;
    case 1:
        add_at(m, k, now_ms + (what >> 3) % 4 * 5);
        workqueue_add_at(q, name, now_ms + (what >> 3) % 4 * 5);
        break;
    case 2:
        add_at(m, k, now_ms + wait_ms(++m->keys[k].failures));
        workqueue_add_rate_limited(q, name, now_ms);
        break;
    case 3:
        m->keys[k].failures = 0;
        workqueue_forget(q, name);
        break;
    case 4:
    case 5: {
        size_t want = get(m, now_ms);
        const char *got = workqueue_get(q, now_ms);
        INVARIANT((got == NULL) == (want == KEYS));
        INVARIANT(got == NULL || strcmp(got, m->keys[want].name) == 0);
        break;
    }
    case 6:
        if (m->keys[k].processing) {
            done(m, k);
            workqueue_done(q, name);
        }
        break;
    default:
        if (what == 0xff) {
            clear(m);
            workqueue_clear(q);
        }
        break;
    }
    compare(m, q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct workqueue_options options = { .backoff_base_ms = BASE_MS, .backoff_max_ms = MAX_MS };
    struct workqueue *q = workqueue_new(&options);
    struct model m = { 0 };
    uint64_t now_ms = 1;
    for (size_t k = 0; k < KEYS; k++) {
        m.keys[k].name[0] = (char)('a' + k);
    }
    for (size_t i = 0; i < size && i < STEPS_MAX; i++) {
        now_ms += data[i] % 8 == 7 ? data[i] >> 3 : 0;
        step(&m, q, data[i], now_ms);
    }
    workqueue_free(q);
    return 0;
}
