/* Alarms: what is wrong so that an operator has to know, and what is refused for it.
 *
 *     over the quota -> tick -> this member sets NOSPACE (a command) -> all refuse what adds bytes
 *     below 90 % of it -> tick -> it clears the alarm that it had set itself
 *
 * What is set is a part of the replicated state (store/alarm.h) and does the same on every member.
 * Beside it this member tells conditions of the moment: a member whose state differs, states that
 * differ without a majority, and, while some member is too old for alarms, its own quota. Everybody
 * who tells alarms asks here: Alarm, Status, /health, /readyz, the metrics.
 *
 * The quota itself is asked before proposing, never while applying: members may have different
 * ones, and what is in the log must do the same on all of them. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/log.h"
#include "server/guard.h"
#include "server/internal.h"
#include "store/capability.h"

enum { ALARM_AGAIN_MS = 1000, ALARM_TIMEOUT_MS = 5000 };

/* --- what is wrong ---------------------------------------------------------------------------- */

static bool is_member(const struct server *s, uint64_t id)
{
    size_t n;
    const struct rnode_member *members = rnode_members(s->node, &n);
    for (size_t i = 0; i < n; i++) {
        if (members[i].id == id) {
            return true;
        }
    }
    return false;
}

bool server_over_quota(const struct server *s)
{
    int64_t bytes = BUG(BUG_QUOTA_OF_HISTORY) ? store_size_bytes(s->store)
                                              : store_live_bytes(s->store);
    return s->options.quota_bytes > 0 && bytes > s->options.quota_bytes;
}

static void add(const struct server *s, struct alarm *ret_alarms, size_t *n, uint64_t member,
                enum alarm_type type)
{
    if (alarms_find(store_alarms(s->store), member, type) == NULL) {
        ret_alarms[(*n)++] = (struct alarm){ member, type, true };
    }
}

size_t server_alarms(const struct server *s, struct alarm *ret_alarms)
{
    const struct alarms *set = store_alarms(s->store);
    size_t n = 0;
    for (; n < set->n; n++) {
        ret_alarms[n] = set->items[n];
    }
    if (server_over_quota(s)) {
        add(s, ret_alarms, &n, s->status.member_id, ALARM_NOSPACE);
    }
    if (s->status.split) { /* any of them may be the wrong one */
        add(s, ret_alarms, &n, 0, ALARM_CORRUPT);
    }
    if (s->status.corrupt_member != 0 && is_member(s, s->status.corrupt_member)) {
        add(s, ret_alarms, &n, s->status.corrupt_member, ALARM_CORRUPT);
    }
    return n;
}

const char *alarm_name(enum alarm_type type)
{
    static const char *const names[] = { "NONE", "NOSPACE", "CORRUPT" };
    return names[type];
}

bool server_refuse_full(struct server *s, struct rpc_call *call, const struct command *c)
{
    if (!server_over_quota(s) || !alarm_adds_bytes(c)) {
        return false;
    }
    rpc_fail_err(call, E_NOSPACE);
    return true;
}

/* --- what is set and cleared by itself -------------------------------------------------------- */

struct alarm_proposal {
    struct rnode_proposal proposal;
    struct server *server;
};

static void proposed(struct rnode_proposal *p, int status)
{
    struct alarm_proposal *a = CONTAINER_OF(p, struct alarm_proposal, proposal);
    struct server *s = a->server;
    s->alarm_proposed = false;
    s->alarm_again_ms = loop_now_ms(s->loop) + (status != 0 ? ALARM_AGAIN_MS : 0);
    mem_free(a);
}

static void propose(struct server *s, bool active, uint64_t member, enum alarm_type type)
{
    struct command c = { .type = COMMAND_ALARM, .alarm = { active, member, type, true } };
    struct alarm_proposal *a = mem_zalloc(sizeof *a);
    a->server = s;
    a->proposal.done = proposed;
    s->alarm_proposed = true;
    log_warn("server", active ? "an alarm is raised" : "an alarm is cleared",
             "alarm=%s member=%" PRIx64 " live_bytes=%" PRId64 " quota_bytes=%" PRId64,
             alarm_name(type), member, store_live_bytes(s->store), s->options.quota_bytes);
    server_propose_own(s, &a->proposal, &c, ALARM_TIMEOUT_MS);
}

/* The quota's own alarm has room to breathe: it ends well below the line, not at it. */
static bool has_room(const struct server *s)
{
    if (BUG(BUG_ALARM_FOR_EVER)) {
        return false;
    }
    return s->options.quota_bytes <= 0 ||
           store_live_bytes(s->store) < s->options.quota_bytes / 10 * 9;
}

/* The leader clears what a member set that is none any more: nobody else would. */
static const struct alarm *left_behind(const struct server *s)
{
    const struct alarms *set = store_alarms(s->store);
    for (size_t i = 0; i < set->n; i++) {
        if (set->items[i].automatic && !is_member(s, set->items[i].member)) {
            return &set->items[i];
        }
    }
    return NULL;
}

void server_alarm_tick(struct server *s, uint64_t now_ms)
{
    uint64_t self = s->status.member_id;
    if (s->closing || s->alarm_proposed || now_ms < s->alarm_again_ms ||
        s->status.leader_id == 0 || s->status.level < command_level(COMMAND_ALARM)) {
        return;
    }
    const struct alarm *own = alarms_find(store_alarms(s->store), self, ALARM_NOSPACE);
    const struct alarm *orphan = server_is_leader(s) ? left_behind(s) : NULL;
    if (own == NULL && server_over_quota(s)) {
        propose(s, true, self, ALARM_NOSPACE);
    } else if (own != NULL && own->automatic && has_room(s)) {
        propose(s, false, self, ALARM_NOSPACE);
    } else if (orphan != NULL) {
        propose(s, false, orphan->member, orphan->type);
    }
}

/* --- Maintenance/Alarm ------------------------------------------------------------------------ */

static void reply(struct server *s, struct rpc_call *call, const struct alarm *alarms, size_t n)
{
    struct arena *arena = rpc_call_arena(call);
    Etcdserverpb__AlarmMember *list = arena_alloc(arena, (n + 1) * sizeof *list);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__AlarmResponse m = ETCDSERVERPB__ALARM_RESPONSE__INIT;
    m.header = server_header(s, &header, store_revision(s->store));
    m.alarms = arena_alloc(arena, (n + 1) * sizeof *m.alarms);
    for (m.n_alarms = 0; m.n_alarms < n; m.n_alarms++) {
        m.alarms[m.n_alarms] = &list[m.n_alarms];
        etcdserverpb__alarm_member__init(&list[m.n_alarms]);
        list[m.n_alarms].memberid = alarms[m.n_alarms].member;
        list[m.n_alarms].alarm = (Etcdserverpb__AlarmType)alarms[m.n_alarms].type;
    }
    rpc_reply(call, &m.base);
}

/* GET of one type, or (NONE) of all. */
static void list_alarms(struct server *s, struct rpc_call *call, Etcdserverpb__AlarmType type)
{
    struct alarm alarms[SERVER_ALARMS_MAX];
    size_t n, kept = 0;
    rnode_get_status(s->node, &s->status);
    n = server_alarms(s, alarms);
    for (size_t i = 0; i < n; i++) {
        if (type == ETCDSERVERPB__ALARM_TYPE__NONE || (int)alarms[i].type == (int)type) {
            alarms[kept++] = alarms[i];
        }
    }
    reply(s, call, alarms, kept);
}

static void changed(struct write_call *w)
{
    const struct alarm *told = rpc_call_data(w->call);
    if (w->result.status != 0) {
        rpc_fail_err(w->call, w->result.status);
    } else {
        reply(w->server, w->call, told, w->result.alarm_told);
    }
}

void server_alarm(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    const Etcdserverpb__AlarmRequest *m = (const Etcdserverpb__AlarmRequest *)(const void *)msg;
    if (m->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET) {
        list_alarms(s, call, m->alarm);
        return;
    }
    bool active = m->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE;
    if ((!active && m->action != ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE) ||
        (int)m->alarm < ALARM_NONE || (int)m->alarm > ALARM_CORRUPT) {
        rpc_fail(call, GRPC_INVALID_ARGUMENT,
                 "barque: alarms are NOSPACE and CORRUPT; they are listed, activated, deactivated");
        return;
    }
    int rv = server_may_admin(s, call);
    if (rv != 0) {
        rpc_fail_err(call, rv);
        return;
    }
    struct alarm *told = arena_zalloc(rpc_call_arena(call), sizeof *told);
    *told = (struct alarm){ m->memberid, (enum alarm_type)m->alarm, false };
    rpc_call_set_data(call, told);
    struct command c = { .type = COMMAND_ALARM,
                         .alarm = { active, told->member, told->type, false } };
    server_write(s, call, &c, changed);
}
