/* Failure loops: a script is played once for every point at which something may fail, and fails
 * there.
 *
 *     play a script --(the N-th allocation, disk operation, ...)--> fork
 *         child: the failure happens, the script goes on to its end, the end is judged
 *         parent: notes how the child ended, and goes on without a failure to point N + 1
 *
 * The world is the simulator's: whole members (server_open) and one client machine over a virtual
 * clock, network and disk. All that a child ever says is in its shared outcome and exit status. */
#ifndef BARQUE_TESTS_FAILURE_H
#define BARQUE_TESTS_FAILURE_H

#include "proto/rpc.pb-c.h"
#include "store/store.h"
#include "tests/scenario/scenario.h"
#include "tests/sim/disk.h"
#include "tests/sim/world.h"

enum { NAME_MAX_BYTES = 64 };

enum kind { KIND_ALLOC, KIND_IO, KIND_CRASH, KINDS };

/* What became of one child, or summed up over many; in shared memory. */
struct outcome {
    struct sim_verdict verdict;
    uint64_t points;      /* passed in the whole script */
    uint64_t tried;
    uint64_t survived;    /* the member that met the failure went on */
    uint64_t clean_exits; /* it ended itself, and came back */
    uint64_t crashes;     /* it was ended */
    uint64_t refused;     /* requests: ResourceExhausted, nothing changed */
    uint64_t unknown;     /* requests that nobody answered */
    uint64_t violations;
    bool exited;          /* this child's member did */
    char what[120];       /* the failure, for people */
};

/* --- script.c ----------------------------------------------------------------------------- */
struct script {
    char name[NAME_MAX_BYTES];
    char *file;
    char **lines; /* without the settings */
    int *numbers; /* of the lines, for messages */
    size_t n;
    unsigned members;
    size_t segment_bytes;
    uint64_t snapshot_entries, snapshot_trailing;
    bool from_boot; /* failures begin with the first start, not with the first line */
};
/* Ends the program when it cannot be read. */
void script_read(struct script *s, const char *path);

/* --- inject.c ----------------------------------------------------------------------------- */
struct plan {
    enum kind kind;
    uint64_t stride;  /* every so many points; 0: none, they are only counted */
    bool all;         /* every variant of a point, not one in turn */
    uint64_t only;    /* this point alone, in this process; 0 none */
    int variant;      /* and this variant of it; -1: its first */
    uint32_t lies;    /* a bit of 1 << DISK_SYNC, 1 << DISK_SYNC_DIR: said to be done, and is not */
    bool verbose;
    const char *script;
    struct outcome *total; /* shared */
    struct outcome *child; /* shared */
};
void inject_init(const struct plan *plan);
/* Points count between these. */
void inject_begin(struct sim *s);
void inject_end(void);
/* Is this the run in which the failure happens, and has it happened? */
bool inject_happened(void);
/* May a call be left without an answer, a member end? */
bool inject_may_end(void);
int inject_disk(struct fs *fs, const struct disk_op *op, struct err *err);
/* Where what happens is counted: the child's, once its failure has happened. */
struct outcome *inject_outcome(void);
const char *kind_name(enum kind kind);

/* --- wire.c ------------------------------------------------------------------------------- */
/* One request of a client, as the store's structs. */
struct ask {
    bool is_range;
    struct range_request range;
    struct command command;
};
bool ask_reads(const struct ask *a);
struct wire {
    const char *path;
    const ProtobufCMessage *request;
    const ProtobufCMessageDescriptor *response;
};
void ask_to_wire(const struct ask *a, struct arena *arena, struct wire *ret_wire);

/* --- model.c ------------------------------------------------------------------------------ */
/* The states the cluster may be in, given all answers so far: a request that nobody answered
 * splits each in two, an answer ends those that would have answered otherwise. */
struct model *model_new(void);
struct told {
    int64_t revision;
    bool tombstone;
    struct slice key;
    uint64_t value_hash;
};
/* False: no state explains this answer. msg may be NULL unless err is 0. */
bool model_answer(struct model *m, const struct ask *a, int err, ProtobufCMessage *msg);
void model_unknown(struct model *m, const struct ask *a);
/* It happened, whoever asked for it. */
void model_happened(struct model *m, const struct ask *a);
int64_t model_revision(const struct model *m);
size_t model_states(const struct model *m);
/* Every change so far, in the first of the states. */
const struct told *model_events(const struct model *m, size_t *ret_n);

/* --- play.c, ops.c, change.c -------------------------------------------------------------- */
struct watching;

struct actor {
    struct sim *sim;
    const struct script *script;
    struct node *client;
    unsigned members[SIM_MEMBERS_MAX]; /* their machines */
    unsigned n_members;
    struct rpc_channel *channels[SIM_NODES_MAX + 1]; /* by machine */
    unsigned at;          /* the member's machine that is asked */
    bool disturbed;       /* by the script itself: a call may be left without an answer */
    struct model *model;
    struct arena arena;   /* of the script's requests: for ever */
    struct watching *watches;
    int64_t revision;     /* of the last answer */
    /* the call under way */
    bool done;
    int err;
    bool never_sent;
    char text[200];
    ProtobufCMessage *msg; /* unpacked anew; NULL */
};

/* Plays the whole script and judges the end; does not return when something is wrong. */
void play(const struct script *script, bool verbose);

/* play.c: steps */
bool run_until(struct actor *p, bool (*cond)(struct actor *p), uint64_t within_ms);
void run_for(struct actor *p, uint64_t ms);
void ask_now(struct actor *p, const struct ask *a);
/* One call, whatever comes of it: p->err, p->msg. */
void call_once(struct actor *p, const struct wire *w);
/* Until it is answered; for calls that change nothing. */
void call_until_answered(struct actor *p, const struct wire *w);
bool all_up(struct actor *p);
bool all_level(struct actor *p);
/* The member on this machine is one of the cluster's from here on, or no longer. */
void actor_take_member(struct actor *p, struct node *n);
void actor_drop_member(struct actor *p, const struct node *n);
unsigned next_member(const struct actor *p, unsigned at);
/* change.c */
void change_add(struct actor *p, struct words *w);
void change_remove(struct actor *p, struct words *w);
void change_lead(struct actor *p, struct words *w);
/* ops.c */
struct node *node_read(struct actor *p, struct words *w);
void op_play(struct actor *p, struct words *w);
/* watching.c */
void watch_open(struct actor *p, struct words *w);
/* Opens again what has ended. */
void watches_step(struct actor *p);
void watches_check(struct actor *p);

#endif
