/* An h2 session's output into a conn: full while the conn is congested. */
#ifndef BARQUE_RPC_H2_CONN_H
#define BARQUE_RPC_H2_CONN_H

#include "lib/io/conn.h"
#include "lib/rpc/h2.h"

/* As h2_pull. */
int h2_pull_into_conn(struct h2 *h2, struct conn *c);

#endif
