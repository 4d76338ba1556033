/* What writer and reader of bbolt files agree on. Integers are little-endian; a page is page_size
 * bytes (here 4096), or more where `overflow` says so, and page N begins at N * page_size.
 *
 *   page     u64 number, u16 kind, u16 count, u32 overflow (further pages that belong to it)
 *   pages 0 and 1, kind 4: u32 0xED0CDAED, u32 version 2, u32 page size, u32 0, bucket of buckets,
 *            u64 page of the freelist, u64 pages, u64 transaction, u64 FNV-1a of the bytes before;
 *            the valid one with the higher transaction counts
 *   freelist kind 16: count page numbers (u64)
 *   leaf     kind 2: count elements (u32 flags: 1 bucket; u32 offset of the key from this element,
 *            u32 key length, u32 value length), then keys and values, each key before its value
 *   branch   kind 1: count elements (u32 offset of the key, u32 key length, u64 child page), then
 *            keys; a child's keys are not below its element's key
 *   bucket   u64 page of its root, u64 sequence; root 0: a leaf page follows at once
 *            ("inline") */
#ifndef BARQUE_CODEC_BOLT_FORMAT_H
#define BARQUE_CODEC_BOLT_FORMAT_H

#include <stdint.h>

#include "lib/base/slice.h"

enum {
    BOLT_PAGE_BYTES = 4096,   /* of files we write */
    BOLT_PAGE_MIN = 512,      /* of files we read */
    BOLT_PAGE_MAX = 65536,
    BOLT_PAGE_HEAD = 16,
    BOLT_ELEMENT = 16,        /* of leaf and branch alike */
    BOLT_BUCKET_HEAD = 16,
    BOLT_META_BYTES = 64,
    BOLT_META_SUMMED = 56,    /* bytes before the checksum */
    BOLT_VERSION = 2,
};

#define BOLT_MAGIC UINT32_C(0xED0CDAED)

enum bolt_kind { BOLT_BRANCH = 1, BOLT_LEAF = 2, BOLT_META = 4, BOLT_FREELIST = 16 };
enum { BOLT_ELEMENT_BUCKET = 1 };

static inline uint64_t bolt_get(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
        v = v << 8 | p[i];
    }
    return v;
}

static inline void bolt_put(uint8_t *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

/* FNV-1a, 64 bits. */
static inline uint64_t bolt_checksum(const uint8_t *p, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

#endif
