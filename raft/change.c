/* Changes of the membership: one server at a time, each a RAFT_CHANGE entry.
 *
 *   rnode_change -> (end of the turn) checked, submitted -> applied: done(0)
 *
 * A learner whose id says so is promoted by whoever leads, as soon as it has caught up; a member is
 * never added as a voter at once, so that a server that does not start costs no quorum. */
#include <inttypes.h>

#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "raft/configuration.h"
#include "raft/membership.h"
#include "raft/node.h"

/* The top byte of ids that were picked; a founder's (a hash) may have it too, which does no harm:
 * it is a voter. */
enum { ID_SHIFT = 56, ID_PROMOTES = 0xb1, ID_STAYS = 0xb0, PROMOTE_AGAIN_MS = 200 };

uint64_t rnode_new_id(uint64_t random, bool promote)
{
    uint64_t tag = promote ? ID_PROMOTES : ID_STAYS;
    return tag << ID_SHIFT | (random & ((UINT64_C(1) << ID_SHIFT) - 1));
}

bool rnode_id_promotes(uint64_t id)
{
    return id >> ID_SHIFT == ID_PROMOTES;
}

bool change_wished(const struct raft_server *s)
{
    return s->role == RAFT_STANDBY && rnode_id_promotes(s->id);
}

/* --- who answers ------------------------------------------------------------------------------ */

void change_heard(struct rnode *n, uint64_t id)
{
    struct membership *m = &n->membership;
    if (m->heard_term != n->lead_term) {
        m->heard_term = n->lead_term;
        m->heard_n = 0;
    }
    size_t i = 0;
    while (i < m->heard_n && m->heard[i].id != id) {
        i++;
    }
    if (i == LIMIT_PEERS) {
        return;
    }
    m->heard_n = i == m->heard_n ? i + 1 : m->heard_n;
    m->heard[i] = (struct peer_heard){ id, loop_now_ms(n->loop) };
}

bool change_heard_lately(const struct rnode *n, uint64_t id)
{
    const struct membership *m = &n->membership;
    for (size_t i = 0; i < m->heard_n && m->heard_term == n->lead_term; i++) {
        if (m->heard[i].id == id) {
            return loop_now_ms(n->loop) - m->heard[i].ms <= n->options.election_timeout_ms;
        }
    }
    return false;
}

/* A member that has just died was heard a moment ago; its connections are gone already. */
bool rnode_member_active(const struct rnode *n, uint64_t id)
{
    return id == n->id || (transport_peer_up(n->transport, id) && change_heard_lately(n, id));
}

/* --- one change ------------------------------------------------------------------------------- */

static void change_finish(struct rnode *n, int status)
{
    struct membership *m = &n->membership;
    void (*done)(void *arg, int status) = m->change_done;
    m->change_done = NULL;
    m->change_index = 0;
    m->change_kind = -1;
    if (done != NULL) {
        done(m->change_arg, status);
    }
}

void rnode_change(struct rnode *n, enum member_change kind, const struct rnode_member *member,
                  void (*done)(void *arg, int status), void *arg)
{
    struct membership *m = &n->membership;
    PRE(done != NULL);
    if (m->change_done != NULL) {
        transfer_conflict(n, done, arg);
        return;
    }
    m->change_kind = (int)kind;
    m->change_member = *member;
    m->change_done = done;
    m->change_arg = arg;
    m->change_index = 0;
    node_turn(n);
}

static bool address_taken(const struct raft_configuration *conf, const char *address)
{
    for (unsigned i = 0; i < conf->n; i++) {
        if (str_eq(conf->servers[i].address, address)) {
            return true;
        }
    }
    return false;
}

static int add(struct raft_configuration *next, const struct rnode_member *who)
{
    if (who->id == 0 || who->peer_address[0] == '\0') {
        return E_INVAL; /* a configuration that no member could read */
    }
    if (configuration_find(next, who->id) != NULL) {
        return E_EXIST;
    }
    if (address_taken(next, who->peer_address)) {
        return E_PEER_URL_EXIST;
    }
    if (next->n == LIMIT_PEERS) {
        return E_FULL;
    }
    int rv = raft_configuration_add(next, who->id, who->peer_address, RAFT_STANDBY);
    return rv == 0 ? 0 : E_INVAL;
}

/* It must hold the change that made it a member: who knows no configuration cannot vote (G6), and
 * the promotion may need just that vote. */
static bool caught_up(const struct rnode *n, uint64_t id)
{
    raft_index match = 0;
    return raft_match_index(&n->core, id, &match) == 0 &&
           match + CATCH_UP_ENTRIES >= n->log.last &&
           match >= n->core.configuration_committed_index;
}

static int promote(const struct rnode *n, struct raft_server *s)
{
    if (s->role == RAFT_VOTER) {
        return E_NOT_LEARNER;
    }
    if (!caught_up(n, s->id)) {
        return E_NOTREADY;
    }
    s->role = RAFT_VOTER;
    return 0;
}

static int update(struct raft_configuration *next, struct raft_server *s, const char *address)
{
    if (str_eq(s->address, address)) {
        return 0;
    }
    if (address[0] == '\0') {
        return E_INVAL;
    }
    if (address_taken(next, address)) {
        return E_PEER_URL_EXIST;
    }
    size_t size = strlen(address) + 1;
    raft_free(s->address);
    s->address = raft_malloc(size);
    memcpy(s->address, address, size);
    return 0;
}

/* Keeps the others' order: the core's progress array is positional. */
static void take_out(struct raft_configuration *next, struct raft_server *s)
{
    size_t at = (size_t)(s - next->servers);
    raft_free(s->address);
    memmove(s, s + 1, (next->n - at - 1) * sizeof *s);
    next->n--;
}

/* The configuration after the change, or the reason why not. */
static int next_configuration(struct rnode *n, struct raft_configuration *next)
{
    const struct rnode_member *who = &n->membership.change_member;
    struct raft_server *s = configuration_find(next, who->id);
    if (n->membership.change_kind == MEMBER_ADD_LEARNER) {
        return add(next, who);
    }
    if (s == NULL) {
        return E_MEMBER_NOT_FOUND;
    }
    switch (n->membership.change_kind) {
    case MEMBER_PROMOTE:
        return promote(n, s);
    case MEMBER_UPDATE:
        return update(next, s, who->peer_address);
    case MEMBER_DEMOTE:
        if (s->role != RAFT_VOTER) {
            return E_INVAL;
        }
        s->role = RAFT_STANDBY;
        break;
    default:
        take_out(next, s);
    }
    return configuration_voters(next) == 0 ? E_INVAL : 0;
}

static int change_submit(struct rnode *n)
{
    struct membership *m = &n->membership;
    if (!driver_leads(n)) {
        return E_NOTLEADER;
    }
    if (n->core.configuration_uncommitted_index != 0) {
        return E_CONFLICT;
    }
    if (gate_on(n, GATE_OWN_TERM) && !gate_change_allowed(n->commit, n->own_term_index)) {
        return E_NOTREADY;
    }
    struct raft_configuration next;
    configuration_copy(&n->core.configuration, &next);
    int rv = next_configuration(n, &next);
    if (rv == 0 && gate_on(n, GATE_KEEP_LEADER) && !gate_change_keeps_leader(&next, n->id)) {
        rv = E_PERM;
    }
    if (rv == 0) {
        struct value *data = configuration_encode(&next);
        m->change_index = n->log.last + 1;
        m->change_term = driver_term(n);
        rv = driver_submit_one(n, RAFT_CHANGE, data);
        rv = rv == 0 ? 0 : rv == RAFT_CANTCHANGE ? E_CONFLICT : E_NOTLEADER;
        value_unref(data);
    }
    raft_configuration_close(&next);
    return rv;
}

/* --- promotion by itself ---------------------------------------------------------------------- */

static void on_promoted(void *arg, int status)
{
    struct rnode *n = arg;
    n->membership.promote_after_ms = loop_now_ms(n->loop) + PROMOTE_AGAIN_MS;
    if (status == 0) {
        log_info("raft", "a learner has caught up and votes now", "term=%" PRIu64, driver_term(n));
    }
}

static void promote_wished(struct rnode *n)
{
    struct membership *m = &n->membership;
    const struct raft_configuration *conf = &n->core.configuration;
    if (!m->wishes || !driver_leads(n) || n->closing != CLOSE_NO) {
        return;
    }
    if (BUG(BUG_LEARNER_FOR_EVER)) {
        return;
    }
    node_sweep(n); /* looked at again, until there is none */
    /* While members differ and none is known to be right, a learner must not tip the scales: its
     * state is that of whoever sent it a snapshot. */
    if (m->change_done != NULL || n->core.configuration_uncommitted_index != 0 ||
        n->digests.vote.split || loop_now_ms(n->loop) < m->promote_after_ms) {
        return;
    }
    for (unsigned i = 0; i < conf->n; i++) {
        const struct raft_server *s = &conf->servers[i];
        if (change_wished(s) && change_heard_lately(n, s->id) && caught_up(n, s->id)) {
            struct rnode_member who = { .id = s->id };
            rnode_change(n, MEMBER_PROMOTE, &who, on_promoted, n);
            return;
        }
    }
}

/* --- the turn, and what happens to the log ---------------------------------------------------- */

/* End of the turn: a change that was asked for is submitted. */
void membership_flush(struct rnode *n)
{
    struct membership *m = &n->membership;
    promote_wished(n);
    if (m->change_done != NULL && m->change_index == 0) {
        int rv = change_submit(n);
        if (rv != 0) {
            change_finish(n, rv);
        }
    }
    membership_publish(n);
}

void membership_applied(struct rnode *n, uint64_t index, uint64_t term)
{
    struct membership *m = &n->membership;
    if (m->change_done != NULL && m->change_index != 0 && index >= m->change_index) {
        change_finish(n, index == m->change_index && term == m->change_term ? 0
                                                                            : E_LEADER_CHANGED);
    }
}

void membership_leader_changed(struct rnode *n)
{
    struct membership *m = &n->membership;
    bool ours = n->leading && n->lead_term == m->change_term;
    if (m->change_done != NULL && m->change_index != 0 && !ours) {
        change_finish(n, E_LEADER_CHANGED);
    }
}

void membership_fail_all(struct rnode *n, int status)
{
    if (n->membership.change_done != NULL) {
        change_finish(n, status);
    }
}
