/* A member of our own making: it can do what a real one does only after minutes. */
#ifndef BARQUE_TEST_CLIENT_MEMBER_H
#define BARQUE_TEST_CLIENT_MEMBER_H

#include "client/client.h"
#include "lib/rpc/server.h"

enum { WAIT_MS = 20000 };

struct member {
    struct loop *loop;
    struct rpc_server *server;
    const char *password;  /* NULL: auth is off */
    char token[64];        /* the only one that is taken */
    unsigned logins, refused, puts, streams;
    bool void_at_once;     /* gives tokens that it does not take */
    const char *odd_token; /* gives this one */
    int64_t revision;
    struct rpc_call *watch; /* the last stream */
    int64_t watch_id;
};

/* A loop, and a member on it that takes this password of the user "app"; NULL: auth is off. */
void member_open(struct member *m, const char *password);
/* And its client, the loop. */
void member_close(struct member *m, struct client *c);
/* Of user "app"; the rest as `o` says. */
struct client *member_client(struct member *m, struct client_options o);
/* A put of "a" to who watches it, on the last stream. */
void member_event(struct member *m);

#endif
