/* Protobuf's wire format, field by field. */
#include "test.h"

#include "lib/base/assert.h"
#include "lib/base/err.h"
#include "lib/codec/pb_wire.h"

static struct pb_wire over(struct slice s)
{
    return (struct pb_wire){ s.data, s.data + s.len };
}

static void what_is_put_is_read_and_as_long_as_was_said(void **state)
{
    (void)state;
    static const uint64_t numbers[] = { 1, 127, 128, 300, UINT32_MAX, INT64_MAX, UINT64_MAX };
    autobuf b = BUF_INIT;
    size_t size = 0;
    for (uint32_t i = 0; i < ARRAY_LEN(numbers); i++) {
        pb_wire_put_u64(&b, 15 + i, numbers[i]);
        size += pb_wire_u64_size(15 + i, numbers[i]);
    }
    pb_wire_put_bytes(&b, 7, slice_str("seven"));
    size += pb_wire_bytes_size(7, 5);
    pb_wire_put_u64(&b, 8, 0); /* not written, as in proto3 */
    pb_wire_put_bytes(&b, 9, slice_make(NULL, 0));
    assert_int_equal(b.len, size);
    assert_int_equal(pb_wire_u64_size(8, 0) + pb_wire_bytes_size(9, 0), 0);
    struct pb_wire w = over(buf_slice(&b));
    struct pb_wire_field f;
    for (uint32_t i = 0; i < ARRAY_LEN(numbers); i++) {
        assert_int_equal(pb_wire_next(&w, &f), 1);
        assert_int_equal(f.number, 15 + i);
        assert_false(f.is_bytes);
        assert_true(f.u64 == numbers[i]);
    }
    assert_int_equal(pb_wire_next(&w, &f), 1);
    assert_true(f.is_bytes && f.number == 7 && slice_eq(f.bytes, slice_str("seven")));
    assert_int_equal(pb_wire_next(&w, &f), 0);
}

static void fixed_numbers_are_little_endian(void **state)
{
    (void)state;
    static const uint8_t bytes[] = { 0x09, 1, 2, 0, 0, 0, 0, 0, 0x80, 0x15, 4, 3, 2, 1 };
    struct pb_wire w = over(slice_make(bytes, sizeof bytes));
    struct pb_wire_field f;
    assert_int_equal(pb_wire_next(&w, &f), 1);
    assert_true(f.number == 1 && f.u64 == UINT64_C(0x8000000000000201));
    assert_int_equal(pb_wire_next(&w, &f), 1);
    assert_true(f.number == 2 && f.u64 == 0x01020304);
    assert_int_equal(pb_wire_next(&w, &f), 0);
}

static void what_is_malformed_is_told_and_nothing_is_read_behind_it(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
        { "\x80", 1 },                                             /* a tag that is cut */
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01", 12 }, /* longer than any number */
        { "\x00\x01", 2 },                                         /* field 0 */
        { "\x80\x80\x80\x80\x80\x01\x01", 7 },                     /* a field over 32 bits */
        { "\x08", 1 },                                             /* no number */
        { "\x08\x80", 2 },
        { "\x09\x01\x02", 3 },                                     /* fixed ones that are cut */
        { "\x0d\x01\x02\x03", 4 },
        { "\x0a", 1 },                                             /* no length */
        { "\x0a\x02x", 3 },                                        /* longer than what is there */
        { "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
        { "\x0b\x0c", 2 },                                         /* a group */
        { "\x0f", 1 },                                             /* no such type */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pb_wire w = over(slice_make(rows[i].bytes, rows[i].n));
        struct pb_wire_field f;
        assert_int_equal(pb_wire_next(&w, &f), E_PROTO);
        assert_true(w.at <= w.end);
    }
}

int test_pb_wire_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_read_and_as_long_as_was_said),
        cmocka_unit_test(fixed_numbers_are_little_endian),
        cmocka_unit_test(what_is_malformed_is_told_and_nothing_is_read_behind_it),
    };
    return cmocka_run_group_tests_name("pb_wire", tests, NULL, NULL);
}
