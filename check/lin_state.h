/* Inside the linearizability checker: what its files share.
 *
 *     lin_items.c   operations become items, sorted by revision; the order against the clock
 *     lin_refused.c what the store refused (compacted, future, no such key or lease)
 *     lin_orphan.c  revisions of the log that nobody was answered with: a matching
 *     lin_search.c  revisions nobody tells of at all: a bounded search
 *     lin.c         the replay */
#ifndef BARQUE_CHECK_LIN_STATE_H
#define BARQUE_CHECK_LIN_STATE_H

#include "check/lin.h"
#include "check/model.h"

/* What an item asks of the state at its revision. Other values of `part`: that range part, which
 * asked for this revision. */
enum {
    LIN_READ = -1,  /* the whole answer, after the revision is made */
    LIN_WRITE = -2, /* the operation makes the revision */
    LIN_ABSENT = -3 /* a put was refused for want of its key: absent in [low, revision] */
};

struct lin_item {
    uint64_t order; /* 2 * revision, + 1 unless LIN_WRITE: what they are sorted by */
    uint32_t op;
    int32_t part;
};

/* A write of unknown outcome, by one of the values it would put. */
struct lin_claim {
    uint32_t op;
    uint32_t next; /* + 1; 0 = none */
};

/* A logged revision that nobody was answered with. */
struct lin_orphan {
    int64_t revision;
    uint32_t *ops; /* which may have made it */
    uint32_t n;
    uint32_t match; /* the one that did, UINT32_MAX: not matched yet */
};

/* A revision that is neither logged nor answered with. */
struct lin_hole {
    int64_t revision;
    struct check_pkv *seen; /* kvs with this mod_revision, in answers */
    size_t n_seen, cap;
    uint32_t reserved; /* the one operation that can have made them, + 1 */
};

/* A decision of the search: what made a hole, and where to go on when it was wrong. */
struct lin_choice {
    int64_t revision;
    size_t at, undo, n_orphans;
    size_t candidate; /* the next one to try: unknown writes, then ends of leases */
    uint32_t op;      /* + 1; 0 = the end of a lease, or nothing yet */
};

/* Of an unknown write: has the search given it a revision? */
enum { LIN_FREE, LIN_USED, LIN_RESERVED };

struct lin {
    const struct history *h;
    const struct check_log *log; /* may be NULL */
    struct check_verdict *v;
    struct check_model m;
    bool lenient;       /* not every writer is known */
    int64_t base, last; /* revisions to replay: (base, last] */
    struct lin_item *items;
    size_t n_items, items_cap;
    int64_t *deadline; /* by item: the first return of this and all later items; an
                          operation called after it made no earlier revision */
    uint64_t skipped;  /* operations before the base */
    struct arena arena;
    /* writes of unknown outcome */
    uint32_t *unknown; /* in order of their calls */
    size_t n_unknown, unknown_cap;
    uint32_t *claims_of; /* by pool id of a value: first claim + 1 */
    struct lin_claim *claims;
    size_t n_claims, claims_cap;
    uint8_t *used; /* by op: LIN_FREE, ... */
    struct lin_orphan *orphans;
    size_t n_orphans, orphans_cap;
    struct lin_hole *holes; /* ascending */
    size_t n_holes, holes_cap;
    struct lin_choice *choices;
    size_t n_choices, choices_cap;
    uint64_t steps;  /* of the search and of dry runs */
    bool keeps;      /* an unknown put keeps a value: values do not name writers */
    bool batch;      /* several leases may have ended at once in a hole */
    struct buf fail; /* why the replay stopped, of the try that came farthest */
    int64_t fail_revision;
    struct u64map lows; /* by op of LIN_ABSENT: the least revision of its window */
};

static inline int64_t lin_revision_of(const struct lin_item *i)
{
    return (int64_t)(i->order / 2);
}

/* --- lin_items.c --- */
bool lin_add_items(struct lin *l);  /* false: a violation was told */
void lin_sort_items(struct lin *l); /* and their deadlines */
void lin_check_order(struct lin *l);
bool lin_serializable(const struct check_op *op);
bool lin_wrote(const struct check_op *op); /* by what it was told */
void lin_add(struct lin *l, int64_t revision, uint32_t op, int32_t part);
/* The buffer for a counterexample of two operations; both are printed. */
void lin_tell_pair(struct lin *l, const char *what, uint32_t a, uint32_t b);

/* --- lin_refused.c --- */
void lin_check_refused(struct lin *l);
bool lin_was_absent(struct lin *l, const struct lin_item *item, struct buf *why);

/* --- lin_orphan.c --- */
void lin_note_unknown(struct lin *l);
/* Would this operation, here, change exactly what the revision says? */
bool lin_explains(struct lin *l, uint32_t op, const struct check_rev *rev);
/* Before the revision is applied. False: nobody can have made it. */
bool lin_add_orphan(struct lin *l, const struct check_rev *rev, int64_t deadline);
void lin_match_orphans(struct lin *l);

/* --- lin_search.c --- */
bool lin_find_holes(struct lin *l); /* false: a violation or "undecided" was told */
/* Makes the revision of a hole, by the next candidate of its choice. False: none is left. */
bool lin_fill_hole(struct lin *l, int64_t revision, size_t at);
/* After a mismatch: the state before the last choice, and where to go on. False: no choice. */
bool lin_back(struct lin *l, int64_t *ret_revision, size_t *ret_at);

enum {
    LIN_STEPS_MAX = 4000000 /* some seconds */
};

#endif
