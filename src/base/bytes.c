// Byte strings. A buf grows by doubling its capacity, and remembers in `oom` that memory was short.
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { BUF_FIRST_CAPACITY = 64 };

bool span_is(struct span a, const char *text)
{
    size_t len = strlen(text);
    return a.len == len && (len == 0 || strncasecmp(a.ptr, text, len) == 0);
}

char *buf_reserve(struct buf *b, size_t extra)
{
    if (b->oom)
        return NULL;
    if (b->cap - b->len >= extra && b->ptr != NULL)
        return b->ptr + b->len;
    size_t cap = b->cap != 0 ? b->cap : BUF_FIRST_CAPACITY;
    while (cap - b->len < extra) {
        if (cap > SIZE_MAX / 2) {
            b->oom = true;
            return NULL;
        }
        cap *= 2;
    }
    char *grown = realloc(b->ptr, cap);
    if (grown == NULL) {
        b->oom = true;
        return NULL;
    }
    b->ptr = grown;
    b->cap = cap;
    return b->ptr + b->len;
}

void buf_append(struct buf *b, struct span s)
{
    if (s.len == 0)
        return;
    char *end = buf_reserve(b, s.len);
    if (end == NULL)
        return;
    memcpy(end, s.ptr, s.len);
    b->len += s.len;
}

void buf_append_text(struct buf *b, const char *text)
{
    buf_append(b, span_text(text));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *end = needed < 0 ? NULL : buf_reserve(b, (size_t)needed + 1);
    if (end == NULL)
        return;
    va_start(args, format);
    vsnprintf(end, (size_t)needed + 1, format, args);
    va_end(args);
    b->len += (size_t)needed;
}

void buf_remove_front(struct buf *b, size_t count)
{
    if (count >= b->len) {
        b->len = 0;
        return;
    }
    if (count > 0)
        memmove(b->ptr, b->ptr + count, b->len - count);
    b->len -= count;
}

void buf_release(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){0};
}
