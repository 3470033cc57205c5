// Sorting a text whose records do not fit into the memory takes several passes, and writes the same
// as a sort in one pass. (tests/unit/tool/sort_lines.c compares such sorts with a model.)
#include "tool/sort_text.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "support/keysets.h"
#include "support/server.h"
#include "support/tap.h"

enum { LINES = 12000 };

// Sorts the text and returns what was written.
static struct buf sorted(struct sort_text *s)
{
    struct buf written = {0};
    struct error error = {""};
    int fd = open(test_path("sorted"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct sink sink = {.fd = fd, .name = "sorted"};
    require(fd >= 0, "the output");
    require(sort_text_write(s, &sink, &error), "%s", error.text);
    char *to = buf_reserve(&written, (size_t)sink.at + 1);
    require(to != NULL && pread(fd, to, sink.at, 0) == (ssize_t)sink.at, "reading the output");
    written.len = (size_t)sink.at;
    close(fd);
    return written;
}

int main(void)
{
    static struct uuid keys[2 * LINES];
    struct random r = random_seeded();
    for (unsigned i = 0; i < keyset_count; i++) {
        struct buf text = {0};
        size_t count = keyset_fill(&keysets[i], &r, keys, LINES);
        for (size_t j = 0; j < count; j += 10) // duplicates
            keys[count + j / 10] = keys[j];
        count += (count + 9) / 10;
        keys_write_lines(&r, keys, count, 30, &text);
        struct sort_text s = {
            .text = buf_span(&text),
            .lines = count,
            .threads = 1 + (unsigned)random_below(&r, 2),
            .buffer_bytes = 1 + (size_t)random_below(&r, 100000),
        };
        struct buf wanted = sorted(&s);
        uint64_t kept = s.kept;
        is_number(s.passes, 1, "%s: one pass when there is enough memory", keysets[i].name);
        s.blocks = 1;
        struct buf got = sorted(&s);
        ok(s.passes > 1 || kept < 2 * LINES / 3, "  otherwise several: %u", s.passes);
        is_bytes(buf_span(&got), buf_span(&wanted), "  the same is written");
        is_number((int64_t)s.kept, (int64_t)kept, "  with the same number of lines");
        buf_release(&got);
        buf_release(&wanted);
        buf_release(&text);
    }
    return done_testing();
}
