/* Counting digests. See the header. */
#include "raft/digest_vote.h"

#include <string.h>

#include "lib/base/assert.h"

void digest_vote_init(struct digest_vote *v)
{
    memset(v, 0, sizeof *v);
}

static bool differs(const struct digest_check *c)
{
    for (size_t i = 1; i < c->n; i++) {
        if (c->reports[i].digest != c->reports[0].digest) {
            return true;
        }
    }
    return false;
}

bool digest_vote_unsettled(const struct digest_vote *v)
{
    return v->n > 0 && !v->checks[v->n - 1].agreed && (v->split || differs(&v->checks[v->n - 1]));
}

void digest_vote_check(struct digest_vote *v, uint64_t index, uint64_t own)
{
    PRE(v->n == 0 || index > v->checks[v->n - 1].index);
    if (digest_vote_unsettled(v)) {
        v->split = true; /* it had its time */
    }
    if (v->n == DIGEST_CHECKS_MAX) {
        memmove(v->checks, v->checks + 1, --v->n * sizeof *v->checks);
    }
    v->checks[v->n++] = (struct digest_check){ .index = index, .own = own };
}

static struct digest_check *check_at(struct digest_vote *v, uint64_t index)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->checks[i].index == index) {
            return &v->checks[i];
        }
    }
    return NULL;
}

static bool has_report(const struct digest_check *c, uint64_t member)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->reports[i].member == member) {
            return true;
        }
    }
    return false;
}

bool digest_vote_reported(const struct digest_vote *v, uint64_t index, uint64_t member)
{
    const struct digest_check *c = check_at((struct digest_vote *)(uintptr_t)v, index);
    return c != NULL && has_report(c, member);
}

static bool is_voter(const uint64_t *voters, size_t n, uint64_t member)
{
    for (size_t i = 0; i < n; i++) {
        if (voters[i] == member) {
            return true;
        }
    }
    return false;
}

/* How many voters have reported this digest (or any, when it is NULL). */
static size_t votes(const struct digest_check *c, const uint64_t *digest, const uint64_t *voters,
                    size_t n_voters)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        bool counts = digest == NULL || c->reports[i].digest == *digest;
        n += counts && is_voter(voters, n_voters, c->reports[i].member);
    }
    return n;
}

static void name_corrupt(const struct digest_check *c, struct digest_verdict *verdict)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->reports[i].digest != c->digest) {
            verdict->corrupt[verdict->n_corrupt++] = c->reports[i].member;
        }
    }
}

static void decide(struct digest_vote *v, struct digest_check *c, uint64_t digest,
                   struct digest_verdict *verdict)
{
    c->agreed = true;
    c->digest = digest;
    verdict->agreed = true;
    verdict->self_corrupt = c->own != digest;
    name_corrupt(c, verdict);
    if (c->index > v->agreed_index) {
        v->agreed_index = c->index;
    }
    if (c == &v->checks[v->n - 1]) {
        v->split = false;
    }
}

void digest_vote_report(struct digest_vote *v, uint64_t index, struct digest_report report,
                        const uint64_t *voters, size_t n_voters,
                        struct digest_verdict *ret_verdict)
{
    *ret_verdict = (struct digest_verdict){ 0 };
    struct digest_check *c = check_at(v, index);
    if (c == NULL || c->n == LIMIT_PEERS || has_report(c, report.member)) {
        return;
    }
    c->reports[c->n++] = report;
    if (c->agreed) {
        if (report.digest != c->digest) {
            ret_verdict->corrupt[ret_verdict->n_corrupt++] = report.member;
        }
    } else if (votes(c, &report.digest, voters, n_voters) > n_voters / 2) {
        decide(v, c, report.digest, ret_verdict);
    } else if (differs(c) && votes(c, NULL, voters, n_voters) == n_voters) {
        v->split = true;
    }
}
