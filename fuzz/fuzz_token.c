/* A token is text that anybody may send: what no key of ours has signed is refused, however it
 * looks, and what is written reads back the same. */
#include <stdlib.h>

#include "server/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[32] = { 7, 1 }, other[32] = { 7, 2 };
    struct slice ours = slice_make(key, sizeof key);
    struct token t = { .since = size, .expiry_s = 1 }, read;
    autobuf text = BUF_INIT;
    if (token_read(ours, slice_make(data, size), &read) == 0) {
        abort(); /* the fuzzer has found a sum */
    }
    t.user_len = size < sizeof t.user ? size : sizeof t.user;
    if (t.user_len > 0) {
        memcpy(t.user, data, t.user_len);
        t.since = data[0];
        t.expiry_s = (uint64_t)data[t.user_len - 1] << 50;
    }
    token_write(ours, &t, &text);
    if (token_read(ours, buf_slice(&text), &read) != 0 || read.user_len != t.user_len ||
        read.since != t.since || read.expiry_s != t.expiry_s ||
        memcmp(read.user, t.user, t.user_len) != 0) {
        abort();
    }
    if (token_read(slice_make(other, sizeof other), buf_slice(&text), &read) == 0) {
        abort();
    }
    text.data[size % text.len] ^= 1;
    if (token_read(ours, buf_slice(&text), &read) == 0) {
        abort();
    }
    return 0;
}
