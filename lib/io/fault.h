/* The seeded fault shim of one process: what its network, disk and clock do wrong, by rules in a
 * file that may change at any time (docs/faults.md). Off unless `faults_start` was called: then
 * loop_faults is NULL, and each place that could misbehave is one branch.
 *
 * The shim only decides; carrying out is with who knows how: raft/transport for frames, conn.c for
 * connections, file.c and fs.c for the disk, loop_wall_ms for the clock. tests/sim has worlds of
 * its own and no shim: its loop_faults is NULL.
 *
 * Threads: loop; what is said of the disk may be called from workers too. */
#ifndef BARQUE_IO_FAULT_H
#define BARQUE_IO_FAULT_H

#include "lib/io/fault_rules.h"
#include "lib/io/loop.h"

struct faults;

/* NULL: nothing is to go wrong on purpose. */
struct faults *loop_faults(struct loop *loop);

/* Starts obeying `path`, and warns. `self` is this process's member or node name. Call it before
 * anything is opened on the loop; loop_free ends it. A file that is there is in force on return,
 * or E_INVAL, E_TOOBIG, E_IO with what is wrong. */
int faults_start(struct loop *loop, const char *path, const char *self, struct err *err);
/* A further name of this process in link rules: its peer address. */
void faults_set_address(struct faults *f, const char *address);
/* Connections accepted at this listener are clients'. */
void faults_add_client(struct faults *f, const char *listen_address);

/* --- links: one process's own sending --------------------------------------------------------- */

struct fault_frame {
    bool lost;
    bool twice;
    bool overtaken;    /* frames sent later need not wait for it */
    uint32_t delay_ms;
};
/* Draws what happens to one frame to this peer. */
struct fault_frame faults_frame(struct faults *f, struct fault_name to);
/* Nothing at all gets through to it now. */
bool faults_cut(struct faults *f, struct fault_name to);

#endif
