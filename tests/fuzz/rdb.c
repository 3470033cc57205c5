// Fuzz target: the reader of RDB dumps. Whatever the bytes, each call must return, without reading
// outside the buffer, and the result must not depend on the pieces that the bytes arrive in.
//
// The first byte of an input says how many bytes the source returns at a time, and which values are
// read. The other bytes are the dump.
#include "rdb/reader.h"

#include <stdlib.h>
#include <string.h>

#include "support/fuzz.h"
#include "support/rdb.h"

enum {
    STEP_BITS = 6,       // bits of the first byte that say how many bytes arrive at a time
    EXPANDED_MOST = 100, // a byte of a dump stands for at most this many bytes of values
};

struct source {
    struct span left;
    size_t step;
    bool ended;
};

static int64_t read_some(void *context, char *to, size_t room, struct error *error)
{
    struct source *s = context;
    size_t len = s->left.len < s->step ? s->left.len : s->step;
    (void)error;
    must(room > 0, "there is room");
    must(!s->ended, "nothing is read after the end");
    s->ended = len == 0;
    len = len < room ? len : room;
    if (len > 0)
        memcpy(to, s->left.ptr, len);
    s->left = span_of(s->left.ptr + len, s->left.len - len);
    return (int64_t)len;
}

// Reads the value, or only a part of it if `read` is 1.
static void read_value(struct rdb_reader *r, unsigned read, size_t *expanded)
{
    struct span piece;
    bool good;
    do {
        good = rdb_reader_value(r, &piece);
        for (size_t i = 0; good && i < piece.len; i++)
            *expanded += piece.ptr[i] == 'x'; // touches each byte
        *expanded += good ? piece.len : 0;
    } while (good && piece.len > 0 && read > 1);
}

// Reads keys and some values.
static void read_dump(struct span dump, size_t step, unsigned read)
{
    struct source source = {.left = dump, .step = step};
    struct rdb_reader *r = rdb_reader_new((struct rdb_source){read_some, &source});
    struct rdb_key key;
    enum rdb_result result;
    size_t keys = 0;
    size_t expanded = 0;
    uint64_t offset = 0;
    must(r != NULL, "memory for a reader");
    while ((result = rdb_reader_next(r, &key)) == RDB_KEY) {
        must(key.offset < dump.len && (keys == 0 || key.offset > offset),
             "each key is after the one before");
        must(key.name.len <= RDB_NAME_MOST && key.name.len <= key.name_len,
             "the beginning of a key is kept");
        must(key.name.len == key.name_len || key.name.len == RDB_NAME_MOST,
             "a short key is complete");
        must(!key.is_string || (key.can_be_skipped && strcmp(key.type, "string") == 0),
             "a string can be skipped");
        offset = key.offset;
        if (key.is_string && read > 0)
            read_value(r, read, &expanded);
        must(++keys <= dump.len, "a key has at least one byte");
    }
    must(expanded <= EXPANDED_MOST * dump.len, "values are not much longer than the dump");
    if (result == RDB_END)
        must(source.left.len == 0, "the end is at the end");
    else
        must(strncmp(rdb_reader_error(r)->text, "byte ", 5) == 0 &&
                 strtoull(rdb_reader_error(r)->text + 5, NULL, 10) <= dump.len,
             "a message has an offset in the dump");
    rdb_reader_free(r);
}

static bool is_good(const struct buf *trace)
{
    static const char end[] = "end\n";
    size_t len = sizeof end - 1;
    return trace->len == len ||
           (trace->len > len && memcmp(trace->ptr + trace->len - len - 1, "\nend\n", len + 1) == 0);
}

// The result of a whole read is the same, whatever the pieces. Only if something is wrong in two
// ways, such as damaged and cut off, may another fault be found first.
static void compare(struct span dump, size_t step)
{
    struct buf at_once = {0};
    struct buf in_pieces = {0};
    rdb_trace(dump, dump.len + 1, true, &at_once);
    rdb_trace(dump, step, true, &in_pieces);
    must(is_good(&at_once) == is_good(&in_pieces), "a dump in pieces is as good as the whole");
    must(!is_good(&at_once) || span_equal(buf_span(&at_once), buf_span(&in_pieces)),
         "a dump in pieces is read like the whole");
    buf_release(&at_once);
    buf_release(&in_pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct span dump = span_of((const char *)data + 1, size - 1);
    size_t step = 1 + (data[0] & ((1u << STEP_BITS) - 1));
    read_dump(dump, step, data[0] >> STEP_BITS);
    compare(dump, step);
    return 0;
}
