/* HashKV: a CRC-32C over everything a client could read at revisions up to `revision`: for
 * each key in key order the versions from new to old, down to the one visible at the compact
 * revision. A tombstone that is only there because nobody has swept it yet is left out, so
 * members agree however far each one's sweeping is. The sum is ours, not etcd's: it is
 * comparable between Barque members only. */
#include "lib/base/bug.h"
#include "lib/codec/crc32c.h"
#include "store/internal.h"

static void put_be64(uint8_t *to, uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(v >> (56 - 8 * i));
    }
}

static uint32_t hash_record(uint32_t crc, const struct record *r)
{
    uint8_t head[8 * 7 + 1];
    const uint64_t numbers[7] = {
        (uint64_t)r->mod_revision, (uint64_t)r->sub,   (uint64_t)r->create_revision,
        (uint64_t)r->version,      (uint64_t)r->lease, r->key_len,
        r->value_len,
    };
    for (size_t i = 0; i < 7; i++) {
        put_be64(head + 8 * i, numbers[i]);
    }
    head[8 * 7] = r->tombstone;
    crc = crc32c(crc, head, sizeof head);
    crc = crc32c(crc, record_key(r).data, r->key_len);
    return crc32c(crc, record_value(r).data, r->value_len);
}

static uint32_t hash_key(uint32_t crc, struct record *head, int64_t revision, int64_t compacted)
{
    struct record *r = record_at(head, revision);
    for (; r != NULL; r = r->prev) {
        bool base = r->mod_revision <= compacted && !BUG(BUG_STORE_HASH_OF_GARBAGE);
        if (!base || !r->tombstone) {
            crc = hash_record(crc, r);
        }
        if (base) {
            break;
        }
    }
    return crc;
}

int store_hash_kv(struct store *s, int64_t revision, uint32_t *ret_hash)
{
    int rv = range_check_revision(s, revision, s->revision);
    if (rv != 0) {
        return rv;
    }
    int64_t at = revision > 0 ? revision : s->revision;
    uint32_t crc = 0;
    struct tree_cursor c;
    struct record *head;
    tree_seek(&s->tree, slice_make(NULL, 0), &c);
    while ((head = tree_next(&c)) != NULL) {
        crc = hash_key(crc, head, at, s->compact_revision);
    }
    *ret_hash = crc;
    return 0;
}
