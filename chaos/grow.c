/* One call at a time, and the list of members after each. See grow.h. */
#include "chaos/grow.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "proto/rpc.pb-c.h"

enum { CALL_MS = 3000, PAUSE_MS = 150 };

static struct target *target_of(const struct grow *g)
{
    return g->ops->target;
}

/* --- calls ------------------------------------------------------------------------------------ */

static void on_call(void *arg, const struct rpc_result *result)
{
    struct grow *g = arg;
    g->call = NULL;
    if (result->err != 0) {
        g->turn++;
        chaos_report_add_error(g->ops->report,
                               result->text[0] != '\0' ? result->text : err_text(result->err), 1);
    }
}

static void call(struct grow *g, const char *path, const ProtobufCMessage *message,
                 const ProtobufCMessageDescriptor *answer)
{
    size_t n = target_of(g)->n_members;
    for (size_t i = 0; i < n && !sight_serves(g->sight, g->turn % n, 0); i++) {
        g->turn++; /* whoever is broken now is not asked */
    }
    g->call = rpc_call_unary(g->ops->channels[g->turn % n], path, message, answer, CALL_MS, on_call,
                             g);
}

static void call_add(struct grow *g)
{
    char *urls[1] = { g->peer_url };
    Etcdserverpb__MemberAddRequest m = ETCDSERVERPB__MEMBER_ADD_REQUEST__INIT;
    m.n_peerurls = 1;
    m.peerurls = urls;
    m.islearner = true;
    call(g, "/etcdserverpb.Cluster/MemberAdd", &m.base,
         &etcdserverpb__member_add_response__descriptor);
}

static void call_promote(struct grow *g)
{
    Etcdserverpb__MemberPromoteRequest m = ETCDSERVERPB__MEMBER_PROMOTE_REQUEST__INIT;
    m.id = g->id;
    call(g, "/etcdserverpb.Cluster/MemberPromote", &m.base,
         &etcdserverpb__member_promote_response__descriptor);
}

static void call_remove(struct grow *g)
{
    Etcdserverpb__MemberRemoveRequest m = ETCDSERVERPB__MEMBER_REMOVE_REQUEST__INIT;
    m.id = g->id;
    call(g, "/etcdserverpb.Cluster/MemberRemove", &m.base,
         &etcdserverpb__member_remove_response__descriptor);
}

/* --- steps ------------------------------------------------------------------------------------ */

static void join(struct grow *g)
{
    struct err err = ERR_INIT;
    if (target_of(g)->ops->join(target_of(g), &err) != 0) {
        chaos_report_add_error(g->ops->report, err.msg, 1);
        return;
    }
    g->joined = true;
    g->step = GROW_PROMOTE;
}

static void gone(struct grow *g)
{
    target_of(g)->ops->shrink(target_of(g));
    g->step = GROW_GONE;
}

/* What the list says decides what comes next. */
static void on_list(void *arg, int status, const struct client_member *members, size_t n,
                    const struct err *err)
{
    struct grow *g = arg;
    (void)err;
    g->list = NULL;
    if (status != 0) {
        return;
    }
    g->id = 0;
    for (size_t i = 0; i < n; i++) {
        if (str_eq(members[i].peer_url, g->peer_url)) {
            g->id = members[i].id;
            g->votes = !members[i].learner;
        }
    }
    switch (g->step) {
    case GROW_ADD:
        if (g->id != 0) {
            g->step = GROW_JOIN;
        } else {
            call_add(g);
        }
        break;
    case GROW_PROMOTE:
        if (g->votes) {
            g->step = GROW_IN;
            chaos_report_add_counter(g->ops->report, "members added and promoted", 1);
        } else if (g->id != 0) {
            call_promote(g);
        }
        break;
    case GROW_REMOVE:
        if (g->id == 0) {
            gone(g);
        } else {
            call_remove(g);
        }
        break;
    default:
        break;
    }
}

void grow_poll(struct grow *g)
{
    uint64_t now = loop_now_ms(g->ops->loop);
    bool asks = g->step == GROW_ADD || g->step == GROW_PROMOTE || g->step == GROW_REMOVE;
    if (g->step == GROW_JOIN) {
        join(g);
    } else if (asks && g->list == NULL && g->call == NULL && now >= g->next_ms) {
        g->next_ms = now + PAUSE_MS;
        g->list = client_member_list(g->sight->client, on_list, g);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

int grow_start(struct grow *g, struct ops *ops, struct sight *sight, struct err *err)
{
    PRE(g->step == GROW_NONE || g->step == GROW_GONE);
    memset(g, 0, sizeof *g);
    g->ops = ops;
    g->sight = sight;
    int rv = target_of(g)->ops->grow(target_of(g), g->peer_url, sizeof g->peer_url, err);
    g->step = rv == 0 ? GROW_ADD : GROW_GONE;
    return rv;
}

void grow_leave(struct grow *g)
{
    if (g->step != GROW_GONE && g->step != GROW_REMOVE) {
        g->step = GROW_REMOVE;
        g->next_ms = 0;
    }
}

void grow_end(struct grow *g)
{
    if (g->list != NULL) {
        client_call_cancel(TAKE(g->list));
    }
    if (g->call != NULL) {
        rpc_request_cancel(TAKE(g->call));
    }
    if (g->joined && g->step != GROW_GONE) {
        gone(g); /* better a member that is down than a process that nobody knows */
    }
}
