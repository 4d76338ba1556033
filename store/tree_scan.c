/* Scanning the tree: a cursor is the path from the root to where it stands. */
#include "lib/base/assert.h"
#include "store/tree_node.h"

void tree_seek(const struct tree *t, struct slice key, struct tree_cursor *ret_cursor)
{
    struct tree_cursor *c = ret_cursor;
    c->depth = 0;
    const struct tree_node *n = t->root;
    if (n == NULL) {
        return;
    }
    while (n->level > 0) {
        uint32_t at = branch_find(as_branch(n), key);
        c->path[c->depth].node = n;
        c->path[c->depth++].at = at + 1;
        n = as_branch(n)->slots[at].child;
    }
    bool equal;
    c->path[c->depth].node = n;
    c->path[c->depth++].at = leaf_find(as_leaf(n), key, &equal);
}

static void cursor_push(struct tree_cursor *c, const struct tree_node *n)
{
    INVARIANT(c->depth < TREE_DEPTH_MAX);
    c->path[c->depth].node = n;
    c->path[c->depth++].at = 0;
}

struct record *tree_next(struct tree_cursor *c)
{
    while (c->depth > 0) {
        const struct tree_node *n = c->path[c->depth - 1].node;
        uint32_t at = c->path[c->depth - 1].at;
        if (at >= n->n) {
            c->depth--;
            continue;
        }
        c->path[c->depth - 1].at++;
        if (n->level == 0) {
            return as_leaf(n)->records[at];
        }
        cursor_push(c, as_branch(n)->slots[at].child);
    }
    return NULL;
}

struct record *tree_next_live(struct tree_cursor *c)
{
    while (c->depth > 0) {
        const struct tree_node *n = c->path[c->depth - 1].node;
        uint32_t at = c->path[c->depth - 1].at;
        if (n->level == 0) {
            uint64_t rest = shift_right(as_leaf(n)->live, at);
            if (rest == 0) {
                c->depth--;
                continue;
            }
            at += (uint32_t)__builtin_ctzll(rest);
            c->path[c->depth - 1].at = at + 1;
            return as_leaf(n)->records[at];
        }
        while (at < n->n && as_branch(n)->slots[at].live == 0) {
            at++;
        }
        if (at >= n->n) {
            c->depth--;
            continue;
        }
        c->path[c->depth - 1].at = at + 1;
        cursor_push(c, as_branch(n)->slots[at].child);
    }
    return NULL;
}
