/* A member without memory refuses instead of dying: the reserve (lib/base/alloc.h) finishes what is
 * under way, new calls hear ResourceExhausted, and every tick looks whether there is some again. */
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "server/internal.h"

/* Refusals last from one tick to the next at least: a turn or two for memory to come back. */
void server_memory_tick(struct server *s)
{
    bool was = s->memory_low;
    s->memory_low = mem_is_low();
    if (s->memory_low && !was) {
        log_warn("server", "out of memory: requests are refused until there is some again",
                 "reserve_bytes=%d", SERVER_RESERVE_BYTES);
    } else if (s->memory_low && mem_recover()) {
        s->memory_low = false;
    }
    if (was && !s->memory_low) {
        log_info("server", "there is memory again: requests are served", "reserve_bytes=%d",
                 SERVER_RESERVE_BYTES);
    }
}
