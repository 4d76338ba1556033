/* Outgoing messages of a step: what the core left open is filled in from our log, the gates correct
 * the rest.
 *
 * The core hands out AppendEntries without entries: they come from the log, in frames of about 1
 * MiB each with its own (prev index, prev term). InstallSnapshot becomes a stream of the file on
 * disk.
 *
 * The core tells followers what is committed only with the next entries or heartbeat. A follower's
 * own callers wait for exactly that, so at the end of a turn in which the commit index grew, peers
 * that were not sent it anyway get an AppendEntries without entries at their match index: a
 * heartbeat, early. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "raft/node.h"

void send_frame(struct rnode *n, uint64_t to, struct buf *b)
{
    if (to != 0 && n->closing < CLOSE_TRANSPORT) {
        transport_send(n->transport, to, b);
    }
    buf_fini(b);
}

/* NULL when there is no room: that peer learns by heartbeat. */
static struct commit_told *told_of(struct rnode *n, uint64_t id)
{
    if (n->told_term != n->lead_term) {
        n->told_term = n->lead_term;
        n->told_n = 0;
    }
    for (size_t i = 0; i < n->told_n; i++) {
        if (n->told[i].id == id) {
            return &n->told[i];
        }
    }
    if (n->told_n == LIMIT_PEERS) {
        return NULL;
    }
    n->told[n->told_n] = (struct commit_told){ .id = id };
    return &n->told[n->told_n++];
}

/* A receiver commits min(leader_commit, prev + n) (Raft §5.3). */
static void note_told(struct rnode *n, uint64_t to, const struct raft_append_entries *ae)
{
    struct commit_told *t = told_of(n, to);
    uint64_t last = ae->prev_log_index + ae->n_entries;
    uint64_t index = ae->leader_commit < last ? ae->leader_commit : last;
    if (t != NULL && index > t->index) {
        t->index = index;
    }
}

static void send_append(struct rnode *n, uint64_t to, struct raft_append_entries ae)
{
    if (ae.n_entries > 0 && (ae.prev_log_index + 1 < n->log.first ||
                             ae.prev_log_index + ae.n_entries > n->log.last)) {
        return; /* compacted meanwhile: the core will ask for a snapshot */
    }
    n->ae_version = ae.version;
    note_told(n, to, &ae);
    for (;;) {
        struct buf b = BUF_INIT;
        unsigned took = message_put_append_entries(&b, &ae, &n->log);
        send_frame(n, to, &b);
        if (took == ae.n_entries) {
            return;
        }
        ae.prev_log_index += took;
        ae.prev_log_term = driver_entry_term(n, ae.prev_log_index);
        ae.n_entries -= took;
    }
}

static void append_gated(struct rnode *n, uint64_t to, const struct raft_append_entries *message)
{
    struct raft_append_entries ae = *message;
    ae.entries = NULL;
    bool hold = gate_on(n, GATE_HOLD_CHANGES) &&
                gate_hold_append(&ae, n->change_index, n->durable);
    if (ae.prev_log_index != message->prev_log_index) {
        ae.prev_log_term = driver_entry_term(n, ae.prev_log_index);
    }
    if (!hold) {
        send_append(n, to, ae);
    } else if (n->held_n < MESSAGES_HELD_MAX) {
        n->held = mem_grow(n->held, &n->held_cap, n->held_n + 1, sizeof *n->held);
        n->held[n->held_n++] = (struct held_message){ to, ae };
    }
}

void send_held(struct rnode *n)
{
    if (n->held_n == 0 || n->durable < n->change_index) {
        return;
    }
    for (size_t i = 0; i < n->held_n; i++) {
        send_append(n, n->held[i].to, n->held[i].ae); /* ours: who leads no more holds none */
    }
    n->held_n = 0;
}

void send_commits(struct rnode *n)
{
    if (!driver_leads(n) || n->installing) {
        return;
    }
    const struct raft_configuration *conf = &n->core.configuration;
    uint64_t commit = raft_commit_index(&n->core);
    for (unsigned i = 0; i < conf->n; i++) {
        raft_index match;
        uint64_t to = conf->servers[i].id;
        if (to == n->id || raft_match_index(&n->core, to, &match) != 0) {
            continue;
        }
        const struct commit_told *t = told_of(n, to);
        uint64_t news = commit < match ? commit : match;
        uint64_t term = driver_entry_term(n, match);
        if (t != NULL && news > t->index && t->index > 0 && term != 0) {
            send_append(n, to, (struct raft_append_entries){ .version = n->ae_version,
                                                             .term = n->lead_term,
                                                             .prev_log_index = match,
                                                             .prev_log_term = term,
                                                             .leader_commit = commit });
        }
    }
}

/* The core steps back one entry a round trip where logs differ. What of our log has the term of the
 * rejected entry is likely to be of the same lost leader (Raft §5.3), so the leader is told to try
 * before that; a bounded step, since what is skipped in vain is sent again. */
static uint64_t rejection_hint(const struct rnode *n, uint64_t rejected, uint64_t hint)
{
    uint64_t term = driver_entry_term(n, rejected);
    uint64_t lowest = hint > REJECT_STEP_MAX ? hint - REJECT_STEP_MAX : 0;
    lowest = lowest > n->commit ? lowest : n->commit;
    while (term != 0 && hint > lowest && driver_entry_term(n, hint) == term) {
        hint--;
    }
    return hint;
}

static void send_other(struct rnode *n, uint64_t to, const struct raft_message *message)
{
    struct raft_message m = *message;
    if (m.type == RAFT_APPEND_ENTRIES_RESULT && n->stale_request && gate_on(n, GATE_STALE_REPLY)) {
        gate_stale_reply(&m.append_entries_result, raft_last_index(&n->core));
    } else if (m.type == RAFT_APPEND_ENTRIES_RESULT && m.append_entries_result.rejected != 0) {
        struct raft_append_entries_result *r = &m.append_entries_result;
        r->last_log_index = rejection_hint(n, r->rejected, r->last_log_index);
    }
    if (m.type == RAFT_REQUEST_VOTE && gate_on(n, GATE_DISRUPT_ONCE)) {
        gate_disrupt_once(&m.request_vote, loop_now_ms(n->loop) - n->timeout_now_ms,
                          n->options.election_timeout_ms);
    }
    if (m.type == RAFT_REQUEST_VOTE_RESULT && gate_on(n, GATE_PRE_VOTE_TERM)) {
        gate_pre_vote_reply(&m.request_vote_result, n->core.current_term);
    }
    struct buf b = BUF_INIT;
    message_put_raft(&b, &m);
    send_frame(n, to, &b);
}

void send_update(struct rnode *n, const struct raft_update *update)
{
    for (unsigned i = 0; i < update->messages.n; i++) {
        const struct raft_message *m = &update->messages.batch[i];
        switch (m->type) {
        case RAFT_APPEND_ENTRIES:
            append_gated(n, m->server_id, &m->append_entries);
            break;
        case RAFT_INSTALL_SNAPSHOT:
            snapshot_send_start(n, m->server_id, &m->install_snapshot);
            break;
        case RAFT_APPEND_ENTRIES_RESULT:
        case RAFT_REQUEST_VOTE:
        case RAFT_REQUEST_VOTE_RESULT:
        case RAFT_TIMEOUT_NOW:
            send_other(n, m->server_id, m);
            break;
        default:
            UNREACHABLE();
        }
    }
}
