/* The rolling digest: members compare their states while they work.
 *
 *   leader: there was activity -> after some seconds a CHECK entry
 *   every member applies it:      the digest of its state at that very index -> a REPORT entry
 *   every member applies those:   digest_vote.c counts; who differs from the majority of voters is
 *                                 named by all and ends itself (node_corrupt)
 *
 * Cost: one small entry and one from each member every few seconds of activity, nothing when idle.
 * A member of an older version skips both kinds: it neither reports nor compares, and its silence
 * counts for nobody. What a restart replays is counted again; only the newest check is reported,
 * and not twice. */
#include <inttypes.h>

#include "lib/base/log.h"
#include "lib/codec/mp.h"
#include "raft/configuration.h"
#include "raft/node.h"

enum { DIGEST_VERSION = 1, DIGEST_TIMEOUT_MS = 5000, DIGEST_MS = 5000 };

static void on_due(struct timer *timer)
{
    struct rnode *n = CONTAINER_OF(timer, struct rnode, digests.timer);
    n->digests.due = true;
    node_turn(n);
}

void digests_init(struct rnode *n)
{
    struct digests *d = &n->digests;
    *d = (struct digests){ 0 };
    digest_vote_init(&d->vote);
    timer_init(n->loop, &d->timer, on_due);
    struct metrics *m = n->options.metrics;
    if (m != NULL) {
        d->m_agreed = metrics_gauge(m, "barque_digest_agreed_index", NULL,
                                    "Newest log index at which a majority had equal states.");
        d->m_corrupt = metrics_counter(m, "barque_digest_corrupt_total", NULL,
                                       "Reports that differed from the majority's state.");
        d->m_split = metrics_gauge(m, "barque_digest_split", NULL,
                                   "1 while members differ and no majority says who is right.");
    }
}

void digests_stop(struct rnode *n)
{
    timer_stop(&n->digests.timer);
}

/* The state is another one now: what was counted against the old one says nothing about it. */
void digests_restored(struct rnode *n)
{
    struct digests *d = &n->digests;
    uint64_t agreed = d->vote.agreed_index;
    bool split = d->vote.split;
    digest_vote_init(&d->vote);
    d->vote.agreed_index = agreed;
    d->vote.split = split;
    d->report_index = 0;
}

/* --- entries ---------------------------------------------------------------------------------- */

void digests_applied_command(struct rnode *n)
{
    n->digests.active = true;
}

void digests_apply_check(struct rnode *n, uint64_t index)
{
    struct digests *d = &n->digests;
    d->active = false;
    d->due = false;
    timer_stop(&d->timer);
    if (n->options.fsm.digest == NULL) {
        return;
    }
    d->report_digest = n->options.fsm.digest(n->options.fsm.arg);
    d->report_index = index;
    digest_vote_check(&d->vote, index, d->report_digest);
    if (d->vote.split && !d->told_split) {
        d->told_split = true;
        log_error("raft", "members' states differ and no majority says which is right: reads and "
                  "writes are refused", "index=%" PRIu64 " next=\"compare with etcdctl endpoint "
                  "hashkv, remove the wrong member\"", index);
    }
}

static size_t voters_now(const struct rnode *n, uint64_t *ret_voters)
{
    struct raft_configuration conf;
    size_t k = 0;
    if (n->conf == NULL) {
        return 0;
    }
    configuration_decode(value_slice(n->conf), &conf);
    for (unsigned i = 0; i < conf.n && k < LIMIT_PEERS; i++) {
        if (conf.servers[i].role == RAFT_VOTER) {
            ret_voters[k++] = conf.servers[i].id;
        }
    }
    raft_configuration_close(&conf);
    return k;
}

static void tell(struct rnode *n, uint64_t index, const struct digest_verdict *verdict)
{
    struct digests *d = &n->digests;
    for (size_t i = 0; i < verdict->n_corrupt; i++) {
        d->corrupt_member = verdict->corrupt[i];
        log_error("raft", "a member's state differs from the majority's: it is corrupt",
                  "member=%016" PRIx64 " index=%" PRIu64, verdict->corrupt[i], index);
        if (d->m_corrupt != NULL) {
            metric_add(d->m_corrupt, 1);
        }
    }
    if (d->told_split && !d->vote.split) {
        d->told_split = false;
        log_info("raft", "a majority agrees on the state again", "index=%" PRIu64, index);
    }
    if (d->m_agreed != NULL) {
        metric_set(d->m_agreed, (double)d->vote.agreed_index);
        metric_set(d->m_split, d->vote.split);
    }
    if (verdict->agreed || verdict->n_corrupt != 0) {
        loop_ready(n->loop, &n->change_ready);
    }
}

void digests_apply_report(struct rnode *n, uint64_t member, struct slice command)
{
    struct digests *d = &n->digests;
    struct mp_reader r;
    struct digest_verdict verdict;
    uint64_t voters[LIMIT_PEERS];
    mp_reader_init(&r, command);
    mp_get_array(&r, 16);
    uint64_t version = mp_get_u64(&r);
    uint64_t index = mp_get_u64(&r);
    struct digest_report report = { .member = member, .digest = mp_get_u64(&r) };
    if (mp_reader_error(&r) != 0 || version != DIGEST_VERSION) {
        return;
    }
    size_t n_voters = voters_now(n, voters);
    digest_vote_report(&d->vote, index, report, voters, n_voters, &verdict);
    if (member == n->id && index == d->report_index) {
        d->report_index = 0;
    }
    tell(n, index, &verdict);
    if (verdict.self_corrupt) {
        struct err err = ERR_INIT;
        err_set(&err, E_CORRUPT, "this member's state at index %" PRIu64 " differs from that of "
                "the majority: its memory or its disk is damaged", index);
        node_corrupt(n, &err);
    }
}

/* --- asking and telling ----------------------------------------------------------------------- */

static void on_checked(struct rnode_proposal *p, int status)
{
    struct digests *d = CONTAINER_OF(p, struct digests, check);
    (void)status; /* without it the next activity asks again */
    d->checking = false;
}

static void on_reported(struct rnode_proposal *p, int status)
{
    struct digests *d = CONTAINER_OF(p, struct digests, report);
    (void)status; /* a lost report is made up for by the next check's */
    d->reporting = false;
}

static void ask_for_check(struct rnode *n)
{
    struct digests *d = &n->digests;
    bool wanted = d->active || digest_vote_unsettled(&d->vote);
    if (!driver_leads(n) || d->checking || !wanted || n->options.fsm.digest == NULL) {
        return;
    }
    if (!d->due) {
        if (!timer_active(&d->timer)) {
            timer_start(&d->timer, n->tuning.digest_ms != 0 ? n->tuning.digest_ms : DIGEST_MS);
        }
        return;
    }
    autobuf b = BUF_INIT;
    mp_put_array(&b, 1);
    mp_put_u64(&b, DIGEST_VERSION);
    d->due = false;
    d->checking = true;
    d->check.done = on_checked;
    propose_kind(n, COMMAND_CHECK, &d->check, buf_slice(&b), DIGEST_TIMEOUT_MS);
}

void digests_flush(struct rnode *n)
{
    struct digests *d = &n->digests;
    if (n->closing != CLOSE_NO) {
        return;
    }
    ask_for_check(n);
    if (d->report_index == 0 || d->reporting || driver_leader(n) == 0 || n->applied < n->commit) {
        return;
    }
    autobuf b = BUF_INIT;
    mp_put_array(&b, 3);
    mp_put_u64(&b, DIGEST_VERSION);
    mp_put_u64(&b, d->report_index);
    mp_put_u64(&b, d->report_digest);
    d->report_index = 0;
    d->reporting = true;
    d->report.done = on_reported;
    propose_kind(n, COMMAND_REPORT, &d->report, buf_slice(&b), DIGEST_TIMEOUT_MS);
}
