// Byte strings. The type says who owns the memory: a `struct span` and a `struct bytes` borrow it,
// a `struct buf` owns it.
//
// A `struct span` or a `struct bytes` is valid only as long as the memory that it points to. The
// function that returns one says how long that is. One thread at a time may use a buf.
#ifndef STELE_BASE_BYTES_H
#define STELE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Borrowed bytes, read only. `ptr` may be NULL when `len` is 0.
struct span {
    const char *ptr;
    size_t len;
};

// Borrowed bytes that the borrower may write to.
struct bytes {
    char *ptr;
    size_t len;
};

// Owned bytes that can grow. A zeroed struct is an empty buf. When memory is short, `oom` is set
// and stays set, `len` keeps its value, and later appends do nothing. So a writer checks `oom`
// once, after its last append.
struct buf {
    char *ptr;
    size_t len;
    size_t cap; // allocated bytes
    bool oom;
};

static inline struct span span_of(const char *ptr, size_t len)
{
    return (struct span){ptr, len};
}

static inline struct span span_text(const char *text)
{
    return (struct span){text, strlen(text)};
}

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){b->ptr, b->len};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

// These two change ASCII letters only, whatever the locale.
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

// Whether `a` equals the NUL-terminated `text`, ignoring the case of ASCII letters.
bool span_is(struct span a, const char *text);

// Makes room for `extra` more bytes after the content and returns the address of the first of them.
// The caller writes there and adds to `len`. Returns NULL, with `oom` set, when memory is short.
char *buf_reserve(struct buf *b, size_t extra);

// These three append; they set `oom` when memory is short.
void buf_append(struct buf *b, struct span s);
void buf_append_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Removes the first `count` bytes, or all of them if there are fewer, and moves the rest to the
// front.
void buf_remove_front(struct buf *b, size_t count);

// Frees the memory and leaves an empty buf with `oom` cleared. A zeroed buf is accepted.
void buf_release(struct buf *b);

#endif
