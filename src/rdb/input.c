// A buffer that is filled from the source. The checksum is computed for many bytes at once: before
// the buffer is filled again, and when somebody asks for it.
#include "rdb/input.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc64.h"

bool rdb_input_init(struct rdb_input *in, struct rdb_source source)
{
    *in = (struct rdb_input){
        .source = source, .buf = malloc(RDB_BLOCK), .part = "its first nine bytes"};
    return in->buf != NULL;
}

void rdb_input_release(struct rdb_input *in)
{
    free(in->buf);
    in->buf = NULL;
}

bool rdb_input_fail(struct rdb_input *in, uint64_t offset, const char *format, ...)
{
    char text[sizeof in->error.text];
    va_list args;
    if (in->failed)
        return false;
    in->failed = true;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_set(&in->error, "byte %llu: %s", (unsigned long long)offset, text);
    return false;
}

uint64_t rdb_input_crc(struct rdb_input *in)
{
    in->crc = crc64(in->crc, span_of(in->buf + in->summed, in->at - in->summed));
    in->summed = in->at;
    return in->crc;
}

// Moves the rest of the buffer to its front, and reads until the buffer has `least` bytes. Returns
// false when the source ends before that, or reading fails; `failed` says which.
static bool fill(struct rdb_input *in, size_t least)
{
    (void)rdb_input_crc(in);
    in->begin += in->at;
    in->len -= in->at;
    memmove(in->buf, in->buf + in->at, in->len);
    in->at = 0;
    in->summed = 0;
    while (in->len < least) {
        int64_t got =
            in->source.read(in->source.context, in->buf + in->len, RDB_BLOCK - in->len, &in->error);
        assert(got <= (int64_t)(RDB_BLOCK - in->len));
        in->failed = got < 0;
        if (got <= 0)
            return false;
        in->len += (size_t)got;
    }
    return true;
}

struct span rdb_input_peek(struct rdb_input *in, size_t least)
{
    assert(least <= RDB_PEEK_MOST);
    if (in->failed)
        return span_of(NULL, 0);
    if (in->len - in->at < least && !fill(in, least)) {
        rdb_input_fail(in, in->begin + in->len, "the dump ends within %s", in->part);
        return span_of(NULL, 0);
    }
    return span_of(in->buf + in->at, in->len - in->at);
}

bool rdb_input_skip(struct rdb_input *in, uint64_t len)
{
    while (len > 0) {
        struct span bytes = rdb_input_peek(in, 1);
        if (bytes.len == 0)
            return false;
        size_t step = bytes.len < len ? bytes.len : (size_t)len;
        rdb_input_use(in, step);
        len -= step;
    }
    return true;
}

bool rdb_input_number(struct rdb_input *in, unsigned size, uint64_t *number)
{
    struct span bytes = rdb_input_peek(in, size);
    if (bytes.len == 0)
        return false;
    *number = 0;
    for (unsigned i = 0; i < size; i++)
        *number |= (uint64_t)(unsigned char)bytes.ptr[i] << 8 * i;
    rdb_input_use(in, size);
    return true;
}

bool rdb_input_number_high_first(struct rdb_input *in, unsigned size, uint64_t *number)
{
    if (!rdb_input_number(in, size, number))
        return false;
    *number = __builtin_bswap64(*number) >> (64 - 8 * size);
    return true;
}

struct span rdb_input_left(struct rdb_input *in)
{
    if (!in->failed && in->len - in->at < RDB_PEEK_MOST)
        (void)fill(in, RDB_PEEK_MOST);
    return span_of(in->buf + in->at, in->failed ? 0 : in->len - in->at);
}
