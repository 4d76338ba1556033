/* Applying committed entries, in log order, each exactly once per life of the process.
 *
 * The commit index is the highest one ever seen (G10); nothing is applied while a snapshot is being
 * installed (G13). Each applied RAFT_CHANGE is fed back to the core, which is what makes a removed
 * leader step down. At most APPLY_PER_TURN entries a turn, so that a long replay does not starve
 * heartbeats. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "raft/configuration.h"
#include "raft/node.h"

static void apply_command(struct rnode *n, uint64_t index, const struct entry *e)
{
    struct envelope env;
    if (envelope_decode(value_slice(e->data), &env) != 0) {
        struct err err = ERR_INIT;
        err_set(&err, E_UNSUPPORTED, "log entry %" PRIu64 " is not readable by this version of "
                "Barque; update this member", index);
        node_fatal(n, &err);
        return;
    }
    struct rnode_proposal *own = NULL;
    if (env.origin == n->id && (env.epoch == n->epoch || BUG(BUG_PROPOSE_OLD_EPOCH))) {
        own = proposals_take(n, &env);
    }
    if (own != NULL) {
        own->index = index;
    }
    if (env.kind == COMMAND_USER) {
        n->options.fsm.apply(n->options.fsm.arg, index, e->term, env.command, own);
        digests_applied_command(n);
    } else if (env.kind == COMMAND_ATTRS) {
        membership_apply_attrs(n, env.command);
    } else if (env.kind == COMMAND_CHECK) {
        digests_apply_check(n, index);
    } else if (env.kind == COMMAND_REPORT) {
        digests_apply_report(n, env.origin, env.command);
    }
    if (own != NULL) {
        own->done(own, 0);
    }
}

static void apply_change(struct rnode *n, uint64_t index, const struct entry *e)
{
    value_unref(n->conf);
    n->conf = value_ref(e->data);
    n->conf_index = index;
    n->membership.dirty = true;
    struct raft_event event = { .type = RAFT_CONFIGURATION };
    event.configuration.index = index;
    configuration_decode(value_slice(e->data), &event.configuration.conf);
    driver_event(n, &event, NULL);
}

static void apply_one(struct rnode *n, uint64_t index)
{
    const struct entry *found = entry_log_get(&n->log, index);
    INVARIANT(found != NULL);
    struct entry e = *found;
    value_ref(e.data); /* callbacks may change the log */
    n->applied = index;
    n->snapshots.bytes_applied += e.data->len;
    if (e.term > n->applied_term) {
        n->applied_term = e.term;
        proposals_term_passed(n, e.term);
    }
    if (e.type == RAFT_COMMAND) {
        apply_command(n, index, &e);
        n->applied_dirty = true;
    } else if (e.type == RAFT_CHANGE) {
        apply_change(n, index, &e);
    }
    membership_applied(n, index, e.term);
    value_unref(e.data);
}

void apply_committed(struct rnode *n)
{
    uint64_t before = n->applied;
    unsigned budget = APPLY_PER_TURN;
    while (n->core_up) {
        uint64_t commit = raft_commit_index(&n->core);
        n->commit = commit > n->commit ? commit : n->commit;
        uint64_t limit = BUG(BUG_APPLY_UNCOMMITTED) ? n->log.last : n->commit;
        if (!gate_on(n, GATE_NO_APPLY)) {
            limit = commit;
        } else if (!gate_may_apply(n->installing)) {
            break;
        }
        limit = limit < n->log.last ? limit : n->log.last;
        if (n->applied >= limit || n->applied + 1 < n->log.first) {
            break;
        }
        if (budget-- == 0) {
            node_turn(n);
            break;
        }
        apply_one(n, n->applied + 1);
    }
    if (n->applied != before) {
        reads_applied(n);
        node_turn(n);
    }
}

void apply_end(struct rnode *n)
{
    if (n->applied_dirty) {
        n->applied_dirty = false;
        n->options.fsm.apply_end(n->options.fsm.arg, n->applied);
    }
}
