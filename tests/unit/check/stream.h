/* A watch as a right server answers it, as plain facts that a test can spoil. */
#ifndef BARQUE_TESTS_UNIT_CHECK_STREAM_H
#define BARQUE_TESTS_UNIT_CHECK_STREAM_H

#include "tests/unit/check/naive.h"

enum { FACTS_MAX = 2000, EVENTS_MAX = NV_KEYS * NV_ASKS };

enum kind { ASKED, CREATED, EVENTS, PROGRESS, CANCELED, LOST };

struct event {
    struct nv_kv kv, prev;
    bool deleted, has_prev;
};

struct fact {
    enum kind kind;
    int64_t revision, compacted;
    bool fragment;
    struct event events[EVENTS_MAX];
    int n;
};

struct stream {
    struct nv_run run;
    int lo, hi;
    bool prev_kv, no_put, no_delete, fragment;
    int64_t compacted, first; /* compacted: the highest; first: nothing before it is asked for */
    struct fact *facts;
    size_t n;
    struct rng rng;
};

/* `rich`: all keys, no filter, prev_kv and fragments, so that most can go wrong. */
void stream_init(struct stream *s, uint64_t seed, bool rich);
void stream_fini(struct stream *s);
int stream_pick(struct stream *s, int lo, int hi);
/* What the watch wants of a revision; returns how many. */
int stream_wanted(const struct stream *s, int64_t r, struct event *events);
/* NULL: all hold; else the name of the first verdict that does not (static). */
const char *stream_judge(const struct stream *s, bool print);

#endif
