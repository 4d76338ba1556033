/* An interval tree over byte strings: which of these ranges hold this key?
 * Intrusive: owners embed a struct interval. Finding k ranges among n costs O(log n + k). */
#ifndef BARQUE_STORE_INTERVAL_H
#define BARQUE_STORE_INTERVAL_H

#include "lib/base/slice.h"

struct interval {
    struct slice lo, hi; /* [lo, hi); borrowed from the owner, who keeps them */
    bool unbounded;      /* no end: hi means nothing */
    struct interval *left, *right;
    const struct interval *last; /* the one of this subtree that ends last */
    uint64_t priority;
};

struct interval_tree {
    struct interval *root;
    uint64_t seq; /* feeds priorities: the shape is the same on every run */
};

void interval_tree_init(struct interval_tree *t);
/* The interval with exactly these bounds; NULL. */
struct interval *interval_find(const struct interval_tree *t, const struct interval *like);
/* PRE: no interval with these bounds is there. */
void interval_insert(struct interval_tree *t, struct interval *i);
/* PRE: i is there. */
void interval_remove(struct interval_tree *t, struct interval *i);
/* Calls visit for every interval that holds key, in order of (lo, hi). visit must not change
 * the tree. */
void interval_stab(const struct interval_tree *t, struct slice key,
                   void (*visit)(void *arg, struct interval *i), void *arg);

#endif
