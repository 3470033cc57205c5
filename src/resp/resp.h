// RESP, the Redis serialization protocol: requests in, replies out.
//
// The parser works on the caller's bytes and allocates nothing. Because those bytes may move while
// a long request is still arriving, arguments are kept as offsets from the request's first byte,
// and the progress made so far in a `struct resp_progress`, so that no byte is scanned twice
// however the request is cut up. One thread at a time per progress or writer.
#ifndef STELE_RESP_RESP_H
#define STELE_RESP_RESP_H

#include "base/bytes.h"
#include "base/counter.h"
#include "base/output.h"

// ---- requests ----------------------------------------------------------------------------------

enum {
    // Bytes of an inline command, or of a '*' or '$' line, before its end must have come. Redis's
    // PROTO_INLINE_MAX_SIZE.
    RESP_LINE_MAX = 64 * 1024,
    // Bytes of one argument. No client sends us values, so less than Redis's 512 MiB will do.
    RESP_BULK_MAX = 1024 * 1024,
    // Arguments of one command; Redis's limit up to 6.2.
    RESP_ARGS_MAX = 1024 * 1024,
    // Limits for a client that has not authenticated, as in Redis: bytes of an argument, and number
    // of arguments.
    RESP_UNAUTHENTICATED_BULK = 16 * 1024,
    RESP_UNAUTHENTICATED_ARGS = 10,
};

struct resp_arg {
    uint32_t offset; // from the request's first byte
    uint32_t len;
};

// How far the request at the front of the input has been read. Zeroed: not begun.
struct resp_progress {
    size_t at;         // bytes already understood
    size_t searched;   // bytes behind `at` known to hold no end of line
    uint32_t argc;     // arguments found
    uint32_t expected; // arguments announced by '*'
    uint32_t bulk_len; // length announced by '$'
    bool in_multibulk;
    bool in_bulk;
    bool inline_form; // the complete request was an inline command
};

// A complete request. It borrows the input and the argument storage.
struct resp_request {
    const char *base;
    const struct resp_arg *args;
    uint32_t argc;
};

static inline struct span resp_arg(const struct resp_request *r, uint32_t i)
{
    return (struct span){r->base + r->args[i].offset, r->args[i].len};
}

enum resp_status {
    RESP_COMPLETE,  // a request of `argc` arguments (0: an empty one, to be skipped) ends at `at`
    RESP_PARTIAL,   // more input is needed; call again with the same bytes and more behind them
    RESP_ARGS_FULL, // more argument storage is needed; call again with more
    RESP_BAD,       // no request: `bad` says why, and the connection must be closed
};

enum { RESP_BAD_TEXT = 64 };

// Reads on in the request at the front of `input`, which begins with the request's first byte on
// every call. `args` has room for `capacity` arguments and must keep its content between calls.
// Quoted arguments of an inline command are decoded where they stand, so `input` is written to.
// `bad` (RESP_BAD_TEXT bytes) gets the text of Redis's error, without the leading "-ERR ". The
// caller zeroes `*p` behind each complete request.
enum resp_status resp_parse(struct resp_progress *p, struct bytes input, struct resp_arg *args,
                            size_t capacity, char *bad);

// The same for a client that has not authenticated. A request of more than
// RESP_UNAUTHENTICATED_ARGS arguments, or with one longer than RESP_UNAUTHENTICATED_BULK bytes, is
// RESP_BAD.
enum resp_status resp_parse_unauthenticated(struct resp_progress *p, struct bytes input,
                                            struct resp_arg *args, size_t capacity, char *bad);

// ---- replies -----------------------------------------------------------------------------------

enum resp_protocol { RESP2 = 2, RESP3 = 3 };

// The codes that errors begin with, in alphabetical order.
enum { RESP_ERROR_CODES = 22 };
extern const char *const resp_error_codes[RESP_ERROR_CODES];

// Where replies go and in which protocol. Memory running short latches in `out`.
struct resp_writer {
    struct output *out;
    enum resp_protocol protocol;
    uint64_t errors; // error replies written; the caller resets it
    // RESP_ERROR_CODES of them, in which errors are counted by their code (as ERR when it is of no
    // known one); or NULL.
    struct counter *errors_by_code;
    unsigned damage_stamp; // stamp for borrowed values (output_borrow)
};

// `text` after '+' or '-'. CR and LF become spaces, so that no text can forge a reply.
void resp_status(struct resp_writer *w, const char *text);
// An error with its code, "ERR syntax error"; formatted, cut at 1 KiB, scrubbed likewise.
void resp_error(struct resp_writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void resp_integer(struct resp_writer *w, int64_t value);
// Copies the string.
void resp_bulk(struct resp_writer *w, struct span s);
void resp_bulk_text(struct resp_writer *w, const char *text);
// A bulk string that is copied when short and borrowed from `owner` when long.
void resp_bulk_shared(struct resp_writer *w, struct span s, struct ref *owner);
// The same with a few more bytes before and behind, which are copied.
void resp_bulk_framed(struct resp_writer *w, struct span before, struct span s, struct span behind,
                      struct ref *owner);
// A double: its 17 digits as a bulk string in RESP2.
void resp_double(struct resp_writer *w, double value);
// No value: a null bulk string in RESP2, a null in RESP3.
void resp_null(struct resp_writer *w);
// The same where an array would stand: a null array in RESP2.
void resp_null_array(struct resp_writer *w);
// Text for people: a bulk string in RESP2, a verbatim string ("txt") in RESP3.
void resp_verbatim(struct resp_writer *w, struct span s);

// The elements follow as replies of their own. Maps and sets are arrays in RESP2 (a map one of
// twice `pairs`), and a push is one too.
void resp_array(struct resp_writer *w, uint64_t count);
void resp_map(struct resp_writer *w, uint64_t pairs);
void resp_set(struct resp_writer *w, uint64_t count);
void resp_push(struct resp_writer *w, uint64_t count);

#endif
