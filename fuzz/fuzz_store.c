/* The store against its naive model: the fuzzer's bytes choose the operations. The first byte
 * sizes the key space and says whether there is a quota. The model lives with the unit tests;
 * it is pulled in here as source so that the target is one program. */
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
        .keys = 3 + data[0] % 60,
    };
    if (!differential_run(&g, 2000, data[0] >= 200 ? 700 : 0)) {
        abort();
    }
    arena_fini(&arena);
    return 0;
}
