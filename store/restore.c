/* Reading a snapshot: chunks of any size in, a store out. The format is described in
 * snapshot.c.
 *
 * The bytes come from a disk or a peer and are believed in nothing. Frames are checked as they
 * come; keys must ascend, versions of a key must follow from each other, leases must exist. At
 * the end the checksum must match, and the records from the compact revision on must fill every
 * revision from there to the head without a gap: that also lets the revision log be rebuilt by
 * counting instead of sorting. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/codec/crc32c.h"
#include "lib/codec/mp.h"
#include "store/internal.h"
#include "store/snapshot.h"

struct store_restore {
    struct store *store;
    struct buf pending;      /* bytes of an unfinished frame */
    struct record *head;     /* newest version so far of the current key; one reference */
    struct record **records; /* from the compact revision on, in key order; borrowed */
    size_t n_records, cap;
    uint64_t n_told;
    int64_t last_lease;
    uint32_t crc;
    bool has_head, has_lease, has_records, has_end;
};

static int corrupt(struct err *err, const char *what)
{
    return err_set(err, E_CORRUPT, "snapshot: %s", what);
}

struct store_restore *store_restore_begin(const struct store_options *options)
{
    struct store_restore *r = mem_zalloc(sizeof *r);
    r->store = store_new(options);
    buf_init(&r->pending);
    return r;
}

void store_restore_abort(struct store_restore *r)
{
    if (r == NULL) {
        return;
    }
    record_unref(r->head);
    store_free(r->store);
    buf_fini(&r->pending);
    mem_free(r->records);
    mem_free(r);
}

/* --- frames ----------------------------------------------------------------------------------- */

static int read_head(struct store_restore *r, struct mp_reader *m, struct err *err)
{
    struct store *s = r->store;
    struct slice magic = mp_get_bin(m, 64);
    uint64_t version = mp_get_u64(m);
    s->revision = mp_get_i64(m);
    s->compact_revision = mp_get_i64(m);
    s->applied_index = mp_get_u64(m);
    s->digest = mp_get_u64(m);
    if (mp_reader_finish(m) != 0 || !slice_eq(magic, slice_str(SNAPSHOT_MAGIC))) {
        return corrupt(err, "this is not the head of a snapshot");
    }
    if (version != SNAPSHOT_VERSION) {
        return corrupt(err, "unknown format version");
    }
    if (s->revision < 1 || s->revision > INT64_MAX / 2 || s->compact_revision < 0 ||
        s->compact_revision > s->revision) {
        return corrupt(err, "impossible revisions");
    }
    r->has_head = true;
    return 0;
}

static int read_leases(struct store_restore *r, struct mp_reader *m, struct err *err)
{
    while (m->at < m->end) {
        int64_t id = mp_get_i64(m), ttl = mp_get_i64(m), remaining = mp_get_i64(m);
        bool fits = ttl >= 1 && ttl <= LEASE_TTL_MAX_S && remaining >= 1 && remaining <= ttl;
        if (mp_reader_error(m) != 0 || id == 0 || !fits) {
            return corrupt(err, "a lease is malformed");
        }
        if (r->has_records || (r->has_lease && id <= r->last_lease)) {
            return corrupt(err, "leases are out of order");
        }
        r->has_lease = true;
        r->last_lease = id;
        struct lease *l = lease_add(&r->store->leases, id, ttl);
        lease_checkpoint(l, remaining);
    }
    return 0;
}

/* The finished key goes into the tree. */
static int flush_key(struct store_restore *r, struct err *err)
{
    struct record *head = TAKE(r->head);
    if (head == NULL) {
        return 0;
    }
    struct store *s = r->store;
    s->live_bytes += record_live_bytes(head);
    tree_put(&s->tree, head);
    if (head->lease != 0) {
        if (lease_find(&s->leases, head->lease) == NULL) {
            return corrupt(err, "a key hangs on an unknown lease");
        }
        lease_attach(&s->leases, head->lease, record_key(head));
    }
    return 0;
}

/* Does v follow from the version before it? */
static bool follows(const struct store_restore *r, const struct kv_view *v)
{
    const struct record *prev = r->head;
    int64_t compacted = compact_floor(r->store->compact_revision);
    if (v->mod_revision < 2 || v->mod_revision > r->store->revision) {
        return false;
    }
    if (prev != NULL &&
        (v->mod_revision <= compacted || v->mod_revision < prev->mod_revision ||
         (v->mod_revision == prev->mod_revision && v->sub <= prev->sub))) {
        return false;
    }
    bool lives = prev != NULL && !prev->tombstone;
    if (v->tombstone) {
        return lives;
    }
    if (lives) {
        return v->version == prev->version + 1 && v->create_revision == prev->create_revision;
    }
    if (v->version == 1) {
        return v->create_revision == v->mod_revision;
    }
    return prev == NULL && v->mod_revision <= compacted && v->version > 1 &&
           v->version <= COUNT_READ_MAX && v->create_revision >= 1 &&
           v->create_revision <= v->mod_revision;
}

static int add_record(struct store_restore *r, const struct kv_view *v, struct err *err)
{
    if (!follows(r, v)) {
        return corrupt(err, "a version does not follow from the one before it");
    }
    struct store *s = r->store;
    r->head = record_new(v, TAKE(r->head), s->compact_revision);
    s->size_bytes += record_bytes(r->head);
    r->n_told++;
    if (v->mod_revision > compact_floor(s->compact_revision)) {
        r->records = mem_grow(r->records, &r->cap, r->n_records + 1, sizeof *r->records);
        r->records[r->n_records++] = r->head;
    }
    return 0;
}

static int read_record(struct store_restore *r, struct mp_reader *m, struct err *err)
{
    bool same_key = mp_get_nil(m);
    struct kv_view v = { .key = same_key ? slice_make(NULL, 0) : mp_get_bin(m, LIMIT_KEY_BYTES) };
    v.tombstone = mp_get_u64(m) & RECORD_TOMBSTONE;
    v.mod_revision = mp_get_i64(m);
    int64_t sub = mp_get_i64(m);
    if (!v.tombstone) {
        v.value = mp_get_bin(m, LIMIT_VALUE_BYTES);
        v.create_revision = mp_get_i64(m);
        v.version = mp_get_i64(m);
        v.lease = mp_get_i64(m);
    }
    if (mp_reader_error(m) != 0 || sub < 0 || sub > INT32_MAX) {
        return corrupt(err, "a record is malformed");
    }
    v.sub = (int32_t)sub;
    if (same_key) {
        if (r->head == NULL) {
            return corrupt(err, "a record has no key");
        }
        v.key = record_key(r->head);
        return add_record(r, &v, err);
    }
    if (v.key.len == 0 || (r->head != NULL && slice_cmp(record_key(r->head), v.key) >= 0)) {
        return corrupt(err, "keys are out of order");
    }
    int rv = flush_key(r, err);
    return rv != 0 ? rv : add_record(r, &v, err);
}

static int read_records(struct store_restore *r, struct mp_reader *m, struct err *err)
{
    r->has_records = true;
    while (m->at < m->end) {
        int rv = read_record(r, m, err);
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

static int read_end(struct store_restore *r, struct mp_reader *m, struct err *err)
{
    uint64_t n = mp_get_u64(m), crc = mp_get_u64(m);
    if (mp_reader_finish(m) != 0 || n != r->n_told) {
        return corrupt(err, "the number of records differs");
    }
    if (crc != r->crc) {
        return corrupt(err, "the checksum differs");
    }
    r->has_end = true;
    return flush_key(r, err);
}

static int read_frame(struct store_restore *r, struct slice frame, struct err *err)
{
    struct mp_reader m;
    mp_reader_init(&m, frame);
    uint64_t kind = mp_get_u64(&m);
    if (r->has_end) {
        return corrupt(err, "bytes after the end");
    }
    if (r->has_head != (kind != FRAME_HEAD)) {
        return corrupt(err, "the head is missing or told twice");
    }
    switch (kind) {
    case FRAME_HEAD:
        return read_head(r, &m, err);
    case FRAME_LEASES:
        return read_leases(r, &m, err);
    case FRAME_RECORDS:
        return read_records(r, &m, err);
    case FRAME_ALARMS:
        return r->has_records || alarms_read_frame(&r->store->alarms, &m) != 0
                   ? corrupt(err, "alarms are malformed")
                   : 0;
    case FRAME_AUTH:
        return r->has_records || auth_read_frame(&r->store->auth, &m) != 0
                   ? corrupt(err, "users or roles are malformed")
                   : 0;
    case FRAME_END:
        return read_end(r, &m, err);
    default:
        return corrupt(err, "unknown kind of frame");
    }
}

/* --- chunks ----------------------------------------------------------------------------------- */

/* Reads the whole frames in `bytes`; what is left is the beginning of one more. */
static int read_frames(struct store_restore *r, struct slice bytes, size_t *ret_used,
                       struct err *err)
{
    size_t at = 0;
    while (bytes.len - at >= 4) {
        const uint8_t *p = bytes.data + at;
        size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        if (len == 0 || len > SNAPSHOT_FRAME_MAX) {
            return corrupt(err, "impossible frame length");
        }
        if (bytes.len - at - 4 < len) {
            break;
        }
        int rv = read_frame(r, slice_make(p + 4, len), err);
        if (rv != 0) {
            return rv;
        }
        r->crc = crc32c(r->crc, p, 4 + len);
        at += 4 + len;
    }
    *ret_used = at;
    return 0;
}

int store_restore_chunk(struct store_restore *r, struct slice bytes, struct err *err)
{
    size_t used = 0;
    if (r->pending.len == 0) {
        int rv = read_frames(r, bytes, &used, err);
        if (rv != 0) {
            return rv;
        }
        buf_append(&r->pending, bytes.data + used, bytes.len - used);
        return 0;
    }
    buf_append_slice(&r->pending, bytes);
    int rv = read_frames(r, buf_slice(&r->pending), &used, err);
    if (rv == 0) {
        buf_consume(&r->pending, used);
    }
    return rv;
}

/* --- the revision log ------------------------------------------------------------------------- */

/* Puts the records into the order (revision, sub). Every revision above `first` must be there, with
 * subs 0, 1, ... n - 1. */
static int rebuild_log(struct store_restore *r, struct err *err)
{
    struct store *s = r->store;
    int64_t floor = compact_floor(s->compact_revision);
    int64_t first = floor > 1 ? floor : 1;
    uint64_t n_revisions = (uint64_t)(s->revision - first);
    if (n_revisions > r->n_records) {
        return corrupt(err, "revisions are missing");
    }
    autofree size_t *starts = mem_zalloc((n_revisions + 1) * sizeof *starts);
    for (size_t i = 0; i < r->n_records; i++) {
        int64_t at = r->records[i]->mod_revision - first - 1;
        INVARIANT(at >= 0); /* follows() */
        starts[at + 1]++;
    }
    for (uint64_t i = 0; i < n_revisions; i++) {
        if (starts[i + 1] == 0) {
            return corrupt(err, "a revision is missing");
        }
        starts[i + 1] += starts[i];
    }
    autofree struct record **sorted = mem_zalloc((r->n_records + 1) * sizeof *sorted);
    for (size_t i = 0; i < r->n_records; i++) {
        int64_t at = r->records[i]->mod_revision - first - 1;
        size_t place = starts[at] + (size_t)r->records[i]->sub;
        if (place >= starts[at + 1] || sorted[place] != NULL) {
            return corrupt(err, "a change of a revision is missing");
        }
        sorted[place] = r->records[i];
    }
    for (size_t i = 0; i < r->n_records; i++) {
        revlog_push(&s->log, record_ref(sorted[i]));
    }
    return 0;
}

int store_restore_finish(struct store_restore *r, struct store **ret_store, struct err *err)
{
    int rv = 0;
    if (!r->has_end || r->pending.len != 0) {
        rv = corrupt(err, "it ends too early");
    }
    if (rv == 0) {
        rv = rebuild_log(r, err);
    }
    if (rv == 0 && BUG(BUG_STORE_COMPACT_REVISION_LOST)) {
        r->store->compact_revision = 0;
    }
    if (rv == 0) {
        *ret_store = TAKE(r->store);
    }
    store_restore_abort(r);
    return rv;
}
