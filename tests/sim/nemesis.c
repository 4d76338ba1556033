/* The faults, drawn one at a time while the first phase lasts, and their end. */
#include <inttypes.h>
#include <raft.h>

#include "lib/base/alloc.h"
#include "tests/sim/world.h"

struct node *sim_leader(struct sim *s)
{
    struct node *best = NULL;
    for (unsigned i = 1; i <= s->n_nodes; i++) {
        struct node *n = &s->nodes[i];
        if (n->up && !n->stopping && n->raft != NULL && n->paused_until <= s->now &&
            raft_state(n->raft) == RAFT_LEADER &&
            (best == NULL || raft_current_term(n->raft) >= raft_current_term(best->raft))) {
            best = n;
        }
    }
    return best;
}

/* Someone who is up, the leader more often than by chance. */
static struct node *victim(struct sim *s)
{
    struct node *leader = rng_chance(&s->dice, 0.5) ? sim_leader(s) : NULL;
    struct node *n = leader != NULL ? leader : &s->nodes[rng_range(&s->dice, 1, s->n_nodes)];
    return n->up && !n->stopping ? n : NULL;
}

/* The same among members: machines with a disk that matters. */
static struct node *member_victim(struct sim *s)
{
    struct node *leader = rng_chance(&s->dice, 0.5) ? sim_leader(s) : NULL;
    unsigned n_members = s->world != NULL ? s->o.founders : s->n_nodes;
    struct node *n = leader != NULL ? leader : &s->nodes[rng_range(&s->dice, 1, n_members)];
    return n->up && !n->stopping ? n : NULL;
}

static void heal_cuts(struct sim *s)
{
    memset(s->cut, 0, sizeof s->cut);
}

static void partition(struct sim *s)
{
    struct node *leader = sim_leader(s);
    /* Clients that reach everyone ask a deposed leader, too. */
    unsigned n = s->world != NULL && rng_chance(&s->dice, 0.6) ? s->o.founders : s->n_nodes;
    unsigned l = leader != NULL ? leader->id : (unsigned)rng_range(&s->dice, 1, n);
    unsigned a = (unsigned)rng_range(&s->dice, 1, n);
    unsigned b = (unsigned)rng_range(&s->dice, 1, n);
    uint64_t half = rng_u64(&s->dice);
    uint64_t how = rng_range(&s->dice, 0, 4);
    heal_cuts(s);
    SIM_LOG(s, "partition of kind %d around machine %u", (int)how, l);
    for (unsigned i = 1; i <= n; i++) {
        if (how == 0) { /* the leader alone */
            s->cut[l][i] = s->cut[i][l] = i != l;
        } else if (how == 1) { /* two halves */
            for (unsigned j = 1; j <= n; j++) {
                s->cut[i][j] = ((half >> i ^ half >> j) & 1) != 0;
            }
        } else if (how == 2) { /* the leader speaks and does not hear */
            s->cut[i][l] = i != l;
        } else if (how == 3) { /* the leader hears and does not speak */
            s->cut[l][i] = i != l;
        }
    }
    if (how == 4 && a != b) { /* one pair, seen by all others; one way or both */
        s->cut[a][b] = true;
        s->cut[b][a] = rng_chance(&s->dice, 0.5);
    }
}

static void act_partition(struct sim *s)
{
    if (rng_chance(&s->dice, 0.4)) {
        heal_cuts(s);
    } else {
        partition(s);
    }
}

static void act_crash(struct sim *s)
{
    struct node *n = victim(s);
    if (n != NULL) {
        node_crash(n, false, rng_chance(&s->dice, 0.7));
    }
}

static void act_crash_in_write(struct sim *s)
{
    struct node *n = member_victim(s);
    if (n == NULL) {
        return;
    }
    if (rng_chance(&s->dice, 0.4)) {
        sim_fs_die_after(n->fs, rng_range(&s->dice, 1, 12)); /* whoever does them: loop or worker */
    } else {
        node_crash(n, true, true);
    }
}

static void act_power(struct sim *s)
{
    for (unsigned i = 1; i <= s->n_nodes; i++) {
        if (s->nodes[i].up && rng_chance(&s->dice, 0.9)) {
            node_crash(&s->nodes[i], rng_chance(&s->dice, 0.5), true);
        }
    }
}

static void act_pause(struct sim *s)
{
    struct node *n = victim(s);
    if (n != NULL && n->paused_until <= s->now) {
        n->paused_until = s->now + rng_range(&s->dice, 100000, 4000000);
        s->stats->pauses++;
        SIM_LOG(s, "member %u pauses", n->id);
    }
}

static void act_stop(struct sim *s)
{
    struct node *n = victim(s);
    if (n != NULL && n->paused_until <= s->now) {
        node_stop(n);
        sim_post(s, s->now + rng_range(&s->dice, 100000, 3000000), EV_START, NULL, n->id, NULL);
    }
}

static void act_disk_error(struct sim *s)
{
    struct node *n = member_victim(s);
    if (n != NULL) {
        sim_fs_fail_after(n->fs, rng_range(&s->dice, 1, 10),
                          rng_chance(&s->dice, 0.5) ? E_IO : E_DISKFULL);
    }
}

static void act_disk_full(struct sim *s)
{
    struct node *n = member_victim(s);
    if (n != NULL && !sim_fs_is_full(n->fs)) {
        SIM_LOG(s, "the disk of member %u is full", n->id);
        sim_fs_set_full(n->fs, true);
        s->stats->full++;
        sim_post(s, s->now + rng_range(&s->dice, 200000, 15000000), EV_SPACE, NULL, n->id, NULL);
    }
}

/* Longer than it takes to notice; the others' disks stay as they are. */
static void act_disk_stall(struct sim *s)
{
    struct node *n = victim(s);
    if (n != NULL && n->stalled_until <= s->now) {
        n->stalled_until = s->now + rng_range(&s->dice, 2000000, 20000000);
        s->stats->disk_stalls++;
        SIM_LOG(s, "the disk of member %u stalls", n->id);
    }
}

/* Once a run, and on a machine whose page cache survives: otherwise a damaged last batch cannot be
 * told from one that was never synced. */
static void act_bit_flip(struct sim *s)
{
    struct node *n = member_victim(s);
    const char *path;
    uint64_t offset;
    if (s->flipped || n == NULL || n->paused_until > s->now) {
        return;
    }
    node_crash(n, false, false);
    bool astray = (s->o.faults & FAULT_MISDIRECT) != 0 && rng_chance(&s->dice, 0.5);
    s->flipped = astray ? sim_fs_misdirect(n->fs, &path, &offset)
                        : sim_fs_flip(n->fs, &path, &offset);
    n->flipped = s->flipped;
    s->stats->flips += s->flipped;
    if (s->flipped) {
        SIM_LOG(s, "%s of member %u: %s offset %" PRIu64,
                astray ? "a page goes astray" : "a bit flips", n->id, path, offset);
    }
}

static void act_conn(struct sim *s)
{
    if (rng_chance(&s->dice, 0.5)) {
        s->stats->breaks += sim_conn_break_any(s);
    } else {
        s->stats->stalls += sim_conn_stall_any(s, rng_range(&s->dice, 200000, 10000000));
    }
}

/* The way between two machines, one or both ways at a time. */
void nemesis_flap(struct sim *s)
{
    unsigned a = s->flap.a;
    unsigned b = s->flap.b;
    if (s->healed || s->flap.left == 0) {
        return;
    }
    s->flap.left--;
    bool cut = s->flap.left % 2 == 1 && a != b;
    s->cut[a][b] = cut;
    s->cut[b][a] = cut && rng_chance(&s->rng, 0.7);
    sim_post(s, s->now + rng_range(&s->rng, 50000, 1500000), EV_FLAP, NULL, 0, NULL);
}

static void act_flap(struct sim *s)
{
    const struct node *leader = sim_leader(s);
    bool idle = s->flap.left == 0;
    s->flap.a = leader != NULL ? leader->id : (unsigned)rng_range(&s->dice, 1, s->o.founders);
    s->flap.b = (unsigned)rng_range(&s->dice, 1, s->n_nodes);
    s->flap.left = 2 * (unsigned)rng_range(&s->dice, 2, 8);
    s->stats->flaps++;
    if (idle) {
        nemesis_flap(s);
    }
}

static void act_wall_clock(struct sim *s)
{
    enum { DAY_MS = 86400000 };
    struct node *n = victim(s);
    if (n != NULL) {
        n->wall_ms += (int64_t)rng_range(&s->dice, 0, 2 * DAY_MS) - DAY_MS;
        s->stats->clock_sets++;
    }
}

static void transferred(void *arg, int status)
{
    struct node *n = arg;
    if (n->transferring-- == 0) {
        sim_violation(n->sim, "ANSWERED TWICE: a transfer at member %u", n->id);
    }
    n->sim->stats->transfers += status == 0;
}

static void transfer(struct node *n, void *arg)
{
    struct sim *s = n->sim;
    (void)arg;
    uint64_t target = rng_chance(&s->dice, 0.5)
                          ? 0
                          : s->nodes[rng_range(&s->dice, 1, s->n_nodes)].member_id;
    n->transferring++;
    rnode_transfer(n->rnode, target, transferred, n);
}

static void act_transfer(struct sim *s)
{
    struct node *leader = sim_leader(s);
    if (leader != NULL) {
        SIM_LOG(s, "member %u is asked to hand over", leader->id);
        node_enter(leader, transfer, NULL);
        if (rng_chance(&s->dice, 0.3) && leader->up && leader->rnode != NULL) {
            node_enter(leader, transfer, NULL); /* one too many */
        }
    }
}

static void act_membership(struct sim *s)
{
    struct node *leader = sim_leader(s);
    if (leader != NULL && s->world != NULL) {
        world_membership(s, leader);
    } else if (leader != NULL) {
        nemesis_membership(s, leader);
    }
}

static const struct {
    enum sim_fault fault;
    unsigned weight;
    void (*act)(struct sim *s);
} ACTS[] = {
    { FAULT_PARTITION, 5, act_partition },
    { FAULT_CRASH, 3, act_crash },
    { FAULT_CRASH_IN_WRITE, 2, act_crash_in_write },
    { FAULT_POWER, 1, act_power },
    { FAULT_PAUSE, 2, act_pause },
    { FAULT_STOP, 1, act_stop },
    { FAULT_TRANSFER, 1, act_transfer },
    { FAULT_MEMBERSHIP, 4, act_membership },
    { FAULT_DISK_ERROR, 1, act_disk_error },
    { FAULT_BIT_FLIP, 1, act_bit_flip },
    { FAULT_DISK_FULL, 1, act_disk_full },
    { FAULT_CONN, 3, act_conn },
    { FAULT_FLAP, 1, act_flap },
    { FAULT_WALL_CLOCK, 1, act_wall_clock },
    { FAULT_DISK_STALL, 4, act_disk_stall },
};

/* Drawn among the faults that the seed turned on; one that was turned off since (shrink.c) does
 * nothing, and the others stay what they were. */
void nemesis_event(struct sim *s)
{
    unsigned total = 0;
    for (size_t i = 0; i < ARRAY_LEN(ACTS); i++) {
        total += (s->o.acts & (uint32_t)ACTS[i].fault) != 0 ? ACTS[i].weight : 0;
    }
    if (total == 0) {
        return;
    }
    unsigned at = (unsigned)rng_range(&s->dice, 0, total - 1);
    for (size_t i = 0; i < ARRAY_LEN(ACTS); i++) {
        unsigned weight = (s->o.acts & (uint32_t)ACTS[i].fault) != 0 ? ACTS[i].weight : 0;
        if (at < weight) {
            if ((s->o.faults & (uint32_t)ACTS[i].fault) != 0) {
                ACTS[i].act(s);
            }
            return;
        }
        at -= weight;
    }
}

void nemesis_heal(struct sim *s)
{
    SIM_LOG(s, "heal");
    s->healed = true;
    heal_cuts(s);
    sim_conns_heal(s);
    for (unsigned i = 1; i <= s->n_nodes; i++) {
        struct node *n = &s->nodes[i];
        n->paused_until = 0;
        n->stalled_until = 0;
        if (n->used && !n->broken) {
            sim_fs_fail_after(n->fs, 0, 0);
        }
        if (n->used) {
            sim_fs_set_full(n->fs, false);
        }
        if (n->used && !n->up && !n->removed && !n->lost) {
            node_boot(n);
        }
    }
}
