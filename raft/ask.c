/* Small questions to the leader: soft state that lives there only (lease keepalives). On the leader
 * itself they are handed to options.on_ask at the end of the turn; elsewhere they travel as ASK and
 * come back as ANSWER. A lost frame is a timeout: whoever asks may ask again. Until a leader is
 * known they wait. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "raft/node.h"

struct ask_item { /* ours */
    struct list link; /* asks.waiting */
    struct rnode_ask *ask;
    struct buf question;
    uint64_t deadline_ms;
    bool sent;
};

struct ask_open { /* put to us */
    uint64_t id;
    uint64_t from;
    uint64_t epoch;
    uint64_t seq;
    uint64_t deadline_ms;
};

enum { ASK_BYTES_MAX = 64 * 1024, OPEN_MAX = 65536, OPEN_MS = 60 * 1000, ASKS_MAX = 65536 };

void asks_init(struct rnode *n)
{
    struct asks *q = &n->asks;
    *q = (struct asks){ .next_id = 1 };
    list_init(&q->waiting);
    u64map_init(&q->sent);
    u64map_init(&q->open);
}

static void item_free(struct rnode *n, struct ask_item *item)
{
    list_remove(&item->link);
    u64map_remove(&n->asks.sent, item->ask->seq);
    buf_fini(&item->question);
    mem_free(item);
}

static void finish(struct rnode *n, struct ask_item *item, int status, struct slice answer)
{
    struct rnode_ask *ask = item->ask;
    item_free(n, item);
    ask->done(ask, status, answer);
}

void rnode_ask_leader(struct rnode *n, struct rnode_ask *a, struct slice question,
                      uint64_t timeout_ms)
{
    PRE(a->done != NULL);
    PRE(question.len <= ASK_BYTES_MAX);
    struct asks *q = &n->asks;
    struct ask_item *item = mem_zalloc(sizeof *item);
    /* Over the bound: its deadline is now, so the next sweep refuses it. */
    uint64_t wait = q->sent.n < ASKS_MAX ? timeout_ms : 0;
    list_init(&a->link);
    a->seq = ++q->seq;
    item->ask = a;
    item->deadline_ms = loop_now_ms(n->loop) + wait;
    buf_append_slice(&item->question, question);
    list_push_back(&q->waiting, &item->link);
    u64map_put(&q->sent, a->seq, item);
    node_turn(n);
    node_sweep(n);
}

void rnode_ask_forget(struct rnode *n, struct rnode_ask *a)
{
    struct ask_item *item = u64map_get(&n->asks.sent, a->seq);
    if (item != NULL && item->ask == a) {
        item_free(n, item);
    }
}

static uint64_t open_add(struct rnode *n, uint64_t from, uint64_t epoch, uint64_t seq)
{
    struct asks *q = &n->asks;
    if (q->open.n >= OPEN_MAX) {
        return 0;
    }
    struct ask_open *o = mem_zalloc(sizeof *o);
    *o = (struct ask_open){ .id = q->next_id++, .from = from, .epoch = epoch, .seq = seq,
                            .deadline_ms = loop_now_ms(n->loop) + OPEN_MS };
    u64map_put(&q->open, o->id, o);
    node_sweep(n);
    return o->id;
}

static void put_to_server(struct rnode *n, uint64_t from, uint64_t epoch, uint64_t seq,
                          struct slice question)
{
    uint64_t id = open_add(n, from, epoch, seq);
    if (id == 0) {
        return; /* the asker's timeout tells */
    }
    if (n->options.on_ask == NULL) {
        rnode_answer(n, id, E_UNSUPPORTED, slice_make(NULL, 0));
        return;
    }
    n->options.on_ask(n->options.arg, id, question);
}

void rnode_answer(struct rnode *n, uint64_t ask_id, int status, struct slice answer)
{
    PRE(status <= 0);
    PRE(answer.len <= ASK_BYTES_MAX);
    struct ask_open *o = u64map_remove(&n->asks.open, ask_id);
    if (o == NULL) {
        return; /* too late */
    }
    if (o->from != n->id) {
        struct buf b = BUF_INIT;
        message_put_answer(&b, o->epoch, o->seq, status, answer);
        send_frame(n, o->from, &b);
    } else {
        struct ask_item *item = u64map_get(&n->asks.sent, o->seq);
        if (item != NULL) {
            finish(n, item, status, answer);
        }
    }
    mem_free(o);
}

void asks_receive(struct rnode *n, uint64_t from, const struct message *m)
{
    if (m->kind == MESSAGE_ASK) {
        if (driver_leads(n)) {
            put_to_server(n, from, m->epoch, m->seq, m->bytes);
        } else {
            struct buf b = BUF_INIT;
            message_put_answer(&b, m->epoch, m->seq, E_NOTLEADER, slice_make(NULL, 0));
            send_frame(n, from, &b);
        }
        return;
    }
    struct ask_item *item = m->epoch == n->epoch ? u64map_get(&n->asks.sent, m->seq) : NULL;
    if (item == NULL || !item->sent || item->ask->peer != from) {
        return;
    }
    if (m->status == E_NOTLEADER) { /* it waits for the next one */
        item->sent = false;
        list_push_back(&n->asks.waiting, &item->link);
        return;
    }
    finish(n, item, m->status, m->bytes);
}

void asks_flush(struct rnode *n)
{
    uint64_t leader = driver_leader(n);
    if (leader == 0 || list_empty(&n->asks.waiting)) {
        return;
    }
    struct list batch;
    list_init(&batch);
    list_move_all(&batch, &n->asks.waiting);
    struct list *l;
    while ((l = list_pop_front(&batch)) != NULL) {
        struct ask_item *item = LIST_ENTRY(l, struct ask_item, link);
        item->sent = true;
        item->ask->peer = leader;
        if (leader == n->id) {
            struct slice question = buf_slice(&item->question);
            autobuf copy = BUF_INIT; /* the answer may come, and free the item, during the call */
            buf_append_slice(&copy, question);
            put_to_server(n, n->id, n->epoch, item->ask->seq, buf_slice(&copy));
            continue;
        }
        struct buf b = BUF_INIT;
        message_put_ask(&b, n->epoch, item->ask->seq, buf_slice(&item->question));
        send_frame(n, leader, &b);
    }
}

/* Questions to a leader that is none any more are put to the next. */
void asks_leader_changed(struct rnode *n)
{
    uint64_t leader = driver_leader(n);
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&n->asks.sent, &at)) != NULL) {
        struct ask_item *item = e->value;
        if (item->sent && item->ask->peer != leader) {
            item->sent = false;
            list_push_back(&n->asks.waiting, &item->link);
        }
    }
}

void asks_sweep(struct rnode *n, uint64_t now)
{
    struct asks *q = &n->asks;
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&q->open, &at)) != NULL) {
        struct ask_open *o = e->value;
        if (now >= o->deadline_ms) {
            u64map_remove(&q->open, o->id);
            mem_free(o);
        }
    }
    struct list expired;
    list_init(&expired);
    at = 0;
    while ((e = u64map_next(&q->sent, &at)) != NULL) {
        struct ask_item *item = e->value;
        if (now >= item->deadline_ms) {
            list_remove(&item->link);
            list_push_back(&expired, &item->link);
        }
    }
    struct list *l;
    while ((l = list_first(&expired)) != NULL) {
        struct ask_item *item = LIST_ENTRY(l, struct ask_item, link);
        finish(n, item, item->sent ? E_TIMEOUT : E_NOLEADER, slice_make(NULL, 0));
    }
    if (q->sent.n > 0 || q->open.n > 0) {
        node_sweep(n);
        node_turn(n);
    }
}

void asks_fail_all(struct rnode *n, int status)
{
    struct asks *q = &n->asks;
    for (;;) {
        size_t at = 0;
        struct u64map_entry *e = u64map_next(&q->sent, &at);
        if (e == NULL) {
            return;
        }
        finish(n, e->value, status, slice_make(NULL, 0));
    }
}

void asks_fini(struct rnode *n)
{
    struct asks *q = &n->asks;
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&q->sent, &at)) != NULL) {
        struct ask_item *item = e->value;
        buf_fini(&item->question);
        mem_free(item);
    }
    at = 0;
    while ((e = u64map_next(&q->open, &at)) != NULL) {
        mem_free(e->value);
    }
    u64map_fini(&q->sent);
    u64map_fini(&q->open);
}
