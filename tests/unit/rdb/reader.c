// Tests of the reader of RDB dumps: each example (support/rdb.h) is read as it should be, whatever
// the pieces that it arrives in; each dump that was cut is an error; values can be skipped; a
// reader that has failed stays so; a failure of the source is reported.
#include "rdb/reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crc64.h"
#include "support/guard.h"
#include "support/rdb.h"
#include "support/tap.h"

enum { LONG = 3 * RDB_BLOCK + 17 }; // bytes of a value that does not fit into the buffer

static void check_examples(void)
{
    for (unsigned i = 0; i < rdb_example_count; i++) {
        const struct rdb_example *e = &rdb_examples[i];
        for (size_t step = 1; step <= 1000; step = step * 4 + 1) {
            struct buf trace = {0};
            struct guard guard = {0};
            struct bytes copy = guard_copy(&guard, e->dump);
            rdb_trace(span_of(copy.ptr, copy.len), step, true, &trace);
            if (!is_bytes(buf_span(&trace), span_text(e->trace), "%s, %zu bytes at a time", e->name,
                          step))
                diag("%.*s", (int)trace.len, trace.ptr);
            guard_release(&guard);
            buf_release(&trace);
        }
    }
}

static bool ends_with(const struct buf *text, const char *end)
{
    size_t len = strlen(end);
    return text->len >= len && memcmp(text->ptr + text->len - len, end, len) == 0;
}

// Returns whether the trace of a dump that was cut to `len` bytes is an error at its end.
static bool is_cut_error(struct span dump, size_t len, bool values)
{
    char wanted[64];
    struct buf trace = {0};
    snprintf(wanted, sizeof wanted, "error: byte %zu: the dump ends within ", len);
    rdb_trace(span_of(dump.ptr, len), len + 1, values, &trace);
    buf_append(&trace, span_of("", 1));
    bool good = strstr(trace.ptr, wanted) != NULL;
    if (!good)
        diag("cut to %zu bytes: %s", len, trace.ptr);
    buf_release(&trace);
    return good;
}

// Every beginning of a dump that has an end is an error.
static void check_prefixes(void)
{
    for (unsigned i = 0; i < rdb_example_count; i++) {
        const struct rdb_example *e = &rdb_examples[i];
        struct buf known = {0};
        unsigned wrong = 0;
        buf_append_text(&known, e->trace);
        if (ends_with(&known, "end\n")) {
            for (size_t len = 0; len < e->dump.len; len++)
                if (!is_cut_error(e->dump, len, true) || !is_cut_error(e->dump, len, false))
                    wrong++;
            is_number(wrong, 0, "%s: each beginning of it is an error", e->name);
        }
        buf_release(&known);
    }
}

// Whether the value is skipped or read makes no difference for the rest.
static void check_skipping(void)
{
    for (unsigned i = 0; i < rdb_example_count; i++) {
        const struct rdb_example *e = &rdb_examples[i];
        struct buf read = {0};
        struct buf skipped = {0};
        rdb_trace(e->dump, 1000, true, &read);
        rdb_trace(e->dump, 1000, false, &skipped);
        if (ends_with(&read, "end\n"))
            ok(ends_with(&skipped, "end\n"), "%s: values are skipped", e->name);
        buf_release(&read);
        buf_release(&skipped);
    }
}

// A long value, a long key, and a checksum over several blocks.
static void check_long(struct random *r, size_t step)
{
    struct buf dump = {0};
    struct buf trace = {0};
    struct buf wanted = {0};
    char checksum[8];
    char *value = malloc(LONG);
    require(value != NULL, "no memory");
    for (size_t i = 0; i < LONG; i++)
        value[i] = (char)random_next(r);
    buf_append_text(&dump, "REDIS0009");
    // The key has 1000 bytes.
    buf_append(&dump, span_of("\0\x43\xe8", 3));
    for (unsigned i = 0; i < 1000; i++)
        buf_append_text(&dump, i < RDB_NAME_MOST ? "k" : "l");
    const char length[] = {(char)0x80, (char)(LONG >> 24), (char)(LONG >> 16 & 0xff),
                           (char)(LONG >> 8 & 0xff), (char)(LONG & 0xff)};
    buf_append(&dump, span_of(length, sizeof length));
    buf_append(&dump, span_of(value, LONG));
    buf_append(&dump, span_of("\xff", 1));
    uint64_t crc = crc64(0, buf_span(&dump));
    for (unsigned i = 0; i < 8; i++)
        checksum[i] = (char)(crc >> 8 * i);
    buf_append(&dump, span_of(checksum, sizeof checksum));
    buf_append_text(&wanted, "0 ");
    for (unsigned i = 0; i < RDB_NAME_MOST; i++)
        buf_append_text(&wanted, "k");
    buf_append_text(&wanted, " string: ");
    buf_append(&wanted, span_of(value, LONG));
    buf_append_text(&wanted, "\nend\n");
    rdb_trace(buf_span(&dump), step, true, &trace);
    is_bytes(buf_span(&trace), buf_span(&wanted), "a long value, %zu bytes at a time", step);
    trace.len = 0;
    size_t flipped = random_below(r, LONG) + 9 + 1003 + 5;
    dump.ptr[flipped] ^= 1;
    rdb_trace(buf_span(&dump), step, false, &trace);
    ok(memmem(trace.ptr, trace.len, "the dump is damaged", 19) != NULL,
       "a flipped bit is found by the checksum");
    free(value);
    buf_release(&dump);
    buf_release(&trace);
    buf_release(&wanted);
}

static int64_t fail_to_read(void *context, char *to, size_t room, struct error *error)
{
    unsigned *calls = context;
    (void)room;
    if ((*calls)++ == 0) {
        memcpy(to, "REDIS0009\0\1a\5ab", 15);
        return 15;
    }
    error_set(error, "no more");
    return -1;
}

static void check_failure(void)
{
    unsigned calls = 0;
    struct rdb_key key;
    struct span piece;
    struct rdb_reader *r = rdb_reader_new((struct rdb_source){fail_to_read, &calls});
    ok(r != NULL && rdb_reader_next(r, &key) == RDB_KEY, "a key");
    is_number((int64_t)key.offset, 9, "its offset");
    is_number((int64_t)key.name_len, 1, "its length");
    ok(key.is_string && key.can_be_skipped, "its type");
    ok(rdb_reader_value(r, &piece), "a piece");
    is_bytes(piece, span_text("ab"), "its bytes");
    ok(!rdb_reader_value(r, &piece), "the source fails");
    is_text(rdb_reader_error(r)->text, "no more", "the message is that of the source");
    ok(!rdb_reader_value(r, &piece), "no more pieces");
    ok(rdb_reader_next(r, &key) == RDB_FAILED, "no more keys");
    is_number(calls, 2, "the source is not called again");
    rdb_reader_free(r);
    rdb_reader_free(NULL);
}

// What `redis-cli --rdb -` appends to a dump.
static void check_end_mark(void)
{
    static const char mark[] = "0123456789abcdef0123456789abcdef0123456789abcdef";
    for (size_t len = 0; len < sizeof mark; len++) {
        struct buf dump = {0};
        struct buf trace = {0};
        buf_append_text(&dump, "REDIS0004\xff");
        buf_append(&dump, span_of(mark, len));
        rdb_trace(buf_span(&dump), 7, true, &trace);
        is_number(span_equal(buf_span(&trace), span_text("end\n")), len == 0 || len == 40,
                  "%zu digits after the end", len);
        buf_release(&dump);
        buf_release(&trace);
    }
}

int main(void)
{
    struct random r = random_seeded();
    check_examples();
    check_prefixes();
    check_skipping();
    check_long(&r, 1000);
    check_long(&r, RDB_BLOCK);
    check_end_mark();
    check_failure();
    return done_testing();
}
