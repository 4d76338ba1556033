/* Membership changes: learners are added, promoted, demoted, removed. */
#include "lib/base/alloc.h"
#include "tests/sim/sim.h"

size_t node_joining(struct node *n, struct rnode_member *members)
{
    (void)n;
    (void)members;
    return 0;
}

void nemesis_membership(struct sim *s, struct node *leader)
{
    (void)s;
    (void)leader;
}
