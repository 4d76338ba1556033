/* The one place that knows what a range_end means. */
#include "store/key_range.h"

struct key_range key_range_make(struct slice key, struct slice range_end)
{
    return (struct key_range){
        .lo = key,
        .hi = range_end,
        .single = range_end.len == 0,
        .unbounded = range_end.len == 1 && range_end.data[0] == 0,
    };
}

bool key_range_past(const struct key_range *r, struct slice key)
{
    if (r->unbounded) {
        return false;
    }
    return r->single ? slice_cmp(key, r->lo) > 0 : slice_cmp(key, r->hi) >= 0;
}

bool key_range_has(const struct key_range *r, struct slice key)
{
    return slice_cmp(key, r->lo) >= 0 && !key_range_past(r, key);
}
