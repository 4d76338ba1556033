/* A member's life: open, the end of each turn, the sweep of deadlines, status, close.
 *
 *   open -> (serving) -> close: hand leadership over -> stop the transport -> finish the WAL ->
 *   closed()
 *
 * Nothing that callers ask for happens inside their call: it is gathered, and done at the end of
 * the turn. */
#include "raft/rnode.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/log.h"
#include "raft/configuration.h"
#include "raft/node.h"
#include "raft/quarantine.h"

enum {
    ELECTION_TIMEOUT_MS = 1000,
    HEARTBEAT_MS = 100,
    SNAPSHOT_ENTRIES = 100000,
    SNAPSHOT_TRAILING = 10000,
    SNAPSHOT_BYTES = 256 * 1024 * 1024,
};

/* --- identity --- */

uint64_t rnode_member_id(const char *peer_address, const char *token)
{
    autobuf b = BUF_INIT;
    buf_printf(&b, "%s\n%s", peer_address, token);
    uint64_t id = hash_bytes(b.data, b.len);
    return id != 0 ? id : 1;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t rnode_cluster_id(const struct rnode_member *initial, size_t n, const char *token)
{
    autofree uint64_t *ids = mem_alloc((n + 1) * sizeof *ids);
    for (size_t i = 0; i < n; i++) {
        ids[i] = initial[i].id;
    }
    qsort(ids, n, sizeof *ids, by_id);
    autobuf b = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        buf_put_u64(&b, ids[i]);
    }
    buf_append_str(&b, token);
    uint64_t id = hash_bytes(b.data, b.len);
    return id != 0 ? id : 1;
}

/* --- the turn --- */

void node_turn(struct rnode *n)
{
    if (n->closing < CLOSE_TRANSPORT) {
        loop_at_turn_end(n->loop, &n->turn);
    }
}

void node_sweep(struct rnode *n)
{
    if (!timer_active(&n->sweep) && n->closing < CLOSE_TRANSPORT) {
        timer_start(&n->sweep, SWEEP_MS);
    }
}

void node_fatal(struct rnode *n, const struct err *err)
{
    n->options.fatal(n->options.arg, err);
}

void node_corrupt(struct rnode *n, const struct err *err)
{
    struct err failed = ERR_INIT;
    if (quarantine_mark(n->fs, n->options.dir, err, &failed) != 0) {
        log_error("raft", "the damage could not be noted down", "error=\"%s\"", failed.msg);
    }
    node_fatal(n, err);
}

static void close_step(struct rnode *n);

static void on_turn_end(struct turn_hook *hook)
{
    struct rnode *n = CONTAINER_OF(hook, struct rnode, turn);
    if (n->applied < n->commit) {
        driver_settle(n); /* a long replay goes on */
    }
    proposals_flush(n);
    reads_flush(n);
    asks_flush(n);
    membership_flush(n);
    digests_flush(n);
    slow_disk_tick(n);
    transfer_flush(n);
    send_commits(n); /* after all that may have carried it */
    apply_end(n);
    if (n->m_proposals_pending != NULL) {
        metric_set(n->m_proposals_pending, (double)n->proposals.n);
    }
}

static void on_sweep(struct timer *timer)
{
    struct rnode *n = CONTAINER_OF(timer, struct rnode, sweep);
    uint64_t now = loop_now_ms(n->loop);
    proposals_sweep(n, now);
    reads_sweep(n, now);
    asks_sweep(n, now);
    transfer_sweep(n, now);
    bool waits = n->own_term_index == 0 || n->membership.wishes;
    if (!n->membership.published || (driver_leads(n) && waits)) {
        node_turn(n);
    }
    if (n->closing == CLOSE_TRANSFER && !n->transfer.active) {
        close_step(n);
    }
}

static void on_change_ready(struct ready *r)
{
    struct rnode *n = CONTAINER_OF(r, struct rnode, change_ready);
    if (n->m_is_leader != NULL) {
        metric_set(n->m_is_leader, driver_leads(n));
        metric_set(n->m_has_leader, driver_leader(n) != 0);
    }
    if (n->options.on_change != NULL && n->closing == CLOSE_NO) {
        n->options.on_change(n->options.arg);
    }
}

/* --- open --- */

static void copy_options(struct rnode *n, const struct rnode_options *o)
{
    struct rnode_options *c = &n->options;
    *c = *o;
    c->dir = mem_strdup(o->dir);
    c->name = mem_strdup(o->name != NULL ? o->name : "");
    c->peer_listen = mem_strdup(o->peer_listen != NULL ? o->peer_listen : "");
    c->peer_address = o->peer_address != NULL ? mem_strdup(o->peer_address) : NULL;
    c->client_url = mem_strdup(o->client_url != NULL ? o->client_url : "");
    c->initial = o->n_initial != 0 ? mem_dup(o->initial, o->n_initial * sizeof *o->initial) : NULL;
    c->election_timeout_ms = o->election_timeout_ms != 0 ? o->election_timeout_ms
                                                         : ELECTION_TIMEOUT_MS;
    c->heartbeat_ms = o->heartbeat_ms != 0 ? o->heartbeat_ms : HEARTBEAT_MS;
    c->snapshot_entries = o->snapshot_entries != 0 ? o->snapshot_entries : SNAPSHOT_ENTRIES;
    c->snapshot_trailing = o->snapshot_trailing != 0 ? o->snapshot_trailing : SNAPSHOT_TRAILING;
    c->snapshot_bytes = o->snapshot_bytes != 0 ? o->snapshot_bytes : SNAPSHOT_BYTES;
}

/* etcd's names where the meaning is etcd's. */
static void add_metrics(struct rnode *n)
{
    struct metrics *m = n->options.metrics;
    if (m == NULL) {
        return;
    }
    n->m_fsync = metrics_histogram(m, "etcd_disk_wal_fsync_duration_seconds", NULL,
                                   "Duration of a group commit of the WAL.", 0.0001, 16);
    n->m_leader_changes = metrics_counter(m, "etcd_server_leader_changes_seen_total", NULL,
                                          "Leader changes seen.");
    n->m_proposals_pending = metrics_gauge(m, "etcd_server_proposals_pending", NULL,
                                           "Own proposals waiting to be applied.");
    n->m_proposals_failed = metrics_counter(m, "etcd_server_proposals_failed_total", NULL,
                                            "Own proposals that failed.");
    n->m_is_leader = metrics_gauge(m, "etcd_server_is_leader", NULL, "1 when this member leads.");
    n->m_has_leader = metrics_gauge(m, "etcd_server_has_leader", NULL, "1 when a leader is known.");
}

static struct rnode *node_new(const struct rnode_options *options,
                              const struct rnode_tuning *tuning)
{
    struct rnode *n = mem_zalloc(sizeof *n);
    copy_options(n, options);
    n->tuning = *tuning;
    n->gates = GATE_ALL & ~(tuning->gates_off | gates_off_by_bug());
    n->loop = options->loop;
    n->fs = loop_fs(options->loop);
    n->wal_dir = mem_printf("%s/wal", options->dir);
    n->snapshots.dir = mem_printf("%s/snap", options->dir);
    list_init(&n->snapshots.sends);
    list_init(&n->snapshots.receipts);
    entry_log_init(&n->log, 1);
    buf_init(&n->scratch);
    timer_init(n->loop, &n->core_timer, driver_on_timer);
    timer_init(n->loop, &n->sweep, on_sweep);
    turn_hook_init(&n->turn, on_turn_end);
    ready_init(&n->change_ready, on_change_ready);
    proposals_init(n);
    reads_init(n);
    asks_init(n);
    membership_init(n);
    knocks_init(n);
    digests_init(n);
    slow_disk_init(n);
    removed_init(n);
    add_metrics(n);
    return n;
}

int rnode_open_tuned(const struct rnode_options *options, const struct rnode_tuning *tuning,
                     struct rnode **ret_node, struct err *err)
{
    PRE(options->fatal != NULL);
    PRE(options->dir != NULL);
    struct rnode *n = node_new(options, tuning);
    int rv = recover_open(n, err);
    if (rv != 0) {
        rnode_abandon(n);
        return rv;
    }
    n->snapshots.worker = worker_new(n->loop, "snapshot");
    n->snapshots.install_worker = worker_new(n->loop, "install");
    log_info("raft", "member opened", "member=%016" PRIx64 " cluster=%016" PRIx64 " term=%" PRIu64
             " log=%" PRIu64 "..%" PRIu64 " snapshot=%" PRIu64, n->id, n->cluster_id,
             driver_term(n), n->log.first, n->log.last, n->snapshots.current.index);
    driver_settle(n);
    node_turn(n);
    *ret_node = n;
    return 0;
}

int rnode_open(const struct rnode_options *options, struct rnode **ret_node, struct err *err)
{
    return rnode_open_tuned(options, &(struct rnode_tuning){ 0 }, ret_node, err);
}

/* --- status --- */

void rnode_get_status(const struct rnode *n, struct rnode_status *ret_status)
{
    static const enum rnode_state states[] = { [RAFT_UNAVAILABLE] = RNODE_FOLLOWER,
                                               [RAFT_FOLLOWER] = RNODE_FOLLOWER,
                                               [RAFT_CANDIDATE] = RNODE_CANDIDATE,
                                               [RAFT_LEADER] = RNODE_LEADER };
    const struct raft_server *me =
        n->core_up ? configuration_find(&n->core.configuration, n->id) : NULL;
    *ret_status = (struct rnode_status){
        .cluster_id = n->cluster_id,
        .member_id = n->id,
        .leader_id = driver_leader(n),
        .state = n->core_up ? states[n->core.state] : RNODE_FOLLOWER,
        .learner = me == NULL || me->role != RAFT_VOTER,
        .term = driver_term(n),
        .last_index = n->log.last,
        .commit_index = n->commit,
        .applied_index = n->applied,
        .snapshot_index = n->snapshots.current.index,
        .first_index = n->log.first,
        .wal_bytes = wal_size_bytes(n->wal),
        .proposals_inflight = n->proposals.n,
        .agreed_index = n->digests.vote.agreed_index,
        .corrupt_member = n->digests.corrupt_member,
        .split = n->digests.vote.split,
        .level = n->membership.level,
        .disk_slow = n->slow_disk.health.slow,
        .disk_handovers = n->slow_disk.handovers,
    };
}

bool rnode_log_entry(const struct rnode *n, uint64_t index, uint64_t *ret_term, uint32_t *ret_type,
                     struct slice *ret_data)
{
    const struct entry *e = entry_log_get(&n->log, index);
    if (e == NULL) {
        return false;
    }
    *ret_term = e->term;
    *ret_type = e->type;
    *ret_data = value_slice(e->data);
    return true;
}

/* --- close --- */

void node_free(struct rnode *n)
{
    timer_stop(&n->core_timer);
    timer_stop(&n->sweep);
    digests_stop(n);
    removed_fini(n);
    turn_hook_cancel(&n->turn);
    ready_cancel(&n->change_ready);
    snapshot_take_fini(n);
    install_fini(n);
    snapshot_send_fini(n);
    if (n->core_up) {
        raft_close(&n->core, NULL);
    }
    proposals_fini(n);
    reads_fail_all(n, 0);
    asks_fini(n);
    membership_fini(n);
    knocks_fini(n);
    entry_log_fini(&n->log);
    message_reader_fini(&n->reader);
    snapshot_info_fini(&n->snapshots.current);
    value_unref(n->conf);
    buf_fini(&n->scratch);
    mem_free(n->held);
    mem_free(n->transfers_refused);
    meta_close(&n->meta);
    file_close(n->lock);
    mem_free(n->wal_dir);
    mem_free(n->snapshots.dir);
    mem_free((void *)(uintptr_t)n->options.dir);
    mem_free((void *)(uintptr_t)n->options.name);
    mem_free((void *)(uintptr_t)n->options.peer_listen);
    mem_free((void *)(uintptr_t)n->options.peer_address);
    mem_free((void *)(uintptr_t)n->options.client_url);
    mem_free((void *)(uintptr_t)n->options.initial);
    mem_free(n);
}

void rnode_abandon(struct rnode *n)
{
    n->closing = CLOSE_WAL;
    if (n->transport != NULL) {
        transport_abandon(n->transport);
        n->transport = NULL;
    }
    if (n->wal != NULL) {
        wal_abandon(n->wal);
    }
    node_free(n);
}

static void fail_all(struct rnode *n)
{
    transfer_fail(n, E_STOPPED);
    membership_fail_all(n, E_STOPPED);
    proposals_fail_all(n, E_STOPPED);
    reads_fail_all(n, E_STOPPED);
    asks_fail_all(n, E_STOPPED);
}

static void on_wal_closed(void *arg)
{
    struct rnode *n = arg;
    void (*closed)(void *arg) = n->closed;
    void *closed_arg = n->closed_arg;
    n->wal = NULL;
    fail_all(n); /* what came in meanwhile */
    node_free(n);
    closed(closed_arg);
}

void node_close_on(struct rnode *n)
{
    if (n->closing == CLOSE_TRANSPORT && n->transport == NULL && n->removed.asking == NULL) {
        n->closing = CLOSE_WAL;
        wal_close(n->wal, on_wal_closed, n);
    }
}

static void on_transport_closed(void *arg)
{
    struct rnode *n = arg;
    n->transport = NULL;
    node_close_on(n);
}

/* Leadership is handed over, or nobody could take it. */
static void close_step(struct rnode *n)
{
    n->closing = CLOSE_TRANSPORT;
    timer_stop(&n->core_timer);
    timer_stop(&n->sweep);
    digests_stop(n);
    turn_hook_cancel(&n->turn);
    fail_all(n);
    apply_end(n);
    removed_stop(n);
    transport_close(n->transport, on_transport_closed, n);
}

void rnode_close(struct rnode *n, void (*closed)(void *arg), void *arg)
{
    PRE(n->closing == CLOSE_NO);
    n->closed = closed;
    n->closed_arg = arg;
    n->closing = CLOSE_TRANSFER;
    timer_stop(&n->sweep);
    if (driver_leads(n) && configuration_voters(&n->core.configuration) > 1 &&
        !n->transfer.active) {
        rnode_transfer(n, 0, NULL, NULL);
        return;
    }
    timer_start(&n->sweep, 0); /* close_step, not inside this call */
}
