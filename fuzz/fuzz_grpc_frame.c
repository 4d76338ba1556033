/* gRPC's message frames, timeouts and texts. The same bytes fed whole and in pieces give the same
 * messages and the same end; what is kept between pieces never exceeds what came. A timeout
 * that parses is formatted to one at least as long, and an encoded text decodes to itself. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/err.h"
#include "lib/rpc/grpc_frame.h"

enum { MAX_BYTES = 4096, MESSAGES_MAX = 64 };

struct feed {
    struct buf told;  /* each message: its length and its bytes */
    size_t n, n_max;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool message(void *arg, struct slice payload)
{
    struct feed *f = arg;
    INVARIANT(payload.len <= MAX_BYTES);
    buf_put_u64(&f->told, payload.len);
    buf_append_slice(&f->told, payload);
    return ++f->n < f->n_max;
}

/* piece 0: all at once. */
static int feed(struct slice bytes, size_t piece, struct feed *f, bool *ret_clean)
{
    struct grpc_reader r;
    size_t too_long = 0;
    int rv = 0;
    grpc_reader_init(&r, MAX_BYTES);
    while (rv == 0 && bytes.len > 0) {
        size_t n = piece == 0 || piece > bytes.len ? bytes.len : piece;
        rv = grpc_reader_feed(&r, slice_make(bytes.data, n), message, f, &too_long);
        bytes = slice_make(bytes.data + n, bytes.len - n);
        INVARIANT(r.part.cap <= 2 * (MAX_BYTES + GRPC_PREFIX_BYTES));
    }
    INVARIANT(rv != E_TOOBIG || too_long > MAX_BYTES);
    *ret_clean = grpc_reader_clean(&r);
    grpc_reader_fini(&r);
    return rv;
}

static void frames(struct slice bytes, size_t piece, size_t n_max)
{
    struct feed whole = { .n_max = n_max }, cut = { .n_max = n_max };
    bool clean, cut_clean;
    int rv = feed(bytes, 0, &whole, &clean);
    int cut_rv = feed(bytes, piece, &cut, &cut_clean);
    INVARIANT(rv == cut_rv);
    INVARIANT(rv != 0 || clean == cut_clean);
    INVARIANT(slice_eq(buf_slice(&whole.told), buf_slice(&cut.told)));
    buf_fini(&whole.told);
    buf_fini(&cut.told);
}

static void timeout(struct slice text)
{
    uint64_t ms, again;
    char back[16];
    if (grpc_timeout_parse(text, &ms) == 0) {
        grpc_timeout_format(ms, back);
        INVARIANT(grpc_timeout_parse(slice_str(back), &again) == 0);
        INVARIANT(again >= ms);
    }
}

static void percent(struct slice bytes)
{
    autobuf encoded = BUF_INIT, decoded = BUF_INIT, wild = BUF_INIT;
    autofree char *text = mem_zalloc(bytes.len + 1);
    memcpy(text, bytes.data, bytes.len);
    grpc_percent_decode(&wild, bytes);
    INVARIANT(wild.len <= bytes.len);
    for (char *p = text; *p != '\0'; p++) { /* what a status text may hold */
        *p = (uint8_t)*p < 0x20 || *p == 0x7f ? '?' : *p;
    }
    grpc_percent_encode(&encoded, text);
    for (size_t i = 0; i < encoded.len; i++) {
        INVARIANT(encoded.data[i] >= 0x20 && encoded.data[i] <= 0x7e);
    }
    grpc_percent_decode(&decoded, buf_slice(&encoded));
    INVARIANT(slice_eq(buf_slice(&decoded), slice_str(text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) {
        return 0;
    }
    struct slice rest = slice_make(data + 3, size - 3);
    switch (data[0] % 3) {
    case 0:
        frames(rest, 1 + data[1], 1 + data[2] % MESSAGES_MAX);
        break;
    case 1:
        timeout(rest);
        break;
    default:
        percent(rest);
        break;
    }
    return 0;
}
