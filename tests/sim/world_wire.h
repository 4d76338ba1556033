/* What passes between clients and members, recorded for the checkers (check/).
 *
 * The client library's calls into lib/rpc are seen on their way (linked with --wrap), so whoever
 * has a client is recorded, whatever it does: each attempt of a unary call is one operation, with
 * the answer that came; each keepalive is one; each watch is one, over all the streams it is
 * resumed on. */
#ifndef BARQUE_TESTS_SIM_WORLD_WIRE_H
#define BARQUE_TESTS_SIM_WORLD_WIRE_H

#include "check/history.h"
#include "check/log.h"
#include "check/report.h"
#include "check/watch.h"
#include "proto/rpc.pb-c.h"
#include "tests/sim/world.h"

/* --- world_pack.c ------------------------------------------------------------------------ */
struct check_kv pack_kv(const Mvccpb__KeyValue *pb);
/* False: nothing the checkers know. */
bool pack_request(struct arena *a, const ProtobufCMessage *msg, struct check_request *ret);
void pack_response(struct arena *a, const ProtobufCMessage *msg, struct check_response *ret);

/* --- world_judge.c ----------------------------------------------------------------------- */
struct judge *judge_new(struct sim *s);
void judge_free(struct judge *j);
struct check_pool *judge_pool(struct judge *j);
const struct check_log *judge_log(const struct judge *j);
/* Names the first verdict that does not hold: a violation, which does not return. */
void judge_pronounce(struct judge *j, const struct check_report *report);
/* One request of machine n to member `member`; a number for judge_return. */
uint32_t judge_call(struct judge *j, const struct node *n, unsigned member,
                    const ProtobufCMessage *msg);
/* msg: the answer, when err is 0. */
void judge_return(struct judge *j, uint32_t op, int err, bool never_sent,
                  const ProtobufCMessage *msg);
/* A logical watch that has begun; owned by the judge. */
struct check_watch *judge_watch(struct judge *j, const struct node *n);
/* What members did: a revision was applied, a lease ended, one became leader. */
void judge_revision(struct judge *j, int64_t revision, struct record *const *records, size_t n);
void judge_digest(struct judge *j, const struct node *n, uint64_t index, uint64_t digest);
void judge_lease_end(struct judge *j, int64_t lease);
void judge_leader(struct judge *j);
/* A member proposes a compaction by itself. */
void judge_compacts(struct judge *j, const struct node *n, int64_t revision);
/* A client library told these events of [key, range_end): all there are in (after, revision]. */
void judge_told(struct judge *j, const struct node *n, struct slice key, struct slice range_end,
                int64_t after, int64_t revision, const struct client_event *events,
                size_t n_events);
/* From here on nothing has to wait for long; what is asked for now must be there in the end. */
void judge_settle(struct judge *j);
/* All verdicts; a violation does not return. */
void judge_end(struct judge *j);

/* --- world_wire.c ------------------------------------------------------------------------ */
struct wire *wire_new(struct sim *s);
void wire_free(struct wire *w);
/* The life of this machine's programs is over: what is under way is never answered. */
void wire_gone(struct wire *w, const struct node *n);

#endif
