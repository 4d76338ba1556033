/* One peer connection, of any kind, from connect or accept to its end; internal to the transport.
 *
 *     link_connect --> CONNECTING --> (conn) OPEN --> CLOSING --> freed
 *     link_accept  ----------------------^               ^
 *                                  link_close (silent), or a failure: ops->closed, once
 *
 * A link is owned by the transport's list and freed only after its conn's on_close (or its
 * connect's done), so a pointer to it stays good inside every callback. The owner (a peer or a
 * stream) forgets its pointer in ops->closed or when it calls link_close. */
#ifndef BARQUE_RAFT_TRANSPORT_LINK_H
#define BARQUE_RAFT_TRANSPORT_LINK_H

#include "lib/base/buf.h"
#include "lib/base/map.h"
#include "lib/base/rng.h"
#include "lib/io/conn.h"
#include "lib/io/timer.h"
#include "raft/peer_frame.h"
#include "raft/transport.h"

enum {
    PEER_BACKOFF_MIN_MS = 50,
    PEER_BACKOFF_MAX_MS = 1000,
    PEER_CONNECT_TIMEOUT_MS = 1000,
    PEER_HELLO_TIMEOUT_MS = 5000,  /* from connected (or accepted) to the answer (or the hello) */
    PEER_TICK_MS = 500,            /* PEER_ALIVE at most this often; deadlines are looked at */
    PEER_SILENCE_MS = 3000,        /* sent, but no answer for so long: the path is dead */
    PEER_RESUME_MS = 20,           /* a receiver that was not ready is asked again */
    PEER_STREAM_HIGH_BYTES = 1024 * 1024,
    PEER_KNOCK_TIMEOUT_MS = 15000, /* from a knock to its answer */
    PEER_STRANGERS_MAX = 64,       /* accepted conns without a hello; a further one is closed */
    PEER_REFUSALS_LOGGED_MAX = 1024,
};

struct link;
struct peer;

struct link_ops {
    void (*connected)(struct link *l); /* outgoing only: say hello */
    /* E_NOTREADY: reading pauses and the frame is offered again; otherwise the link fails. */
    int (*frame)(struct link *l, struct slice payload);
    void (*drain)(struct link *l);                      /* may be NULL */
    void (*closed)(struct link *l, int status);         /* not after link_close */
};

struct link {
    struct list node; /* transport.links */
    struct transport *t;
    const struct link_ops *ops;
    struct conn *conn;       /* NULL while connecting */
    struct connect *connect; /* NULL once connected */
    bool closing;
    bool greeted;            /* hello and answer are done */
    bool outgoing;
    size_t frame_max;
    struct buf in;           /* start of a frame that is not whole yet, or not taken yet */
    bool paused;             /* the owner was not ready for a frame: offered again by `resume` */
    struct timer resume;
    uint64_t deadline_ms;    /* 0 none; fails with E_TIMEOUT when passed */
    bool robbed;             /* a fault rule took bytes of it that it cannot go on without */
    uint64_t knock_id;       /* incoming: a knock that waits for its answer; it stays a stranger */
    bool heard;              /* incoming: something arrived since the last PEER_ALIVE */
    /* owner */
    struct peer *peer;
    struct transport_stream *stream;
    struct peer_hello hello; /* incoming: who it is */
};

struct peer_metrics {
    struct metric *sent, *failed, *received, *active, *lost; /* all NULL: not counted */
};

struct peer {
    struct transport *t;
    uint64_t id;
    char address[128];
    struct link *link;    /* NULL between attempts */
    struct link *in_link; /* its newest connection to us for frames, or NULL */
    struct timer retry;
    uint64_t backoff_ms;
    bool up;
    bool introduced;      /* by its own hello, not by transport_peer_set */
    int told;             /* last failure that was logged: each is logged once */
    struct peer_metrics m;
    uint64_t held_until_ms; /* by a fault rule: no frame in order goes out before */
};

struct transport_stream {
    struct list node; /* transport.streams */
    struct transport *t;
    struct link *link;
    uint64_t to;
    uint64_t stream_id;
    int (*next)(void *arg, struct buf *out);
    void (*done)(void *arg, int status);
    void *arg;
    bool sent_last;
    bool finished;
    int status;
    struct ready ready;
};

struct held_frames;

struct transport {
    struct transport_options options;
    struct faults *faults;    /* NULL but under a fault shim */
    struct held_frames *held; /* by it */
    char *name;
    struct listener *listener;
    char *address; /* in our hello */
    struct list links;
    struct list streams;
    struct u64map peers;    /* id -> struct peer */
    struct u64map removed;  /* id -> the transport (a set) */
    struct u64map refused;  /* hash of a refusal that was logged -> the transport (a set) */
    size_t strangers;
    uint64_t knocks;
    struct rng rng;
    struct timer tick;
    struct ready closed_ready;
    void (*closed)(void *arg);
    void *closed_arg;
    bool closing;
    uint64_t dropped;
    size_t n_series;        /* peers that have been counted */
};

struct link *link_connect(struct transport *t, const char *address, const struct link_ops *ops);
struct link *link_accept(struct transport *t, struct conn *conn, const struct link_ops *ops);
/* Says who we are, to `to`. */
void link_say_hello(struct link *l, enum peer_kind kind, uint64_t to, uint64_t stream_id);
/* One frame whose payload is head followed by body; body is taken and left empty. */
void link_send(struct link *l, struct slice head, struct buf *body);
void link_answer(struct link *l, enum peer_code code);
void link_close(struct link *l);
/* Sends what is queued first; ops->closed is not called. */
void link_close_after_flush(struct link *l);
void link_fail(struct link *l, int status);
/* Called every PEER_TICK_MS. */
void link_tick(struct link *l, uint64_t now_ms);
size_t link_queued(const struct link *l);

/* transport_accept.c */
void transport_on_accept(void *arg, struct conn *conn);
/* transport_knock.c: a hello that is a knock. */
int transport_accept_knock(struct link *l);
/* transport_stream.c */
void transport_stream_finish(struct transport_stream *s, int status);
/* transport.c: a member that we were not told of has said where it listens. */
void transport_introduce(struct transport *t, uint64_t id, const char *address);
/* transport_fault.c; none is called without a shim. A frame for a peer that is up; takes body. */
void transport_fault_send(struct transport *t, struct peer *p, struct buf *body);
/* Whether these bytes are lost, of whatever kind the link is. */
bool transport_fault_steals(struct link *l);
/* Every tick: a link that was robbed ends when the cut is mended, or at its own deadline. */
void transport_fault_tick(struct link *l);
void transport_fault_init(struct transport *t);
void transport_fault_fini(struct transport *t);
/* transport.c: sends to it now, or drops and counts. */
void transport_send_now(struct transport *t, struct peer *p, struct buf *b);
/* transport_metrics.c */
void transport_count_sent(struct peer *p, size_t bytes, bool dropped);
void transport_count_received(struct transport *t, uint64_t from, size_t bytes);
/* p is a member, whoever introduced it. */
void transport_count_member(struct peer *p);
void transport_count_up(struct peer *p, bool up);
/* transport.c: frees the transport once it is closing and nothing is left. */
void transport_maybe_closed(struct transport *t);

#endif
