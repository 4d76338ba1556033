/* Proposals: from the caller to the log and back.
 *
 *   rnode_propose: enveloped (the one copy), queued in a ring by sequence number
 *   end of turn:   leader: one RAFT_SUBMIT of all that is queued; follower: PROPOSE frames to the
 *                  leader
 *   apply:         an entry whose (origin, epoch, seq) is ours answers its proposal
 *
 * Exactly once. A PROPOSE frame names the term it is for; a leader takes it only in that term, and
 * remembers per origin which sequence numbers it has taken, so lost frames may be repeated freely.
 * When an entry of a newer term is applied, nothing sent in an older one can follow in the log any
 * more (terms only grow along the log, and this prefix is in every later leader's log): what is
 * still unanswered was lost for certain and is sent again in the new term. Hence a new leader
 * always appends an entry of its own.
 *
 * Deadlines are looked at by one coarse sweep; there is no timer per proposal. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"
#include "lib/codec/mp.h"
#include "raft/node.h"

enum { RING_MIN = 256, ENVELOPE_VERSION = 1, FRAME_BYTES = 1024 * 1024 };

struct seen { /* what one origin's sequence numbers were taken in this term */
    uint64_t epoch;
    uint64_t max;
    uint64_t bits[SEEN_WINDOW / 64]; /* of (max - SEEN_WINDOW, max] */
};

/* --- envelopes --- */

static struct value *envelope_encode(struct rnode *n, enum command_kind kind, uint64_t seq,
                                     struct slice command)
{
    struct buf *b = &n->scratch;
    buf_reset(b);
    mp_put_array(b, 6);
    mp_put_u64(b, ENVELOPE_VERSION);
    mp_put_u64(b, kind);
    mp_put_u64(b, n->id);
    mp_put_u64(b, n->epoch);
    mp_put_u64(b, seq);
    /* bin32, always: the command follows without passing through the buffer */
    uint8_t head[5] = { 0xc6, (uint8_t)(command.len >> 24), (uint8_t)(command.len >> 16),
                        (uint8_t)(command.len >> 8), (uint8_t)command.len };
    buf_append(b, head, sizeof head);
    struct value *v = value_alloc(b->len + command.len);
    memcpy(v->data, b->data, b->len);
    if (command.len != 0) {
        memcpy(v->data + b->len, command.data, command.len);
    }
    return v;
}

int envelope_decode(struct slice data, struct envelope *ret_envelope)
{
    struct mp_reader r;
    mp_reader_init(&r, data);
    uint32_t fields = mp_get_array(&r, 64);
    uint64_t version = mp_get_u64(&r);
    struct envelope e = { .kind = mp_get_u64(&r), .origin = mp_get_u64(&r) };
    e.epoch = mp_get_u64(&r);
    e.seq = mp_get_u64(&r);
    e.command = mp_get_bin(&r, LIMIT_LOG_ENTRY_BYTES);
    if (mp_reader_error(&r) != 0 || fields < 6 || version != ENVELOPE_VERSION) {
        return mp_reader_error(&r) != 0 ? mp_reader_error(&r) : E_UNSUPPORTED;
    }
    *ret_envelope = e;
    return 0;
}

/* --- the ring --- */

void proposals_init(struct rnode *n)
{
    struct proposals *q = &n->proposals;
    *q = (struct proposals){ .base = 1, .next = 1, .unsent = 1, .due_ms = UINT64_MAX };
    list_init(&q->refused);
    u64map_init(&q->seen);
}

static struct pending *slot(struct proposals *q, uint64_t seq)
{
    return &q->ring[seq & (q->cap - 1)];
}

static void grow(struct proposals *q)
{
    size_t cap = q->cap == 0 ? RING_MIN : q->cap * 2;
    struct pending *ring = mem_zalloc(cap * sizeof *ring);
    for (uint64_t seq = q->base; seq < q->next; seq++) {
        ring[seq & (cap - 1)] = *slot(q, seq);
    }
    mem_free(q->ring);
    q->ring = ring;
    q->cap = cap;
}

/* Empties a slot; its proposal (or NULL) is the caller's to answer. */
static struct rnode_proposal *take(struct proposals *q, uint64_t seq)
{
    struct pending *s = slot(q, seq);
    struct rnode_proposal *p = s->p;
    q->n--;
    q->n_only -= s->only_term != 0;
    q->bytes -= s->data->len;
    value_unref(s->data);
    *s = (struct pending){ 0 };
    while (q->base < q->next && slot(q, q->base)->data == NULL) {
        q->base++;
    }
    q->unsent = q->unsent < q->base ? q->base : q->unsent;
    return p;
}

static void answer(struct rnode *n, struct rnode_proposal *p, int status)
{
    if (p != NULL) {
        if (n->m_proposals_failed != NULL && status != 0) {
            metric_add(n->m_proposals_failed, 1);
        }
        p->done(p, status);
    }
}

static void refuse(struct rnode *n, struct rnode_proposal *p, int status)
{
    p->seq = (uint64_t)-(int64_t)status;
    list_push_back(&n->proposals.refused, &p->link);
    node_turn(n);
}

void propose_kind(struct rnode *n, enum command_kind kind, struct rnode_proposal *p,
                  struct slice command, uint64_t timeout_ms)
{
    PRE(p->done != NULL);
    struct proposals *q = &n->proposals;
    list_init(&p->link);
    p->index = 0;
    p->len = command.len;
    if (n->closing != CLOSE_NO) {
        refuse(n, p, E_STOPPED);
        return;
    }
    if (command.len > LIMIT_LOG_ENTRY_BYTES - 64) {
        refuse(n, p, E_TOOBIG);
        return;
    }
    if (n->disk_full) {
        refuse(n, p, E_DISKFULL);
        return;
    }
    if (q->n >= LIMIT_PROPOSALS_INFLIGHT || q->bytes + command.len > LIMIT_PROPOSALS_BYTES) {
        refuse(n, p, E_TOO_MANY_REQUESTS);
        return;
    }
    if (q->next - q->base == q->cap) {
        grow(q);
    }
    p->seq = q->next++;
    struct pending *s = slot(q, p->seq);
    *s = (struct pending){ .p = p, .data = envelope_encode(n, kind, p->seq, command),
                           .deadline_ms = loop_now_ms(n->loop) + timeout_ms };
    q->n++;
    q->bytes += s->data->len;
    q->due_ms = s->deadline_ms < q->due_ms ? s->deadline_ms : q->due_ms;
    node_turn(n);
    node_sweep(n);
}

void rnode_propose(struct rnode *n, struct rnode_proposal *p, struct slice command,
                   uint64_t timeout_ms)
{
    propose_kind(n, COMMAND_USER, p, command, timeout_ms);
}

void rnode_propose_in_term(struct rnode *n, struct rnode_proposal *p, struct slice command,
                           uint64_t timeout_ms, uint64_t term)
{
    struct proposals *q = &n->proposals;
    PRE(term != 0);
    propose_kind(n, COMMAND_USER, p, command, timeout_ms);
    if (p->seq >= q->base && p->seq < q->next && slot(q, p->seq)->p == p) {
        slot(q, p->seq)->only_term = term;
        q->n_only++;
    }
}

void rnode_propose_forget(struct rnode *n, struct rnode_proposal *p)
{
    struct proposals *q = &n->proposals;
    list_remove(&p->link);
    if (p->seq >= q->base && p->seq < q->next && slot(q, p->seq)->p == p) {
        slot(q, p->seq)->p = NULL;
    }
}

struct rnode_proposal *proposals_take(struct rnode *n, const struct envelope *e)
{
    struct proposals *q = &n->proposals;
    if (e->seq < q->base || e->seq >= q->next || slot(q, e->seq)->data == NULL) {
        return NULL;
    }
    return take(q, e->seq);
}

/* --- sending --- */

static bool to_send(const struct pending *s, uint64_t term)
{
    return s->data != NULL && (s->sent_term == 0 || (s->sent_term == term && s->sent_ms == 0));
}

/* Collects up to `max` proposals (or `bytes`) that wait, marking them as sent now in `term`. */
static unsigned collect(struct rnode *n, uint64_t term, uint64_t *seqs, struct value **values,
                        unsigned max, size_t bytes)
{
    struct proposals *q = &n->proposals;
    uint64_t now = loop_now_ms(n->loop);
    unsigned k = 0;
    size_t sum = 0;
    uint64_t seq = q->unsent;
    for (; seq < q->next && k < max && (k == 0 || sum < bytes); seq++) {
        struct pending *s = slot(q, seq);
        if (to_send(s, term)) {
            s->sent_term = term;
            s->sent_ms = now;
            sum += s->data->len;
            seqs[k] = seq;
            values[k++] = s->data;
        }
    }
    q->unsent = seq;
    return k;
}

static void uncollect(struct rnode *n, const uint64_t *seqs, unsigned k)
{
    struct proposals *q = &n->proposals;
    for (unsigned i = 0; i < k; i++) {
        if (seqs[i] >= q->base && slot(q, seqs[i])->data != NULL) {
            slot(q, seqs[i])->sent_term = 0;
        }
    }
    if (seqs[0] < q->unsent) {
        q->unsent = seqs[0] < q->base ? q->base : seqs[0];
    }
}

/* 0, or libraft's refusal (a transfer runs, ...): try again later. */
static int submit(struct rnode *n, struct value **values, unsigned k)
{
    struct raft_entry entries[SUBMIT_MAX];
    for (unsigned i = 0; i < k; i++) {
        value_ref(values[i]); /* an answer may free it before the step is over */
        entries[i] = (struct raft_entry){ .term = driver_term(n), .type = RAFT_COMMAND,
                                          .buf = { values[i]->data, values[i]->len },
                                          .batch = values[i] };
    }
    int rv = driver_submit(n, entries, values, k);
    for (unsigned i = 0; i < k; i++) {
        value_unref(values[i]);
    }
    return rv;
}

static void submit_own(struct rnode *n)
{
    uint64_t seqs[SUBMIT_MAX];
    struct value *values[SUBMIT_MAX];
    while (driver_leads(n)) {
        unsigned k = collect(n, driver_term(n), seqs, values, SUBMIT_MAX, SIZE_MAX);
        if (k == 0) {
            return;
        }
        if (submit(n, values, k) != 0) {
            uncollect(n, seqs, k);
            return;
        }
        for (unsigned i = 0; BUG(BUG_REPLY_BEFORE_COMMIT) && i < k; i++) {
            answer(n, take(&n->proposals, seqs[i]), 0);
        }
    }
}

static void forward_own(struct rnode *n, uint64_t leader)
{
    uint64_t seqs[SUBMIT_MAX];
    struct value *values[SUBMIT_MAX];
    uint64_t term = driver_term(n);
    unsigned k;
    while ((k = collect(n, term, seqs, values, SUBMIT_MAX, FRAME_BYTES)) > 0) {
        struct buf b = BUF_INIT;
        message_put_propose(&b, term, k);
        for (unsigned i = 0; i < k; i++) {
            message_put_command(&b, value_slice(values[i]));
        }
        send_frame(n, leader, &b);
    }
}

/* --- the leader's side of forwarded proposals --- */

static struct seen *seen_of(struct rnode *n, const struct envelope *e)
{
    struct seen *s = u64map_get(&n->proposals.seen, e->origin);
    if (s == NULL) {
        s = mem_zalloc(sizeof *s);
        u64map_put(&n->proposals.seen, e->origin, s);
    }
    if (e->epoch > s->epoch) {
        memset(s, 0, sizeof *s);
        s->epoch = e->epoch;
    }
    return s;
}

static uint64_t *seen_bit(struct seen *s, uint64_t seq, uint64_t *ret_mask)
{
    *ret_mask = 1ULL << (seq % 64);
    return &s->bits[seq % SEEN_WINDOW / 64];
}

/* True when it was not seen before; it is from now on. */
static bool seen_add(struct seen *s, const struct envelope *e)
{
    if (e->epoch != s->epoch || e->seq + SEEN_WINDOW <= s->max) {
        return false; /* an older life of the origin, or far too late */
    }
    if (e->seq > s->max + SEEN_WINDOW) {
        memset(s->bits, 0, sizeof s->bits);
    } else {
        for (uint64_t q = s->max + 1; q <= e->seq; q++) {
            uint64_t mask;
            uint64_t *bits = seen_bit(s, q, &mask);
            *bits &= ~mask;
        }
    }
    s->max = e->seq > s->max ? e->seq : s->max;
    uint64_t mask;
    uint64_t *bits = seen_bit(s, e->seq, &mask);
    bool fresh = (*bits & mask) == 0;
    *bits |= mask;
    return fresh;
}

static void seen_drop(struct rnode *n, const struct value *data)
{
    struct envelope e;
    uint64_t mask;
    int rv = envelope_decode(value_slice(data), &e);
    INVARIANT(rv == 0); /* it was decoded when it came */
    struct seen *s = seen_of(n, &e);
    if (s->epoch == e.epoch) {
        uint64_t *bits = seen_bit(s, e.seq, &mask);
        *bits &= ~mask;
    }
}

static void seen_clear(struct proposals *q)
{
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&q->seen, &at)) != NULL) {
        mem_free(e->value);
    }
    u64map_fini(&q->seen);
    u64map_init(&q->seen);
}

static void remote_clear(struct proposals *q)
{
    for (size_t i = 0; i < q->remote_n; i++) {
        value_unref(q->remote[i]);
    }
    q->remote_n = 0;
    q->remote_bytes = 0;
}

void proposals_receive(struct rnode *n, const struct message *m)
{
    struct proposals *q = &n->proposals;
    if (!driver_leads(n) || m->term != driver_term(n) || n->closing != CLOSE_NO || n->disk_full) {
        return; /* the origin finds out by the next term's entry, or asks again */
    }
    for (size_t i = 0; i < m->n_commands; i++) {
        struct envelope e;
        if (q->remote_bytes + m->commands[i].len > LIMIT_PROPOSALS_BYTES ||
            envelope_decode(m->commands[i], &e) != 0 ||
            (!seen_add(seen_of(n, &e), &e) && !BUG(BUG_PROPOSE_NO_DEDUPE))) {
            continue;
        }
        q->remote = mem_grow(q->remote, &q->remote_cap, q->remote_n + 1, sizeof(struct value *));
        q->remote[q->remote_n++] = value_new(m->commands[i].data, m->commands[i].len);
        q->remote_bytes += m->commands[i].len;
    }
    node_turn(n);
}

static void submit_remote(struct rnode *n)
{
    struct proposals *q = &n->proposals;
    size_t total = q->remote_n;
    struct value **values = q->remote;
    q->remote = NULL; /* detached: a step may call back */
    q->remote_n = q->remote_cap = q->remote_bytes = 0;
    size_t done = 0;
    while (done < total) {
        unsigned k = total - done < SUBMIT_MAX ? (unsigned)(total - done) : SUBMIT_MAX;
        if (submit(n, values + done, k) != 0) {
            break;
        }
        done += k;
    }
    for (size_t i = 0; i < total; i++) {
        if (i >= done) {
            seen_drop(n, values[i]); /* not taken: the origin may repeat it */
        }
        value_unref(values[i]);
    }
    mem_free(values);
}

void proposals_new_leadership(struct rnode *n)
{
    remote_clear(&n->proposals);
    seen_clear(&n->proposals);
    node_turn(n);
}

static void append_own_term_entry(struct rnode *n)
{
    struct value *zeros = value_new("\0\0\0\0\0\0\0", 8);
    (void)driver_submit_one(n, RAFT_BARRIER, zeros); /* refused during a transfer: next sweep */
    value_unref(zeros);
}

/* Those whose term is over before they were sent, or after what was sent was lost for certain. */
static void drop_out_of_term(struct rnode *n)
{
    struct proposals *q = &n->proposals;
    for (uint64_t seq = q->base; seq < q->next && q->n_only > 0; seq++) {
        const struct pending *s = slot(q, seq);
        if (s->data != NULL && s->only_term != 0 && s->sent_term == 0 &&
            (!driver_leads(n) || driver_term(n) != s->only_term)) {
            answer(n, take(q, seq), E_NOLEADER);
        }
    }
}

void proposals_flush(struct rnode *n)
{
    struct proposals *q = &n->proposals;
    struct list refused;
    list_init(&refused);
    list_move_all(&refused, &q->refused);
    struct list *l;
    while ((l = list_pop_front(&refused)) != NULL) {
        struct rnode_proposal *p = LIST_ENTRY(l, struct rnode_proposal, link);
        answer(n, p, -(int)p->seq);
    }
    drop_out_of_term(n);
    if (driver_leads(n)) {
        if (n->own_term_index == 0) {
            append_own_term_entry(n);
        }
        submit_remote(n);
        submit_own(n);
        return;
    }
    remote_clear(q);
    uint64_t leader = driver_leader(n);
    if (leader != 0 && q->unsent < q->next) {
        forward_own(n, leader);
    }
}

/* --- time and terms --- */

void proposals_term_passed(struct rnode *n, uint64_t term)
{
    struct proposals *q = &n->proposals;
    if (q->n == 0) {
        return;
    }
    for (uint64_t seq = q->base; seq < q->next; seq++) {
        struct pending *s = slot(q, seq);
        if (s->data != NULL && s->sent_term != 0 && s->sent_term < term) {
            s->sent_term = 0;
        }
    }
    q->unsent = q->base;
    node_turn(n);
}

void proposals_sweep(struct rnode *n, uint64_t now)
{
    struct proposals *q = &n->proposals;
    if (q->n == 0) {
        return;
    }
    node_sweep(n);
    bool leads = driver_leads(n);
    uint64_t term = driver_term(n);
    bool deadlines = now >= q->due_ms;
    uint64_t due = UINT64_MAX;
    for (uint64_t seq = q->base; seq < q->next; seq++) {
        struct pending *s = slot(q, seq);
        if (s->data == NULL) {
            continue;
        }
        if (deadlines && now >= s->deadline_ms) {
            bool never = s->sent_term == 0 || BUG(BUG_PROPOSE_NEVER_SENT);
            int status = never ? E_NOLEADER : E_TIMEOUT;
            answer(n, take(q, seq), status);
            continue;
        }
        due = s->deadline_ms < due ? s->deadline_ms : due;
        if (!leads && s->sent_term == term && now - s->sent_ms >= RESEND_MS) {
            s->sent_ms = 0;
            q->unsent = seq < q->unsent ? seq : q->unsent;
        }
    }
    q->due_ms = due;
    if (q->unsent < q->next) {
        node_turn(n);
    }
}

void proposals_outcome_lost(struct rnode *n)
{
    struct proposals *q = &n->proposals;
    for (uint64_t seq = q->base; seq < q->next; seq++) {
        const struct pending *s = slot(q, seq);
        if (s->data != NULL && s->sent_term != 0) {
            answer(n, take(q, seq), E_LEADER_CHANGED);
        }
    }
}

void proposals_fail_all(struct rnode *n, int status)
{
    struct proposals *q = &n->proposals;
    for (uint64_t seq = q->base; seq < q->next; seq++) {
        if (slot(q, seq)->data != NULL) {
            answer(n, take(q, seq), status);
        }
    }
    struct list *l;
    while ((l = list_pop_front(&q->refused)) != NULL) {
        answer(n, LIST_ENTRY(l, struct rnode_proposal, link), status);
    }
}

void proposals_fini(struct rnode *n)
{
    struct proposals *q = &n->proposals;
    for (uint64_t seq = q->base; seq < q->next; seq++) {
        value_unref(slot(q, seq)->data);
    }
    mem_free(q->ring);
    remote_clear(q);
    mem_free(q->remote);
    seen_clear(q);
    u64map_fini(&q->seen);
}
