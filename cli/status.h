/* What status.c (asking) and status_show.c (the screen) share. */
#ifndef BARQUE_CLI_STATUS_H
#define BARQUE_CLI_STATUS_H

#include "cli/run.h"
#include "client/objects.h"
#include "lib/base/limits.h"

#define LEADERS_PREFIX "/barque/leaders/"

enum { STATUS_NODES, STATUS_PODS, STATUS_DEPLOYMENTS, STATUS_KINDS, STATUS_LEADERS_MAX = 16 };

struct status;
struct status_member {
    struct status *status;
    char name[64], endpoint[256];
    bool learner, answered;
    struct client_status answer;
    char problem[256];
};
struct status_leader {
    char election[64], identity[128];
    size_t candidates;
};
struct status_objects {
    struct object **items;
    size_t n;
};
struct status {
    struct cli cli;
    struct status_member members[LIMIT_ENDPOINTS];
    size_t n_members, pending;
    struct status_leader leaders[STATUS_LEADERS_MAX];
    size_t n_leaders;
    struct status_objects objects[STATUS_KINDS];
    size_t at;
    bool no_quorum;
    char problem[512];
    struct err refused; /* code 0: this user may see all that is shown */
};

/* Half of the members or more do not answer: says so in s->problem and sets s->no_quorum. */
bool status_without_quorum(struct status *s);
/* Prints the screen and ends the verb: 0 well, 1 something is off, 5 no quorum. */
void status_show(struct status *s);

#endif
