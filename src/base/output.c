// A queue of segments over one growing buffer. Consecutive owned bytes share a segment, so a
// batch of small replies is one iovec however many replies it holds. Does no I/O.
#include "base/output.h"

#include <stdlib.h>
#include <sys/uio.h>

struct output_segment {
    const char *borrowed; // NULL: the bytes are the next `len` ones of `owned`
    size_t len;
    struct ref *owner;
};

enum {
    FIRST_SEGMENTS = 4,
    KEEP_SEGMENTS = 8,
    // The first small replies fit here, and an emptied output keeps no more: an idle client must
    // cost next to nothing. What exceeds it is a pipeline and gets room for one at once.
    FIRST_OWNED = 512,
    SECOND_OWNED = 16 * 1024,
};

static struct output_segment *append_segment(struct output *o)
{
    if (o->first + o->count == o->capacity) {
        if (o->first > 0) {
            memmove(o->segments, o->segments + o->first, o->count * sizeof *o->segments);
            o->first = 0;
        } else {
            size_t capacity = o->capacity != 0 ? o->capacity * 2 : FIRST_SEGMENTS;
            struct output_segment *grown = realloc(o->segments, capacity * sizeof *grown);
            if (grown == NULL) {
                o->oom = true;
                return NULL;
            }
            o->segments = grown;
            o->capacity = capacity;
        }
    }
    return &o->segments[o->first + o->count++];
}

char *output_reserve(struct output *o, size_t len)
{
    if (o->oom)
        return NULL;
    // Moved only when the buffer would have to grow, and then never more than has already left.
    if (o->owned_taken > 0 && o->owned.cap - o->owned.len < len &&
        o->owned_taken >= o->owned.len - o->owned_taken) {
        buf_remove_front(&o->owned, o->owned_taken);
        o->owned_taken = 0;
    }
    size_t room = o->owned.cap - o->owned.len;
    if (room < len && len <= SIZE_MAX - SECOND_OWNED)
        len += o->owned.cap == 0 && len <= FIRST_OWNED ? FIRST_OWNED - len : SECOND_OWNED;
    return buf_reserve(&o->owned, len);
}

void output_commit(struct output *o, size_t len)
{
    if (len == 0)
        return;
    struct output_segment *last = o->count > 0 ? &o->segments[o->first + o->count - 1] : NULL;
    if (last == NULL || last->borrowed != NULL) {
        last = append_segment(o);
        if (last == NULL)
            return;
        *last = (struct output_segment){0};
    }
    last->len += len;
    o->owned.len += len;
    o->pending += len;
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
    struct output_segment *segment = append_segment(o);
    if (segment == NULL)
        return;
    ref_take(owner);
    *segment = (struct output_segment){s.ptr, s.len, owner};
    o->pending += s.len;
}

size_t output_iovecs(const struct output *o, struct iovec *vectors, size_t max)
{
    size_t used = 0;
    char *owned = o->owned.ptr != NULL ? o->owned.ptr + o->owned_taken : NULL;
    for (; used < o->count && used < max; used++) {
        const struct output_segment *segment = &o->segments[o->first + used];
        if (segment->borrowed != NULL) {
            vectors[used] = (struct iovec){(void *)(uintptr_t)segment->borrowed, segment->len};
        } else {
            vectors[used] = (struct iovec){owned, segment->len};
            owned += segment->len;
        }
    }
    return used;
}

static void forget_all(struct output *o)
{
    o->owned.len = 0;
    o->owned_taken = 0;
    o->first = 0;
    if (o->owned.cap > FIRST_OWNED)
        buf_release(&o->owned);
    if (o->capacity > KEEP_SEGMENTS) {
        free(o->segments);
        o->segments = NULL;
        o->capacity = 0;
    }
}

void output_take(struct output *o, size_t count)
{
    assert(count <= o->pending);
    o->pending -= count;
    while (count > 0) {
        struct output_segment *front = &o->segments[o->first];
        size_t part = count < front->len ? count : front->len;
        if (front->borrowed != NULL)
            front->borrowed += part;
        else
            o->owned_taken += part;
        front->len -= part;
        count -= part;
        if (front->len == 0) {
            if (front->owner != NULL)
                ref_drop(front->owner);
            o->first++;
            o->count--;
        }
    }
    if (o->count == 0)
        forget_all(o);
}

void output_release(struct output *o)
{
    for (size_t i = 0; i < o->count; i++) {
        struct ref *owner = o->segments[o->first + i].owner;
        if (owner != NULL)
            ref_drop(owner);
    }
    free(o->segments);
    buf_release(&o->owned);
    *o = (struct output){0};
}
