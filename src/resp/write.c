// The reply writer. It makes room for a whole reply in the output, then writes the reply there, in
// the form of the client's protocol.
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mapping.h"
#include "base/number.h"
#include "resp/resp.h"

enum {
    ERROR_MAX = 1024, // bytes of an error's text, with its NUL
    DOUBLE_MAX = 32,
    HEADER_MAX = 1 + NUMBER_TEXT_MAX + 2, // '$', digits, CR LF
    // Bytes from which on a value is borrowed. Borrowing saves memory, but no time that can be
    // measured: it costs a reference and a sendmsg of its own. So shorter values are copied.
    BORROW_MIN = 16 * 1024,
};

const char *const resp_error_codes[] = {
    "ASK",       "BUSY",       "CLUSTERDOWN", "CROSSSLOT", "DENIED",  "ERR",
    "EXECABORT", "LOADING",    "MISCONF",     "MOVED",     "NOAUTH",  "NOMASTERLINK",
    "NOPERM",    "NOPROTO",    "NOREPLICAS",  "NOSCRIPT",  "NOTBUSY", "OOM",
    "READONLY",  "UNKILLABLE", "WRONGPASS",   "WRONGTYPE",
};
_Static_assert(sizeof resp_error_codes / sizeof *resp_error_codes == RESP_ERROR_CODES, "all codes");

static inline size_t put_header(char *to, char kind, uint64_t number)
{
    size_t len = 1;
    to[0] = kind;
    if (number < 10)
        to[len++] = (char)('0' + number);
    else
        len += number_format(to + 1, number);
    to[len++] = '\r';
    to[len++] = '\n';
    return len;
}

static void write_header(struct resp_writer *w, char kind, uint64_t number)
{
    char *to = output_reserve(w->out, HEADER_MAX);
    if (to != NULL)
        output_commit(w->out, put_header(to, kind, number));
}

// Writes a line: the kind, the text with spaces for line ends, CR LF.
static void write_line(struct resp_writer *w, char kind, const char *text)
{
    size_t len = strlen(text);
    char *to = output_reserve(w->out, len + 3);
    if (to == NULL)
        return;
    *to++ = kind;
    for (size_t i = 0; i < len; i++)
        *to++ = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
    memcpy(to, "\r\n", 2);
    output_commit(w->out, len + 3);
}

void resp_status(struct resp_writer *w, const char *text)
{
    write_line(w, '+', text);
}

static void count_code(struct counter *counts, const char *text)
{
    unsigned code = 0;
    size_t len = strcspn(text, " ");
    while (code < RESP_ERROR_CODES &&
           (strncmp(text, resp_error_codes[code], len) != 0 || resp_error_codes[code][len] != '\0'))
        code++;
    if (code < RESP_ERROR_CODES)
        counter_add(&counts[code], 1);
    else
        count_code(counts, "ERR");
}

void resp_error(struct resp_writer *w, const char *format, ...)
{
    char text[ERROR_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    w->errors++;
    if (w->errors_by_code != NULL)
        count_code(w->errors_by_code, text);
    write_line(w, '-', text);
}

void resp_integer(struct resp_writer *w, int64_t value)
{
    char *to = output_reserve(w->out, HEADER_MAX + 1);
    if (to == NULL)
        return;
    size_t len = 0;
    to[len++] = ':';
    if (value < 0)
        to[len++] = '-';
    len += number_format(to + len, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    memcpy(to + len, "\r\n", 2);
    output_commit(w->out, len + 2);
}

void resp_bulk(struct resp_writer *w, struct span s)
{
    char *to = output_reserve(w->out, HEADER_MAX + s.len + 2);
    if (to == NULL)
        return;
    size_t len = put_header(to, '$', s.len);
    if (s.len > 0)
        memcpy(to + len, s.ptr, s.len);
    len += s.len;
    memcpy(to + len, "\r\n", 2);
    output_commit(w->out, len + 2);
}

void resp_bulk_text(struct resp_writer *w, const char *text)
{
    resp_bulk(w, span_text(text));
}

// Appends `s`, borrowed except for its end. The end is copied, because the kernel could send zeros
// for it if the file were cut (mapping_tail).
static void append_borrowed(struct resp_writer *w, struct span s, struct ref *owner)
{
    size_t tail = mapping_tail(s);
    output_borrow(w->out, span_of(s.ptr, s.len - tail), owner, w->damage_stamp);
    output_append(w->out, span_of(s.ptr + s.len - tail, tail));
}

void resp_bulk_shared(struct resp_writer *w, struct span s, struct ref *owner)
{
    if (s.len < BORROW_MIN) {
        resp_bulk(w, s);
        return;
    }
    write_header(w, '$', s.len);
    append_borrowed(w, s, owner);
    output_append(w->out, span_of("\r\n", 2));
}

void resp_bulk_framed(struct resp_writer *w, struct span before, struct span s, struct span after,
                      struct ref *owner)
{
    write_header(w, '$', before.len + s.len + after.len);
    output_append(w->out, before);
    if (s.len < BORROW_MIN)
        output_append(w->out, s);
    else
        append_borrowed(w, s, owner);
    output_append(w->out, after);
    output_append(w->out, span_of("\r\n", 2));
}

void resp_double(struct resp_writer *w, double value)
{
    char text[DOUBLE_MAX];
    int len = snprintf(text, sizeof text, "%.17g", value);
    if (w->protocol == RESP2) {
        resp_bulk(w, span_of(text, (size_t)len));
        return;
    }
    output_append(w->out, span_of(",", 1));
    output_append(w->out, span_of(text, (size_t)len));
    output_append(w->out, span_of("\r\n", 2));
}

void resp_null(struct resp_writer *w)
{
    output_append(w->out, w->protocol == RESP3 ? span_of("_\r\n", 3) : span_of("$-1\r\n", 5));
}

void resp_null_array(struct resp_writer *w)
{
    output_append(w->out, w->protocol == RESP3 ? span_of("_\r\n", 3) : span_of("*-1\r\n", 5));
}

void resp_verbatim(struct resp_writer *w, struct span s)
{
    if (w->protocol == RESP2) {
        resp_bulk(w, s);
        return;
    }
    write_header(w, '=', s.len + 4);
    output_append(w->out, span_of("txt:", 4));
    output_append(w->out, s);
    output_append(w->out, span_of("\r\n", 2));
}

void resp_array(struct resp_writer *w, uint64_t count)
{
    write_header(w, '*', count);
}

void resp_map(struct resp_writer *w, uint64_t pairs)
{
    write_header(w, w->protocol == RESP3 ? '%' : '*', w->protocol == RESP3 ? pairs : pairs * 2);
}

void resp_set(struct resp_writer *w, uint64_t count)
{
    write_header(w, w->protocol == RESP3 ? '~' : '*', count);
}

void resp_push(struct resp_writer *w, uint64_t count)
{
    write_header(w, w->protocol == RESP3 ? '>' : '*', count);
}
