/* Which commands a member understands, as one number: its level. A command that members of an
 * older version cannot read would end them, so it is proposed only once all have its level
 * (server_write); the level travels with a member's name and address (raft/membership.c).
 *
 * A new type of command is one row in capability.c, with a level of its own. Pure. */
#ifndef BARQUE_STORE_CAPABILITY_H
#define BARQUE_STORE_CAPABILITY_H

#include "store/command.h"

/* The level that a member needs to apply commands of this type. */
uint64_t command_level(enum command_type type);
/* What this program understands: the highest level there is. */
uint64_t store_level(void);

#endif
