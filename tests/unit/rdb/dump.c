// Dumps of datasets, produced in pieces of different sizes. A reader of this test, which knows only
// strings, reads them back.
#include "rdb/dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc64.h"
#include "base/error.h"
#include "base/mapping.h"
#include "data/dataset.h"
#include "support/server.h"
#include "support/tap.h"

#define A "00000000-0000-4000-8000-00000000000a"
#define B "00000000-0000-4000-8000-00000000000b"
#define C "00000000-0000-4000-8000-00000000000c"
#define UPPER_B "00000000-0000-4000-8000-00000000000B"

static const char *prefix = ""; // of keys in dumps

static struct dataset *open_text(struct span text, enum dataset_malformed malformed)
{
    struct error error = {""};
    struct dataset *d = dataset_open_memory(text, "t", malformed, NULL, &error);
    require(d != NULL, "%s", error.text);
    return d;
}

// Appends the dump of `d` to `to`, in pieces of `room` bytes. Returns the last status.
static enum rdb_dump_status dump(const struct dataset *d, enum rdb_lengths lengths, bool keys,
                                 size_t room, struct buf *to)
{
    struct rdb_dump dump;
    enum rdb_dump_status status = RDB_DUMP_MORE;
    char *piece = malloc(room);
    require(piece != NULL, "no memory");
    rdb_dump_init(&dump, d, "7.4.0", lengths, keys, span_text(prefix));
    while (status == RDB_DUMP_MORE) {
        size_t len;
        status = rdb_dump_next(&dump, (struct bytes){piece, room}, &len);
        require(len <= room, "a piece is too long");
        buf_append(to, span_of(piece, len));
    }
    free(piece);
    if (lengths == RDB_LENGTHS_EQUAL && status == RDB_DUMP_END)
        is_number((int64_t)to->len, (int64_t)rdb_dump_size(&dump), "the size is as announced");
    return status;
}

static uint64_t read_length(const char **at)
{
    const unsigned char *byte = (const unsigned char *)*at;
    uint64_t len = byte[0] & 0x3f;
    unsigned more = byte[0] < 0x40 ? 0 : byte[0] < 0x80 ? 1 : byte[0] == 0x80 ? 4 : 8;
    if (more > 1)
        len = 0;
    for (unsigned i = 1; i <= more; i++)
        len = len << 8 | byte[i];
    *at += 1 + more;
    return len;
}

static struct span read_string(const char **at)
{
    uint64_t len = read_length(at);
    struct span s = span_of(*at, len);
    *at += len;
    return s;
}

// Converts a dump to lines "KEY VALUE\n".
static void read_back(struct span file, struct buf *lines)
{
    const char *at = file.ptr + 9;
    require(file.len > 20 && memcmp(file.ptr, "REDIS0009", 9) == 0, "no RDB file");
    is_number((int64_t)crc64(0, file), 0, "the checksum");
    while ((unsigned char)*at == 0xfa) {
        at++;
        read_string(&at);
        read_string(&at);
    }
    require(memcmp(at, "\xfe\x00\xfb", 3) == 0, "no database");
    at += 3;
    uint64_t count = read_length(&at);
    require(*at++ == 0, "expiring keys");
    for (uint64_t i = 0; i < count; i++) {
        require(*at++ == 0, "no string");
        buf_append(lines, read_string(&at));
        buf_append_text(lines, " ");
        buf_append(lines, read_string(&at));
        buf_append_text(lines, "\n");
    }
    ok((unsigned char)*at == 0xff && at + 9 == file.ptr + file.len, "the end");
}

static void check(const char *name, struct span text, enum dataset_malformed malformed,
                  struct span wanted)
{
    static const size_t rooms[] = {RDB_DUMP_PIECE_MIN, 1500, 64 * 1024, 1024 * 1024};
    struct dataset *d = open_text(text, malformed);
    for (unsigned i = 0; i < sizeof rooms / sizeof *rooms; i++)
        for (unsigned equal = 0; equal < 2; equal++) {
            struct buf file = {0};
            struct buf lines = {0};
            enum rdb_lengths lengths = equal ? RDB_LENGTHS_EQUAL : RDB_LENGTHS_SHORT;
            is_number(dump(d, lengths, true, rooms[i], &file), RDB_DUMP_END, "%s: complete", name);
            read_back(buf_span(&file), &lines);
            is_bytes(buf_span(&lines), wanted, "%s, in pieces of %zu bytes", name, rooms[i]);
            buf_release(&file);
            buf_release(&lines);
        }
    dataset_close(d);
}

static void check_text(const char *name, const char *text, enum dataset_malformed malformed,
                       const char *wanted)
{
    check(name, span_text(text), malformed, span_text(wanted));
}

// Values around the limits of the searches and of the pieces.
static void check_long_values(bool with_duplicate)
{
    static const size_t lengths[] = {62,     63,     64,     16383,   16384,   65498,
                                     65499,  65500,  65535,  65536,   131071,  131072,
                                     131073, 200000, 999999, 1048576, 3000000, 0};
    struct buf text = {0};
    struct buf wanted = {0};
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char key[64];
        snprintf(key, sizeof key, "00000000-0000-4000-8000-0000000001%02x ", i);
        for (unsigned part = 0; part < 2; part++) {
            struct buf *to = part == 0 ? &text : &wanted;
            buf_append_text(to, key);
            char *room = buf_reserve(to, lengths[i] + 1);
            require(room != NULL, "no memory");
            for (size_t at = 0; at < lengths[i]; at++)
                room[at] = (char)('a' + (at * 31 + i) % 26);
            room[lengths[i]] = '\n';
            to->len += lengths[i] + 1;
        }
        if (with_duplicate && i == 0)
            buf_append(&text, buf_span(&wanted));
    }
    check(with_duplicate ? "long values with a duplicate" : "long values", buf_span(&text),
          DATASET_REFUSE_MALFORMED, buf_span(&wanted));
    buf_release(&text);
    buf_release(&wanted);
}

// With the longest prefix, and a short one.
static void check_prefixes(void)
{
    char longest[RDB_DUMP_PREFIX_MAX + 1];
    memset(longest, 'p', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const prefixes[] = {"user:", longest};
    for (unsigned i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        struct buf wanted = {0};
        prefix = prefixes[i];
        buf_printf(&wanted, "%s%s x\n%s%s y\n", prefix, B, prefix, A);
        check("a prefix", span_text(UPPER_B " x\n" A " y\n"), DATASET_REFUSE_MALFORMED,
              buf_span(&wanted));
        buf_release(&wanted);
    }
    prefix = "";
}

static void check_without_keys(void)
{
    struct buf file = {0};
    struct buf lines = {0};
    struct dataset *d = open_text(span_text(A " x\n"), DATASET_REFUSE_MALFORMED);
    is_number(dump(d, RDB_LENGTHS_SHORT, false, 4096, &file), RDB_DUMP_END, "without keys");
    read_back(buf_span(&file), &lines);
    is_number((int64_t)lines.len, 0, "the file has no keys");
    buf_release(&file);
    dataset_close(d);
}

// A file that changes after it was opened gives no dump. Long enough for several pages.
static void check_damage(void)
{
    struct error error = {""};
    struct dataset_settings settings = {0};
    struct buf text = {0};
    struct buf file = {0};
    for (unsigned i = 0; i < 1000; i++)
        buf_printf(&text, "00000000-0000-4000-8000-%012x value %u\n", i, i);
    const char *path = test_file("cut.data", buf_span(&text));
    struct dataset *d = dataset_open(path, &settings, NULL, &error);
    require(d != NULL, "%s", error.text);
    require(truncate(path, 20000) == 0, "truncate");
    is_number(dump(d, RDB_LENGTHS_SHORT, true, 4096, &file), RDB_DUMP_FAILED,
              "a file that was truncated");
    dataset_close(d);

    // The lost bytes of the last value read as zeros, so neither keys nor bytes are missing.
    path = test_file("tail.data", span_of(text.ptr, text.len - 1));
    d = dataset_open(path, &settings, NULL, &error);
    require(d != NULL, "%s", error.text);
    require(truncate(path, (off_t)text.len - 3) == 0, "truncate");
    file.len = 0;
    is_number(dump(d, RDB_LENGTHS_SHORT, true, 4096, &file), RDB_DUMP_FAILED,
              "a file that has lost a part of its last value");
    dataset_close(d);

    path = test_file("overwritten.data", buf_span(&text));
    d = dataset_open(path, &settings, NULL, &error);
    require(d != NULL, "%s", error.text);
    FILE *f = fopen(path, "r+");
    require(f != NULL && fseek(f, 10000, SEEK_SET) == 0, "fopen");
    for (unsigned i = 0; i < 3000; i++)
        putc('x', f);
    fclose(f);
    file.len = 0;
    is_number(dump(d, RDB_LENGTHS_SHORT, true, 4096, &file), RDB_DUMP_FAILED,
              "a file whose lines were overwritten");
    dataset_close(d);

    path = test_file("more.data", buf_span(&text));
    d = dataset_open(path, &settings, NULL, &error);
    require(d != NULL, "%s", error.text);
    f = fopen(path, "r+");
    require(f != NULL && fseek(f, 0, SEEK_SET) == 0, "fopen");
    for (unsigned i = 0; i < 100; i++)
        fprintf(f, A " \n"); // shorter lines: there are more of them
    fclose(f);
    file.len = 0;
    is_number(dump(d, RDB_LENGTHS_SHORT, true, 4096, &file), RDB_DUMP_FAILED,
              "a file that has more keys than before");
    dataset_close(d);
    buf_release(&text);
    buf_release(&file);
}

int main(void)
{
    mapping_catch_faults();
    check_text("nothing", "", DATASET_REFUSE_MALFORMED, "");
    check_text("one line", A " x\n", DATASET_REFUSE_MALFORMED, A " x\n");
    check_text("no newline at the end", B " y\n" A " x", DATASET_REFUSE_MALFORMED,
               B " y\n" A " x\n");
    check_text("an empty value at the end", A " ", DATASET_REFUSE_MALFORMED, A " \n");
    check_text("the order of the file, upper case", C " z\n" UPPER_B " \n" A "  \r\n",
               DATASET_REFUSE_MALFORMED, C " z\n" B " \n" A "  \r\n");
    check_text("duplicates, in the order of the keys", C " z\n" B " 1\n" A " x\n" UPPER_B " 2",
               DATASET_REFUSE_MALFORMED, A " x\n" B " 2\n" C " z\n");
    check_text("malformed lines", "\nx\n" B " y\n" B "\n" A " x\n" A "\tx\nshort",
               DATASET_SKIP_MALFORMED, B " y\n" A " x\n");
    check_long_values(false);
    check_long_values(true);
    check_prefixes();
    check_without_keys();
    check_damage();
    return done_testing();
}
