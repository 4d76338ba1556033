/* The simulated network's parts, shared by net.c (frames, connections) and stream.c. */
#ifndef BARQUE_TESTS_SIM_NET_H
#define BARQUE_TESTS_SIM_NET_H

#include "lib/base/buf.h"
#include "lib/io/loop.h"
#include "raft/transport.h"
#include "tests/sim/sim.h"

/* A machine, and the member of it that is meant: a damaged one comes back as another one. */
struct peer_slot {
    uint64_t id;
    bool known;
    bool removed;      /* refused until it is set again */
    bool up;
    bool fresh;        /* the next attempt comes soon */
    uint32_t version;  /* an EV_LINK of an older one is void */
    uint64_t life;     /* the other end's, when this came up */
    uint64_t silent_since;
};

struct transport {
    struct node *node;
    struct transport_options options;
    struct peer_slot peers[SIM_NODES_MAX + 1];
    struct list streams;  /* outgoing */
    struct list incoming;
    struct list knocks; /* asked, not answered yet (knock.c) */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
    struct ready closed_ready;
    uint64_t dropped;
};

struct frame {
    unsigned from;
    uint64_t from_member;
    size_t len;
    uint8_t data[];
};

bool net_cut(const struct sim *s, const struct node *a, const struct node *b);
bool net_reachable(const struct node *from, const struct node *to);
/* `from` has reached `to`, which may not have heard of it yet. */
void net_introduce(const struct node *from, struct node *to);
uint64_t net_delay(struct sim *s);
void net_on_closed(struct ready *self);
void net_transport_free(struct transport *t);
/* knock.c */
void net_knocks_free(struct transport *t);
/* stream.c */
void net_streams_free(struct transport *t);
void net_streams_cancel(struct transport *t);
void net_streams_end_peer(struct transport *t, unsigned slot);

#endif
