/* Fuzzes the selector syntax: what parses prints as text that parses to the same. */
#include <stddef.h>
#include <stdint.h>

#include "api/selector.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autobuf text = BUF_INIT, first = BUF_INIT, second = BUF_INIT;
    struct label_selector s = { 0 }, back = { 0 };
    struct err err = ERR_INIT;

    buf_append(&text, data, size);
    if (label_selector_parse(buf_str(&text), &s, &err) != 0) {
        INVARIANT(err.msg[0] != 0);
        return 0;
    }
    label_selector_print(&s, &first);
    int rv = label_selector_parse(buf_str(&first), &back, &err);
    INVARIANT(rv == 0);
    label_selector_print(&back, &second);
    INVARIANT(slice_eq(buf_slice(&first), buf_slice(&second)));
    bool one = label_selector_matches(&s, &s.match_labels);
    bool other = label_selector_matches(&back, &s.match_labels);
    INVARIANT(one == other);
    label_selector_fini(&s);
    label_selector_fini(&back);
    return 0;
}
