// A circular doubly linked list whose links are embedded in the listed structs. It needs no memory
// of its own, and an element leaves without knowing its list.
#ifndef STELE_BASE_LINK_H
#define STELE_BASE_LINK_H

#include <stdbool.h>
#include <stddef.h>

// The struct of that type whose member `member` is at `pointer`.
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

// The head of a list, or the link of one element. A link is on at most one list.
struct link {
    struct link *previous;
    struct link *next;
};

// Makes `l` an empty list, or an element on no list.
static inline void link_init(struct link *l)
{
    l->previous = l;
    l->next = l;
}

static inline bool link_is_empty(const struct link *list)
{
    return list->next == list;
}

// Takes `l` off its list, if any.
static inline void link_remove(struct link *l)
{
    l->previous->next = l->next;
    l->next->previous = l->previous;
    link_init(l);
}

// Moves `l` to the end of `list`, and off its present list, if any.
static inline void link_move_last(struct link *list, struct link *l)
{
    link_remove(l);
    l->previous = list->previous;
    l->next = list;
    list->previous->next = l;
    list->previous = l;
}

#endif
