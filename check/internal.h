/* Inside check/: what the checkers share. */
#ifndef BARQUE_CHECK_INTERNAL_H
#define BARQUE_CHECK_INTERNAL_H

#include "check/history.h"
#include "check/log.h"

struct check_pkv check_pack_kv(struct check_pool *p, const struct check_kv *kv);
bool check_pkv_equal(const struct check_pkv *a, const struct check_pkv *b);
/* The put, range and delete parts that ran: of the branch taken. NULL for other operations. */
struct check_part *check_op_parts(const struct check_op *op, size_t *ret_n);

/* The first of revs at or after `revision`; l->n when there is none. */
size_t check_log_seek(const struct check_log *l, int64_t revision);

void check_print_time(int64_t us, struct buf *out); /* "1.204211 s", "never" */
void check_print_bytes(const struct check_pool *pool, uint32_t id, struct buf *out);
void check_print_event(const struct check_pool *pool, const struct check_pevent *e,
                       struct buf *out);
void check_print_rev(const struct check_pool *pool, const struct check_rev *r, struct buf *out);

#endif
