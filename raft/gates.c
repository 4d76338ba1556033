/* The gates, each with the fault it answers. File names are libraft's; "S" endangers safety, "L"
 * liveness. They hold for 0.22.1 only: the build refuses other releases. */
#include "raft/gates.h"

#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "raft/configuration.h"

/* G2b's hole is reached only where G3 lets a leader remove itself. */
uint32_t gates_off_by_bug(void)
{
    static const struct {
        enum bug bug;
        uint32_t gates;
    } OPENS[] = {
        { BUG_G1, GATE_STALE_REPLY },
        { BUG_G2A, GATE_TERM_BUMP_BOOT },
        { BUG_G2B, GATE_TERM_BUMP_STEP | GATE_KEEP_LEADER },
        { BUG_G6, GATE_LEARNER_VOTES },
        { BUG_G7, GATE_HOLD_CHANGES },
        { BUG_G13, GATE_NO_APPLY },
    };
    uint32_t off = 0;
    for (size_t i = 0; i < ARRAY_LEN(OPENS); i++) {
        off |= BUG(OPENS[i].bug) ? OPENS[i].gates : 0;
    }
    return off;
}

/* G1 (S): recv_install_snapshot.c and recv_append_entries.c answer a request of an old term with
 * rejected = 0 (or prev) and an uninitialised last_log_index, stamped with the *current* term. A
 * leader re-elected in that term takes it for an acknowledgement of its log and commits without a
 * quorum. Say what is true instead. */
void gate_stale_reply(struct raft_append_entries_result *result, uint64_t last_index)
{
    uint64_t hint = result->rejected != 0 ? result->rejected - 1 : 0;
    result->last_log_index = hint < last_index ? hint : last_index;
}

/* G2a (S): convert.c makes the only voter leader without a new term. After a restart it would lead
 * the *same* term again, and entries it had sent to a learner but lost itself get other contents
 * under the same (index, term). So: a new term and our own vote on disk before RAFT_START. */
bool gate_boot_needs_new_term(const struct raft_configuration *conf, uint64_t self)
{
    if (conf->n == 0 || configuration_voters(conf) != 1) {
        return false;
    }
    const struct raft_server *me = configuration_find(conf, self);
    return me != NULL && me->role == RAFT_VOTER;
}

/* G2b (S): the same without a restart: the last voter of {A, B} whose A was removed elects itself
 * in A's term, two leaders of one term. Such an update is thrown away and the core restarted
 * (G2a). */
bool gate_leadership_not_won(const struct raft *core, const struct raft_update *update,
                             enum raft_event_type event, bool was_leader)
{
    return !was_leader && event != RAFT_START && core->state == RAFT_LEADER &&
           (update->flags & (unsigned)(RAFT_UPDATE_CURRENT_TERM)) == 0 &&
           configuration_voters(&core->configuration) == 1;
}

/* G3 (S): a leader that removes or demotes itself opens G2b's hole for its successor, and costs an
 * election timeout of outage. Leadership is transferred first. */
bool gate_change_keeps_leader(const struct raft_configuration *next, uint64_t leader)
{
    const struct raft_server *s = configuration_find(next, leader);
    return s != NULL && s->role == RAFT_VOTER;
}

/* G4 (L): replication.c records the index of the *first* new entry as that of an uncommitted
 * configuration. So an AE is fed in parts that each begin with at most one RAFT_CHANGE, at their
 * first place. */
unsigned gate_split_length(const struct raft_entry *entries, unsigned from, unsigned n)
{
    unsigned end = from + 1;
    while (end < n && entries[end].type != RAFT_CHANGE) {
        end++;
    }
    return end - from;
}

/* G5 (L): a rejected pre-vote is answered with the *request's* term, so a candidate with an older
 * term never learns the newer one and asks in vain for ever. */
void gate_pre_vote_reply(struct raft_request_vote_result *result, uint64_t current_term)
{
    if (result->pre_vote && !result->vote_granted && result->term < current_term) {
        result->term = current_term;
    }
}

/* G6 (L): election.c lets only voters (by their own log) vote, and a non-voter never forgets its
 * leader. A learner whose promotion is on the other members' disks but not on its own would deny
 * the one vote they need. Raft §4.1: servers grant votes whoever they think is a member. For this
 * one step it is a voter. */
struct raft_server *gate_vote_begin(struct raft *core, bool leader_is_silent, int *ret_role)
{
    struct raft_server *self = configuration_find(&core->configuration, core->id);
    if (self == NULL || self->role == RAFT_VOTER) {
        return NULL;
    }
    if (core->state == RAFT_FOLLOWER && leader_is_silent) {
        core->follower_state.current_leader.id = 0;
    }
    *ret_role = self->role;
    self->role = RAFT_VOTER;
    return self;
}

void gate_vote_end(struct raft_server *self, int role)
{
    self->role = role;
}

/* G7 (L): a leader may send a RAFT_CHANGE before its own disk has it; if it crashes then, the
 * others hold a configuration in which nobody may campaign. What carries the change waits for the
 * disk; heartbeats go on. */
bool gate_hold_append(struct raft_append_entries *ae, uint64_t change_index, uint64_t durable)
{
    if (change_index == 0 || durable >= change_index ||
        ae->prev_log_index + ae->n_entries < change_index) {
        return false;
    }
    if (ae->n_entries == 0) {
        ae->prev_log_index = change_index - 1;
        return false;
    }
    return true;
}

/* G8 (L): progress.c accepts a rejection of an index that the peer had already acknowledged; its
 * window underflows and only empty messages follow. Such a rejection is old: drop it. */
bool gate_drop_rejection(const struct raft_append_entries_result *result, uint64_t match_index)
{
    return result->rejected != 0 && result->rejected <= match_index;
}

/* G9 (L): the permission to disrupt a leader (TimeoutNow, §3.10) sticks to a candidate for ever; a
 * removed one would depose leader after leader. It holds for one election timeout. */
void gate_disrupt_once(struct raft_request_vote *request, uint64_t since_timeout_now_ms,
                       uint64_t election_timeout_ms)
{
    if (since_timeout_now_ms > election_timeout_ms) {
        request->disrupt_leader = false;
    }
}

/* G10: an AE that begins below what is committed here (a late duplicate, or after a snapshot) is
 * refused or moves the commit index back. By Leader Completeness a leader of a current or later
 * term holds our committed entries: they are cut off, so the AE begins at our commit index. */
bool gate_cut_committed(struct raft_append_entries *ae, uint64_t commit, uint64_t commit_term)
{
    if (ae->prev_log_index >= commit) {
        return true;
    }
    uint64_t covered = commit - ae->prev_log_index;
    if (ae->n_entries >= covered) {
        if (ae->entries[covered - 1].term != commit_term) {
            return false;
        }
        ae->entries += covered;
        ae->n_entries -= (unsigned)covered;
    } else {
        ae->n_entries = 0;
    }
    ae->prev_log_index = commit;
    ae->prev_log_term = commit_term;
    return true;
}

/* G11 (undefined behaviour): recv_request_vote_result.c reads the candidate's part of a union in
 * any state. */
bool gate_takes_vote_result(const struct raft *core)
{
    return core->state == RAFT_CANDIDATE;
}

/* G12 (S): libraft changes the configuration before an entry of the leader's own term is committed,
 * which is not safe (Ongaro, raft-dev, July 2015). */
bool gate_change_allowed(uint64_t commit, uint64_t own_term_index)
{
    return own_term_index != 0 && commit >= own_term_index;
}

/* G13 (S): while a snapshot is installed, heartbeats move the commit index up to it, though the log
 * here may differ below it. Nothing is applied until the snapshot is. */
bool gate_may_apply(bool installing)
{
    return !installing;
}
