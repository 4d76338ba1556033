/* Alarms: a short sorted array. Members are few, so everything is a walk through it.
 *
 * In a snapshot: frame 5, (member, type, flags) repeated, ascending; flags 1 automatic. */
#include "store/alarm.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"
#include "lib/codec/mp.h"
#include "store/snapshot.h"

enum { FLAG_AUTOMATIC = 1 };

void alarms_fini(struct alarms *a)
{
    mem_free(a->items);
    *a = (struct alarms){ 0 };
}

/* The first one that is not before (member, type). */
static size_t place_of(const struct alarms *a, uint64_t member, enum alarm_type type)
{
    size_t i = 0;
    while (i < a->n && (a->items[i].member < member ||
                        (a->items[i].member == member && a->items[i].type < type))) {
        i++;
    }
    return i;
}

const struct alarm *alarms_find(const struct alarms *a, uint64_t member, enum alarm_type type)
{
    size_t i = place_of(a, member, type);
    bool there = i < a->n && a->items[i].member == member && a->items[i].type == type;
    return there ? &a->items[i] : NULL;
}

bool alarms_active(const struct alarms *a, enum alarm_type type)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->items[i].type == type) {
            return true;
        }
    }
    return false;
}

static int set(struct alarms *a, const struct alarm_change *c)
{
    size_t i = place_of(a, c->member, c->type);
    if (alarms_find(a, c->member, c->type) != NULL) {
        a->items[i].automatic = a->items[i].automatic && c->automatic; /* by hand: it stays */
        return 0;
    }
    if (a->n == LIMIT_ALARMS) {
        return E_FULL;
    }
    a->items = mem_grow(a->items, &a->cap, a->n + 1, sizeof *a->items);
    memmove(a->items + i + 1, a->items + i, (a->n - i) * sizeof *a->items);
    a->items[i] = (struct alarm){ c->member, c->type, c->automatic };
    a->n++;
    return 0;
}

static bool clear(struct alarms *a, const struct alarm_change *c)
{
    const struct alarm *found = alarms_find(a, c->member, c->type);
    if (found == NULL || (c->automatic && !found->automatic)) {
        return false;
    }
    size_t i = (size_t)(found - a->items);
    memmove(a->items + i, a->items + i + 1, (a->n - i - 1) * sizeof *a->items);
    a->n--;
    return true;
}

int alarms_apply(struct alarms *a, const struct alarm_change *c, bool *ret_told)
{
    if (c->type == ALARM_NONE) { /* etcd: nothing is set, and nothing is wrong with that */
        *ret_told = false;
        return 0;
    }
    if (!c->active) {
        *ret_told = clear(a, c);
        return 0;
    }
    int rv = set(a, c);
    *ret_told = rv == 0;
    return rv;
}

bool alarm_adds_bytes(const struct command *c)
{
    return c->type == COMMAND_PUT || c->type == COMMAND_LEASE_GRANT ||
           (BUG(BUG_NOSPACE_FOR_DELETES) && c->type == COMMAND_DELETE) ||
           (c->type == COMMAND_TXN && txn_has_put(&c->txn));
}

/* What etcd's applierV3Corrupt refuses. */
static bool changes_keys(const struct command *c)
{
    return c->type == COMMAND_PUT || c->type == COMMAND_DELETE || c->type == COMMAND_TXN ||
           c->type == COMMAND_COMPACT || c->type == COMMAND_LEASE_GRANT ||
           c->type == COMMAND_LEASE_REVOKE;
}

int alarms_refuse(const struct alarms *a, const struct command *c)
{
    if (a->n == 0) {
        return 0;
    }
    if (alarms_active(a, ALARM_CORRUPT) && changes_keys(c)) {
        return E_CORRUPT;
    }
    return alarms_active(a, ALARM_NOSPACE) && alarm_adds_bytes(c) ? E_NOSPACE : 0;
}

/* --- snapshots -------------------------------------------------------------------------------- */

void alarms_write_frame(const struct alarms *a, struct buf *out)
{
    if (a->n == 0) {
        return;
    }
    size_t at = out->len;
    buf_put_u32(out, 0);
    mp_put_u64(out, FRAME_ALARMS);
    for (size_t i = 0; i < a->n; i++) {
        mp_put_u64(out, a->items[i].member);
        mp_put_u64(out, a->items[i].type);
        mp_put_u64(out, a->items[i].automatic ? FLAG_AUTOMATIC : 0);
    }
    size_t len = out->len - at - 4;
    for (int i = 0; i < 4; i++) {
        out->data[at + (size_t)i] = (uint8_t)(len >> (24 - 8 * i));
    }
}

int alarms_read_frame(struct alarms *a, struct mp_reader *m)
{
    while (m->at < m->end) {
        uint64_t member = mp_get_u64(m), type = mp_get_u64(m), flags = mp_get_u64(m);
        if (mp_reader_error(m) != 0 || type < ALARM_NOSPACE || type > ALARM_CORRUPT ||
            flags > FLAG_AUTOMATIC) {
            return E_CORRUPT;
        }
        struct alarm_change c = { true, member, (enum alarm_type)type, flags != 0 };
        if (place_of(a, member, c.type) != a->n || set(a, &c) != 0) {
            return E_CORRUPT; /* out of order, or too many */
        }
    }
    return 0;
}
