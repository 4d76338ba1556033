/* Alarms: what is wrong so that an operator has to know. They are conditions of this moment, seen
 * by this member: over the quota, a member whose state differs, states that differ without a
 * majority.
 * Everybody who tells them asks here: Alarm, Status, /health, /readyz. */
#include "server/internal.h"

bool server_over_quota(const struct server *s)
{
    return s->options.quota_bytes > 0 && store_live_bytes(s->store) > s->options.quota_bytes;
}

/* The quota is asked before proposing, never while applying: members may have different ones, and
 * what is in the log must do the same on all of them. */
static bool adds_bytes(const struct command *c)
{
    return c->type == COMMAND_PUT || c->type == COMMAND_LEASE_GRANT ||
           (c->type == COMMAND_TXN && txn_has_put(&c->txn));
}

bool server_refuse_full(struct server *s, struct rpc_call *call, const struct command *c)
{
    if (!server_over_quota(s) || !adds_bytes(c)) {
        return false;
    }
    rpc_fail_err(call, E_NOSPACE);
    return true;
}

/* A member that the others know to be corrupt, while it is one; 0 none. */
static uint64_t corrupt_member(const struct server *s)
{
    size_t n;
    const struct rnode_member *members = rnode_members(s->node, &n);
    for (size_t i = 0; i < n; i++) {
        if (members[i].id == s->status.corrupt_member) {
            return members[i].id;
        }
    }
    return 0;
}

size_t server_alarms(const struct server *s, struct server_alarm *ret_alarms)
{
    size_t n = 0;
    uint64_t corrupt = corrupt_member(s);
    if (server_over_quota(s)) {
        ret_alarms[n++] = (struct server_alarm){ s->status.member_id, ALARM_NOSPACE };
    }
    if (s->status.split) { /* any of them may be the wrong one */
        ret_alarms[n++] = (struct server_alarm){ 0, ALARM_CORRUPT };
    }
    if (corrupt != 0) {
        ret_alarms[n++] = (struct server_alarm){ corrupt, ALARM_CORRUPT };
    }
    return n;
}

const char *alarm_name(enum alarm_type type)
{
    static const char *const names[] = { "NONE", "NOSPACE", "CORRUPT" };
    return names[type];
}
