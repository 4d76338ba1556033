/* Watch streams on both servers: the same requests, the same control answers one by one, and for
 * each watch the same events in the same order. */
#ifndef BARQUE_TESTS_DIFFERENTIAL_WATCHING_H
#define BARQUE_TESTS_DIFFERENTIAL_WATCHING_H

#include "tests/differential/duel.h"

struct watching;

struct watching *watching_new(struct duel *d);
void watching_free(struct watching *w);
/* One thing to do with watches: create, cancel, ask for progress. */
void watching_act(struct watching *w, struct gen *g);
/* Waits until every event of what was written has come, and compares. Before a compaction, too:
 * what a watch is told must not hang on which comes first. */
void watching_compare(struct watching *w, struct gen *g);
/* Events compared so far. */
uint64_t watching_events(const struct watching *w);

#endif
