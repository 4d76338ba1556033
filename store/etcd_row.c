/* Rows of etcd's bucket `key`; see etcd_row.h. */
#include "store/etcd_row.h"

#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/codec/pb_wire.h"

void etcd_u64_put(uint8_t p[8], uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        p[i] = (uint8_t)(v >> (56 - 8 * i));
    }
}

void etcd_revision_put(uint8_t p[ETCD_REVISION_BYTES], int64_t main, int64_t sub)
{
    etcd_u64_put(p, (uint64_t)main);
    p[8] = '_';
    etcd_u64_put(p + 9, (uint64_t)sub);
}

size_t etcd_row_key_size(const struct record *r)
{
    return ETCD_REVISION_BYTES + r->tombstone;
}

size_t etcd_row_value_size(const struct record *r)
{
    size_t size = pb_wire_bytes_size(1, r->key_len);
    if (!r->tombstone) {
        size += pb_wire_u64_size(2, (uint64_t)r->create_revision) +
                pb_wire_u64_size(3, (uint64_t)r->mod_revision) +
                pb_wire_u64_size(4, (uint64_t)r->version) +
                pb_wire_bytes_size(5, r->value_len) + pb_wire_u64_size(6, (uint64_t)r->lease);
    }
    return size;
}

void etcd_row_put_key(const struct record *r, struct buf *out)
{
    uint8_t bytes[ETCD_REVISION_BYTES];
    etcd_revision_put(bytes, r->mod_revision, r->sub);
    buf_append(out, bytes, sizeof bytes);
    if (r->tombstone) {
        buf_put_u8(out, 't');
    }
}

void etcd_row_put_value(const struct record *r, struct buf *out)
{
    pb_wire_put_bytes(out, 1, record_key(r));
    if (!r->tombstone) {
        pb_wire_put_u64(out, 2, (uint64_t)r->create_revision);
        pb_wire_put_u64(out, 3, (uint64_t)r->mod_revision);
        pb_wire_put_u64(out, 4, (uint64_t)r->version);
        pb_wire_put_bytes(out, 5, record_value(r));
        pb_wire_put_u64(out, 6, (uint64_t)r->lease);
    }
}

/* --- many of them ----------------------------------------------------------------------------- */

void etcd_rows_add(struct etcd_rows *l, const struct record *r)
{
    l->records = mem_grow(l->records, &l->cap, l->n + 1, sizeof *l->records);
    l->records[l->n++] = r;
}

static int by_revision(const void *a, const void *b)
{
    const struct record *x = *(const struct record *const *)a;
    const struct record *y = *(const struct record *const *)b;
    if (x->mod_revision != y->mod_revision) {
        return x->mod_revision < y->mod_revision ? -1 : 1;
    }
    return x->sub < y->sub ? -1 : x->sub > y->sub;
}

void etcd_rows_sort(struct etcd_rows *l)
{
    if (l->n > 0) {
        qsort(l->records, l->n, sizeof *l->records, by_revision);
    }
}

void etcd_rows_fini(struct etcd_rows *l)
{
    mem_free(l->records);
    *l = (struct etcd_rows){ 0 };
}
