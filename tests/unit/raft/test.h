/* What the tests of raft/ share: cmocka, a directory, a loop with a deadline, a state machine. */
#ifndef BARQUE_TESTS_UNIT_RAFT_TEST_H
#define BARQUE_TESTS_UNIT_RAFT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/log.h"
#include "lib/io/file.h"
#include "lib/io/loop.h"
#include "lib/io/timer.h"
#include "raft/rnode.h"
#include "raft/tuning.h"

char *temp_dir_new(void);
void temp_dir_free(char *path);

/* Runs the loop until *flag, at most ten seconds (then the test fails). */
void run_until(struct loop *loop, const bool *flag);
void run_until_some(struct loop *loop, const unsigned *count);
void run_for(struct loop *loop, uint64_t ms);

/* A log of what was applied: a hash over the commands, and their number. */
struct machine {
    uint64_t hash;
    uint64_t count;
    uint64_t applied;
    bool restored;
    uint64_t lie; /* added to the digest that is told */
};

/* One member in this process. */
struct member {
    struct loop *loop;
    struct rnode *node;
    struct machine machine;
    struct err fatal;
    bool closed;
    uint64_t id;
    char address[64];
};

void member_options(struct member *m, struct loop *loop, const char *dir,
                    struct rnode_options *ret_options);
void member_close(struct member *m);

/* A proposal that says when it is done. */
struct call {
    struct rnode_proposal p;
    struct rnode_read r;
    bool done;
    int status;
};
int propose(struct member *m, const char *command);
int propose_in_term(struct member *m, const char *command, uint64_t term);
int read_index(struct member *m);
bool wait_for_leader(struct loop *loop, struct member *const *members, size_t n,
                     struct member **ret_leader);

/* A loopback address nobody listens on. */
void address_pick(struct loop *loop, char *ret_address, size_t size);

void file_flip_bit(const char *path, size_t offset, unsigned bit);

int test_transport_run(void);
int test_peer_frame_run(void);
int test_transport_silence_run(void);
int test_transport_fault_run(void);
int test_transport_end_run(void);
int test_transport_known_run(void);
int test_log_run(void);
int test_wal_run(void);
int test_meta_run(void);
int test_snapshot_file_run(void);
int test_found_run(void);
int test_message_run(void);
int test_gates_run(void);
int test_digest_run(void);
int test_disk_health_run(void);
int test_rnode_run(void);
int test_cluster_run(void);
int test_join_run(void);
int test_removed_run(void);
int test_level_run(void);
int test_forged_run(void);
int test_install_run(void);
int test_disk_faults_run(void);
int test_wal_faults_run(void);
int test_transport_odd_run(void);
int test_recover_run(void);
int test_bounds_run(void);
int test_aside_run(void);

#endif
