/* Cluster configurations: who is a member, where, and in which role. libraft's own struct and
 * encoding, with a bounded check in front of its decoder (which trusts the bytes it is given). */
#ifndef BARQUE_RAFT_CONFIGURATION_H
#define BARQUE_RAFT_CONFIGURATION_H

#include <raft.h>

#include "lib/base/slice.h"
#include "lib/base/value.h"

/* 0 or E_PROTO: bytes of a RAFT_CHANGE entry or a snapshot that libraft can decode safely. */
int configuration_check(struct slice bytes);
/* PRE: configuration_check(bytes) == 0. The result is libraft's memory. */
void configuration_decode(struct slice bytes, struct raft_configuration *ret_conf);
struct value *configuration_encode(const struct raft_configuration *conf);
void configuration_copy(const struct raft_configuration *from, struct raft_configuration *ret_to);
/* NULL when absent. */
struct raft_server *configuration_find(const struct raft_configuration *conf, uint64_t id);
unsigned configuration_voters(const struct raft_configuration *conf);

#endif
