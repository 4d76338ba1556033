/* Incoming frames: decoded with bounds, checked, passed through the gates, fed to the core.
 *
 * An AppendEntries is fed in parts (G4). Ownership, libraft's rule: the entries of one event share
 * one raft_malloc'ed batch; if the update stores them the batch is ours to free, otherwise the core
 * freed it. The bytes themselves stay in the frame, so the only copy made of a command is the one
 * into the log. */
#include <inttypes.h>

#include "lib/base/log.h"
#include "lib/base/str.h"
#include "raft/configuration.h"
#include "raft/node.h"

enum { ADDRESS_BYTES = 128 };

/* A copy, because a step may replace the configuration it comes from. */
static void address_of(const struct rnode *n, uint64_t id, char *ret_address)
{
    const struct raft_server *s = configuration_find(&n->core.configuration, id);
    str_copy(ret_address, ADDRESS_BYTES, s != NULL ? s->address : "unknown");
}

static void feed(struct rnode *n, struct raft_message *m)
{
    struct raft_event event = { .type = RAFT_RECEIVE };
    event.receive.message = m;
    driver_event(n, &event, NULL);
}

/* --- AppendEntries --- */

/* Feeds entries[from .. from + k) of the message. */
static void feed_part(struct rnode *n, struct raft_message *m, struct raft_entry *entries,
                      unsigned k)
{
    uint8_t *batch = k > 0 ? raft_malloc(sizeof *batch) : NULL;
    for (unsigned i = 0; i < k; i++) {
        entries[i].batch = batch;
    }
    m->append_entries.entries = entries;
    m->append_entries.n_entries = k;
    struct raft_event event = { .type = RAFT_RECEIVE };
    event.receive.message = m;
    bool stored = false;
    driver_event(n, &event, &stored);
    if (stored) {
        raft_free(batch);
    }
}

static bool cut_committed(struct rnode *n, struct raft_append_entries *ae)
{
    if (!gate_on(n, GATE_COMMITTED_PREFIX) || n->installing || ae->term < n->core.current_term) {
        return true;
    }
    uint64_t commit = n->commit < n->log.last ? n->commit : n->log.last;
    uint64_t term = driver_entry_term(n, commit);
    if (term == 0 || gate_cut_committed(ae, commit, term)) {
        return true;
    }
    struct err err = ERR_INIT;
    err_set(&err, E_CORRUPT, "the leader's entry %" PRIu64 " contradicts the one committed here; "
            "keep the data directories of all members and report this", commit);
    node_fatal(n, &err);
    return false;
}

static void receive_append(struct rnode *n, struct raft_message *m)
{
    struct raft_append_entries *ae = &m->append_entries;
    if (!cut_committed(n, ae)) {
        return;
    }
    struct raft_entry *entries = ae->entries;
    unsigned total = ae->n_entries;
    unsigned at = 0;
    do {
        unsigned k = total - at;
        if (k > 0 && gate_on(n, GATE_SPLIT_CHANGES)) {
            k = gate_split_length(entries, at, total);
        }
        feed_part(n, m, k > 0 ? entries + at : NULL, k); /* a heartbeat has no array */
        if (k > 0) {
            ae->prev_log_index += k;
            ae->prev_log_term = entries[at + k - 1].term;
        }
        at += k;
    } while (at < total && n->core_up);
}

/* --- the other messages --- */

static bool two_leaders(struct rnode *n, uint64_t from, uint64_t term)
{
    if (n->core.state != RAFT_LEADER || term != n->core.current_term) {
        return false;
    }
    struct err err = ERR_INIT;
    err_set(&err, E_CORRUPT, "member %016" PRIx64 " claims to lead term %" PRIu64 " too; two "
            "members share one identity, or one has lost its disk: stop it, and add it again under "
            "a new id", from, term);
    node_fatal(n, &err);
    return true;
}

static bool drop_result(struct rnode *n, uint64_t from, const struct raft_append_entries_result *r)
{
    raft_index match = 0;
    if (n->core.state != RAFT_LEADER || raft_match_index(&n->core, from, &match) != 0) {
        return n->core.state == RAFT_LEADER && r->term <= n->core.current_term;
    }
    return gate_on(n, GATE_STALE_REJECTION) && r->term == n->core.current_term &&
           gate_drop_rejection(r, match);
}

/* Notes what the gates need to remember about requests that come from a leader. */
static void note_request(struct rnode *n, uint64_t term)
{
    n->stale_request = term < n->core.current_term;
    if (!n->stale_request) {
        n->leader_heard_ms = loop_now_ms(n->loop);
    }
}

void receive_raft(struct rnode *n, uint64_t from, struct raft_message *m)
{
    if (!n->core_up) {
        return;
    }
    m->server_id = from;
    char address[ADDRESS_BYTES];
    address_of(n, from, address);
    m->server_address = address;
    switch (m->type) {
    case RAFT_APPEND_ENTRIES:
        if (two_leaders(n, from, m->append_entries.term)) {
            return;
        }
        note_request(n, m->append_entries.term);
        receive_append(n, m);
        slow_disk_tick(n);
        break;
    case RAFT_INSTALL_SNAPSHOT: /* from snapshot_install.c, when the file is here */
        if (two_leaders(n, from, m->install_snapshot.term)) {
            raft_configuration_close(&m->install_snapshot.conf); /* the core would have */
            raft_free(m->install_snapshot.data.base);
            return;
        }
        note_request(n, m->install_snapshot.term);
        feed(n, m);
        break;
    case RAFT_APPEND_ENTRIES_RESULT:
        if (n->leading) {
            change_heard(n, from);
        }
        if (!drop_result(n, from, &m->append_entries_result)) {
            feed(n, m);
            node_turn(n); /* send_commits: what it has now may be committed already */
        }
        break;
    case RAFT_REQUEST_VOTE:
        if (m->request_vote.candidate_id == from) {
            feed(n, m);
        }
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        if (!gate_on(n, GATE_VOTE_RESULT) || gate_takes_vote_result(&n->core)) {
            feed(n, m);
        }
        break;
    case RAFT_TIMEOUT_NOW:
        n->timeout_now_ms = loop_now_ms(n->loop);
        feed(n, m);
        break;
    }
    n->stale_request = false;
    m->server_address = NULL;
}

void receive_frame(void *arg, uint64_t from, struct slice payload)
{
    struct rnode *n = arg;
    if (n->closing >= CLOSE_TRANSPORT) {
        return;
    }
    struct message m;
    int rv = message_decode(&n->reader, payload, &m);
    if (rv != 0 || m.kind == RAFT_INSTALL_SNAPSHOT) {
        log_warn("raft", "dropped a frame that is no message", "from=%016" PRIx64 " error=%s", from,
                 err_name(rv != 0 ? rv : E_PROTO));
        return;
    }
    switch (m.kind) {
    case MESSAGE_PROPOSE:
        proposals_receive(n, &m);
        break;
    case MESSAGE_READ_INDEX:
    case MESSAGE_READ_REPLY:
    case MESSAGE_PROBE:
    case MESSAGE_ACK:
        reads_receive(n, from, &m);
        break;
    case MESSAGE_ASK:
    case MESSAGE_ANSWER:
        asks_receive(n, from, &m);
        break;
    case MESSAGE_DISK_SLOW:
        slow_disk_receive(n, from);
        break;
    default:
        receive_raft(n, from, &m.raft);
    }
}
