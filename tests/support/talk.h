// Building requests and replies byte by byte, and exchanging them on a raw socket.
#ifndef STELE_TESTS_TALK_H
#define STELE_TESTS_TALK_H

#include "base/bytes.h"

// A span over a string literal that may hold NULs; for initialisers, too.
#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof literal - 1                                                                \
    }
#define SPAN(literal) ((struct span)BYTES(literal))

void append_bytes(struct buf *to, char byte, size_t count);

// "$LEN\r\nBYTES\r\n".
void append_bulk(struct buf *to, struct span s);

// A request as clients send it: the words of `text`, which single spaces separate, as an array of
// bulk strings.
void append_request(struct buf *to, const char *text);

// Sends `request`, then receives `wanted.len` bytes and compares: a test point. False when they
// differ; `fd` is then in no defined state.
bool answers(int fd, struct span request, struct span wanted, const char *name, ...)
    __attribute__((format(printf, 4, 5)));

// True when the peer closes now without sending any more.
bool is_closed(int fd);

// All of a file; empty when it cannot be read. Release it.
struct buf file_content(const char *path);

// How often `what` occurs in `text`.
unsigned occurrences(struct span text, const char *what);

#endif
