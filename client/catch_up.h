/* Brings the caches of a process up to the store's present: what a new leader does before it acts,
 * so that it does not repeat what the old leader has just written.
 *
 *     linearizable read -> R; the caches show R by a bookmark asked for, or by listing again ->
 *     done
 *
 * A progress request costs one round trip, but etcd before 3.4.31 and 3.5.0..3.5.12 may answer it
 * ahead of events; there every kind is listed again. Threads: loop. */
#ifndef BARQUE_CLIENT_CATCH_UP_H
#define BARQUE_CLIENT_CATCH_UP_H

#include "client/informer.h"

struct catch_up;

/* done(arg, complete, revision) once, later, and the object is gone: complete = all caches show at
 * least `revision`; false when timeout_ms passed first. */
struct catch_up *catch_up_start(struct informers *set, uint64_t timeout_ms,
                                void (*done)(void *arg, bool complete, int64_t revision),
                                void *arg);
void catch_up_cancel(struct catch_up *u); /* NULL is fine; done is not called */
/* Does a server of this version answer a progress request after all events before it? */
bool catch_up_progress_is_exact(const char *version);

#endif
