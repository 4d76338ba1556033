/* The bytes of a WAL segment: encoding, decoding and searching, without any I/O (so that they can
 * be fuzzed). The format is described in wal_format.c and docs/format.md. */
#ifndef BARQUE_RAFT_WAL_FORMAT_H
#define BARQUE_RAFT_WAL_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

enum {
    WAL_HEADER_BYTES = 96,
    WAL_RECORD_BYTES = 40, /* before the payload */
    WAL_ALIGN = 8,
    WAL_FORMAT_VERSION = 1,
    WAL_TYPE_MARK = 16,    /* not an entry: everything before `mark` is durable */
};

struct wal_header {
    uint64_t cluster_id;
    uint64_t member_id;
    uint64_t seq;        /* 1, 2, 3, ... in the order of writing */
    uint64_t size_bytes; /* of the whole file */
    uint64_t base_index; /* index of the last entry before this segment */
    uint64_t base_term;  /* its term when `fresh`, else 0 */
    uint64_t mark;       /* durable position when it was made */
    uint32_t prev_crc;   /* checksum of the previous segment's last record */
    bool fresh;          /* the log starts afresh after base_index: older segments do not count */
    uint32_t crc;        /* set by decode and encode */
};

struct wal_record {
    uint32_t type; /* an entry's type (1..3) or WAL_TYPE_MARK */
    uint32_t crc;
    uint32_t prev_crc;
    uint64_t index;
    uint64_t term;
    uint64_t mark;
    struct slice data;
    size_t size; /* whole record with padding */
};

/* A position in the WAL as one ordered number. */
static inline uint64_t wal_position(uint64_t seq, uint64_t offset)
{
    return (seq << 32) | offset;
}
static inline size_t wal_record_size(size_t len)
{
    return (WAL_RECORD_BYTES + len + WAL_ALIGN - 1) / WAL_ALIGN * WAL_ALIGN;
}

void wal_header_encode(struct wal_header *h, uint8_t out[WAL_HEADER_BYTES]);
/* E_CORRUPT, or E_UNSUPPORTED for another version. */
int wal_header_decode(struct slice bytes, struct wal_header *ret_header);
/* Fills r->crc and r->size and writes the 40 header bytes; the payload and its padding follow. */
void wal_record_encode(struct wal_record *r, uint8_t out[WAL_RECORD_BYTES]);
/* E_NOTFOUND: zeros (the end of what was written). E_CORRUPT: not a whole, valid record. */
int wal_record_decode(struct slice bytes, size_t offset, struct wal_record *ret_record);
/* Is there, after `from`, a valid record that vouches that `position` had been durable? */
bool wal_vouched(struct slice bytes, size_t from, uint64_t position);
/* Nobody vouches for the bytes at `offset`, which are no valid record. Do they look like a
 * record that was written to its end and damaged later, and not like a torn write? prev_crc is
 * the checksum of the record before. */
bool wal_damaged(struct slice bytes, size_t offset, uint32_t prev_crc);
/* Offset just after the last byte that is not zero, at least `from`. */
size_t wal_written_end(struct slice bytes, size_t from);

#endif
