/* A version as etcd keeps it: its row in the bucket `key` of etcd's database, where rows ascend by
 * revision. Who writes that database (etcd_db_write.c) and who sums it up (hash.c) share this. */
#ifndef BARQUE_STORE_ETCD_ROW_H
#define BARQUE_STORE_ETCD_ROW_H

#include "lib/base/buf.h"
#include "store/record.h"

enum { ETCD_REVISION_BYTES = 17 };

/* A number as etcd keeps it in keys and in its bucket `meta`: big-endian. */
void etcd_u64_put(uint8_t p[8], uint64_t v);
/* The revision as etcd orders it: main, '_', sub. */
void etcd_revision_put(uint8_t p[ETCD_REVISION_BYTES], int64_t main, int64_t sub);

/* The row's key: the revision, and a 't' for a tombstone. Its value: mvccpb.KeyValue, of which a
 * tombstone has the key only. */
size_t etcd_row_key_size(const struct record *r);
size_t etcd_row_value_size(const struct record *r);
void etcd_row_put_key(const struct record *r, struct buf *out);
void etcd_row_put_value(const struct record *r, struct buf *out);

/* Rows to be, borrowed. All zero is empty. */
struct etcd_rows {
    const struct record **records;
    size_t n, cap;
};
void etcd_rows_add(struct etcd_rows *l, const struct record *r);
void etcd_rows_sort(struct etcd_rows *l); /* by revision */
void etcd_rows_fini(struct etcd_rows *l);

#endif
