/* The applied log: which revision changed which keys, as one member's store or one watch from the
 * beginning tells it. It is the yardstick of all other checks.
 *
 * Revisions are added in ascending order. A hole may be recorded (a watch that lost something is
 * for the checkers to find); time goes along for the checks that need it. What happened before the
 * first revision is either nothing (a log from revision 2 on, the default) or the base: the live
 * keys at a revision.
 *
 * Everything is copied into the pool. Pure, one owner. */
#ifndef BARQUE_CHECK_LOG_H
#define BARQUE_CHECK_LOG_H

#include "check/history.h"
#include "check/report.h"

struct check_event {
    struct check_kv kv;  /* deleted: key and mod_revision only */
    bool deleted;
};

struct check_pevent {
    struct check_pkv kv;
    bool deleted;
};

struct check_rev {
    int64_t revision;
    int64_t at_us;               /* applied or seen; 0 = not known */
    struct check_pevent *events; /* in sub order */
    uint32_t n;
};

struct check_log {
    struct check_pool *pool;
    struct check_rev *revs;      /* ascending */
    size_t n, cap;
    int64_t base_revision;       /* the state before the first of revs; 1 = the empty store */
    struct check_pkv *base;      /* live at base_revision, by key */
    size_t n_base;
    uint64_t dropped;            /* revisions the pool had no room for */
};

/* The pool is borrowed and must outlive the log. */
void check_log_init(struct check_log *l, struct check_pool *pool);
void check_log_fini(struct check_log *l);
/* PRE: nothing was added yet; kvs in key order. */
void check_log_base(struct check_log *l, int64_t revision, const struct check_kv *kvs, size_t n);
/* All changes of one revision, in their order. E_EXIST when a revision >= this one is known
 * (nothing is changed: a watch that resumed may tell a revision twice), E_FULL when the pool is
 * full, E_INVAL when an event's mod_revision is another one or there are none. */
int check_log_add(struct check_log *l, int64_t revision, int64_t at_us,
                  const struct check_event *events, size_t n);
/* NULL when it is not there. O(1) where the log has no hole. */
const struct check_rev *check_log_find(const struct check_log *l, int64_t revision);
/* base_revision when empty. */
int64_t check_log_last(const struct check_log *l);

/* Every two logs tell the same of each revision that both have, and none has a hole: verdict
 * "logs agree". 0, or E_MISMATCH. Same pool for all. */
int check_logs_agree(const struct check_log *const *logs, const char *const *names, size_t n,
                     struct check_report *report);

#endif
