/* Answering those who stand outside (join.h has both questions).
 *
 *   WHO      ReadIndex -> the applied configuration
 *   STARTED  at once, and from all that is in the log: who has published its name has taken part
 *   REPLACE  on the leader: REMOVE the silent member at the address -> ADD_LEARNER under a new id,
 *            which is promoted once it has caught up (change.c). When it is not the one that the
 *            question is about, that was done before, for a question that came twice or late, and
 *            whoever is there has not begun yet: an asker's id is that of a read after its boot.
 *
 * Why no acknowledged write is lost by a replacement: the change that removes a voter is committed
 * by a majority of those that stay, and a majority that takes an entry of the leader's term has all
 * that was committed before. What the removed one had promised (its vote, its log) binds nobody any
 * more, because its id never votes again. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "raft/configuration.h"
#include "raft/join.h"
#include "raft/membership.h"
#include "raft/node.h"

enum { WHO_MS = 5000 };

struct knock_wait {
    struct list link;
    struct rnode *n;
    uint64_t id;
    struct knock knock;
    struct rnode_read read;
    bool replaces;
    uint64_t new_id;
};

void knocks_init(struct rnode *n)
{
    list_init(&n->knocks);
}

void knocks_fini(struct rnode *n)
{
    LIST_FOREACH_SAFE(it, &n->knocks)
    {
        mem_free(LIST_ENTRY(it, struct knock_wait, link));
    }
}

/* The applied configuration: nothing in it can be taken back. */
static void fill_members(struct rnode *n, const struct knock *knock, struct join_answer *a)
{
    struct raft_configuration conf;
    if (n->conf == NULL) {
        return;
    }
    configuration_decode(value_slice(n->conf), &conf);
    for (unsigned i = 0; i < conf.n && a->n_members < LIMIT_PEERS; i++) {
        struct rnode_member *m = &a->members[a->n_members++];
        membership_fill(n, &conf.servers[i], m);
        a->your_id = str_eq(m->peer_address, knock->address) ? m->id : a->your_id;
    }
    raft_configuration_close(&conf);
}

/* Who is at the address in the applied configuration; 0: nobody. */
static uint64_t applied_at(const struct rnode *n, const char *address)
{
    struct raft_configuration conf;
    uint64_t id = 0;
    if (n->conf == NULL) {
        return 0;
    }
    configuration_decode(value_slice(n->conf), &conf);
    for (unsigned i = 0; i < conf.n; i++) {
        id = str_eq(conf.servers[i].address, address) ? conf.servers[i].id : id;
    }
    raft_configuration_close(&conf);
    return id;
}

static const struct raft_server *server_at(const struct rnode *n, const char *address)
{
    const struct raft_configuration *conf = &n->core.configuration;
    for (unsigned i = 0; i < conf->n; i++) {
        if (str_eq(conf->servers[i].address, address)) {
            return &conf->servers[i];
        }
    }
    return NULL;
}

/* Its name, in what is applied or in what may be: without a leader a member that has started anew
 * knows no more than its snapshot. */
static bool has_published(struct rnode *n, uint64_t id)
{
    if (membership_name_of(n, id) != NULL) {
        return true;
    }
    for (uint64_t i = n->applied + 1; i <= n->log.last; i++) {
        const struct entry *e = entry_log_get(&n->log, i);
        struct envelope env;
        if (e != NULL && e->type == RAFT_COMMAND &&
            envelope_decode(value_slice(e->data), &env) == 0 && env.kind == COMMAND_ATTRS &&
            env.origin == id) {
            return true;
        }
    }
    return false;
}

/* A learner is no founder: it was put there in place of one, with or without a name. */
static uint64_t started(struct rnode *n, const char *address)
{
    const struct raft_server *s = n->core_up ? server_at(n, address) : NULL;
    return s != NULL && (s->role != RAFT_VOTER || has_published(n, s->id)) ? s->id : 0;
}

static void answer(struct knock_wait *w, int status)
{
    struct rnode *n = w->n;
    if (n->transport != NULL && n->closing < CLOSE_TRANSPORT) {
        struct join_answer *a = mem_zalloc(sizeof *a);
        autobuf b = BUF_INIT;
        a->status = status;
        a->cluster_id = n->cluster_id;
        a->leader_id = driver_leader(n);
        fill_members(n, &w->knock, a);
        if (w->knock.what == JOIN_STARTED) {
            a->your_id = started(n, w->knock.address);
        }
        join_answer_encode(a, &b);
        transport_knock_answer(n->transport, w->id, &b);
        mem_free(a);
    }
    list_remove(&w->link);
    mem_free(w);
}

static void on_read(struct rnode_read *read, int status)
{
    answer(CONTAINER_OF(read, struct knock_wait, read), status);
}

/* --- a replacement ---------------------------------------------------------------------------- */

static void on_added(void *arg, int status)
{
    struct knock_wait *w = arg;
    if (status == 0) {
        log_info("raft", "a learner takes the place of a member that lost its state",
                 "name=%s address=%s id=%016" PRIx64, w->knock.name, w->knock.address, w->new_id);
    }
    answer(w, status);
}

static void add(struct knock_wait *w)
{
    struct rnode *n = w->n;
    struct rnode_member m = { .role = RNODE_LEARNER };
    uint64_t salt = hash_bytes(w->knock.address, strlen(w->knock.address));
    w->new_id = rnode_new_id(hash_u64(salt ^ hash_u64(n->id ^ hash_u64(n->log.last))), true);
    m.id = w->new_id;
    str_copy(m.peer_address, sizeof m.peer_address, w->knock.address);
    rnode_change(n, MEMBER_ADD_LEARNER, &m, on_added, w);
}

static void on_removed(void *arg, int status)
{
    if (status == 0) {
        add(arg);
    } else {
        answer(arg, status);
    }
}

static bool replacing(const struct rnode *n, const struct knock_wait *but)
{
    LIST_FOREACH(it, &n->knocks)
    {
        const struct knock_wait *w = LIST_ENTRY(it, struct knock_wait, link);
        if (w != but && w->replaces) {
            return true;
        }
    }
    return false;
}

static void replace(struct knock_wait *w)
{
    struct rnode *n = w->n;
    if (!driver_leads(n)) {
        answer(w, E_NOTLEADER);
        return;
    }
    if (replacing(n, w)) {
        answer(w, E_CONFLICT);
        return;
    }
    const struct raft_server *old = server_at(n, w->knock.address);
    if (old == NULL) {
        w->replaces = true;
        add(w);
        return;
    }
    if (old->id != w->knock.about) {
        answer(w, applied_at(n, w->knock.address) == old->id ? 0 : E_CONFLICT);
        return;
    }
    if (old->id == n->id || change_heard_lately(n, old->id)) {
        answer(w, E_NOTREADY);
        return;
    }
    struct rnode_member m = { .id = old->id };
    w->replaces = true;
    log_warn("raft", "a member says that it has lost its state: it is removed", "name=%s "
             "address=%s id=%016" PRIx64, w->knock.name, w->knock.address, m.id);
    rnode_change(n, MEMBER_REMOVE, &m, on_removed, w);
}

void knock_receive(void *arg, uint64_t knock_id, const struct knock *knock)
{
    struct rnode *n = arg;
    struct knock_wait *w = mem_zalloc(sizeof *w);
    w->n = n;
    w->id = knock_id;
    w->knock = *knock;
    w->read.done = on_read;
    list_init(&w->link);
    list_push_back(&n->knocks, &w->link);
    if (knock->what == JOIN_WHO) {
        rnode_read_index(n, &w->read, WHO_MS);
    } else if (knock->what == JOIN_STARTED) {
        answer(w, 0);
    } else if (knock->what == JOIN_REPLACE && knock->address[0] != '\0') {
        replace(w);
    } else {
        answer(w, E_UNSUPPORTED);
    }
}
