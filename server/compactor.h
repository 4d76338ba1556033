/* Automatic compaction: when, and to which revision. Pure: time is an argument.
 *
 *     periodic  a tenth of the retention (at most of an hour) apart, the revision is noted; what
 *               was the newest one retention (and a look) ago is compacted, each time that the
 *               retention has passed, or hourly when it is longer
 *     revision  every five minutes all but the newest N revisions
 *
 * That is etcd's schedule. Every member notes revisions, the leader alone compacts: a new leader
 * goes on from what it has noted itself. */
#ifndef BARQUE_SERVER_COMPACTOR_H
#define BARQUE_SERVER_COMPACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum compactor_mode { COMPACT_NEVER, COMPACT_PERIODIC, COMPACT_REVISION };

/* Longest retention, ten years: it bounds what is noted. */
#define COMPACTOR_PERIOD_MAX_MS (INT64_C(87600) * 3600 * 1000)

struct compactor {
    enum compactor_mode mode;
    int64_t keep;             /* revision: so many */
    uint64_t period_ms;       /* periodic: the retention */
    uint64_t interval_ms;     /* between two compactions, after the first */
    uint64_t retry_ms;        /* between two looks */
    uint64_t next_ms;         /* the next look */
    uint64_t success_ms;      /* the last compaction, or the start */
    bool done_once;
    int64_t due;              /* the compaction under way; 0: none */
    int64_t last;             /* the last one that went well */
    int64_t *noted;           /* revisions, one a look, oldest first */
    size_t n_noted, noted_max;
};

/* retention: ms (periodic), revisions (revision); 0: never. PRE: at most COMPACTOR_PERIOD_MAX_MS,
 * not negative. */
void compactor_init(struct compactor *c, enum compactor_mode mode, int64_t retention,
                    uint64_t now_ms, int64_t revision);
void compactor_fini(struct compactor *c);
/* Call often. The revision to compact to now, 0: none. When it is not 0, compactor_done follows. */
int64_t compactor_due(struct compactor *c, uint64_t now_ms, int64_t revision, bool leading);
/* well: it is compacted, by us or by somebody else. Otherwise it is tried again. */
void compactor_done(struct compactor *c, uint64_t now_ms, int64_t revision, bool well);

#endif
