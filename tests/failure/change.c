/* Changes of who is a member, and who leads, asked over etcd's API as an operator would.
 *
 *     add       a new machine joins the cluster and becomes a voter; it has the next number
 *     remove N  machine N's member goes, and its power
 *     lead N    the leader is asked to hand over to N
 *
 * An answer that got lost is asked for again: the second answer then says that it is so already. */
#include <stdio.h>

#include "tests/failure/failure.h"

enum { UP_MS = 60000 };

static const struct rnode_member *configured(const struct actor *p, size_t *ret_n)
{
    const struct node *leader = sim_leader(p->sim);
    *ret_n = 0;
    return leader != NULL && leader->rnode != NULL ? rnode_members(leader->rnode, ret_n) : NULL;
}

/* Everybody in the actor's list votes. */
static bool all_vote(struct actor *p)
{
    size_t n, voters = 0;
    const struct rnode_member *members = configured(p, &n);
    for (size_t i = 0; i < n; i++) {
        voters += members[i].role == RNODE_VOTER;
    }
    return voters == p->n_members && all_up(p);
}

static bool is_member(const struct actor *p, const char *url)
{
    size_t n;
    const struct rnode_member *members = configured(p, &n);
    for (size_t i = 0; i < n; i++) {
        if (strstr(url, members[i].peer_address) != NULL) {
            return true;
        }
    }
    return false;
}

/* added: the URL of a member that is one already when the answer was lost; or NULL. */
static void call_change(struct actor *p, const struct wire *w, int again, const char *added)
{
    uint64_t end = p->sim->now + UP_MS * 1000ull;
    call_until_answered(p, w);
    while (p->err == E_NOT_STARTED && p->sim->now < end) {
        if (added != NULL && is_member(p, added)) {
            return; /* "not started" is this very member: it waits for that */
        }
        run_for(p, 500); /* the change before has to settle */
        call_until_answered(p, w);
    }
    if (p->err != 0 && p->err != again) {
        sim_violation(p->sim, "%s: %s", w->path, p->text);
    }
}

void change_add(struct actor *p, struct words *w)
{
    size_t n;
    const struct rnode_member *members = configured(p, &n);
    if (members == NULL || p->n_members == SIM_MEMBERS_MAX) {
        words_fail(w, "nobody leads, or there are too many");
    }
    p->disturbed = true;
    struct node *node = world_member_new(p->sim, members, n);
    actor_take_member(p, node);
    Etcdserverpb__MemberAddRequest m = ETCDSERVERPB__MEMBER_ADD_REQUEST__INIT;
    char url[48];
    char *urls[] = { url };
    snprintf(url, sizeof url, "http://10.0.0.%u:2380", node->id);
    m.n_peerurls = 1;
    m.peerurls = urls;
    call_change(p, &(struct wire){ "/etcdserverpb.Cluster/MemberAdd", &m.base,
                                   &etcdserverpb__member_add_response__descriptor },
                E_PEER_URL_EXIST, url);
    sim_post(p->sim, p->sim->now, EV_BOOT, node, 0, NULL);
    if (!run_until(p, all_vote, UP_MS)) {
        sim_violation(p->sim, "a new member does not become a voter");
    }
}

void change_remove(struct actor *p, struct words *w)
{
    struct node *node = node_read(p, w);
    Etcdserverpb__MemberRemoveRequest m = ETCDSERVERPB__MEMBER_REMOVE_REQUEST__INIT;
    m.id = node->member_id;
    actor_drop_member(p, node);
    call_change(p, &(struct wire){ "/etcdserverpb.Cluster/MemberRemove", &m.base,
                                   &etcdserverpb__member_remove_response__descriptor },
                E_MEMBER_NOT_FOUND, NULL);
    node->removed = true;
    if (node->up) {
        node_crash(node, false, true);
    }
    if (!run_until(p, all_vote, UP_MS)) {
        sim_violation(p->sim, "the cluster does not settle without a member");
    }
}

/* Whether it did is told by what follows; that it ends is told here. */
void change_lead(struct actor *p, struct words *w)
{
    Etcdserverpb__MoveLeaderRequest m = ETCDSERVERPB__MOVE_LEADER_REQUEST__INIT;
    m.targetid = node_read(p, w)->member_id;
    const struct node *leader = sim_leader(p->sim);
    if (leader != NULL) {
        p->at = leader->id;
        call_once(p, &(struct wire){ "/etcdserverpb.Maintenance/MoveLeader", &m.base,
                                     &etcdserverpb__move_leader_response__descriptor });
    }
}
