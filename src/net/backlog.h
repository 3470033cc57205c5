// Requests that a client has sent and that are not to be answered yet, because it has to read
// earlier replies first. They are kept as bytes, in the order in which they came, and are read from
// here as they would be from the socket.
//
// The bytes lie in chunks, so neither a long backlog nor a growing one is ever moved. A backlog
// belongs to the thread of its connection.
#ifndef STELE_NET_BACKLOG_H
#define STELE_NET_BACKLOG_H

#include <stddef.h>

#include "base/bytes.h"

struct backlog_chunk;

// A zeroed struct is an empty backlog. The caller may read `len` and `memory`.
struct backlog {
    struct backlog_chunk *first; // the oldest bytes
    struct backlog_chunk *last;
    size_t len;    // bytes that wait
    size_t memory; // bytes that they take: at most a quarter more, or 16 KiB
};

// Room for more bytes behind those that wait: 1 byte at least and `most` at most. Its `ptr` is NULL
// when memory is short. The room is valid until the next call for the same backlog.
struct bytes backlog_room(struct backlog *b, size_t most);

// The first `count` bytes of the room that backlog_room gave have been written. 0 is allowed.
void backlog_add(struct backlog *b, size_t count);

// Moves the oldest bytes, at most `most`, to `to`; how many. An emptied backlog holds no memory.
size_t backlog_take(struct backlog *b, char *to, size_t most);

// Drops all bytes and frees the memory.
void backlog_release(struct backlog *b);

#endif
