/* lib/io/usage.h: a simulated member takes nothing that a kernel counts. */
#include "lib/io/usage.h"

#include "lib/base/err.h"

int usage_read(struct usage *ret_usage)
{
    (void)ret_usage;
    return E_UNSUPPORTED;
}
