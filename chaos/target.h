/* The cluster that is broken: its members and nodes, what is possible with it, and the few things
 * that differ between a demo, a cluster of our own, an etcd and somebody's own members.
 *
 * `why_not` says for each need of a fault why this target does not offer it (NULL = it does); the
 * texts outlive the target. Threads: the loop's. */
#ifndef BARQUE_CHAOS_TARGET_H
#define BARQUE_CHAOS_TARGET_H

#include <sys/types.h>

#include "chaos/fault.h"

enum {
    TARGET_MEMBERS_MAX = 7,
    TARGET_NODES_MAX = 50,
    TARGET_NAME_BYTES = 32,
    TARGET_ADDRESS_BYTES = 64,
    TARGET_PATH_BYTES = 320,
};

/* For ops->cut: no link is cut. (add: so that delete finds a table) */
#define TARGET_UNCUT "add table inet barque_chaos\ndelete table inet barque_chaos\n"

enum target_part { TARGET_MEMBER, TARGET_NODE };

struct target_member {
    char name[TARGET_NAME_BYTES];
    char endpoint[TARGET_ADDRESS_BYTES]; /* "127.0.0.1:2379" */
    char peer[TARGET_ADDRESS_BYTES];     /* where other members reach it; "" = unknown */
    char faults[TARGET_PATH_BYTES];      /* its faults file; "" = it reads none */
    char data[TARGET_PATH_BYTES];        /* its data directory; "" = not at hand */
    char log[TARGET_PATH_BYTES];         /* what it says, for reports; "" = unknown */
};

struct target;
/* i counts members or nodes. */
struct target_ops {
    /* Starts what is the target's own. */
    int (*open)(struct target *t, struct err *err);
    /* Ends what the target started, and removes its files unless `keep`. */
    void (*close)(struct target *t, bool keep);
    bool (*runs)(struct target *t, enum target_part part, size_t i);
    int (*start)(struct target *t, enum target_part part, size_t i, struct err *err);
    /* Stops a member where it stands, or lets it go on. E_NOTFOUND when it does not run. */
    int (*pause)(struct target *t, size_t i, bool on, struct err *err);
    /* kill -9, of a node with all its pods; gone on return. */
    void (*kill)(struct target *t, enum target_part part, size_t i);
    /* A member more: grow chooses its place (its peer URL; nothing is started), join starts it once
     * it has been added, shrink ends it and removes its files. One at a time. NULL where
     * NEED_MEMBERSHIP is not met. */
    int (*grow)(struct target *t, char *ret_peer_url, size_t size, struct err *err);
    int (*join)(struct target *t, struct err *err);
    void (*shrink)(struct target *t);
    /* Gives nft this script in member i's network namespace. NULL unless `cuts`. */
    int (*cut)(struct target *t, size_t i, const char *script, struct err *err);
    void (*free)(struct target *t); /* what `arg` points at; after close */
};

struct target {
    char text[160];     /* "demo cluster: 3 masters, 3 nodes" */
    const char *server; /* "Barque", "etcd"; "" = not known */
    struct target_member members[TARGET_MEMBERS_MAX];
    char nodes[TARGET_NODES_MAX][TARGET_NAME_BYTES];
    char node_roots[TARGET_NODES_MAX][TARGET_PATH_BYTES]; /* where agents keep pods; "" = unknown */
    size_t n_members, n_nodes;
    const char *why_not[NEEDS_N];
    char dir[TARGET_PATH_BYTES]; /* its files, when it is our own */
    bool cuts; /* members' links are cut by ops->cut, not by their faults files */
    bool own; /* started for the run and ended after it */
    const struct target_ops *ops;
    void *arg;
};

/* Undoes everything at once, whatever it was: members and nodes go on, faults files are emptied,
 * what is down is started. 0, or the first error (the rest is undone all the same). */
int target_heal(struct target *t, struct err *err);

/* There is such a process, and it is no zombie. */
bool target_pid_lives(pid_t pid);
/* Lives, and is still the process that *started tells (0: unknown, it is noted): a number that
 * somebody else has by now must not be hit. */
bool target_pid_is(pid_t pid, unsigned long long *started);

#endif
