/* The kind of machine that runs a store member: server_open, and what the simulator sees of it.
 *
 * The member is the product's own code; it is watched where its parts meet (linked with --wrap):
 * rnode_open is given the run's tuning, store_apply and store_restore_finish are judged, and
 * randomness of the operating system is the run's. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "raft/tuning.h"
#include "server/enter.h"
#include "server/internal.h"
#include "tests/sim/world_wire.h"

uint64_t __real_rng_os_seed(void);
uint64_t __wrap_rng_os_seed(void);
int __wrap_rnode_open(const struct rnode_options *options, struct rnode **ret_node,
                      struct err *err);
void __real_store_apply(struct store *s, uint64_t index, const struct command *c,
                        struct store_result *ret_result);
void __wrap_store_apply(struct store *s, uint64_t index, const struct command *c,
                        struct store_result *ret_result);
void __real_server_watch_publish(struct server *s, int64_t revision, struct record *const *records,
                                 size_t n);
void __wrap_server_watch_publish(struct server *s, int64_t revision, struct record *const *records,
                                 size_t n);
void __real_server_lease_changed(void *arg, const struct lease_info *lease, bool removed);
void __wrap_server_lease_changed(void *arg, const struct lease_info *lease, bool removed);
int __real_store_restore_finish(struct store_restore *r, struct store **ret_store, struct err *err);
int __wrap_store_restore_finish(struct store_restore *r, struct store **ret_store, struct err *err);

/* --- where its parts meet --------------------------------------------------------------------- */

uint64_t __wrap_rng_os_seed(void)
{
    struct sim *s = sim_current();
    return s != NULL ? rng_u64(&s->rng) : __real_rng_os_seed();
}

int __wrap_rnode_open(const struct rnode_options *options, struct rnode **ret_node, struct err *err)
{
    struct node *n = sim_loop_node(options->loop);
    const struct sim *s = n->sim;
    struct rnode_options o = *options;
    struct rnode_tuning tuning = {
        .gates_off = s->gates_off,
        .wal_segment_bytes = s->o.wal_segment_bytes,
        .inflight_max = s->o.inflight_max,
        .no_pre_vote = s->o.no_pre_vote,
        .digest_ms = 1000,
    };
    o.snapshot_trailing = s->o.snapshot_trailing;
    if (o.join && o.member_id != 0 && o.member_id != n->member_id) {
        node_joins(n, o.member_id);
    }
    int rv = rnode_open_tuned(&o, &tuning, ret_node, err);
    if (rv == 0) {
        n->flipped = n->flipped && !o.join; /* what it has now is whole */
        n->rnode = *ret_node;
    }
    return rv;
}

static struct node *member_running(void)
{
    struct sim *s = sim_current();
    return s != NULL && s->world != NULL ? s->running : NULL;
}

void __wrap_store_apply(struct store *store, uint64_t index, const struct command *c,
                        struct store_result *ret_result)
{
    struct node *n = member_running();
    __real_store_apply(store, index, c, ret_result);
    if (n != NULL) {
        bool first = check_state(n, index, store_digest(store));
        judge_digest(n->sim->world->judge, n, index, store_digest(store));
        upkeep_state(n->sim->world->upkeep, n, store);
        if (first && c->type == COMMAND_COMPACT && ret_result->status == 0) {
            upkeep_compacted(n->sim->world->upkeep, c->compact.revision);
        }
    }
}

void __wrap_server_watch_publish(struct server *s, int64_t revision, struct record *const *records,
                                 size_t n)
{
    const struct node *node = member_running();
    if (node != NULL) {
        judge_revision(node->sim->world->judge, revision, records, n);
    }
    __real_server_watch_publish(s, revision, records, n);
}

void __wrap_server_lease_changed(void *arg, const struct lease_info *lease, bool removed)
{
    const struct node *node = member_running();
    if (node != NULL && removed) {
        judge_lease_end(node->sim->world->judge, lease->id);
    }
    __real_server_lease_changed(arg, lease, removed);
}

int __wrap_store_restore_finish(struct store_restore *r, struct store **ret_store, struct err *err)
{
    struct node *n = member_running();
    int rv = __real_store_restore_finish(r, ret_store, err);
    if (n != NULL && rv == 0) {
        check_restored(n, store_applied_index(*ret_store), store_digest(*ret_store));
        upkeep_state(n->sim->world->upkeep, n, *ret_store);
    }
    return rv;
}

struct store *world_store(const struct node *n)
{
    const struct server *server = n->process;
    return n->kind == &STORE_KIND && server != NULL ? server->store : NULL;
}

/* --- lives ------------------------------------------------------------------------------------ */

/* What server_enter may still need while it asks others. */
struct member_machine {
    struct server_options o;
    struct rnode_member founders[SIM_MEMBERS_MAX];
    char name[16], client[32], peer[32], url[64];
    const char *listen[1];
};

static void add(struct node *n)
{
    struct member_machine *m = mem_zalloc(sizeof *m);
    const struct sim *s = n->sim;
    n->data = m;
    snprintf(m->name, sizeof m->name, "m%u", n->id);
    snprintf(m->client, sizeof m->client, "10.0.0.%u:2379", n->id);
    snprintf(m->peer, sizeof m->peer, "10.0.0.%u:2380", n->id);
    snprintf(m->url, sizeof m->url, "http://%s", m->client);
    m->listen[0] = m->client;
    m->o = (struct server_options){
        .name = m->name,
        .data_dir = "/data",
        .listen_client = m->listen,
        .n_listen_client = 1,
        .advertise_client_url = m->url,
        .listen_peer = m->peer,
        .cluster_token = "world",
        .initial = m->founders,
        .heartbeat_ms = 100,
        .election_ms = 1000,
        .snapshot_count = s->o.snapshot_entries,
        .progress_notify_ms = 3000,
        .quota_bytes = upkeep_quota(&s->o),
        .compact_mode = COMPACT_PERIODIC,
        .compact_retention = upkeep_retention_ms(&s->o),
        .fatal = member_fatal,
        .arg = n,
    };
}

static void machine_end(struct node *n)
{
    mem_free(n->data);
}

static void entered(void *arg, int status, struct server *server, const struct err *err)
{
    struct node *n = arg;
    if (status == E_MEMBER_NOT_FOUND || status == E_TIMEOUT || status == E_UNAVAILABLE) {
        SIM_LOG(n->sim, "member %u is not let in: %s", n->id, err->msg);
        node_die(n); /* and is started again */
    }
    if (status != 0) {
        member_cannot_start(n, status, err);
    }
    n->process = server;
}

static void boot(struct node *n)
{
    struct member_machine *m = n->data;
    m->o.loop = n->loop;
    if (m->o.n_initial == 0) {
        m->o.n_initial = member_founders(n->sim, m->founders);
    }
    server_enter(&m->o, entered, n);
}

static void on_closed(void *arg)
{
    struct node *n = arg;
    n->closed = true;
}

static void stop(struct node *n)
{
    if (n->process == NULL) {
        n->closed = true; /* a signal before there is a member ends the process */
        return;
    }
    server_close(n->process, on_closed, n);
}

/* What is big goes; the calls under way are left behind, with what they have pinned. */
static void abandon(struct node *n)
{
    struct server *server = n->process;
    if (server != NULL) {
        rnode_abandon(n->rnode);
        if (list_empty(&server->snapshots)) {
            store_free(server->store);
        }
        metrics_free(server->metrics);
    }
}

struct node *world_member_new(struct sim *s, const struct rnode_member *members, size_t n)
{
    struct node *node = sim_node_add(s, &STORE_KIND);
    node->member_id = 0; /* the cluster says */
    add(node);
    struct member_machine *m = node->data;
    m->o.existing = true;
    m->o.n_initial = n < SIM_MEMBERS_MAX ? n : SIM_MEMBERS_MAX;
    memcpy(m->founders, members, m->o.n_initial * sizeof *members);
    return node;
}

bool world_member_expected(const struct node *n)
{
    const struct member_machine *m = n->data;
    const struct node *leader = sim_leader(n->sim);
    size_t n_members;
    if (leader == NULL) {
        return true; /* which is told by its check */
    }
    const struct rnode_member *members = rnode_members(leader->rnode, &n_members);
    for (size_t i = 0; i < n_members; i++) {
        if (str_eq(members[i].peer_address, m->peer)) {
            return true;
        }
    }
    return false;
}

/* The end: it has all that anyone has, and equals the leader. */
static void check(struct node *n)
{
    struct sim *s = n->sim;
    struct store *store = world_store(n);
    const struct node *leader = sim_leader(s);
    if (leader == NULL) {
        sim_violation(s, "LIVENESS: no leader %" PRIu64 " s after healing", s->o.heal_us / 1000000);
    }
    if (store == NULL || store_applied_index(store) != check_last(s->check)) {
        sim_violation(s, "LIVENESS: member %u has applied %" PRIu64 " of %" PRIu64, n->id,
                      store != NULL ? store_applied_index(store) : 0, check_last(s->check));
    }
    if (store_digest(store) != store_digest(world_store(leader))) {
        sim_violation(s, "STATE DIVERGED: member %u in the end", n->id);
    }
    upkeep_check(s->world->upkeep, n, store);
}

const struct node_kind STORE_KIND = {
    .name = "member",
    .boot = boot,
    .stop = stop,
    .abandon = abandon,
    .add = add,
    .free = machine_end,
    .check = check,
};
