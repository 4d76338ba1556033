/* Passwords become hashes, and are held against them, on a thread beside the loop. */
#ifndef BARQUE_SERVER_PASSWORDS_H
#define BARQUE_SERVER_PASSWORDS_H

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/io/work.h"

struct rpc_call;
struct server;

struct password_ask {
    struct job job;
    struct list link; /* server.passwords */
    struct server *server;
    struct rpc_call *call;
    struct slice password; /* owned */
    uint8_t salt[16];
    struct buf hashed; /* to hold it against, or what became of it */
    bool check;
    unsigned cost; /* of a new hash */
    int status;
    void *data;
    void (*done)(struct password_ask *a);
};

/* `hashed` empty: makes a hash (a->hashed). Otherwise: does the password fit it? done is called
 * when that went well and must finish the call, or hand it on; if not, the call fails
 * (E_AUTH_FAILED, E_NOMEM, E_TOO_MANY_REQUESTS beyond LIMIT_AUTH_WAITING). Copies both. */
void password_ask(struct server *s, struct rpc_call *call, struct slice password,
                  struct slice hashed, void *data, void (*done)(struct password_ask *a));
/* Fails all that waits (E_STOPPED) and ends the thread. */
void server_passwords_stop(struct server *s);

#endif
