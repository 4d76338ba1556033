/* Fuzzes quantities against a naive reading in long double: near the same where that is precise,
 * and what is printed parses back. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/quantity.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

/* Negative when the suffix is none of the decimal ones. */
static long double naive_milli(const char *text)
{
    char *end = NULL;
    long double v = strtold(text, &end);
    switch (*end) {
    case 0:
        return v * 1000;
    case 'm':
        return v;
    case 'k':
        return v * 1e6L;
    default:
        return -1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autobuf text = BUF_INIT, printed = BUF_INIT;
    struct err err = ERR_INIT;
    int64_t milli = 0, back = 0;

    buf_append(&text, data, size);
    if (quantity_parse(buf_str(&text), &milli, &err) != 0) {
        INVARIANT(err.msg[0] != 0);
        return 0;
    }
    INVARIANT(milli >= 0);
    long double want = naive_milli(buf_str(&text));
    if (want >= 0 && want < 1e15L) {
        INVARIANT(fabsl((long double)milli - want) <= 1 + want * 1e-15L);
    }
    quantity_print_cpu(milli, &printed);
    int rv = quantity_parse(buf_str(&printed), &back, NULL);
    INVARIANT(rv == 0);
    INVARIANT(back == milli);
    return 0;
}
