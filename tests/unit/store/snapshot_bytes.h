/* A store to bytes and back, in one call each. */
#ifndef BARQUE_TESTS_STORE_SNAPSHOT_BYTES_H
#define BARQUE_TESTS_STORE_SNAPSHOT_BYTES_H

#include "store/store.h"

static inline void snapshot_bytes(struct store *s, struct buf *out)
{
    struct store_pin *pin = store_pin(s);
    while (store_pin_next(pin, out) == 1) {
    }
    store_unpin(s, pin);
}

/* In chunks of `chunk` bytes; NULL with `err` filled. */
static inline struct store *snapshot_restore(struct slice bytes, size_t chunk,
                                             const struct store_options *options, struct err *err)
{
    struct store_restore *r = store_restore_begin(options);
    for (size_t at = 0; at < bytes.len; at += chunk) {
        size_t n = bytes.len - at < chunk ? bytes.len - at : chunk;
        if (store_restore_chunk(r, slice_make(bytes.data + at, n), err) != 0) {
            store_restore_abort(r);
            return NULL;
        }
    }
    struct store *s = NULL;
    return store_restore_finish(r, &s, err) == 0 ? s : NULL;
}

#endif
