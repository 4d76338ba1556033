/* Mirrors a key prefix: list, then watch from the list's revision + 1, forever.
 *
 *     LISTING --list_end(R)--> WATCHING from R+1 --E_COMPACTED--> LISTING
 *        ^  \__ fails: back-off, again __/                            |
 *        +------------------------------------------------------------+
 *
 * The sink sees a full state (list_begin, list_item..., list_end) and then every change after it,
 * exactly once and in order. A relist is a full state again: what it does not name is gone. It
 * never goes back in time: a list answered at a revision below one already seen is thrown away and
 * asked again. Callbacks on the loop, never inside reflector_new. kvs are valid during the
 * callback. */
#ifndef BARQUE_CLIENT_REFLECTOR_H
#define BARQUE_CLIENT_REFLECTOR_H

#include "client/client.h"

struct reflector;

struct reflector_sink {
    void (*list_begin)(void *arg);
    void (*list_item)(void *arg, const struct client_kv *kv);
    void (*list_end)(void *arg, int64_t revision); /* everything up to here has been told */
    /* n == 0 is a bookmark: nothing changed up to `revision`. Deletes carry the last value in
     * prev. */
    void (*events)(void *arg, const struct client_event *events, size_t n, int64_t revision);
    /* May be NULL: the watch moved to another member; a list or watch failed and is tried again. */
    void (*moved)(void *arg, const char *endpoint, int64_t revision);
    void (*failing)(void *arg, int status, const struct err *err);
};

struct reflector_options {
    struct client *client;
    struct slice prefix; /* copied */
    struct reflector_sink sink;
    void *arg;
    uint64_t seed;
};

struct reflector *reflector_new(const struct reflector_options *options);
struct reflector *reflector_free(struct reflector *r); /* also from inside a callback */
/* Lists again now, as after a compaction: the sink sees the difference to what it was told. */
void reflector_relist(struct reflector *r);
/* The last revision told; 0 before the first list_end. */
int64_t reflector_revision(const struct reflector *r);

#endif
