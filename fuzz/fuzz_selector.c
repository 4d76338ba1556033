/* Selectors of the command line: what parses, prints; what is printed parses to the same. */
#include "api/selector.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autofree char *text = mem_alloc(size + 1);
    struct label_selector s = { { NULL, 0 }, NULL, 0 }, back = { { NULL, 0 }, NULL, 0 };
    struct string_map labels = { NULL, 0 };
    struct err err = ERR_INIT;
    autobuf first = BUF_INIT, second = BUF_INIT;

    if (size != 0) {
        memcpy(text, data, size);
    }
    text[size] = 0;
    if (label_selector_parse(text, &s, &err) != 0) {
        INVARIANT(err.code == E_INVAL && err.msg[0] != 0);
        return 0;
    }
    label_selector_print(&s, &first);
    INVARIANT(label_selector_parse(buf_str(&first), &back, &err) == 0);
    label_selector_print(&back, &second);
    INVARIANT(slice_eq(buf_slice(&first), buf_slice(&second)));
    /* Labels made from the equalities satisfy at least those. */
    for (size_t i = 0; i < s.match_labels.n; i++) {
        string_map_set(&labels, s.match_labels.items[i].key, s.match_labels.items[i].value);
    }
    bool matches = label_selector_matches(&s, &labels);
    INVARIANT(matches == label_selector_matches(&back, &labels));
    INVARIANT(matches || s.n_match_expressions != 0);
    while (labels.n != 0) {
        string_map_remove(&labels, labels.items[0].key);
    }
    mem_free(labels.items);
    label_selector_fini(&s);
    label_selector_fini(&back);
    return 0;
}
