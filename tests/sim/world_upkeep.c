/* What members do by themselves for the room they have: a quota that clients fill and free again,
 * and automatic compaction (sim_options.admin). Judged as members apply:
 *
 *   - a write is refused for room only by a member that was over the quota, or under a NOSPACE
 *     alarm, at some moment since it was asked; what adds nothing never is;
 *   - in the end, with room for all, no alarm is left (server/alarm.c clears what it set);
 *   - compaction keeps its retention, on the fastest clock, and goes on after healing;
 *   - in the end whoever was added to vote does, and a learner does when that was asked.
 *
 * Clients' own keys are few: what fills are keys of their own, "f07" (world_ask.c). */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "server/internal.h"
#include "tests/sim/admin.h"
#include "tests/sim/world_wire.h"

enum {
    OTHERS_BYTES = 16 * 1024, /* the lock's keys */
    ROOM_BYTES = 40 * 1024,   /* for what fills, until the quota is reached */
    KEY_COSTS = 100,          /* beside its value */
    NOTICED_US = 5000000,     /* a member tries again now and then whether there is space */
};

/* Of each member: when it refuses. */
struct upkeep {
    struct sim *sim;
    int64_t space_us; /* a disk was full until then */
    struct u64map promoted; /* ids, asked to be: the sim */
    bool full[SIM_NODES_MAX + 1];
    uint64_t full_us[SIM_NODES_MAX + 1]; /* the last moment at which it was */
};

void __real_server_propose_own(struct server *s, struct rnode_proposal *p, struct command *c,
                               uint64_t timeout_ms);
void __wrap_server_propose_own(struct server *s, struct rnode_proposal *p, struct command *c,
                               uint64_t timeout_ms);

struct upkeep *upkeep_new(struct sim *s)
{
    struct upkeep *u = mem_zalloc(sizeof *u);
    u->sim = s;
    u64map_init(&u->promoted);
    return u;
}

void upkeep_free(struct upkeep *u)
{
    if (u != NULL) {
        u64map_fini(&u->promoted);
        mem_free(u);
    }
}

/* More than clients' own keys can hold, all of them at their longest. Controllers wait for what
 * would be refused: not beside them. */
int64_t upkeep_quota(const struct sim_options *o)
{
    int64_t own = 2 * (int64_t)o->keys * (o->payload_max + KEY_COSTS) + OTHERS_BYTES;
    bool small = o->payload_max <= ADMIN_QUOTA_PAYLOAD && o->agents == 0;
    return (o->admin & ADMIN_QUOTA) != 0 && small ? own + ROOM_BYTES : 0;
}

int64_t upkeep_retention_ms(const struct sim_options *o)
{
    return (o->admin & ADMIN_COMPACT) != 0 ? 2000 + 2000 * (int64_t)(o->seed % 3) : 0;
}

/* --- the quota -------------------------------------------------------------------------------- */

void upkeep_state(struct upkeep *u, const struct node *n, const struct store *store)
{
    int64_t quota = upkeep_quota(&u->sim->o);
    bool full = quota > 0 && (store_live_bytes(store) > quota ||
                              alarms_active(store_alarms(store), ALARM_NOSPACE));
    if (full || u->full[n->id]) {
        u->full_us[n->id] = u->sim->now;
    }
    u->full[n->id] = full;
}

void upkeep_space(struct upkeep *u)
{
    u->space_us = (int64_t)u->sim->now;
}

/* A full disk is told as no room, too, whoever's it is: a leader's refusal is handed on. */
static bool disk_was_full(const struct upkeep *u, int64_t since_us)
{
    const struct sim *s = u->sim;
    if (!s->healed && (s->o.faults & FAULT_DISK_ERROR) != 0) {
        return true; /* for one write */
    }
    for (unsigned i = 1; i <= s->n_nodes; i++) {
        if (sim_fs_is_full(s->nodes[i].fs)) {
            return true;
        }
    }
    int64_t healed_us = s->healed ? (int64_t)s->o.fault_us : 0;
    return (u->space_us > healed_us ? u->space_us : healed_us) + NOTICED_US >= since_us;
}

void upkeep_refused(struct upkeep *u, const struct check_op *op)
{
    struct sim *s = u->sim;
    unsigned member = op->member;
    s->stats->alarmed += upkeep_quota(&s->o) > 0;
    if (upkeep_quota(&s->o) == 0 || disk_was_full(u, op->call_us)) {
        return;
    }
    if (op->kind != CHECK_PUT && op->kind != CHECK_TXN && op->kind != CHECK_GRANT) {
        sim_violation(s, "NO ROOM FOR NOTHING: member %u refuses what adds nothing (kind %d)",
                      member, op->kind);
    }
    if (member > s->n_nodes ||
        (!u->full[member] && (int64_t)u->full_us[member] < op->call_us)) {
        sim_violation(s, "ROOM REFUSED: member %u had room from %.3f s on, asked at %.3f s", member,
                      (double)u->full_us[member] / 1e6, (double)op->call_us / 1e6);
    }
}

/* --- compaction ------------------------------------------------------------------------------- */

/* To the checkers an operation like a client's, of unknown outcome. */
void __wrap_server_propose_own(struct server *s, struct rnode_proposal *p, struct command *c,
                               uint64_t timeout_ms)
{
    const struct sim *sim = sim_current();
    if (sim != NULL && sim->world != NULL && c->type == COMMAND_COMPACT) {
        judge_compacts(sim->world->judge, sim->running, c->compact.revision);
    }
    __real_server_propose_own(s, p, c, timeout_ms);
}

/* Nobody else compacts in such a world, so this is a member's: what was written last before the
 * window must be there. The clock is the slowest that counts a window too long. */
void upkeep_compacted(struct upkeep *u, int64_t revision)
{
    const struct sim *s = u->sim;
    uint64_t window_us = (uint64_t)upkeep_retention_ms(&s->o) * 950;
    const struct check_rev *rev = check_log_find(judge_log(s->world->judge), revision);
    if (window_us == 0) {
        return;
    }
    s->stats->administered++;
    if (rev != NULL && (uint64_t)rev->at_us + window_us > s->now) {
        sim_violation(u->sim, "COMPACTED TOO MUCH: revision %" PRId64 " of %.3f s, at %.3f s",
                      revision, (double)rev->at_us / 1e6, (double)s->now / 1e6);
    }
}

static int64_t revision_at(const struct check_log *log, uint64_t us)
{
    size_t n = 0;
    while (n < log->n && (uint64_t)log->revs[n].at_us <= us) {
        n++;
    }
    return n > 0 ? log->revs[n - 1].revision : 0;
}

/* --- roles ------------------------------------------------------------------------------------ */

void upkeep_promotes(struct upkeep *u, uint64_t member_id)
{
    u64map_put(&u->promoted, member_id, u->sim);
}

/* By the leader's word. */
static void check_role(const struct upkeep *u, const struct node *n, const struct node *leader)
{
    size_t count;
    const struct rnode_member *members = rnode_members(leader->rnode, &count);
    bool asked = u64map_get(&u->promoted, n->member_id) != NULL;
    for (size_t i = 0; i < count; i++) {
        bool votes = members[i].role == RNODE_VOTER;
        if (members[i].id != n->member_id || n->id <= u->sim->o.founders) {
            continue;
        }
        if (!votes && rnode_id_promotes(n->member_id)) {
            sim_violation(u->sim, "LIVENESS: member %u has never been promoted", n->id);
        }
        if (votes && !asked && !rnode_id_promotes(n->member_id)) {
            sim_violation(u->sim, "A LEARNER VOTES: member %u, which nobody promoted", n->id);
        }
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

void upkeep_check(struct upkeep *u, const struct node *n, const struct store *store)
{
    struct sim *s = u->sim;
    int64_t quota = upkeep_quota(&s->o);
    check_role(u, n, sim_leader(s));
    int64_t healed = revision_at(judge_log(s->world->judge), s->o.fault_us);
    if (quota > 0 && store_alarms(store)->n > 0) {
        sim_violation(s, "LIVENESS: member %u keeps an alarm, with %" PRId64 " of %" PRId64
                         " bytes used", n->id, store_live_bytes(store), quota);
    }
    if (upkeep_retention_ms(&s->o) > 0 && healed > 1 && store_compact_revision(store) < healed) {
        sim_violation(s, "LIVENESS: member %u is compacted at %" PRId64 ", revision %" PRId64
                         " was there at healing", n->id, store_compact_revision(store), healed);
    }
}
