/* What tests and the simulator may set beside rnode_options. Production uses the defaults. */
#ifndef BARQUE_RAFT_TUNING_H
#define BARQUE_RAFT_TUNING_H

#include "raft/rnode.h"

struct rnode_tuning {
    uint32_t gates_off;       /* enum gate bits that are *not* applied */
    size_t wal_segment_bytes; /* 0: LIMIT_WAL_SEGMENT_BYTES */
    unsigned inflight_max;    /* 0: 4096 entries per peer */
    bool no_pre_vote;
    uint64_t digest_ms;       /* 0: states are compared after 5 s of activity */
};

int rnode_open_tuned(const struct rnode_options *options, const struct rnode_tuning *tuning,
                     struct rnode **ret_node, struct err *err);

/* For checkers: term and hash of the data of an entry in the log; false when it is not there. */
bool rnode_log_entry(const struct rnode *n, uint64_t index, uint64_t *ret_term, uint32_t *ret_type,
                     struct slice *ret_data);

#endif
