/* The naive model: the store's semantics with one array and no cleverness, to hold the real
 * one against.
 *
 * Outcomes are compared as text: both sides print what a client could see in one form, and a
 * difference is readable as it stands. Used by the differential test and by fuzz/fuzz_store.c. */
#ifndef BARQUE_TESTS_STORE_MODEL_H
#define BARQUE_TESTS_STORE_MODEL_H

#include "store/store.h"

struct model;

struct model *model_new(int64_t quota_bytes);
void model_free(struct model *m);
int64_t model_revision(const struct model *m);
int64_t model_compact_revision(const struct model *m);
/* Applies and prints status, revision, results and events. */
void model_apply(struct model *m, const struct command *c, struct buf *out);
void model_range(const struct model *m, const struct range_request *r, struct buf *out);
/* Revision, keys, history, leases and what hangs on them. */
void model_state(const struct model *m, struct buf *out);

/* The same texts from the real store. `events` is what on_events told, as text. */
void store_apply_text(struct store *s, uint64_t index, const struct command *c,
                      struct buf *out);
void store_range_text(struct store *s, const struct range_request *r, struct buf *out);
void store_state_text(struct store *s, struct buf *out);

#endif
