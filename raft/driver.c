/* The driver: feeds libraft's core one event at a time and carries out what it asks for, in the
 * only safe order.
 *
 *   1. term and vote to disk, before anything else
 *   2. entries: truncate, append to the log, hand to the WAL (asynchronous)
 *   3. an accepted snapshot: stop applying, install (snapshot_install.c)
 *   4. role changes: who waits for what
 *   5. messages, which may leave before the entries are on disk (acknowledgements come from the
 *      RAFT_PERSISTED_ENTRIES step), except those that carry a configuration change (G7)
 *   6. commit: apply, feed committed configurations back
 *   7. the timer, from raft_timeout(), after every step; never a fixed tick
 *
 * An event that the core fails leaves it in an unknown state: the update is thrown away and the
 * core is started again from the log, once the disk has caught up with it (driver_restart). */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/log.h"
#include "raft/configuration.h"
#include "raft/node.h"

bool driver_leads(const struct rnode *n)
{
    return n->core_up && n->core.state == RAFT_LEADER;
}

uint64_t driver_term(const struct rnode *n)
{
    return n->core_up ? n->core.current_term : n->meta.term;
}

uint64_t driver_leader(const struct rnode *n)
{
    if (!n->core_up) {
        return 0;
    }
    raft_id id = 0;
    const char *address = NULL;
    raft_leader((struct raft *)(uintptr_t)&n->core, &id, &address);
    return id;
}

uint64_t driver_entry_term(const struct rnode *n, uint64_t index)
{
    const struct entry *e = entry_log_get(&n->log, index);
    if (e != NULL) {
        return e->term;
    }
    return index == n->snapshots.current.index ? n->snapshots.current.term : 0;
}

/* --- starting the core --- */

/* The newest configuration in snapshot and log; false when there is none. */
static bool newest_configuration(const struct rnode *n, struct raft_configuration *ret_conf)
{
    const struct value *v = n->snapshots.current.conf;
    for (uint64_t i = n->log.last; i >= n->log.first && i > n->snapshots.current.conf_index; i--) {
        const struct entry *e = entry_log_get(&n->log, i);
        if (e->type == RAFT_CHANGE) {
            v = e->data;
            break;
        }
    }
    if (v == NULL) {
        return false;
    }
    configuration_decode(value_slice(v), ret_conf);
    return true;
}

static int bump_term_if_alone(struct rnode *n, struct err *err)
{
    struct raft_configuration conf;
    if (n->meta.term == 0 || !gate_on(n, GATE_TERM_BUMP_BOOT) || !newest_configuration(n, &conf)) {
        return 0;
    }
    bool bump = gate_boot_needs_new_term(&conf, n->id);
    raft_configuration_close(&conf);
    if (!bump) {
        return 0;
    }
    n->meta.term++;
    n->meta.vote = n->id;
    return meta_store(&n->meta, err);
}

static int core_init(struct rnode *n, struct err *err)
{
    const struct rnode_options *o = &n->options;
    memset(&n->core, 0, sizeof n->core);
    if (raft_init(&n->core, NULL, NULL, n->id, o->peer_listen) != 0) {
        return err_set(err, E_INVAL, "raft core: %s", n->core.errmsg);
    }
    /* Without this it formats several lines of text a step, and throws them away. */
    n->core.tracer = NULL;
    raft_seed(&n->core, (unsigned)hash_u64(o->seed ^ n->id ^ n->epoch ^ n->meta.seq));
    raft_set_election_timeout(&n->core, (unsigned)o->election_timeout_ms);
    raft_set_heartbeat_timeout(&n->core, (unsigned)o->heartbeat_ms);
    raft_set_install_snapshot_timeout(&n->core, (unsigned)(3 * o->election_timeout_ms));
    raft_set_pre_vote(&n->core, !n->tuning.no_pre_vote);
    raft_set_max_inflight_entries(&n->core, n->tuning.inflight_max != 0 ? n->tuning.inflight_max
                                                                       : 4096);
    return 0;
}

int driver_start(struct rnode *n, struct err *err)
{
    PRE(!n->core_up);
    PRE(n->log.first <= n->snapshots.current.index + 1);
    int rv = bump_term_if_alone(n, err);
    if (rv == 0) {
        rv = core_init(n, err);
    }
    if (rv != 0) {
        return rv;
    }
    size_t k = (size_t)(n->log.last + 1 - n->log.first);
    struct raft_entry *entries = raft_calloc(k + 1, sizeof *entries);
    for (size_t i = 0; i < k; i++) {
        const struct entry *e = entry_log_get(&n->log, n->log.first + i);
        entries[i] = (struct raft_entry){ .term = e->term, .type = (enum raft_entry_type)e->type,
                                          .buf = { e->data->data, e->data->len } };
    }
    const struct snapshot_info *s = &n->snapshots.current;
    struct raft_snapshot_metadata metadata = { .index = s->index, .term = s->term,
                                               .configuration_index = s->conf_index };
    if (s->index != 0) {
        configuration_decode(value_slice(s->conf), &metadata.configuration);
    }
    struct raft_event event = { .type = RAFT_START };
    event.start.term = n->meta.term;
    event.start.voted_for = n->meta.vote;
    event.start.metadata = s->index != 0 ? &metadata : NULL;
    event.start.start_index = n->log.first;
    event.start.entries = entries;
    event.start.n_entries = (unsigned)k;
    n->core_up = true;
    n->core_restart = false;
    n->durable = n->log.last;
    n->membership.dirty = true;
    rv = driver_event(n, &event, NULL);
    raft_free(entries);
    if (rv != 0) {
        raft_close(&n->core, NULL);
        n->core_up = false;
        return err_set(err, E_CORRUPT, "raft core does not start: %s", raft_strerror(rv));
    }
    return 0;
}

void driver_restart(struct rnode *n, const char *why)
{
    log_warn("raft", "the raft core is started again", "reason=\"%s\" term=%" PRIu64, why,
             driver_term(n));
    raft_close(&n->core, NULL);
    n->core_up = false;
    n->core_restart = true;
    n->leading = false;
    n->held_n = 0;
    n->stale_request = false;
    timer_stop(&n->core_timer);
    n->core_due_ms = 0;
    reads_leader_changed(n);
    asks_leader_changed(n);
    membership_leader_changed(n);
}

void driver_restart_if_settled(struct rnode *n)
{
    if (!n->core_restart || n->installing || !wal_idle(n->wal) || n->closing >= CLOSE_TRANSPORT) {
        return;
    }
    struct err err = ERR_INIT;
    if (driver_start(n, &err) != 0) {
        node_fatal(n, &err);
        return;
    }
    /* What was applied stays applied; the core only needs to hear that its newest configuration
     * was. */
    if (n->conf != NULL && n->core.configuration_uncommitted_index == n->conf_index) {
        struct raft_event event = { .type = RAFT_CONFIGURATION };
        event.configuration.index = n->conf_index;
        configuration_decode(value_slice(n->conf), &event.configuration.conf);
        driver_event(n, &event, NULL);
    }
    driver_settle(n);
}

/* --- carrying out an update --- */

static void store_vote(struct rnode *n)
{
    if (n->core.current_term == n->meta.term && n->core.voted_for == n->meta.vote) {
        return;
    }
    INVARIANT(n->core.current_term >= n->meta.term);
    n->meta.term = n->core.current_term;
    n->meta.vote = n->core.voted_for;
    struct err err = ERR_INIT;
    if (meta_store(&n->meta, &err) != 0) {
        err_prefix(&err, "storing term and vote failed; check the disk, then restart this member");
        node_fatal(n, &err);
    }
}

static void truncate(struct rnode *n, uint64_t index)
{
    INVARIANT(index > n->applied);
    entry_log_truncate(&n->log, index);
    if (n->durable >= index) {
        n->durable = index - 1;
    }
    if (n->change_index >= index) {
        n->change_index = 0;
    }
    n->membership.dirty = true; /* a configuration may have been rolled back */
}

static void take_entries(struct rnode *n, const struct raft_update *u)
{
    uint64_t index = u->entries.index;
    INVARIANT(index <= n->log.last + 1);
    if (index <= n->log.last) {
        truncate(n, index);
    }
    for (unsigned i = 0; i < u->entries.n; i++) {
        const struct raft_entry *e = &u->entries.batch[i];
        struct value *data = n->submit_values != NULL ? value_ref(n->submit_values[i])
                                                      : value_new(e->buf.base, e->buf.len);
        entry_log_append(&n->log, e->term, e->type, data);
        wal_append(n->wal, index + i, e->term, e->type, data);
        if (e->type == RAFT_CHANGE) {
            n->membership.dirty = true;
            n->change_index = n->core.state == RAFT_LEADER ? index + i : 0;
        }
    }
    n->submit_values = NULL;
    wal_flush(n->wal);
    if (u->entries.batch == &n->core.barrier) {
        raft_free(n->core.barrier.batch); /* the core's own entry: its memory is ours now */
        n->core.barrier.batch = NULL;
        n->core.barrier.buf.base = NULL;
    }
}

/* Once per leadership, in the step that won it. */
static void became_leader(struct rnode *n)
{
    n->leading = true;
    n->lead_term = n->core.current_term;
    n->elect_last = raft_last_index(&n->core);
    n->own_term_index = driver_entry_term(n, n->log.last) == n->lead_term ? n->log.last : 0;
    log_info("raft", "became leader", "term=%" PRIu64 " last=%" PRIu64, n->lead_term,
             n->elect_last);
    proposals_new_leadership(n);
}

static void follow_state(struct rnode *n)
{
    bool leads = n->core.state == RAFT_LEADER;
    if (n->leading && (!leads || n->core.current_term != n->lead_term)) {
        n->leading = false;
        n->own_term_index = 0;
        n->held_n = 0;
        log_info("raft", "leader no more", "term=%" PRIu64, n->lead_term);
    }
    if (leads && !n->leading) {
        became_leader(n);
    }
    uint64_t leader = driver_leader(n);
    if (leader == n->seen_leader && n->core.current_term == n->seen_term &&
        n->core.state == n->seen_state) {
        return;
    }
    if (leader != n->seen_leader && leader != 0 && n->m_leader_changes != NULL) {
        metric_add(n->m_leader_changes, 1);
    }
    n->seen_leader = leader;
    n->seen_term = n->core.current_term;
    n->seen_state = n->core.state;
    reads_leader_changed(n);
    asks_leader_changed(n);
    membership_leader_changed(n);
    if (BUG(BUG_PROPOSE_RETRY_EARLY)) {
        proposals_term_passed(n, n->core.current_term);
    }
    loop_ready(n->loop, &n->change_ready);
    node_turn(n);
}

static void carry_out(struct rnode *n, struct raft_update *u)
{
    if (!BUG(BUG_META_LATE)) {
        store_vote(n);
    }
    if ((u->flags & (unsigned)(RAFT_UPDATE_ENTRIES)) != 0) {
        take_entries(n, u);
    }
    if ((u->flags & (unsigned)(RAFT_UPDATE_SNAPSHOT)) != 0) {
        raft_free(u->snapshot.chunk.base);
        install_begin(n, &u->snapshot.metadata);
    }
    follow_state(n);
    if ((u->flags & (unsigned)(RAFT_UPDATE_MESSAGES)) != 0) {
        send_update(n, u);
    }
    if (BUG(BUG_META_LATE)) {
        store_vote(n);
    }
}

/* A failed step: normal for requests of ours, otherwise the core must be started again (rule 5). */
static void step_failed(struct rnode *n, enum raft_event_type type, int rv)
{
    if (type == RAFT_SUBMIT || type == RAFT_TRANSFER || type == RAFT_START) {
        return;
    }
    if (rv == RAFT_SHUTDOWN) {
        struct err err = ERR_INIT;
        err_set(&err, E_CORRUPT, "the leader's log contradicts entries that are committed here "
                "(index %" PRIu64 "); keep the data directories of all members and report this",
                n->commit);
        node_fatal(n, &err);
        return;
    }
    driver_restart(n, raft_strerror(rv));
}

#ifdef BARQUE_BUGS
/* What Raft §5.4.2 forbids: an entry is committed once a majority holds it, whatever its term. */
static void commit_by_counting(struct rnode *n)
{
    const struct raft_configuration *conf = &n->core.configuration;
    uint64_t next = n->core.commit_index + 1;
    unsigned have = 0;
    for (unsigned i = 0; i < conf->n && n->core.state == RAFT_LEADER; i++) {
        raft_index match = n->durable;
        bool known = conf->servers[i].id == n->id ||
                     raft_match_index(&n->core, conf->servers[i].id, &match) == 0;
        have += conf->servers[i].role == RAFT_VOTER && known && match >= next;
    }
    if (have > configuration_voters(conf) / 2 && next <= n->log.last) {
        n->core.commit_index = next;
    }
}
#endif

static int step_core(struct rnode *n, struct raft_event *event, struct raft_update *update)
{
    event->time = loop_now_ms(n->loop);
    event->capacity = UINT16_MAX;
    struct raft_server *self = NULL;
    int role = 0;
    if (event->type == RAFT_RECEIVE && event->receive.message->type == RAFT_REQUEST_VOTE &&
        gate_on(n, GATE_LEARNER_VOTES)) {
        bool silent = event->time - n->leader_heard_ms > n->options.election_timeout_ms;
        self = gate_vote_begin(&n->core, silent, &role);
    }
#ifdef BARQUE_BUGS
    if (BUG(BUG_COMMIT_OLD_TERM)) {
        commit_by_counting(n);
    }
#endif
    int rv = raft_step(&n->core, event, update);
    if (self != NULL) {
        gate_vote_end(self, role);
    }
    return rv;
}

int driver_event(struct rnode *n, struct raft_event *event, bool *ret_entries)
{
    PRE(n->core_up);
    enum raft_event_type type = event->type;
    struct raft_update update;
    memset(&update, 0, sizeof update);
    bool was_leader = type != RAFT_START && n->core.state == RAFT_LEADER;
    int rv = step_core(n, event, &update);
    if (ret_entries != NULL) {
        *ret_entries = rv == 0 && (update.flags & (unsigned)(RAFT_UPDATE_ENTRIES)) != 0;
    }
    if (rv != 0) {
        step_failed(n, type, rv);
    } else if (gate_on(n, GATE_TERM_BUMP_STEP) &&
               gate_leadership_not_won(&n->core, &update, type, was_leader)) {
        driver_restart(n, "sole voter needs a new term");
    } else {
        carry_out(n, &update);
    }
    if (type != RAFT_START) {
        driver_settle(n);
    }
    return rv;
}

/* --- after a step --- */

static void arm_timer(struct rnode *n)
{
    uint64_t now = loop_now_ms(n->loop);
    uint64_t due = raft_timeout(&n->core);
    /* A timeout that stays in the past (libraft's, with a spare server) must not spin. */
    uint64_t floor = n->core_fired_ms + n->options.heartbeat_ms / 2;
    if (due <= now && due < floor) {
        due = floor;
    }
    if (due != n->core_due_ms || !timer_active(&n->core_timer)) {
        n->core_due_ms = due;
        timer_start_at(&n->core_timer, due);
    }
}

void driver_settle(struct rnode *n)
{
    if (n->settling) {
        return;
    }
    n->settling = true;
    apply_committed(n);
    n->settling = false;
    if (!n->core_up) {
        driver_restart_if_settled(n);
        return;
    }
    if (n->membership.dirty && n->closing < CLOSE_TRANSPORT) {
        membership_refresh(n);
    }
    snapshot_take_maybe(n);
    arm_timer(n);
}

void driver_on_timer(struct timer *timer)
{
    struct rnode *n = CONTAINER_OF(timer, struct rnode, core_timer);
    n->core_due_ms = 0;
    INVARIANT(n->core_up); /* it is stopped with the core */
    if (n->closing >= CLOSE_TRANSPORT) {
        return;
    }
    slow_disk_tick(n);
    n->core_fired_ms = loop_now_ms(n->loop);
    struct raft_event event = { .type = RAFT_TIMEOUT };
    driver_event(n, &event, NULL);
}

void driver_on_durable(void *arg, uint64_t index)
{
    struct rnode *n = arg;
    if (index > n->durable) {
        n->durable = index;
    }
    if (!n->core_up) {
        driver_restart_if_settled(n);
        return;
    }
    if (n->installing || index <= n->core.last_stored || index > n->log.last) {
        return;
    }
    send_held(n);
    struct raft_event event = { .type = RAFT_PERSISTED_ENTRIES };
    event.persisted_entries.index = index;
    driver_event(n, &event, NULL);
}

int driver_submit(struct rnode *n, struct raft_entry *entries, struct value **values, unsigned k)
{
    PRE(k > 0);
    if (!driver_leads(n)) {
        return RAFT_NOTLEADER;
    }
    struct raft_event event = { .type = RAFT_SUBMIT };
    event.submit.entries = entries;
    event.submit.n = k;
    n->submit_values = values;
    uint64_t index = n->log.last + 1;
    uint64_t term = n->core.current_term;
    bool taken = false;
    int rv = driver_event(n, &event, &taken);
    n->submit_values = NULL;
    if (rv == 0 && n->own_term_index == 0 && n->leading && n->lead_term == term) {
        n->own_term_index = index;
    }
    return rv;
}

int driver_submit_one(struct rnode *n, enum raft_entry_type type, struct value *data)
{
    struct raft_entry entry = { .term = driver_term(n), .type = type,
                                .buf = { data->data, data->len }, .batch = data };
    return driver_submit(n, &entry, &data, 1);
}
