/* Damage to the files of a process that has ended, as a bad disk or a power cut would do it
 * (docs/faults.md). The caller makes sure that nobody has them open. All is drawn from `seed`: the
 * same files and seed, the same damage. What was done is appended to `told`, a line a change.
 *
 * Threads: any; all of it blocks. */
#ifndef BARQUE_IO_FAULT_DAMAGE_H
#define BARQUE_IO_FAULT_DAMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

/* Flips one bit of one file under `dir`: of what was written, never of zeros that were only
 * reserved. E_NOTFOUND: nothing there, E_IO. */
int damage_flip(const char *dir, uint64_t seed, struct buf *told, struct err *err);
/* Undoes writes that the journal says were not synced: all of them, or when `torn` those sectors
 * of 512 bytes that chance picks. The journal is removed, it tells of what is there no more.
 * E_NOTFOUND: no journal, E_IO. */
int damage_unsynced(const char *dir, const char *journal, uint64_t seed, bool torn,
                    struct buf *told, struct err *err);

#endif
