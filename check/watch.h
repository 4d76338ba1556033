/* Watches: what was asked, what came, and whether it is what the log says.
 *
 * One check_watch is one logical watch of one client, over any number of members and
 * connections: each check_watch_asked begins a segment (the first one, or a resume). Facts are
 * recorded in the order in which the client saw them; times in microseconds as in history.h.
 *
 * Verdicts, against the log: "watch ordered", "watch unique", "watch atomic", "watch reliable",
 * "watch resumable", "watch bookmarkable", "watch start", "watch content" (kv fields, prev_kv,
 * filters, range), "watch compacted".
 *
 * Memory is the pool's: a watch is freed with it. Pure, one owner. */
#ifndef BARQUE_CHECK_WATCH_H
#define BARQUE_CHECK_WATCH_H

#include "check/log.h"

struct check_watch;

struct check_watch_request {
    struct slice key, range_end;     /* as in check_ask */
    int64_t start_revision;          /* 0 = from now on */
    bool prev_kv, no_put, no_delete, fragment;
};

struct check_watch_event {
    struct check_kv kv;
    bool deleted;
    bool has_prev;
    struct check_kv prev;
};

/* NULL when the pool is full. */
struct check_watch *check_watch_new(struct check_pool *pool, uint32_t client, uint32_t number);
/* A create request goes to `member`. A resume has the same range and flags; its start_revision is
 * what the client wants next. `compacted_revision`: what is known for certain to be compacted on
 * that member by now (0 = nothing). */
void check_watch_asked(struct check_watch *w, int64_t now_us, uint32_t member,
                       const struct check_watch_request *request, int64_t compacted_revision);
/* All of these with the response header's revision. */
void check_watch_created(struct check_watch *w, int64_t now_us, int64_t revision);
/* One response. `fragment`: the response says that more of the same follows. */
void check_watch_events(struct check_watch *w, int64_t now_us, int64_t revision, bool fragment,
                        const struct check_watch_event *events, size_t n);
/* A response without events: a bookmark. */
void check_watch_progress(struct check_watch *w, int64_t now_us, int64_t revision);
/* By the server; compact_revision 0: another reason. */
void check_watch_canceled(struct check_watch *w, int64_t now_us, int64_t revision,
                          int64_t compact_revision);
/* The connection broke, or the client canceled: what is in flight never comes. */
void check_watch_lost(struct check_watch *w, int64_t now_us);
/* Events, bookmarks, ...: how many facts were recorded, and how many found no room. */
uint64_t check_watch_facts(const struct check_watch *w, uint64_t *ret_dropped);

struct check_watch_options {
    int64_t compacted_revision; /* the highest revision that anyone asked to compact; 0 = none */
    int64_t complete_revision;  /* every watch whose last segment is open must have told all up to
                                   this one (the run has healed and waited); 0 = not asked for */
};

/* The worst of its verdicts' codes (report.h). All share the log's pool; the log must begin at or
 * before each watch's start. */
int check_watches(struct check_watch *const *watches, size_t n, const struct check_log *log,
                  const struct check_watch_options *options, struct check_report *report);

#endif
