/* The whole world: members as users run them (server_open: gRPC, store, watches, leases) and
 * machines with clients (client_new), over simulated disks, connections and clocks.
 *
 *     machines 1..founders: STORE_KIND | the next o.clients: CLIENT_KIND | o.masters: MASTER_KIND |
 *     o.agents: AGENT_KIND | where there are agents, one USER_KIND
 *
 * EV_CLIENT draws a machine whose kind can act and what it does next (a choice: a run may leave it
 * out). */
#ifndef BARQUE_TESTS_SIM_WORLD_H
#define BARQUE_TESTS_SIM_WORLD_H

#include "client/client.h"
#include "store/store.h"
#include "tests/sim/sim.h"

struct judge;
struct wire;
struct orch;
struct upkeep;
struct check_op;

struct world {
    struct sim *sim;
    struct judge *judge; /* world_wire.h: what was seen, and the verdicts on it */
    struct wire *wire;
    struct orch *orch; /* world_orch.h */
    struct upkeep *upkeep;
    struct node *actors[SIM_NODES_MAX]; /* machines whose kind can act */
    unsigned n_actors;
    uint64_t next_value; /* unique values */
};

extern const struct node_kind STORE_KIND;
extern const struct node_kind CLIENT_KIND;
/* world_kinds.c */
extern const struct node_kind MASTER_KIND, AGENT_KIND, USER_KIND;

/* --- world.c ----------------------------------------------------------------------------- */
/* Becomes s->world. */
void world_new(struct sim *s);
void world_free(struct world *w);
void world_client_event(struct sim *s);
void world_probe(struct sim *s);
void world_check_end(struct sim *s);
/* Runs, and is neither stopping nor stopped by a signal. */
bool world_usable(const struct node *n);

/* --- world_member.c ---------------------------------------------------------------------- */
/* The running member's store; NULL while it starts or is down. */
struct store *world_store(const struct node *n);

/* A machine for a member that will be added to these. */
struct node *world_member_new(struct sim *s, const struct rnode_member *members, size_t n);
/* In the end: a member of the leader's cluster, so it must be there. */
bool world_member_expected(const struct node *n);

/* --- world_upkeep.c ---------------------------------------------------------------------- */
struct upkeep *upkeep_new(struct sim *s);
void upkeep_free(struct upkeep *u);
/* Options of a member; 0: none. */
int64_t upkeep_quota(const struct sim_options *o);
int64_t upkeep_retention_ms(const struct sim_options *o);
/* A member's store after an apply or a restore. */
void upkeep_state(struct upkeep *u, const struct node *n, const struct store *store);
/* The first member has applied this compaction. */
void upkeep_compacted(struct upkeep *u, int64_t revision);
/* A disk has room again. */
void upkeep_space(struct upkeep *u);
/* A client was told that there is no room. */
void upkeep_refused(struct upkeep *u, const struct check_op *op);
/* A client asks for the promotion of a learner. */
void upkeep_promotes(struct upkeep *u, uint64_t member_id);
/* In the end. PRE: somebody leads. */
void upkeep_check(struct upkeep *u, const struct node *n, const struct store *store);

/* --- world_change.c ---------------------------------------------------------------------- */
/* A client asks for some change. */
void world_membership(struct sim *s, const struct node *leader);

/* --- world_client.c ---------------------------------------------------------------------- */
/* A client of all members for the program that is booting on this machine. */
struct client *world_client_new(struct node *n);

#endif
