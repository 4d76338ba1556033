/* Network namespaces for the members of a cluster of our own, so that links of any program can be
 * cut from outside (`--netns`; Linux, root, `ip` and `nft`).
 *
 *     hub: this process, clients, agents          10.66.0.254
 *       bridge -- veth -- namespace of member 1   10.66.0.1     eth0, its own nftables
 *              \- veth -- namespace of member 2   10.66.0.2
 *
 * No namespace has a name: each lives as long as a descriptor of ours or a process in it, so the
 * kernel removes all of it, links and rules too, however this process ends. For the same reason the
 * addresses cannot be anybody's: nothing leads out of the hub. Threads: the one that made them, and
 * those it starts afterwards, are in the hub for good; others stay where they were. */
#ifndef BARQUE_CMD_CHAOS_NETNS_H
#define BARQUE_CMD_CHAOS_NETNS_H

#include <stddef.h>

#include "cmd/demo/cluster.h"

struct netns;
/* For n members (1..DEMO_MASTERS_MAX); this thread is in the hub afterwards. E_PERM: not root.
 * E_NOTFOUND: ip or nft is missing. E_UNSUPPORTED: the kernel has no such thing, or refuses. Each
 * with what to do, or what was said. */
int netns_new(size_t n, struct netns **ret_net, struct err *err);
/* Gives up the namespaces; those that still have a process live until it ends. NULL is fine. */
void netns_free(struct netns *net);
/* Master i of c is started in its namespace, and all its URLs are the address there. */
void netns_place(const struct netns *net, struct demo_cluster *c, size_t i);
/* Gives nft a script in the namespace of member i, at once or not at all (waits, 5 s at most).
 * What was told last is not told twice. */
int netns_cut(struct netns *net, size_t i, const char *script, struct err *err);

#endif
