/* Fuzzes the JSON reader and writer: what parses writes to text that parses to an equal tree,
 * compact and pretty. */
#include <stddef.h>
#include <stdint.h>

#include "lib/base/assert.h"
#include "lib/codec/json.h"

static void check_back(const json_t *doc, const struct buf *text)
{
    struct err err = ERR_INIT;
    json_t *back = NULL;
    int rv = json_parse(buf_slice(text), &back, &err);
    INVARIANT(rv == 0);
    INVARIANT(json_equal(doc, back));
    json_decref(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    json_t *doc = NULL;
    if (json_parse(slice_make(data, size), &doc, &err) != 0) {
        INVARIANT(doc == NULL);
        INVARIANT(err.msg[0] != 0);
        return 0;
    }
    autobuf text = BUF_INIT;
    json_write(doc, &text);
    check_back(doc, &text);
    buf_reset(&text);
    json_write_pretty(doc, &text);
    check_back(doc, &text);
    json_decref(doc);
    return 0;
}
