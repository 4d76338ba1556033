/* Fuzzes the rules of the fault shim: what is wrong is told with its line, what is right prints in
 * a form that parses to the same, and looking up never leaves the rules. Then the journal of
 * unsynced writes: whatever its bytes, its records lie inside them. */
#include <stddef.h>
#include <stdint.h>

#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/io/fault_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void journal(struct slice bytes)
{
    const uint8_t *end = bytes.data + bytes.len;
    struct track_record r;
    size_t left = bytes.len;

    while (track_record_next(&bytes, &r) == 1) {
        INVARIANT(bytes.len < left);
        INVARIANT(r.old.data + r.old.len <= end);
        left = bytes.len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault_rules rules = FAULT_RULES_INIT;
    struct fault_rules again = FAULT_RULES_INIT;
    struct err err = ERR_INIT;
    autobuf first = BUF_INIT;
    autobuf second = BUF_INIT;

    journal(slice_make(data, size));
    if (fault_rules_parse(slice_make(data, size), &rules, &err) != 0) {
        INVARIANT(str_starts(err.msg, "line ") || err.code == E_TOOBIG);
        return 0;
    }
    fault_rules_print(&rules, &first);
    int rv = fault_rules_parse(buf_slice(&first), &again, &err);
    INVARIANT(rv == 0);
    fault_rules_print(&again, &second);
    INVARIANT(slice_eq(buf_slice(&first), buf_slice(&second)));
    struct fault_name a = { "m1", "127.0.0.1:2380" };
    struct fault_name b = { "m2", NULL };
    const struct fault_link *l = fault_rules_link(&rules, a, b);
    INVARIANT(l == NULL || (l >= rules.links && l < rules.links + rules.n_links));
    (void)fault_rules_conn(&rules, a);
    fault_rules_fini(&rules);
    fault_rules_fini(&again);
    return 0;
}
