/* The table of loads. A new one is a row here and the functions it names. */
#include "bench/engine.h"

#include "lib/base/assert.h"
#include "lib/base/str.h"

const struct load bench_loads[] = {
    { "put", "puts", "put a random key", 0, unary_start, unary_put, NULL, unary_free },
    { "get", "reads", "linearizable read of a random key (fills the keys first)", LOAD_NEEDS_KEYS,
      unary_start, unary_get, NULL, unary_free },
    { "get-serializable", "reads", "the same, answered from one member's memory", LOAD_NEEDS_KEYS,
      unary_start, unary_get_serializable, NULL, unary_free },
    { "txn", "txns", "a transaction of one put", 0, unary_start, unary_txn, NULL, unary_free },
    { "list", "pages", "a page of --limit keys from a random one, serializable", LOAD_NEEDS_KEYS,
      unary_start, unary_list, NULL, unary_free },
    { "watch", "events", "--clients watchers of one prefix; latency is from put to event", 0,
      watch_load_start, NULL, watch_load_stop, watch_load_free },
    { "past", "events",
      "--keys puts, then --clients watchers from the first of them; ends when all is seen",
      LOAD_SELF_ENDING, past_start, NULL, NULL, past_free },
    { "stalled", "events",
      "--clients watchers read nothing while --keys puts happen, then everything",
      LOAD_SELF_ENDING | LOAD_SMALL_WINDOW, stalled_start, NULL, NULL, stalled_free },
    { "lease", "keepalives", "--clients keepalive streams, each with a lease of its own", 0,
      lease_load_start, NULL, NULL, lease_load_free },
    { "fill", "keys", "write each key once, in txns of --batch puts; ends when done",
      LOAD_SELF_ENDING, fill_load_start, NULL, NULL, NULL },
    { "first-read", "reads",
      "ask until the first linearizable read is served; latency is that time",
      LOAD_SELF_ENDING | LOAD_NO_PROBE, first_read_start, NULL, NULL, first_read_free },
};
const size_t bench_loads_n = ARRAY_LEN(bench_loads);

const struct load *load_find(const char *name)
{
    for (size_t i = 0; i < bench_loads_n; i++) {
        if (str_eq(bench_loads[i].name, name)) {
            return &bench_loads[i];
        }
    }
    return NULL;
}
