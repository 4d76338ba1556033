/* The msgpack cursor: what is written reads back, what is broken is refused, once and for good. */
#include "test.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/err.h"
#include "lib/codec/mp.h"

static struct mp_reader reader_of(const struct buf *b)
{
    struct mp_reader r;
    mp_reader_init(&r, buf_slice(b));
    return r;
}

static void unsigned_integers_survive_at_every_width(void **state)
{
    (void)state;
    static const uint64_t values[] = { 0,     127,        128,         255,        256, 65535,
                                       65536, UINT32_MAX, 1ull << 32, UINT64_MAX };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        autobuf b = BUF_INIT;
        mp_put_u64(&b, values[i]);
        struct mp_reader r = reader_of(&b);
        assert_true(mp_get_u64(&r) == values[i]);
        assert_int_equal(mp_reader_finish(&r), 0);
    }
}

static void signed_integers_survive_at_every_width(void **state)
{
    (void)state;
    static const int64_t values[] = { 0,         -1,     -32,    -33,
                                      -128,      -129,   127,    -32768,
                                      -32769,    INT32_MIN, INT32_MIN - 1LL, INT64_MIN,
                                      INT64_MAX };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        autobuf b = BUF_INIT;
        mp_put_i64(&b, values[i]);
        struct mp_reader r = reader_of(&b);
        assert_true(mp_get_i64(&r) == values[i]);
        assert_int_equal(mp_reader_finish(&r), 0);
        r = reader_of(&b);
        uint64_t u = mp_get_u64(&r);
        assert_int_equal(mp_reader_error(&r), values[i] < 0 ? E_PROTO : 0);
        assert_true(u == (values[i] < 0 ? 0 : (uint64_t)values[i]));
    }
    autobuf b = BUF_INIT;
    mp_put_u64(&b, (uint64_t)INT64_MAX + 1);
    struct mp_reader r = reader_of(&b);
    (void)mp_get_i64(&r);
    assert_int_equal(mp_reader_error(&r), E_PROTO);
}

static void put_record(struct buf *b)
{
    mp_put_array(b, 6);
    mp_put_u64(b, 1);
    mp_put_str(b, "/registry/pods/a");
    mp_put_bin(b, slice_make("\0\1\2", 3));
    mp_put_bool(b, true);
    mp_put_nil(b);
    mp_put_map(b, 1);
    mp_put_str(b, "k");
    mp_put_i64(b, -7);
}

static void read_record(struct mp_reader *r)
{
    (void)mp_get_array(r, 16);
    (void)mp_get_u64(r);
    (void)mp_get_bin(r, 100);
    (void)mp_get_bin(r, 100);
    (void)mp_get_bool(r);
    (void)mp_get_nil(r);
    (void)mp_get_map(r, 16);
    (void)mp_get_bin(r, 100);
    (void)mp_get_i64(r);
}

static void a_record_reads_back(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    put_record(&b);
    struct mp_reader r = reader_of(&b);
    assert_int_equal(mp_get_array(&r, 6), 6);
    assert_int_equal(mp_get_u64(&r), 1);
    assert_true(slice_eq(mp_get_bin(&r, 16), slice_str("/registry/pods/a")));
    assert_true(slice_eq(mp_get_bin(&r, 3), slice_make("\0\1\2", 3)));
    assert_false(mp_get_nil(&r));
    assert_true(mp_get_bool(&r));
    assert_true(mp_get_nil(&r));
    assert_int_equal(mp_get_map(&r, 1), 1);
    assert_true(slice_eq(mp_get_bin(&r, 9), slice_str("k")));
    assert_int_equal(mp_get_i64(&r), -7);
    assert_int_equal(mp_reader_finish(&r), 0);
}

static void every_cut_of_a_record_is_truncated(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    put_record(&b);
    for (size_t len = 0; len < b.len; len++) {
        struct mp_reader r;
        mp_reader_init(&r, slice_make(b.data, len));
        read_record(&r);
        assert_int_equal(mp_reader_finish(&r), E_TRUNCATED);
        mp_reader_init(&r, slice_make(b.data, len));
        mp_skip(&r);
        assert_int_equal(mp_reader_error(&r), E_TRUNCATED);
    }
}

static void the_first_error_stays(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    mp_put_str(&b, "text");
    mp_put_u64(&b, 5);
    struct mp_reader r = reader_of(&b);
    assert_int_equal(mp_get_u64(&r), 0);
    assert_int_equal(mp_reader_error(&r), E_PROTO);
    assert_int_equal(mp_get_u64(&r), 0);
    assert_int_equal(mp_get_bin(&r, 100).len, 0);
    assert_false(mp_get_bool(&r));
    assert_false(mp_get_nil(&r));
    mp_skip(&r);
    assert_int_equal(mp_reader_finish(&r), E_PROTO);
}

static void what_is_left_over_is_an_error(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    mp_put_u64(&b, 5);
    mp_put_nil(&b);
    struct mp_reader r = reader_of(&b);
    assert_int_equal(mp_get_u64(&r), 5);
    assert_int_equal(mp_reader_error(&r), 0);
    assert_int_equal(mp_reader_finish(&r), E_PROTO);
}

static void counts_and_lengths_are_bounded(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    mp_put_array(&b, 20);
    for (int i = 0; i < 20; i++) {
        mp_put_nil(&b);
    }
    struct mp_reader r = reader_of(&b);
    assert_int_equal(mp_get_array(&r, 19), 0);
    assert_int_equal(mp_reader_error(&r), E_TOOBIG);
    r = reader_of(&b);
    assert_int_equal(mp_get_array(&r, 20), 20);

    buf_reset(&b);
    mp_put_str(&b, "four");
    r = reader_of(&b);
    assert_int_equal(mp_get_bin(&r, 3).len, 0);
    assert_int_equal(mp_reader_error(&r), E_TOOBIG);

    /* Claims 2^32 - 1 elements or bytes in five bytes. */
    static const uint8_t claims[] = { 0xdd, 0xdf, 0xc6, 0xdb };
    for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
        uint8_t bytes[6] = { claims[i], 0xff, 0xff, 0xff, 0xff, 0xc0 };
        mp_reader_init(&r, slice_make(bytes, sizeof bytes));
        assert_int_equal(i == 0   ? mp_get_array(&r, UINT32_MAX)
                         : i == 1 ? mp_get_map(&r, UINT32_MAX)
                                  : (uint32_t)mp_get_bin(&r, SIZE_MAX).len,
                         0);
        assert_int_equal(mp_reader_error(&r), E_TRUNCATED);
    }
}

static void skipping_passes_over_every_type(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[20];
        size_t len;
    } rows[] = {
        { { 0x05 }, 1 },
        { { 0xff }, 1 },
        { { 0xc0 }, 1 },
        { { 0xc2 }, 1 },
        { { 0xcc, 200 }, 2 },
        { { 0xcf, 1 }, 9 },
        { { 0xd0, 0x80 }, 2 },
        { { 0xd3, 1 }, 9 },
        { { 0xca }, 5 },
        { { 0xcb }, 9 },
        { { 0xa2, 'h', 'i' }, 3 },
        { { 0xd9, 1, 'x' }, 3 },
        { { 0xc4, 2 }, 4 },
        { { 0xd4, 1, 2 }, 3 },
        { { 0xd8, 1 }, 18 },
        { { 0xc7, 3, 1 }, 6 },
        { { 0xc8, 0, 2, 1 }, 6 },
        { { 0x92, 1, 2 }, 3 },
        { { 0x81, 0xa1, 'k', 0x90 }, 4 },
        { { 0xdc, 0, 1, 0x80 }, 4 },
        { { 0xde, 0, 0 }, 3 },
        { { 0xdd, 0, 0, 0, 1, 5 }, 6 },
        { { 0xdf, 0, 0, 0, 1, 5, 6 }, 7 },
        { { 0xc3 }, 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mp_reader r;
        mp_reader_init(&r, slice_make(rows[i].bytes, rows[i].len));
        mp_skip(&r);
        assert_int_equal(mp_reader_finish(&r), 0);
    }
    struct mp_reader r;
    mp_reader_init(&r, slice_make("\xc1", 1));
    mp_skip(&r);
    assert_int_equal(mp_reader_error(&r), E_PROTO);
    static const char *const cut[] = { "\xca", "\xc7", "\xd8\x01" };
    for (size_t i = 0; i < ARRAY_LEN(cut); i++) {
        mp_reader_init(&r, slice_str(cut[i]));
        mp_skip(&r);
        assert_int_equal(mp_reader_error(&r), E_TRUNCATED);
    }
}

static void skipping_goes_64_deep_and_no_deeper(void **state)
{
    (void)state;
    uint8_t deep[66];
    struct mp_reader r;
    memset(deep, 0x91, sizeof deep);
    deep[64] = 0xc0;
    mp_reader_init(&r, slice_make(deep, 65));
    mp_skip(&r);
    assert_int_equal(mp_reader_finish(&r), 0);
    deep[64] = 0x91;
    deep[65] = 0xc0;
    mp_reader_init(&r, slice_make(deep, 66));
    mp_skip(&r);
    assert_int_equal(mp_reader_error(&r), E_TOOBIG);
}

int test_mp_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_integers_survive_at_every_width),
        cmocka_unit_test(signed_integers_survive_at_every_width),
        cmocka_unit_test(a_record_reads_back),
        cmocka_unit_test(every_cut_of_a_record_is_truncated),
        cmocka_unit_test(the_first_error_stays),
        cmocka_unit_test(what_is_left_over_is_an_error),
        cmocka_unit_test(counts_and_lengths_are_bounded),
        cmocka_unit_test(skipping_passes_over_every_type),
        cmocka_unit_test(skipping_goes_64_deep_and_no_deeper),
    };
    return cmocka_run_group_tests_name("codec/mp", tests, NULL, NULL);
}
