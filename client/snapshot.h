/* Maintenance/Snapshot of one endpoint: etcd's database file as it comes, without a client around
 * it (there is nothing to resume elsewhere: another member's file is another one). Threads: loop.
 * */
#ifndef BARQUE_CLIENT_SNAPSHOT_H
#define BARQUE_CLIENT_SNAPSHOT_H

#include "lib/base/err.h"
#include "lib/base/slice.h"
#include "lib/io/loop.h"

struct client_snapshot;

struct client_snapshot_options {
    struct loop *loop;
    const char *endpoint; /* "127.0.0.1:2379" or a URL; only during the call */
    const char *user;     /* NULL: nobody logs in; only during the call, as the password */
    const char *password;
    uint64_t silence_ms;  /* no byte for so long ends it; 0: 30 s */
    /* The next bytes of the file, its sum at the end included; `remaining` without the sum. A code
     * that is not 0 ends it. */
    int (*on_blob)(void *arg, struct slice blob, uint64_t remaining, struct err *err);
    /* Once, the last call: 0, or why not. What came is not checked here. */
    void (*done)(void *arg, int status, const struct err *err);
    void *arg;
};

/* E_INVAL, E_UNSUPPORTED: the endpoint; done is not called then. */
int client_snapshot_start(const struct client_snapshot_options *options,
                          struct client_snapshot **ret_snapshot, struct err *err);
/* done will not be called. */
void client_snapshot_cancel(struct client_snapshot *s);

#endif
