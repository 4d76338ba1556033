/* A store out of somebody's database file: what is taken must be a store that commands could have
 * made, so its own snapshot is taken by the reader that checks all, and its own file is read as the
 * same. The input lists versions, leases and what is compacted; the pages around them are good
 * ones, since bad pages are fuzz_bolt's. Its rest is put in as it is: as one more value, or as a
 * user and a role. */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/codec/pb_wire.h"
#include "store/etcd_db.h"
#include "tests/unit/lib/codec/bolt_items.h"
#include "tests/unit/store/snapshot_bytes.h"

enum { VERSIONS_MAX = 40, VERSION_BYTES = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf keys[VERSIONS_MAX + 2], values[VERSIONS_MAX + 2];

static void put_revision(struct buf *out, uint64_t main, uint64_t sub, bool deleted)
{
    buf_reset(out);
    buf_put_u64(out, main);
    buf_put_u8(out, '_');
    buf_put_u64(out, sub);
    if (deleted) {
        buf_put_u8(out, 't');
    }
}

/* {key and step of the revision, create back, version, lease} */
static void put_version(size_t i, const uint8_t *p, uint64_t *main, uint64_t *sub)
{
    uint8_t key = (uint8_t)('a' + p[0] % 4);
    uint64_t step = p[0] / 4 % 4;
    *sub = step == 0 ? *sub + 1 : p[0] / 128;
    *main += step;
    bool deleted = p[2] == 0;
    put_revision(&keys[i], *main, *sub, deleted);
    buf_reset(&values[i]);
    pb_wire_put_bytes(&values[i], 1, slice_make(&key, 1));
    if (!deleted) {
        pb_wire_put_u64(&values[i], 2, *main - p[1] % 16);
        pb_wire_put_u64(&values[i], 3, p[1] == 255 ? 1 : *main);
        pb_wire_put_u64(&values[i], 4, p[2]);
        pb_wire_put_bytes(&values[i], 5, slice_make(p, VERSION_BYTES));
        pb_wire_put_u64(&values[i], 6, p[3] % 4);
    }
}

static void assert_sound(struct store *s)
{
    struct err err = ERR_INIT;
    autobuf a = BUF_INIT, b = BUF_INIT;
    snapshot_bytes(s, &a);
    struct store *again = snapshot_restore(buf_slice(&a), 4096, NULL, &err);
    INVARIANT(again != NULL);
    snapshot_bytes(again, &b);
    INVARIANT(slice_eq(buf_slice(&a), buf_slice(&b)));
    store_free(again);
}

static void assert_same_again(struct store *s)
{
    struct etcd_db_facts facts = { .term = 1 };
    struct etcd_db_options o = { .applied_index = store_applied_index(s) };
    struct etcd_db_report report;
    struct store *again = NULL;
    struct err err = ERR_INIT;
    autobuf file = BUF_INIT;
    struct store_pin *pin = store_pin(s);
    struct etcd_db *db = etcd_db_new(pin, &facts);
    while (etcd_db_next(db, 1000, &file) == 1) {
    }
    etcd_db_free(db);
    store_unpin(s, pin);
    INVARIANT(etcd_db_read(buf_slice(&file), &o, &again, &report, &err) == 0);
    INVARIANT(store_revision(again) == store_revision(s));
    INVARIANT(store_compact_revision(again) == store_compact_revision(s));
    INVARIANT(store_live_bytes(again) == store_live_bytes(s));
    store_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4) {
        return 0;
    }
    struct bolt_items items = { 0 }, meta = { 0 }, leases = { 0 }, users = { 0 }, roles = { 0 };
    uint64_t main = data[0] % 8, sub = 0, told;
    size_t n = data[1] % VERSIONS_MAX, used = 4;
    for (size_t i = 0; i < n && size - used >= VERSION_BYTES; i++, used += VERSION_BYTES) {
        put_version(i, data + used, &main, &sub);
        bolt_items_add(&items, buf_slice(&keys[i]), buf_slice(&values[i]));
    }
    struct slice rest = slice_make(data + used, size - used);
    bool is_auth = data[1] >= 128; /* the rest is a user and a role */
    if (is_auth) {
        bolt_items_add(&users, slice_str("u"), rest);
        bolt_items_add(&roles, slice_str("r"), rest);
    } else if (rest.len > 0) {
        put_revision(&keys[VERSIONS_MAX], main + 1, 0, false);
        bolt_items_add(&items, buf_slice(&keys[VERSIONS_MAX]), rest);
    }
    put_revision(&keys[VERSIONS_MAX + 1], data[2], 0, false);
    if (data[2] != 0) {
        bolt_items_add(&meta, slice_str("finishedCompactRev"), buf_slice(&keys[VERSIONS_MAX + 1]));
    }
    buf_reset(&values[VERSIONS_MAX + 1]);
    pb_wire_put_u64(&values[VERSIONS_MAX + 1], 1, 1);
    pb_wire_put_u64(&values[VERSIONS_MAX + 1], 2, data[3]);
    bolt_items_add(&leases, slice_make("\0\0\0\0\0\0\0\1", 8),
                   buf_slice(&values[VERSIONS_MAX + 1]));
    struct bolt_bucket buckets[] = { bolt_items_bucket("authRoles", &roles),
                                     bolt_items_bucket("authUsers", &users),
                                     bolt_items_bucket("key", &items),
                                     bolt_items_bucket("lease", &leases),
                                     bolt_items_bucket("meta", &meta) };
    autobuf file = BUF_INIT;
    bolt_items_file(buckets, 5, SIZE_MAX, &file, &told);
    struct etcd_db_options o = { .applied_index = 1, .bump_revision = data[3] > 250 ? data[3] : 0 };
    struct etcd_db_report report;
    struct store *s = NULL;
    struct err err = ERR_INIT;
    int rv = etcd_db_read(buf_slice(&file), &o, &s, &report, &err);
    INVARIANT((rv == 0) == (err.msg[0] == '\0'));
    if (rv == 0) {
        assert_sound(s);
        assert_same_again(s);
        store_free(s);
    }
    mem_free(items.items);
    mem_free(meta.items);
    mem_free(leases.items);
    mem_free(users.items);
    mem_free(roles.items);
    return 0;
}
