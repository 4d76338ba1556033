/* Who of several equal processes leads: the one whose key under the election's prefix has the
 * smallest create revision (as etcd's concurrency package: `etcdctl elect` and we understand each
 * other).
 *
 *     <election>/<lease id in hex> = identity, attached to a lease of ttl_s that is kept alive
 *
 * on_leading(true) only while the key stands AND the lease certainly holds on our own clock; when
 * a renewal is overdue on_leading(false) comes before the store may give the key up. Then it
 * stands again by itself. `fence` is the key's create revision: put {key, fence} as a guard into a
 * write that must not come from a deposed leader. Threads: loop; callbacks never inside
 * elector_new/free. */
#ifndef BARQUE_CLIENT_ELECTOR_H
#define BARQUE_CLIENT_ELECTOR_H

#include "client/client.h"

struct elector;

struct elector_options {
    struct client *client;
    const char *election;  /* "/barque/leaders/controllers" */
    const char *identity;  /* "host/pid", shown to people */
    int64_t ttl_s;         /* 0 = 2 */
    uint64_t seed;
    void (*on_leading)(void *arg, bool leading, int64_t fence);
    /* whoever leads now, "" = nobody; may be NULL */
    void (*on_leader)(void *arg, const char *identity);
    void *arg;
};

struct elector *elector_new(const struct elector_options *options);
/* Resigns (revokes the lease, best effort) so that a standby takes over at once. on_leading is not
 * called. */
struct elector *elector_free(struct elector *e);
bool elector_leading(const struct elector *e);
const char *elector_leader(const struct elector *e);
/* The guard of a leader's writes: its key exists with mod_revision = fence. PRE: leading. */
struct client_guard elector_guard(const struct elector *e);

#endif
