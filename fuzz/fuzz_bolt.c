/* A snapshot of somebody's etcd: arbitrary bytes are refused, or they are buckets of ascending
 * keys. Those are written anew and read back equal. The heads' checksum would stop the fuzzer at
 * the door, so it is made right when the input asks for it; the first byte also chooses between the
 * input as a whole file and as the pages behind a good head. */
#include <string.h>

#include "lib/base/assert.h"
#include "lib/codec/bolt_format.h"
#include "tests/unit/lib/codec/bolt_items.h"

enum { BUCKETS_MAX = 8, NAME_MAX_BYTES = 32, SMALL_PAGE = BOLT_PAGE_MIN };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct found {
    char names[BUCKETS_MAX][NAME_MAX_BYTES];
    struct bolt_items items[BUCKETS_MAX];
    size_t n;
};

/* The buckets that can be read to their end. */
static void read_buckets(struct slice bytes, struct found *f)
{
    struct err err = ERR_INIT;
    struct bolt b;
    struct bolt_cursor buckets, c;
    struct slice name;
    int rv = bolt_open(&b, bytes, &err);
    rv = rv == 0 ? bolt_buckets(&b, &buckets, &err) : rv;
    while (rv >= 0 && f->n < BUCKETS_MAX &&
           (rv = bolt_next_bucket(&buckets, &name, &c, &err)) == 1) {
        struct bolt_items items = { 0 };
        rv = bolt_items_read(&c, &items, &err);
        bool fits = rv == 0 && name.len > 0 && name.len < NAME_MAX_BYTES &&
                    memchr(name.data, 0, name.len) == NULL;
        if (!fits) {
            mem_free(items.items);
            continue;
        }
        memcpy(f->names[f->n], name.data, name.len);
        f->items[f->n++] = items;
    }
    INVARIANT(rv >= 0 || rv == E_CORRUPT || rv == E_UNSUPPORTED);
    INVARIANT(rv >= 0 || err.msg[0] != '\0');
}

static void found_fini(struct found *f)
{
    for (size_t i = 0; i < f->n; i++) {
        mem_free(f->items[i].items);
    }
}

static bool same(const struct found *a, const struct found *b)
{
    bool equal = a->n == b->n;
    for (size_t i = 0; equal && i < a->n; i++) {
        equal = strcmp(a->names[i], b->names[i]) == 0 && a->items[i].n == b->items[i].n;
        for (size_t k = 0; equal && k < a->items[i].n; k++) {
            equal = slice_eq(a->items[i].items[k].key, b->items[i].items[k].key) &&
                    slice_eq(a->items[i].items[k].value, b->items[i].items[k].value);
        }
    }
    return equal;
}

static void write_anew(struct found *f, size_t step)
{
    struct bolt_bucket buckets[BUCKETS_MAX];
    autobuf file = BUF_INIT;
    uint64_t told;
    for (size_t i = 0; i < f->n; i++) {
        buckets[i] = bolt_items_bucket(f->names[i], &f->items[i]);
    }
    bolt_items_file(buckets, f->n, step, &file, &told);
    INVARIANT(file.len == told);
    struct found again = { 0 };
    read_buckets(buf_slice(&file), &again);
    INVARIANT(same(f, &again));
    found_fini(&again);
}

static void mend(uint8_t *meta)
{
    bolt_put(meta + BOLT_META_SUMMED, bolt_checksum(meta, BOLT_META_SUMMED), 8);
}

/* Two pages of head before the input, whose second byte says where the root is. */
static void put_head(struct buf *out, uint8_t root, size_t len)
{
    uint8_t head[2 * SMALL_PAGE] = { 0 }, *m = head + BOLT_PAGE_HEAD;
    bolt_put(m, BOLT_MAGIC, 4);
    bolt_put(m + 4, BOLT_VERSION, 4);
    bolt_put(m + 8, SMALL_PAGE, 4);
    bolt_put(m + 16, root, 8);
    bolt_put(m + 40, (sizeof head + len) / SMALL_PAGE, 8);
    mend(m);
    buf_append(out, head, sizeof head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    autobuf bytes = BUF_INIT;
    if (data[0] % 4 == 3) {
        put_head(&bytes, data[1], size - 2);
    }
    buf_append(&bytes, data + 2, size - 2);
    if (data[0] % 4 == 1 && bytes.len >= BOLT_PAGE_HEAD + BOLT_META_BYTES) {
        mend(bytes.data + BOLT_PAGE_HEAD);
    }
    struct found f = { 0 };
    read_buckets(buf_slice(&bytes), &f);
    write_anew(&f, data[1] * 64u + 1);
    found_fini(&f);
    return 0;
}
