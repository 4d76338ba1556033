/* Peer transport: whole frames between members, identified by member id. One pipelined connection
 * each way (we connect to send; what we accept is for receiving), TCP_NODELAY, reconnect with
 * back-off.
 *
 * Every connection starts with a hello {magic, version, cluster id, from id, to id, name,
 * address}. A foreign cluster, a removed member or another version is refused with a frame that
 * says why, logged once on both sides. A member that was never set introduces itself: its frames
 * are handed on, and it is sent to at the address of its hello. A frame is {u32 length, u32 crc32c,
 * payload}; length <= LIMIT_PEER_FRAME_BYTES or the connection is closed. Frames may be lost (a
 * cut, a full queue), never torn or reordered within one connection. Snapshot streams take a
 * connection of their own (transport_stream_*), so that heartbeats are never behind them.
 *
 * tests/sim implements this header over its simulated network (loss, delay, reorder, duplicates).
 * Threads: loop. Callbacks never run inside a submitting call. */
#ifndef BARQUE_RAFT_TRANSPORT_H
#define BARQUE_RAFT_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/io/loop.h"

struct metrics;
struct transport;

/* A knock: one question by who is no member (yet, or no more), on a connection of its own, with one
 * answer of at most KNOCK_ANSWER_MAX bytes. */
enum { KNOCK_ANSWER_MAX = 64 * 1024 };

struct knock {
    uint64_t cluster_id; /* 0: whichever answers at this address */
    uint64_t what;       /* the two ends' own (join.h) */
    uint64_t about;      /* the same */
    char name[64];
    char address[128];   /* where it listens for peers itself */
};

struct transport_options {
    struct loop *loop;
    uint64_t cluster_id;
    uint64_t member_id;
    const char *name;
    const char *listen_address;
    const char *address;     /* under which others reach this member; NULL: where it listens */
    struct metrics *metrics; /* may be NULL */
    /* One frame from a member; bytes valid during the call. */
    void (*on_frame)(void *arg, uint64_t from, struct slice payload);
    /* A chunk of a snapshot stream, in order; last marks its end. E_NOTREADY: not taken, it is
     * offered again soon and meanwhile nothing more is read. Any other error ends the stream. */
    int (*on_stream)(void *arg, uint64_t from, uint64_t stream_id, struct slice bytes, bool last);
    /* The stream broke before its last chunk. */
    void (*on_stream_broken)(void *arg, uint64_t from, uint64_t stream_id);
    /* The name of a member, NULL when it is not known: for fault rules. May be NULL. */
    const char *(*peer_name)(void *arg, uint64_t id);
    /* Outgoing connection to a peer came up or went down. May be NULL. */
    void (*on_peer)(void *arg, uint64_t id, bool up);
    /* Answer with transport_knock_answer, now or within 15 s. NULL: knocks are refused. */
    void (*on_knock)(void *arg, uint64_t knock_id, const struct knock *knock);
    void *arg;
};

int transport_open(const struct transport_options *options, struct transport **ret_transport,
                   struct err *err);
void transport_close(struct transport *t, void (*closed)(void *arg), void *arg);
/* Simulator only: frees without closing handshakes. */
void transport_abandon(struct transport *t);

/* Adds or updates a peer (reconnects when the address changed). */
void transport_peer_set(struct transport *t, uint64_t id, const char *address);
/* Forgets a peer: closes, and refuses it from now on as removed. */
void transport_peer_remove(struct transport *t, uint64_t id);
bool transport_peer_up(const struct transport *t, uint64_t id);
/* Queues one frame (takes the buffer's bytes; b is left empty); sent at the end of the turn.
 * Dropped and counted when the peer is unknown, down, or its queue is over
 * LIMIT_PEER_QUEUE_BYTES. */
void transport_send(struct transport *t, uint64_t to, struct buf *b);
uint64_t transport_dropped(const struct transport *t);
/* "host:port" that is listened on (the port that was picked when 0 was asked for). */
const char *transport_listen_address(const struct transport *t);

/* Sends a file-like byte stream to a peer on its own connection, pulled: next() is called when
 * there is room and appends <= LIMIT_SNAPSHOT_CHUNK_BYTES to out; returns 1 more, 0 last, < 0
 * abort. done(status) exactly once. */
struct transport_stream;
struct transport_stream *transport_stream_start(
    struct transport *t, uint64_t to, uint64_t stream_id, int (*next)(void *arg, struct buf *out),
    void (*done)(void *arg, int status), void *arg);
void transport_stream_cancel(struct transport_stream *s); /* done(E_CANCELED) follows */

/* Takes the buffer's bytes. Nothing happens when whoever knocked has gone. */
void transport_knock_answer(struct transport *t, uint64_t knock_id, struct buf *b);

/* Knocks at an address; needs no transport of one's own. done exactly once, later: 0 with the
 * answer (valid during the call), E_MISMATCH with a refusal's text, E_TIMEOUT, E_UNAVAILABLE,
 * E_CLOSED, E_PROTO, E_CANCELED. */
struct transport_knock;
struct transport_knock *transport_knock_start(
    struct loop *loop, const char *address, const struct knock *knock, uint64_t timeout_ms,
    void (*done)(void *arg, int status, struct slice answer), void *arg);
void transport_knock_cancel(struct transport_knock *k); /* done(E_CANCELED) follows */

#endif
