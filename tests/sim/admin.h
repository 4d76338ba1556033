/* Administration. In runs of the store: users, roles and permissions that come and go while clients
 * write, alarms set and cleared by hand. In worlds: a quota, automatic compaction
 * (world_upkeep.c). Which of it a run has is drawn from a generator of its own (sim_options.admin),
 * so that runs without it stay what they were.
 *
 * admin.c asks; admin_model.c is a naive state machine beside the store's: it says of each command
 * whether it must be refused and for what, as the first member applies it. Others are held to the
 * first one's outcome by the digest, and what a snapshot brings to what was there at its index. */
#ifndef BARQUE_TESTS_SIM_ADMIN_H
#define BARQUE_TESTS_SIM_ADMIN_H

#include "store/store.h"
#include "tests/sim/sim.h"

enum admin_part {
    ADMIN_AUTH = 1,  /* users, roles, on and off; clients are users */
    ADMIN_ALARM = 2, /* NOSPACE and CORRUPT, set and disarmed */
    ADMIN_QUOTA = 4, /* of worlds, from here on */
    ADMIN_COMPACT = 8,
    ADMIN_MEMBERS = 16, /* learners that stay some, and are promoted by hand */
    ADMIN_BACKUP = 32,  /* clients take backups */
    ADMIN_QUOTA_PAYLOAD = 3000, /* where values are longer there is no quota */
};

/* --- admin.c ----------------------------------------------------------------------------- */
/* All else is drawn. */
unsigned admin_draw(const struct sim_options *o, bool world);
/* Sometimes: a command of administration, asked at a member with this store. */
bool admin_command(struct sim *s, const struct store *store, struct command *ret);
/* Who asks for c there: as its member knew users and roles then, or a little before. */
void admin_sign(struct sim *s, const struct store *store, struct command *c);

/* --- admin_model.c ----------------------------------------------------------------------- */
struct admin_model *admin_model_new(void);
void admin_model_free(struct admin_model *m);
/* Around store_apply of a command that nobody has applied before; otherwise nothing happens. */
void admin_before(struct node *n, uint64_t index, const struct store *store,
                  const struct command *c);
void admin_after(struct node *n, uint64_t index, const struct store *store,
                 const struct command *c, int status);
/* A store that came from a snapshot, and each one in the end: has it what belongs to its index? */
void admin_check(struct node *n, const struct store *store);

#endif
