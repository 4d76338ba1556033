/* Members are one state machine: equal applied index, equal state digest; and a member's index
 * never goes back. Verdict "digests agree". Facts in, verdict out; pure. */
#ifndef BARQUE_CHECK_DIGEST_H
#define BARQUE_CHECK_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "check/report.h"

struct check_digest {
    uint32_t member;
    uint64_t life;       /* which start of the member: a new life may begin at an older index */
    uint64_t index;      /* applied */
    uint64_t digest;
    int64_t at_us;
};

/* Facts of each member in the order of time; any mix of members. 0 or E_MISMATCH. */
int check_digests(const struct check_digest *facts, size_t n, struct check_report *report);

#endif
