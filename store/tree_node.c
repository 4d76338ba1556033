/* Nodes: references, copies, and the search by hints.
 *
 *     keys     /registry/pods/a/x1    /registry/pods/a/x2    /registry/pods/b
 *     skip     15: "/registry/pods/"
 *     hints    "a/x1\0\0\0\0"         "a/x2\0\0\0\0"         "b\0\0\0\0\0\0\0"
 *
 * A key that ends early is padded with zeros. If two padded hints differ they order as their
 * keys do; if they are equal the keys themselves decide. A key to be found that does not begin
 * with the common bytes lies before or after the whole node. */
#include "store/tree_node.h"

#include <endian.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

struct leaf *leaf_new(void)
{
    struct leaf *l = mem_alloc(sizeof *l);
    l->head = (struct tree_node){ .refs = 1 };
    l->live = 0;
    return l;
}

struct branch *branch_new(uint16_t level)
{
    struct branch *b = mem_alloc(sizeof *b);
    b->head = (struct tree_node){ .refs = 1, .level = level };
    b->live = 0;
    return b;
}

int64_t node_live(const struct tree_node *n)
{
    return n->level == 0 ? __builtin_popcountll(as_leaf(n)->live) : as_branch(n)->live;
}

void node_unref(struct tree_node *n)
{
    if (--n->refs != 0) {
        return;
    }
    if (n->level == 0) {
        struct leaf *l = as_leaf(n);
        for (uint32_t i = 0; i < n->n; i++) {
            record_unref(l->records[i]);
        }
        mem_free(l);
        return;
    }
    struct branch *b = as_branch(n);
    for (uint32_t i = 0; i < n->n; i++) {
        value_unref(b->slots[i].sep);
        node_unref(b->slots[i].child);
    }
    mem_free(b);
}

struct tree_node *node_own(struct tree_node *n)
{
    if (n->refs == 1) {
        return n;
    }
    n->refs--;
    if (n->level == 0) {
        struct leaf *l = mem_dup(as_leaf(n), sizeof *l);
        l->head.refs = 1;
        for (uint32_t i = 0; i < n->n; i++) {
            record_ref(l->records[i]);
        }
        return &l->head;
    }
    struct branch *b = mem_dup(as_branch(n), sizeof *b);
    b->head.refs = 1;
    for (uint32_t i = 0; i < n->n; i++) {
        value_ref(b->slots[i].sep);
        b->slots[i].child->refs++;
    }
    return &b->head;
}

/* --- hints ------------------------------------------------------------------------------------ */

static uint32_t first_key(const struct tree_node *n)
{
    return n->level == 0 ? 0 : 1;
}

static struct slice node_key(const struct tree_node *n, uint32_t i)
{
    return n->level == 0 ? record_key(as_leaf(n)->records[i])
                         : value_slice(as_branch(n)->slots[i].sep);
}

static uint64_t *node_hints(const struct tree_node *n)
{
    return n->level == 0 ? as_leaf(n)->hints : as_branch(n)->hints;
}

static uint64_t hint_of(struct slice key, size_t skip)
{
    uint64_t v = 0;
    if (key.len > skip) {
        size_t rest = key.len - skip;
        memcpy(&v, key.data + skip, rest < sizeof v ? rest : sizeof v);
    }
    return be64toh(v);
}

static size_t common_prefix(struct slice a, struct slice b)
{
    size_t n = 0, max = a.len < b.len ? a.len : b.len;
    while (n < max && a.data[n] == b.data[n]) {
        n++;
    }
    return n;
}

void node_hint_all(struct tree_node *n)
{
    uint32_t first = first_key(n);
    if (n->n <= first) {
        n->skip = 0;
        return;
    }
    n->skip = (uint32_t)common_prefix(node_key(n, first), node_key(n, n->n - 1u));
    for (uint32_t i = first; i < n->n; i++) {
        node_hints(n)[i] = hint_of(node_key(n, i), n->skip);
    }
}

void node_hint_one(struct tree_node *n, uint32_t at)
{
    uint32_t first = first_key(n);
    uint32_t neighbour = at > first ? at - 1 : at + 1;
    if (neighbour >= n->n || at < first ||
        common_prefix(node_key(n, at), node_key(n, neighbour)) < n->skip) {
        node_hint_all(n);
        return;
    }
    node_hints(n)[at] = hint_of(node_key(n, at), n->skip);
}

/* --- finding ---------------------------------------------------------------------------------- */

/* Where key stands to the bytes that all keys here begin with: before, among or after. */
static int compare_prefix(const struct tree_node *n, struct slice key)
{
    if (n->skip == 0) {
        return 0;
    }
    struct slice prefix = { node_key(n, first_key(n)).data, n->skip };
    if (slice_starts(key, prefix)) {
        return 0;
    }
    return slice_cmp(key, prefix);
}

/* The first position in [lo, hi) with a hint of at least `want`. */
static uint32_t hints_find(const uint64_t *hints, uint32_t lo, uint32_t hi, uint64_t want)
{
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (hints[mid] < want) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* The first position whose key is at least `key`, or above it. */
static uint32_t node_find(const struct tree_node *n, struct slice key, bool above)
{
    uint32_t lo = first_key(n), hi = n->n;
    int c = lo < hi ? compare_prefix(n, key) : 0;
    if (c != 0) {
        return c < 0 ? lo : hi;
    }
    uint64_t hint = hint_of(key, n->skip);
    lo = hints_find(node_hints(n), lo, hi, hint);
    hi = hint == UINT64_MAX ? hi : hints_find(node_hints(n), lo, hi, hint + 1);
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        c = slice_cmp(node_key(n, mid), key);
        if (c < 0 || (c == 0 && above)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

uint32_t leaf_find(const struct leaf *l, struct slice key, bool *ret_equal)
{
    uint32_t at = node_find(&l->head, key, false);
    *ret_equal = at < l->head.n && slice_eq(record_key(l->records[at]), key);
    return at;
}

uint32_t branch_find(const struct branch *b, struct slice key)
{
    return node_find(&b->head, key, true) - 1;
}
