/* Reading a bbolt file that may be anything. A page is made a slice that is known to hold its head,
 * its overflow and all its elements before a cursor steps into it; keys and values are cut out of
 * that slice with their offsets checked one by one. */
#include <inttypes.h>

#include "lib/codec/bolt.h"
#include "lib/codec/bolt_format.h"

static int corrupt(struct err *err, uint64_t page, const char *what)
{
    return err_set(err, E_CORRUPT, "bolt page %" PRIu64 ": %s", page, what);
}

/* --- the heads -------------------------------------------------------------------------------- */

/* One of the two heads at `at`, if it is whole. */
static bool head_read(struct slice bytes, size_t at, struct bolt *ret_head, uint64_t *ret_version)
{
    if (at > bytes.len || bytes.len - at < BOLT_PAGE_HEAD + BOLT_META_BYTES) {
        return false;
    }
    const uint8_t *m = bytes.data + at + BOLT_PAGE_HEAD;
    if (bolt_get(m, 4) != BOLT_MAGIC ||
        bolt_get(m + BOLT_META_SUMMED, 8) != bolt_checksum(m, BOLT_META_SUMMED)) {
        return false;
    }
    *ret_version = bolt_get(m + 4, 4);
    *ret_head = (struct bolt){ .bytes = bytes,
                               .page_size = (size_t)bolt_get(m + 8, 4),
                               .root = bolt_get(m + 16, 8),
                               .n_pages = bolt_get(m + 40, 8),
                               .txid = bolt_get(m + 48, 8) };
    return true;
}

static bool page_size_fits(size_t size)
{
    return size >= BOLT_PAGE_MIN && size <= BOLT_PAGE_MAX && (size & (size - 1)) == 0;
}

/* The second head lies a page behind the first one: where, says the first one, or, if that is
 * damaged, is tried for each size a page may have. */
int bolt_open(struct bolt *b, struct slice bytes, struct err *err)
{
    struct bolt best = { 0 };
    uint64_t version = 0, best_version = 0;
    bool any = head_read(bytes, 0, &best, &best_version);
    for (size_t size = BOLT_PAGE_MIN; size <= BOLT_PAGE_MAX; size *= 2) {
        struct bolt other;
        if (head_read(bytes, size, &other, &version) && other.page_size == size &&
            (!any || other.txid > best.txid)) {
            best = other;
            best_version = version;
            any = true;
        }
    }
    if (!any) {
        return err_set(err, E_CORRUPT, "this is not a bolt database, or its head is damaged");
    }
    if (best_version != BOLT_VERSION) {
        return err_set(err, E_UNSUPPORTED, "bolt format version %" PRIu64 " is not known",
                       best_version);
    }
    if (!page_size_fits(best.page_size) || best.n_pages > bytes.len / best.page_size) {
        return err_set(err, E_CORRUPT, "the file is cut short: its head tells of %" PRIu64 " pages",
                       best.n_pages);
    }
    *b = best;
    return 0;
}

/* --- pages ------------------------------------------------------------------------------------ */

/* Steps the cursor into a page whose bytes are given. */
static int enter(struct bolt_cursor *c, struct slice page, uint64_t number, struct err *err)
{
    if (page.len < BOLT_PAGE_HEAD) {
        return corrupt(err, number, "it is cut short");
    }
    uint64_t kind = bolt_get(page.data + 8, 2);
    size_t count = (size_t)bolt_get(page.data + 10, 2);
    if (kind != BOLT_LEAF && kind != BOLT_BRANCH) {
        return corrupt(err, number, "it is neither leaf nor branch");
    }
    if (count > (page.len - BOLT_PAGE_HEAD) / BOLT_ELEMENT) {
        return corrupt(err, number, "more elements than fit it");
    }
    if (count == 0 && (kind == BOLT_BRANCH || c->depth > 0)) {
        return corrupt(err, number, "it has no elements");
    }
    if (c->depth == BOLT_DEPTH_MAX) {
        return corrupt(err, number, "the tree is too deep");
    }
    c->path[c->depth].page = page;
    c->path[c->depth].at = 0;
    c->path[c->depth].count = count;
    c->path[c->depth].leaf = kind == BOLT_LEAF;
    c->depth++;
    return 0;
}

static int enter_page(struct bolt_cursor *c, uint64_t number, struct err *err)
{
    const struct bolt *b = c->bolt;
    if (number < 2 || number >= b->n_pages) {
        return corrupt(err, number, "there is no such page");
    }
    if (++c->visited > b->n_pages) {
        return corrupt(err, number, "the tree goes in circles");
    }
    struct slice page = slice_make(b->bytes.data + number * b->page_size, b->page_size);
    uint64_t overflow = bolt_get(page.data + 12, 4);
    if (bolt_get(page.data, 8) != number) {
        return corrupt(err, number, "it says that it is another one");
    }
    if (overflow >= b->n_pages - number) {
        return corrupt(err, number, "it is longer than the file");
    }
    page.len += (size_t)overflow * b->page_size;
    return enter(c, page, number, err);
}

/* `len` bytes at `offset` from the element at `at`. */
static bool cut(struct slice page, size_t at, uint64_t offset, uint64_t len, struct slice *ret)
{
    uint64_t from = at + offset;
    if (from > page.len || len > page.len - from) {
        return false;
    }
    *ret = slice_make(page.data + from, (size_t)len);
    return true;
}

/* The next element of a leaf, whatever it is. */
static int next_element(struct bolt_cursor *c, uint32_t *ret_flags, struct slice *ret_key,
                        struct slice *ret_value, struct err *err)
{
    while (c->depth > 0) {
        struct slice page = c->path[c->depth - 1].page;
        uint64_t number = bolt_get(page.data, 8);
        if (c->path[c->depth - 1].at == c->path[c->depth - 1].count) {
            c->depth--;
            continue;
        }
        size_t at = BOLT_PAGE_HEAD + BOLT_ELEMENT * c->path[c->depth - 1].at++;
        const uint8_t *e = page.data + at;
        if (!c->path[c->depth - 1].leaf) {
            int rv = enter_page(c, bolt_get(e + 8, 8), err);
            if (rv != 0) {
                return rv;
            }
            continue;
        }
        uint64_t offset = bolt_get(e + 4, 4), key = bolt_get(e + 8, 4);
        if (!cut(page, at, offset, key, ret_key) ||
            !cut(page, at, offset + key, bolt_get(e + 12, 4), ret_value)) {
            return corrupt(err, number, "an element points outside of it");
        }
        if (c->has_last && slice_cmp(c->last_key, *ret_key) >= 0) {
            return corrupt(err, number, "keys are out of order");
        }
        c->last_key = *ret_key;
        c->has_last = true;
        *ret_flags = (uint32_t)bolt_get(e, 4);
        return 1;
    }
    return 0;
}

int bolt_next(struct bolt_cursor *c, struct slice *ret_key, struct slice *ret_value,
              struct err *err)
{
    uint32_t flags;
    int rv;
    do {
        rv = next_element(c, &flags, ret_key, ret_value, err);
    } while (rv == 1 && (flags & BOLT_ELEMENT_BUCKET) != 0);
    return rv;
}

/* --- buckets ---------------------------------------------------------------------------------- */

int bolt_buckets(const struct bolt *b, struct bolt_cursor *ret_cursor, struct err *err)
{
    *ret_cursor = (struct bolt_cursor){ .bolt = b };
    return enter_page(ret_cursor, b->root, err);
}

int bolt_next_bucket(struct bolt_cursor *c, struct slice *ret_name, struct bolt_cursor *ret_bucket,
                     struct err *err)
{
    uint32_t flags;
    struct slice value;
    int rv;
    do {
        rv = next_element(c, &flags, ret_name, &value, err);
    } while (rv == 1 && (flags & BOLT_ELEMENT_BUCKET) == 0);
    if (rv != 1) {
        return rv;
    }
    if (value.len < BOLT_BUCKET_HEAD) {
        return err_set(err, E_CORRUPT, "a bolt bucket's head is cut short");
    }
    uint64_t root = bolt_get(value.data, 8);
    *ret_bucket = (struct bolt_cursor){ .bolt = c->bolt };
    struct slice here = slice_make(value.data + BOLT_BUCKET_HEAD, value.len - BOLT_BUCKET_HEAD);
    rv = root != 0 ? enter_page(ret_bucket, root, err) : enter(ret_bucket, here, 0, err);
    return rv != 0 ? rv : 1;
}

int bolt_bucket_seek(const struct bolt *b, const char *name, struct bolt_cursor *ret_cursor,
                     struct err *err)
{
    struct bolt_cursor buckets;
    struct slice found;
    int rv = bolt_buckets(b, &buckets, err);
    while (rv == 0 && (rv = bolt_next_bucket(&buckets, &found, ret_cursor, err)) == 1) {
        if (slice_eq(found, slice_str(name))) {
            return 0;
        }
        rv = 0;
        if (slice_cmp(found, slice_str(name)) > 0) {
            break;
        }
    }
    return rv != 0 ? rv : err_set(err, E_NOTFOUND, "there is no bucket \"%s\"", name);
}
