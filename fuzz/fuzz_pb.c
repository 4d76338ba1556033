/* Every message of every service, as a stranger may send it: the first byte chooses it. What
 * unpacks is packed, and its bytes unpack and pack to the same again. Memory is bounded by what
 * came: nesting and many tiny submessages are refused before anything is allocated for them. */
#include <stdlib.h>

#include "fuzz/messages.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/rpc/grpc_frame.h"
#include "lib/rpc/pb.h"

enum { SUBMESSAGES_MAX = 500, SUBMESSAGE_BYTES = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void piece(void *arg, struct value *v)
{
    buf_append(arg, v->data, v->len);
    value_unref(v);
}

static void pack(const ProtobufCMessage *m, struct buf *out)
{
    pb_pack_framed(m, piece, out);
    INVARIANT(out->len >= GRPC_PREFIX_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const ProtobufCMessageDescriptor *d = message_choose(data[0]);
    struct slice bytes = slice_make(data + 1, size - 1);
    struct arena arena;
    arena_init(&arena);
    ProtobufCMessage *m = pb_unpack(d, bytes, &arena, SUBMESSAGES_MAX);
    INVARIANT(arena.used_bytes <= 4096 + 32 * size + SUBMESSAGES_MAX * SUBMESSAGE_BYTES);
    if (m != NULL) {
        autobuf first = BUF_INIT, second = BUF_INIT;
        pack(m, &first);
        ProtobufCMessage *again =
            pb_unpack(d, slice_make(first.data + GRPC_PREFIX_BYTES, first.len - GRPC_PREFIX_BYTES),
                      &arena, SUBMESSAGES_MAX);
        INVARIANT(again != NULL);
        pack(again, &second);
        INVARIANT(slice_eq(buf_slice(&first), buf_slice(&second)));
    } else {
        /* The walk may pass what protobuf-c refuses (a required form, bad UTF-8), never the other
         * way round: it is what bounds the memory. */
        (void)pb_check(d, bytes, SUBMESSAGES_MAX);
    }
    arena_fini(&arena);
    return 0;
}
