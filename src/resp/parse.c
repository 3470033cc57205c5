// The request parser. It reads multibulk requests ("*2\r\n$3\r\nGET\r\n$36\r\n…") and inline
// requests ("GET …\n").
//
// It tolerates the same irregular requests as Redis 7.0 and has the same error texts (networking.c:
// processMultibulkBuffer, processInlineBuffer). But in Redis some results depend on how the bytes
// were cut into packets. Here they never do.
#include <assert.h>
#include <stdio.h>

#include "base/number.h"
#include "resp/resp.h"

static enum resp_status bad_request(char *bad, const char *text)
{
    snprintf(bad, RESP_BAD_TEXT, "Protocol error: %s", text);
    return RESP_BAD;
}

// Sets `*len` to the number of bytes before the character `end` in the line at `p->at`. Returns
// false when `end` has not arrived yet. A line with a NUL never ends, as in Redis, whose lines
// are C strings.
static bool find_line_end(struct resp_progress *p, struct bytes input, char end, size_t *len)
{
    const char *line = input.ptr + p->at;
    size_t have = input.len - p->at;
    size_t limit = have < RESP_LINE_MAX ? have : RESP_LINE_MAX;
    if (p->searched < limit) {
        const char *from = line + p->searched;
        const char *found = memchr(from, end, limit - p->searched);
        size_t clean = found != NULL ? (size_t)(found - from) : limit - p->searched;
        const char *nul = memchr(from, '\0', clean);
        if (found != NULL && nul == NULL) {
            *len = (size_t)(found - line);
            return true;
        }
        // Stops before a NUL, so that the next call finds it again and the line still has no end.
        p->searched += nul != NULL ? (size_t)(nul - from) : clean;
    }
    return false;
}

static bool line_too_long(const struct resp_progress *p, struct bytes input)
{
    return input.len - p->at > RESP_LINE_MAX;
}

// A fast path for the form of nearly all lines: a first byte, which the caller checks, one or two
// digits without a leading zero, CR, and one more byte. Returns the size of the line with its end.
// Returns 0 for any other line, or when fewer than five bytes have arrived. read_count then reads
// the line without the fast path.
static inline size_t read_short_count(const char *line, size_t have, int64_t *number)
{
    if (have < sizeof "$99\r\n" - 1)
        return 0;
    unsigned first = (unsigned char)(line[1] - '0');
    unsigned second = (unsigned char)(line[2] - '0');
    if (first <= 9 && line[2] == '\r') {
        *number = first;
        return 4;
    }
    if (first - 1 <= 8 && second <= 9 && line[3] == '\r') {
        *number = first * 10 + second;
        return 5;
    }
    return 0;
}

// A fast path for arguments that are complete and whose length has one or two digits. Stops before
// the first argument that is incomplete or longer. Updates `p` once at the end, not after each
// argument.
static void take_short_arguments(struct resp_progress *p, struct bytes input, struct resp_arg *args,
                                 size_t capacity)
{
    size_t at = p->at;
    uint32_t argc = p->argc;
    uint32_t most = p->expected < capacity ? p->expected : (uint32_t)capacity;
    for (; argc < most; argc++) {
        int64_t number;
        size_t size = read_short_count(input.ptr + at, input.len - at, &number);
        if (size == 0 || input.ptr[at] != '$' || input.len - at - size < (size_t)number + 2)
            break;
        args[argc] = (struct resp_arg){(uint32_t)(at + size), (uint32_t)number};
        at += size + (size_t)number + 2;
    }
    if (argc > p->argc)
        p->searched = 0;
    p->at = at;
    p->argc = argc;
}

// Reads "<kind><number>\r\n" at `p->at`. The byte after '\r' is not checked, as in Redis. Returns
// RESP_COMPLETE when the line is complete, with the line's size and number; `*valid` is false when
// the text is not a number. Returns RESP_PARTIAL when more input is needed, and RESP_BAD when the
// line is too long.
static inline enum resp_status read_count(struct resp_progress *p, struct bytes input,
                                          int64_t *number, bool *valid, size_t *size)
{
    struct bytes line = {input.ptr + p->at, input.len - p->at};
    *size = read_short_count(line.ptr, line.len, number);
    *valid = true;
    // In a line of this form only the first byte can be a NUL, because digits and CR follow. A line
    // with a NUL never ends; find_line_end handles it.
    if (*size > 0 && line.ptr[0] != '\0')
        return RESP_COMPLETE;
    size_t len;
    if (!find_line_end(p, input, '\r', &len))
        return line_too_long(p, input) ? RESP_BAD : RESP_PARTIAL;
    if (line.len < len + 2)
        return RESP_PARTIAL;
    *valid = len > 0 && number_parse(span_of(line.ptr + 1, len - 1), number);
    *size = len + 2;
    return RESP_COMPLETE;
}

static inline void skip_line(struct resp_progress *p, size_t size)
{
    p->at += size;
    p->searched = 0;
}

static enum resp_status parse_multibulk(struct resp_progress *p, struct bytes input,
                                        struct resp_arg *args, size_t capacity, char *bad)
{
    int64_t number = 0;
    bool valid = false;
    size_t size = 0;
    if (!p->in_multibulk) {
        enum resp_status status = read_count(p, input, &number, &valid, &size);
        if (status == RESP_BAD)
            return bad_request(bad, "too big mbulk count string");
        if (status != RESP_COMPLETE)
            return status;
        if (!valid || number > RESP_ARGS_MAX)
            return bad_request(bad, "invalid multibulk length");
        skip_line(p, size);
        if (number <= 0)
            return RESP_COMPLETE;
        p->expected = (uint32_t)number;
        p->in_multibulk = true;
    }
    if (!p->in_bulk)
        take_short_arguments(p, input, args, capacity);
    while (p->argc < p->expected) {
        if (!p->in_bulk) {
            enum resp_status status = read_count(p, input, &number, &valid, &size);
            if (status == RESP_BAD)
                return bad_request(bad, "too big bulk count string");
            if (status != RESP_COMPLETE)
                return status;
            char kind = input.ptr[p->at];
            if (kind != '$') {
                char text[] = "expected '$', got '?'";
                text[sizeof text - 3] = kind == '\r' || kind == '\n' ? ' ' : kind;
                return bad_request(bad, text);
            }
            if (!valid || number < 0 || number > RESP_BULK_MAX)
                return bad_request(bad, "invalid bulk length");
            skip_line(p, size);
            p->bulk_len = (uint32_t)number;
            p->in_bulk = true;
        }
        // The two bytes after an argument are not checked, as in Redis.
        if (input.len - p->at < (size_t)p->bulk_len + 2)
            return RESP_PARTIAL;
        if (p->argc == capacity)
            return RESP_ARGS_FULL;
        args[p->argc++] = (struct resp_arg){(uint32_t)p->at, p->bulk_len};
        p->at += (size_t)p->bulk_len + 2;
        p->in_bulk = false;
    }
    return RESP_COMPLETE;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// Whether `c` ends an unquoted argument. \v and \f do not, although is_space says that they
// separate arguments; Redis does the same.
static bool ends_argument(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Decodes the escape at `at` in a double-quoted argument, such as "\x41" or "\n", into one byte at
// `to`. At least two bytes are left. Returns the number of bytes that the escape takes.
static size_t unescape(const char *at, size_t left, char *to)
{
    if (left >= 4 && at[1] == 'x' && hex_digit(at[2]) >= 0 && hex_digit(at[3]) >= 0) {
        *to = (char)(hex_digit(at[2]) * 16 + hex_digit(at[3]));
        return 4;
    }
    switch (at[1]) {
    case 'n': *to = '\n'; break;
    case 'r': *to = '\r'; break;
    case 't': *to = '\t'; break;
    case 'b': *to = '\b'; break;
    case 'a': *to = '\a'; break;
    default: *to = at[1]; break;
    }
    return 2;
}

// Decodes the argument at offset `*from` of the line into the same line, at offset `*to`. A decoded
// argument is never longer than its text, so it does not overwrite text that is still to be read.
// Moves both offsets after the argument. Returns false when its quotes are unbalanced. The grammar
// is that of Redis's sdssplitargs.
static bool decode_argument(char *line, size_t len, size_t *from, size_t *to)
{
    size_t in = *from;
    size_t out = *to;
    char quote = '\0';
    while (in < len) {
        char c = line[in];
        if (quote == '\0' && ends_argument(c))
            break;
        if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
            in++;
        } else if (quote == '"' && c == '\\' && in + 1 < len) {
            char decoded;
            in += unescape(line + in, len - in, &decoded);
            line[out++] = decoded;
        } else if (quote == '\'' && c == '\\' && in + 1 < len && line[in + 1] == '\'') {
            line[out++] = '\'';
            in += 2;
        } else if (quote != '\0' && c == quote) {
            in++;
            quote = '\0';
            if (in < len && !is_space(line[in]))
                return false; // a closing quote must end the argument
            break;
        } else {
            line[out++] = c;
            in++;
        }
    }
    if (quote != '\0')
        return false;
    *from = in;
    *to = out;
    return true;
}

static enum resp_status parse_inline(struct resp_progress *p, struct bytes input,
                                     struct resp_arg *args, size_t capacity, char *bad)
{
    size_t len;
    if (!find_line_end(p, input, '\n', &len))
        return line_too_long(p, input) ? bad_request(bad, "too big inline request") : RESP_PARTIAL;
    // An argument and the space after it take at least two bytes, so there are at most this many.
    if (capacity < len / 2 + 1)
        return RESP_ARGS_FULL;
    size_t end = p->at + len;
    size_t next = end + 1;
    if (len > 0 && input.ptr[end - 1] == '\r')
        end--;
    size_t in = p->at;
    size_t out = p->at;
    for (;;) {
        while (in < end && is_space(input.ptr[in]))
            in++;
        if (in == end)
            break;
        size_t start = out;
        if (!decode_argument(input.ptr, end, &in, &out))
            return bad_request(bad, "unbalanced quotes in request");
        args[p->argc++] = (struct resp_arg){(uint32_t)start, (uint32_t)(out - start)};
    }
    p->at = next;
    p->searched = 0;
    p->inline_form = true;
    return RESP_COMPLETE;
}

enum resp_status resp_parse(struct resp_progress *p, struct bytes input, struct resp_arg *args,
                            size_t capacity, char *bad)
{
    assert(input.len <= UINT32_MAX); // struct resp_arg has 32-bit offsets
    if (input.len == 0)
        return RESP_PARTIAL;
    return input.ptr[0] == '*' ? parse_multibulk(p, input, args, capacity, bad)
                               : parse_inline(p, input, args, capacity, bad);
}

// The limits for unauthenticated clients are checked after parsing, so that requests of
// authenticated clients take no time for them. When resp_parse has found an error too, the exceeded
// limit is reported: the argument that exceeds it comes before the error.
enum resp_status resp_parse_unauthenticated(struct resp_progress *p, struct bytes input,
                                            struct resp_arg *args, size_t capacity, char *bad)
{
    enum resp_status status = resp_parse(p, input, args, capacity, bad);
    if (p->expected > RESP_UNAUTHENTICATED_ARGS)
        return bad_request(bad, "unauthenticated multibulk length");
    bool too_long = p->in_bulk && p->bulk_len > RESP_UNAUTHENTICATED_BULK;
    for (uint32_t i = 0; p->expected > 0 && i < p->argc; i++)
        too_long |= args[i].len > RESP_UNAUTHENTICATED_BULK;
    return too_long ? bad_request(bad, "unauthenticated bulk length") : status;
}
