/* gRPC frames, timeouts, percent-encoding, and the check before protobuf unpacking. */
#include "fixture.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/arena.h"
#include "lib/rpc/grpc_frame.h"
#include "lib/rpc/pb.h"

struct seen {
    size_t n;
    char text[64];
};

static bool see(void *arg, struct slice payload)
{
    struct seen *s = arg;
    s->n++;
    strncat(s->text, (const char *)payload.data, payload.len < 20 ? payload.len : 20);
    return true;
}

static void messages_split_at_any_byte_are_put_together(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\0\0\0\0\3abc\0\0\0\0\0\0\0\0\0\2de";
    const size_t n = sizeof bytes - 1;
    for (size_t step = 1; step <= n; step++) {
        struct seen s = { 0 };
        struct grpc_reader r;
        size_t len;
        grpc_reader_init(&r, 100);
        for (size_t at = 0; at < n; at += step) {
            size_t part = n - at < step ? n - at : step;
            assert_int_equal(grpc_reader_feed(&r, slice_make(bytes + at, part), see, &s, &len), 0);
        }
        assert_int_equal(s.n, 3);
        assert_string_equal(s.text, "abcde");
        assert_true(grpc_reader_clean(&r));
        grpc_reader_fini(&r);
    }
}

static void an_announced_length_over_the_limit_allocates_nothing(void **state)
{
    (void)state;
    struct grpc_reader r;
    struct seen s = { 0 };
    size_t len = 0;
    grpc_reader_init(&r, 100);
    assert_int_equal(
        grpc_reader_feed(&r, slice_make("\0\xff\xff\xff\xff", 5), see, &s, &len), E_TOOBIG);
    assert_true(len == 0xffffffffu);
    grpc_reader_fini(&r);
    grpc_reader_init(&r, 100);
    assert_int_equal(grpc_reader_feed(&r, slice_make("\1\0\0\0\1", 5), see, &s, &len),
                     E_UNSUPPORTED);
    grpc_reader_fini(&r);
}

static void a_half_message_takes_memory_only_for_what_came(void **state)
{
    (void)state;
    struct grpc_reader r;
    struct seen s = { 0 };
    size_t len;
    grpc_reader_init(&r, 1u << 30);
    assert_int_equal(grpc_reader_feed(&r, slice_make("\0\x3f\0\0\0xy", 7), see, &s, &len), 0);
    assert_false(grpc_reader_clean(&r));
    assert_true(r.part.cap < 4096);
    grpc_reader_fini(&r);
}

static void timeouts_are_read_in_every_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        { "5S", 5000 }, { "100m", 100 }, { "1H", 3600000 }, { "2M", 120000 },
        { "1500u", 2 }, { "1n", 1 },     { "99999999S", 99999999000 },
    };
    static const char *const bad[] = { "", "S", "5", "-1S", "123456789S", "5x", "5 S" };
    uint64_t ms;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(grpc_timeout_parse(slice_str(good[i].text), &ms), 0);
        assert_true(ms == good[i].ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(grpc_timeout_parse(slice_str(bad[i]), &ms), E_INVAL);
    }
    char text[16];
    grpc_timeout_format(100000001, text); /* over 8 digits: never shorter */
    assert_string_equal(text, "100001S");
    grpc_timeout_format(1500, text);
    assert_string_equal(text, "1500m");
    grpc_timeout_format(UINT64_MAX, text);
    assert_int_equal(grpc_timeout_parse(slice_str(text), &ms), 0);
}

static void texts_survive_percent_encoding(void **state)
{
    (void)state;
    autobuf enc = BUF_INIT;
    autobuf dec = BUF_INIT;
    grpc_percent_encode(&enc, "100% of \xc3\xa4\n");
    assert_string_equal(buf_str(&enc), "100%25 of %C3%A4%0A");
    grpc_percent_decode(&dec, buf_slice(&enc));
    assert_string_equal(buf_str(&dec), "100% of \xc3\xa4\n");
    buf_reset(&dec);
    grpc_percent_decode(&dec, slice_str("%zz%2"));
    assert_string_equal(buf_str(&dec), "%zz%2");
}

/* A message nested `depth` times in itself. */
static void nest(struct buf *out, int depth)
{
    for (int i = 0; i < depth; i++) {
        autobuf outer = BUF_INIT;
        buf_put_u8(&outer, 0x1a);
        size_t len = out->len;
        for (; len >= 0x80; len >>= 7) {
            buf_put_u8(&outer, (uint8_t)(len | 0x80));
        }
        buf_put_u8(&outer, (uint8_t)len);
        buf_append_slice(&outer, buf_slice(out));
        buf_reset(out);
        buf_append_slice(out, buf_slice(&outer));
    }
}

static void deep_nesting_is_refused_before_protobuf_recurses(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    nest(&b, PB_DEPTH_MAX - 1);
    assert_int_equal(pb_check(&echo_descriptor, buf_slice(&b), SIZE_MAX), 0);
    nest(&b, 1);
    assert_int_equal(pb_check(&echo_descriptor, buf_slice(&b), SIZE_MAX), E_TOOBIG);
    nest(&b, 5000);
    assert_int_equal(pb_check(&echo_descriptor, buf_slice(&b), SIZE_MAX), E_TOOBIG);
}

static void too_many_submessages_are_refused(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    for (int i = 0; i < 10; i++) {
        buf_append(&b, "\x22\0", 2);
    }
    assert_int_equal(pb_check(&echo_descriptor, buf_slice(&b), 10), 0);
    assert_int_equal(pb_check(&echo_descriptor, buf_slice(&b), 9), E_TOOBIG);
}

static void too_many_fields_are_refused(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    for (int i = 0; i < 10 * PB_FIELDS_PER_SUBMESSAGE; i++) {
        buf_append(&b, "\x50\x01", 2); /* unknown: each would be kept */
    }
    assert_int_equal(pb_check(&echo_descriptor, buf_slice(&b), 10), 0);
    assert_int_equal(pb_check(&echo_descriptor, buf_slice(&b), 9), E_TOOBIG);
    assert_int_equal(pb_check(&echo_descriptor, buf_slice(&b), SIZE_MAX), 0);
}

static void truncated_protobuf_is_refused(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    assert_null(pb_unpack(&echo_descriptor, slice_make("\x0a\x05xx", 4), &a, 10));
    assert_null(pb_unpack(&echo_descriptor, slice_make("\x10\xff", 2), &a, 10));
    assert_null(pb_unpack(&echo_descriptor, slice_make("\x0f", 1), &a, 10));
    assert_null(pb_unpack(&echo_descriptor, slice_make("\x80\x00\x25", 3), &a, 10)); /* field 0 */
    /* Unknown fields of every wire type are skipped. */
    struct echo *e = (struct echo *)pb_unpack(
        &echo_descriptor, slice_make("\x50\x01\x59xxxxxxxx\x5dxxxx\x62\x01x\x10\x07", 21), &a, 10);
    assert_non_null(e);
    assert_true(e->n == 7);
    arena_fini(&a);
}

static void take_piece(void *arg, struct value *v)
{
    struct buf *b = arg;
    assert_true(v->len <= PB_PIECE_BYTES);
    buf_append_slice(b, value_slice(v));
    value_unref(v);
}

static void a_message_packs_to_the_same_bytes_in_any_number_of_pieces(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, PB_PIECE_BYTES - 10, PB_PIECE_BYTES - 9,
                                    PB_PIECE_BYTES, 3 * PB_PIECE_BYTES + 17 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct echo e = ECHO_INIT;
        e.data.len = sizes[i];
        e.data.data = malloc(sizes[i] + 1);
        assert_non_null(e.data.data);
        memset(e.data.data, 'p', sizes[i]);
        autobuf got = BUF_INIT;
        pb_pack_framed(&e.base, take_piece, &got);
        size_t n = protobuf_c_message_get_packed_size(&e.base);
        uint8_t *want = malloc(n + 1);
        assert_non_null(want);
        protobuf_c_message_pack(&e.base, want);
        assert_int_equal(got.len, n + GRPC_PREFIX_BYTES);
        assert_memory_equal(got.data + GRPC_PREFIX_BYTES, want, n);
        free(want);
        free(e.data.data);
    }
}

int test_frame_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_split_at_any_byte_are_put_together),
        cmocka_unit_test(an_announced_length_over_the_limit_allocates_nothing),
        cmocka_unit_test(a_half_message_takes_memory_only_for_what_came),
        cmocka_unit_test(timeouts_are_read_in_every_unit),
        cmocka_unit_test(texts_survive_percent_encoding),
        cmocka_unit_test(deep_nesting_is_refused_before_protobuf_recurses),
        cmocka_unit_test(too_many_submessages_are_refused),
        cmocka_unit_test(too_many_fields_are_refused),
        cmocka_unit_test(truncated_protobuf_is_refused),
        cmocka_unit_test(a_message_packs_to_the_same_bytes_in_any_number_of_pieces),
    };
    return cmocka_run_group_tests_name("rpc frames", tests, NULL, NULL);
}
