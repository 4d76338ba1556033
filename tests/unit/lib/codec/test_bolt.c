/* bbolt files: what was written is read again, and what was damaged is told. That real tools read
 * what we write, and we what they write, is in tests/integration/snapshot.test.sh. */
#include "test.h"

#include "bolt_items.h"
#include "lib/base/assert.h"
#include "lib/base/rng.h"
#include "lib/codec/bolt_format.h"
#include "lib/codec/sha256.h"

static const uint8_t zeros[3 * BOLT_PAGE_BYTES];

/* n items with 8-byte keys that ascend and values of up to `longest` bytes, in `memory`. */
static void fill(struct bolt_items *l, struct rng *r, size_t n, size_t longest, struct buf *memory)
{
    (void)buf_reserve(memory, 8 * n); /* slices into it stay */
    for (size_t i = 0; i < n; i++) {
        buf_put_u64(memory, 3 * i);
        bolt_items_add(l, slice_make(memory->data + 8 * i, 8),
                       slice_make(zeros, rng_range(r, 0, longest)));
    }
}

static void open_whole(const struct buf *file, struct bolt *b)
{
    struct err err = ERR_INIT;
    assert_int_equal(bolt_open(b, buf_slice(file), &err), 0);
}

static void assert_bucket(const struct bolt *b, const char *name, const struct bolt_items *want)
{
    struct err err = ERR_INIT;
    struct bolt_cursor c;
    struct bolt_items got = { 0 };
    assert_int_equal(bolt_bucket_seek(b, name, &c, &err), 0);
    assert_int_equal(bolt_items_read(&c, &got, &err), 0);
    assert_int_equal(got.n, want->n);
    for (size_t i = 0; i < got.n; i++) {
        assert_true(slice_eq(got.items[i].key, want->items[i].key));
        assert_true(slice_eq(got.items[i].value, want->items[i].value));
    }
    mem_free(got.items);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    static const struct {
        size_t n, longest, step;
    } rows[] = {
        { 0, 0, 1 },      { 1, 0, 1 },          { 1, 3 * BOLT_PAGE_BYTES, 1 },
        { 2, 10, 9000 },  { 300, 20, 1 },       { 1000, 3 * BOLT_PAGE_BYTES, 100000 },
        { 30000, 40, 1 }, { 60000, 0, SIZE_MAX },
    };
    struct rng r;
    rng_init(&r, 17);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bolt_items none = { 0 }, items = { 0 };
        autobuf memory = BUF_INIT, file = BUF_INIT;
        fill(&items, &r, rows[i].n, rows[i].longest, &memory);
        struct bolt_bucket buckets[] = { bolt_items_bucket("alarm", &none),
                                         bolt_items_bucket("key", &items),
                                         bolt_items_bucket("lease", &items) };
        uint64_t told = 0;
        bolt_items_file(buckets, 3, rows[i].step, &file, &told);
        assert_int_equal(file.len, told);
        struct bolt b;
        open_whole(&file, &b);
        assert_int_equal(b.n_pages * BOLT_PAGE_BYTES, file.len);
        assert_bucket(&b, "alarm", &none);
        assert_bucket(&b, "key", &items);
        assert_bucket(&b, "lease", &items);
        struct bolt_cursor c;
        assert_int_equal(bolt_bucket_seek(&b, "kez", &c, NULL), E_NOTFOUND);
        mem_free(items.items);
    }
}

/* A file with one bucket of three levels. */
static void three_levels(struct buf *file)
{
    struct rng r;
    struct bolt_items items = { 0 };
    autobuf memory = BUF_INIT;
    uint64_t told;
    rng_init(&r, 4);
    fill(&items, &r, 30000, 30, &memory);
    struct bolt_bucket bucket = bolt_items_bucket("key", &items);
    bolt_items_file(&bucket, 1, SIZE_MAX, file, &told);
    mem_free(items.items);
}

static int read_all(const struct buf *file, size_t *ret_n)
{
    struct err err = ERR_INIT;
    struct bolt b;
    struct bolt_cursor c;
    struct bolt_items got = { 0 };
    int rv = bolt_open(&b, buf_slice(file), &err);
    if (rv == 0) {
        rv = bolt_bucket_seek(&b, "key", &c, &err);
    }
    if (rv == 0) {
        rv = bolt_items_read(&c, &got, &err);
    }
    *ret_n = got.n;
    mem_free(got.items);
    assert_int_equal(rv == 0, err.msg[0] == '\0');
    return rv;
}

static uint8_t *page(struct buf *file, uint64_t number)
{
    return file->data + number * BOLT_PAGE_BYTES;
}

/* The root of the bucket "key": the last page but one. */
static uint8_t *root(struct buf *file)
{
    return page(file, file->len / BOLT_PAGE_BYTES - 2);
}

static void pages_that_point_at_each_other_are_refused(void **state)
{
    (void)state;
    autobuf file = BUF_INIT;
    size_t n;
    three_levels(&file);
    assert_int_equal(read_all(&file, &n), 0);
    assert_int_equal(n, 30000);
    uint8_t *r = root(&file);
    assert_int_equal(bolt_get(r + 8, 2), BOLT_BRANCH);
    uint64_t own = bolt_get(r, 8);
    bolt_put(r + BOLT_PAGE_HEAD + 8, own, 8); /* its first child is itself */
    assert_int_equal(read_all(&file, &n), E_CORRUPT);
}

static void a_page_that_is_used_twice_is_refused(void **state)
{
    (void)state;
    autobuf file = BUF_INIT;
    size_t n;
    three_levels(&file);
    uint8_t *r = root(&file);
    bolt_put(r + BOLT_PAGE_HEAD + BOLT_ELEMENT + 8, bolt_get(r + BOLT_PAGE_HEAD + 8, 8), 8);
    assert_int_equal(read_all(&file, &n), E_CORRUPT);
}

/* Each row: a number in page 3 (a leaf) or in the root, and what it must not be. */
static void impossible_numbers_are_refused(void **state)
{
    (void)state;
    static const struct {
        bool root;
        size_t at;
        int bytes;
        uint64_t value;
    } rows[] = {
        { false, 0, 8, 4 },            /* another page's number */
        { false, 8, 2, BOLT_META },    { false, 10, 2, 0xffff }, { false, 10, 2, 0 },
        { false, 12, 4, 0xffffffff },  { false, 16 + 4, 4, 0xffffffff },
        { false, 16 + 8, 4, 0xffffffff }, { false, 16 + 12, 4, 0xfffffff0 },
        { true, 10, 2, 0 },            { true, 16 + 8, 8, 0 },   { true, 16 + 8, 8, UINT64_MAX },
        { true, 16 + 8, 8, 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autobuf file = BUF_INIT;
        size_t n;
        three_levels(&file);
        bolt_put((rows[i].root ? root(&file) : page(&file, 3)) + rows[i].at, rows[i].value,
                 rows[i].bytes);
        assert_int_equal(read_all(&file, &n), E_CORRUPT);
    }
}

static void a_damaged_head_leaves_the_other_one(void **state)
{
    (void)state;
    autobuf file = BUF_INIT;
    size_t n;
    three_levels(&file);
    page(&file, 0)[20] ^= 1;
    assert_int_equal(read_all(&file, &n), 0);
    assert_int_equal(n, 30000);
    page(&file, 1)[20] ^= 1;
    assert_int_equal(read_all(&file, &n), E_CORRUPT);
    page(&file, 0)[20] ^= 1;
    assert_int_equal(read_all(&file, &n), 0);
    file.len -= BOLT_PAGE_BYTES;
    assert_int_equal(read_all(&file, &n), E_CORRUPT);
    file.len = 0;
    assert_int_equal(read_all(&file, &n), E_CORRUPT);
}

/* The heads of a file say something else, with right sums. */
static void set_heads(struct buf *file, size_t at, uint64_t value, int bytes)
{
    for (uint64_t i = 0; i < 2; i++) {
        uint8_t *meta = page(file, i) + BOLT_PAGE_HEAD;
        bolt_put(meta + at, value, bytes);
        bolt_put(meta + BOLT_META_SUMMED, bolt_checksum(meta, BOLT_META_SUMMED), 8);
    }
}

static void impossible_heads_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        int bytes;
        uint64_t value;
        int want;
    } rows[] = {
        { 4, 4, 3, E_UNSUPPORTED },  { 8, 4, 0, E_CORRUPT },     { 8, 4, 4000, E_CORRUPT },
        { 8, 4, 131072, E_CORRUPT }, { 40, 8, 1 << 30, E_CORRUPT }, { 16, 8, 0, E_CORRUPT },
        { 16, 8, 3, E_NOTFOUND },    /* a leaf without buckets */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autobuf file = BUF_INIT;
        size_t n;
        three_levels(&file);
        set_heads(&file, rows[i].at, rows[i].value, rows[i].bytes);
        assert_int_equal(read_all(&file, &n), rows[i].want);
    }
}

/* The list of buckets is the last page: one element, a bucket's head as its value. */
static void a_bucket_without_a_whole_head_is_refused(void **state)
{
    (void)state;
    autobuf file = BUF_INIT;
    size_t n;
    three_levels(&file);
    uint8_t *list = page(&file, file.len / BOLT_PAGE_BYTES - 1);
    bolt_put(list + BOLT_PAGE_HEAD + 12, BOLT_BUCKET_HEAD - 1, 4);
    assert_int_equal(read_all(&file, &n), E_CORRUPT);
}

/* As bbolt has it when a bucket holds buckets beside its items. */
static void a_bucket_in_a_bucket_is_passed_over(void **state)
{
    (void)state;
    autobuf file = BUF_INIT;
    size_t n;
    three_levels(&file);
    bolt_put(page(&file, 3) + BOLT_PAGE_HEAD, BOLT_ELEMENT_BUCKET, 4);
    assert_int_equal(read_all(&file, &n), 0);
    assert_int_equal(n, 29999);
}

static void damage_anywhere_is_told_or_harmless(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 23);
    autobuf file = BUF_INIT;
    three_levels(&file);
    for (int i = 0; i < 300; i++) {
        size_t n, at = rng_range(&r, 0, file.len - 1);
        uint8_t bit = (uint8_t)(1u << rng_range(&r, 0, 7));
        file.data[at] ^= bit;
        int rv = read_all(&file, &n);
        assert_true(rv == E_CORRUPT || rv == E_NOTFOUND || (rv == 0 && n <= 40000));
        file.data[at] ^= bit;
    }
}

/* FIPS 180-4's answer for "abc". */
static void sha256_gives_the_published_answer(void **state)
{
    (void)state;
    static const uint8_t want[SHA256_BYTES] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
        0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
        0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
        0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    };
    uint8_t got[SHA256_BYTES];
    struct sha256 *s = sha256_new();
    sha256_add(s, slice_str("a"));
    sha256_add(s, slice_str("bc"));
    sha256_finish(s, got);
    assert_memory_equal(got, want, sizeof want);
}

int test_bolt_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(pages_that_point_at_each_other_are_refused),
        cmocka_unit_test(a_page_that_is_used_twice_is_refused),
        cmocka_unit_test(impossible_numbers_are_refused),
        cmocka_unit_test(a_damaged_head_leaves_the_other_one),
        cmocka_unit_test(impossible_heads_are_refused),
        cmocka_unit_test(a_bucket_without_a_whole_head_is_refused),
        cmocka_unit_test(a_bucket_in_a_bucket_is_passed_over),
        cmocka_unit_test(damage_anywhere_is_told_or_harmless),
        cmocka_unit_test(sha256_gives_the_published_answer),
    };
    return cmocka_run_group_tests_name("codec/bolt", tests, NULL, NULL);
}
