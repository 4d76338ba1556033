/* Records: one version of one key each, chained from new to old.
 *
 * Time travel. Versions of a key form a list through `prev`. With 1,000 versions since the
 * last compaction a read at an old revision would walk 1,000 steps; so each record also holds
 * one jump further back, spaced like the digits of a skew-binary number (Myers 1983): depth 7
 * jumps to 0, depth 10 to 7, ... and every version is at most about 2 log2(n) steps away.
 *
 * Compaction and jumps. Compaction to revision c cuts `prev` of every record at or before c.
 * What a cut leaves behind has mod_revision < c or is older than a record at or before c;
 * hence a target with revision > c is alive, and nothing else is ever looked at. A jump that
 * cannot be computed any more (the chain it would follow is compacted) falls back to one step,
 * and spacing recovers from there. */
#include "store/record.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"

static void jump_init(struct record *r, struct record *prev, int64_t compact_revision)
{
    struct record_jump *j = record_jump(r);
    uint32_t prev_depth = prev->linked ? record_jump(prev)->depth : 0;
    *j = (struct record_jump){
        .to = prev,
        .revision = prev->mod_revision,
        .depth = prev_depth + 1,
        .to_depth = prev_depth,
    };
    if (!prev->linked || record_jump(prev)->revision <= compact_revision) {
        return;
    }
    const struct record_jump *a = record_jump(prev);
    if (!a->to->linked) {
        return;
    }
    const struct record_jump *b = record_jump(a->to);
    if (prev_depth - a->to_depth == a->to_depth - b->to_depth) {
        j->to = b->to;
        j->revision = b->revision;
        j->to_depth = b->to_depth;
    }
}

struct record *record_new(const struct kv_view *v, struct record *prev, int64_t compact_revision)
{
    PRE(v->key.len <= LIMIT_KEY_BYTES);
    PRE(v->value.len <= LIMIT_VALUE_BYTES);
    size_t jump = prev != NULL ? sizeof(struct record_jump) : 0;
    struct record *r = mem_alloc(sizeof *r + jump + v->key.len + v->value.len);
    *r = (struct record){
        .refs = 1,
        .key_len = (uint32_t)v->key.len & 0x3fffffff,
        .tombstone = v->tombstone ? 1 : 0,
        .linked = prev != NULL ? 1 : 0,
        .value_len = (uint32_t)v->value.len,
        .sub = v->sub,
        .create_revision = v->create_revision,
        .mod_revision = v->mod_revision,
        .version = v->version,
        .lease = v->lease,
        .prev = prev,
    };
    if (prev != NULL) {
        jump_init(r, prev, compact_revision);
    }
    memcpy(r->bytes + jump, v->key.data, v->key.len);
    if (v->value.len != 0) {
        memcpy(r->bytes + jump + v->key.len, v->value.data, v->value.len);
    }
    return r;
}

struct record *record_ref(struct record *r)
{
    if (r != NULL) {
        r->refs++;
    }
    return r;
}

/* A loop, not a recursion: a chain may be millions long. */
void record_unref(struct record *r)
{
    while (r != NULL) {
        INVARIANT(r->refs > 0);
        if (--r->refs != 0) {
            return;
        }
        struct record *prev = r->prev;
        mem_free(r);
        r = prev;
    }
}

struct record *record_at(struct record *head, int64_t revision)
{
    struct record *r = head;
    while (r != NULL && r->mod_revision > revision) {
        if (r->linked && record_jump(r)->revision > revision) {
            r = record_jump(r)->to;
        } else {
            r = r->prev;
        }
    }
    return r;
}

struct record *record_live_at(struct record *head, int64_t revision)
{
    struct record *r = record_at(head, revision);
    return r == NULL || r->tombstone ? NULL : r;
}

void record_cut(struct record *r)
{
    struct record *prev = r->prev;
    r->prev = NULL;
    record_unref(prev);
}

int64_t record_bytes(const struct record *r)
{
    size_t n = sizeof *r + (r->linked ? sizeof(struct record_jump) : 0) + r->key_len + r->value_len;
    return (int64_t)((n + 8 + 15) & ~(size_t)15);
}

void record_view(const struct record *r, struct kv_view *ret_view)
{
    *ret_view = (struct kv_view){
        .key = record_key(r),
        .value = record_value(r),
        .create_revision = r->create_revision,
        .mod_revision = r->mod_revision,
        .version = r->version,
        .lease = r->lease,
        .sub = r->sub,
        .tombstone = r->tombstone != 0,
    };
}

/* A predecessor that is a tombstone ended an earlier life of the key: there is no version
 * before. */
struct record *record_prev(const struct record *r)
{
    return r->prev == NULL || r->prev->tombstone ? NULL : r->prev;
}
