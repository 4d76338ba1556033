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

/* Up to 16 bytes a version in a list that doubles, and 8 more while it is sorted; a version itself
 * has 80 and more. */
bool server_has_room_for_rows(const struct server *s)
{
    return mem_has_room((size_t)store_size_bytes(s->store) / 3 + SERVER_ROOM_BYTES);
}
