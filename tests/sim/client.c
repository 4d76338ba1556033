/* The clients: proposals, linearizable reads and questions at any member, and what they must be
 * told.
 *
 * Every request has one answer, once, in time. An acknowledged proposal is in the one history. A
 * read that succeeds sees at least what had been acknowledged, or read, anywhere before it was
 * asked. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "tests/sim/sim.h"

enum {
    OPEN_MAX = 3000,
    ANSWER_WITHIN_US = 15000000,
};

enum kind { KIND_PROPOSAL, KIND_READ, KIND_ASK };

struct request {
    union {
        struct rnode_proposal proposal;
        struct rnode_read read;
        struct rnode_ask ask;
    } u;
    struct list link;
    struct clients *clients;
    struct node *node;
    enum kind kind;
    bool probe;
    uint64_t id;      /* proposals and questions */
    uint64_t need;    /* reads: the index to be seen */
    bool own_seen;    /* proposals: the state machine got it as its own */
    uint64_t since;
    uint64_t timeout_ms;
    uint64_t serial;
    bool waiting;     /* in the socket of a stopped process */
};

struct clients {
    struct sim *sim;
    struct list open;
    size_t n_open;
    uint64_t next_id, next_serial;
    uint64_t known; /* highest index acknowledged or read */
    bool probed[SIM_NODES_MAX + 1][2]; /* proposal, read */
};

struct clients *clients_new(struct sim *s)
{
    struct clients *c = mem_zalloc(sizeof *c);
    c->sim = s;
    list_init(&c->open);
    return c;
}

static void request_free(struct request *r)
{
    list_remove(&r->link);
    r->clients->n_open--;
    mem_free(r);
}

void clients_free(struct clients *c)
{
    struct list *it;
    while ((it = list_first(&c->open)) != NULL) {
        request_free(LIST_ENTRY(it, struct request, link));
    }
    mem_free(c);
}

static struct request *request_new(struct clients *c, struct node *n, enum kind kind)
{
    struct request *r = mem_zalloc(sizeof *r);
    r->clients = c;
    r->node = n;
    r->kind = kind;
    r->id = kind == KIND_READ ? 0 : ++c->next_id;
    r->since = c->sim->now;
    r->serial = ++c->next_serial;
    r->need = c->known;
    r->timeout_ms = rng_range(&c->sim->dice, 500, 5000);
    list_init(&r->link);
    list_push_back(&c->open, &r->link);
    c->n_open++;
    return r;
}

static void know(struct clients *c, uint64_t index)
{
    c->known = index > c->known ? index : c->known;
}

/* Answers come from the node's own code, so the node runs. */
static void expect_running(struct request *r)
{
    struct sim *s = r->clients->sim;
    if (s->running != r->node) {
        sim_violation(s, "ANSWER FROM NOWHERE: of member %u", r->node->id);
    }
}

/* --- proposals -------------------------------------------------------------------------------- */

static void acknowledged(struct request *r)
{
    struct sim *s = r->clients->sim;
    uint64_t index = r->u.proposal.index;
    s->stats->acked++;
    if (!r->own_seen || check_proposal_index(s->check, r->id) != index) {
        sim_violation(s, "ACKED, NOT APPLIED: proposal %" PRIu64 " at index %" PRIu64, r->id,
                      index);
    }
    if (machine_applied(r->node->machine) < index) {
        sim_violation(s, "ACKED BEFORE APPLIED: proposal %" PRIu64, r->id);
    }
    know(r->clients, index);
    if (r->probe) {
        r->clients->probed[r->node->id][0] = true;
    }
}

static void proposal_done(struct rnode_proposal *self, int status)
{
    struct request *r = CONTAINER_OF(self, struct request, u.proposal);
    struct sim *s = r->clients->sim;
    expect_running(r);
    sim_trace(s, r->id ^ (uint64_t)(int64_t)status << 32);
    if (status == 0) {
        acknowledged(r);
    } else if (status == E_NOLEADER || status == E_TOO_MANY_REQUESTS || status == E_DISKFULL) {
        s->stats->refused++;
        check_never(s, r->id);
    } else if (status == E_TIMEOUT || status == E_LEADER_CHANGED || status == E_STOPPED) {
        s->stats->unknown++;
    } else {
        sim_violation(s, "UNKNOWN STATUS %s of a proposal", err_name(status));
    }
    request_free(r);
}

void clients_check_own(struct node *n, const struct rnode_proposal *own, uint64_t id)
{
    struct request *r = CONTAINER_OF(own, struct request, u.proposal);
    if (r->kind != KIND_PROPOSAL || r->id != id || r->node != n || r->own_seen) {
        sim_violation(n->sim, "FOREIGN PROPOSAL: member %u takes %" PRIu64 " for its own", n->id,
                      id);
    }
    r->own_seen = true;
}

/* --- reads ------------------------------------------------------------------------------------ */

static void read_done(struct rnode_read *self, int status)
{
    struct request *r = CONTAINER_OF(self, struct request, u.read);
    struct sim *s = r->clients->sim;
    expect_running(r);
    if (status == 0) {
        uint64_t applied = machine_applied(r->node->machine);
        if (applied < r->need) {
            sim_violation(s, "STALE READ: member %u has applied %" PRIu64 ", %" PRIu64 " was known",
                          r->node->id, applied, r->need);
        }
        /* What the reader can see now may be told to others. */
        know(r->clients, applied);
        s->stats->reads++;
        if (r->probe) {
            r->clients->probed[r->node->id][1] = true;
        }
    } else {
        s->stats->reads_failed++;
        if (status != E_NOLEADER && status != E_TIMEOUT && status != E_STOPPED) {
            sim_violation(s, "UNKNOWN STATUS %s of a read", err_name(status));
        }
    }
    request_free(r);
}

/* --- questions -------------------------------------------------------------------------------- */

struct question {
    uint64_t id;
    uint64_t sum;
};

static void ask_done(struct rnode_ask *self, int status, struct slice answer)
{
    struct request *r = CONTAINER_OF(self, struct request, u.ask);
    struct question q;
    expect_running(r);
    if (status == 0) {
        if (answer.len != sizeof q) {
            sim_violation(r->clients->sim, "ANSWER OF %zu BYTES", answer.len);
        }
        memcpy(&q, answer.data, sizeof q);
        if (q.id != r->id || q.sum != hash_u64(r->id)) {
            sim_violation(r->clients->sim, "ANSWER TO ANOTHER QUESTION: %" PRIu64, q.id);
        }
        r->clients->sim->stats->asks++;
    }
    request_free(r);
}

void clients_on_ask(struct node *n, uint64_t ask_id, struct slice question)
{
    struct question q;
    if (question.len != sizeof q) {
        sim_violation(n->sim, "QUESTION OF %zu BYTES", question.len);
    }
    memcpy(&q, question.data, sizeof q);
    q.sum = hash_u64(q.id);
    rnode_answer(n->rnode, ask_id, 0, slice_make(&q, sizeof q));
}

/* --- asking ----------------------------------------------------------------------------------- */

static void start(struct node *n, void *arg)
{
    struct request *r = arg;
    struct sim *s = n->sim;
    r->waiting = false;
    if (r->kind == KIND_PROPOSAL) {
        autobuf command = BUF_INIT;
        machine_command(s, r->id, &command);
        r->u.proposal.done = proposal_done;
        s->stats->proposed++;
        rnode_propose(n->rnode, &r->u.proposal, buf_slice(&command), r->timeout_ms);
    } else if (r->kind == KIND_READ) {
        r->u.read.done = read_done;
        rnode_read_index(n->rnode, &r->u.read, r->timeout_ms);
    } else {
        struct question q = { .id = r->id };
        r->u.ask.done = ask_done;
        rnode_ask_leader(n->rnode, &r->u.ask, slice_make(&q, sizeof q), r->timeout_ms);
    }
}

/* The caller goes away: no answer may come any more. */
static void forget(struct node *n, void *arg)
{
    struct request *r = arg;
    if (r->kind == KIND_PROPOSAL) {
        rnode_propose_forget(n->rnode, &r->u.proposal);
    } else if (r->kind == KIND_READ) {
        rnode_read_forget(n->rnode, &r->u.read);
    } else {
        rnode_ask_forget(n->rnode, &r->u.ask);
    }
    memset(&r->u, 0xee, sizeof r->u);
    request_free(r);
}

static bool accepts(const struct node *n)
{
    return n->up && n->rnode != NULL && !n->stopping && !n->removed;
}

/* What is asked of a stopped process waits in its socket beside what its peers have sent, and comes
 * up when it goes on: before some of that, after the rest. */
static void ask(struct clients *c, struct node *n, enum kind kind, bool probe)
{
    if (c->n_open < OPEN_MAX && accepts(n)) {
        struct request *r = request_new(c, n, kind);
        r->probe = probe;
        r->waiting = n->paused_until > c->sim->now;
        if (r->waiting) {
            sim_post(c->sim, n->paused_until, EV_ASKED, n, r->serial, NULL);
        } else {
            node_enter(n, start, r);
        }
    }
}

void clients_asked(struct node *n, uint64_t serial)
{
    struct sim *s = n->sim;
    (void)sim_choose(s, CHOICE_RESUMED);
    LIST_FOREACH_SAFE(it, &s->clients->open)
    {
        struct request *r = LIST_ENTRY(it, struct request, link);
        if (r->serial != serial) {
            continue;
        }
        if (accepts(n)) {
            node_enter(n, start, r);
        } else {
            request_free(r);
        }
        return;
    }
}

/* One of the oldest requests. */
static void forget_one(struct clients *c)
{
    uint64_t skip = rng_range(&c->sim->dice, 0, 3);
    LIST_FOREACH(it, &c->open)
    {
        struct request *r = LIST_ENTRY(it, struct request, link);
        if (skip-- == 0) {
            if (accepts(r->node) && r->node->paused_until <= c->sim->now && !r->waiting &&
                !r->probe) {
                c->sim->stats->forgotten++;
                node_enter(r->node, forget, r);
            }
            return;
        }
    }
}

void clients_event(struct sim *s)
{
    struct clients *c = s->clients;
    if (rng_chance(&s->dice, 0.03)) {
        forget_one(c);
    }
    struct node *leader = rng_chance(&s->dice, 0.6) ? sim_leader(s) : NULL;
    struct node *n = leader != NULL ? leader : &s->nodes[rng_range(&s->dice, 1, s->n_nodes)];
    unsigned k = rng_chance(&s->dice, 0.15) ? (unsigned)rng_range(&s->dice, 1, 12) : 1;
    for (unsigned i = 0; i < k; i++) {
        double what = rng_double(&s->dice);
        ask(c, n, what < 0.6 ? KIND_PROPOSAL : what < 0.96 ? KIND_READ : KIND_ASK, false);
    }
}

void clients_probe(struct sim *s)
{
    for (unsigned i = 1; i <= s->n_nodes; i++) {
        for (int k = 0; k < 2; k++) {
            if (!s->clients->probed[i][k]) {
                ask(s->clients, &s->nodes[i], k == 0 ? KIND_PROPOSAL : KIND_READ, true);
            }
        }
    }
}

bool clients_probed(const struct sim *s, const struct node *n)
{
    return s->clients->probed[n->id][0] && s->clients->probed[n->id][1];
}

void clients_node_down(struct node *n)
{
    struct clients *c = n->sim->clients;
    LIST_FOREACH_SAFE(it, &c->open)
    {
        struct request *r = LIST_ENTRY(it, struct request, link);
        if (r->node != n) {
            continue;
        }
        if (n->closed && !r->waiting) {
            sim_violation(n->sim, "NEVER ANSWERED: member %u stopped with a request open", n->id);
        }
        request_free(r);
    }
}

void clients_check_end(struct sim *s)
{
    LIST_FOREACH(it, &s->clients->open)
    {
        const struct request *r = LIST_ENTRY(it, struct request, link);
        if (s->now - r->since > ANSWER_WITHIN_US) {
            sim_violation(s,
                          "NEVER ANSWERED: request of kind %d at member %u, asked at %" PRIu64
                          " ms",
                          (int)r->kind, r->node->id, r->since / 1000);
        }
    }
}
