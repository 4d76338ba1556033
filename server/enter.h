/* How a member comes into being: a founder, a member that returns, one that joins a running
 * cluster, or one whose data directory is damaged.
 *
 *     nothing on disk, a founder of several:              JOIN_STARTED -> nobody knows it: open
 *       -> it was there before: its disk was lost, which is a damage like any other (below)
 *     nothing on disk, --initial-cluster-state existing:  JOIN_WHO -> open under that id
 *       -> it votes or has said its name already: its disk was lost, too
 *     otherwise:                                          open
 *       -> E_CORRUPT, or nothing but a directory that was moved aside:
 *          JOIN_REPLACE -> the directory is moved aside -> open under a new id, empty
 *
 * Who was replaced and does not know it finds out while it runs (raft/removed.c).
 *
 * A damaged directory is only moved once the others have taken a learner in its place: if they
 * cannot (no quorum without this member) all stays as it is, and they are asked again. Without
 * other members the start is refused. */
#ifndef BARQUE_SERVER_ENTER_H
#define BARQUE_SERVER_ENTER_H

#include "server/server.h"

/* What options point to must stay until done, which is called once, later. E_MEMBER_NOT_FOUND:
 * nobody has added this member; else as server_open. */
void server_enter(const struct server_options *options,
                  void (*done)(void *arg, int status, struct server *server,
                               const struct err *err),
                  void *arg);

#endif
