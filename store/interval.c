/* A treap ordered by (lo, hi), where each node knows which interval of its subtree ends last.
 * Looking for a key, a subtree whose last end is not past the key is skipped whole, and so is
 * everything that begins after the key. */
#include "store/interval.h"

#include "lib/base/assert.h"
#include "lib/base/map.h"

void interval_tree_init(struct interval_tree *t)
{
    *t = (struct interval_tree){ 0 };
}

static int compare_ends(const struct interval *a, const struct interval *b)
{
    if (a->unbounded || b->unbounded) {
        return (int)a->unbounded - (int)b->unbounded;
    }
    return slice_cmp(a->hi, b->hi);
}

static int compare(const struct interval *a, const struct interval *b)
{
    int c = slice_cmp(a->lo, b->lo);
    return c != 0 ? c : compare_ends(a, b);
}

static bool ends_past(const struct interval *i, struct slice key)
{
    return i->unbounded || slice_cmp(key, i->hi) < 0;
}

static void update(struct interval *n)
{
    n->last = n;
    const struct interval *const below[] = { n->left, n->right };
    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        if (below[i] != NULL && compare_ends(below[i]->last, n->last) > 0) {
            n->last = below[i]->last;
        }
    }
}

/* Everything in a is before everything in b. */
static struct interval *merge(struct interval *a, struct interval *b)
{
    if (a == NULL || b == NULL) {
        return a != NULL ? a : b;
    }
    if (a->priority > b->priority) {
        a->right = merge(a->right, b);
        update(a);
        return a;
    }
    b->left = merge(a, b->left);
    update(b);
    return b;
}

/* Parts t into what is before `at` and what is not. */
static void split(struct interval *t, const struct interval *at, struct interval **ret_before,
                  struct interval **ret_after)
{
    if (t == NULL) {
        *ret_before = *ret_after = NULL;
        return;
    }
    if (compare(t, at) < 0) {
        split(t->right, at, &t->right, ret_after);
        *ret_before = t;
    } else {
        split(t->left, at, ret_before, &t->left);
        *ret_after = t;
    }
    update(t);
}

struct interval *interval_find(const struct interval_tree *t, const struct interval *like)
{
    struct interval *n = t->root;
    while (n != NULL) {
        int c = compare(like, n);
        if (c == 0) {
            return n;
        }
        n = c < 0 ? n->left : n->right;
    }
    return NULL;
}

void interval_insert(struct interval_tree *t, struct interval *i)
{
    PRE(interval_find(t, i) == NULL);
    struct interval *before, *after;
    split(t->root, i, &before, &after);
    i->left = i->right = NULL;
    i->priority = hash_u64(++t->seq);
    update(i);
    t->root = merge(merge(before, i), after);
}

static struct interval *removed(struct interval *n, const struct interval *i)
{
    PRE(n != NULL);
    int c = compare(i, n);
    if (c == 0) {
        PRE(n == i);
        return merge(n->left, n->right);
    }
    if (c < 0) {
        n->left = removed(n->left, i);
    } else {
        n->right = removed(n->right, i);
    }
    update(n);
    return n;
}

void interval_remove(struct interval_tree *t, struct interval *i)
{
    t->root = removed(t->root, i);
}

static void stab(struct interval *n, struct slice key,
                 void (*visit)(void *arg, struct interval *i), void *arg)
{
    if (n == NULL || !ends_past(n->last, key)) {
        return;
    }
    stab(n->left, key, visit, arg);
    if (slice_cmp(n->lo, key) > 0) {
        return;
    }
    if (ends_past(n, key)) {
        visit(arg, n);
    }
    stab(n->right, key, visit, arg);
}

void interval_stab(const struct interval_tree *t, struct slice key,
                   void (*visit)(void *arg, struct interval *i), void *arg)
{
    stab(t->root, key, visit, arg);
}
