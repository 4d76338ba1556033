/* One Raft member: libraft's pure raft_step() fed with events, its updates carried out on disk and
 * wire.
 *
 * A proposal's life: rnode_propose (any member) -> gathered until the end of the turn -> leader:
 * one RAFT_SUBMIT; follower: a PROPOSE frame to the leader -> WAL and peers in parallel ->
 * committed -> fsm.apply on every member in log order -> on the member that proposed it, own !=
 * NULL and afterwards own->done(0). Never answered before commit. Each command travels with (origin
 * member, origin epoch, sequence number), so the origin recognises its own entries in the log.
 *
 * A linearizable read: rnode_read_index -> (follower: forwarded to the leader) one ReadIndex round
 * for all reads of the turn, no disk -> done when applied >= read index.
 *
 * Threads: all calls and callbacks on the loop's thread, except the fsm's snapshot_next and
 * restore_chunk, which run on the snapshot worker. Callbacks never run inside the submitting call.
 * Failures of this machine (failed write or fsync, corruption, committed conflict) call
 * options.fatal, which must not return in production (it logs and exits); the peer's faults close
 * that connection. Source: raft dissertation §3-6; gates: see gates.h. */
#ifndef BARQUE_RAFT_RNODE_H
#define BARQUE_RAFT_RNODE_H

#include "lib/base/err.h"
#include "lib/base/list.h"
#include "lib/base/metric.h"
#include "lib/base/slice.h"
#include "lib/io/loop.h"
#include "lib/io/timer.h"

struct rnode;

enum rnode_role { RNODE_VOTER, RNODE_LEARNER };
enum rnode_state { RNODE_FOLLOWER, RNODE_CANDIDATE, RNODE_LEADER };

struct rnode_member {
    uint64_t id;             /* never 0, never reused */
    enum rnode_role role;
    char name[64];
    char peer_address[128];  /* "host:port" */
    char client_url[256];    /* advertised, commas between; "" until the member has published it */
    uint64_t level;          /* of the commands it understands; 1 until it has published another */
};

struct rnode_proposal {
    struct list link;        /* rnode's while in flight */
    struct timer timer;
    uint64_t seq;
    uint64_t index;          /* set when applied */
    size_t len;
    /* Exactly once. status 0: applied (fsm.apply saw this struct as `own` just before).
     * E_NOLEADER, E_TIMEOUT, E_LEADER_CHANGED: outcome unknown unless E_NOLEADER (never sent);
     * E_TOO_MANY_REQUESTS, E_TOOBIG, E_DISKFULL (this member's): refused; E_STOPPED. */
    void (*done)(struct rnode_proposal *self, int status);
};

struct rnode_read {
    struct list link;
    struct timer timer;
    uint64_t seq;
    uint64_t index;
    /* status 0: everything committed before the call is applied here. E_NOLEADER, E_TIMEOUT,
     * E_STOPPED. */
    void (*done)(struct rnode_read *self, int status);
};

/* A small question to the leader (lease keepalive, time to live): answered by the leader's
 * options.on_ask; on the leader itself it is answered locally. Bounded: request and answer <= 64
 * KiB. */
struct rnode_ask {
    struct list link;
    struct timer timer;
    uint64_t seq;
    uint64_t peer;
    /* answer is valid during the call and only when status is 0. Errors as for reads, plus
     * whatever negative code the leader answered. */
    void (*done)(struct rnode_ask *self, int status, struct slice answer);
};

/* The state machine, given by the server (or a test). */
struct rnode_fsm {
    void *arg;
    /* One committed command. `own` is this member's proposal or NULL. Deterministic. */
    void (*apply)(void *arg, uint64_t index, uint64_t term, struct slice command,
                  struct rnode_proposal *own);
    /* End of a batch of applies (once per turn at most): flush replies and watch events. */
    void (*apply_end)(void *arg, uint64_t applied);
    /* Pins the state now, O(1); loop thread. */
    void *(*snapshot_pin)(void *arg);
    /* Appends the next bytes to out, about LIMIT_SNAPSHOT_CHUNK_BYTES or one large record; 1 more,
     * 0 that was the last. Worker. */
    int (*snapshot_next)(void *arg, void *pin, struct buf *out);
    void (*snapshot_unpin)(void *arg, void *pin);
    /* Building a new state beside the running one; commit swaps it in (loop), abort drops it
     * (loop). chunk returns E_CORRUPT for bytes it cannot take (worker). */
    void *(*restore_begin)(void *arg);
    int (*restore_chunk)(void *arg, void *restore, struct slice bytes, struct err *err);
    /* Never while a snapshot is pinned. */
    int (*restore_commit)(void *arg, void *restore, uint64_t index, struct err *err);
    void (*restore_abort)(void *arg, void *restore);
    /* Of the state as it is now: equal on members that applied the same log. Cheap; called every
     * few seconds. NULL: this member's state is not compared with the others'. */
    uint64_t (*digest)(void *arg);
};

struct rnode_options {
    struct loop *loop;
    const char *dir;                   /* <data-dir>/member: created, locked */
    uint64_t cluster_id;
    uint64_t member_id;                /* 0: the data directory's, or rnode_member_id's */
    const char *name;
    const char *peer_listen;           /* "host:port" */
    const char *peer_address;          /* under which others reach it; NULL: peer_listen */
    const char *client_url;            /* advertised */
    uint64_t level;                    /* of the commands fsm.apply understands; 0 = 1. Published */
    /* Founders (bootstrap): used only when the data directory is empty; identical on every
     * founder. */
    const struct rnode_member *initial;
    size_t n_initial;
    /* An empty data directory is that of a new member of a cluster that runs: ids are what the
     * cluster says (join.h), and `initial` are the members that may introduce themselves. A
     * directory that is not empty says itself who it belongs to. */
    bool join;
    uint64_t seed;
    uint64_t election_timeout_ms;      /* default 1000 */
    uint64_t heartbeat_ms;             /* default 100 */
    uint64_t snapshot_entries;         /* snapshot after so many applied entries; default 100000 */
    uint64_t snapshot_trailing;        /* entries kept for slow followers; default 10000 */
    uint64_t snapshot_bytes;           /* or after this many bytes of log; default 256 MiB */
    bool unsafe_no_fsync;              /* tests and benchmarks only */
    struct rnode_fsm fsm;
    /* Role, leader, membership or readiness changed; read rnode_status. */
    void (*on_change)(void *arg);
    /* Only on the leader: answer with rnode_answer, now or later. */
    void (*on_ask)(void *arg, uint64_t ask_id, struct slice question);
    /* This machine's fault; message says what, where and the next step. Must not return in
     * production. */
    void (*fatal)(void *arg, const struct err *err);
    void *arg;
    struct metrics *metrics;           /* may be NULL */
};

struct rnode_status {
    uint64_t cluster_id, member_id, leader_id;
    enum rnode_state state;
    bool learner;
    uint64_t term, last_index, commit_index, applied_index, snapshot_index, first_index;
    uint64_t wal_bytes;                /* on disk */
    uint64_t proposals_inflight;
    bool disk_slow;                    /* too slow to lead (disk_health.h) */
    uint64_t disk_handovers;           /* of leadership, for that reason, since the start */
    uint64_t agreed_index;             /* newest one at which a majority's states were compared */
    uint64_t corrupt_member;           /* the last one whose state differed from the majority's */
    bool split;                        /* members differ and no majority says who is right */
    uint64_t level;                    /* the least one of the members: what all understand */
};

/* Derived ids, equal on every founder: hash of the sorted founders and the token (cluster), of the
 * peer address and the token (member). Never 0. */
uint64_t rnode_cluster_id(const struct rnode_member *initial, size_t n, const char *token);
uint64_t rnode_member_id(const char *peer_address, const char *token);

/* Opens the data directory, recovers WAL and snapshot (replaying applied state through
 * fsm.restore_* and fsm.apply), starts listening and the member. Synchronous; E_CORRUPT, E_MISMATCH
 * (other cluster or member), E_ADDRINUSE, E_CONFLICT (locked), E_PERM, E_DISKFULL with a message
 * that says what to do next. */
int rnode_open(const struct rnode_options *options, struct rnode **ret_node, struct err *err);
/* Hands leadership over (at most election_timeout), fails what is in flight with E_STOPPED,
 * closes. */
void rnode_close(struct rnode *n, void (*closed)(void *arg), void *arg);
/* Frees everything without any I/O, as a crash would (simulator only). */
void rnode_abandon(struct rnode *n);

/* Copies the command. PRE: p->done set. timeout_ms counts from now. */
void rnode_propose(struct rnode *n, struct rnode_proposal *p, struct slice command,
                   uint64_t timeout_ms);
/* Only into this member's own log, as the leader of that term, and never again in another one: for
 * what is only right as long as we lead. E_NOLEADER: it was not, and will never be applied. */
void rnode_propose_in_term(struct rnode *n, struct rnode_proposal *p, struct slice command,
                           uint64_t timeout_ms, uint64_t term);
void rnode_read_index(struct rnode *n, struct rnode_read *r, uint64_t timeout_ms);
void rnode_ask_leader(struct rnode *n, struct rnode_ask *a, struct slice question,
                      uint64_t timeout_ms);
void rnode_answer(struct rnode *n, uint64_t ask_id, int status, struct slice answer);
/* The caller goes away: done will not be called. */
void rnode_propose_forget(struct rnode *n, struct rnode_proposal *p);
void rnode_read_forget(struct rnode *n, struct rnode_read *r);
void rnode_ask_forget(struct rnode *n, struct rnode_ask *a);

void rnode_get_status(const struct rnode *n, struct rnode_status *ret_status);
/* Members of the newest configuration, founders' order; valid until the next turn. */
const struct rnode_member *rnode_members(const struct rnode *n, size_t *ret_n);
/* Leadership transfer to `target` (0: the best). E_NOTLEADER, E_NOTFOUND, E_TIMEOUT, E_CONFLICT
 * (another transfer runs) through done. */
void rnode_transfer(struct rnode *n, uint64_t target, void (*done)(void *arg, int status),
                    void *arg);

#endif
