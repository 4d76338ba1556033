/* Writing a snapshot: a pinned root, walked in key order and told as frames.
 *
 *     frame   = u32 big-endian length, then that many bytes of msgpack
 *     head    = 1, "barque-store", version, revision, compact revision, applied index, digest
 *     leases  = 2, then (id, ttl_s, remaining_ttl_s) until the frame ends; ids ascend
 *     records = 3, then records until the frame ends
 *     alarms  = 5, then (member, type, flags) until the frame ends; only if one is set
 *     auth    = 6, then items until the frame ends (auth_snapshot.c); only if ever set
 *     end     = 4, number of records, CRC-32C of all bytes before this frame
 *
 *     record  = key, flags, mod, sub, value, create, version, lease   (a tombstone ends after sub)
 *
 * Keys ascend; a key's versions go from old to new, and all but the first say nil for the key.
 * Only what a legal request can reach is told: everything from the compact revision on, and per
 * key the one live version before it. So two members with equal digests write equal bytes,
 * however far each has swept its memory.
 *
 * The pin holds the tree and keeps compaction from cutting predecessors, so the reader thread
 * follows pointers that nobody changes; reference counts are the loop's alone and are not
 * touched here. */
#include "store/snapshot.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/codec/crc32c.h"
#include "lib/codec/mp.h"
#include "store/internal.h"

enum phase {
    PHASE_HEAD,
    PHASE_LEASES,
    PHASE_ALARMS,
    PHASE_AUTH,
    PHASE_RECORDS,
    PHASE_END,
    PHASE_DONE,
};

struct store_pin {
    struct tree tree;
    int64_t revision, compact_revision;
    uint64_t applied_index, digest;
    struct arena arena; /* of the lease list */
    struct lease_info *leases;
    size_t n_leases, next_lease;
    struct buf alarms; /* its frame, whole; empty: none */
    struct buf auth;   /* its frames, whole */
    size_t auth_told;

    enum phase phase;
    struct tree_cursor cursor;
    struct record **chain; /* versions of the current key, new to old; told from the end */
    size_t n_chain, chain_cap;
    bool chain_starts;     /* its key has not been told yet */
    uint64_t n_records;
    uint32_t crc;
};

struct store_pin *store_pin(struct store *s)
{
    struct store_pin *p = mem_zalloc(sizeof *p);
    p->tree = tree_ref(&s->tree);
    p->revision = s->revision;
    p->compact_revision = s->compact_revision;
    p->applied_index = s->applied_index;
    p->digest = s->digest;
    arena_init(&p->arena);
    p->n_leases = BUG(BUG_STORE_LEASES_UNTOLD) ? 0 : lease_list(&s->leases, &p->arena, &p->leases);
    if (!BUG(BUG_ALARMS_UNTOLD)) {
        alarms_write_frame(&s->alarms, &p->alarms);
    }
    if (!BUG(BUG_AUTH_UNTOLD)) {
        auth_write_frames(&s->auth, &p->auth);
    }
    tree_seek(&p->tree, slice_make(NULL, 0), &p->cursor);
    s->pins++;
    return p;
}

void store_unpin(struct store *s, struct store_pin *p)
{
    if (p == NULL) {
        return;
    }
    PRE(s->pins > 0);
    s->pins--;
    tree_fini(&p->tree);
    arena_fini(&p->arena);
    buf_fini(&p->alarms);
    buf_fini(&p->auth);
    mem_free(p->chain);
    mem_free(p);
}

void store_pin_look(const struct store_pin *p, struct store_pin_view *ret_view)
{
    *ret_view = (struct store_pin_view){ .tree = &p->tree, .revision = p->revision,
                                         .compact_revision = p->compact_revision,
                                         .applied_index = p->applied_index,
                                         .leases = p->leases, .n_leases = p->n_leases,
                                         .auth = buf_slice(&p->auth) };
}

/* --- frames ----------------------------------------------------------------------------------- */

static size_t frame_open(struct buf *out, enum snapshot_frame kind)
{
    size_t at = out->len;
    buf_put_u32(out, 0);
    mp_put_u64(out, kind);
    return at;
}

static void frame_close(struct store_pin *p, struct buf *out, size_t at)
{
    size_t len = out->len - at - 4;
    INVARIANT(len <= SNAPSHOT_FRAME_MAX);
    for (int i = 0; i < 4; i++) {
        out->data[at + (size_t)i] = (uint8_t)(len >> (24 - 8 * i));
    }
    p->crc = crc32c(p->crc, out->data + at, out->len - at);
}

static bool frame_full(const struct buf *out, size_t at)
{
    return out->len - at >= SNAPSHOT_FRAME_BYTES;
}

static void tell_head(struct store_pin *p, struct buf *out)
{
    size_t at = frame_open(out, FRAME_HEAD);
    mp_put_str(out, SNAPSHOT_MAGIC);
    mp_put_u64(out, SNAPSHOT_VERSION);
    mp_put_i64(out, p->revision);
    mp_put_i64(out, p->compact_revision);
    mp_put_u64(out, p->applied_index);
    mp_put_u64(out, p->digest);
    frame_close(p, out, at);
    p->phase = PHASE_LEASES;
}

static void tell_leases(struct store_pin *p, struct buf *out)
{
    if (p->next_lease == p->n_leases) {
        p->phase = PHASE_ALARMS;
        return;
    }
    size_t at = frame_open(out, FRAME_LEASES);
    while (p->next_lease < p->n_leases && !frame_full(out, at)) {
        const struct lease_info *l = &p->leases[p->next_lease++];
        mp_put_i64(out, l->id);
        mp_put_i64(out, l->ttl_s);
        mp_put_i64(out, l->remaining_ttl_s);
    }
    frame_close(p, out, at);
}

static void tell_alarms(struct store_pin *p, struct buf *out)
{
    buf_append_slice(out, buf_slice(&p->alarms));
    p->crc = crc32c(p->crc, p->alarms.data, p->alarms.len);
    p->phase = PHASE_AUTH;
}

static void tell_auth(struct store_pin *p, struct buf *out)
{
    if (p->auth_told == p->auth.len) {
        p->phase = PHASE_RECORDS;
        return;
    }
    const uint8_t *f = p->auth.data + p->auth_told;
    size_t len = 4 + ((size_t)f[0] << 24 | (size_t)f[1] << 16 | (size_t)f[2] << 8 | f[3]);
    buf_append(out, f, len);
    p->crc = crc32c(p->crc, f, len);
    p->auth_told += len;
}

static void tell_record(struct buf *out, const struct record *r, bool with_key)
{
    if (with_key) {
        mp_put_bin(out, record_key(r));
    } else {
        mp_put_nil(out);
    }
    mp_put_u64(out, r->tombstone ? RECORD_TOMBSTONE : 0);
    mp_put_i64(out, r->mod_revision);
    mp_put_i64(out, r->sub);
    if (r->tombstone) {
        return;
    }
    mp_put_bin(out, record_value(r));
    mp_put_i64(out, r->create_revision);
    mp_put_i64(out, r->version);
    mp_put_i64(out, r->lease);
}

/* Lists what can be read of the next key; false after the last key. */
static bool chain_load(struct store_pin *p)
{
    struct record *r = tree_next(&p->cursor);
    if (r == NULL) {
        return false;
    }
    p->n_chain = 0;
    p->chain_starts = true;
    for (; r != NULL; r = r->prev) {
        bool base = r->mod_revision <= compact_floor(p->compact_revision);
        if (!base || !r->tombstone) {
            p->chain = mem_grow(p->chain, &p->chain_cap, p->n_chain + 1, sizeof *p->chain);
            p->chain[p->n_chain++] = r;
        }
        if (base) {
            break;
        }
    }
    return true;
}

static void tell_records(struct store_pin *p, struct buf *out)
{
    size_t at = frame_open(out, FRAME_RECORDS);
    bool any = false;
    while (!frame_full(out, at)) {
        while (p->n_chain == 0 && chain_load(p)) {
        }
        if (p->n_chain == 0) {
            p->phase = PHASE_END;
            break;
        }
        tell_record(out, p->chain[--p->n_chain], p->chain_starts);
        p->chain_starts = false;
        p->n_records++;
        any = true;
    }
    if (any) {
        frame_close(p, out, at);
    } else {
        out->len = at;
    }
}

static void tell_end(struct store_pin *p, struct buf *out)
{
    uint32_t crc = p->crc;
    size_t at = frame_open(out, FRAME_END);
    mp_put_u64(out, p->n_records);
    mp_put_u64(out, crc);
    frame_close(p, out, at);
    p->phase = PHASE_DONE;
}

int store_pin_next(struct store_pin *p, struct buf *out)
{
    size_t start = out->len;
    while (p->phase != PHASE_DONE && out->len - start < LIMIT_SNAPSHOT_CHUNK_BYTES / 2) {
        switch (p->phase) {
        case PHASE_HEAD:
            tell_head(p, out);
            break;
        case PHASE_LEASES:
            tell_leases(p, out);
            break;
        case PHASE_ALARMS:
            tell_alarms(p, out);
            break;
        case PHASE_AUTH:
            tell_auth(p, out);
            break;
        case PHASE_RECORDS:
            tell_records(p, out);
            break;
        case PHASE_END:
            tell_end(p, out);
            break;
        case PHASE_DONE:
            break;
        }
    }
    return p->phase == PHASE_DONE ? 0 : 1;
}
