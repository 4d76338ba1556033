/* How the store's answers look in a trace. Every line is indented by two blanks and `depth`
 * steps. */
#ifndef BARQUE_TESTS_SCENARIO_PRINT_H
#define BARQUE_TESTS_SCENARIO_PRINT_H

#include "store/store.h"

/* "error KEY_NOT_FOUND" */
void print_error(struct buf *out, int status);
/* keys_only: the values are there (records are shared), but are not told. */
void print_range(struct buf *out, const struct range_result *r, int depth, bool keys_only);
void print_op(struct buf *out, const struct op_result *op, int depth);
void print_txn(struct buf *out, const struct txn_result *t, int depth);
/* " put a=1", with " (was 0)" when asked for and known. */
void print_event(struct buf *out, const struct record *r, bool with_prev);

#endif
