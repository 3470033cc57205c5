// One growing buffer of owned bytes, and a list of the borrowed segments between them. So a batch
// of small replies is one iovec, whatever their number. Does no I/O.
#include "base/output.h"

#include <stdlib.h>
#include <sys/uio.h>

struct output_segment {
    size_t owned_before; // number of owned bytes before the segment, taken ones included
    struct span span;    // bytes not yet taken
    struct ref *owner;
    unsigned damage_stamp;
};

enum {
    FIRST_SEGMENTS = 4, // initial capacity
    // The buffer of owned bytes grows in three steps. The first is for small replies, the second
    // for a pipeline. The third is for a client that does not read. At most 256 KiB of replies wait
    // for it (SESSION_OUTPUT_HIGH), and one reply of 16 KiB that goes beyond that. 16 KiB more are
    // for bytes that are sent but still in the buffer. The third is one large step, because each
    // step may leave the old buffer as a freed piece of the heap, between pieces in use. After many
    // small steps, these freed pieces could together be as large as the buffer. Untouched pages
    // cost nothing.
    FIRST_OWNED = 512,
    SECOND_OWNED = 16 * 1024,
    THIRD_OWNED = 288 * 1024,
    // A buffer that would grow beyond the third step moves its bytes to the front instead, if that
    // moves at most this many bytes for each byte taken. The ratio is 16 when 256 KiB wait and
    // 16 KiB were taken. Mostly it is 5 or less.
    MOVED_PER_TAKEN_MAX = 16,
};

// Returns a new last segment, or NULL, with `oom` set, when memory is short.
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

size_t output_memory(const struct output *o)
{
    return o->owned.cap + o->capacity * sizeof *o->segments;
}

// Moves the waiting owned bytes to the front, over those that have been taken.
static void reuse_taken(struct output *o)
{
    buf_remove_front(&o->owned, o->owned_taken);
    for (size_t i = 0; i < o->count; i++)
        o->segments[o->first + i].owned_before -= o->owned_taken;
    o->owned_taken = 0;
}

// Returns the new capacity for `bytes` owned bytes, which the `present` capacity does not hold: the
// first step that is large enough. Beyond the steps, the capacity grows by half.
static size_t choose_capacity(size_t bytes, size_t present)
{
    static const size_t steps[] = {FIRST_OWNED, SECOND_OWNED, THIRD_OWNED};
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++)
        if (bytes <= steps[i])
            return steps[i];
    size_t more = present + present / 2;
    return bytes > more ? bytes : more;
}

// Whether to move the waiting bytes to the front instead of growing the buffer for `len` more
// bytes. They are moved if they are not more than the bytes that were taken. In a large buffer a
// worse ratio is accepted, because growing it costs more memory.
static bool should_move(const struct output *o, size_t len)
{
    size_t waiting = o->owned.len - o->owned_taken;
    bool large = len > THIRD_OWNED - SECOND_OWNED || o->owned.len > THIRD_OWNED - len;
    return o->owned_taken > 0 &&
           o->owned_taken >= (large ? waiting / MOVED_PER_TAKEN_MAX : waiting);
}

char *output_grow(struct output *o, size_t len)
{
    struct buf *owned = &o->owned;
    if (output_oom(o))
        return NULL;
    if (owned->cap - owned->len < len && should_move(o, len))
        reuse_taken(o);
    if (owned->cap - owned->len < len || owned->ptr == NULL) {
        bool fits = len <= PTRDIFF_MAX - owned->len;
        size_t capacity = fits ? choose_capacity(owned->len + len, owned->cap) : 0;
        char *grown = fits ? realloc(owned->ptr, capacity) : NULL;
        if (grown == NULL) {
            owned->oom = true;
            return NULL;
        }
        owned->ptr = grown;
        owned->cap = capacity;
    }
    return owned->ptr + owned->len;
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

void output_borrow(struct output *o, struct span s, struct ref *owner, unsigned damage_stamp)
{
    if (s.len == 0 || output_oom(o))
        return;
    struct output_segment *segment = append_segment(o);
    if (segment == NULL)
        return;
    ref_take(owner);
    *segment = (struct output_segment){o->owned.len, s, owner, damage_stamp};
    o->pending += s.len;
}

// Returns the piece that follows the first `owned` owned bytes, taken ones included, and the first
// `segment` segments, taken ones not included. It is either the next segment or, if owned bytes
// come before that, these bytes.
static struct span next_piece(const struct output *o, size_t owned, size_t segment)
{
    const struct output_segment *next =
        segment < o->count ? &o->segments[o->first + segment] : NULL;
    size_t end = next != NULL ? next->owned_before : o->owned.len;
    return next != NULL && end == owned ? next->span : span_of(o->owned.ptr + owned, end - owned);
}

size_t output_iovecs(const struct output *o, size_t bytes, struct iovec *vectors, size_t max)
{
    size_t used = 0;
    size_t owned = o->owned_taken;
    size_t segment = 0;
    size_t left = bytes < o->pending ? bytes : o->pending;
    while (left > 0 && used < max) {
        bool borrowed = segment < o->count && o->segments[o->first + segment].owned_before == owned;
        struct span piece = next_piece(o, owned, segment);
        owned += borrowed ? 0 : piece.len;
        segment += borrowed;
        size_t len = piece.len < left ? piece.len : left;
        vectors[used++] = (struct iovec){(void *)(uintptr_t)piece.ptr, len};
        left -= len;
    }
    return used;
}

size_t output_through_borrowed(const struct output *o, size_t max)
{
    if (o->count == 0)
        return max;
    const struct output_segment *first = &o->segments[o->first];
    size_t bytes = first->owned_before - o->owned_taken + first->span.len;
    return bytes < max ? bytes : max;
}

const struct ref *output_segment_owner(const struct output *o, size_t number,
                                       unsigned *damage_stamp)
{
    if (number >= o->count)
        return NULL;
    const struct output_segment *segment = &o->segments[o->first + number];
    *damage_stamp = segment->damage_stamp;
    return segment->owner;
}

static void drop_first(struct output *o)
{
    ref_drop(o->segments[o->first].owner);
    o->first++;
    o->count--;
}

void output_take(struct output *o, size_t count)
{
    assert(count <= o->pending);
    o->pending -= count;
    while (count > 0) {
        struct output_segment *segment = o->count > 0 ? &o->segments[o->first] : NULL;
        size_t owned = (segment != NULL ? segment->owned_before : o->owned.len) - o->owned_taken;
        size_t part = count < owned ? count : owned;
        o->owned_taken += part;
        count -= part;
        if (count == 0 || segment == NULL)
            break;
        part = count < segment->span.len ? count : segment->span.len;
        segment->span = span_of(segment->span.ptr + part, segment->span.len - part);
        count -= part;
        if (segment->span.len == 0)
            drop_first(o);
    }
    if (o->pending == 0) {
        o->owned.len = 0;
        o->owned_taken = 0;
        o->first = 0;
    }
}

void output_move(struct output *to, struct output *from, size_t count)
{
    assert(count <= from->pending);
    while (count > 0) {
        struct output_segment *segment = from->count > 0 ? &from->segments[from->first] : NULL;
        struct span piece = next_piece(from, from->owned_taken, 0);
        if (piece.len > count)
            piece.len = count;
        if (segment != NULL && segment->owned_before == from->owned_taken)
            output_borrow(to, piece, segment->owner, segment->damage_stamp);
        else
            output_append(to, piece);
        output_take(from, piece.len);
        count -= piece.len;
    }
}

struct output_mark output_mark(const struct output *o)
{
    return (struct output_mark){o->owned.len - o->owned_taken, o->count, o->pending};
}

void output_rewind(struct output *o, struct output_mark mark)
{
    while (o->count > mark.segments)
        ref_drop(o->segments[o->first + --o->count].owner);
    o->owned.len = o->owned_taken + mark.owned;
    o->pending = mark.pending;
}

void output_release(struct output *o)
{
    while (o->count > 0)
        drop_first(o);
    free(o->segments);
    buf_release(&o->owned);
    *o = (struct output){0};
}
