/* A range of keys as requests, compares, deletes and watches name it. */
#ifndef BARQUE_STORE_KEY_RANGE_H
#define BARQUE_STORE_KEY_RANGE_H

#include "lib/base/slice.h"

/* The keys [lo, hi); only lo when single; all from lo on when unbounded. */
struct key_range {
    struct slice lo, hi;
    bool single, unbounded;
};

/* range_end as in a request: empty = one key, one zero byte = no end. Borrows both. */
struct key_range key_range_make(struct slice key, struct slice range_end);
bool key_range_has(const struct key_range *r, struct slice key);
/* True when key lies at or past the end. */
bool key_range_past(const struct key_range *r, struct slice key);

#endif
