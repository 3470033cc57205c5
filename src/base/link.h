// Doubly linked lists whose links are embedded in the elements. A list needs no memory of its own.
// The list is circular, so an element can be removed without knowing its list.
#ifndef STELE_BASE_LINK_H
#define STELE_BASE_LINK_H

#include <stdbool.h>
#include <stddef.h>

// The address of the struct of type `type` whose member `member` is at `pointer`.
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

// The head of a list, or the link of an element. An element's link is on at most one list.
struct link {
    struct link *previous;
    struct link *next;
};

// Initializes the head of an empty list, or the link of an element that is on no list.
static inline void link_init(struct link *l)
{
    l->previous = l;
    l->next = l;
}

static inline bool link_is_empty(const struct link *list)
{
    return list->next == list;
}

// Removes `l` from its list, if it is on one.
static inline void link_remove(struct link *l)
{
    l->previous->next = l->next;
    l->next->previous = l->previous;
    link_init(l);
}

// Removes `l` from its present list, if it is on one, and appends it to `list`.
static inline void link_move_last(struct link *list, struct link *l)
{
    link_remove(l);
    l->previous = list->previous;
    l->next = list;
    list->previous->next = l;
    list->previous = l;
}

#endif
