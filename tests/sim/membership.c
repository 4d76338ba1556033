/* Membership changes under fire: learners join on machines of their own, are promoted, demoted,
 * removed. A removed member is sometimes left running, to see that it disturbs nobody. */
#include "raft/membership.h"

#include <stdio.h>

#include "tests/sim/sim.h"

enum { MEMBERS_MAX = 6 };

/* A joiner is told of the members as its leader knew them. */
size_t node_joining(struct node *n, struct rnode_member *members)
{
    memcpy(members, n->joining, n->n_joining * sizeof *members);
    return n->n_joining;
}

static void changed(void *arg, int status)
{
    struct node *leader = arg;
    struct sim *s = leader->sim;
    struct node *target = sim_node_of(s, leader->change.id);
    leader->change.active = false;
    SIM_LOG(s, "change %d of member %u: %s", (int)leader->change.kind, target->id,
            status == 0 ? "done" : err_name(status));
    if (status != 0) {
        return;
    }
    s->stats->changes++;
    if (leader->change.kind == MEMBER_REMOVE) {
        target->removed = true;
        if (rng_chance(&s->rng, 0.7)) {
            sim_post(s, s->now + rng_range(&s->rng, 0, 500000), EV_GONE, NULL, target->id, NULL);
        }
    }
}

static void request(struct node *leader, void *arg)
{
    leader->change.active = true;
    rnode_change(leader->rnode, leader->change.kind, arg, changed, leader);
}

static void change(struct node *leader, enum member_change kind, const struct rnode_member *m)
{
    struct rnode_member copy = *m;
    leader->change.kind = kind;
    leader->change.id = m->id;
    node_enter(leader, request, &copy);
}

static void add_learner(struct sim *s, struct node *leader, const struct rnode_member *members,
                        size_t n_members)
{
    struct node *n = sim_node_add(s, &MEMBER_KIND);
    struct rnode_member m = { .id = n->member_id, .role = RNODE_LEARNER };
    snprintf(m.name, sizeof m.name, "m%u", n->id);
    snprintf(m.peer_address, sizeof m.peer_address, "10.0.0.%u:2380", n->id);
    memcpy(n->joining, members, n_members * sizeof *members);
    n->n_joining = n_members;
    sim_post(s, s->now + rng_range(&s->dice, 0, 1000000), EV_BOOT, n, 0, NULL);
    change(leader, MEMBER_ADD_LEARNER, &m);
}

/* A random member of this role (never `but`), or NULL. */
static const struct rnode_member *some_member(struct sim *s, const struct rnode_member *members,
                                              size_t n, enum rnode_role role, uint64_t but)
{
    const struct rnode_member *found = NULL;
    uint64_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        if (members[i].role == role && members[i].id != but) {
            found = rng_range(&s->dice, 0, seen++) == 0 ? &members[i] : found;
        }
    }
    return found;
}

void nemesis_membership(struct sim *s, struct node *leader)
{
    struct rnode_member members[SIM_MEMBERS_MAX];
    size_t n;
    const struct rnode_member *current = rnode_members(leader->rnode, &n);
    if (leader->change.active || n == 0 || n > SIM_MEMBERS_MAX) {
        return;
    }
    memcpy(members, current, n * sizeof *members);
    const struct rnode_member *learner = some_member(s, members, n, RNODE_LEARNER, 0);
    const struct rnode_member *voter =
        some_member(s, members, n, RNODE_VOTER, rng_chance(&s->dice, 0.9) ? leader->member_id : 0);
    uint64_t what = rng_range(&s->dice, 0, 9);
    if (what < 4 && n < MEMBERS_MAX && s->n_nodes < SIM_MEMBERS_MAX) {
        add_learner(s, leader, members, n);
    } else if (what < 7 && learner != NULL) {
        change(leader, MEMBER_PROMOTE, learner);
    } else if (what == 7 && voter != NULL) {
        change(leader, MEMBER_DEMOTE, voter);
    } else if (what == 8 && voter != NULL) {
        change(leader, MEMBER_REMOVE, voter);
    } else if (what == 9 && learner != NULL) {
        change(leader, MEMBER_REMOVE, learner);
    }
}
