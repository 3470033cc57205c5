// Builds requests and replies byte by byte, and exchanges them over a socket.
#ifndef STELE_TESTS_TALK_H
#define STELE_TESTS_TALK_H

#include "base/bytes.h"

// A span of a string literal, which may contain NULs: SPAN as an expression, BYTES as an
// initializer.
#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof literal - 1                                                                \
    }
#define SPAN(literal) ((struct span)BYTES(literal))

void append_bytes(struct buf *to, char byte, size_t count);

// Appends `s` as a bulk string: "$LEN\r\nBYTES\r\n".
void append_bulk(struct buf *to, struct span s);

// Appends a request as clients send it: the words of `text`, separated by single spaces, as an
// array of bulk strings.
void append_request(struct buf *to, const char *text);

// A test point: sends `request`, receives `wanted.len` bytes and compares them with `wanted`.
// Returns false when they differ; then the rest of the conversation over `fd` is undefined.
bool answers(int fd, struct span request, struct span wanted, const char *name, ...)
    __attribute__((format(printf, 4, 5)));

// Whether the peer closes the connection without sending anything more.
bool is_closed(int fd);

// Returns the content of a file, empty when it cannot be read. The caller releases it.
struct buf file_content(const char *path);

// Returns how often `what` occurs in `text`.
unsigned occurrences(struct span text, const char *what);

#endif
