/* Links that are cut from outside: what a member's own nftables drop, from all that hurts now.
 *
 * A packet is dropped where it arrives, so each direction of a link has one place. Only members'
 * packets are dropped: clients come from another address. Pure; the target carries it out. */
#include <inttypes.h>
#include <string.h>

#include "chaos/nemesis.h"

static bool hits(const struct injury *i, size_t member)
{
    return (i->members >> member & 1) != 0;
}

bool nemesis_cuts_link(enum fault_kind kind)
{
    return (faults[kind].needs >> NEED_LINKS & 1) != 0;
}

/* Of 100 packets that `from` sends to `to`, so many are lost. */
static int64_t lost(const struct injury *i, size_t from, size_t to)
{
    bool at_end = hits(i, from) || hits(i, to);
    switch (i->step->kind) {
    case FAULT_PARTITION:
        return at_end ? 100 : 0;
    case FAULT_PARTIAL:
        return at_end && (i->other == (int)from || i->other == (int)to) ? 100 : 0;
    case FAULT_ONE_WAY:
        return hits(i, i->step->amount != 0 ? from : to) ? 100 : 0;
    case FAULT_LOSS:
        return at_end ? i->step->amount : 0;
    case FAULT_SHATTER:
        return 100;
    default:
        return 0;
    }
}

static void drop(const struct injury *i, size_t from, size_t to, struct buf *out)
{
    const char *peer = i->nemesis->o.target->members[from].peer;
    int64_t percent = lost(i, from, to);
    if (percent > 0) {
        buf_printf(out, "ip saddr %.*s ", (int)strcspn(peer, ":"), peer);
        if (percent < 100) {
            buf_printf(out, "numgen random mod 100 < %" PRId64 " ", percent);
        }
        buf_append_str(out, "drop\n");
    }
}

void nemesis_cuts(const struct nemesis *n, size_t member, struct buf *out)
{
    autobuf rules = BUF_INIT;
    for (size_t i = 0; i < n->n; i++) {
        for (size_t from = 0; from < n->o.target->n_members; from++) {
            if (n->injuries[i].state == INJURY_HURT && from != member) {
                drop(&n->injuries[i], from, member, &rules);
            }
        }
    }
    buf_append_str(out, TARGET_UNCUT);
    if (rules.len > 0) {
        buf_printf(out, "table inet barque_chaos {\nchain in {\n"
                        "type filter hook input priority 0; policy accept;\n%s}\n}\n",
                   buf_str(&rules));
    }
}
