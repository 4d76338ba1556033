/* Fuzzes the YAML reader and writer: every document that becomes JSON is written as YAML, and that
 * text must read back as one document equal to it. */
#include <stddef.h>
#include <stdint.h>

#include "lib/base/assert.h"
#include "lib/codec/yaml.h"

static void check_back(const json_t *doc, struct arena *arena)
{
    autobuf text = BUF_INIT;
    struct yaml_stream s;
    struct err err = ERR_INIT;
    json_t *back = NULL;
    yaml_write(doc, &text);
    int rv = yaml_parse(buf_slice(&text), arena, &s, &err);
    INVARIANT(rv == 0);
    INVARIANT(s.n == 1);
    rv = yaml_to_json(s.docs[0], &back, &err);
    INVARIANT(rv == 0);
    INVARIANT(json_equal(doc, back));
    json_decref(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct yaml_stream s;
    struct err err = ERR_INIT;

    arena_init(&arena);
    if (yaml_parse(slice_make(data, size), &arena, &s, &err) != 0) {
        INVARIANT(err.msg[0] != 0);
        arena_fini(&arena);
        return 0;
    }
    for (size_t i = 0; i < s.n; i++) {
        json_t *doc = NULL;
        if (yaml_to_json(s.docs[i], &doc, &err) == 0) {
            check_back(doc, &arena);
            json_decref(doc);
        }
    }
    arena_fini(&arena);
    return 0;
}
