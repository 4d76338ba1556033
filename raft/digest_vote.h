/* Who is right when members' states differ? A pure count of what they report.
 *
 * At a check (an entry of the log) every member takes the digest of its state; afterwards each
 * reports it in an entry of its own. The reports of one check are grouped:
 *
 *     a majority of the voters says the same:  agreed. Whoever reported otherwise is corrupt, and
 *                                              so are we when our own digest is another one
 *     voters differ, and no majority can be    split: nobody knows who is right. Nothing that was
 *     made (all have reported, or the next     read from a member can be trusted until a later
 *     check has begun):                        check is agreed on
 *
 * Example: of voters 1, 2, 3 the leader 1 is wrong: reports 1:x, 2:y, 3:y. The third makes y the
 * majority's; 1 is named by all, itself included. 2 and 3 never doubt themselves, whoever leads.
 *
 * Every member counts the same entries in the same order, so all come to the same result. */
#ifndef BARQUE_RAFT_DIGEST_VOTE_H
#define BARQUE_RAFT_DIGEST_VOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/limits.h"

enum { DIGEST_CHECKS_MAX = 8 }; /* the newest ones; reports of older ones are ignored */

struct digest_report {
    uint64_t member;
    uint64_t digest;
};

struct digest_check {
    uint64_t index;  /* of the check's entry */
    uint64_t own;    /* our digest there */
    uint64_t digest; /* the majority's, once agreed */
    bool agreed;
    struct digest_report reports[LIMIT_PEERS];
    size_t n;
};

struct digest_vote {
    struct digest_check checks[DIGEST_CHECKS_MAX]; /* oldest first */
    size_t n;
    uint64_t agreed_index; /* of the newest check that was agreed on; 0 none */
    bool split;
};

/* What a report has shown, beside what was known before it. */
struct digest_verdict {
    bool agreed;       /* its check was decided by it */
    bool self_corrupt; /* the majority has another digest than we had */
    uint64_t corrupt[LIMIT_PEERS]; /* members whose reports are now known to be wrong */
    size_t n_corrupt;
};

void digest_vote_init(struct digest_vote *v);
/* A check was applied, and our state had this digest. PRE: index above that of every check. */
void digest_vote_check(struct digest_vote *v, uint64_t index, uint64_t own);
/* A member's report was applied. One of a check that is not known (it was before our snapshot), or
 * a second one of the same member, counts nothing. voters: as of the report's entry. */
void digest_vote_report(struct digest_vote *v, uint64_t index, struct digest_report report,
                        const uint64_t *voters, size_t n_voters,
                        struct digest_verdict *ret_verdict);
/* Did this member report at this check? */
bool digest_vote_reported(const struct digest_vote *v, uint64_t index, uint64_t member);
/* Reports of the newest check differ and nothing is decided: another check is worth while. */
bool digest_vote_unsettled(const struct digest_vote *v);

#endif
