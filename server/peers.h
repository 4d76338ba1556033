/* <data-dir>/peers: who the members were when this one last ran, for the day on which member/ is
 * damaged. Not a part of consensus: it may be old, or gone. */
#ifndef BARQUE_SERVER_PEERS_H
#define BARQUE_SERVER_PEERS_H

#include "lib/io/file.h"
#include "raft/join.h"

/* False: there is no such file, or it is damaged. */
bool server_peers_load(struct fs *fs, const char *data_dir, struct join_answer *ret_peers);
/* A failure is logged. */
void server_peers_store(struct fs *fs, const char *data_dir, const struct join_answer *peers);

#endif
