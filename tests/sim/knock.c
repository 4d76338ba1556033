/* Knocks (raft/transport.h) over the simulated network: one message there, one back. Either may be
 * late, lost or cut, or find that the process is another one by now; then the asker's timeout ends
 * it. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/io/timer.h"
#include "tests/sim/net.h"

struct transport_knock {
    struct node *node;
    uint64_t serial;
    struct timer timer;
    void (*done)(void *arg, int status, struct slice answer);
    void *arg;
};

struct knock_asked { /* at the asked end, until it is answered */
    struct list link;
    uint64_t serial;
    unsigned from;
    uint64_t from_gen;
};

struct knock_message {
    uint64_t serial;
    unsigned from;
    uint64_t gen; /* of whoever asks */
    struct knock knock;
    size_t len;
    uint8_t answer[];
};

static void post(struct sim *s, enum event_kind kind, struct node *from, struct node *to,
                 struct knock_message *m)
{
    if (s->cut[from->id][to->id] || (!s->healed && rng_chance(&s->rng, s->o.loss))) {
        s->stats->frames_lost++;
        mem_free(m);
        return;
    }
    sim_post(s, s->now + net_delay(s), kind, to, 0, m);
}

/* --- the asking end --------------------------------------------------------------------------- */

static void finish(struct transport_knock *k, int status, struct slice answer)
{
    void (*done)(void *arg, int status, struct slice answer) = k->done;
    void *arg = k->arg;
    sim_knock_free(k->node);
    done(arg, status, answer);
}

static void on_timeout(struct timer *timer)
{
    finish(CONTAINER_OF(timer, struct transport_knock, timer), E_TIMEOUT, slice_make(NULL, 0));
}

struct transport_knock *transport_knock_start(
    struct loop *loop, const char *address, const struct knock *knock, uint64_t timeout_ms,
    void (*done)(void *arg, int status, struct slice answer), void *arg)
{
    struct node *n = sim_loop_node(loop);
    struct sim *s = n->sim;
    unsigned to = 0;
    INVARIANT(n->knock == NULL && sscanf(address, "10.0.0.%u:", &to) == 1);
    INVARIANT(to >= 1 && to <= s->n_nodes);
    struct transport_knock *k = mem_zalloc(sizeof *k);
    *k = (struct transport_knock){ .node = n, .serial = ++s->knock_serial, .done = done,
                                   .arg = arg };
    n->knock = k;
    timer_init(loop, &k->timer, on_timeout);
    timer_start(&k->timer, timeout_ms < 2000 ? timeout_ms : 2000);
    struct knock_message *m = mem_zalloc(sizeof *m);
    *m = (struct knock_message){ .serial = k->serial, .from = n->id, .gen = n->gen,
                                 .knock = *knock };
    post(s, EV_KNOCK, n, &s->nodes[to], m);
    return k;
}

void transport_knock_cancel(struct transport_knock *k)
{
    finish(k, E_CANCELED, slice_make(NULL, 0));
}

void sim_knock_free(struct node *n)
{
    if (n->knock != NULL) {
        timer_stop(&n->knock->timer);
        mem_free(n->knock);
        n->knock = NULL;
    }
}

static void take_answer(struct node *n, void *arg)
{
    struct knock_message *m = arg;
    finish(n->knock, 0, slice_make(m->answer, m->len));
}

void sim_knock_answered(struct sim *s, struct event *e)
{
    struct node *n = &s->nodes[e->node];
    struct knock_message *m = e->p;
    if (n->knock != NULL && n->knock->serial == m->serial && n->gen == m->gen) {
        node_enter(n, take_answer, m);
    }
}

/* --- the asked end ---------------------------------------------------------------------------- */

static void hear(struct node *n, void *arg)
{
    struct knock_message *m = arg;
    struct transport *t = n->transport;
    struct knock_asked *a = mem_zalloc(sizeof *a);
    *a = (struct knock_asked){ .serial = m->serial, .from = m->from, .from_gen = m->gen };
    list_init(&a->link);
    list_push_back(&t->knocks, &a->link);
    t->options.on_knock(t->options.arg, m->serial, &m->knock);
}

void sim_knock_arrived(struct sim *s, struct event *e)
{
    struct node *n = &s->nodes[e->node];
    struct knock_message *m = e->p;
    bool foreign = n->transport != NULL && m->knock.cluster_id != 0 &&
                   m->knock.cluster_id != n->transport->options.cluster_id;
    if (n->transport != NULL && !n->transport->closing && !foreign) {
        node_enter(n, hear, m);
    }
}

void transport_knock_answer(struct transport *t, uint64_t knock_id, struct buf *b)
{
    struct sim *s = t->node->sim;
    LIST_FOREACH_SAFE(it, &t->knocks)
    {
        struct knock_asked *a = LIST_ENTRY(it, struct knock_asked, link);
        if (a->serial != knock_id) {
            continue;
        }
        struct node *to = &s->nodes[a->from];
        struct knock_message *m = mem_zalloc(sizeof *m + b->len);
        *m = (struct knock_message){ .serial = a->serial, .gen = a->from_gen, .len = b->len };
        memcpy(m->answer, b->data, b->len);
        post(s, EV_KNOCKED, t->node, to, m);
        list_remove(&a->link);
        mem_free(a);
    }
    buf_reset(b);
}

void net_knocks_free(struct transport *t)
{
    LIST_FOREACH_SAFE(it, &t->knocks)
    {
        mem_free(LIST_ENTRY(it, struct knock_asked, link));
    }
    list_init(&t->knocks);
}
