/* Connections under the fault shim: which rule is theirs, and what it does to them.
 *
 * A stalled conn reads and writes nothing: the kernel's buffers fill, the other side hears nothing,
 * and each side's own deadlines find out, as when packets are lost. When the rule goes it is
 * broken, so that nothing that is long out of date is delivered then. Only called with a shim. */
#include "lib/base/alloc.h"
#include "lib/io/fault_internal.h"
#include "lib/io/internal.h"

static enum fault_conn verdict(const struct conn *c)
{
    const struct faults *f = c->loop->faults;

    if (c->target != NULL) {
        return faults_outgoing(f, (struct fault_name){ c->target, c->peer_name });
    }
    return c->of_client ? faults_client(f) : FAULT_CONN_OK;
}

void conn_obey_faults(struct conn *c)
{
    if (c->closing || c->peer_name == NULL) {
        return; /* not connected yet: its connect obeys */
    }
    switch (verdict(c)) {
    case FAULT_CONN_OK:
        if (c->stalled) {
            conn_break(c);
        }
        break;
    case FAULT_CONN_STALL:
        conn_stall(c);
        break;
    case FAULT_CONN_REFUSE:
        conn_break(c);
        break;
    }
}

void conns_obey_faults(struct loop *loop)
{
    LIST_FOREACH(it, &loop->conns) {
        conn_obey_faults(LIST_ENTRY(it, struct conn, all));
    }
    connects_obey_faults(loop);
}
