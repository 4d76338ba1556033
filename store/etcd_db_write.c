/* Writing: the versions a pin can reach, by revision instead of by key, with the leases and the
 * caller's items beside them. The pages are bolt_writer's. What is told is what a snapshot tells
 * (snapshot.c), so a version that compaction has not swept yet is not in it. */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/assert.h"
#include "lib/codec/mp.h"
#include "lib/codec/pb_wire.h"
#include "store/etcd_db_internal.h"
#include "store/etcd_row.h"
#include "store/internal.h"
#include "store/snapshot.h"

enum { META_MAX = 5 };

struct etcd_db {
    struct store_pin_view pin;
    const struct etcd_db_facts *facts;
    struct etcd_rows rows;         /* of `key` */
    struct lease_info *leases;     /* by their keys in the file */
    struct slice meta[META_MAX][2];
    struct etcd_db_items meta_items;
    uint8_t index[8], term[8], compacted[ETCD_REVISION_BYTES];
    struct arena arena; /* of users and roles */
    struct etcd_db_auth auth;
    struct bolt_writer *writer;
};

/* --- key -------------------------------------------------------------------------------------- */

static void key_size(void *arg, size_t i, size_t *ret_key, size_t *ret_value)
{
    const struct record *r = ((const struct etcd_db *)arg)->rows.records[i];
    *ret_key = etcd_row_key_size(r);
    *ret_value = etcd_row_value_size(r);
}

static void key_key(void *arg, size_t i, struct buf *out)
{
    etcd_row_put_key(((const struct etcd_db *)arg)->rows.records[i], out);
}

static void key_value(void *arg, size_t i, struct buf *out)
{
    etcd_row_put_value(((const struct etcd_db *)arg)->rows.records[i], out);
}

static void collect(struct etcd_db *db)
{
    struct tree_cursor cursor;
    int64_t floor = compact_floor(db->pin.compact_revision);
    tree_seek(db->pin.tree, slice_make(NULL, 0), &cursor);
    for (const struct record *r; (r = tree_next(&cursor)) != NULL;) {
        for (; r != NULL; r = r->prev) {
            bool base = r->mod_revision <= floor;
            if (!base || !r->tombstone) {
                etcd_rows_add(&db->rows, r);
            }
            if (base) {
                break;
            }
        }
    }
    etcd_rows_sort(&db->rows);
}

/* --- lease ------------------------------------------------------------------------------------ */

/* As their keys ascend: negative ids last. */
static int by_unsigned_id(const void *a, const void *b)
{
    uint64_t x = (uint64_t)((const struct lease_info *)a)->id;
    uint64_t y = (uint64_t)((const struct lease_info *)b)->id;
    return x < y ? -1 : x > y;
}

static void lease_value(void *arg, size_t i, struct buf *out)
{
    const struct lease_info *l = &((const struct etcd_db *)arg)->leases[i];
    pb_wire_put_u64(out, 1, (uint64_t)l->id);
    pb_wire_put_u64(out, 2, (uint64_t)l->ttl_s);
    pb_wire_put_u64(out, 3, l->remaining_ttl_s != l->ttl_s ? (uint64_t)l->remaining_ttl_s : 0);
}

static void lease_key(void *arg, size_t i, struct buf *out)
{
    buf_put_u64(out, (uint64_t)((const struct etcd_db *)arg)->leases[i].id);
}

static void lease_size(void *arg, size_t i, size_t *ret_key, size_t *ret_value)
{
    const struct lease_info *l = &((const struct etcd_db *)arg)->leases[i];
    *ret_key = 8;
    *ret_value = pb_wire_u64_size(1, (uint64_t)l->id) + pb_wire_u64_size(2, (uint64_t)l->ttl_s) +
                 pb_wire_u64_size(3, l->remaining_ttl_s != l->ttl_s ? (uint64_t)l->remaining_ttl_s
                                                                    : 0);
}

/* --- items of others, and meta ---------------------------------------------------------------- */

static void items_size(void *arg, size_t i, size_t *ret_key, size_t *ret_value)
{
    const struct etcd_db_items *l = arg;
    *ret_key = l->items[i][0].len;
    *ret_value = l->items[i][1].len;
}

static void items_key(void *arg, size_t i, struct buf *out)
{
    buf_append_slice(out, ((const struct etcd_db_items *)arg)->items[i][0]);
}

static void items_value(void *arg, size_t i, struct buf *out)
{
    buf_append_slice(out, ((const struct etcd_db_items *)arg)->items[i][1]);
}

static struct bolt_bucket items_bucket(const char *name, const struct etcd_db_items *items)
{
    return (struct bolt_bucket){ .name = name, .n = items->n, .size = items_size,
                                 .key = items_key, .value = items_value,
                                 .arg = (void *)(uintptr_t)items };
}

static void meta_add(struct etcd_db *db, const char *key, struct slice value)
{
    db->meta[db->meta_items.n][0] = slice_str(key);
    db->meta[db->meta_items.n++][1] = value;
}

static void meta_fill(struct etcd_db *db)
{
    etcd_u64_put(db->index, db->pin.applied_index);
    etcd_u64_put(db->term, db->facts->term);
    etcd_revision_put(db->compacted, db->pin.compact_revision, 0);
    db->meta_items.items = db->meta;
    if (db->facts->conf_state.len != 0) {
        meta_add(db, "confState", db->facts->conf_state);
    }
    meta_add(db, "consistent_index", slice_make(db->index, sizeof db->index));
    if (db->pin.compact_revision > 0) {
        meta_add(db, "finishedCompactRev", slice_make(db->compacted, sizeof db->compacted));
        meta_add(db, "scheduledCompactRev", slice_make(db->compacted, sizeof db->compacted));
    }
    meta_add(db, "term", slice_make(db->term, sizeof db->term));
}

/* --- auth --- */

/* What the pin holds are frames of a snapshot. */
static void auth_fill(struct etcd_db *db)
{
    struct auth a;
    struct slice left = db->pin.auth;
    auth_init(&a);
    while (left.len > 0) {
        const uint8_t *p = left.data;
        size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        struct mp_reader m;
        mp_reader_init(&m, slice_make(p + 4, len));
        INVARIANT(mp_get_u64(&m) == FRAME_AUTH);
        INVARIANT(auth_read_frame(&a, &m) == 0);
        left = slice_make(p + 4 + len, left.len - 4 - len);
    }
    etcd_db_auth_items(&a, &db->arena, &db->auth);
    auth_fini(&a);
}

/* --- the file --------------------------------------------------------------------------------- */

struct etcd_db *etcd_db_new(struct store_pin *pin, const struct etcd_db_facts *facts)
{
    struct etcd_db *db = mem_zalloc(sizeof *db);
    store_pin_look(pin, &db->pin);
    db->facts = facts;
    collect(db);
    db->leases = mem_calloc(db->pin.n_leases + 1, sizeof *db->leases);
    for (size_t i = 0; i < db->pin.n_leases; i++) {
        db->leases[i] = db->pin.leases[i];
    }
    qsort(db->leases, db->pin.n_leases, sizeof *db->leases, by_unsigned_id);
    meta_fill(db);
    arena_init(&db->arena);
    auth_fill(db);
    const struct etcd_db_items *theirs = facts->buckets;
    const struct bolt_bucket buckets[] = {
        items_bucket("alarm", &theirs[ETCD_DB_ALARM]),
        items_bucket("auth", &db->auth.state),
        items_bucket("authRoles", &db->auth.roles),
        items_bucket("authUsers", &db->auth.users),
        items_bucket("cluster", &theirs[ETCD_DB_CLUSTER]),
        { "key", db->rows.n, key_size, key_key, key_value, db },
        { "lease", BUG(BUG_BACKUP_NO_LEASES) ? 0 : db->pin.n_leases, lease_size, lease_key,
          lease_value, db },
        items_bucket("members", &theirs[ETCD_DB_MEMBERS]),
        items_bucket("members_removed", &theirs[ETCD_DB_MEMBERS_REMOVED]),
        items_bucket("meta", &db->meta_items),
    };
    db->writer = bolt_writer_new(buckets, sizeof buckets / sizeof buckets[0]);
    return db;
}

uint64_t etcd_db_size(const struct etcd_db *db)
{
    return bolt_writer_size(db->writer);
}

int etcd_db_next(struct etcd_db *db, size_t bytes, struct buf *out)
{
    return bolt_writer_next(db->writer, bytes, out);
}

void etcd_db_free(struct etcd_db *db)
{
    if (db == NULL) {
        return;
    }
    bolt_writer_free(db->writer);
    arena_fini(&db->arena);
    etcd_rows_fini(&db->rows);
    mem_free(db->leases);
    mem_free(db);
}
