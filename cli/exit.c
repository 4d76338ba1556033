/* THE table of E_ codes that have an exit code of their own. */
#include "cli/exit.h"

#include "lib/base/assert.h"
#include "lib/base/err.h"

static const struct {
    int status;
    enum cli_exit code;
} table[] = {
    { 0, CLI_OK },
    { E_NOTFOUND, CLI_NOTFOUND },
    { E_KEY_NOT_FOUND, CLI_NOTFOUND },
    { E_EXIST, CLI_CONFLICT },
    { E_CONFLICT, CLI_CONFLICT },
    { E_UNAVAILABLE, CLI_UNREACHABLE },
    { E_NOLEADER, CLI_UNREACHABLE },
    { E_NOTLEADER, CLI_UNREACHABLE },
    { E_LEADER_CHANGED, CLI_UNREACHABLE },
    { E_STOPPED, CLI_UNREACHABLE },
    { E_CLOSED, CLI_UNREACHABLE },
    { E_TIMEOUT, CLI_UNREACHABLE },
};

enum cli_exit exit_of_status(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].status == status) {
            return table[i].code;
        }
    }
    return CLI_FAILED;
}
