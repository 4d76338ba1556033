/* Inside the recorder: what world_wire.c (calls, keepalives) and world_watch.c (watches) share. */
#ifndef BARQUE_TESTS_SIM_WORLD_STREAMS_H
#define BARQUE_TESTS_SIM_WORLD_STREAMS_H

#include "lib/rpc/channel.h"
#include "tests/sim/world_wire.h"

struct wire {
    struct sim *sim;
    struct list calls, streams, watches;
    struct u64map call_of, stream_of; /* by the address of a struct rpc_request, rpc_stream */
};

struct wire_stream {
    struct list link;
    struct wire *wire;
    const struct node *node;
    struct rpc_stream *stream;
    unsigned member;
    const struct rpc_stream_events *events;
    void *arg;              /* the client's: one watch mux has one stream at a time */
    struct list keepalives; /* asked, not answered */
};

/* --- world_watch.c ----------------------------------------------------------------------- */
void streams_watch_request(struct wire_stream *s, const Etcdserverpb__WatchRequest *pb);
void streams_watch_response(struct wire_stream *s, const Etcdserverpb__WatchResponse *pb);
/* The stream ends: what is under way on it never comes. */
void streams_watches_lost(const struct wire_stream *s);
/* NULL: of all machines. */
void streams_watches_gone(struct wire *w, const struct node *n);

#endif
