// Fuzz target: the request parser. It must find the same requests however the bytes are cut into
// pieces. It must not read bytes that have not arrived. Each argument must lie within its request.
//
// The first byte of an input says how the rest is cut, and whether the client is unauthenticated.
// Each piece is a copy that ends at a guard page. The argument storage is exactly as large as the
// parser is told.
#include <stdlib.h>
#include <string.h>

#include "resp/resp.h"
#include "support/fuzz.h"
#include "support/guard.h"

enum { UNAUTHENTICATED = 1, PLACE_SIZE = 256 * 1024 };

// A request that is being parsed.
struct reading {
    struct resp_progress progress;
    struct resp_arg *args;
    size_t capacity;
};

// Returns a copy that ends at the guard page, valid until the next call.
static struct bytes place(struct span s)
{
    static struct bytes room;
    static struct guard guard;
    if (room.ptr == NULL) {
        char *blank = calloc(1, PLACE_SIZE);
        must(blank != NULL, "memory for a place");
        room = guard_copy(&guard, span_of(blank, PLACE_SIZE));
        free(blank);
    }
    char *at = room.ptr + PLACE_SIZE - s.len;
    if (s.len > 0)
        memcpy(at, s.ptr, s.len);
    return (struct bytes){at, s.len};
}

static enum resp_status parse(struct reading *r, bool unauthenticated, struct bytes in, char *bad)
{
    enum resp_status status;
    for (;;) {
        status = unauthenticated
                     ? resp_parse_unauthenticated(&r->progress, in, r->args, r->capacity, bad)
                     : resp_parse(&r->progress, in, r->args, r->capacity, bad);
        must(r->progress.at <= in.len && r->progress.searched <= in.len - r->progress.at,
             "the progress is within the input");
        must(r->progress.argc <= r->capacity, "the arguments are within their storage");
        if (status != RESP_ARGS_FULL)
            return status;
        r->capacity += r->capacity / 2 + 1;
        r->args = realloc(r->args, r->capacity * sizeof *r->args);
        must(r->args != NULL, "memory for arguments");
    }
}

// Checks a complete request, and appends its size, form and arguments to `to`.
static void note_request(const struct reading *r, struct bytes in, bool unauthenticated,
                         struct buf *to)
{
    const struct resp_progress *p = &r->progress;
    struct resp_request request = {in.ptr, r->args, p->argc};
    must(p->at > 0, "a request has bytes");
    buf_printf(to, "@%zu %d %u", p->at, p->inline_form, (unsigned)p->argc);
    must(!unauthenticated || p->inline_form || p->argc <= RESP_UNAUTHENTICATED_ARGS,
         "an unauthenticated client has few arguments");
    for (uint32_t i = 0; i < p->argc; i++) {
        struct span word = resp_arg(&request, i);
        must(r->args[i].offset <= p->at && word.len <= p->at - r->args[i].offset,
             "a word is within its request");
        must(i == 0 || r->args[i].offset >= r->args[i - 1].offset + r->args[i - 1].len,
             "words do not overlap");
        must(!unauthenticated || p->inline_form || word.len <= RESP_UNAUTHENTICATED_BULK,
             "the words of an unauthenticated client are short");
        buf_printf(to, " %zu:", word.len);
        buf_append(to, word);
    }
    buf_append_text(to, "\n");
}

// Returns the length of the next piece: all, one or two bytes, or some more, depending on `*cut`.
static size_t next_piece(unsigned *cut, size_t left)
{
    size_t step = left;
    if (*cut != 0) {
        *cut = *cut * 1103515245 + 12345;
        step = 1 + (*cut >> 16) % ((*cut & 0x40000000) != 0 ? 2 : 40 + left / 64);
    }
    return step < left ? step : left;
}

// Parses `text` in pieces as `cut` says (0: as one piece), and appends the result to `to`.
static void read_all(struct span text, unsigned cut, bool unauthenticated, struct buf *to)
{
    char bad[RESP_BAD_TEXT];
    struct reading r = {0};
    size_t begin = 0;
    enum resp_status status = RESP_PARTIAL;
    for (size_t have = 0; have < text.len && status != RESP_BAD;) {
        have += next_piece(&cut, text.len - have);
        do {
            struct bytes in = place(span_of(text.ptr + begin, have - begin));
            status = parse(&r, unauthenticated, in, bad);
            if (status != RESP_COMPLETE)
                continue;
            note_request(&r, in, unauthenticated, to);
            begin += r.progress.at;
            free(r.args);
            r = (struct reading){0};
        } while (status == RESP_COMPLETE && begin < have);
    }
    must(status != RESP_BAD || memchr(bad, '\0', sizeof bad) != NULL, "an error text has a NUL");
    buf_append_text(to, status == RESP_BAD ? bad : begin < text.len ? "..." : "");
    free(r.args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = {0};
    struct buf cut = {0};
    if (size == 0 || size > PLACE_SIZE)
        return 0;
    struct span text = {(const char *)data + 1, size - 1};
    bool unauthenticated = (data[0] & UNAUTHENTICATED) != 0;
    read_all(text, 0, unauthenticated, &whole);
    read_all(text, 1 + (unsigned)data[0], unauthenticated, &cut);
    must(!whole.oom && !cut.oom, "memory for what is read");
    must(span_equal(buf_span(&whole), buf_span(&cut)),
         "requests are the same in pieces of any size");
    buf_release(&whole);
    buf_release(&cut);
    return 0;
}
