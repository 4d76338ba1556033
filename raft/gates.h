/* The gates: small corrections in front of and behind libraft 0.22.1's core, one per fault of it.
 *
 * Each is a pure function of what the driver knows; the driver asks gate_on() first, so that a test
 * can turn a gate off and show that the fault is real. What each is for is told in gates.c. */
#ifndef BARQUE_RAFT_GATES_H
#define BARQUE_RAFT_GATES_H

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

enum gate {
    GATE_STALE_REPLY = 1 << 1,       /* G1 */
    GATE_TERM_BUMP_BOOT = 1 << 2,    /* G2a */
    GATE_TERM_BUMP_STEP = 1 << 3,    /* G2b */
    GATE_KEEP_LEADER = 1 << 4,       /* G3 */
    GATE_SPLIT_CHANGES = 1 << 5,     /* G4 */
    GATE_PRE_VOTE_TERM = 1 << 6,     /* G5 */
    GATE_LEARNER_VOTES = 1 << 7,     /* G6 */
    GATE_HOLD_CHANGES = 1 << 8,      /* G7 */
    GATE_STALE_REJECTION = 1 << 9,   /* G8 */
    GATE_DISRUPT_ONCE = 1 << 10,     /* G9 */
    GATE_COMMITTED_PREFIX = 1 << 11, /* G10 */
    GATE_VOTE_RESULT = 1 << 12,      /* G11 */
    GATE_OWN_TERM = 1 << 13,         /* G12 */
    GATE_NO_APPLY = 1 << 14,         /* G13 */
    GATE_ALL = 0x7ffe,
};

/* The gates that a selected known bug (lib/base/bug.h) opens: GATE_... or 0. */
uint32_t gates_off_by_bug(void);

/* G1 */
void gate_stale_reply(struct raft_append_entries_result *result, uint64_t last_index);
/* G2a */
bool gate_boot_needs_new_term(const struct raft_configuration *conf, uint64_t self);
/* G2b */
bool gate_leadership_not_won(const struct raft *core, const struct raft_update *update,
                             enum raft_event_type event, bool was_leader);
/* G3 */
bool gate_change_keeps_leader(const struct raft_configuration *next, uint64_t leader);
/* G4: how many of entries[from..n) may be fed in one step. */
unsigned gate_split_length(const struct raft_entry *entries, unsigned from, unsigned n);
/* G5 */
void gate_pre_vote_reply(struct raft_request_vote_result *result, uint64_t current_term);
/* G6: returns the server entry whose role was changed (give it to gate_vote_end), or NULL. */
struct raft_server *gate_vote_begin(struct raft *core, bool leader_is_silent, int *ret_role);
void gate_vote_end(struct raft_server *self, int role);
/* G7: true when the message must wait until `change_index` is on this leader's disk. A heartbeat
 * anchored at or after it is anchored before it instead (and prev_term must be set again by the
 * caller). */
bool gate_hold_append(struct raft_append_entries *ae, uint64_t change_index, uint64_t durable);
/* G8 */
bool gate_drop_rejection(const struct raft_append_entries_result *result, uint64_t match_index);
/* G9 */
void gate_disrupt_once(struct raft_request_vote *request, uint64_t since_timeout_now_ms,
                       uint64_t election_timeout_ms);
/* G10: cuts what is committed here off the front of an AE. `commit_term` is the term of entry
 * `commit`. False: it contradicts what is committed. */
bool gate_cut_committed(struct raft_append_entries *ae, uint64_t commit, uint64_t commit_term);
/* G11 */
bool gate_takes_vote_result(const struct raft *core);
/* G12 */
bool gate_change_allowed(uint64_t commit, uint64_t own_term_index);
/* G13 */
bool gate_may_apply(bool installing);

#endif
