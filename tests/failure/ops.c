/* What a line of a script may say. Keys and requests are written as in tests/scenario. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "tests/failure/failure.h"

enum { UP_MS = 30000, EXPIRE_MS = 120000 };

/* --- requests --------------------------------------------------------------------------------- */

static struct ask *new_ask(struct actor *p)
{
    return arena_zalloc(&p->arena, sizeof(struct ask));
}

static void put(struct actor *p, struct words *w)
{
    struct ask *a = new_ask(p);
    a->command.type = COMMAND_PUT;
    a->command.put = read_put(w);
    ask_now(p, a);
}

static void del(struct actor *p, struct words *w)
{
    struct ask *a = new_ask(p);
    a->command.type = COMMAND_DELETE;
    a->command.del = read_delete(w);
    ask_now(p, a);
}

static void txn(struct actor *p, struct words *w)
{
    struct ask *a = new_ask(p);
    a->command.type = COMMAND_TXN;
    a->command.txn = read_txn(w);
    ask_now(p, a);
}

static void get(struct actor *p, struct words *w)
{
    struct ask *a = new_ask(p);
    a->is_range = true;
    a->range = read_range(w);
    ask_now(p, a);
}

static void grant(struct actor *p, struct words *w)
{
    struct ask *a = new_ask(p);
    a->command.type = COMMAND_LEASE_GRANT;
    a->command.lease_grant.id = words_number(w, words_next(w));
    a->command.lease_grant.ttl_s = words_number(w, words_next(w));
    ask_now(p, a);
}

static struct ask *revocation(struct actor *p, struct words *w)
{
    struct ask *a = new_ask(p);
    a->command.type = COMMAND_LEASE_REVOKE;
    a->command.lease_revoke.ids = arena_alloc(&p->arena, sizeof(int64_t));
    a->command.lease_revoke.ids[0] = words_number(w, words_next(w));
    a->command.lease_revoke.n = 1;
    return a;
}

static void revoke(struct actor *p, struct words *w)
{
    ask_now(p, revocation(p, w));
}

/* Everything older than now. */
static void compact(struct actor *p, struct words *w)
{
    (void)w;
    struct ask *a = new_ask(p);
    a->command.type = COMMAND_COMPACT;
    a->command.compact.revision = p->revision;
    ask_now(p, a);
}

/* big KEY BYTES: one large value. */
static void big(struct actor *p, struct words *w)
{
    struct ask *a = new_ask(p);
    a->command.type = COMMAND_PUT;
    a->command.put.key = slice_str(words_next(w));
    size_t bytes = (size_t)words_number(w, words_next(w));
    uint8_t *value = arena_alloc(&p->arena, bytes);
    for (size_t i = 0; i < bytes; i++) {
        value[i] = (uint8_t)(i * 31 + i / 251);
    }
    a->command.put.value = slice_make(value, bytes);
    ask_now(p, a);
}

/* fill PREFIX N: N small puts. */
static void fill(struct actor *p, struct words *w)
{
    const char *prefix = words_next(w);
    int64_t n = words_number(w, words_next(w));
    for (int64_t i = 0; i < n; i++) {
        struct ask *a = new_ask(p);
        a->command.type = COMMAND_PUT;
        a->command.put.key = slice_str(arena_printf(&p->arena, "%s%03" PRId64, prefix, i));
        a->command.put.value = slice_str(arena_printf(&p->arena, "value %" PRId64, i));
        ask_now(p, a);
    }
}

/* --- calls that the model does not know ------------------------------------------------------- */

#define WIRE(path, request, response) \
    (struct wire){ path, &(request).base, &etcdserverpb__##response##__descriptor }

static void status(struct actor *p, struct words *w)
{
    (void)w;
    Etcdserverpb__StatusRequest m = ETCDSERVERPB__STATUS_REQUEST__INIT;
    call_until_answered(p, &WIRE("/etcdserverpb.Maintenance/Status", m, status_response));
}

static void hash(struct actor *p, struct words *w)
{
    (void)w;
    Etcdserverpb__HashKVRequest m = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    call_until_answered(p, &WIRE("/etcdserverpb.Maintenance/HashKV", m, hash_kvresponse));
}

static void members(struct actor *p, struct words *w)
{
    (void)w;
    Etcdserverpb__MemberListRequest m = ETCDSERVERPB__MEMBER_LIST_REQUEST__INIT;
    m.linearizable = true;
    call_until_answered(p, &WIRE("/etcdserverpb.Cluster/MemberList", m, member_list_response));
}

static void leases(struct actor *p, struct words *w)
{
    (void)w;
    Etcdserverpb__LeaseLeasesRequest m = ETCDSERVERPB__LEASE_LEASES_REQUEST__INIT;
    call_until_answered(p, &WIRE("/etcdserverpb.Lease/LeaseLeases", m, lease_leases_response));
}

static int64_t ttl_of(struct actor *p, int64_t id)
{
    Etcdserverpb__LeaseTimeToLiveRequest m = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;
    m.id = id;
    m.keys = true;
    call_until_answered(p, &WIRE("/etcdserverpb.Lease/LeaseTimeToLive", m,
                                 lease_time_to_live_response));
    return p->err == 0 ? ((Etcdserverpb__LeaseTimeToLiveResponse *)(void *)p->msg)->ttl : -1;
}

static void ttl(struct actor *p, struct words *w)
{
    (void)ttl_of(p, words_number(w, words_next(w)));
}

/* expire ID: waits until that lease has run out. */
static void expire(struct actor *p, struct words *w)
{
    struct ask *a = revocation(p, w);
    a->command.lease_revoke.expired = true;
    uint64_t end = p->sim->now + EXPIRE_MS * 1000ull;
    while (ttl_of(p, a->command.lease_revoke.ids[0]) >= 0) {
        if (p->sim->now > end) {
            sim_violation(p->sim, "a lease does not run out");
        }
        run_for(p, 200);
    }
    model_happened(p->model, a);
}

/* --- machines --------------------------------------------------------------------------------- */

struct node *node_read(struct actor *p, struct words *w)
{
    int64_t id = words_number(w, words_next(w));
    bool known = false;
    for (unsigned i = 0; i < p->n_members; i++) {
        known = known || p->members[i] == id;
    }
    if (!known) {
        words_fail(w, "no such member");
    }
    p->disturbed = true;
    return &p->sim->nodes[id];
}

static void wait_up(struct actor *p)
{
    if (!run_until(p, all_up, UP_MS)) {
        sim_violation(p->sim, "a member does not come back");
    }
    /* A read that is sent until it is answered: the next write finds a connection that works. */
    struct ask *a = new_ask(p);
    a->is_range = a->range.count_only = true;
    a->range.key = a->range.range_end = slice_make("", 1);
    ask_now(p, a);
}

static void power(struct actor *p, struct words *w)
{
    struct node *n = node_read(p, w);
    if (n->up) {
        node_crash(n, false, true);
    }
    wait_up(p);
}

static void kill_member(struct actor *p, struct words *w)
{
    struct node *n = node_read(p, w);
    if (n->up) {
        node_crash(n, false, false);
    }
    wait_up(p);
}

static void restart(struct actor *p, struct words *w)
{
    struct node *n = node_read(p, w);
    if (n->up && !n->stopping) {
        node_stop(n);
        sim_post(p->sim, p->sim->now + 100000, EV_START, NULL, n->id, NULL);
    }
    wait_up(p);
}

static void cut(struct actor *p, struct words *w)
{
    unsigned id = node_read(p, w)->id;
    for (unsigned i = 1; i <= p->sim->n_nodes; i++) {
        p->sim->cut[i][id] = p->sim->cut[id][i] = i != id;
    }
    p->at = p->at == id ? next_member(p, id) : p->at;
}

static void heal(struct actor *p, struct words *w)
{
    (void)w;
    memset(p->sim->cut, 0, sizeof p->sim->cut);
}

static void level(struct actor *p, struct words *w)
{
    (void)w;
    if (!run_until(p, all_level, UP_MS)) {
        sim_violation(p->sim, "the members do not level");
    }
}

static void ask_at(struct actor *p, struct words *w)
{
    bool before = p->disturbed;
    p->at = node_read(p, w)->id;
    p->disturbed = before;
}

static void wait(struct actor *p, struct words *w)
{
    run_for(p, (uint64_t)words_time(w, words_next(w)));
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*fn)(struct actor *p, struct words *w);
} OPS[] = {
    { "put", put },         { "del", del },         { "txn", txn },     { "get", get },
    { "grant", grant },     { "revoke", revoke },   { "expire", expire }, { "ttl", ttl },
    { "leases", leases },   { "compact", compact }, { "big", big },     { "fill", fill },
    { "watch", watch_open }, { "status", status },  { "hash", hash },   { "member-list", members },
    { "power", power },     { "kill", kill_member }, { "restart", restart }, { "cut", cut },
    { "heal", heal },       { "level", level },     { "at", ask_at },   { "wait", wait },
    { "add", change_add },  { "remove", change_remove }, { "lead", change_lead },
};

void op_play(struct actor *p, struct words *w)
{
    const char *name = words_next(w);
    for (size_t i = 0; i < sizeof OPS / sizeof OPS[0]; i++) {
        if (strcmp(OPS[i].name, name) == 0) {
            OPS[i].fn(p, w);
            return;
        }
    }
    words_fail(w, "no such operation");
}
