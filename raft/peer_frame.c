/* Frames, hello and answer; the byte format is in the header. Every length is checked before it is
 * used, and nothing is allocated by a decoder. */
#include "raft/peer_frame.h"

#include "lib/base/assert.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/codec/crc32c.h"

static const char HELLO_MAGIC[8] = { 'B', 'A', 'R', 'Q', 'P', 'E', 'E', 'R' };

enum {
    HELLO_PREFIX_BYTES = 12,                 /* magic and version */
    HELLO_FIXED_BYTES = 12 + 1 + 4 * 8, /* up to the name */
};

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static uint64_t get_u64(const uint8_t *p)
{
    return (uint64_t)get_u32(p) << 32 | get_u32(p + 4);
}

static void put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

void peer_frame_head(uint8_t ret_head[PEER_FRAME_HEAD_BYTES], struct slice head, struct slice body)
{
    uint32_t crc = crc32c(0, head.data, head.len);
    put_u32(ret_head, (uint32_t)(head.len + body.len));
    put_u32(ret_head + 4, crc32c(crc, body.data, body.len));
}

int peer_frame_next(struct slice *bytes, size_t max, struct slice *ret_payload)
{
    if (bytes->len < PEER_FRAME_HEAD_BYTES) {
        return 0;
    }
    size_t len = get_u32(bytes->data);
    if (len == 0) {
        return E_PROTO;
    }
    if (len > max) {
        return E_TOOBIG;
    }
    if (bytes->len - PEER_FRAME_HEAD_BYTES < len) {
        return 0;
    }
    struct slice payload = slice_make(bytes->data + PEER_FRAME_HEAD_BYTES, len);
    if (crc32c(0, payload.data, payload.len) != get_u32(bytes->data + 4)) {
        return E_CORRUPT;
    }
    *bytes = slice_make(payload.data + len, bytes->len - PEER_FRAME_HEAD_BYTES - len);
    *ret_payload = payload;
    return 1;
}

void peer_hello_encode(const struct peer_hello *hello, struct buf *out)
{
    size_t name_len = strnlen(hello->name, PEER_NAME_MAX);
    size_t address_len = strnlen(hello->address, PEER_ADDRESS_MAX);
    buf_append(out, HELLO_MAGIC, sizeof HELLO_MAGIC);
    buf_put_u32(out, hello->version);
    buf_put_u8(out, (uint8_t)hello->kind);
    buf_put_u64(out, hello->cluster_id);
    buf_put_u64(out, hello->from);
    buf_put_u64(out, hello->to);
    buf_put_u64(out, hello->stream_id);
    buf_put_u8(out, (uint8_t)name_len);
    buf_append(out, hello->name, name_len);
    buf_put_u8(out, (uint8_t)address_len);
    buf_append(out, hello->address, address_len);
}

/* Texts go into log lines: printable ASCII only. */
static bool printable(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 0x20 || p[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

/* Takes a u8 length and so many bytes off the front. */
static int take_text(struct slice *bytes, size_t max, char *ret_text)
{
    size_t len = bytes->len > 0 ? bytes->data[0] : SIZE_MAX;
    if (len > max || bytes->len - 1 < len || !printable(bytes->data + 1, len)) {
        return E_PROTO;
    }
    memcpy(ret_text, bytes->data + 1, len);
    *bytes = slice_make(bytes->data + 1 + len, bytes->len - 1 - len);
    return 0;
}

int peer_hello_decode(struct slice payload, struct peer_hello *ret_hello)
{
    const uint8_t *p = payload.data;
    if (payload.len < HELLO_PREFIX_BYTES || memcmp(p, HELLO_MAGIC, sizeof HELLO_MAGIC) != 0) {
        return E_PROTO;
    }
    uint32_t version = get_u32(p + 8);
    if (version != PEER_VERSION) {
        *ret_hello = (struct peer_hello){ .version = version };
        return E_UNSUPPORTED;
    }
    if (payload.len < HELLO_FIXED_BYTES || p[12] > PEER_KIND_KNOCK) {
        return E_PROTO;
    }
    struct peer_hello hello = { .version = version, .kind = (enum peer_kind)p[12] };
    hello.cluster_id = get_u64(p + 13);
    hello.from = get_u64(p + 21);
    hello.to = get_u64(p + 29);
    hello.stream_id = get_u64(p + 37);
    struct slice rest = slice_make(p + HELLO_FIXED_BYTES, payload.len - HELLO_FIXED_BYTES);
    if (take_text(&rest, PEER_NAME_MAX, hello.name) != 0 ||
        take_text(&rest, PEER_ADDRESS_MAX, hello.address) != 0 || rest.len != 0) {
        return E_PROTO;
    }
    *ret_hello = hello;
    return 0;
}

void peer_answer_encode(enum peer_code code, const char *text, struct buf *out)
{
    size_t len = strnlen(text, PEER_TEXT_MAX);
    buf_put_u8(out, (uint8_t)code);
    buf_put_u8(out, (uint8_t)len);
    buf_append(out, text, len);
}

int peer_answer_decode(struct slice payload, struct peer_answer *ret_answer)
{
    const uint8_t *p = payload.data;
    if (payload.len < 2 || p[0] >= PEER_CODES || p[1] > PEER_TEXT_MAX ||
        payload.len != 2u + p[1] || !printable(p + 2, p[1])) {
        return E_PROTO;
    }
    struct peer_answer answer = { .code = (enum peer_code)p[0] };
    memcpy(answer.text, p + 2, p[1]);
    *ret_answer = answer;
    return 0;
}

const char *peer_code_text(enum peer_code code)
{
    static const char *const TEXTS[PEER_CODES] = {
        [PEER_WELCOME] = "welcome",
        [PEER_REFUSED_VERSION] = "it speaks another version of the peer protocol",
        [PEER_REFUSED_CLUSTER] = "it belongs to another cluster",
        [PEER_REFUSED_TARGET] = "it looks for another member at this address",
        [PEER_REFUSED_REMOVED] = "it was removed from the cluster",
        [PEER_REFUSED_UNKNOWN] = "it is not known here, and there is no room to get to know it",
        [PEER_ALIVE] = "alive",
        [PEER_RECEIVED] = "received",
    };
    return TEXTS[code];
}
