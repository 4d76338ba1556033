/* Inside the watch checker: facts as watch.c records them and watch_check.c walks them. */
#ifndef BARQUE_CHECK_WATCH_STATE_H
#define BARQUE_CHECK_WATCH_STATE_H

#include "check/watch.h"

enum watch_fact_kind {
    FACT_ASKED,
    FACT_CREATED,
    FACT_EVENTS,
    FACT_PROGRESS,
    FACT_CANCELED,
    FACT_LOST
};

struct watch_event {
    struct check_pkv kv, prev;
    bool deleted, has_prev;
};

struct watch_request {
    uint32_t key, range_end;
    bool prev_kv, no_put, no_delete;
};

struct watch_fact {
    struct watch_fact *next;
    int64_t at_us;
    int64_t revision;  /* of the header; asked: start_revision */
    int64_t compacted; /* asked: known to be; canceled: told */
    enum watch_fact_kind kind;
    uint32_t member; /* asked */
    bool fragment;
    struct watch_request request;
    struct watch_event *events;
    size_t n;
};

struct check_watch {
    struct check_pool *pool;
    uint32_t client, number;
    struct watch_fact *first, *last;
    uint64_t n, dropped;
};

#endif
