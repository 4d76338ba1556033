/* `barque store --unsafe-damage KIND:SEED`: damages the data of a member that does not run
 * (docs/faults.md). For tests; not shown in --help. */
#ifndef BARQUE_CMD_DAMAGE_H
#define BARQUE_CMD_DAMAGE_H

/* Returns the exit code; what was done goes to stdout, what is wrong to stderr. data_dir and
 * faults (--unsafe-faults; only for torn and lost) may be NULL. */
int damage_run(const char *kind_and_seed, const char *data_dir, const char *faults);

#endif
