/* Standing in line: the waiting that locks and elections have in common.
 *
 * A place in the line is a key `<name>/<lease id in hex>` on that lease; its turn has come when no
 * key under `<name>/` is older (by create revision). A lease that has a place already keeps it: its
 * second call waits, or has won, as the first. Threads: loop. */
#ifndef BARQUE_SERVER_LINE_H
#define BARQUE_SERVER_LINE_H

#include "lib/rpc/server.h"
#include "lib/base/slice.h"

struct server;

struct line_request;

/* What a call that has won may tell; valid until it has ended. */
struct line_won {
    const struct line_request *request; /* its lease is there also where the member granted one */
    struct slice key;
    int64_t create_revision; /* of the key */
    int64_t revision;        /* for the header */
};

/* Lives in the call's arena, as do its bytes. */
struct line_request {
    struct slice name, value;
    int64_t lease;    /* 0: one of LINE_LEASE_S is granted, for the client to keep alive */
    const char *lost; /* said (2, as etcd) when the place was lost while the call waited */
    void (*won)(struct rpc_call *call, const struct line_won *won); /* must finish the call */
};

enum { LINE_LEASE_S = 60 };

/* Takes the place (where it stands with another value, that is replaced) and waits. Uses
 * rpc_call_data. The call ends in `won` or with an error; the place of a call that ends earlier
 * (client gone, deadline) is given up. Errors: the lease's (2, as etcd), E_TOO_MANY_REQUESTS beyond
 * LIMIT_LINE_PLACES, those of server_write. */
void server_line_enter(struct server *s, struct rpc_call *call, struct line_request *r);
/* `closed` of the methods that enter. */
void server_line_closed(struct rpc_call *call);
/* Waiting calls hear E_STOPPED. Their places stay: with the same lease they go on at another
 * member. */
void server_line_stop(struct server *s);
/* An error of the request itself: etcd's lock and election say them all with code 2. */
void server_line_fail(struct rpc_call *call, int err);
/* `<name>/`, and where its range ends. */
struct slice server_line_prefix(struct arena *arena, struct slice name, struct slice *ret_end);

#endif
