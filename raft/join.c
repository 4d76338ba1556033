/* The asking side of a join; see the header. One knock is out at a time. */
#include "raft/join.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/codec/mp.h"
#include "raft/transport.h"

enum {
    ANSWER_VERSION = 1,
    ADDRESSES_MAX = 2 * LIMIT_PEERS,
    KNOCK_MS = 12000, /* a replacement is two changes of the membership */
    PAUSE_MS = 200,   /* between two knocks */
    KNOCK_ONCE_MS = 2000,
};

/* --- the answer's bytes ----------------------------------------------------------------------- */

void join_answer_encode(const struct join_answer *a, struct buf *out)
{
    mp_put_array(out, 6);
    mp_put_u64(out, ANSWER_VERSION);
    mp_put_u64(out, (uint64_t)-(int64_t)a->status);
    mp_put_u64(out, a->cluster_id);
    mp_put_u64(out, a->leader_id);
    mp_put_u64(out, a->your_id);
    mp_put_array(out, (uint32_t)a->n_members);
    for (size_t i = 0; i < a->n_members; i++) {
        const struct rnode_member *m = &a->members[i];
        mp_put_array(out, 5);
        mp_put_u64(out, m->id);
        mp_put_u64(out, (uint64_t)m->role);
        mp_put_str(out, m->name);
        mp_put_str(out, m->peer_address);
        mp_put_str(out, m->client_url);
    }
}

size_t join_others(const struct join_answer *a, struct rnode_member *ret_others)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_members; i++) {
        if (a->members[i].id != a->your_id) {
            ret_others[n++] = a->members[i];
        }
    }
    return n;
}

static void get_text(struct mp_reader *r, char *out, size_t size)
{
    struct slice s = mp_get_bin(r, size - 1);
    if (s.len > 0) {
        memcpy(out, s.data, s.len);
    }
    out[s.len] = '\0';
}

int join_answer_decode(struct slice bytes, struct join_answer *ret_answer)
{
    struct mp_reader r;
    struct join_answer a = { 0 };
    mp_reader_init(&r, bytes);
    uint32_t fields = mp_get_array(&r, 16);
    if (mp_get_u64(&r) != ANSWER_VERSION) {
        return mp_reader_error(&r) != 0 ? E_PROTO : E_UNSUPPORTED;
    }
    uint64_t status = mp_get_u64(&r);
    a.cluster_id = mp_get_u64(&r);
    a.leader_id = mp_get_u64(&r);
    a.your_id = mp_get_u64(&r);
    a.n_members = mp_get_array(&r, LIMIT_PEERS);
    for (size_t i = 0; i < a.n_members && mp_reader_error(&r) == 0; i++) {
        struct rnode_member *m = &a.members[i];
        mp_get_array(&r, 5);
        m->id = mp_get_u64(&r);
        m->role = mp_get_u64(&r) == RNODE_VOTER ? RNODE_VOTER : RNODE_LEARNER;
        get_text(&r, m->name, sizeof m->name);
        get_text(&r, m->peer_address, sizeof m->peer_address);
        get_text(&r, m->client_url, sizeof m->client_url);
    }
    if (mp_reader_error(&r) != 0 || fields < 6 || status > 1000 || a.n_members > LIMIT_PEERS) {
        return E_PROTO;
    }
    a.status = -(int)status;
    *ret_answer = a;
    return 0;
}

/* --- a join ----------------------------------------------------------------------------------- */

struct join {
    struct join_options o; /* name and address are ours */
    char (*addresses)[128];
    size_t n;
    size_t at;
    size_t asked;
    bool has_lost;         /* JOIN_REPLACE: `lost` is what JOIN_WHO has told; 0: nobody was there */
    uint64_t lost;
    uint64_t deadline_ms;
    struct timer timer;
    struct transport_knock *knock;
    bool canceled;
    struct err last;       /* what was in the way */
    void (*done)(void *arg, int status, const struct join_answer *answer, const struct err *err);
    void *arg;
};

static void join_free(struct join *j)
{
    timer_stop(&j->timer);
    mem_free((void *)(uintptr_t)j->o.name);
    mem_free((void *)(uintptr_t)j->o.address);
    mem_free(j->addresses);
    mem_free(j);
}

static void finish(struct join *j, int status, const struct join_answer *answer)
{
    void (*done)(void *arg, int status, const struct join_answer *answer, const struct err *err) =
        j->done;
    void *arg = j->arg;
    struct err last = j->last;
    join_free(j);
    if (done != NULL) {
        done(arg, status, answer, &last);
    }
}

/* Its place in the list, where it is put if there is room. */
static size_t know(struct join *j, const char *address)
{
    size_t i = 0;
    while (i < j->n && !str_eq(j->addresses[i], address)) {
        i++;
    }
    if (i == j->n && i < ADDRESSES_MAX && !str_eq(address, j->o.address)) {
        str_copy(j->addresses[j->n++], sizeof j->addresses[0], address);
    }
    return i;
}

/* What the answer says of others: more to ask, and the leader first. */
static void learn(struct join *j, const struct join_answer *a)
{
    for (size_t i = 0; i < a->n_members; i++) {
        size_t at = know(j, a->members[i].peer_address);
        if (a->members[i].id == a->leader_id && at < j->n) {
            j->at = at;
        }
    }
}

/* `a` may be NULL. */
static void next(struct join *j, const struct join_answer *a)
{
    j->at = (j->at + 1) % j->n;
    if (j->o.once && ++j->asked == j->n) {
        finish(j, E_MEMBER_NOT_FOUND, NULL);
        return;
    }
    if (a != NULL && !j->o.once) {
        learn(j, a);
    }
    timer_start(&j->timer, j->o.once ? 0 : PAUSE_MS);
}

static bool asks_who_first(const struct join *j)
{
    return j->o.what == JOIN_REPLACE && !j->has_lost;
}

static void on_answer(struct join *j, const struct join_answer *a)
{
    const char *from = j->addresses[j->at];
    if (a->status == 0 && asks_who_first(j)) {
        j->has_lost = true;
        j->lost = a->your_id;
        learn(j, a);
        timer_start(&j->timer, 0);
        return;
    }
    if (a->status == 0 && a->your_id != 0) {
        finish(j, 0, a);
        return;
    }
    if (a->status == 0 && !j->o.once) {
        err_set(&j->last, E_MEMBER_NOT_FOUND, "cluster %016" PRIx64 " has no member at %s (says "
                "%s)", a->cluster_id, j->o.address, from);
        finish(j, E_MEMBER_NOT_FOUND, a);
        return;
    }
    err_set(&j->last, a->status, "%s: %s", from,
            a->status == E_NOTREADY ? "a change is not possible yet: no settled leader, or the "
                                      "member in question was heard of a moment ago"
                                    : err_text(a->status));
    next(j, a);
}

static void on_knocked(void *arg, int status, struct slice bytes)
{
    struct join *j = arg;
    struct join_answer *a = mem_zalloc(sizeof *a);
    j->knock = NULL;
    if (j->canceled) {
        mem_free(a);
        finish(j, E_CANCELED, NULL);
        return;
    }
    if (status == 0) {
        status = join_answer_decode(bytes, a);
    }
    if (status == 0) {
        on_answer(j, a);
    } else {
        err_set(&j->last, status, "%s: %.*s", j->addresses[j->at],
                status == E_MISMATCH ? (int)bytes.len : (int)strlen(err_text(status)),
                status == E_MISMATCH ? (const char *)bytes.data : err_text(status));
        next(j, NULL);
    }
    mem_free(a);
}

static void on_timer(struct timer *timer)
{
    struct join *j = CONTAINER_OF(timer, struct join, timer);
    uint64_t now = loop_now_ms(j->o.loop);
    if (j->canceled) {
        finish(j, E_CANCELED, NULL);
        return;
    }
    if (now >= j->deadline_ms || j->n == 0) {
        if (j->n == 0) {
            err_set(&j->last, E_TIMEOUT, "there is no other member to ask");
        }
        finish(j, E_TIMEOUT, NULL);
        return;
    }
    uint64_t left = j->deadline_ms - now;
    uint64_t most = j->o.once ? KNOCK_ONCE_MS : KNOCK_MS;
    enum join_what what = asks_who_first(j) ? JOIN_WHO : j->o.what;
    struct knock knock = { .cluster_id = j->o.cluster_id, .what = (uint64_t)what,
                           .about = j->lost };
    str_copy(knock.name, sizeof knock.name, j->o.name);
    str_copy(knock.address, sizeof knock.address, j->o.address);
    j->knock = transport_knock_start(j->o.loop, j->addresses[j->at], &knock,
                                     left < most ? left : most, on_knocked, j);
}

struct join *join_start(const struct join_options *o,
                        void (*done)(void *arg, int status, const struct join_answer *answer,
                                     const struct err *err),
                        void *arg)
{
    PRE(done != NULL);
    struct join *j = mem_zalloc(sizeof *j);
    j->o = *o;
    j->o.name = mem_strdup(o->name);
    j->o.address = mem_strdup(o->address);
    j->o.ask = NULL;
    j->addresses = mem_zalloc(ADDRESSES_MAX * sizeof *j->addresses);
    j->done = done;
    j->arg = arg;
    j->deadline_ms = loop_now_ms(o->loop) + o->timeout_ms;
    for (size_t i = 0; i < o->n_ask; i++) {
        know(j, o->ask[i]);
    }
    timer_init(o->loop, &j->timer, on_timer);
    timer_start(&j->timer, 0);
    return j;
}

void join_cancel(struct join *j)
{
    j->canceled = true;
    if (j->knock != NULL) {
        transport_knock_cancel(j->knock);
    } else {
        timer_start(&j->timer, 0);
    }
}

void join_abandon(struct join *j)
{
    j->done = NULL;
    if (j->knock != NULL) {
        join_cancel(j); /* its memory goes when the knock has ended */
    } else {
        join_free(j);
    }
}
