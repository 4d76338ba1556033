/* Events for people: "Normal Scheduled pod/web-1: bound to n2". The same thing again does not make
 * a second object: count and lastTimestamp of the first grow. Written at most once a second each,
 * best effort (a failed write is tried at the next occurrence), attached to a lease of one hour so
 * that they vanish by themselves. At most 1024 are remembered; the one longest unused is forgotten
 * (it would begin a new object). */
#ifndef BARQUE_CLIENT_RECORDER_H
#define BARQUE_CLIENT_RECORDER_H

#include "api/object.h"
#include "client/client.h"

struct recorder;
/* `component` ("scheduler", "kubelet") is source.component, `host` source.host ("" = none). */
struct recorder *recorder_new(struct client *c, const char *component, const char *host,
                              uint64_t seed);
struct recorder *recorder_free(struct recorder *r);

struct event_about {
    const struct kind *kind;
    const char *namespace_, *name, *uid;
};
void recorder_event(struct recorder *r, const struct event_about *about, const char *type,
                    const char *reason, const char *message);
void recorder_object_event(struct recorder *r, const struct object *about, const char *type,
                           const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
