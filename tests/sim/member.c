/* The kind of machine that runs a bare member: rnode over a state machine, asked directly by
 * client.c. One whose disk is damaged asks the others to take another one in its place. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/io/file.h"
#include "raft/join.h"
#include "raft/quarantine.h"
#include "raft/tuning.h"
#include "tests/sim/sim.h"

#define DIR "/data/member"

/* By the leader's word; when it has gone meanwhile, nobody can say. */
static bool is_member(const struct node *n)
{
    const struct node *leader = sim_leader(n->sim);
    size_t k;
    if (leader == NULL) {
        return false;
    }
    const struct rnode_member *members = rnode_members(leader->rnode, &k);
    for (size_t i = 0; i < k; i++) {
        if (members[i].id == n->member_id) {
            return true;
        }
    }
    return false;
}

void member_fatal(void *arg, const struct err *err)
{
    struct node *n = arg;
    if (n->flipped && err->code == E_CORRUPT) {
        if (!fs_exists(n->fs, DIR "/damaged")) { /* otherwise it comes back as another one */
            node_lose(n, err->msg);
        }
        node_die(n);
    }
    if (err->code == E_MEMBER_NOT_FOUND && !is_member(n)) {
        SIM_LOG(n->sim, "member %u finds that it was removed", n->id);
        node_die(n);
    }
    if (!n->broken) {
        sim_violation(n->sim, "FATAL: member %u: %s (%s)", n->id, err->msg, err_name(err->code));
    }
    node_die(n);
}

void member_cannot_start(struct node *n, int rv, const struct err *err)
{
    if (n->flipped && rv == E_CORRUPT) {
        node_lose(n, err->msg);
    }
    if (n->broken || n->lost || (rv == E_DISKFULL && sim_fs_is_full(n->fs))) {
        node_die(n);
    }
    sim_violation(n->sim, "CANNOT START: member %u: %s (%s)", n->id, err->msg, err_name(rv));
}

static void on_ask(void *arg, uint64_t ask_id, struct slice question)
{
    clients_on_ask(arg, ask_id, question);
}

static void on_change(void *arg)
{
    struct node *n = arg;
    struct rnode_status status;
    if (n->rnode == NULL) {
        return;
    }
    rnode_get_status(n->rnode, &status);
    sim_trace(n->sim, status.term ^ status.leader_id << 32);
}

size_t member_founders(struct sim *s, struct rnode_member *members)
{
    for (unsigned i = 0; i < s->o.founders; i++) {
        struct rnode_member *m = &members[i];
        *m = (struct rnode_member){ .id = i + 1, .role = RNODE_VOTER };
        snprintf(m->name, sizeof m->name, "m%u", i + 1);
        snprintf(m->peer_address, sizeof m->peer_address, "10.0.0.%u:2380", i + 1);
    }
    return s->o.founders;
}

static int open_rnode(struct node *n, const struct join_answer *joined, struct err *err)
{
    struct sim *s = n->sim;
    struct rnode_member members[LIMIT_PEERS];
    char name[16], address[32];
    snprintf(name, sizeof name, "m%u", n->id);
    snprintf(address, sizeof address, "10.0.0.%u:2380", n->id);
    bool founder = n->id <= s->o.founders;
    n->machine = machine_new(n);
    struct rnode_options o = {
        .loop = n->loop,
        .dir = DIR,
        .cluster_id = SIM_CLUSTER_ID,
        .member_id = n->member_id,
        .name = name,
        .peer_listen = address,
        .client_url = "http://127.0.0.1:2379",
        .initial = members,
        .n_initial = joined != NULL ? join_others(joined, members)
                     : founder      ? member_founders(s, members)
                                    : node_joining(n, members),
        .join = joined != NULL,
        .seed = rng_u64(&s->rng),
        .election_timeout_ms = 1000,
        .heartbeat_ms = 100,
        .snapshot_entries = s->o.snapshot_entries,
        .snapshot_trailing = s->o.snapshot_trailing,
        .fsm = machine_fsm(n->machine),
        .on_change = on_change,
        .on_ask = on_ask,
        .fatal = member_fatal,
        .arg = n,
    };
    struct rnode_tuning tuning = {
        .gates_off = s->gates_off,
        .wal_segment_bytes = s->o.wal_segment_bytes,
        .inflight_max = s->o.inflight_max,
        .no_pre_vote = s->o.no_pre_vote,
        .digest_ms = 1000,
    };
    return rnode_open_tuned(&o, &tuning, &n->rnode, err);
}

/* --- a damaged disk: the way back (as server/enter.c goes it) --------------------------------- */

static void on_replaced(void *arg, int status, const struct join_answer *answer,
                        const struct err *err);

static void ask_others(struct node *n)
{
    struct sim *s = n->sim;
    if (quarantine_room(n->fs, DIR, s->o.wal_segment_bytes, NULL) != 0) {
        SIM_LOG(s, "member %u has no room for a new start", n->id);
        node_die(n); /* and tries again */
    }
    char own[32], text[SIM_NODES_MAX][32];
    const char *addresses[SIM_NODES_MAX];
    snprintf(own, sizeof own, "10.0.0.%u:2380", n->id);
    for (unsigned i = 0; i < s->n_nodes; i++) {
        snprintf(text[i], sizeof text[i], "10.0.0.%u:2380", i + 1);
        addresses[i] = text[i];
    }
    struct join_options o = { .loop = n->loop,
                              .what = JOIN_REPLACE,
                              .cluster_id = SIM_CLUSTER_ID,
                              .name = "m",
                              .address = own,
                              .ask = addresses,
                              .n_ask = s->n_nodes,
                              .timeout_ms = 10000 };
    n->process = join_start(&o, on_replaced, n);
}

static void open_member(struct node *n, const struct join_answer *joined)
{
    struct err err = ERR_INIT;
    if (joined != NULL) {
        node_joins(n, joined->your_id);
    }
    int rv = open_rnode(n, joined, &err);
    if (rv == E_CORRUPT && n->flipped && joined == NULL) {
        SIM_LOG(n->sim, "member %u is damaged: %s", n->id, err.msg);
        machine_free(n->machine);
        n->machine = NULL;
        n->raft = NULL;
        ask_others(n);
        return;
    }
    if (rv != 0) {
        member_cannot_start(n, rv, &err);
    }
    n->flipped = n->flipped && joined == NULL;
    n->process = n->rnode;
}

static void on_replaced(void *arg, int status, const struct join_answer *answer,
                        const struct err *join_err)
{
    struct node *n = arg;
    struct err err = ERR_INIT;
    char to[64];
    n->process = NULL;
    if (status != 0) {
        SIM_LOG(n->sim, "member %u is not replaced: %s", n->id, join_err->msg);
        ask_others(n);
        return;
    }
    if (fs_exists(n->fs, DIR "/meta")) {
        int rv = quarantine_move(n->fs, DIR, to, sizeof to, &err);
        if (rv != 0) {
            member_cannot_start(n, rv, &err);
        }
    }
    open_member(n, answer);
}

static void boot(struct node *n)
{
    if (!fs_exists(n->fs, DIR "/meta") && quarantine_any(n->fs, DIR)) {
        ask_others(n);
    } else {
        open_member(n, NULL);
    }
}

static void on_closed(void *arg)
{
    struct node *n = arg;
    n->closed = true;
}

/* Of this life: at its end, whatever the end is. */
static void count_handovers(struct node *n)
{
    struct rnode_status status;
    rnode_get_status(n->rnode, &status);
    n->sim->stats->handovers += status.disk_handovers;
}

static void stop(struct node *n)
{
    if (n->rnode == NULL) {
        join_abandon(n->process);
        n->closed = true; /* a signal before there is a member ends the process */
        return;
    }
    count_handovers(n);
    rnode_close(n->rnode, on_closed, n);
}

static void abandon(struct node *n)
{
    if (n->rnode != NULL) {
        count_handovers(n);
        rnode_abandon(n->rnode);
    } else {
        join_abandon(n->process);
    }
}

static void gone(struct node *n, bool within)
{
    clients_node_down(n);
    if (!within) { /* otherwise it may be pinned by a snapshot that nobody ends any more */
        machine_free(n->machine);
    }
    n->machine = NULL;
}

const struct node_kind MEMBER_KIND = {
    .name = "member",
    .boot = boot,
    .stop = stop,
    .abandon = abandon,
    .gone = gone,
};
