/* The copy-on-write B+tree.
 *
 * Shape. Leaves hold up to 64 record pointers and a bitmap of which are live; branches hold up
 * to 64 children, each with its live count and the separator below which no key of the child
 * lies. A separator is the shortest prefix that tells two neighbours apart, in bytes of its
 * own, so that a deleted record is never kept alive by the index.
 *
 *                 [ -  | "b" | "ca" ]            keys of child 1: "b" <= key < "ca"
 *                 /      |       \
 *     ["a","ab"]     ["b","bz"]   ["ca","cz"]
 *
 * Writing descends from the root; a node with more than one reference is copied first (its
 * children then have one more), so whoever holds the old root sees the old tree. A full node
 * splits in halves, but one that is appended to splits at its end: keys loaded in order give
 * full leaves. Removal merges a thin node into a neighbour when both fit with room to spare. */
#include "store/tree.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "store/tree_node.h"

enum {
    THIN = 16,       /* below this a node looks for a neighbour to merge with */
    MERGED_MAX = 48, /* and merges when the two together are not more */
};

/* What a put hands up when its node had no room. */
struct split {
    struct value *sep;
    struct tree_node *right; /* NULL: no split */
};

/* --- finding ---------------------------------------------------------------------------------- */

struct record *tree_get(const struct tree *t, struct slice key)
{
    const struct tree_node *n = t->root;
    if (n == NULL) {
        return NULL;
    }
    while (n->level > 0) {
        n = as_branch(n)->slots[branch_find(as_branch(n), key)].child;
    }
    bool equal;
    uint32_t i = leaf_find(as_leaf(n), key, &equal);
    return equal ? as_leaf(n)->records[i] : NULL;
}

/* Live keys below `key`. */
static int64_t tree_rank(const struct tree *t, struct slice key)
{
    int64_t rank = 0;
    const struct tree_node *n = t->root;
    if (n == NULL) {
        return 0;
    }
    while (n->level > 0) {
        const struct branch *b = as_branch(n);
        uint32_t at = branch_find(b, key);
        for (uint32_t i = 0; i < at; i++) {
            rank += b->slots[i].live;
        }
        n = b->slots[at].child;
    }
    bool equal;
    uint32_t i = leaf_find(as_leaf(n), key, &equal);
    return rank + __builtin_popcountll(as_leaf(n)->live & low_bits(i));
}

int64_t tree_count(const struct tree *t, const struct key_range *r)
{
    if (r->single) {
        struct record *head = tree_get(t, r->lo);
        return head != NULL && !head->tombstone ? 1 : 0;
    }
    int64_t below = tree_rank(t, r->lo);
    int64_t end = r->unbounded ? tree_live(t) : tree_rank(t, r->hi);
    return end > below ? end - below : 0;
}

int64_t tree_live(const struct tree *t)
{
    return t->root != NULL ? node_live(t->root) : 0;
}

/* --- putting ---------------------------------------------------------------------------------- */

/* The shortest separator: above `left`, at most `right`. */
static struct value *separator(struct slice left, struct slice right)
{
    size_t n = 0;
    while (n < left.len && n < right.len && left.data[n] == right.data[n]) {
        n++;
    }
    INVARIANT(n < right.len);
    return value_new(right.data, n + 1);
}

static void leaf_insert(struct leaf *l, uint32_t at, struct record *r)
{
    memmove(&l->records[at + 1], &l->records[at], (l->head.n - at) * sizeof l->records[0]);
    memmove(&l->hints[at + 1], &l->hints[at], (l->head.n - at) * sizeof l->hints[0]);
    l->records[at] = r;
    l->head.n++;
    uint64_t below = l->live & low_bits(at);
    l->live = below | shift_left(shift_right(l->live, at), at + 1);
    if (!r->tombstone) {
        l->live |= (uint64_t)1 << at;
    }
    node_hint_one(&l->head, at);
}

/* Moves what lies from `at` on into a new leaf. */
static struct leaf *leaf_cut(struct leaf *l, uint32_t at)
{
    struct leaf *right = leaf_new();
    right->head.n = (uint16_t)(l->head.n - at);
    memcpy(right->records, &l->records[at], right->head.n * sizeof l->records[0]);
    right->live = shift_right(l->live, at);
    l->head.n = (uint16_t)at;
    l->live &= low_bits(at);
    if (right->head.n > 0) {
        node_hint_all(&right->head);
        node_hint_all(&l->head);
    }
    return right;
}

static void leaf_put(struct leaf *l, struct record *r, struct split *ret_split)
{
    bool equal;
    uint32_t at = leaf_find(l, record_key(r), &equal);
    if (equal) {
        record_unref(l->records[at]);
        l->records[at] = r;
        l->live &= ~((uint64_t)1 << at);
        l->live |= (uint64_t)!r->tombstone << at;
        return;
    }
    if (l->head.n < FANOUT) {
        leaf_insert(l, at, r);
        return;
    }
    uint32_t cut = at == FANOUT ? FANOUT : FANOUT / 2;
    struct leaf *right = leaf_cut(l, cut);
    if (at < cut) {
        leaf_insert(l, at, r);
    } else {
        leaf_insert(right, at - cut, r);
    }
    struct slice last = record_key(l->records[l->head.n - 1]);
    ret_split->sep = separator(last, record_key(right->records[0]));
    ret_split->right = &right->head;
}

static void branch_insert(struct branch *b, uint32_t at, struct slot s)
{
    memmove(&b->slots[at + 1], &b->slots[at], (b->head.n - at) * sizeof b->slots[0]);
    memmove(&b->hints[at + 1], &b->hints[at], (b->head.n - at) * sizeof b->hints[0]);
    b->slots[at] = s;
    b->head.n++;
    b->live += s.live;
    node_hint_one(&b->head, at);
}

static struct branch *branch_cut(struct branch *b, uint32_t at)
{
    struct branch *right = branch_new(b->head.level);
    right->head.n = (uint16_t)(b->head.n - at);
    memcpy(right->slots, &b->slots[at], right->head.n * sizeof b->slots[0]);
    for (uint32_t i = 0; i < right->head.n; i++) {
        right->live += right->slots[i].live;
    }
    b->head.n = (uint16_t)at;
    b->live -= right->live;
    node_hint_all(&right->head);
    node_hint_all(&b->head);
    return right;
}

/* Adds a child that a split below made, splitting this branch when it is full. */
static void branch_add(struct branch *b, uint32_t at, struct slot s, struct split *ret_split)
{
    if (b->head.n < FANOUT) {
        branch_insert(b, at, s);
        return;
    }
    uint32_t cut = at == FANOUT ? FANOUT - 1 : FANOUT / 2;
    struct branch *right = branch_cut(b, cut);
    if (at <= cut) {
        branch_insert(b, at, s);
    } else {
        branch_insert(right, at - cut, s);
    }
    ret_split->sep = TAKE(right->slots[0].sep);
    ret_split->right = &right->head;
}

static void node_put(struct tree_node **np, struct record *r, struct split *ret_split)
{
    struct tree_node *n = *np = node_own(*np);
    if (n->level == 0) {
        leaf_put(as_leaf(n), r, ret_split);
        return;
    }
    struct branch *b = as_branch(n);
    uint32_t at = branch_find(b, record_key(r));
    struct split below = { NULL, NULL };
    node_put(&b->slots[at].child, r, &below);
    int64_t live = node_live(b->slots[at].child);
    b->live += live - b->slots[at].live;
    b->slots[at].live = live;
    if (below.right != NULL) {
        struct slot s = { below.sep, below.right, node_live(below.right) };
        branch_add(b, at + 1, s, ret_split);
    }
}

void tree_put(struct tree *t, struct record *r)
{
    if (t->root == NULL) {
        t->root = &leaf_new()->head;
    }
    struct split top = { NULL, NULL };
    node_put(&t->root, r, &top);
    if (top.right == NULL) {
        return;
    }
    struct branch *b = branch_new((uint16_t)(t->root->level + 1));
    INVARIANT(b->head.level < TREE_DEPTH_MAX);
    branch_insert(b, 0, (struct slot){ NULL, t->root, node_live(t->root) });
    branch_insert(b, 1, (struct slot){ top.sep, top.right, node_live(top.right) });
    t->root = &b->head;
}

/* --- removing --------------------------------------------------------------------------------- */

static void leaf_remove(struct leaf *l, struct slice key)
{
    bool equal;
    uint32_t at = leaf_find(l, key, &equal);
    PRE(equal);
    record_unref(l->records[at]);
    l->head.n--;
    memmove(&l->records[at], &l->records[at + 1], (l->head.n - at) * sizeof l->records[0]);
    memmove(&l->hints[at], &l->hints[at + 1], (l->head.n - at) * sizeof l->hints[0]);
    l->live = (l->live & low_bits(at)) | shift_left(shift_right(l->live, at + 1), at);
}

/* Takes a slot out; its child is the caller's. The first slot never has a separator. */
static struct tree_node *branch_remove(struct branch *b, uint32_t at)
{
    struct tree_node *child = b->slots[at].child;
    value_unref(b->slots[at].sep);
    b->live -= b->slots[at].live;
    b->head.n--;
    memmove(&b->slots[at], &b->slots[at + 1], (b->head.n - at) * sizeof b->slots[0]);
    memmove(&b->hints[at], &b->hints[at + 1], (b->head.n - at) * sizeof b->hints[0]);
    if (at == 0 && b->head.n > 0) {
        value_unref(b->slots[0].sep);
        b->slots[0].sep = NULL;
    }
    return child;
}

/* Appends all of `right` to `left` (both owned, same level) and frees its shell. */
static void node_join(struct tree_node *left, struct tree_node *right, struct value *sep)
{
    if (left->level == 0) {
        struct leaf *a = as_leaf(left), *b = as_leaf(right);
        memcpy(&a->records[left->n], b->records, right->n * sizeof a->records[0]);
        a->live |= shift_left(b->live, left->n);
        left->n = (uint16_t)(left->n + right->n);
        node_hint_all(left);
        mem_free(b);
        value_unref(sep);
        return;
    }
    struct branch *a = as_branch(left), *b = as_branch(right);
    b->slots[0].sep = sep;
    memcpy(&a->slots[left->n], b->slots, right->n * sizeof a->slots[0]);
    a->live += b->live;
    left->n = (uint16_t)(left->n + right->n);
    node_hint_all(left);
    mem_free(b);
}

/* Child `at` has lost a key: drop it when empty, join it with a neighbour when thin. */
static void branch_tidy(struct branch *b, uint32_t at)
{
    if (b->slots[at].child->n == 0) {
        node_unref(branch_remove(b, at));
        return;
    }
    if (b->slots[at].child->n >= THIN || b->head.n < 2) {
        return;
    }
    uint32_t left = at > 0 ? at - 1 : at;
    struct slot *l = &b->slots[left], *r = &b->slots[left + 1];
    if (l->child->n + r->child->n > MERGED_MAX) {
        return;
    }
    l->child = node_own(l->child);
    struct tree_node *right = node_own(r->child);
    struct value *sep = value_ref(r->sep);
    int64_t live = r->live;
    branch_remove(b, left + 1);
    node_join(l->child, right, sep);
    l->live += live;
    b->live += live;
}

static void node_remove(struct tree_node **np, struct slice key)
{
    struct tree_node *n = *np = node_own(*np);
    if (n->level == 0) {
        leaf_remove(as_leaf(n), key);
        return;
    }
    struct branch *b = as_branch(n);
    uint32_t at = branch_find(b, key);
    node_remove(&b->slots[at].child, key);
    int64_t live = node_live(b->slots[at].child);
    b->live += live - b->slots[at].live;
    b->slots[at].live = live;
    branch_tidy(b, at);
}

void tree_remove(struct tree *t, struct slice key)
{
    PRE(t->root != NULL);
    node_remove(&t->root, key);
    while (t->root->level > 0 && t->root->n == 1) {
        struct tree_node *child = branch_remove(as_branch(t->root), 0);
        mem_free(as_branch(t->root));
        t->root = child;
    }
    if (t->root->n == 0) {
        node_unref(t->root);
        t->root = NULL;
    }
}

/* --- lifetime --------------------------------------------------------------------- */

void tree_init(struct tree *t)
{
    t->root = NULL;
}

void tree_fini(struct tree *t)
{
    if (t->root != NULL) {
        node_unref(t->root);
        t->root = NULL;
    }
}

struct tree tree_ref(const struct tree *t)
{
    if (t->root != NULL) {
        t->root->refs++;
    }
    return *t;
}
