// The bytes on their way to one client: owned bytes and borrowed spans, in order.
//
// Writers append at the end, the connection takes from the front. A borrowed span (a large value,
// which leaves straight from the mapping) holds a reference to what it points into until it has
// been taken. Not shared between threads. When memory is short, `oom` latches: what was appended
// since is lost and the client must be dropped.
#ifndef STELE_BASE_OUTPUT_H
#define STELE_BASE_OUTPUT_H

#include "base/bytes.h"
#include "base/ref.h"

struct iovec;
struct output_loan;

// A zeroed struct is an empty output.
struct output {
    struct buf owned;          // owned bytes, one after the other, whatever is borrowed in between
    size_t owned_taken;        // how many of them have left
    struct output_loan *loans; // the borrowed spans
    size_t first;              // index of the loan at the front
    size_t count;              // loans from `first` on
    size_t capacity;
    size_t pending; // bytes not yet taken, owned and borrowed
    bool oom;
};

// Bytes that still have to leave.
static inline size_t output_pending(const struct output *o)
{
    return o->pending;
}

// True once an append failed for lack of memory.
static inline bool output_oom(const struct output *o)
{
    return o->oom || o->owned.oom;
}

// For output_reserve: the same when there is not enough room yet.
char *output_grow(struct output *o, size_t len);

// Room for at least `len` owned bytes; the caller writes there and calls output_commit with what
// it used. NULL when memory is short.
static inline char *output_reserve(struct output *o, size_t len)
{
    if (o->owned.cap - o->owned.len < len || o->owned.ptr == NULL || output_oom(o))
        return output_grow(o, len);
    return o->owned.ptr + o->owned.len;
}

static inline void output_commit(struct output *o, size_t len)
{
    o->owned.len += len;
    o->pending += len;
}

// Bytes of memory that it holds, but for what is borrowed.
size_t output_memory(const struct output *o);

// Appends a copy.
void output_append(struct output *o, struct span s);

// Appends `s` itself and takes a reference to `owner`, dropped when the bytes have left. `mark` is
// kept for who asks output_loan.
void output_borrow(struct output *o, struct span s, struct ref *owner, unsigned mark);

// Whether any of it is borrowed.
static inline bool output_lends(const struct output *o)
{
    return o->count > 0;
}

// Who owns the borrowed span of that number, counted from the front, and its mark; NULL when there
// are not so many.
const struct ref *output_loan(const struct output *o, size_t number, unsigned *mark);

// Fills at most `max` iovecs from the front, of `bytes` bytes at most; how many. They are valid
// until the next call on `o`.
size_t output_iovecs(const struct output *o, size_t bytes, struct iovec *vectors, size_t max);

// The first `count` bytes have left (at most output_pending). One that is emptied keeps its memory.
void output_take(struct output *o, size_t count);

// Moves the first `count` bytes (at most output_pending) of `from` behind those of `to`: owned ones
// are copied. When memory is short `to` says so; what `from` has lost by that before is not among
// them.
void output_move(struct output *to, struct output *from, size_t count);

// How far an output has come, for output_rewind.
struct output_mark {
    size_t owned; // bytes that have not left
    size_t loans;
    size_t pending;
};

struct output_mark output_mark(const struct output *o);

// Takes back what was appended since `mark`, from when on nothing was taken.
void output_rewind(struct output *o, struct output_mark mark);

// Drops everything: bytes, references, memory.
void output_release(struct output *o);

#endif
