/* Members that somebody described, or an etcd of our own: what target_given.c works on. */
#ifndef BARQUE_CMD_CHAOS_GIVEN_H
#define BARQUE_CMD_CHAOS_GIVEN_H

#include "cmd/chaos/targets.h"
#include "lib/base/arena.h"

/* Strings and NULL-terminated words are the arena's; NULL = not given. */
struct given_member {
    pid_t pid;
    const char *pid_file;
    char **start, **kill, **pause, **resume;
    pid_t child; /* that `start` ran; 0 = it has ended */
    bool down;   /* killed by a command: nothing else tells whether it runs */
};

struct given {
    struct loop *loop; /* of our own only, with the directory that is removed */
    char dir[200];
    struct given_member members[TARGET_MEMBERS_MAX];
    struct arena arena;
};

extern const struct target_ops given_ops;

#endif
