/* Commands are read from a log that a peer wrote: decoding must never crash, and what decodes
 * must encode to bytes that decode to the same again. What it allocates is bounded by what it
 * was given. */
#include <stdlib.h>

#include "store/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct command c, again;
    arena_init(&arena);
    if (command_decode(slice_make(data, size), &arena, &c) == 0) {
        autobuf a = BUF_INIT, b = BUF_INIT;
        command_encode(&c, &a);
        if (command_decode(buf_slice(&a), &arena, &again) != 0) {
            abort();
        }
        command_encode(&again, &b);
        if (!slice_eq(buf_slice(&a), buf_slice(&b))) {
            abort();
        }
        if (c.type == COMMAND_TXN) {
            (void)txn_check(&c.txn, 128);
            (void)txn_is_readonly(&c.txn);
        }
    }
    if (arena.used_bytes > 4096 + 1024 * size) {
        abort();
    }
    arena_fini(&arena);
    return 0;
}
