/* The peer protocol's bytes: frames, hello and answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/err.h"
#include "raft/peer_frame.h"

int test_peer_frame_run(void);

static void raw_frame(struct buf *out, struct slice payload)
{
    uint8_t head[PEER_FRAME_HEAD_BYTES];
    peer_frame_head(head, payload, slice_make(NULL, 0));
    buf_append(out, head, sizeof head);
    buf_append_slice(out, payload);
}

static void a_frame_needs_all_its_bytes_and_its_checksum(void **state)
{
    autobuf b = BUF_INIT;
    struct slice payload;
    (void)state;
    raw_frame(&b, slice_str("payload"));
    for (size_t n = 0; n < b.len; n++) {
        struct slice part = slice_make(b.data, n);
        assert_int_equal(peer_frame_next(&part, 100, &payload), 0);
        assert_int_equal(part.len, n);
    }
    for (size_t i = 4; i < b.len; i++) {
        struct slice whole = buf_slice(&b);
        b.data[i] ^= 0x40;
        assert_int_equal(peer_frame_next(&whole, 100, &payload), E_CORRUPT);
        b.data[i] ^= 0x40;
    }
    struct slice whole = buf_slice(&b);
    assert_int_equal(peer_frame_next(&whole, 6, &payload), E_TOOBIG);
    assert_int_equal(peer_frame_next(&whole, 7, &payload), 1);
    assert_true(slice_eq(payload, slice_str("payload")));
    assert_int_equal(whole.len, 0);
}

static void a_hello_of_any_wrong_length_is_refused(void **state)
{
    struct peer_hello hello = {
        .version = PEER_VERSION, .kind = PEER_KIND_STREAM, .cluster_id = 1, .from = 2, .to = 3,
        .stream_id = UINT64_MAX, .name = "mast", .address = "127.0.0.1:2380",
    };
    struct peer_hello back;
    autobuf b = BUF_INIT;
    (void)state;
    peer_hello_encode(&hello, &b);
    assert_int_equal(peer_hello_decode(buf_slice(&b), &back), 0);
    assert_memory_equal(&back, &hello, sizeof hello);
    for (size_t n = 0; n < b.len; n++) {
        assert_int_equal(peer_hello_decode(slice_make(b.data, n), &back), E_PROTO);
    }
    buf_append_char(&b, 'x');
    assert_int_equal(peer_hello_decode(buf_slice(&b), &back), E_PROTO);
}

static void every_answer_has_a_text_and_survives_the_way(void **state)
{
    (void)state;
    for (int code = 0; code < PEER_CODES; code++) {
        autobuf b = BUF_INIT;
        struct peer_answer back;
        peer_answer_encode((enum peer_code)code, peer_code_text((enum peer_code)code), &b);
        assert_int_equal(peer_answer_decode(buf_slice(&b), &back), 0);
        assert_int_equal(back.code, code);
        assert_string_equal(back.text, peer_code_text((enum peer_code)code));
        for (size_t n = 0; n < b.len; n++) {
            assert_int_equal(peer_answer_decode(slice_make(b.data, n), &back), E_PROTO);
        }
    }
}

int test_peer_frame_run(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_needs_all_its_bytes_and_its_checksum),
        cmocka_unit_test(a_hello_of_any_wrong_length_is_refused),
        cmocka_unit_test(every_answer_has_a_text_and_survives_the_way),
    };
    return cmocka_run_group_tests_name("raft/peer_frame", tests, NULL, NULL);
}
