/* Who asks, by the call's token, and what they may do. All give 0 while auth is off.
 * E_AUTH_TOKEN (a token that is none), E_USER_EMPTY (no token), E_PERM. */
#ifndef BARQUE_SERVER_GUARD_H
#define BARQUE_SERVER_GUARD_H

#include "lib/rpc/server.h"
#include "store/store.h"

struct server;

/* Before a method begins: E_NOLEADER for who asks for one where there is none; then the right that
 * its row in guard.c names. */
int server_admit(struct rpc_call *call);
/* ret_who->user is borrowed from the store until the next apply. */
int server_who(struct server *s, const struct rpc_call *call, struct auth_who *ret_who);
int server_may_read(struct server *s, const struct rpc_call *call, struct slice key,
                    struct slice range_end);
/* All that a txn reads (and writes). */
int server_may_read_txn(struct server *s, const struct rpc_call *call,
                        const struct txn_request *t);
/* All keys of a lease. */
int server_may_lease(struct server *s, const struct rpc_call *call, int64_t id,
                     enum auth_access access);
int server_may_admin(struct server *s, const struct rpc_call *call);

/* What AuthEnable and Authenticate hand out. PRE: auth is on. */
void server_token_make(struct server *s, const struct auth_user *u, struct buf *out);
void server_tokens_fini(struct server *s);

#endif
