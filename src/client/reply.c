// The reader keeps the number of missing elements for each open array. When an element ends, all
// arrays end that lack no more.
#include "client/reply.h"

#include "base/number.h"

// Ends an element, and the arrays that end with it.
static void end_element(struct reply_reader *r, struct reply_part *part)
{
    r->has_before = true;
    while (r->depth > 0 && --r->elements[r->depth - 1] == 0)
        r->depth--;
    part->is_last = r->depth == 0;
    if (part->is_last)
        *r = (struct reply_reader){0};
}

// Reads a piece of a string. Its last piece is returned when its line end has arrived.
static enum reply_status read_string(struct reply_reader *r, struct span input, size_t *used,
                                     struct reply_part *part)
{
    enum { END = 2 }; // bytes of a line end
    bool begins = part->begins;
    bool is_first = r->string_is_first;
    uint64_t left = r->string_left;
    bool whole = input.len >= END && input.len - END >= left;
    size_t len = whole || input.len > left ? (size_t)left : input.len;
    if (whole && memcmp(input.ptr + len, "\r\n", END) != 0)
        return REPLY_BAD;
    if (!whole && (len == left || len == 0))
        return REPLY_PARTIAL;
    *part = (struct reply_part){.kind = REPLY_STRING,
                                .text = span_of(input.ptr, len),
                                .left = left - len,
                                .depth = r->depth,
                                .begins = begins,
                                .is_first = is_first};
    *used = len + (whole ? END : 0);
    r->string_left -= len;
    r->in_string = !whole;
    if (whole)
        end_element(r, part);
    return REPLY_PART;
}

// Reads what follows the line "$LEN". If nothing of it is there, nothing is read.
static enum reply_status begin_string(struct reply_reader *r, struct span input, size_t line,
                                      int64_t len, size_t *used, struct reply_part *part)
{
    struct reply_reader before = *r;
    r->in_string = true;
    r->string_left = (uint64_t)len;
    r->string_is_first = part->is_first;
    enum reply_status status =
        read_string(r, span_of(input.ptr + line, input.len - line), used, part);
    if (status == REPLY_PART)
        *used += line;
    else
        *r = before;
    return status;
}

static enum reply_status begin_array(struct reply_reader *r, int64_t count, struct reply_part *part)
{
    part->kind = REPLY_ARRAY;
    part->text = span_of(NULL, 0);
    part->left = (uint64_t)count;
    if (count == 0) {
        end_element(r, part);
        return REPLY_PART;
    }
    if (r->depth == REPLY_DEPTH_MAX)
        return REPLY_BAD;
    r->elements[r->depth++] = (uint64_t)count;
    r->has_before = false;
    return REPLY_PART;
}

enum reply_status reply_read(struct reply_reader *r, struct span input, size_t *used,
                             struct reply_part *part)
{
    int64_t number = 0;
    *used = 0;
    *part = (struct reply_part){.depth = r->depth};
    if (r->in_string)
        return read_string(r, input, used, part);
    size_t within = input.len < REPLY_LINE_MAX ? input.len : REPLY_LINE_MAX;
    const char *newline = within > 0 ? memchr(input.ptr, '\n', within) : NULL;
    if (newline == NULL)
        return within == REPLY_LINE_MAX ? REPLY_BAD : REPLY_PARTIAL;
    size_t line = (size_t)(newline - input.ptr) + 1;
    if (line < 3 || newline[-1] != '\r')
        return REPLY_BAD;
    char type = input.ptr[0];
    part->text = span_of(input.ptr + 1, line - 3);
    part->begins = true;
    part->is_first = !r->has_before;
    if (type != '+' && type != '-' && !number_parse(part->text, &number))
        return REPLY_BAD;
    if ((type == '$' || type == '*') && number < -1)
        return REPLY_BAD;
    if (type == '$' && number >= 0)
        return begin_string(r, input, line, number, used, part);
    *used = line;
    if (type == '*' && number >= 0)
        return begin_array(r, number, part);
    switch (type) {
    case '+': part->kind = REPLY_STATUS; break;
    case '-': part->kind = REPLY_ERROR; break;
    case ':': part->kind = REPLY_INTEGER; break;
    case '$':
    case '*':
        part->kind = REPLY_NIL;
        part->text = span_of(NULL, 0);
        break;
    default: return REPLY_BAD;
    }
    end_element(r, part);
    return REPLY_PART;
}
