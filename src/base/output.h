// The queue of bytes to be sent to one client: owned bytes and borrowed segments, in order.
//
// Writers append at the end; the connection takes from the front. A borrowed segment is a large
// value, sent straight from the mapping. It holds a reference to the owner of its memory until its
// last byte is taken. One thread at a time may use an output. When memory is short, `oom` is set
// for good: later bytes are lost and the client must be dropped.
#ifndef STELE_BASE_OUTPUT_H
#define STELE_BASE_OUTPUT_H

#include "base/bytes.h"
#include "base/ref.h"

struct iovec;
struct output_segment;

// A zeroed struct is an empty output.
struct output {
    struct buf owned;                // all owned bytes, without the borrowed segments between them
    size_t owned_taken;              // owned bytes already taken
    struct output_segment *segments; // the borrowed segments, in order
    size_t first;                    // index of the segment to be taken next
    size_t count;                    // number of segments from `first` on
    size_t capacity;                 // number of segments that fit into `segments`
    size_t pending;                  // bytes not yet taken, owned and borrowed
    bool oom;                        // memory for a segment was short; see output_oom
};

// Returns the number of bytes not yet taken.
static inline size_t output_pending(const struct output *o)
{
    return o->pending;
}

// Whether an append has failed for lack of memory.
static inline bool output_oom(const struct output *o)
{
    return o->oom || o->owned.oom;
}

// The slow half of output_reserve, for when there is not enough room yet.
char *output_grow(struct output *o, size_t len);

// Makes room for at least `len` owned bytes at the end. Returns the address where the caller writes
// them; output_commit then appends them. Returns NULL when memory is short.
static inline char *output_reserve(struct output *o, size_t len)
{
    if (o->owned.cap - o->owned.len < len || o->owned.ptr == NULL || output_oom(o))
        return output_grow(o, len);
    return o->owned.ptr + o->owned.len;
}

// Appends the first `len` bytes that the caller has written at the address from output_reserve.
static inline void output_commit(struct output *o, size_t len)
{
    o->owned.len += len;
    o->pending += len;
}

// Returns the bytes of memory that the output has allocated, without borrowed bytes.
size_t output_memory(const struct output *o);

// Appends a copy of `s`.
void output_append(struct output *o, struct span s);

// Appends `s` as a borrowed segment, without a copy. Takes a reference to `owner`, which is dropped
// when the last byte has been taken. `damage_stamp` is a number that identifies the state of the
// owner's memory when `s` was appended. output_segment_owner returns it, so that the caller can
// find out whether the memory was damaged since.
void output_borrow(struct output *o, struct span s, struct ref *owner, unsigned damage_stamp);

// Whether the output has borrowed segments.
static inline bool output_has_borrowed(const struct output *o)
{
    return o->count > 0;
}

// Returns the number of bytes from the front to the end of the first borrowed segment, or `max` if
// that is less. Returns `max` when there is no borrowed segment.
size_t output_through_borrowed(const struct output *o, size_t max);

// Returns the owner of the borrowed segment with this number, counted from the front, and sets
// `*damage_stamp` to the segment's. Returns NULL when there are fewer segments.
const struct ref *output_segment_owner(const struct output *o, size_t number,
                                       unsigned *damage_stamp);

// Fills at most `max` iovecs from the front, with at most `bytes` bytes together, and returns their
// number. They are valid until the next call on `o`.
size_t output_iovecs(const struct output *o, size_t bytes, struct iovec *vectors, size_t max);

// Removes the first `count` bytes. There must be that many (output_pending). An output that becomes
// empty keeps its memory.
void output_take(struct output *o, size_t count);

// Moves the first `count` bytes of `from` to the end of `to`. `from` must have that many
// (output_pending). Owned bytes are copied, borrowed ones are not. When memory is short, `to->oom`
// is set and bytes are lost.
void output_move(struct output *to, struct output *from, size_t count);

// The state of an output at a moment, for output_rewind.
struct output_mark {
    size_t owned;    // number of owned bytes not yet taken
    size_t segments; // number of segments
    size_t pending;  // number of bytes not yet taken, owned and borrowed
};

// Returns the present state.
struct output_mark output_mark(const struct output *o);

// Removes all bytes appended since `mark`. Nothing may have been taken since then.
void output_rewind(struct output *o, struct output_mark mark);

// Drops all bytes and references, frees the memory and leaves an empty output.
void output_release(struct output *o);

#endif
