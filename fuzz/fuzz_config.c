/* A configuration file (--config-file): read, or refused with a reason that begins with its path.
 * What is taken holds: choices are choices, URLs are URLs, and the same text read again says the
 * same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cmd/config_file.h"
#include "cmd/member.h"
#include "cmd/values.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *arg, const char *line)
{
    INVARIANT(str_starts(line, "f:"));
    ++*(size_t *)arg;
}

static int read_into(struct member_flags *m, struct slice text, size_t *ret_lines)
{
    const struct option_ears ears = { count, ret_lines };
    struct err err = ERR_INIT;
    *ret_lines = 0;
    options_init(m);
    int rv = config_file_apply(m, "f", text, &ears, &err);
    INVARIANT((rv == 0) == (err.msg[0] == '\0'));
    INVARIANT(rv == 0 || rv == E_INVAL || rv == E_UNSUPPORTED || rv == E_TOOBIG);
    INVARIANT(rv == 0 || str_starts(err.msg, "f:"));
    return rv;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct member_flags a, b;
    size_t lines_a, lines_b;
    struct slice text = slice_make(data, size);
    int rv = read_into(&a, text, &lines_a);
    INVARIANT(read_into(&b, text, &lines_b) == rv);
    INVARIANT(lines_a == lines_b);
    INVARIANT(value_is_choice(a.initial_cluster_state, "new|existing"));
    INVARIANT(value_urls(a.listen_client_urls, NULL) == 0);
    INVARIANT(a.config_file == NULL && a.unsafe_damage == NULL && !a.version);
    INVARIANT(str_eq(a.name, b.name) && str_eq(a.data_dir, b.data_dir));
    INVARIANT(a.election_ms == b.election_ms && a.max_txn_ops == b.max_txn_ops);
    options_fini(&a);
    options_fini(&b);
    return 0;
}
