/* Three members in this process, over real sockets and directories, that found a cluster. */
#ifndef BARQUE_TESTS_UNIT_RAFT_TRIO_H
#define BARQUE_TESTS_UNIT_RAFT_TRIO_H

#include "raft/join.h"
#include "tests/unit/raft/test.h"

enum { MEMBERS = 3 };

struct trio {
    struct loop *loop;
    char *dir;
    struct member m[MEMBERS];
    struct rnode_member founders[MEMBERS];
};

void trio_open(struct trio *f);
/* Whoever runs still ends as in a crash. */
void trio_close(struct trio *f);
/* Opens member i: as a founder, or let in by an answer. The code of rnode_open. */
int trio_start(struct trio *f, size_t i, const struct join_answer *joined);
/* Member i ends as in a crash. */
void trio_end(struct trio *f, size_t i);
/* The directory of member i; mem_free. */
char *trio_dir(const struct trio *f, size_t i);
/* Waits for one. */
struct member *trio_leader(struct trio *f);

#endif
