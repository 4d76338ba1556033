/* A node of the tree, for tree*.c only: its shape, its references, and finding a key in it.
 *
 * Every key of a node begins with the same `skip` bytes; the eight bytes after those stand in
 * `hints`, as a number that orders as they do. A search compares numbers that lie side by side
 * and follows a pointer to a key only to tell equal hints apart: one or two cache misses a
 * node instead of six. */
#ifndef BARQUE_STORE_TREE_NODE_H
#define BARQUE_STORE_TREE_NODE_H

#include "lib/base/assert.h"
#include "lib/base/value.h"
#include "store/tree.h"

enum { FANOUT = 64 };

struct tree_node {
    uint32_t refs;
    uint16_t n;
    uint16_t level; /* 0 = leaf */
    uint32_t skip;
};

struct leaf {
    struct tree_node head;
    uint64_t live; /* one bit a record */
    uint64_t hints[FANOUT];
    struct record *records[FANOUT];
};

struct slot {
    struct value *sep; /* NULL in slot 0 */
    struct tree_node *child;
    int64_t live;
};

struct branch {
    struct tree_node head;
    int64_t live;
    uint64_t hints[FANOUT]; /* of separators; slot 0 has none */
    struct slot slots[FANOUT];
};

static inline struct leaf *as_leaf(const struct tree_node *n)
{
    return CONTAINER_OF((struct tree_node *)(uintptr_t)n, struct leaf, head);
}

static inline struct branch *as_branch(const struct tree_node *n)
{
    return CONTAINER_OF((struct tree_node *)(uintptr_t)n, struct branch, head);
}

static inline uint64_t low_bits(uint32_t n)
{
    return n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
}

static inline uint64_t shift_right(uint64_t v, uint32_t n)
{
    return n >= 64 ? 0 : v >> n;
}

static inline uint64_t shift_left(uint64_t v, uint32_t n)
{
    return n >= 64 ? 0 : v << n;
}

struct leaf *leaf_new(void);
struct branch *branch_new(uint16_t level);
int64_t node_live(const struct tree_node *n);
void node_unref(struct tree_node *n);
/* A copy that may be written; the given reference is used up. */
struct tree_node *node_own(struct tree_node *n);

/* The first position whose key is not below `key`, and whether it is that key. */
uint32_t leaf_find(const struct leaf *l, struct slice key, bool *ret_equal);
/* The child that holds `key` if anyone does. */
uint32_t branch_find(const struct branch *b, struct slice key);
/* Computes skip and all hints afresh. */
void node_hint_all(struct tree_node *n);
/* The key at `at` is new, and places for hints have been moved: gives it one. */
void node_hint_one(struct tree_node *n, uint32_t at);

#endif
