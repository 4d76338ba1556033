/* The one form in which the model and the store print what a client could see. */
#ifndef BARQUE_TESTS_STORE_MODEL_PRINT_H
#define BARQUE_TESTS_STORE_MODEL_PRINT_H

#include "store/store.h"

void print_bytes(struct buf *out, struct slice s);
void print_kv(struct buf *out, const struct kv_view *kv);
void print_event(struct buf *out, const struct kv_view *kv);
void print_range_head(struct buf *out, int64_t count, bool more);
void print_op(struct buf *out, enum op_type type);
void print_grant(struct buf *out, int64_t id, int64_t ttl_s);
void print_lease(struct buf *out, const struct lease_info *l);
void print_status(struct buf *out, int status, int64_t revision);

#endif
