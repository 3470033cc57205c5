// RESP, the Redis serialization protocol: a parser for requests and a writer for replies.
//
// The parser reads the caller's bytes and allocates nothing. A long request may arrive in pieces,
// and the caller may move the bytes between two calls. So arguments are offsets from the request's
// first byte. A `struct resp_progress` keeps what the parser has found so far, so that it reads no
// byte twice, however the request is cut into pieces.
//
// One thread at a time may use a `struct resp_progress` or a `struct resp_writer`.
#ifndef STELE_RESP_RESP_H
#define STELE_RESP_RESP_H

#include "base/bytes.h"
#include "base/counter.h"
#include "base/output.h"

// ---- requests ----------------------------------------------------------------------------------

enum {
    // The length, in bytes, of the longest inline request, and of the longest line that begins with
    // '*' or '$'. It equals Redis's PROTO_INLINE_MAX_SIZE.
    RESP_LINE_MAX = 64 * 1024,
    // The length of the longest argument, in bytes. Redis allows 512 MiB. Stele needs less, because
    // no client stores values here.
    RESP_BULK_MAX = 1024 * 1024,
    // The largest number of arguments of one request. Redis had the same limit up to version 6.2.
    RESP_ARGS_MAX = 1024 * 1024,
    // RESP_BULK_MAX and RESP_ARGS_MAX for a client that has not authenticated, as in Redis.
    RESP_UNAUTHENTICATED_BULK = 16 * 1024,
    RESP_UNAUTHENTICATED_ARGS = 10,
};

// One argument of a request.
struct resp_arg {
    uint32_t offset; // from the request's first byte
    uint32_t len;
};

// The parser's progress in the request at the front of the input. A zeroed struct is the state
// before its first byte.
struct resp_progress {
    size_t at;         // number of bytes already parsed
    size_t searched;   // bytes from `at` on that have been searched and have no line end
    uint32_t argc;     // arguments found so far
    uint32_t expected; // number of arguments that the '*' line announced
    uint32_t bulk_len; // length of the next argument, which its '$' line announced
    bool in_multibulk; // the '*' line has been read
    bool in_bulk;      // the next argument's '$' line has been read
    bool inline_form;  // the complete request was an inline request
};

// A complete request. It borrows the input and the argument storage.
struct resp_request {
    const char *base; // the request's first byte, which offsets count from
    const struct resp_arg *args;
    uint32_t argc;
};

// Returns argument `i`, which points into the input. Argument 0 is the command's name.
static inline struct span resp_arg(const struct resp_request *r, uint32_t i)
{
    return (struct span){r->base + r->args[i].offset, r->args[i].len};
}

enum resp_status {
    // The request is complete. It is the first `p->at` bytes of the input and has `p->argc`
    // arguments. If there are none, the caller skips it.
    RESP_COMPLETE,
    RESP_PARTIAL,   // more input is needed; call again with the same bytes and more after them
    RESP_ARGS_FULL, // more argument storage is needed; call again with a larger `args`
    RESP_BAD,       // the request is malformed: `bad` says why, and the connection must be closed
};

enum { RESP_BAD_TEXT = 64 }; // bytes of an error text, with its NUL

// Continues to parse the request at the front of `input`. On every call `input` begins with the
// request's first byte. `args` has room for `capacity` arguments and must keep its content between
// calls. Arguments of an inline request are decoded in place, so the call may write to `input`.
// With RESP_BAD, `bad` (RESP_BAD_TEXT bytes) receives the text of Redis's error, without "-ERR ".
// The caller zeroes `*p` after each complete request.
enum resp_status resp_parse(struct resp_progress *p, struct bytes input, struct resp_arg *args,
                            size_t capacity, char *bad);

// As resp_parse, for a client that has not authenticated. A multibulk request may have at most
// RESP_UNAUTHENTICATED_ARGS arguments of at most RESP_UNAUTHENTICATED_BULK bytes each.
enum resp_status resp_parse_unauthenticated(struct resp_progress *p, struct bytes input,
                                            struct resp_arg *args, size_t capacity, char *bad);

// ---- replies -----------------------------------------------------------------------------------

// The functions below append to the writer's output. When memory is short they set the output's
// `oom`, and the reply is lost. The caller checks `oom` once, at the end.

enum resp_protocol { RESP2 = 2, RESP3 = 3 };

// The codes that error replies begin with, such as "ERR", in alphabetical order.
enum { RESP_ERROR_CODES = 22 };
extern const char *const resp_error_codes[RESP_ERROR_CODES];

// A writer of replies to one client.
struct resp_writer {
    struct output *out; // output that replies are appended to, borrowed
    enum resp_protocol protocol;
    uint64_t errors; // number of error replies written; the caller resets it
    // RESP_ERROR_CODES counters of error replies by code, or NULL. An error with an unknown code
    // counts as ERR.
    struct counter *errors_by_code;
    // What dataset_replacements returned before the current command read from the dataset. It is
    // stored with each borrowed segment, a part of a value that is sent straight from the dataset's
    // memory (base/output.h). Before the segment is sent, dataset_replacements is called again. If
    // its result has changed, the segment is not sent.
    unsigned damage_stamp;
};

// Writes a status reply: '+' and `text`. CR and LF become spaces; so no text can forge a reply.
void resp_status(struct resp_writer *w, const char *text);
// Writes an error reply: '-' and the formatted text, which begins with its code: "ERR syntax
// error". CR and LF become spaces. A text of more than 1 KiB is cut.
void resp_error(struct resp_writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void resp_integer(struct resp_writer *w, int64_t value);
// Writes a bulk string with a copy of `s`.
void resp_bulk(struct resp_writer *w, struct span s);
void resp_bulk_text(struct resp_writer *w, const char *text);
// Writes a bulk string with the bytes `s` of a dataset. A short `s` is copied. Of a long `s` only
// the last bytes are copied (mapping_tail in base/mapping.h says why). For the other bytes the
// output points to the dataset's memory, and holds a reference to `owner` until they are sent.
void resp_bulk_shared(struct resp_writer *w, struct span s, struct ref *owner);
// As resp_bulk_shared, with copies of `before` and `after` around `s` in the same bulk string.
void resp_bulk_framed(struct resp_writer *w, struct span before, struct span s, struct span after,
                      struct ref *owner);
// Writes a double with 17 significant digits. In RESP2 it is a bulk string.
void resp_double(struct resp_writer *w, double value);
// Writes the reply for a missing value: a null bulk string in RESP2, a null in RESP3.
void resp_null(struct resp_writer *w);
// Writes the reply for a missing array: a null array in RESP2, a null in RESP3.
void resp_null_array(struct resp_writer *w);
// Writes text for people: a bulk string in RESP2, a verbatim string ("txt") in RESP3.
void resp_verbatim(struct resp_writer *w, struct span s);

// These four write only the header of a reply with elements. The caller then writes each element as
// a reply. In RESP2 they all write an array; a map's array has twice `pairs` elements.
void resp_array(struct resp_writer *w, uint64_t count);
void resp_map(struct resp_writer *w, uint64_t pairs);
void resp_set(struct resp_writer *w, uint64_t count);
void resp_push(struct resp_writer *w, uint64_t count);

#endif
