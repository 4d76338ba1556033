/* Members that somebody described, or an etcd of our own: what target_given.c works on. */
#ifndef BARQUE_CMD_CHAOS_GIVEN_H
#define BARQUE_CMD_CHAOS_GIVEN_H

#include "cmd/chaos/targets.h"
#include "lib/base/arena.h"

/* Strings and NULL-terminated words are the arena's; NULL = not given. */
struct demo_cluster;
struct netns;

struct given_member {
    pid_t pid;
    const char *pid_file;
    char **start, **kill, **pause, **resume;
    pid_t seen;  /* the last of them that was looked at, and when that process started */
    unsigned long long seen_started;
    int netns;   /* it is started in this network namespace, a descriptor; 0 = in ours */
    pid_t child; /* that `start` ran; 0 = it has ended */
    bool down;   /* killed by a command: nothing else tells whether it runs */
};

struct given {
    struct loop *loop; /* of our own only, with the directory that is removed */
    char dir[200];
    struct given_member members[TARGET_MEMBERS_MAX];
    struct arena arena;
    struct target_ops ops;        /* of an etcd: given_ops and a membership that changes */
    struct demo_cluster *cluster; /* its names and ports */
    struct netns *net;            /* of its members; NULL = loopback */
    const char *program;
};

extern const struct target_ops given_ops;
/* An empty target of no members yet, with what such a target cannot do. */
struct given *given_new(struct target *ret_target);
/* What else is not possible, from what is known of each member. */
void given_find_lacks(struct target *t, const struct given *g);

#endif
