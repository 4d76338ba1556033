/* Inside client/: the client, its endpoints, and the calls under way. Not for other folders.
 *
 *            connect                    READY first
 *   SEEKING ---------> several channels ------------> UP (one current endpoint)
 *      ^                                                |
 *      +---- the channel fails, the member stops, -------+
 *            or it has no leader for a second
 *
 * client.c owns endpoints and the two states; login.c says who asks: until that is known nothing
 * else is sent; call.c sends and repeats unary calls; watch.c and lease.c keep one stream each on
 * the current endpoint and are told when it changes. */
#ifndef BARQUE_CLIENT_INTERNAL_H
#define BARQUE_CLIENT_INTERNAL_H

#include "client/backoff.h"
#include "client/client.h"
#include "lib/base/limits.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/io/timer.h"
#include "lib/rpc/channel.h"
#include "proto/rpc.pb-c.h"

enum {
    CLIENT_ADDRESS_BYTES = 256,
    CLIENT_HEDGE_MS = 200,          /* another endpoint is tried beside a slow one after that */
    CLIENT_NOLEADER_MS = 1000,      /* a member without a leader for so long is left */
    CLIENT_ATTEMPT_MS = 1500,       /* one try of what may be repeated; doubles every second time */
    CLIENT_CONNECT_MS = 1000,
    CLIENT_PASSWORD_BYTES = 4096,   /* of a password file */
    CLIENT_TOKEN_BYTES = 8192,
};

struct endpoint {
    struct client *client;
    char address[CLIENT_ADDRESS_BYTES];
    struct rpc_channel *channel; /* NULL = closed */
    size_t in_flight;            /* unary attempts: a channel is closed only when idle */
    bool up;
    uint64_t avoid_until_ms;     /* after a failure the others come first */
    struct err why;              /* the last failure; for messages */
};

struct watch_mux;
struct lease_keeper;

enum login_state { LOGIN_NONE, LOGIN_WANTED, LOGIN_ASKING, LOGIN_IN, LOGIN_REFUSED };

struct login {
    enum login_state state;
    char *user, *password, *password_file;
    char *token;                 /* NULL: auth is off, or not asked yet */
    uint64_t serial;             /* counts log-ins: calls and streams know which is theirs */
    uint64_t since_ms;           /* when the last one succeeded */
    uint32_t failures;           /* in a row; a token that is void at once is one, too */
    struct timer again;
    struct endpoint *endpoint;   /* asked, while ASKING */
    struct rpc_request *rpc;
    struct err why;              /* the last failure; code 0: none */
};

struct client {
    struct loop *loop;
    struct rng rng;
    uint64_t timeout_ms;
    void (*on_endpoint)(void *arg, const char *endpoint, bool up, const struct err *why);
    void *arg;

    struct endpoint *endpoints;
    size_t n_endpoints;
    struct endpoint *current;    /* UP; NULL while seeking */
    struct endpoint *last;       /* the last that was current, or NULL */
    size_t next;                 /* where seeking goes on */
    size_t seek_tries;           /* endpoints begun since seeking started */
    bool wanted;                 /* somebody has asked for a connection */
    uint64_t noleader_since_ms;  /* 0 = it has one, as far as we know */
    struct timer seek_timer;
    struct ready settle;         /* tells everybody about `current`, closes spare channels */
    struct endpoint *told;       /* what they were told last */

    uint64_t heard_ms;           /* the last sign of life of the current member */
    struct timer probe_timer;
    struct rpc_request *probe;   /* under way, or NULL */

    struct login login;
    struct list calls;           /* every client_call */
    struct watch_mux *watches;
    struct lease_keeper *leases;
};

/* --- client.c --------------------------------------------------------------------------------- */
/* Address from "host:port" or a URL; E_INVAL, E_UNSUPPORTED. */
int endpoint_init(struct client *c, struct endpoint *e, const char *text, struct err *err);
/* Begins to seek when there is no current endpoint. */
void client_want(struct client *c);
/* `e` does not serve: if it is current it is left, and the others come first for a second. */
void client_leave(struct client *c, struct endpoint *e, const struct err *why);
/* A member answered a call or stream with this code: leaves it where the code says that it cannot
 * serve (stopping, learner, no leader for a second). */
void client_judge(struct client *c, struct endpoint *e, int code, const char *text);
/* An attempt on this endpoint has ended: its channel may go when it is spare. */
void client_release(struct client *c, struct endpoint *e);
/* Sentence for a call that found no endpoint: every endpoint with its last failure. */
int client_explain(const struct client *c, struct err *err);

/* --- login.c ---------------------------------------------------------------------------------- */
int login_init(struct client *c, const struct client_options *options, struct err *err);
void login_fini(struct client *c);
void login_endpoint(struct client *c); /* c->current has changed */
void login_start(struct client *c);    /* if that is wanted, possible and due */
/* Is it known who asks? */
static inline bool login_settled(const struct client *c)
{
    return c->login.state == LOGIN_NONE || c->login.state == LOGIN_IN;
}
/* May anything be sent to the current endpoint? If not, all is resumed when it may. */
static inline bool client_ready(const struct client *c)
{
    return c->current != NULL && c->current->channel != NULL && login_settled(c);
}
/* `code` ended what had been sent with log-in `serial`: true when it says that this one no longer
 * counts. Nothing was done then, and it is sent again once client_ready. */
bool login_void(struct client *c, int code, uint64_t serial);
/* The token goes along, if there is one. */
void login_request(const struct client *c, struct rpc_request *r);
void login_stream(const struct client *c, struct rpc_stream *s);

/* --- probe.c ---------------------------------------------------------------------------------- */
void client_probe_init(struct client *c);
void client_probe_start(struct client *c); /* a stream was opened */
void client_probe_fini(struct client *c);
bool client_streams_open(const struct client *c);
static inline void client_heard(struct client *c)
{
    c->heard_ms = loop_now_ms(c->loop);
}

/* --- call.c: unary calls with repetition ------------------------------------------------------ */
struct client_call {
    struct list link;
    struct client *client;       /* NULL once the client is gone */
    const char *path;
    const ProtobufCMessageDescriptor *response;
    ProtobufCMessage *request;   /* own copy, for repetition */
    bool idempotent;             /* may be sent again although the first may have arrived */
    uint32_t attempts;           /* sent so far */
    uint64_t sent_ms;            /* when the present attempt went out */
    uint64_t deadline_ms;
    struct err last;             /* of the last failed attempt */
    struct endpoint *only;       /* this one, once; NULL = the current one, again elsewhere */
    struct endpoint *endpoint;   /* where it is in flight */
    struct rpc_request *rpc;     /* in flight, or NULL: waits for an endpoint or a pause */
    uint64_t login;              /* the log-in that went along */
    struct timer pause;
    struct timer deadline;
    struct ready failed;         /* ends with `last` on the next turn */
    /* The end, once: msg when status is 0. The call is freed after it returns. */
    void (*finish)(struct client_call *call, int status, const struct err *err,
                   const ProtobufCMessage *msg);
    void (*cleanup)(struct client_call *call); /* frees what `user` holds; may be NULL */
    client_done done;
    void *arg;
    void *user;                  /* the kind of call's own */
};

struct call_spec {
    const char *path;
    const ProtobufCMessage *request; /* copied */
    const ProtobufCMessageDescriptor *response;
    bool idempotent;
    uint64_t timeout_ms;         /* 0 = the client's default */
    struct endpoint *only;       /* not the current one; tried once */
    void (*finish)(struct client_call *call, int status, const struct err *err,
                   const ProtobufCMessage *msg);
    void (*cleanup)(struct client_call *call);
    client_done done;
    void *arg;
    void *user;
};
struct client_call *call_start(struct client *c, const struct call_spec *spec);
/* A current endpoint has come up: every waiting call goes out, or ends where login says no. */
void calls_resume(struct client *c);
/* The failure is the member's or the moment's, not the request's. */
bool call_transient(int code);
/* The client goes: done gets E_CANCELED on the next turn. */
void calls_orphan(struct client *c);

/* --- watch.c, lease.c ------------------------------------------------------------------------- */
struct watch_mux *watch_mux_new(struct client *c);
void watch_mux_free(struct watch_mux *m);
void watch_mux_endpoint(struct watch_mux *m); /* c->current has changed */
bool watch_mux_open(const struct watch_mux *m);
/* The log-in was refused: what was never watched ends with login.why, the rest waits on. */
void watch_mux_refuse(struct watch_mux *m);
struct lease_keeper *lease_keeper_new(struct client *c);
void lease_keeper_free(struct lease_keeper *k);
void lease_keeper_endpoint(struct lease_keeper *k);
bool lease_keeper_open(const struct lease_keeper *k);

/* --- conversions ------------------------------------------------------------------------------ */
static inline ProtobufCBinaryData pb_bytes(struct slice s)
{
    return (ProtobufCBinaryData){ s.len, (uint8_t *)(uintptr_t)s.data };
}

static inline struct slice pb_slice(const ProtobufCBinaryData *b)
{
    return slice_make(b->data, b->len);
}

/* What is stored as an object, named as its key says where it does not say so itself. E_CORRUPT. */
struct kind;
struct object;
int object_decode(const struct kind *kind, const struct client_kv *kv, struct object **ret_object,
                  struct err *err);
void kv_from_pb(const Mvccpb__KeyValue *pb, struct client_kv *ret_kv);

#endif
