/* The keys a controller still has to look at: each at most once, and never by two workers.
 *
 * A key is in at most one of: waiting in line (dirty), being worked on (processing), or both marked
 * dirty again while it is processed, in which case `done` puts it back in line. So an event that
 * comes during a reconcile is never lost and never reconciled concurrently. First in, first out.
 *
 *     add(a) add(a) add(b)     line: a b
 *     get -> a                 line: b      processing: a
 *     add(a)                   line: b      processing: a*
 *     done(a)                  line: b a
 *
 * Pure: time comes in. Delayed keys become ready when `get` is called with now_ms >= their due
 * time; workqueue_next_due_ms says when to call. Keys are copied; "ns/name" or any text. */
#ifndef BARQUE_CLIENT_WORKQUEUE_H
#define BARQUE_CLIENT_WORKQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct workqueue;

struct workqueue_options {
    uint64_t backoff_base_ms; /* 0 = 50 */
    uint64_t backoff_max_ms;  /* 0 = 30000 */
    uint64_t seed;            /* spreads the back-off; 0 = no spreading */
};

struct workqueue *workqueue_new(const struct workqueue_options *options);
struct workqueue *workqueue_free(struct workqueue *q); /* NULL is fine; returns NULL */
void workqueue_add(struct workqueue *q, const char *key);
/* Not before due_ms; an earlier due time wins over a later one, and a plain add over both. */
void workqueue_add_at(struct workqueue *q, const char *key, uint64_t due_ms);
/* After a failure: each one in a row doubles the wait. */
void workqueue_add_rate_limited(struct workqueue *q, const char *key, uint64_t now_ms);
/* After a success: the next failure starts at the base again. */
void workqueue_forget(struct workqueue *q, const char *key);
uint32_t workqueue_failures(const struct workqueue *q, const char *key);
/* The next key, now processing; NULL when none is ready. Valid until workqueue_done of it. */
const char *workqueue_get(struct workqueue *q, uint64_t now_ms);
void workqueue_done(struct workqueue *q, const char *key); /* PRE: processing */
size_t workqueue_len(const struct workqueue *q);        /* in line, delayed ones not counted */
size_t workqueue_delayed(const struct workqueue *q);
size_t workqueue_processing(const struct workqueue *q);
/* 0 when a key is in line, else the earliest delayed one, UINT64_MAX when there is none. */
uint64_t workqueue_next_due_ms(const struct workqueue *q);
/* Drops what is in line and delayed and all failure counts; keys in processing stay until done. */
void workqueue_clear(struct workqueue *q);

#endif
