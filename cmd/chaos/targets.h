/* The clusters that `barque chaos` can break: a demo, one of its own, an etcd, somebody's members.
 *
 * Each function fills *ret_target, which knows then what is possible with it; nothing is started
 * before target->ops->open; target->ops->free when done. */
#ifndef BARQUE_CMD_CHAOS_TARGETS_H
#define BARQUE_CMD_CHAOS_TARGETS_H

#include "chaos/target.h"
#include "lib/io/loop.h"

/* The demo that runs in dir. E_NOTFOUND with what to do when there is none. */
int target_demo(struct loop *loop, const char *dir, struct target *ret_target, struct err *err);
/* A cluster for this run: masters and nodes on loopback under a directory that is removed after.
 * in_netns: each master in a network namespace (netns.h), where its links are cut from outside. */
int target_own(struct loop *loop, size_t masters, size_t nodes, bool in_netns,
               struct target *ret_target, struct err *err);
/* The same of `n` etcd members. */
int target_etcd(struct loop *loop, const char *program, size_t n, bool in_netns,
                struct target *ret_target, struct err *err);
/* Members as a file describes them (docs/chaos.md). E_INVAL with line and column. */
int target_described(const char *path, struct target *ret_target, struct err *err);
/* Members of which only the endpoints are known: "a:1,b:2". Nothing can be broken. */
int target_endpoints(const char *list, struct target *ret_target, struct err *err);

/* A new directory for a run's own cluster, under $TMPDIR or /tmp. */
int own_dir(char *ret_dir, size_t size, struct err *err);

#endif
