/* One real member, and a founder beside it whose every word is the test's: a transport without a
 * member behind it. */
#ifndef BARQUE_TESTS_UNIT_RAFT_PUPPET_H
#define BARQUE_TESTS_UNIT_RAFT_PUPPET_H

#include "raft/configuration.h"
#include "raft/message.h"
#include "raft/transport.h"
#include "tests/unit/raft/test.h"

enum { PUPPET_ID = 1, MEMBER_ID = 2, STRANGER_ID = 9, CLUSTER_ID = 0xc1 };

struct puppet {
    struct loop *loop;
    struct transport *t;
    uint64_t id;
    char address[64];
    bool grants; /* answers every request for a vote */
    bool acks;   /* and every AppendEntries and probe */
    struct message_reader reader;
    unsigned heard[64];       /* by kind */
    struct message last[64];  /* without what it pointed to */
    bool closed;
};

struct stage {
    struct loop *loop;
    char *dir;
    struct member m;
    struct puppet p;
    struct entry_log log; /* the puppet's, as a leader */
};

void puppet_open(struct puppet *p, struct loop *loop, uint64_t id);
void puppet_close(struct puppet *p);
void puppet_reach(struct puppet *p, const struct member *m);
void puppet_send(struct puppet *p, struct buf *b); /* to the member */
void puppet_say(struct puppet *p, struct raft_message m);
void puppet_wait(struct puppet *p, unsigned kind, unsigned times);

/* Founders: the puppet and the member; entry 1 (term 1) says so. */
void stage_open(struct stage *s);
void stage_close(struct stage *s);
/* Entry `index` of the puppet's log from here on. */
void stage_entry(struct stage *s, uint64_t index, uint64_t term, unsigned type, struct value *data);
/* An AppendEntries of the entries after prev. */
void stage_append(struct stage *s, uint64_t term, uint64_t prev, uint64_t prev_term,
                  uint64_t commit);
/* The member leads by the puppet's vote. */
void stage_member_leads(struct stage *s, struct rnode_status *ret_status);
void stage_wait_status(struct stage *s, bool (*until)(const struct rnode_status *status,
                                                      uint64_t arg),
                       uint64_t arg);
struct value *stage_configuration(const struct stage *s, bool puppet_votes);

#endif
