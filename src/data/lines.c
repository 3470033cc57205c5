// Reads lines: finds the newline, checks the 37 characters before the value, and returns spans. It
// reports malformed lines; the caller decides whether to skip them or to refuse the file.
#include "data/lines.h"

#include <stdio.h>

#include "base/escape.h"
#include "base/simd.h"
#include "data/newline.h"
#include "data/uuid_text.h"

enum { SHOWN_BYTES = 40 }; // bytes of a malformed line that a message shows

void lines_init(struct line_reader *reader, struct span text)
{
    *reader = (struct line_reader){.text = text, .offset = 0, .line = 1};
}

struct span line_value(struct span text, uint64_t offset)
{
    const char *value = text.ptr + offset + LINE_VALUE_AT;
    size_t left = text.len - offset - LINE_VALUE_AT;
    // The value is often not in the cache. newline_find_sse2 reads up to 64 bytes after its end,
    // which may be one more cache line, so the scalar form is used.
    return span_of(value, newline_find_scalar(value, left));
}

static bool begins_with(struct span s, const char *mark, size_t len)
{
    return s.len >= len && memcmp(s.ptr, mark, len) == 0;
}

static bool has_byte_order_mark(struct span s)
{
    return begins_with(s, "\xef\xbb\xbf", 3) || begins_with(s, "\xff\xfe", 2) ||
           begins_with(s, "\xfe\xff", 2) || begins_with(s, "\0\0\xfe\xff", 4);
}

enum line_result lines_next(struct line_reader *reader, struct record *record,
                            struct line_error *error)
{
    uint64_t offset = reader->offset;
    size_t left = reader->text.len - offset;
    if (left == 0)
        return LINE_END;
    const char *start = reader->text.ptr + offset;
    // The first 37 bytes of a well-formed line contain no newline, so the search begins after them.
    bool good =
        left >= LINE_MIN && SIMD(uuid_parse)(start, &record->id) && start[UUID_TEXT_LEN] == ' ';
    size_t known = good ? LINE_MIN : 0;
    size_t len = known + SIMD(newline_find)(start + known, left - known);
    uint64_t line = reader->line++;
    reader->offset = offset + len + (len < left ? 1 : 0);
    if (good) {
        record->offset = offset;
        record->line = line;
        record->value = span_of(start + LINE_VALUE_AT, len - LINE_VALUE_AT);
        return LINE_RECORD;
    }
    *error = (struct line_error){LINE_NOT_UUID, line, offset, span_of(start, len)};
    struct uuid id;
    if (line == 1 && has_byte_order_mark(error->text))
        error->fault = LINE_BYTE_ORDER_MARK;
    else if (len == 0)
        error->fault = LINE_BLANK;
    else if (len >= UUID_TEXT_LEN && uuid_parse(start, &id))
        error->fault = LINE_NO_SPACE;
    return LINE_MALFORMED;
}

// Writes the first SHOWN_BYTES of `text` at `to`, with each unprintable byte as \xHH.
static size_t escape_line(struct span text, char *to, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < text.len && i < SHOWN_BYTES && used + 4 < size; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c < 0x7f && c != '\\')
            to[used++] = (char)c;
        else
            used += (size_t)snprintf(to + used, size - used, "\\x%02x", c);
    }
    to[used] = '\0';
    return used;
}

void line_error_format(const struct line_error *error, const char *file, char *to, size_t size)
{
    char shown[SHOWN_BYTES * 4 + 1];
    escape_line(error->text, shown, sizeof shown);
    const char *more = error->text.len > SHOWN_BYTES ? "..." : "";
    unsigned long long line = error->line;
    unsigned long long offset = error->offset;
    switch (error->fault) {
    case LINE_BLANK:
        snprintf(to, size, "%s:%llu: byte %llu: blank line", file, line, offset);
        break;
    case LINE_BYTE_ORDER_MARK:
        snprintf(to, size, "%s:%llu: byte %llu: byte order mark before the first record", file,
                 line, offset);
        break;
    case LINE_NO_SPACE:
        snprintf(to, size, "%s:%llu: byte %llu: no space after the UUID: '%s%s'", file, line,
                 offset, shown, more);
        break;
    case LINE_NOT_UUID:
        snprintf(to, size, "%s:%llu: byte %llu: not a UUID: '%s%s'", file, line, offset, shown,
                 more);
        break;
    }
    escape_in_place(to, size); // the name of the file may have unprintable characters
}
