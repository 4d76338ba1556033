/* Runs random commands on the store and on the naive model side by side. */
#ifndef BARQUE_TESTS_STORE_DIFFERENTIAL_H
#define BARQUE_TESTS_STORE_DIFFERENTIAL_H

#include "tests/unit/store/gen.h"

/* Up to `steps` operations (fewer when the fuzzer's bytes end). True when both agreed throughout; a
 * difference is printed to stderr. */
bool differential_run(struct gen *g, size_t steps, int64_t quota_bytes);

#endif
