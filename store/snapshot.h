/* What snapshot writer and reader agree on; the format is described in snapshot.c. */
#ifndef BARQUE_STORE_SNAPSHOT_H
#define BARQUE_STORE_SNAPSHOT_H

#include "lib/base/limits.h"

#define SNAPSHOT_MAGIC "barque-store"

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_FRAME_BYTES = 32 * 1024, /* a frame is closed when it is this long */
    SNAPSHOT_FRAME_MAX = LIMIT_KEY_BYTES + LIMIT_VALUE_BYTES + 2 * SNAPSHOT_FRAME_BYTES,
};

enum snapshot_frame {
    FRAME_HEAD = 1,
    FRAME_LEASES = 2,
    FRAME_RECORDS = 3,
    FRAME_END = 4,
    FRAME_AUTH = 6,
};

enum { RECORD_TOMBSTONE = 1 };

#endif
