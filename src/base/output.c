// One growing buffer of owned bytes, and the places in it where a borrowed span comes in between: a
// batch of small replies is one iovec however many replies it holds. Does no I/O.
#include "base/output.h"

#include <stdlib.h>
#include <sys/uio.h>

struct output_loan {
    size_t after; // owned bytes before it, those that have left included
    struct span span;
    struct ref *owner;
};

enum {
    FIRST_LOANS = 4,
    // The first small replies fit here. What exceeds it is a pipeline and gets room for one at
    // once.
    FIRST_OWNED = 512,
    SECOND_OWNED = 16 * 1024,
};

static struct output_loan *append_loan(struct output *o)
{
    if (o->first + o->count == o->capacity) {
        if (o->first > 0) {
            memmove(o->loans, o->loans + o->first, o->count * sizeof *o->loans);
            o->first = 0;
        } else {
            size_t capacity = o->capacity != 0 ? o->capacity * 2 : FIRST_LOANS;
            struct output_loan *grown = realloc(o->loans, capacity * sizeof *grown);
            if (grown == NULL) {
                o->oom = true;
                return NULL;
            }
            o->loans = grown;
            o->capacity = capacity;
        }
    }
    return &o->loans[o->first + o->count++];
}

// Makes the owned bytes that have left room for others.
static void forget_taken(struct output *o)
{
    buf_remove_front(&o->owned, o->owned_taken);
    for (size_t i = 0; i < o->count; i++)
        o->loans[o->first + i].after -= o->owned_taken;
    o->owned_taken = 0;
}

char *output_grow(struct output *o, size_t len)
{
    if (output_oom(o))
        return NULL;
    // Moved only when the buffer would have to grow, and then never more than has already left.
    if (o->owned_taken > 0 && o->owned.cap - o->owned.len < len &&
        o->owned_taken >= o->owned.len - o->owned_taken)
        forget_taken(o);
    size_t room = o->owned.cap - o->owned.len;
    if (room < len && len <= SIZE_MAX - SECOND_OWNED)
        len += o->owned.cap == 0 && len <= FIRST_OWNED ? FIRST_OWNED - len : SECOND_OWNED;
    return buf_reserve(&o->owned, len);
}

void output_append(struct output *o, struct span s)
{
    if (s.len == 0)
        return;
    char *to = output_reserve(o, s.len);
    if (to == NULL)
        return;
    memcpy(to, s.ptr, s.len);
    output_commit(o, s.len);
}

void output_borrow(struct output *o, struct span s, struct ref *owner)
{
    if (s.len == 0 || output_oom(o))
        return;
    struct output_loan *loan = append_loan(o);
    if (loan == NULL)
        return;
    ref_take(owner);
    *loan = (struct output_loan){o->owned.len, s, owner};
    o->pending += s.len;
}

size_t output_iovecs(const struct output *o, struct iovec *vectors, size_t max)
{
    size_t used = 0;
    size_t at = o->owned_taken;
    for (size_t i = 0; i <= o->count && used < max; i++) {
        const struct output_loan *loan = i < o->count ? &o->loans[o->first + i] : NULL;
        size_t end = loan != NULL ? loan->after : o->owned.len;
        if (end > at)
            vectors[used++] = (struct iovec){o->owned.ptr + at, end - at};
        if (loan != NULL && used < max)
            vectors[used++] = (struct iovec){(void *)(uintptr_t)loan->span.ptr, loan->span.len};
        at = end;
    }
    return used;
}

static void drop_first(struct output *o)
{
    ref_drop(o->loans[o->first].owner);
    o->first++;
    o->count--;
}

void output_take(struct output *o, size_t count)
{
    assert(count <= o->pending);
    o->pending -= count;
    while (count > 0) {
        struct output_loan *loan = o->count > 0 ? &o->loans[o->first] : NULL;
        size_t owned = (loan != NULL ? loan->after : o->owned.len) - o->owned_taken;
        size_t part = count < owned ? count : owned;
        o->owned_taken += part;
        count -= part;
        if (count == 0 || loan == NULL)
            break;
        part = count < loan->span.len ? count : loan->span.len;
        loan->span = span_of(loan->span.ptr + part, loan->span.len - part);
        count -= part;
        if (loan->span.len == 0)
            drop_first(o);
    }
    if (o->pending == 0) {
        o->owned.len = 0;
        o->owned_taken = 0;
        o->first = 0;
    }
}

void output_move(struct output *to, struct output *from)
{
    assert(output_pending(to) == 0);
    size_t owned = from->owned.len - from->owned_taken;
    output_release(to);
    if (from->count > 0 || owned > from->owned.cap / 2) {
        *to = *from;
        *from = (struct output){0};
        return;
    }
    to->owned.ptr = malloc(owned > 0 ? owned : 1);
    to->oom = to->owned.ptr == NULL || output_oom(from);
    if (to->owned.ptr != NULL) {
        to->owned.cap = owned > 0 ? owned : 1;
        output_append(to, span_of(from->owned.ptr + from->owned_taken, owned));
    }
    output_take(from, from->pending);
}

void output_release(struct output *o)
{
    while (o->count > 0)
        drop_first(o);
    free(o->loans);
    buf_release(&o->owned);
    *o = (struct output){0};
}
