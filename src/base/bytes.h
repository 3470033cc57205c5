// Byte strings. The type says who owns the memory: a span and a bytes borrow, a buf owns.
//
// A borrowed view is valid only as long as whatever it points into; the function that hands one
// out says how long that is. Nothing here locks: one thread at a time per object.
#ifndef STELE_BASE_BYTES_H
#define STELE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Borrowed, read only. `ptr` may be NULL when `len` is 0.
struct span {
    const char *ptr;
    size_t len;
};

// Borrowed, and the borrower may write.
struct bytes {
    char *ptr;
    size_t len;
};

// Owned and growable. A zeroed struct is an empty buf. Once an allocation fails, `oom` stays set,
// `len` stays where it was and every later append is a no-op, so a writer checks once at its end.
struct buf {
    char *ptr;
    size_t len;
    size_t cap;
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

// ASCII letters only, whatever the locale.
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

// True when `a` is the NUL-terminated `text`, ASCII letters compared without case.
bool span_is(struct span a, const char *text);

// Room for `extra` more bytes behind the content, as a pointer to the first of them; NULL when
// memory is short (`oom` is then set). The caller writes there and adds to `len`.
char *buf_reserve(struct buf *b, size_t extra);

void buf_append(struct buf *b, struct span s);
void buf_append_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Removes the first `count` bytes (at most `len`); the rest moves to the front.
void buf_remove_front(struct buf *b, size_t count);

// Frees the memory and leaves an empty buf (`oom` cleared). A zeroed buf is accepted.
void buf_release(struct buf *b);

#endif
