/* Quantities as Kubernetes writes them: "100m", "1.5", "64Mi", "2Gi", "1e3". Pure. */
#ifndef BARQUE_API_QUANTITY_H
#define BARQUE_API_QUANTITY_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

/* Thousandths, rounded up ("100m" -> 100, "1.5" -> 1500, "64Mi" -> 67108864000). E_INVAL with the
 * reason: syntax, negative, over INT64_MAX. */
int quantity_parse(const char *text, int64_t *ret_milli, struct err *err);
/* Canonical text of a CPU amount ("1500m" -> "1500m", 2000 -> "2") and of bytes (67108864 ->
 * "64Mi"). */
void quantity_print_cpu(int64_t milli, struct buf *out);
void quantity_print_bytes(int64_t bytes, struct buf *out);

#endif
