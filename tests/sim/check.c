/* The invariants, checked at every step of every member.
 *
 * raft_step is wrapped: each event fed to libraft's core and each update it gives is seen here
 * first, so the checks do not depend on the driver's own idea of its state. A mirror of each
 * member's log terms is kept from these.
 *
 *     election safety      one leader a term (also not the same member in two lives)
 *     log matching         equal index and term, equal bytes
 *     leader completeness  a leader has every entry committed in an earlier term
 *     commit               two members never commit different entries at an index
 *     durability           a restart finds the term, the vote and the log that were promised
 *     state machine        equal digest at equal index; each proposal applied once; never one whose
 *                          client was told was not sent */
#include "tests/sim/check.h"
#include "tests/sim/world_wire.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "raft/message.h"

int __real_raft_step(struct raft *r, struct raft_event *event, struct raft_update *update);
int __wrap_raft_step(struct raft *r, struct raft_event *event, struct raft_update *update);

struct check *check_new(void)
{
    return mem_zalloc(sizeof(struct check));
}

void check_free(struct check *c)
{
    message_reader_fini(&c->reader);
    mem_free(c->entries);
    mem_free(c->seen);
    mem_free(c->leaders);
    mem_free(c->proposals);
    mem_free(c);
}

/* Grows a zeroed array so that it has an element `at`. */
void *check_grow(void *items, size_t *cap, uint64_t at, size_t elem)
{
    if (at < *cap) {
        return items;
    }
    size_t old = *cap;
    items = mem_grow(items, cap, (size_t)at + 1, elem);
    memset((uint8_t *)items + old * elem, 0, (*cap - old) * elem);
    return items;
}

static struct known *known_at(struct check *c, uint64_t index)
{
    c->entries = check_grow(c->entries, &c->entries_cap, index, sizeof *c->entries);
    return &c->entries[index];
}

/* --- log -------------------------------------------------------------------------------------- */

static void check_matching(struct node *n, uint64_t index, const struct raft_entry *e)
{
    struct check *c = n->sim->check;
    struct known *k = known_at(c, index);
    uint64_t hash = hash_bytes(e->buf.base, e->buf.len) ^ (uint64_t)e->type;
    for (size_t i = k->seen; i != 0; i = c->seen[i].next) {
        if (c->seen[i].term == e->term) {
            if (c->seen[i].hash != hash) {
                sim_violation(n->sim,
                              "LOG MATCHING: member %u index %" PRIu64 " term %llu: other bytes",
                              n->id, index, e->term);
            }
            return;
        }
    }
    c->seen = mem_grow(c->seen, &c->seen_cap, c->n_seen + 2, sizeof *c->seen);
    c->n_seen++;
    c->seen[c->n_seen] = (struct seen){ .term = e->term, .hash = hash, .next = k->seen };
    k->seen = c->n_seen;
}

static void mirror_set(struct mirror *m, uint64_t index, uint64_t term)
{
    m->terms = check_grow(m->terms, &m->cap, index, sizeof *m->terms);
    m->terms[index] = term;
}

/* A configuration change alone is durable before it is reported: the rest is the driver's order. */
static void on_entries(struct node *n, const struct raft_update *u)
{
    struct mirror *m = &n->mirror;
    if (u->entries.index <= m->commit && !m->installing) {
        sim_violation(n->sim, "COMMITTED ENTRY REPLACED: member %u index %llu commit %" PRIu64,
                      n->id, u->entries.index, m->commit);
    }
    /* First: when a member's memory is spent it may end right here. */
    if (n->promises.persisted >= u->entries.index) {
        n->promises.persisted = u->entries.index - 1;
    }
    for (unsigned i = 0; i < u->entries.n; i++) {
        check_matching(n, u->entries.index + i, &u->entries.batch[i]);
        mirror_set(m, u->entries.index + i, u->entries.batch[i].term);
    }
    m->last = u->entries.index + u->entries.n - 1;
}

static void on_commit(struct node *n, struct raft *r)
{
    struct mirror *m = &n->mirror;
    struct check *c = n->sim->check;
    uint64_t commit = raft_commit_index(r);
    commit = commit < m->last ? commit : m->last;
    if (m->installing || commit <= m->commit) {
        return;
    }
    for (uint64_t i = m->commit + 1; i <= commit; i++) {
        struct known *k = known_at(c, i);
        if (i <= m->snapshot_index) {
            continue;
        }
        if (k->committed_term != 0 && k->committed_term != m->terms[i]) {
            sim_violation(n->sim,
                          "STATE MACHINE SAFETY: member %u commits index %" PRIu64
                          " of term %" PRIu64 ", another committed term %" PRIu64,
                          n->id, i, m->terms[i], k->committed_term);
        }
        if (k->committed_term == 0) {
            k->committed_term = m->terms[i];
            k->observed_term = raft_current_term(r);
        }
        c->committed = i > c->committed ? i : c->committed;
    }
    m->commit = commit;
}

/* --- elections -------------------------------------------------------------------------------- */

static void check_completeness(struct node *n, uint64_t term)
{
    struct check *c = n->sim->check;
    const struct mirror *m = &n->mirror;
    for (uint64_t i = 1; i <= c->committed; i++) {
        const struct known *k = &c->entries[i];
        if (k->committed_term == 0 || k->observed_term >= term || i <= m->snapshot_index) {
            continue;
        }
        if (i > m->last || m->terms[i] != k->committed_term) {
            sim_violation(n->sim,
                          "LEADER COMPLETENESS: member %u leads term %" PRIu64
                          " without committed index %" PRIu64 " of term %" PRIu64,
                          n->id, term, i, k->committed_term);
        }
    }
}

static void judge_election(struct node *n)
{
    struct check *c = n->sim->check;
    uint64_t term = n->raft != NULL ? raft_current_term(n->raft) : 0;
    if (!n->mirror.electing) {
        return;
    }
    n->mirror.electing = false;
    n->sim->stats->elections++;
    if (n->sim->world != NULL) {
        judge_leader(n->sim->world->judge);
    }
    c->leaders = check_grow(c->leaders, &c->leaders_cap, term, sizeof *c->leaders);
    struct leader *l = &c->leaders[term];
    if (l->node != 0 && (l->node != n->id || l->life != n->gen)) {
        sim_violation(n->sim, "ELECTION SAFETY: term %" PRIu64 " is led by members %u and %u%s",
                      term, l->node, n->id, l->node == n->id ? " (after a restart)" : "");
    }
    *l = (struct leader){ .node = n->id, .life = n->gen };
    SIM_LOG(n->sim, "member %u leads term %" PRIu64, n->id, term);
    check_completeness(n, term);
}

/* --- restart ---------------------------------------------------------------------------------- */

/* A snapshot whose last entry the log does not hold voids the log: it is another history's. */
static bool snapshot_voids_log(const struct mirror *m, const struct raft_snapshot_metadata *s)
{
    return s != NULL && s->index > m->snapshot_index &&
           (s->index > m->last || m->terms[s->index] != s->term);
}

static void on_start(struct node *n, const struct raft_event *e)
{
    struct promises *p = &n->promises;
    struct mirror *m = &n->mirror;
    uint64_t snapshot = e->start.metadata != NULL ? e->start.metadata->index : 0;
    uint64_t last = e->start.start_index + e->start.n_entries - 1;
    last = last > snapshot ? last : snapshot;
    if (snapshot_voids_log(m, e->start.metadata)) {
        p->persisted = snapshot;
    }
    if (e->start.term < p->term) {
        sim_violation(n->sim,
                      "TERM FORGOTTEN: member %u restarts in term %llu, it spoke in %" PRIu64,
                      n->id, e->start.term, p->term);
    }
    if (e->start.term == p->term && p->voted_for != 0 && e->start.voted_for != p->voted_for) {
        sim_violation(n->sim,
                      "VOTE FORGOTTEN: member %u term %llu: vote %llu on disk, %" PRIu64
                      " was told",
                      n->id, e->start.term, e->start.voted_for, p->voted_for);
    }
    if (last < p->persisted) {
        sim_violation(n->sim,
                      "LOG FORGOTTEN: member %u restarts with index %" PRIu64 ", %" PRIu64
                      " was reported durable",
                      n->id, last, p->persisted);
    }
    for (unsigned i = 0; i < e->start.n_entries; i++) {
        uint64_t index = e->start.start_index + i;
        check_matching(n, index, &e->start.entries[i]);
        if (index <= p->persisted && index > m->snapshot_index && index <= m->last &&
            m->terms[index] != e->start.entries[i].term) {
            sim_violation(n->sim, "LOG CHANGED: member %u index %" PRIu64 " on restart", n->id,
                          index);
        }
        mirror_set(m, index, e->start.entries[i].term);
    }
    m->snapshot_index = snapshot;
    m->last = last;
    m->commit = snapshot;
    m->installing = m->electing = false;
}

/* --- the wrapped step ------------------------------------------------------------------------- */

static void before_step(struct node *n, const struct raft_event *e)
{
    switch (e->type) {
    case RAFT_START:
        on_start(n, e);
        break;
    case RAFT_PERSISTED_ENTRIES:
        if (e->persisted_entries.index > n->promises.persisted) {
            n->promises.persisted = e->persisted_entries.index;
        }
        break;
    case RAFT_PERSISTED_SNAPSHOT:
        n->mirror.installing = false;
        n->mirror.snapshot_index = n->mirror.last = e->persisted_snapshot.metadata.index;
        n->mirror.commit = n->mirror.last;
        n->promises.persisted = n->mirror.last;
        n->sim->stats->installs++;
        break;
    case RAFT_SNAPSHOT:
        n->sim->stats->snapshots++;
        break;
    default:
        break;
    }
}

static void after_step(struct node *n, struct raft *r, const struct raft_event *e,
                       const struct raft_update *u)
{
    if ((u->flags & RAFT_UPDATE_ENTRIES) != 0) {
        on_entries(n, u);
    }
    if ((u->flags & RAFT_UPDATE_SNAPSHOT) != 0) {
        n->mirror.installing = true;
    }
    if ((u->flags & RAFT_UPDATE_STATE) != 0) {
        bool won = e->type == RAFT_START || (u->flags & RAFT_UPDATE_CURRENT_TERM) != 0;
        n->mirror.electing = raft_state(r) == RAFT_LEADER;
        /* A single voter elected without a vote: the driver has to throw this update away. */
        if (n->mirror.electing && won) {
            judge_election(n);
        }
    }
    on_commit(n, r);
}

int __wrap_raft_step(struct raft *r, struct raft_event *event, struct raft_update *update)
{
    struct node *n = sim_current()->running;
    if (event->type != RAFT_START) {
        judge_election(n);
    }
    n->raft = r;
    n->sim->stats->steps++;
    before_step(n, event);
    int rv = __real_raft_step(r, event, update);
    if (rv == 0) {
        after_step(n, r, event, update);
    } else if (rv == RAFT_SHUTDOWN) {
        sim_violation(n->sim, "COMMITTED CONFLICT: member %u: raft_step gave RAFT_SHUTDOWN", n->id);
    }
    return rv;
}

/* --- what leaves a machine -------------------------------------------------------------------- */

static void promise(struct node *n, uint64_t term, uint64_t voted_for)
{
    struct promises *p = &n->promises;
    if (term > p->term) {
        *p = (struct promises){ .term = term, .voted_for = voted_for, .persisted = p->persisted };
    } else if (term == p->term && voted_for != 0) {
        if (p->voted_for != 0 && p->voted_for != voted_for) {
            sim_violation(n->sim, "TWO VOTES: member %u term %" PRIu64 ": %" PRIu64 " and %" PRIu64,
                          n->id, term, p->voted_for, voted_for);
        }
        p->voted_for = voted_for;
    }
}

static void tell_frame(struct node *n, uint64_t to, const struct message *m)
{
    const struct raft_message *r = &m->raft;
    switch (m->kind) {
    case RAFT_REQUEST_VOTE:
        sim_log(n->sim, "frame %u -> %" PRIu64 " RequestVote term %llu last %llu/%llu%s%s", n->id,
                to, r->request_vote.term, r->request_vote.last_log_index,
                r->request_vote.last_log_term,
                r->request_vote.pre_vote ? " pre" : "",
                r->request_vote.disrupt_leader ? " disrupt" : "");
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        sim_log(n->sim, "frame %u -> %" PRIu64 " Vote term %llu %s%s", n->id, to,
                r->request_vote_result.term, r->request_vote_result.vote_granted ? "yes" : "no",
                r->request_vote_result.pre_vote ? " pre" : "");
        break;
    case RAFT_APPEND_ENTRIES:
        sim_log(n->sim, "frame %u -> %" PRIu64 " Append term %llu prev %llu/%llu n %u commit %llu",
                n->id, to, r->append_entries.term, r->append_entries.prev_log_index,
                r->append_entries.prev_log_term, r->append_entries.n_entries,
                r->append_entries.leader_commit);
        break;
    case RAFT_APPEND_ENTRIES_RESULT:
        sim_log(n->sim, "frame %u -> %" PRIu64 " Appended term %llu rejected %llu last %llu", n->id,
                to, r->append_entries_result.term, r->append_entries_result.rejected,
                r->append_entries_result.last_log_index);
        break;
    default:
        sim_log(n->sim, "frame %u -> %" PRIu64 " kind %u term %" PRIu64 " seq %" PRIu64, n->id, to,
                m->kind, m->term, m->seq);
        break;
    }
}

void check_sending(struct node *n, uint64_t to, struct slice payload)
{
    struct message m;
    judge_election(n);
    if (message_decode(&n->sim->check->reader, payload, &m) != 0) {
        sim_violation(n->sim, "member %u sends a frame that does not decode", n->id);
    }
    if (n->sim->setup->frames) {
        tell_frame(n, to, &m);
    }
    switch (m.kind) {
    case RAFT_REQUEST_VOTE:
        if (!m.raft.request_vote.pre_vote) {
            promise(n, m.raft.request_vote.term, n->member_id);
        }
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        if (!m.raft.request_vote_result.pre_vote) {
            promise(n, m.raft.request_vote_result.term,
                    m.raft.request_vote_result.vote_granted ? to : 0);
        }
        break;
    case RAFT_APPEND_ENTRIES:
        promise(n, m.raft.append_entries.term, 0);
        break;
    case RAFT_APPEND_ENTRIES_RESULT:
        promise(n, m.raft.append_entries_result.term, 0);
        break;
    default:
        break;
    }
}

/* --- state machines --------------------------------------------------------------------------- */

static void check_proposal(struct node *n, uint64_t index, uint64_t id)
{
    struct check *c = n->sim->check;
    c->proposals = check_grow(c->proposals, &c->proposals_cap, id, sizeof *c->proposals);
    struct fate *f = &c->proposals[id];
    if (f->index != 0 && f->index != index) {
        sim_violation(n->sim, "APPLIED TWICE: proposal %" PRIu64 " at %" PRIu64 " and %" PRIu64, id,
                      f->index, index);
    }
    if (f->never) {
        sim_violation(n->sim, "NEVER SENT, BUT APPLIED: proposal %" PRIu64 " at %" PRIu64, id,
                      index);
    }
    f->index = index;
}

bool check_state(struct node *n, uint64_t index, uint64_t digest)
{
    struct check *c = n->sim->check;
    struct known *k = known_at(c, index);
    n->sim->stats->applied++;
    sim_trace(n->sim, digest ^ index);
    if (index > c->committed || k->committed_term == 0) {
        sim_violation(n->sim, "APPLIED UNCOMMITTED: member %u index %" PRIu64, n->id, index);
    }
    if (k->digest == 0) {
        if (index <= c->last) {
            sim_violation(n->sim, "APPLY ORDER: member %u applies %" PRIu64 ", others skipped it",
                          n->id, index);
        }
        k->digest = digest;
        c->last = index;
        return true;
    }
    if (k->digest != digest) {
        sim_violation(n->sim, "STATE DIVERGED: member %u at index %" PRIu64, n->id, index);
    }
    return false;
}

void check_applied(struct node *n, uint64_t index, uint64_t term, uint64_t digest, uint64_t id)
{
    if (known_at(n->sim->check, index)->committed_term != term) {
        sim_violation(n->sim, "APPLIED UNCOMMITTED: member %u index %" PRIu64 " term %" PRIu64,
                      n->id, index, term);
    }
    if (check_state(n, index, digest)) {
        check_proposal(n, index, id);
    }
}

void check_restored(struct node *n, uint64_t index, uint64_t digest)
{
    struct check *c = n->sim->check;
    if (index != 0 && (index > c->last || c->entries[index].digest != digest)) {
        sim_violation(n->sim, "SNAPSHOT DIVERGED: member %u at index %" PRIu64, n->id, index);
    }
}

void check_never(struct sim *s, uint64_t id)
{
    struct check *c = s->check;
    c->proposals = check_grow(c->proposals, &c->proposals_cap, id, sizeof *c->proposals);
    c->proposals[id].never = true;
    if (c->proposals[id].index != 0) {
        sim_violation(s, "NEVER SENT, BUT APPLIED: proposal %" PRIu64, id);
    }
}

uint64_t check_proposal_index(const struct check *c, uint64_t id)
{
    return id < c->proposals_cap ? c->proposals[id].index : 0;
}

uint64_t check_last(const struct check *c)
{
    return c->last;
}
