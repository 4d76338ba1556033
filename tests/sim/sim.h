/* The simulated world: machines with a drifting clock and a disk that forgets, a network that
 * loses, delays, repeats and reorders, and on each machine the real member (raft/), linked against
 * this folder instead of lib/io and the real transport.
 *
 * One run = one seed = one thread. All randomness comes from one generator, all order from one
 * event queue (time, then order of posting), so the same seed is the same run, byte for byte; the
 * trace hash tells. Time is in virtual microseconds; each machine sees its own milliseconds (clock
 * drift).
 *
 *     seed -> options (which faults, how much load) -> boot -> faults -> heal -> liveness
 *
 * What must hold is checked while it runs: check.c. */
#ifndef BARQUE_TESTS_SIM_SIM_H
#define BARQUE_TESTS_SIM_SIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/base/rng.h"
#include "lib/base/slice.h"
#include "raft/membership.h"
#include "raft/rnode.h"
#include "tests/sim/choice.h"

enum {
    SIM_NODES_MAX = 32,   /* machines that ever live in one run, numbered from 1 */
    SIM_MEMBERS_MAX = 12, /* those that are members; machine i is member id i */
    SIM_CLUSTER_ID = 0x51,
};

struct sim;
struct node;
struct raft;
struct machine_ops;
struct sim_setup;
struct fs;
struct transport;
struct transport_knock;
struct host;
struct node_kind;
struct world;
struct admin_model;

/* Faults a run may draw (swarm: each is on or off for the whole run). */
enum sim_fault {
    FAULT_CRASH = 1,
    FAULT_CRASH_IN_WRITE = 2, /* in the middle of a job: between any two disk operations */
    FAULT_PAUSE = 4,
    FAULT_PARTITION = 8,
    FAULT_TRANSFER = 16,
    FAULT_MEMBERSHIP = 32,
    FAULT_STOP = 64,       /* orderly close, later a start */
    FAULT_SLOW_DISK = 128,
    FAULT_LOSS = 256,
    FAULT_DUPLICATE = 512, /* with reordering */
    FAULT_REORDER = 1024,
    FAULT_STREAM = 2048,   /* snapshot streams break */
    FAULT_CLOCK = 4096,    /* rates differ by up to 3 % */
    FAULT_POWER = 8192,    /* all machines at once */
    FAULT_DISK_ERROR = 16384,
    FAULT_BIT_FLIP = 32768, /* one bit, on one machine; no membership changes beside it */
    FAULT_DISK_FULL = 65536,
    FAULTS_BARE = 17, /* those above: of bare members, too */
    FAULT_CONN = 1 << 17,       /* connections of clients break, or stall for a while */
    FAULT_FLAP = 1 << 18,       /* a way comes and goes */
    FAULT_WALL_CLOCK = 1 << 19, /* somebody sets it */
    FAULT_MISDIRECT = 1 << 20,  /* in place of a bit flip: a page holds what belongs elsewhere */
    FAULTS_DRAWN = 21, /* those above: by seeds */
    FAULT_DISK_STALL = 1 << 21, /* only when asked for: seconds for each job of a disk */
    FAULTS = 22
};

struct sim_options {
    uint64_t seed;
    uint32_t faults;
    uint32_t acts;         /* the nemesis draws from these; one that is not in `faults` is idle */
    unsigned founders;
    uint64_t salt;         /* another course of disks, network and timing; 0 mostly */
    uint64_t fault_us;     /* the first phase */
    uint64_t heal_us;      /* the second */
    uint64_t nemesis_lo_us, nemesis_hi_us;
    uint64_t client_lo_us, client_hi_us;
    uint64_t delay_lo_us, delay_hi_us;
    double loss, duplicate, late;
    uint64_t disk_lo_us, disk_hi_us;
    uint64_t turn_us;      /* a turn gathers for at most so long */
    unsigned payload_max;
    unsigned keys;         /* of the store's commands */
    uint64_t snapshot_entries, snapshot_trailing;
    uint64_t chunk_us;     /* one snapshot chunk on the wire */
    size_t wal_segment_bytes;
    unsigned inflight_max;
    bool no_pre_vote;
    unsigned admin;        /* enum admin_part (admin.h) */
    /* with whole members: */
    unsigned clients;      /* machines */
    unsigned masters, agents; /* the same; 0: no orchestration */
    size_t window_bytes;   /* sent and not read yet, on one connection each way */
    size_t piece_bytes;    /* read at once at most */
    double split;          /* how often a piece is shorter, or comes later */
};

struct sim_stats {
    uint64_t runs, steps, events, sim_us;
    uint64_t elections, crashes, stops, pauses, transfers, changes, installs, snapshots;
    uint64_t breaks, stalls, flaps, clock_sets;
    uint64_t proposed, acked, unknown, refused, reads, reads_failed, asks, applied;
    uint64_t frames, frames_lost;
    uint64_t flips, lost, replaced, full, forgotten, disk_stalls, handovers;
    uint64_t administered, no_right, alarmed; /* changes; refused for a right, an alarm */
    uint64_t backups, backups_hashed;
    uint64_t choices[CHOICES_SKIPPABLE], skipped[CHOICES_SKIPPABLE];
};

enum event_kind {
    EV_TURN,      /* end of a loop's turn */
    EV_TIMER,
    EV_JOB_RUN,
    EV_JOB_DONE,
    EV_FRAME,
    EV_LINK,      /* a connection attempt or check */
    EV_PULL,      /* a stream's sender may go on */
    EV_CHUNK,
    EV_STREAM_END,
    EV_BOOT,      /* after a crash */
    EV_START,     /* after an orderly stop (the world's: a is the node) */
    EV_SPACE,     /* a disk has room again (the world's) */
    EV_FLAP,      /* (the world's) */
    EV_GONE,      /* a removed member is switched off (the world's) */
    EV_CONN,      /* something may have arrived at a connection's end */
    EV_SYN,       /* a connection attempt arrives (the world's) */
    EV_ACCEPT,
    EV_CONNECTED, /* or refused */
    EV_KNOCK,     /* arrives there */
    EV_KNOCKED,   /* its answer, here */
    EV_ASKED,     /* a request that waited while the process was stopped; a: its serial */
    EV_CLIENT,
    EV_NEMESIS,
    EV_HEAL,
    EV_PROBE,     /* the second phase's last proposals */
    EV_END,
};

struct event {
    uint64_t t;
    uint64_t seq;
    uint64_t gen;  /* of the node when posted; a node event of another life is dropped */
    uint64_t a;
    void *p;       /* freed with mem_free when the event is dropped */
    uint32_t node; /* 0: the world's */
    enum event_kind kind;
};

/* What one machine's messages and reports have promised; it outlives the machine's lives. (check.c)
 * */
struct promises {
    uint64_t term, voted_for; /* a restart must find at least this term, and in it this vote */
    uint64_t persisted;       /* and the log up to here, as it was */
};

/* The terms of a machine's log, mirrored from its raft_step events and updates. */
struct mirror {
    uint64_t snapshot_index;
    uint64_t last;
    uint64_t *terms; /* by index */
    size_t cap;
    uint64_t commit; /* looked at up to here */
    bool installing;
    bool electing;   /* became leader in the last step: judged when that takes effect */
};

/* What a machine is for: what its process does when it starts, and how it ends. The functions run
 * in the process's own code (node_enter) but `gone`, which forgets it. */
struct node_kind {
    const char *name;
    void (*boot)(struct node *n);    /* node_die when it cannot start */
    void (*stop)(struct node *n);    /* orderly: sets n->closed now or later; NULL: is killed */
    void (*abandon)(struct node *n); /* it is killed: gives its memory back, and has no effect */
    /* The life is over. within: it died inside an operation, its memory is lost. May be NULL. */
    void (*gone)(struct node *n, bool within);
    /* Of a world (world.c); each may be NULL. n->data is the kind's, and outlives the lives. */
    void (*add)(struct node *n);   /* the machine is new: makes n->data */
    void (*free)(struct node *n);  /* the run is over: frees it */
    void (*act)(struct node *n);   /* a client event has drawn it: something is done (sim.dice) */
    void (*probe)(struct node *n); /* healed, every 2 s: asks for what it must be answered */
    void (*check)(struct node *n); /* the end: sim_violation when it was not, or is not well */
};

struct node {
    struct sim *sim;
    const struct node_kind *kind;
    unsigned id;
    uint64_t member_id; /* 0: not a member */
    uint64_t past_ids[64]; /* of members that it was before */
    size_t n_past;
    bool used;      /* exists: founder or added */
    bool up;
    bool stopping;  /* rnode_close was called */
    bool closed;    /* and has finished */
    uint64_t stop_by;
    bool removed;   /* out of the configuration for good */
    bool broken;    /* an injected disk error: a fatal end is right */
    bool flipped;   /* a bit of its disk: it may refuse to start, and is lost then */
    bool lost;
    bool dark;      /* without power: silent, where a machine whose process died refuses */
    uint64_t gen;
    double rate;
    uint64_t clock_us; /* its monotonic clock at virtual time 0 */
    int64_t wall_ms;   /* how far its wall clock has been set */
    uint64_t paused_until;
    uint64_t stalled_until; /* its disk takes seconds for each job */
    struct fs *fs;
    struct loop *loop;
    struct host *host;       /* its listeners and connections (dial.c) */
    struct transport *transport;
    struct transport_knock *knock; /* asked by it, or NULL */
    struct rnode *rnode;
    struct raft *raft;       /* the core of its last step */
    struct machine *machine; /* state machine (fsm.c) */
    void *process;           /* of its kind; of this life */
    void *data;              /* of its kind; of all its lives */
    struct promises promises;
    struct mirror mirror;
    unsigned transferring; /* transfers without an answer */
    struct {
        bool active;
        enum member_change kind;
        uint64_t id;
    } change; /* asked of it as a leader */
    struct rnode_member joining[SIM_MEMBERS_MAX];
    size_t n_joining;
};

struct sim {
    struct sim_options o;
    struct sim_stats *stats;
    struct rng rng;
    struct rng dice; /* of the choice being made (choice.h) */
    uint64_t choices[CHOICES];
    uint64_t now;
    uint64_t trace;
    struct event *heap;
    size_t heap_n, heap_cap;
    uint64_t event_seq;
    uint64_t stream_serial;
    uint64_t conn_serial;
    uint64_t knock_serial;
    struct u64map conns;    /* by id */
    struct u64map connects;
    struct node nodes[SIM_NODES_MAX + 1];
    unsigned n_nodes;
    bool cut[SIM_NODES_MAX + 1][SIM_NODES_MAX + 1];
    uint64_t last_arrival[SIM_NODES_MAX + 1][SIM_NODES_MAX + 1];
    struct node *running; /* whose code runs now, NULL: the world's */
    jmp_buf crash;        /* of that node */
    struct {
        unsigned a, b; /* the way between these machines */
        unsigned left; /* changes to come; the last one opens it */
    } flap;
    bool healed;
    bool over;
    bool flipped;
    bool verbose;
    const struct machine_ops *machine;
    const struct sim_setup *setup;
    uint32_t gates_off;
    struct check *check;
    struct clients *clients;
    struct admin_model *admin;
    struct world *world; /* NULL: members alone, asked directly */
};

/* The run that this thread is in: for wrapped functions and signal handlers that take no argument.
 * */
struct sim *sim_current(void);

/* Why a run ended badly; in memory that its process shares. */
struct sim_verdict {
    bool violated;
    uint64_t at_us;
    char text[400];
};

struct sim_setup {
    const struct machine_ops *machine;
    uint32_t gates_off;
    bool verbose;
    bool frames; /* told too */
    /* Laid over what a seed draws. */
    uint32_t faults_on, faults_off;
    unsigned founders; /* 0: as drawn */
    struct sim_options set;
    uint64_t set_mask; /* which of these (options.c) replace what is drawn, after all else */
    struct skips skips[CHOICES_SKIPPABLE];
    struct sim_verdict *verdict; /* or NULL */
};

/* --- options.c --------------------------------------------------------------------------- */
void sim_draw(const struct sim_setup *setup, struct sim_options *o, uint64_t seed);
void sim_print_options(const struct sim_options *o);
/* Fixes one option by its name; E_NOTFOUND, E_INVAL. */
int options_set(struct sim_setup *setup, const char *name, const char *value);
/* Fixes them all as the seed draws them, so that a later change of sim_draw moves nothing. */
void options_pin(struct sim_setup *setup, uint64_t seed);
/* Can a cluster stand all of these faults together? */
bool options_bearable(const struct sim_options *o);
/* What is fixed, as " --set name=value" or as lines "name value". */
void options_print_set(const struct sim_setup *setup, struct buf *out);
void options_print_lines(const struct sim_setup *setup, struct buf *out);
void options_print_faults(uint32_t faults, struct buf *out);

/* --- run.c ------------------------------------------------------------------------------- */
/* A run's parts, for who brings its own course of events (tests/failure): an empty world, one event
 * (false: there is none, or it is over), the end. */
struct sim *sim_new(const struct sim_setup *setup, uint64_t seed, struct sim_stats *stats);
bool sim_step(struct sim *s);
void sim_free(struct sim *s);
/* Runs one seed to its end; a violation does not return. Returns the trace hash. */
uint64_t sim_run(const struct sim_setup *setup, uint64_t seed, struct sim_stats *stats);
void sim_violation(struct sim *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));
/* The same for a text that is ready; tells how to repeat the run, and ends the process. */
void sim_condemn(struct sim *s, const char *text) __attribute__((noreturn));
void sim_log(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A log_set_sink: the machines' own log lines, in the run's time. */
void sim_log_line(void *arg, enum log_level level, const char *line);
#define SIM_LOG(s, ...) ((s)->verbose ? sim_log(s, __VA_ARGS__) : (void)0)

void sim_print_replay(const struct sim *s);
struct node *sim_node_of(struct sim *s, uint64_t member_id); /* NULL: none */
struct node *sim_node_add(struct sim *s, const struct node_kind *kind);

/* --- event.c ----------------------------------------------------------------------------- */
void sim_post(struct sim *s, uint64_t t, enum event_kind kind, struct node *n, uint64_t a, void *p);
bool sim_next(struct sim *s, struct event *ret_event);
void sim_events_free(struct sim *s);
void sim_trace(struct sim *s, uint64_t v);

/* --- loop.c ------------------------------------------------------------------------------ */
struct loop *sim_loop_new(struct node *n);
/* Frees it with its workers; what is queued is dropped. */
void sim_loop_free(struct loop *l);
void sim_loop_begin(struct loop *l);
void sim_loop_timer(struct loop *l);
bool sim_loop_timer_is(const struct loop *l, uint64_t t);
void sim_loop_turn(struct loop *l);
void sim_loop_job_run(struct loop *l, uint64_t worker);
void sim_loop_job_done(struct loop *l, uint64_t worker);
/* Before any call into a node's code: it sees the time. */
void sim_loop_before(struct loop *l);
/* After it: posts the end of its turn and its next timer. */
void sim_loop_after(struct loop *l);
uint64_t sim_loop_any_job(const struct loop *l); /* its worker, 0 none */
struct list *sim_loop_dirty(struct loop *l);
struct node *sim_loop_node(const struct loop *l);
uint64_t sim_local_us(const struct node *n, uint64_t t);

/* --- disk.c ------------------------------------------------------------------------------ */
struct fs *sim_fs_new(struct sim *s);
void sim_fs_free(struct fs *fs);
/* Power cut: what was not synced may be lost, kept or torn. */
void sim_fs_crash(struct fs *fs);
/* No file can be made or grown while a disk is full. */
void sim_fs_set_full(struct fs *fs, bool full);
bool sim_fs_is_full(const struct fs *fs);
/* Inverts one bit of what was written; false when nothing was. */
bool sim_fs_flip(struct fs *fs, const char **ret_path, uint64_t *ret_offset);
/* Puts one written page's content in the place of another one's (a write that went astray). */
bool sim_fs_misdirect(struct fs *fs, const char **ret_path, uint64_t *ret_offset);
/* The process is gone, the cache is not: orders to die or fail are void, locks are free. */
void sim_fs_end_life(struct fs *fs);
/* The node dies just before its n-th further disk operation (0: never). */
void sim_fs_die_after(struct fs *fs, uint64_t n);
/* The n-th further write or sync fails. */
void sim_fs_fail_after(struct fs *fs, uint64_t n, int error);

/* --- net.c ------------------------------------------------------------------------------- */
void sim_net_frame(struct sim *s, struct event *e);
/* When a process that was stopped comes to read this frame's connection. */
uint64_t sim_net_held(const struct node *n, const struct event *e);
void sim_net_link(struct sim *s, struct event *e);
void sim_net_pull(struct sim *s, struct event *e);
void sim_net_chunk(struct sim *s, struct event *e);
void sim_net_stream_end(struct sim *s, struct event *e);

/* --- knock.c ----------------------------------------------------------------------------- */
void sim_knock_arrived(struct sim *s, struct event *e);
void sim_knock_answered(struct sim *s, struct event *e);
void sim_knock_free(struct node *n);

/* --- conn.c, dial.c ---------------------------------------------------------------------- */
void sim_conn_event(struct sim *s, struct event *e);
void sim_conns_flush(struct loop *l);
/* Any connection at all: reset, or silent both ways for so long. False when there is none. */
bool sim_conn_break_any(struct sim *s);
bool sim_conn_stall_any(struct sim *s, uint64_t for_us);
void sim_conns_heal(struct sim *s);
void sim_dial_syn(struct sim *s, const struct event *e);
void sim_dial_accept(struct sim *s, struct event *e);
void sim_dial_connected(struct sim *s, struct event *e);
/* The process has ended: its connections break. */
void sim_host_free(struct node *n);

/* --- member.c ---------------------------------------------------------------------------- */
extern const struct node_kind MEMBER_KIND;
/* Its disk or this machine's fault: judged, and the end of this life. */
void member_fatal(void *arg, const struct err *err) __attribute__((noreturn));
void member_cannot_start(struct node *n, int rv, const struct err *err) __attribute__((noreturn));
size_t member_founders(struct sim *s, struct rnode_member *members);

/* --- node.c ------------------------------------------------------------------------------ */
void node_boot(struct node *n);
/* in_write: within a job, if one is waiting. cut: the page cache is lost (otherwise kill -9). */
void node_crash(struct node *n, bool in_write, bool cut);
void node_stop(struct node *n);
/* Its disk is damaged beyond use: it never starts again. */
void node_lose(struct node *n, const char *why);
/* Its member is another one from here on: a new one, or it lost its state and joined again. */
void node_joins(struct node *n, uint64_t member_id);
/* It was this member before. */
bool node_was(const struct node *n, uint64_t member_id);
/* The run is over. */
void node_end(struct node *n);
/* Runs fn(arg) as this node's code: a disk that dies or a fatal error ends in a crash. */
void node_enter(struct node *n, void (*fn)(struct node *n, void *arg), void *arg);
/* Ends the running node's life from within its code. */
void node_die(struct node *n) __attribute__((noreturn));

/* --- machine.c, fsm.c, fsm_store.c ------------------------------------------------------- */
extern const struct machine_ops CHAIN_OPS;
extern const struct machine_ops STORE_OPS;
extern const struct machine_ops WORLD_OPS; /* stands for whole members and clients: world.h */
const char *machine_name(const struct machine_ops *ops);
const struct machine_ops *machine_named(const char *name); /* NULL: none */
struct machine *machine_new(struct node *n);
void machine_free(struct machine *m);
struct rnode_fsm machine_fsm(struct machine *m);
uint64_t machine_applied(const struct machine *m);
uint64_t machine_digest(const struct machine *m);
uint64_t machine_content(struct machine *m);
void *machine_state(const struct machine *m); /* of its ops */
/* A command for proposal `id`, asked at the node that runs. */
void machine_command(struct sim *s, uint64_t id, struct buf *out);
uint64_t machine_command_id(struct slice command);

/* --- check.c ----------------------------------------------------------------------------- */
struct check *check_new(void);
void check_free(struct check *c);
void check_applied(struct node *n, uint64_t index, uint64_t term, uint64_t digest, uint64_t id);
/* The state after this index, whoever applied it. True: nobody had before. */
bool check_state(struct node *n, uint64_t index, uint64_t digest);
void check_restored(struct node *n, uint64_t index, uint64_t digest);
void check_sending(struct node *n, uint64_t to, struct slice payload);
/* The client was told that this proposal was never sent. */
void check_never(struct sim *s, uint64_t id);
/* The index at which this proposal was applied first; 0 never. */
uint64_t check_proposal_index(const struct check *c, uint64_t id);
/* The last command that anyone applied. */
uint64_t check_last(const struct check *c);
/* The node's raft_step, judged (linked with --wrap=raft_step). */

/* --- client.c ---------------------------------------------------------------------------- */
struct clients *clients_new(struct sim *s);
void clients_free(struct clients *c);
void clients_event(struct sim *s);
void clients_asked(struct node *n, uint64_t serial);
/* A node's life ended: its requests will never be answered. */
void clients_node_down(struct node *n);
void clients_on_ask(struct node *n, uint64_t ask_id, struct slice question);
void clients_probe(struct sim *s);
bool clients_probed(const struct sim *s, const struct node *n);
/* In the end: every member answered its probe. */
void clients_check_end(struct sim *s);
/* The state machine was given this proposal as its own. */
void clients_check_own(struct node *n, const struct rnode_proposal *own, uint64_t id);

/* --- nemesis.c --------------------------------------------------------------------------- */
void nemesis_event(struct sim *s);
void nemesis_heal(struct sim *s);
void nemesis_flap(struct sim *s);
struct node *sim_leader(struct sim *s);
/* --- membership.c ------------------------------------------------------------------------ */
void nemesis_membership(struct sim *s, struct node *leader);
/* The members that a machine which is to join is told of. */
size_t node_joining(struct node *n, struct rnode_member *members);

#endif
