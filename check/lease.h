/* Leases: never too early, and not much too late.
 *
 * "lease not early": a lease that was granted or kept alive by a request sent at time s, and
 * answered with a TTL, does not end before s + TTL, unless somebody revoked it: through any number
 * of leader changes. An answered keepalive of a lease that was seen to be gone counts too.
 * "lease not late": it has ended by the last moment it can have been renewed + TTL + slack. A
 * renewal may take effect until it is answered (or, unanswered, at any time up to
 * `unanswered_us` after it was sent); a new leader renews every lease.
 *
 * Grants, keepalives and revokes are those of the history (lease ids are used once; grants with id
 * 0 are known by their answer). Times are the history's. Pure. */
#ifndef BARQUE_CHECK_LEASE_H
#define BARQUE_CHECK_LEASE_H

#include "check/history.h"
#include "check/log.h"
#include "check/report.h"

/* A lease was seen to be gone: its keys were deleted, or it was not found. The true end is at or
 * before seen_us. */
struct check_lease_end {
    int64_t lease;
    int64_t seen_us;
};

struct check_lease_facts {
    const struct check_lease_end *ends;  /* any order; the earliest of a lease counts */
    size_t n_ends;
    const int64_t *leaders_us;           /* when members became leader; also the end of each time
                                            without a quorum. Any order */
    size_t n_leaders;
    int64_t slack_us;                    /* election timeout + 5 s, and how late ends are seen */
    int64_t unanswered_us;               /* how long a request can stay on its way; 0 = 10 s */
    int64_t end_us;                      /* until when ends were looked for; 0 = "not late" is not
                                            checked for leases that were never seen to end */
};

/* Ends are also taken from the log (may be NULL) where it has times: a revision that deletes every
 * key of a lease, and that no recorded delete can have made. The worst of its verdicts' codes. */
int check_leases(const struct history *h, const struct check_log *log_or_null,
                 const struct check_lease_facts *facts, struct check_report *report);

#endif
