/* What members say to one another: libraft's messages and Barque's own frames, as msgpack.
 *
 * Every payload is an array [version, kind, ...]; a reader skips trailing elements it does not
 * know. Decoding is bounded and keeps pointers into the payload: use the result while the payload
 * lives. */
#ifndef BARQUE_RAFT_MESSAGE_H
#define BARQUE_RAFT_MESSAGE_H

#include <raft.h>

#include "lib/base/buf.h"
#include "raft/log.h"

enum message_kind {
    /* 1..6: enum raft_message_type */
    MESSAGE_PROPOSE = 16,     /* follower -> leader: append these commands in this term */
    MESSAGE_READ_INDEX = 17,  /* follower -> leader: which index must I have applied? */
    MESSAGE_READ_REPLY = 18,
    MESSAGE_PROBE = 19,       /* leader -> voters: am I still leader of this term? */
    MESSAGE_ACK = 20,
    MESSAGE_ASK = 21,         /* member -> leader: a small question of the server */
    MESSAGE_ANSWER = 22,
    MESSAGE_DISK_SLOW = 23,   /* follower -> leader: do not make me leader */
};

enum { MESSAGE_VERSION = 1, MESSAGE_AE_BYTES = 1024 * 1024 };

struct message {
    unsigned kind;
    struct raft_message raft; /* kinds 1..6; AE: entries, with buf pointing into the payload */
    uint64_t term;            /* PROPOSE, PROBE, ACK, DISK_SLOW */
    uint64_t epoch;           /* READ_INDEX, READ_REPLY, ASK, ANSWER: the asker's */
    uint64_t seq;
    uint64_t index;           /* READ_REPLY */
    int status;               /* ANSWER */
    struct slice bytes;       /* ASK, ANSWER */
    struct slice *commands;   /* PROPOSE: entry data, envelope included */
    size_t n_commands;
};

/* Memory that decoding reuses. */
struct message_reader {
    struct raft_entry *entries;
    size_t entries_cap;
    struct slice *commands;
    size_t commands_cap;
};

void message_reader_fini(struct message_reader *r);
/* E_PROTO, E_TRUNCATED, E_TOOBIG: the peer's fault. */
int message_decode(struct message_reader *r, struct slice payload, struct message *ret_message);

/* Requests and results, all but AE's entries. */
void message_put_raft(struct buf *b, const struct raft_message *m);
/* An AE carrying log entries prev+1 .. prev+n, at most about MESSAGE_AE_BYTES of them (at least one
 * when n > 0). Returns how many it took. PRE: they are in the log. */
unsigned message_put_append_entries(struct buf *b, const struct raft_append_entries *ae,
                                    const struct entry_log *log);
/* Starts a PROPOSE of n commands; n message_put_command follow. */
void message_put_propose(struct buf *b, uint64_t term, uint32_t n);
void message_put_command(struct buf *b, struct slice command);
void message_put_read_index(struct buf *b, uint64_t epoch, uint64_t seq);
void message_put_read_reply(struct buf *b, uint64_t epoch, uint64_t seq, uint64_t index);
void message_put_probe(struct buf *b, enum message_kind kind, uint64_t term, uint64_t seq);
void message_put_disk_slow(struct buf *b, uint64_t term);
void message_put_ask(struct buf *b, uint64_t epoch, uint64_t seq, struct slice question);
void message_put_answer(struct buf *b, uint64_t epoch, uint64_t seq, int status,
                        struct slice answer);

#endif
