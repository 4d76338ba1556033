/* Damaged data: marked while the member runs, moved aside before it starts anew. */
#ifndef BARQUE_RAFT_QUARANTINE_H
#define BARQUE_RAFT_QUARANTINE_H

#include <stddef.h>

#include "lib/io/file.h"

enum { QUARANTINES_KEPT = 3 };

/* Leaves a note in `dir` that what is in it must not be used any more, and why: the next open of
 * it is E_CORRUPT. */
int quarantine_mark(struct fs *fs, const char *dir, const struct err *why, struct err *err);
/* 0, or E_CORRUPT with what the note says. */
int quarantine_check(struct fs *fs, const char *dir, struct err *err);
/* Was a directory moved aside, ever? Then an empty one is that of a member to be let in again, and
 * never a founder's. */
bool quarantine_any(struct fs *fs, const char *dir);
/* Does dir hold anything that a new member could not be set up beside? (Not only what is damaged:
 * also what is left of a member whose identity is gone.) */
bool quarantine_due(struct fs *fs, const char *dir);
/* 0 when a file of so many bytes could be made beside dir: asked before anybody is asked to take a
 * new member, which would not get far on a full disk. E_DISKFULL, E_IO... */
int quarantine_room(struct fs *fs, const char *dir, uint64_t bytes, struct err *err);
/* Renames dir to dir.quarantine-N, N counting up; only the newest QUARANTINES_KEPT are kept. The
 * rename is durable on return. */
int quarantine_move(struct fs *fs, const char *dir, char *ret_to, size_t size, struct err *err);

#endif
