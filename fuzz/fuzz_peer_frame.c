/* Fuzz: bytes that a stranger or a broken peer sends. Whatever a decoder accepts must encode to the
 * same bytes again, and the frame reader must always move on or stop. */
#include "lib/base/assert.h"
#include "raft/peer_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_hello(struct slice payload)
{
    struct peer_hello hello;
    if (peer_hello_decode(payload, &hello) == 0) {
        autobuf again = BUF_INIT;
        /* A name may hold any printable bytes, so the text is the same too. */
        peer_hello_encode(&hello, &again);
        INVARIANT(slice_eq(buf_slice(&again), payload));
    }
}

static void check_answer(struct slice payload)
{
    struct peer_answer answer;
    if (peer_answer_decode(payload, &answer) == 0) {
        autobuf again = BUF_INIT;
        peer_answer_encode(answer.code, answer.text, &again);
        INVARIANT(slice_eq(buf_slice(&again), payload));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_make(data, size);
    struct slice payload;
    size_t left = bytes.len;
    while (peer_frame_next(&bytes, PEER_HELLO_MAX_BYTES, &payload) == 1) {
        INVARIANT(bytes.len + PEER_FRAME_HEAD_BYTES + payload.len == left && payload.len > 0);
        left = bytes.len;
        check_hello(payload);
        check_answer(payload);
    }
    /* Checksums are hard to guess: look at the payload decoders directly as well. */
    check_hello(slice_make(data, size));
    check_answer(slice_make(data, size));
    return 0;
}
