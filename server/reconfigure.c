/* The leader's side of membership changes: the rules, and the questions that members put.
 *
 * A question is msgpack [ASK_CHANGE, change, id, address]; the answer is empty. The asker has
 * picked the id of a member to be added, so that asking twice adds one. A leader that is to be
 * removed hands leadership over first and says that it is none: the asker asks the next one. */
#include "server/reconfigure.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/codec/mp.h"
#include "server/internal.h"

/* --- rules ------------------------------------------------------------------------------------ */

static size_t quorum(size_t voters)
{
    return voters / 2 + 1;
}

static int add_allowed(const struct reconfigure_view *v, bool promotes)
{
    if (!promotes) {
        return v->learners < v->learners_max ? 0 : E_TOO_MANY_LEARNERS;
    }
    size_t members = v->voters + v->joining + 1;
    bool second = members == 2 && v->started == 1;
    if (!second && v->started < quorum(members)) {
        return E_NOT_STARTED;
    }
    return v->voters_active >= quorum(v->voters) ? 0 : E_UNAVAILABLE;
}

static int remove_allowed(const struct reconfigure_view *v, const struct reconfigure_member *about)
{
    if (!about->voter) {
        return 0;
    }
    size_t members = v->voters + v->joining - 1;
    size_t started = v->started - (about->started ? 1 : 0);
    if (v->voters == 1 || started < quorum(members)) {
        return E_NOT_STARTED;
    }
    /* Who is gone already is missed by nobody. */
    size_t active = v->voters_active - (about->active ? 1 : 0);
    return active >= quorum(v->voters - 1) ? 0 : E_UNAVAILABLE;
}

int reconfigure_allowed(enum member_change kind, const struct reconfigure_view *v,
                        const struct reconfigure_member *about)
{
    switch (kind) {
    case MEMBER_ADD_LEARNER:
        return add_allowed(v, about->promotes);
    case MEMBER_REMOVE:
    case MEMBER_DEMOTE:
        return remove_allowed(v, about);
    case MEMBER_PROMOTE: /* it has caught up, so it answers: one more of each */
    case MEMBER_UPDATE:
        break;
    }
    return 0;
}

/* --- questions -------------------------------------------------------------------------------- */

struct change {
    struct server *server;
    uint64_t ask_id;
};

static void answer(struct server *s, uint64_t ask_id, int status)
{
    rnode_answer(s->node, ask_id, status, slice_make(NULL, 0));
}

static void change_done(void *arg, int status)
{
    struct change *c = arg;
    answer(c->server, c->ask_id, status);
    mem_free(c);
}

static void leadership_gone(void *arg, int status)
{
    change_done(arg, status == 0 ? E_NOTLEADER : status);
}

static void look(const struct server *s, struct reconfigure_view *v)
{
    size_t n;
    const struct rnode_member *members = rnode_members(s->node, &n);
    *v = (struct reconfigure_view){ .learners_max = s->options.max_learners };
    for (size_t i = 0; i < n; i++) {
        const struct rnode_member *m = &members[i];
        bool voter = m->role == RNODE_VOTER;
        bool joining = !voter && rnode_id_promotes(m->id);
        v->voters += voter;
        v->joining += joining;
        v->learners += !voter && !joining;
        v->voters_active += voter && rnode_member_active(s->node, m->id);
        v->started += (voter || joining) && m->name[0] != '\0';
    }
}

static const struct rnode_member *member_of(const struct server *s, uint64_t id)
{
    size_t n;
    const struct rnode_member *members = rnode_members(s->node, &n);
    for (size_t i = 0; i < n; i++) {
        if (members[i].id == id) {
            return &members[i];
        }
    }
    return NULL;
}

/* 0: to be submitted; 1: it is so already. */
static int judge(const struct server *s, enum member_change kind, const struct rnode_member *who)
{
    struct reconfigure_view view;
    const struct rnode_member *m = member_of(s, who->id);
    struct reconfigure_member about = { .promotes = rnode_id_promotes(who->id) };
    if (m == NULL && kind != MEMBER_ADD_LEARNER) {
        return E_MEMBER_NOT_FOUND;
    }
    if (m != NULL) {
        if (kind == MEMBER_ADD_LEARNER) {
            return str_eq(m->peer_address, who->peer_address) ? 1 : E_EXIST;
        }
        about.voter = m->role == RNODE_VOTER;
        about.started = m->name[0] != '\0';
        about.active = rnode_member_active(s->node, m->id);
    }
    look(s, &view);
    return reconfigure_allowed(kind, &view, &about);
}

static void change(struct server *s, uint64_t ask_id, enum member_change kind,
                   const struct rnode_member *who)
{
    int rv = judge(s, kind, who);
    if (rv != 0) {
        answer(s, ask_id, rv == 1 ? 0 : rv);
        return;
    }
    struct change *c = mem_zalloc(sizeof *c);
    c->server = s;
    c->ask_id = ask_id;
    if (kind == MEMBER_REMOVE && who->id == s->status.member_id) {
        log_info("server", "handing leadership over: this member is to be removed", "id=%016llx",
                 (unsigned long long)who->id);
        rnode_transfer(s->node, 0, leadership_gone, c);
        return;
    }
    rnode_change(s->node, kind, who, change_done, c);
}

void server_change_question(enum member_change kind, const struct rnode_member *who,
                            struct buf *out)
{
    mp_put_array(out, 4);
    mp_put_u64(out, SERVER_ASK_CHANGE);
    mp_put_u64(out, (uint64_t)kind);
    mp_put_u64(out, who->id);
    mp_put_str(out, who->peer_address);
}

void server_ask(void *arg, uint64_t ask_id, struct slice question)
{
    struct server *s = arg;
    struct mp_reader r;
    mp_reader_init(&r, question);
    uint32_t n = mp_get_array(&r, 16);
    if (mp_get_u64(&r) != SERVER_ASK_CHANGE || mp_reader_error(&r) != 0) {
        server_lease_ask(arg, ask_id, question);
        return;
    }
    uint64_t kind = mp_get_u64(&r);
    struct rnode_member who = { .id = mp_get_u64(&r) };
    struct slice address = mp_get_bin(&r, sizeof who.peer_address - 1);
    if (mp_reader_error(&r) != 0 || n < 4 || kind > MEMBER_UPDATE) {
        answer(s, ask_id, E_PROTO);
        return;
    }
    if (address.len > 0) {
        memcpy(who.peer_address, address.data, address.len);
    }
    change(s, ask_id, (enum member_change)kind, &who);
}
