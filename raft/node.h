/* The parts of one member, shared by raft/'s files and nobody else.
 *
 *              transport                          fsm (the server's store)
 *                  |  frames                          ^ committed commands
 *     receive.c ---+--> driver.c <-> libraft core     |
 *     send.c    <------/   |    \--> apply.c ---------+
 *                          v                 \--> snapshot_take.c, snapshot_install.c
 *                        wal.c -> durable ->/
 *     propose.c, read_index.c, ask.c: what callers wait for; membership.c: who is who
 *
 * driver_event() is the only way into the core. Everything runs on the loop; nothing here is
 * reentrant: callers' requests are gathered and handed in at the end of the turn (rnode.c:
 * on_turn_end). */
#ifndef BARQUE_RAFT_NODE_H
#define BARQUE_RAFT_NODE_H

#include <raft.h>

#include "lib/base/limits.h"
#include "lib/base/map.h"
#include "lib/io/work.h"
#include "raft/digest_vote.h"
#include "raft/disk_health.h"
#include "raft/gates.h"
#include "raft/log.h"
#include "raft/message.h"
#include "raft/meta.h"
#include "raft/rnode.h"
#include "raft/snapshot_file.h"
#include "raft/transport.h"
#include "raft/tuning.h"
#include "raft/wal.h"

enum {
    SWEEP_MS = 50,             /* deadlines and retransmissions are looked at this often */
    RESEND_MS = 400,           /* an unanswered frame to the leader is repeated */
    APPLY_PER_TURN = 4096,
    SUBMIT_MAX = 1024,         /* entries per RAFT_SUBMIT */
    MESSAGES_HELD_MAX = 256,   /* G7 */
    PROBE_ROUNDS_MAX = 8,
    REJECT_STEP_MAX = 128,
    CATCH_UP_ENTRIES = 50,     /* a learner this close to the leader may be promoted */
    TRAILING_BYTES = 32 * 1024 * 1024,
    SEEN_WINDOW = 65536,       /* sequence numbers of one origin remembered by the leader */
};

/* --- proposals (propose.c) --- */

/* Kinds that change nothing of the state may be added: who does not know one skips it. */
enum command_kind {
    COMMAND_USER = 1,
    COMMAND_ATTRS = 2,  /* membership.c */
    COMMAND_CHECK = 3,  /* digest.c */
    COMMAND_REPORT = 4,
};

struct envelope {
    uint64_t kind;
    uint64_t origin;
    uint64_t epoch;
    uint64_t seq;
    struct slice command;
};

struct pending { /* ring slot of one own proposal */
    struct rnode_proposal *p; /* NULL: forgotten by its caller */
    struct value *data;       /* envelope and command; NULL: slot is free */
    uint64_t deadline_ms;
    uint64_t sent_term;       /* 0: waits to be sent */
    uint64_t sent_ms;
    uint64_t only_term;       /* by this member as the leader of that term, or not at all; 0: any */
};

struct proposals {
    struct pending *ring; /* slot = seq modulo cap */
    size_t cap;
    size_t n_only;        /* with an only_term */
    uint64_t base;        /* oldest sequence number that may be live */
    uint64_t next;
    uint64_t unsent;      /* nothing below it waits to be sent */
    size_t n;
    size_t bytes;
    uint64_t due_ms;      /* no deadline is earlier */
    struct list refused;  /* answered at the end of the turn */
    struct value **remote; /* forwarded to us, waiting for the submit */
    size_t remote_n, remote_cap;
    size_t remote_bytes;
    struct u64map seen;   /* origin -> struct seen: what was appended in this term */
};

/* --- reads (read_index.c) --- */

struct reads {
    struct list waiting;  /* struct rnode_read, not asked for yet */
    struct list batches;  /* follower: struct read_batch, asked for; by seq */
    struct list rounds;   /* leader: struct read_round, by seq */
    struct list confirmed;/* struct rnode_read, wait for applied >= index; by index */
    struct list remote;   /* leader: struct read_remote, followers' questions for the next round */
    size_t rounds_n;
    uint64_t seq;
    uint64_t probed_ms;
};

/* --- questions (ask.c) --- */

struct asks {
    struct list waiting;  /* struct ask_item, no leader known yet */
    struct u64map sent;   /* seq -> struct ask_item */
    struct u64map open;   /* ask id -> struct ask_open: asked of us, unanswered */
    uint64_t seq;
    uint64_t next_id;
};

/* --- membership (membership.c) --- */

struct attrs {
    uint64_t id;
    char name[64];
    char client_url[256];
    uint64_t level;
};

struct peer_heard {
    uint64_t id;
    uint64_t ms;
};

struct membership {
    struct attrs *attrs;      /* what members published, applied from the log */
    size_t attrs_n, attrs_cap;
    struct rnode_member *members;
    size_t members_n;
    uint64_t level;           /* the least one of the members */
    uint64_t *peers;          /* ids the transport knows */
    size_t peers_n, peers_cap;
    bool dirty;               /* the core's configuration or the attributes changed */
    struct rnode_proposal publish;
    bool publishing;
    bool published;
    uint64_t publish_after_ms; /* it was refused: not in the same breath again */
    int change_kind;          /* a change asked for (membership.h) */
    struct rnode_member change_member;
    uint64_t change_index;    /* 0: not submitted yet */
    uint64_t change_term;
    void (*change_done)(void *arg, int status);
    void *change_arg;
    bool wishes;              /* there are learners that are to be promoted by the leader */
    uint64_t promote_after_ms;
    struct peer_heard heard[LIMIT_PEERS]; /* who answered us as the leader of heard_term */
    size_t heard_n;
    uint64_t heard_term;
};

/* --- rolling digest (digest.c) --- */

struct digests {
    struct digest_vote vote;
    struct timer timer;          /* leader: the next check */
    bool due;
    bool active;                 /* commands were applied since the last check */
    struct rnode_proposal check;
    bool checking;
    uint64_t report_index;       /* our digest there is to be told; 0: nothing */
    uint64_t report_digest;
    struct rnode_proposal report;
    bool reporting;
    uint64_t corrupt_member;     /* the last one that was named; 0 none */
    bool told_split;
    struct metric *m_agreed, *m_corrupt, *m_split;
};

/* --- a slow disk (slow_disk.c) --- */

struct slow_disk {
    struct disk_health health;
    struct slow_note { /* a voter that said its disk is slow */
        uint64_t id;
        uint64_t until_ms;
    } notes[LIMIT_PEERS];
    size_t notes_n;
    bool told;       /* what was logged */
    bool told_alone;
    uint64_t tick_ms; /* not before */
    uint64_t say_ms;
    uint64_t try_ms;
    uint64_t handovers;
    struct metric *m_slow, *m_handovers;
};

/* --- snapshots (snapshot_take.c, snapshot_send.c, snapshot_install.c) --- */

struct snapshot_take;
struct snapshot_receipt;

struct snapshots {
    char *dir;
    struct snapshot_info current; /* on disk, and what the core was told */
    struct worker *worker;
    struct worker *install_worker;
    struct snapshot_take *taking;
    uint64_t swap_index;          /* installed on disk, waits until `taking` has unpinned; 0 none */
    bool renew;                   /* the file of `current` is damaged: another one is due */
    uint64_t bytes_applied;       /* since the newest snapshot was pinned */
    uint64_t not_before_ms;       /* the disk was full: next try */
    struct list sends;            /* struct snapshot_send */
    struct snapshot_receipt *receipt; /* the one that counts, or NULL */
    struct list receipts;
    uint64_t next_stream;
};

struct held_message {
    uint64_t to;
    struct raft_append_entries ae;
};

struct commit_told { /* what a peer knows to be committed from what it was sent (send.c) */
    uint64_t id;
    uint64_t index;
};

/* Asked for while another transfer runs. */
struct transfer_refused {
    void (*done)(void *arg, int status);
    void *arg;
};

struct transfer {
    bool active;
    bool started;
    uint64_t target;
    uint64_t deadline_ms;
    void (*done)(void *arg, int status);
    void *arg;
};

/* removed.c */
struct removed {
    struct timer timer;
    bool lone;                /* at the last look: no leader heard of for long */
    struct join *asking;
};

enum closing { CLOSE_NO, CLOSE_TRANSFER, CLOSE_TRANSPORT, CLOSE_WAL };

struct rnode {
    struct rnode_options options; /* strings are ours */
    struct rnode_tuning tuning;
    struct loop *loop;
    struct fs *fs;
    uint64_t id;
    uint64_t cluster_id;
    uint64_t epoch;
    uint32_t gates;

    struct file *lock;
    char *wal_dir;
    struct meta meta;
    struct wal *wal;
    struct entry_log log;
    struct transport *transport;

    struct raft core;
    bool core_up;
    bool core_restart;        /* start it again when the disk has settled */
    struct timer core_timer;
    uint64_t core_due_ms;     /* what the timer is set to; 0: not set */
    uint64_t core_fired_ms;
    struct value **submit_values; /* during a RAFT_SUBMIT: the entries' values */

    uint64_t commit;          /* highest commit index seen (G10) */
    uint64_t applied;
    uint64_t applied_term;
    uint64_t durable;         /* WAL */
    bool installing;
    bool settling;
    bool applied_dirty;       /* fsm.apply_end is due */
    bool disk_full;           /* the WAL waits for space: proposals are refused */
    uint64_t conf_index;      /* newest applied configuration */
    struct value *conf;

    bool leading;             /* as of the last step */
    uint64_t lead_term;
    uint64_t elect_last;      /* last index when elected (read index rule a) */
    uint64_t own_term_index;  /* an entry of the term we lead; 0: none yet */
    uint64_t seen_term, seen_leader; /* last told to on_change and the queues */
    int seen_state;
    uint64_t change_index;    /* newest RAFT_CHANGE appended as leader (G7) */
    uint64_t leader_heard_ms; /* G6 */
    uint64_t timeout_now_ms;  /* G9 */
    bool stale_request;       /* G1: the step answers a request of an old term */
    struct held_message *held;
    size_t held_n, held_cap;
    struct commit_told told[LIMIT_PEERS];
    size_t told_n;
    uint64_t told_term;       /* the leadership they are of */
    unsigned char ae_version; /* of the core's AppendEntries */

    struct proposals proposals;
    struct reads reads;
    struct asks asks;
    struct membership membership;
    struct list knocks;       /* struct knock_wait (knock.c) */
    struct digests digests;
    struct slow_disk slow_disk;
    struct removed removed;
    struct snapshots snapshots;
    struct transfer transfer;
    struct transfer_refused *transfers_refused; /* told at the end of the turn */
    size_t transfers_refused_n, transfers_refused_cap;
    struct message_reader reader;
    struct buf scratch;

    struct turn_hook turn;
    struct timer sweep;
    struct ready change_ready; /* on_change */
    enum closing closing;
    void (*closed)(void *arg);
    void *closed_arg;

    struct metric *m_fsync, *m_leader_changes, *m_proposals_pending,
        *m_proposals_failed, *m_is_leader, *m_has_leader;
};

static inline bool gate_on(const struct rnode *n, enum gate g)
{
    return (n->gates & (uint32_t)g) != 0;
}

/* transfer.c */
void transfer_flush(struct rnode *n);
/* Another transfer or change runs: done(E_CONFLICT) at the end of the turn. */
void transfer_conflict(struct rnode *n, void (*done)(void *arg, int status), void *arg);
void transfer_sweep(struct rnode *n, uint64_t now);
void transfer_fail(struct rnode *n, int status);

/* rnode.c */
void node_turn(struct rnode *n);  /* run on_turn_end after this turn */
void node_sweep(struct rnode *n); /* look at deadlines soon */
void node_fatal(struct rnode *n, const struct err *err);
/* Our own state is known to be wrong: noted down, so that it is not used again, then fatal. */
void node_corrupt(struct rnode *n, const struct err *err);
void node_free(struct rnode *n);
/* While closing: something that was waited for has ended. */
void node_close_on(struct rnode *n);

/* removed.c */
void removed_init(struct rnode *n);
void removed_stop(struct rnode *n); /* node_close_on once nobody is asked any more */
void removed_fini(struct rnode *n);

/* recover.c: opens or sets up the data directory, up to a started core. */
int recover_open(struct rnode *n, struct err *err);

/* driver.c */
int driver_start(struct rnode *n, struct err *err);
/* Feeds one event. Returns libraft's code (0 = done); the update is carried out before it returns,
 * and *ret_entries (may be NULL) says whether it had entries. */
int driver_event(struct rnode *n, struct raft_event *event, bool *ret_entries);
/* Submits entries (values' references stay the caller's). libraft's code. */
int driver_submit(struct rnode *n, struct raft_entry *entries, struct value **values, unsigned k);
/* Appends one entry of our own making as leader. */
int driver_submit_one(struct rnode *n, enum raft_entry_type type, struct value *data);
void driver_settle(struct rnode *n);
void driver_restart(struct rnode *n, const char *why);
void driver_restart_if_settled(struct rnode *n);
void driver_on_durable(void *arg, uint64_t index);
void driver_on_timer(struct timer *timer);
bool driver_leads(const struct rnode *n);
uint64_t driver_leader(const struct rnode *n); /* 0: unknown */
uint64_t driver_term(const struct rnode *n);
uint64_t driver_entry_term(const struct rnode *n, uint64_t index); /* 0: unknown */

/* receive.c */
void receive_frame(void *arg, uint64_t from, struct slice payload);
void receive_raft(struct rnode *n, uint64_t from, struct raft_message *m);

/* send.c */
void send_update(struct rnode *n, const struct raft_update *update);
void send_held(struct rnode *n);
/* Leader: tells those who do not know it yet what is committed. */
void send_commits(struct rnode *n);
void send_frame(struct rnode *n, uint64_t to, struct buf *b);

/* apply.c */
void apply_committed(struct rnode *n);
void apply_end(struct rnode *n);

/* propose.c */
void proposals_init(struct rnode *n);
void proposals_fini(struct rnode *n);
int envelope_decode(struct slice data, struct envelope *ret_envelope);
void propose_kind(struct rnode *n, enum command_kind kind, struct rnode_proposal *p,
                  struct slice command, uint64_t timeout_ms);
void proposals_flush(struct rnode *n);
void proposals_sweep(struct rnode *n, uint64_t now);
void proposals_receive(struct rnode *n, const struct message *m);
/* An entry of a newer term was applied: what was sent in older terms and is not applied never will
 * be. */
void proposals_term_passed(struct rnode *n, uint64_t term);
/* A snapshot was installed: whether what was sent is part of it cannot be known. */
void proposals_outcome_lost(struct rnode *n);
void proposals_new_leadership(struct rnode *n);
/* The own proposal of this envelope, or NULL; it is out of the queue afterwards. */
struct rnode_proposal *proposals_take(struct rnode *n, const struct envelope *e);
void proposals_fail_all(struct rnode *n, int status);

/* read_index.c */
void reads_init(struct rnode *n);
void reads_flush(struct rnode *n);
void reads_sweep(struct rnode *n, uint64_t now);
void reads_applied(struct rnode *n);
void reads_leader_changed(struct rnode *n);
void reads_receive(struct rnode *n, uint64_t from, const struct message *m);
void reads_fail_all(struct rnode *n, int status);

/* ask.c */
void asks_init(struct rnode *n);
void asks_fini(struct rnode *n);
void asks_flush(struct rnode *n);
void asks_sweep(struct rnode *n, uint64_t now);
void asks_leader_changed(struct rnode *n);
void asks_receive(struct rnode *n, uint64_t from, const struct message *m);
void asks_fail_all(struct rnode *n, int status);

/* membership.c */
/* What a member published as its name, or NULL. */
const char *membership_name_of(void *arg, uint64_t id);
void membership_init(struct rnode *n);
void membership_fini(struct rnode *n);
void membership_fill(struct rnode *n, const struct raft_server *s, struct rnode_member *out);
void membership_refresh(struct rnode *n); /* after the configuration or the attributes changed */
void membership_publish(struct rnode *n);
void membership_apply_attrs(struct rnode *n, struct slice command);
void membership_restore_attrs(struct rnode *n, struct slice bytes);
struct value *membership_encode_attrs(const struct rnode *n);

/* change.c */
void membership_flush(struct rnode *n);
void membership_fail_all(struct rnode *n, int status);
void membership_applied(struct rnode *n, uint64_t index, uint64_t term);
void membership_leader_changed(struct rnode *n);
void change_heard(struct rnode *n, uint64_t id); /* it has answered us, who lead */
/* It did, within the last election timeout; it may have ended since (rnode_member_active). */
bool change_heard_lately(const struct rnode *n, uint64_t id);
bool change_wished(const struct raft_server *s); /* a learner that is to be promoted */

/* knock.c */
void knocks_init(struct rnode *n);
void knocks_fini(struct rnode *n);
void knock_receive(void *arg, uint64_t knock_id, const struct knock *knock);

/* digest.c */
void digests_init(struct rnode *n);
void digests_stop(struct rnode *n);
void digests_flush(struct rnode *n);
void digests_applied_command(struct rnode *n);
void digests_apply_check(struct rnode *n, uint64_t index);
void digests_apply_report(struct rnode *n, uint64_t member, struct slice command);
/* The state was replaced by a snapshot's. */
void digests_restored(struct rnode *n);

/* slow_disk.c */
void slow_disk_init(struct rnode *n);
/* A group commit took so long. */
void slow_disk_synced(struct rnode *n, double seconds);
/* Often; it looks at the disk at most every 50 ms. */
void slow_disk_tick(struct rnode *n);
void slow_disk_receive(struct rnode *n, uint64_t from);

/* snapshot_take.c */
void snapshot_take_maybe(struct rnode *n);
/* Its end still comes later. */
void snapshot_take_cancel(struct rnode *n);
void snapshot_take_fini(struct rnode *n);
/* How many entries up to `index` stay when a snapshot of it replaces the log: at most what the
 * options say, and no more than hold TRAILING_BYTES. */
uint64_t snapshot_trailing(const struct rnode *n, uint64_t index);

/* snapshot_send.c */
void snapshot_send_start(struct rnode *n, uint64_t to, const struct raft_install_snapshot *m);
void snapshot_send_fini(struct rnode *n);

/* snapshot_install.c */
int install_on_stream(void *arg, uint64_t from, uint64_t stream_id, struct slice bytes, bool last);
void install_on_stream_broken(void *arg, uint64_t from, uint64_t stream_id);
/* The core wants the received snapshot installed. */
void install_begin(struct rnode *n, struct raft_snapshot_metadata *metadata);
void install_on_reset(void *arg, uint64_t index);
void install_fini(struct rnode *n);

#endif
