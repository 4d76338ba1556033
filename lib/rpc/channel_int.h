/* Inside the client: what channel.c (state, connecting), link.c (one connection) and client_call.c
 * (calls) share. */
#ifndef BARQUE_RPC_CHANNEL_INT_H
#define BARQUE_RPC_CHANNEL_INT_H

#include "lib/base/arena.h"
#include "lib/base/heap.h"
#include "lib/base/rng.h"
#include "lib/io/conn.h"
#include "lib/io/timer.h"
#include "lib/rpc/channel.h"
#include "lib/rpc/grpc_frame.h"
#include "lib/rpc/h2.h"

enum {
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 1000,
    CALM_PING_MS = 10000, /* servers of the grpc-go family refuse more than one ping in 5 s */
    CLIENT_CALL_POOL_MAX = 256,
    CLIENT_METADATA_MAX = 8,
    STREAM_WINDOW = 1024 * 1024,
};

struct link;

struct rpc_channel {
    struct loop *loop;
    char *address;
    char *authority;
    char *metadata_name, *metadata_value; /* of every call; NULL: none */
    uint64_t connect_timeout_ms, ping_ms, ping_timeout_ms;
    uint32_t stream_window;
    uint64_t ping_floor_ms; /* what the server bears */
    void (*on_state)(void *arg, enum rpc_channel_state state, const struct err *why);
    void *arg;
    enum rpc_channel_state state;
    struct rng rng;

    struct list pending;  /* calls that wait for the link */
    struct list resumes;  /* streams that read on */
    struct list ended;    /* paused streams whose end waits behind unread messages */
    struct list links;    /* all, also draining ones */
    struct link *link;    /* the one new calls use, or that is shaking hands */
    struct connect *connecting;
    struct timer retry; /* the back-off */
    uint64_t backoff_ms;
    bool connect_wanted; /* rpc_channel_connect came during the back-off */
    struct heap deadlines;
    struct timer deadline_timer;
    struct list dirty; /* links with something to send */
    struct turn_hook flush;
    struct ready work; /* resumes, failed pending calls, the free */
    struct err why;    /* of CHANNEL_DOWN */
    struct arena scratch; /* a stream's message during the callback */
    bool freeing, free_begun;
    struct client_call *free_calls;
    size_t n_free;
};

struct link {
    struct rpc_channel *ch;
    struct conn *conn;
    struct h2 *h2;
    struct list entry;
    struct list dirty;
    struct list calls;
    bool ready, draining, lost;
    struct timer timer; /* handshake, then pings */
    uint64_t last_read_ms;
    uint64_t ping_sent_ms; /* 0: none in flight */
    bool doubt; /* a time-out passed; input that may be waiting is looked at first */
    struct err why;
};

/* A unary call or a stream: struct rpc_request and struct rpc_stream are its public names. */
struct client_call {
    struct h2_stream stream;
    struct rpc_channel *ch;
    struct link *link; /* NULL: pending, or the stream is gone */
    struct list entry; /* ch->pending, link->calls, or itself */
    struct list resume;
    struct heap_item deadline;
    struct arena arena;
    const char *path;
    const ProtobufCMessageDescriptor *response;
    bool is_stream;
    void (*done)(void *arg, const struct rpc_result *result);
    struct rpc_stream_events events;
    void *arg;
    char timeout_text[16];
    struct h2_header metadata[CLIENT_METADATA_MAX];
    size_t n_metadata;
    struct client_call *next_free;

    /* the answer */
    struct grpc_reader reader;
    ProtobufCMessage *msg;
    int http_status;
    int grpc_status; /* -1: not seen */
    bool status_whole; /* the header block that holds it has ended */
    struct buf text;
    struct buf held; /* whole messages with prefix that arrived while paused */
    size_t unconsumed;
    struct rpc_result result; /* while the end waits to be told */
    bool was_opened; /* the stream existed in a session */
    bool paused, end_waits;
    bool delivering; /* held messages are being handed out */
    bool silent; /* cancelled or told: nothing more is called */
};

/* channel.c */
void channel_connect(struct rpc_channel *ch);
void channel_ready(struct rpc_channel *ch);
/* The current link (or the attempt) is gone. */
void channel_down(struct rpc_channel *ch, const struct err *why);
void channel_to_idle(struct rpc_channel *ch);
void channel_flush_later(struct rpc_channel *ch);
void channel_check_free(struct rpc_channel *ch);

/* link.c */
void link_new(struct rpc_channel *ch, struct conn *c, uint64_t handshake_ms);
void link_flush(struct link *l);
void link_dirty(struct link *l);
void link_pings_start(struct link *l);
/* No new calls on this one; it closes when the open ones are done. */
void link_retire(struct link *l);

/* client_call.c */
extern const struct h2_events client_h2_events; /* in link.c */
/* False when the link takes no more calls; the call is as before. */
bool client_call_open(struct client_call *call, struct link *l);
void client_call_header(struct client_call *call, struct slice name, struct slice value);
/* A header block is complete. */
void client_call_headers_end(struct client_call *call);
void client_call_data(struct client_call *call, struct slice bytes);
void client_call_stream_gone(struct client_call *call, uint32_t code);
/* Ends a call that has no stream (yet). */
void client_call_fail(struct client_call *call, int grpc_code, const char *text, bool never_sent);
void client_call_resume(struct client_call *call);
void client_deadlines_run(struct rpc_channel *ch);
void client_pool_fini(struct rpc_channel *ch);

#endif
