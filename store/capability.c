/* The table of levels. A row, once landed, stays as it is; a new one takes the next level. */
#include "store/capability.h"

#include "lib/base/assert.h"

static const struct {
    enum command_type type;
    uint64_t level;
} rows[] = {
    { COMMAND_PUT, 1 },          { COMMAND_DELETE, 1 },       { COMMAND_TXN, 1 },
    { COMMAND_COMPACT, 1 },      { COMMAND_LEASE_GRANT, 1 },  { COMMAND_LEASE_REVOKE, 1 },
    { COMMAND_LEASE_CHECKPOINT, 1 }, { COMMAND_AUTH, 2 }, { COMMAND_ALARM, 3 },
};

uint64_t command_level(enum command_type type)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].type == type) {
            return rows[i].level;
        }
    }
    UNREACHABLE();
}

uint64_t store_level(void)
{
    uint64_t most = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        most = rows[i].level > most ? rows[i].level : most;
    }
    return most;
}
