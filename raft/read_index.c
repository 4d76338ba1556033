/* Linearizable reads: ReadIndex (Raft §6.4), one round for all reads of a turn, no disk.
 *
 *   leader:   round = {seq, term, index = commit}; PROBE(term, seq) to the voters; a voter answers
 *             ACK if its term is not higher; with a majority, and still leader of that term,
 *             everything committed before the round began is at or below index
 *   follower: READ_INDEX(epoch, seq) to the leader, which makes it part of its next round;
 *   READ_REPLY(index)
 *   both:     done once applied >= index
 *
 * Why it is safe: an election of a later term needs a majority, so it shares a voter with the
 * ackers; that voter acknowledged before it voted, hence the later leader's first commit is after
 * the round began. A leader first waits until its commit index has reached the last index of its
 * election: before, it may lack commits of its predecessors. No clocks, no leases: a restarted
 * voter votes at once.
 *
 * An ACK of a later round of the same term also counts for all earlier ones, so a lost probe costs
 * nothing but the wait for the next. Reads of callers keep their deadline in `seq`; one sweep looks
 * at them. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"
#include "raft/configuration.h"
#include "raft/node.h"

struct read_batch { /* a follower's question on its way */
    struct list link;
    struct list reads;
    uint64_t seq;
    uint64_t sent_ms;
};

struct read_remote { /* a follower's question here */
    struct list link;
    uint64_t from;
    uint64_t epoch;
    uint64_t seq;
};

struct read_round {
    struct list link;
    struct list reads;
    struct list remote;
    uint64_t seq;
    uint64_t term;
    uint64_t index;
    uint64_t acks[LIMIT_PEERS];
    size_t acks_n;
};

enum { REMOTE_MAX = 4096 };

void reads_init(struct rnode *n)
{
    struct reads *q = &n->reads;
    *q = (struct reads){ 0 };
    list_init(&q->waiting);
    list_init(&q->batches);
    list_init(&q->rounds);
    list_init(&q->confirmed);
    list_init(&q->remote);
}

static void fire(struct list *reads, int status)
{
    struct list *l;
    while ((l = list_pop_front(reads)) != NULL) {
        struct rnode_read *r = LIST_ENTRY(l, struct rnode_read, link);
        r->done(r, status);
    }
}

void rnode_read_index(struct rnode *n, struct rnode_read *r, uint64_t timeout_ms)
{
    PRE(r->done != NULL);
    list_init(&r->link);
    r->index = 0;
    r->seq = loop_now_ms(n->loop) + timeout_ms;
    list_push_back(&n->reads.waiting, &r->link);
    node_turn(n);
    node_sweep(n);
}

void rnode_read_forget(struct rnode *n, struct rnode_read *r)
{
    (void)n;
    list_remove(&r->link);
}

/* --- confirmed reads wait for the state machine --- */

void reads_applied(struct rnode *n)
{
    struct list ready;
    list_init(&ready);
    struct list *l;
    while ((l = list_first(&n->reads.confirmed)) != NULL &&
           (LIST_ENTRY(l, struct rnode_read, link)->index <= n->applied ||
            BUG(BUG_READ_BEFORE_APPLY))) {
        list_remove(l);
        list_push_back(&ready, l);
    }
    fire(&ready, 0);
}

static void confirm(struct rnode *n, struct list *reads, uint64_t index)
{
    struct list *l;
    while ((l = list_pop_front(reads)) != NULL) {
        LIST_ENTRY(l, struct rnode_read, link)->index = index;
        /* Nearly always the highest index so far: look from the back. */
        struct list *at = n->reads.confirmed.prev;
        while (at != &n->reads.confirmed &&
               LIST_ENTRY(at, struct rnode_read, link)->index > index) {
            at = at->prev;
        }
        list_push_front(at, l);
    }
    reads_applied(n);
}

/* --- leader --- */

static void remote_free_all(struct list *remote)
{
    struct list *l;
    while ((l = list_pop_front(remote)) != NULL) {
        mem_free(LIST_ENTRY(l, struct read_remote, link));
    }
}

static void round_free(struct rnode *n, struct read_round *round)
{
    list_remove(&round->link);
    n->reads.rounds_n--;
    remote_free_all(&round->remote);
    mem_free(round);
}

static bool has_quorum(const struct rnode *n, const struct read_round *round)
{
    const struct raft_configuration *conf = &n->core.configuration;
    unsigned votes = BUG(BUG_READ_NO_QUORUM) ? conf->n : 0;
    for (unsigned i = 0; i < conf->n; i++) {
        const struct raft_server *s = &conf->servers[i];
        bool acked = s->id == n->id;
        for (size_t k = 0; k < round->acks_n && !acked; k++) {
            acked = round->acks[k] == s->id;
        }
        votes += s->role == RAFT_VOTER && acked;
    }
    return votes > configuration_voters(conf) / 2;
}

static void complete(struct rnode *n, struct read_round *round)
{
    struct list reads;
    list_init(&reads);
    list_move_all(&reads, &round->reads);
    uint64_t index = round->index;
    LIST_FOREACH(l, &round->remote) {
        const struct read_remote *r = LIST_ENTRY(l, struct read_remote, link);
        struct buf b = BUF_INIT;
        message_put_read_reply(&b, r->epoch, r->seq, index);
        send_frame(n, r->from, &b);
    }
    round_free(n, round);
    confirm(n, &reads, index);
}

static void probe(struct rnode *n, uint64_t seq)
{
    const struct raft_configuration *conf = &n->core.configuration;
    n->reads.probed_ms = loop_now_ms(n->loop);
    for (unsigned i = 0; i < conf->n; i++) {
        if (conf->servers[i].role == RAFT_VOTER && conf->servers[i].id != n->id) {
            struct buf b = BUF_INIT;
            message_put_probe(&b, MESSAGE_PROBE, n->lead_term, seq);
            send_frame(n, conf->servers[i].id, &b);
        }
    }
}

static void start_round(struct rnode *n)
{
    struct reads *q = &n->reads;
    if ((list_empty(&q->waiting) && list_empty(&q->remote)) || q->rounds_n >= PROBE_ROUNDS_MAX ||
        (n->commit < n->elect_last && !BUG(BUG_READ_BEFORE_OWN_COMMIT))) {
        return;
    }
    struct read_round *round = mem_zalloc(sizeof *round);
    list_init(&round->reads);
    list_init(&round->remote);
    list_move_all(&round->reads, &q->waiting);
    list_move_all(&round->remote, &q->remote);
    round->seq = ++q->seq;
    round->term = n->lead_term;
    round->index = n->commit;
    list_push_back(&q->rounds, &round->link);
    q->rounds_n++;
    if (has_quorum(n, round)) {
        complete(n, round);
    } else {
        probe(n, round->seq);
    }
}

static void on_ack(struct rnode *n, uint64_t from, const struct message *m)
{
    if (!driver_leads(n) || m->term != n->lead_term) {
        return;
    }
    struct list done;
    list_init(&done);
    LIST_FOREACH_SAFE(l, &n->reads.rounds) {
        struct read_round *round = LIST_ENTRY(l, struct read_round, link);
        bool old = round->seq > m->seq || round->term != m->term;
        if ((old && !BUG(BUG_READ_OLD_ROUND)) || round->acks_n == LIMIT_PEERS) {
            continue;
        }
        round->acks[round->acks_n++] = from;
        for (size_t k = 0; k + 1 < round->acks_n; k++) {
            if (round->acks[k] == from) {
                round->acks_n--; /* counted already */
                break;
            }
        }
        if (has_quorum(n, round)) {
            list_remove(&round->link);
            list_push_back(&done, &round->link);
        }
    }
    struct list *l;
    while ((l = list_first(&done)) != NULL) {
        complete(n, LIST_ENTRY(l, struct read_round, link));
    }
    node_turn(n); /* the next round may start */
}

static void on_read_index(struct rnode *n, uint64_t from, const struct message *m)
{
    struct reads *q = &n->reads;
    if (!driver_leads(n)) {
        return; /* asked again at the next leader */
    }
    size_t count = 0;
    LIST_FOREACH(l, &q->remote) {
        const struct read_remote *r = LIST_ENTRY(l, struct read_remote, link);
        if ((r->from == from && r->epoch == m->epoch && r->seq == m->seq) || ++count > REMOTE_MAX) {
            return;
        }
    }
    struct read_remote *r = mem_zalloc(sizeof *r);
    *r = (struct read_remote){ .from = from, .epoch = m->epoch, .seq = m->seq };
    list_push_back(&q->remote, &r->link);
    node_turn(n);
}

/* --- follower --- */

static void ask_leader(struct rnode *n, struct read_batch *batch, uint64_t leader)
{
    batch->sent_ms = loop_now_ms(n->loop);
    struct buf b = BUF_INIT;
    message_put_read_index(&b, n->epoch, batch->seq);
    send_frame(n, leader, &b);
}

static void forward(struct rnode *n, uint64_t leader)
{
    struct reads *q = &n->reads;
    if (list_empty(&q->waiting)) {
        return;
    }
    struct read_batch *batch = mem_zalloc(sizeof *batch);
    list_init(&batch->reads);
    list_move_all(&batch->reads, &q->waiting);
    batch->seq = ++q->seq;
    list_push_back(&q->batches, &batch->link);
    ask_leader(n, batch, leader);
}

static void on_read_reply(struct rnode *n, const struct message *m)
{
    if (m->epoch != n->epoch) {
        return; /* to an earlier life of this member */
    }
    LIST_FOREACH(l, &n->reads.batches) {
        struct read_batch *batch = LIST_ENTRY(l, struct read_batch, link);
        if (batch->seq == m->seq) {
            struct list reads;
            list_init(&reads);
            list_move_all(&reads, &batch->reads);
            list_remove(&batch->link);
            mem_free(batch);
            confirm(n, &reads, m->index);
            return;
        }
    }
}

void reads_receive(struct rnode *n, uint64_t from, const struct message *m)
{
    switch (m->kind) {
    case MESSAGE_PROBE:
        if (n->core_up && driver_term(n) <= m->term) {
            struct buf b = BUF_INIT;
            message_put_probe(&b, MESSAGE_ACK, m->term, m->seq);
            send_frame(n, from, &b);
        }
        break;
    case MESSAGE_ACK:
        on_ack(n, from, m);
        break;
    case MESSAGE_READ_INDEX:
        on_read_index(n, from, m);
        break;
    case MESSAGE_READ_REPLY:
        on_read_reply(n, m);
        break;
    default:
        UNREACHABLE();
    }
}

/* --- both --- */

void reads_flush(struct rnode *n)
{
    uint64_t leader = driver_leader(n);
    if (BUG(BUG_READ_LOCAL)) {
        confirm(n, &n->reads.waiting, n->applied);
    }
    if (driver_leads(n)) {
        start_round(n);
    } else if (leader != 0) {
        forward(n, leader);
    }
}

/* What was asked in vain is asked again of the next leader. */
void reads_leader_changed(struct rnode *n)
{
    struct reads *q = &n->reads;
    struct list again;
    list_init(&again);
    struct list *l;
    while ((l = list_first(&q->rounds)) != NULL) {
        struct read_round *round = LIST_ENTRY(l, struct read_round, link);
        if (BUG(BUG_READ_OLD_ROUND) || (driver_leads(n) && round->term == n->lead_term)) {
            break; /* only who the leader is was learned */
        }
        list_move_all(&again, &round->reads);
        round_free(n, round);
    }
    while ((l = list_pop_front(&q->batches)) != NULL) {
        struct read_batch *batch = LIST_ENTRY(l, struct read_batch, link);
        list_move_all(&again, &batch->reads);
        mem_free(batch);
    }
    list_move_all(&again, &q->waiting);
    list_move_all(&q->waiting, &again);
    if (!driver_leads(n)) {
        remote_free_all(&q->remote);
    }
    node_turn(n);
}

static void take_expired(struct list *reads, uint64_t now, struct list *expired)
{
    LIST_FOREACH_SAFE(l, reads) {
        if (LIST_ENTRY(l, struct rnode_read, link)->seq <= now) {
            list_remove(l);
            list_push_back(expired, l);
        }
    }
}

void reads_sweep(struct rnode *n, uint64_t now)
{
    struct reads *q = &n->reads;
    struct list expired;
    struct list lost;
    list_init(&expired);
    list_init(&lost);
    uint64_t leader = driver_leader(n);
    take_expired(&q->waiting, now, leader != 0 ? &expired : &lost);
    take_expired(&q->confirmed, now, &expired);
    LIST_FOREACH_SAFE(l, &q->batches) {
        struct read_batch *batch = LIST_ENTRY(l, struct read_batch, link);
        take_expired(&batch->reads, now, &expired);
        if (list_empty(&batch->reads)) {
            list_remove(&batch->link);
            mem_free(batch);
        } else if (leader != 0 && now - batch->sent_ms >= RESEND_MS) {
            ask_leader(n, batch, leader);
        }
    }
    LIST_FOREACH_SAFE(l, &q->rounds) {
        struct read_round *round = LIST_ENTRY(l, struct read_round, link);
        take_expired(&round->reads, now, &expired);
        if (list_empty(&round->reads) && list_empty(&round->remote)) {
            round_free(n, round);
        }
    }
    if (!list_empty(&q->rounds) && driver_leads(n) &&
        now - q->probed_ms >= n->options.heartbeat_ms) {
        probe(n, q->seq);
    }
    if (!list_empty(&q->waiting) || !list_empty(&q->confirmed) || !list_empty(&q->batches) ||
        !list_empty(&q->rounds)) {
        node_sweep(n);
        node_turn(n);
    }
    fire(&expired, E_TIMEOUT);
    fire(&lost, E_NOLEADER);
}

void reads_fail_all(struct rnode *n, int status)
{
    struct reads *q = &n->reads;
    struct list all;
    struct list *l;
    list_init(&all);
    list_move_all(&all, &q->waiting);
    list_move_all(&all, &q->confirmed);
    while ((l = list_pop_front(&q->batches)) != NULL) {
        struct read_batch *batch = LIST_ENTRY(l, struct read_batch, link);
        list_move_all(&all, &batch->reads);
        mem_free(batch);
    }
    while ((l = list_first(&q->rounds)) != NULL) {
        struct read_round *round = LIST_ENTRY(l, struct read_round, link);
        list_move_all(&all, &round->reads);
        round_free(n, round);
    }
    remote_free_all(&q->remote);
    if (status != 0) {
        fire(&all, status);
    }
}
