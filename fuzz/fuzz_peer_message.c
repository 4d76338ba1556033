/* Peer messages, log envelopes and configurations: bytes of an authenticated but possibly mad peer.
 * What decodes must be safe to hand to libraft, which trusts it. */
#include <stdlib.h>

#include "raft/configuration.h"
#include "raft/message.h"
#include "raft/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_entries(const struct raft_append_entries *ae)
{
    for (unsigned i = 0; i < ae->n_entries; i++) {
        const struct raft_entry *e = &ae->entries[i];
        struct slice data = slice_make(e->buf.base, e->buf.len);
        if (e->term == 0 || e->term > ae->term) {
            abort();
        }
        if (e->type == RAFT_CHANGE) {
            struct raft_configuration conf;
            configuration_decode(data, &conf); /* checked by the decoder */
            raft_configuration_close(&conf);
        } else {
            struct envelope env;
            (void)envelope_decode(data, &env);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message_reader reader = { 0 };
    struct slice bytes = slice_make(data, size);
    struct message m;
    struct envelope env;
    if (message_decode(&reader, bytes, &m) == 0 && m.kind == RAFT_APPEND_ENTRIES) {
        use_entries(&m.raft.append_entries);
    }
    (void)envelope_decode(bytes, &env);
    if (configuration_check(bytes) == 0) {
        struct raft_configuration conf;
        configuration_decode(bytes, &conf);
        raft_configuration_close(&conf);
    }
    message_reader_fini(&reader);
    return 0;
}
