/* Two transports in this process, a (id 1) and b (id 2), over real sockets; under fault rules or
 * not. */
#ifndef BARQUE_TESTS_UNIT_RAFT_PAIR_H
#define BARQUE_TESTS_UNIT_RAFT_PAIR_H

#include "raft/transport.h"
#include "tests/unit/raft/test.h"

enum { A = 1, B = 2, STREAM = 9, CHUNKS = 20, CHUNK_BYTES = 4096 };

/* One end and what it saw. */
struct end {
    struct pair *pair;
    struct transport *t;
    char address[64];
    unsigned frames, ups, downs, chunks, broken;
    uint64_t last_number;
    bool in_order;
    uint64_t first_ms; /* when the first frame came */
    bool closed;
};

struct pair {
    char *dir, *rules;
    struct loop *loop;
    struct end a, b;
    bool close_in_chunk; /* b closes itself within its first chunk */
    unsigned pulled;     /* chunks of the stream */
    bool done;
    int done_status;
};

/* A rule's FROM is "me" for either end, its TO says whose link it is. NULL: no shim. Without names
 * an end knows its peer's by its hello alone. */
void pair_open(struct pair *w, const char *rules, bool knows_names);
/* Both ends are connected before the rules count. */
void pair_open_up(struct pair *w, const char *rules, bool knows_names);
void pair_close(struct pair *w);
/* Waits until the rules are in force. */
void pair_rule(struct pair *w, const char *text);
/* A frame from a to b. */
void pair_send(struct pair *w, uint64_t number);
/* A stream of CHUNKS chunks from a to b; w->done and its status tell. */
struct transport_stream *pair_stream(struct pair *w);
/* Until count is at least so many. */
void pair_wait(struct pair *w, const unsigned *count, unsigned at_least);

#endif
