// A backlog is a list of chunks, which are allocated one by one. A new chunk is a quarter as large
// as all others together, but at least CHUNK_MIN and at most CHUNK_MAX bytes. With this rule only a
// small part of the memory is unused, and a long backlog has few chunks. A chunk is freed when its
// last byte was taken.
#include "net/backlog.h"

#include <stdlib.h>

enum {
    CHUNK_MIN = 16 * 1024,
    CHUNK_MAX = 1024 * 1024, // freeing such a chunk unmaps it, which takes some 50 µs
};

struct backlog_chunk {
    struct backlog_chunk *next;
    size_t size;  // bytes of the chunk, including this struct
    size_t taken; // number of bytes that were taken
    size_t end;   // number of bytes that were added
    char bytes[];
};

// Returns how many more bytes fit.
static size_t room_in(const struct backlog_chunk *chunk)
{
    return chunk->size - sizeof *chunk - chunk->end;
}

// Appends an empty chunk. Returns false when memory is short.
static bool add_chunk(struct backlog *b)
{
    size_t size = b->memory / 4;
    size = size < CHUNK_MIN ? CHUNK_MIN : size > CHUNK_MAX ? CHUNK_MAX : size;
    struct backlog_chunk *chunk = malloc(size);
    if (chunk == NULL)
        return false;
    *chunk = (struct backlog_chunk){.size = size};
    if (b->last != NULL)
        b->last->next = chunk;
    else
        b->first = chunk;
    b->last = chunk;
    b->memory += size;
    return true;
}

struct bytes backlog_room(struct backlog *b, size_t most)
{
    if ((b->last == NULL || room_in(b->last) == 0) && !add_chunk(b))
        return (struct bytes){NULL, 0};
    size_t room = room_in(b->last);
    return (struct bytes){b->last->bytes + b->last->end, room < most ? room : most};
}

void backlog_add(struct backlog *b, size_t count)
{
    b->last->end += count;
    b->len += count;
    if (b->len == 0)
        backlog_release(b);
}

static void drop_first(struct backlog *b)
{
    struct backlog_chunk *chunk = b->first;
    b->first = chunk->next;
    if (b->first == NULL)
        b->last = NULL;
    b->memory -= chunk->size;
    free(chunk);
}

size_t backlog_take(struct backlog *b, char *to, size_t most)
{
    size_t done = 0;
    while (done < most && b->len > 0) {
        struct backlog_chunk *chunk = b->first;
        size_t there = chunk->end - chunk->taken;
        size_t part = there < most - done ? there : most - done;
        memcpy(to + done, chunk->bytes + chunk->taken, part);
        chunk->taken += part;
        b->len -= part;
        done += part;
        if (chunk->taken == chunk->end)
            drop_first(b);
    }
    if (b->len == 0)
        backlog_release(b);
    return done;
}

void backlog_release(struct backlog *b)
{
    while (b->first != NULL)
        drop_first(b);
    *b = (struct backlog){0};
}
