/* Intrusive, circular, doubly linked list. An item embeds `struct list`; a head is a `struct list`.
 * An unlinked item points at itself, so list_remove is idempotent. */
#ifndef BARQUE_BASE_LIST_H
#define BARQUE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/assert.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_push_back(struct list *head, struct list *item)
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

static inline void list_push_front(struct list *head, struct list *item)
{
    list_push_back(head->next, item);
}

static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

/* NULL when empty. */
static inline struct list *list_first(const struct list *head)
{
    return head->next == head ? NULL : head->next;
}

static inline struct list *list_pop_front(struct list *head)
{
    struct list *l = list_first(head);
    if (l != NULL) {
        list_remove(l);
    }
    return l;
}

/* Moves every item of `from` to the end of `to`: detach a queue before firing it. */
static inline void list_move_all(struct list *to, struct list *from)
{
    if (list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define LIST_ENTRY(l, type, member) CONTAINER_OF(l, type, member)
#define LIST_FOREACH(it, head) \
    for (struct list *it = (head)->next; it != (head); it = it->next)
/* Safe when the body removes `it` (and only it). */
#define LIST_FOREACH_SAFE(it, head)                                                     \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)

#endif
