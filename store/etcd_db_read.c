/* Reading: etcd's database file becomes a store that commands could have made, or is refused.
 *
 * The bucket "key" lists versions by revision, so the store is built in the order in which it
 * grew. Up to the floor (what is compacted) only the newest version of each key counts; above it
 * each must follow from the one before, revisions without a gap, subs 0, 1, 2...
 *
 * Where the floor is. We keep the changes of the compacted revision itself, with what they
 * replaced, because a watch may begin there (compact.c). etcd sweeps them: a key that was written
 * at the compacted revision R has lost its version before, and one that was deleted at R is gone
 * without a trace. So R is tried first, and when its changes are not whole, R + 1: reads at R are
 * then refused as compacted, and nothing is told that the file does not know. If there is no
 * revision above R, one is made, of a put and a delete of one key that nobody uses; so is it after
 * a bump.
 *
 *     file, compacted at 9:  k at 7 (version 1), k at 9 (version 2)         as etcd has it: only 9
 *     as Barque wrote it     floor 8: base 7, then 9                        compacted 9
 *     as etcd wrote it       floor 9: base 9, then a revision 10 of ours    compacted 10 */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/codec/pb_wire.h"
#include "store/etcd_db_internal.h"
#include "store/internal.h"

enum { REVISION_BYTES = 17, RETRY = 1 };

#define FILLER_KEY "\0barque.restored"

struct import {
    const struct etcd_db_options *o;
    struct bolt bolt;
    struct store *store;
    int64_t floor;
    int64_t last;       /* newest revision so far */
    int64_t next_sub;   /* of that revision */
    bool strict_start;  /* the compacted revision's own changes must be whole, or RETRY */
    struct etcd_db_report report;
};

struct version {
    struct kv_view kv; /* key and value borrow the file */
    int64_t sub;
};

static int corrupt(struct err *err, const char *what)
{
    return err_set(err, E_CORRUPT, "database: %s", what);
}

static uint64_t be64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

int etcd_db_seek(const struct bolt *b, const char *name, struct bolt_cursor *ret_cursor,
                 struct err *err)
{
    struct err told = ERR_INIT;
    int rv = bolt_bucket_seek(b, name, ret_cursor, &told);
    if (rv != 0 && rv != E_NOTFOUND && err != NULL) {
        *err = told;
    }
    return rv;
}

/* --- values ----------------------------------------------------------------------------------- */

static bool revision_get(struct slice bytes, int64_t *ret_main, int64_t *ret_sub, bool *ret_deleted)
{
    bool deleted = bytes.len == REVISION_BYTES + 1 && bytes.data[REVISION_BYTES] == 't';
    if ((bytes.len != REVISION_BYTES && !deleted) || bytes.data[8] != '_') {
        return false;
    }
    uint64_t main = be64(bytes.data), sub = be64(bytes.data + 9);
    if (main > INT64_MAX / 4 || sub > INT32_MAX) {
        return false;
    }
    *ret_main = (int64_t)main;
    *ret_sub = (int64_t)sub;
    *ret_deleted = deleted;
    return true;
}

static int version_get(struct slice key, struct slice value, struct version *ret, struct err *err)
{
    struct version v = { 0 };
    struct pb_wire w = { value.data, value.data + value.len };
    struct pb_wire_field f;
    int64_t mod = 0;
    int rv;
    if (!revision_get(key, &v.kv.mod_revision, &v.sub, &v.kv.tombstone) ||
        v.kv.mod_revision < 2) {
        return corrupt(err, "a revision is malformed");
    }
    while ((rv = pb_wire_next(&w, &f)) == 1) {
        switch (f.number << 1 | f.is_bytes) {
        case 1 << 1 | 1:
            v.kv.key = f.bytes;
            break;
        case 2 << 1:
            v.kv.create_revision = (int64_t)f.u64;
            break;
        case 3 << 1:
            mod = (int64_t)f.u64;
            break;
        case 4 << 1:
            v.kv.version = (int64_t)f.u64;
            break;
        case 5 << 1 | 1:
            v.kv.value = f.bytes;
            break;
        case 6 << 1:
            v.kv.lease = (int64_t)f.u64;
            break;
        default: /* of a newer etcd */
            break;
        }
    }
    if (rv != 0 || v.kv.key.len == 0 || (!v.kv.tombstone && mod != v.kv.mod_revision)) {
        return corrupt(err, "a version is malformed");
    }
    if (v.kv.key.len > LIMIT_KEY_BYTES || v.kv.value.len > LIMIT_VALUE_BYTES) {
        return err_set(err, E_TOOBIG, "database: a key or value is longer than Barque takes (%d, "
                       "%d bytes)", LIMIT_KEY_BYTES, LIMIT_VALUE_BYTES);
    }
    if (v.kv.tombstone) {
        v.kv = (struct kv_view){ .key = v.kv.key, .mod_revision = v.kv.mod_revision,
                                 .tombstone = true };
    }
    *ret = v;
    return 0;
}

/* --- leases ----------------------------------------------------------------------------------- */

static int read_lease(struct import *im, struct slice value, struct err *err)
{
    struct pb_wire w = { value.data, value.data + value.len };
    struct pb_wire_field f;
    int64_t numbers[4] = { 0 };
    int rv;
    while ((rv = pb_wire_next(&w, &f)) == 1) {
        if (!f.is_bytes && f.number < 4) {
            numbers[f.number] = (int64_t)f.u64;
        }
    }
    int64_t id = numbers[1], ttl = numbers[2], remaining = numbers[3];
    if (rv != 0 || id == 0 || ttl > LEASE_TTL_MAX_S || lease_find(&im->store->leases, id) != NULL) {
        return corrupt(err, "a lease is malformed");
    }
    struct lease *l = lease_add(&im->store->leases, id, ttl > 0 ? ttl : 1);
    lease_checkpoint(l, remaining > 0 && remaining < l->ttl_s ? remaining : 0);
    im->report.leases++;
    return 0;
}

static int read_leases(struct import *im, struct err *err)
{
    struct bolt_cursor c;
    struct slice key, value;
    int rv = etcd_db_seek(&im->bolt, "lease", &c, err);
    if (rv == E_NOTFOUND) {
        return 0;
    }
    while (rv == 0 && (rv = bolt_next(&c, &key, &value, err)) == 1) {
        rv = read_lease(im, value, err);
    }
    return rv;
}

/* Keys go to their leases; an expired lease's keys may have been left by a crash of etcd. */
static void attach_leases(struct import *im)
{
    struct store *s = im->store;
    struct tree_cursor cursor;
    tree_seek(&s->tree, slice_make(NULL, 0), &cursor);
    for (struct record *r; (r = tree_next_live(&cursor)) != NULL;) {
        if (r->lease != 0 && lease_find(&s->leases, r->lease) == NULL) {
            r->lease = 0; /* nobody has seen this record yet */
            im->report.orphans++;
        }
        lease_attach(&s->leases, r->lease, record_key(r));
    }
}

/* --- versions --------------------------------------------------------------------------------- */

/* Members that read equal files in equal ways have equal digests. */
static void digest_words(struct store *s, const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->digest = hash_u64(s->digest ^ words[i]) + 0x9e3779b97f4a7c15u;
    }
}

static void digest_add(struct store *s, const struct record *r)
{
    struct slice key = record_key(r), value = record_value(r);
    const uint64_t words[] = { hash_bytes(key.data, key.len), hash_bytes(value.data, value.len),
                               (uint64_t)r->mod_revision, (uint64_t)r->create_revision,
                               (uint64_t)r->version, (uint64_t)r->sub << 1 | r->tombstone };
    digest_words(s, words, sizeof words / sizeof words[0]);
}

static void put_record(struct import *im, const struct kv_view *v, struct record *prev)
{
    struct store *s = im->store;
    struct record *r = record_new(v, record_ref(prev), s->compact_revision);
    s->size_bytes += record_bytes(r);
    digest_add(s, r);
    if (v->mod_revision > im->floor) {
        revlog_push(&s->log, record_ref(r));
    }
    tree_put(&s->tree, r);
}

/* At or below the floor: what the key was before is forgotten. */
static int add_base(struct import *im, struct version *v, struct err *err)
{
    struct store *s = im->store;
    struct record *old = tree_get(&s->tree, v->kv.key);
    if (old != NULL) {
        s->size_bytes -= record_bytes(old);
    }
    if (v->kv.tombstone) {
        if (old != NULL) {
            tree_remove(&s->tree, v->kv.key);
        }
        return 0;
    }
    if (v->kv.version < 1 || v->kv.version > COUNT_READ_MAX || v->kv.create_revision < 1 ||
        v->kv.create_revision > v->kv.mod_revision ||
        (v->kv.version == 1) != (v->kv.create_revision == v->kv.mod_revision)) {
        return corrupt(err, "a version's numbers are impossible");
    }
    v->kv.sub = (int32_t)v->sub;
    put_record(im, &v->kv, NULL);
    return 0;
}

static bool follows(const struct record *prev, const struct kv_view *v)
{
    bool lives = prev != NULL && !prev->tombstone;
    if (v->tombstone) {
        return lives;
    }
    return lives ? v->version == prev->version + 1 && v->create_revision == prev->create_revision
                 : v->version == 1 && v->create_revision == v->mod_revision;
}

/* Above the floor. RETRY: not whole, at the compacted revision. */
static int add_change(struct import *im, struct version *v, struct err *err)
{
    struct record *prev = tree_get(&im->store->tree, v->kv.key);
    bool same = v->kv.mod_revision == im->last;
    bool next = same ? v->sub == im->next_sub : v->kv.mod_revision == im->last + 1 && v->sub == 0;
    bool start = im->strict_start && im->last <= im->floor + 1;
    if (!next) {
        return start ? RETRY
                     : err_set(err, E_CORRUPT, "database: changes between revisions %" PRId64
                               " and %" PRId64 " are missing", im->last, v->kv.mod_revision);
    }
    if (!follows(prev, &v->kv)) {
        return start ? RETRY
                     : err_set(err, E_CORRUPT, "database: revision %" PRId64 ": a version does not "
                               "follow from the one before it", v->kv.mod_revision);
    }
    im->last = v->kv.mod_revision;
    im->next_sub = v->sub + 1;
    v->kv.sub = (int32_t)v->sub;
    put_record(im, &v->kv, prev);
    return 0;
}

/* A revision that changes nothing that anybody sees. */
static void add_filler(struct import *im)
{
    struct kv_view v = { .key = slice_make(FILLER_KEY, sizeof FILLER_KEY - 1), .version = 1 };
    v.create_revision = v.mod_revision = ++im->last;
    put_record(im, &v, NULL);
    v = (struct kv_view){ .key = v.key, .mod_revision = im->last, .sub = 1, .tombstone = true };
    put_record(im, &v, tree_get(&im->store->tree, v.key));
}

/* --- the file --------------------------------------------------------------------------------- */

static int meta_revision(struct import *im, struct slice name, struct slice value, struct err *err)
{
    int64_t main = 0, sub;
    bool deleted;
    if (!slice_eq(name, slice_str("finishedCompactRev")) &&
        !slice_eq(name, slice_str("scheduledCompactRev"))) {
        return 0;
    }
    if (!revision_get(value, &main, &sub, &deleted)) {
        return corrupt(err, "the compacted revision is malformed");
    }
    if (main > im->report.file_compacted) {
        im->report.file_compacted = main;
    }
    return 0;
}

static int read_meta(struct import *im, struct err *err)
{
    struct bolt_cursor c;
    struct slice key, value;
    int rv = bolt_bucket_seek(&im->bolt, "meta", &c, err);
    while (rv == 0 && (rv = bolt_next(&c, &key, &value, err)) == 1) {
        rv = meta_revision(im, key, value, err);
    }
    return rv;
}

/* How far the file goes; all its versions are looked at once before anything is built. */
static int measure(struct import *im, struct err *err)
{
    struct bolt_cursor c;
    struct slice key, value;
    struct version v;
    int rv = bolt_bucket_seek(&im->bolt, "key", &c, err);
    im->report.file_revision = 1;
    while (rv == 0 && (rv = bolt_next(&c, &key, &value, err)) == 1) {
        rv = version_get(key, value, &v, err);
        if (rv == 0) {
            im->report.records++;
            im->report.file_revision = v.kv.mod_revision;
        }
    }
    if (im->report.file_compacted > im->report.file_revision) {
        im->report.file_revision = im->report.file_compacted; /* the newest change was a delete */
    }
    return rv;
}

static int read_versions(struct import *im, struct err *err)
{
    struct bolt_cursor c;
    struct slice key, value;
    struct version v;
    int rv = bolt_bucket_seek(&im->bolt, "key", &c, err);
    while (rv == 0 && (rv = bolt_next(&c, &key, &value, err)) == 1) {
        rv = version_get(key, value, &v, err);
        if (rv == 0) {
            rv = v.kv.mod_revision <= im->floor ? add_base(im, &v, err) : add_change(im, &v, err);
        }
        if (rv == RETRY) {
            break;
        }
    }
    return rv;
}

/* The store compacted at `compacted`; RETRY as in add_change. */
static int build(struct import *im, int64_t compacted, bool strict_start, struct err *err)
{
    store_free(im->store);
    im->store = store_new(im->o->store);
    im->report.leases = im->report.orphans = im->report.foreign_passwords = 0;
    im->store->compact_revision = compacted;
    im->floor = compact_floor(compacted);
    im->last = im->floor > 1 ? im->floor : 1;
    im->next_sub = 0;
    im->strict_start = strict_start;
    int rv = read_leases(im, err);
    if (rv == 0) {
        rv = etcd_db_auth_read(&im->bolt, &im->store->auth, &im->report, err);
    }
    if (rv == 0) {
        rv = read_versions(im, err);
    }
    if (rv != 0) {
        return rv;
    }
    if (im->last < compacted) {
        if (strict_start) {
            return RETRY;
        }
        add_filler(im);
    }
    attach_leases(im);
    struct tree_cursor cursor;
    tree_seek(&im->store->tree, slice_make(NULL, 0), &cursor);
    for (const struct record *r; (r = tree_next_live(&cursor)) != NULL;) {
        im->store->live_bytes += record_live_bytes(r);
    }
    im->store->revision = im->last;
    im->store->applied_index = im->o->applied_index;
    autobuf auth = BUF_INIT;
    auth_write_frames(&im->store->auth, &auth);
    const uint64_t words[] = { (uint64_t)im->last, (uint64_t)compacted, im->report.leases,
                               hash_bytes(auth.data, auth.len) };
    digest_words(im->store, words, sizeof words / sizeof words[0]);
    return 0;
}

static int build_store(struct import *im, struct err *err)
{
    int64_t compacted = im->report.file_compacted;
    if (im->o->bump_revision > 0) {
        return build(im, im->report.file_revision + im->o->bump_revision, false, err);
    }
    int rv = build(im, compacted, compacted > 0, err);
    return rv == RETRY ? build(im, compacted + 1, false, err) : rv;
}

int etcd_db_read(struct slice bytes, const struct etcd_db_options *o, struct store **ret_store,
                 struct etcd_db_report *ret_report, struct err *err)
{
    struct import im = { .o = o };
    if (o->bump_revision < 0 || o->bump_revision > INT64_MAX / 4) {
        return err_set(err, E_INVAL, "the revision cannot be raised by %" PRId64,
                       o->bump_revision);
    }
    int rv = bolt_open(&im.bolt, bytes, err);
    if (rv == 0) {
        rv = read_meta(&im, err);
    }
    if (rv == 0) {
        rv = measure(&im, err);
    }
    if (rv == 0) {
        rv = build_store(&im, err);
    }
    if (rv != 0) {
        store_free(im.store);
        return rv == E_NOTFOUND ? err_set(err, E_CORRUPT, "this is not etcd's database: it has no "
                                          "keys' bucket") : rv;
    }
    im.report.revision = im.store->revision;
    im.report.compact_revision = im.store->compact_revision;
    *ret_store = im.store;
    *ret_report = im.report;
    return 0;
}
