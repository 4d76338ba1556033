/* The elected components of a master: controllers and scheduler, thin clients of the store. Each
 * stands in an election of its own; standbys keep warm caches and take over within the lease's
 * 2 s. Threads: loop. */
#ifndef BARQUE_CMD_COMPONENTS_H
#define BARQUE_CMD_COMPONENTS_H

#include "client/client.h"

struct components;

/* `client` outlives them; identity is copied: who leads, as people are told. */
struct components *components_new(struct client *client, const char *identity, uint64_t seed);
/* Resigns, best effort: give the client some time (client_close) to get that out. NULL is fine. */
struct components *components_free(struct components *c);

#endif
