/* The key index: a copy-on-write B+tree from key bytes to the key's newest record.
 *
 * Tombstones stay in the tree until they are compacted; every subtree knows how many of its
 * keys are live, so counting a range is O(log n) and a scan skips dead regions. Nodes are
 * reference-counted: a pin is one reference to the root, and a writer copies the path it
 * changes when it is shared. One writer; a pinned root may be read by another thread. */
#ifndef BARQUE_STORE_TREE_H
#define BARQUE_STORE_TREE_H

#include "store/key_range.h"
#include "store/record.h"

enum { TREE_DEPTH_MAX = 16 };

struct tree_node;

struct tree {
    struct tree_node *root; /* NULL when empty */
};

struct tree_cursor {
    int depth;
    struct {
        const struct tree_node *node;
        uint32_t at;
    } path[TREE_DEPTH_MAX];
};

void tree_init(struct tree *t);
void tree_fini(struct tree *t);
/* The newest record of the key, which may be a tombstone; NULL. Borrowed. */
struct record *tree_get(const struct tree *t, struct slice key);
/* Makes r the newest record of its key; takes the caller's reference. */
void tree_put(struct tree *t, struct record *r);
/* PRE: the key is there. */
void tree_remove(struct tree *t, struct slice key);
int64_t tree_live(const struct tree *t);
/* Live keys in the range: O(log n). */
int64_t tree_count(const struct tree *t, const struct key_range *r);

/* A pin. */
struct tree tree_ref(const struct tree *t);

/* A cursor is valid until the next change of this tree (never, for a pin). */
void tree_seek(const struct tree *t, struct slice key, struct tree_cursor *ret_cursor);
/* The next record in key order; NULL at the end. */
struct record *tree_next(struct tree_cursor *c);
/* The same without tombstones. */
struct record *tree_next_live(struct tree_cursor *c);

#endif
