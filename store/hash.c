/* HashKV: etcd's own number, so that a member can be compared with an etcd from which its data
 * came (server/storage/mvcc/hash.go). A CRC-32C over the name of the bucket and then, by revision,
 * over the rows up to the asked one:
 *
 *     above the compacted revision:  all, tombstones too
 *     at or below it:                only what is alive at the asked revision
 *
 * and when nothing at all is alive there, what was alive at the compacted one: etcd takes an empty
 * list of what is to be kept for "no compaction is under way". What nobody has swept yet is not
 * counted, so members agree however far each one's sweeping is. */
#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/codec/crc32c.h"
#include "store/etcd_row.h"
#include "store/internal.h"

struct store_hash {
    struct tree tree;
    int64_t revision, compacted;
    bool any_live; /* at `revision` */
    struct etcd_rows rows;
};

int store_hash_begin(struct store *s, int64_t revision, struct store_hash **ret_hash)
{
    int rv = revision < 0 ? E_COMPACTED : range_check_revision(s, revision, s->revision);
    if (rv != 0) {
        return rv;
    }
    struct store_hash *h = mem_zalloc(sizeof *h);
    h->tree = tree_ref(&s->tree);
    h->revision = revision > 0 ? revision : s->revision;
    h->compacted = BUG(BUG_STORE_HASH_OF_GARBAGE) ? 0 : s->compact_revision;
    s->pins++;
    *ret_hash = h;
    return 0;
}

void store_hash_end(struct store *s, struct store_hash *h)
{
    s->pins--;
    tree_fini(&h->tree);
    etcd_rows_fini(&h->rows);
    mem_free(h);
}

static bool any_live(const struct store_hash *h)
{
    struct tree_cursor c;
    tree_seek(&h->tree, slice_make(NULL, 0), &c);
    for (struct record *head; (head = tree_next(&c)) != NULL;) {
        if (record_live_at(head, h->revision) != NULL) {
            return true;
        }
    }
    return false;
}

static void add_key(struct store_hash *h, struct record *head)
{
    const struct record *newest = record_at(head, h->revision);
    const struct record *r = newest;
    for (; r != NULL && r->mod_revision > h->compacted; r = r->prev) {
        etcd_rows_add(&h->rows, r);
    }
    if (r != NULL && !r->tombstone && (r == newest || !h->any_live)) {
        etcd_rows_add(&h->rows, r);
    }
}

uint32_t store_hash_run(struct store_hash *h)
{
    struct tree_cursor c;
    autobuf row = BUF_INIT;
    uint32_t crc = crc32c(0, "key", 3);
    h->any_live = any_live(h);
    tree_seek(&h->tree, slice_make(NULL, 0), &c);
    for (struct record *head; (head = tree_next(&c)) != NULL;) {
        add_key(h, head);
    }
    etcd_rows_sort(&h->rows);
    for (size_t i = 0; i < h->rows.n; i++) {
        buf_reset(&row);
        etcd_row_put_key(h->rows.records[i], &row);
        etcd_row_put_value(h->rows.records[i], &row);
        crc = crc32c(crc, row.data, row.len);
    }
    return crc;
}

int store_hash_kv(struct store *s, int64_t revision, uint32_t *ret_hash)
{
    struct store_hash *h;
    int rv = store_hash_begin(s, revision, &h);
    if (rv == 0) {
        *ret_hash = store_hash_run(h);
        store_hash_end(s, h);
    }
    return rv;
}
