/* Transactions against the naive model, all the bytes spent on them: compares of every target over
 * single keys and ranges, nested branches, puts, deletes and ranges that meet in one revision.
 * fuzz_store plays everything; here a txn is every command, so that deep ones are found. */
#include <stdlib.h>

#include "tests/unit/store/differential.c"
#include "tests/unit/store/gen.c"
#include "tests/unit/store/model.c"
#include "tests/unit/store/model_print.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct arena arena;
    arena_init(&arena);
    struct gen g = {
        .from_bytes = true,
        .bytes = slice_make(data + 1, size - 1),
        .arena = &arena,
        .keys = 2 + data[0] % 12,
        .txns_only = true,
    };
    if (!differential_run(&g, 2000, data[0] >= 200 ? 300 : 0)) {
        abort();
    }
    arena_fini(&arena);
    return 0;
}
