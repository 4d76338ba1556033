/* Quantities: what parses is not negative, and what is printed of it parses to the same. */
#include "api/quantity.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autofree char *text = mem_alloc(size + 1);
    struct err err = ERR_INIT;
    int64_t milli = -1, back = -1;
    autobuf cpu = BUF_INIT, bytes = BUF_INIT;

    if (size != 0) {
        memcpy(text, data, size);
    }
    text[size] = 0;
    if (quantity_parse(text, &milli, &err) != 0) {
        INVARIANT(err.code == E_INVAL && err.msg[0] != 0 && milli == -1);
        return 0;
    }
    INVARIANT(milli >= 0);
    quantity_print_cpu(milli, &cpu);
    INVARIANT(quantity_parse(buf_str(&cpu), &back, &err) == 0 && back == milli);
    quantity_print_bytes(milli / 1000, &bytes);
    INVARIANT(quantity_parse(buf_str(&bytes), &back, &err) == 0 && back == milli / 1000 * 1000);
    return 0;
}
