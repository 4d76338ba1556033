/* Compaction: a mark that everyone obeys at once, and memory that follows in small steps.
 *
 * The mark is replicated state: reads below it are refused from the entry on. The memory is
 * each member's own affair. The changes of the mark's own revision stay: a watch may begin there,
 * as in etcd, whose clients go on from the compacted revision that they are told. So the
 * revision log before the mark is walked from the front, and every record there is, just before
 * the mark, either the visible version of its key, or has been superseded. Either way what came
 * before it can never be read again, so its predecessor is cut off:
 *
 *     key:   v3(rev 3) <- v7(rev 7) <- v12(rev 12)      compact to 8
 *     log:   ... 3 ... 7: cut v3 off.  v7 stays: it is what revision 8 sees.
 *
 * A tombstone that is still its key's newest record leaves the tree altogether. While a pin
 * exists nothing is cut: the pin's reader follows predecessors. */
#include "lib/base/assert.h"
#include "store/internal.h"

int compact_mark(struct store *s, int64_t revision)
{
    if (revision <= s->compact_revision) {
        return E_COMPACTED;
    }
    if (revision > s->revision) {
        return E_FUTURE_REV;
    }
    s->compact_revision = revision;
    return 0;
}

static void compact_record(struct store *s, struct record *r)
{
    if (r->prev != NULL) {
        s->size_bytes -= record_bytes(r->prev);
        record_cut(r);
    }
    if (r->tombstone && tree_get(&s->tree, record_key(r)) == r) {
        s->size_bytes -= record_bytes(r);
        tree_remove(&s->tree, record_key(r));
    }
    record_unref(r);
}

static bool compact_pending(const struct store *s)
{
    int64_t floor = compact_floor(s->compact_revision);
    return s->log.n > 0 && revlog_at(&s->log, 0)->mod_revision <= floor;
}

bool store_compact_step(struct store *s, size_t max_records)
{
    if (s->pins > 0) {
        return false;
    }
    for (size_t i = 0; i < max_records && compact_pending(s); i++) {
        compact_record(s, revlog_pop(&s->log));
    }
    return compact_pending(s);
}
