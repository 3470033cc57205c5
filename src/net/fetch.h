// Sends large values that may not be in memory. The reply of a large value borrows the mapping. If
// the kernel sent it from there, the loop would wait for the disk at each page that is not in
// memory. So while the loop expects such pages (serve/cold.h), it copies the next piece of the
// value without waiting, and sends the copy. If the piece is not in memory, a reader thread reads
// it first, and the connection waits for that.
//
// All functions are for the loop's thread.
#ifndef STELE_NET_FETCH_H
#define STELE_NET_FETCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/output.h"

struct fetch;
struct iovec;
struct loop;
struct session;

// Bytes of a piece.
enum { FETCH_PIECE = 128 * 1024 };

// Replaces, in the `*count` vectors of output_iovecs for `out`, a vector of borrowed bytes by one
// of copied bytes, which are valid until the next call for any connection of the loop. The new
// vector may be shorter; vectors after it are dropped. Drops the vector when its bytes are not in
// memory. If no vector is left then, a reader thread reads the next piece, and `*fetch` is set;
// when it has, `arrived` is called with `waiter`. `*fetch` is NULL at first; afterwards it is for
// these functions only. Returns false when the bytes are lost.
bool fetch_vectors(struct loop *loop, const struct output *out, struct iovec *vectors,
                   size_t *count, struct fetch **fetch, struct session *waiter,
                   void (*arrived)(struct session *waiter));

// Whether a reader thread reads a piece now. NULL is accepted.
bool fetch_is_waiting(const struct fetch *fetch);

// Forgets the piece. NULL is accepted.
void fetch_drop(struct fetch *fetch);

#endif
