// Tests of checksums: they equal published values of XXH3, those of blocks equal those of each
// block alone, and the computation can be cancelled.
#include "base/checksum.h"

#include <stdlib.h>

#include "support/guard.h"
#include "support/tap.h"

enum { LARGE = 1024 * 1024, SMALL = 64 * 1024 }; // larger and smaller than a part

static void check_known(void)
{
    ok(checksum(span_of(NULL, 0)) == 0x2d06800538d394c2u, "XXH3 of no bytes");
    ok(checksum(span_of("", 0)) == 0x2d06800538d394c2u, "the address of no bytes plays no part");
    ok(checksum(span_text("a")) == 0xe6c632b61e964e1fu, "XXH3 of a");
    ok(checksum(span_text("abc")) == 0x78af5f94892f3950u, "XXH3 of abc");
    is_number((int64_t)checksum_block_count(0, LARGE), 0, "0 bytes have no block");
    is_number((int64_t)checksum_block_count(1, LARGE), 1, "1 byte has one block");
    is_number((int64_t)checksum_block_count(LARGE, LARGE), 1,
              "the bytes of a block have one block");
    is_number((int64_t)checksum_block_count(LARGE + 1, LARGE), 2, "one byte more has two blocks");
}

// The memory ends at a guard page and does not begin at the beginning of a page.
static void check_blocks(struct random *r, size_t block_bytes)
{
    const size_t lengths[] = {
        0, 1, 4095, block_bytes - 1, block_bytes, block_bytes + 1, 39 * block_bytes + 5,
    };
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct guard guard = {0};
        size_t len = lengths[i];
        char *content = malloc(len + 1);
        uint64_t sums[42];
        for (unsigned j = 0; j < 42; j++)
            sums[j] = j + 1;
        for (size_t at = 0; at < len; at++)
            content[at] = (char)random_next(r);
        struct bytes text = guard_copy(&guard, span_of(content, len));
        size_t count = checksum_block_count(len, block_bytes);
        bool same = checksum_blocks(span_of(text.ptr, len), block_bytes, sums, NULL);
        for (size_t block = 0; block < count; block++) {
            size_t at = block * block_bytes;
            size_t left = len - at < block_bytes ? len - at : block_bytes;
            same = same && sums[block] == checksum(span_of(content + at, left));
        }
        ok(same && sums[count] == count + 1, "the blocks of %zu bytes, %zu each", len, block_bytes);
        guard_release(&guard);
        free(content);
    }
}

// The published values of 128 bits, and pieces of all sizes.
static void check_stream(struct random *r)
{
    static char content[20000];
    char whole[CHECKSUM_TEXT_LEN + 1];
    char text[CHECKSUM_TEXT_LEN + 1];
    struct checksum_stream *s = checksum_stream_new();
    require(s != NULL, "no memory");
    checksum_stream_text(s, text);
    is_text(text, "99aa06d3014798d86001c324468d497f", "XXH3-128 of no bytes");
    checksum_stream_add(s, span_text("a"));
    checksum_stream_add(s, span_of(NULL, 0));
    checksum_stream_add(s, span_text("bc"));
    checksum_stream_text(s, text);
    is_text(text, "06b05ab6733a618578af5f94892f3950", "XXH3-128 of abc");
    checksum_stream_free(s);
    checksum_stream_free(NULL);

    for (size_t at = 0; at < sizeof content; at++)
        content[at] = (char)random_next(r);
    s = checksum_stream_new();
    require(s != NULL, "no memory");
    checksum_stream_add(s, span_of(content, sizeof content));
    checksum_stream_text(s, whole);
    checksum_stream_free(s);
    s = checksum_stream_new();
    require(s != NULL, "no memory");
    for (size_t at = 0; at < sizeof content;) {
        size_t len = random_below(r, 700);
        len = len < sizeof content - at ? len : sizeof content - at;
        checksum_stream_add(s, span_of(content + at, len));
        at += len;
    }
    checksum_stream_text(s, text);
    is_text(text, whole, "the pieces play no part");
    checksum_stream_free(s);
}

static void check_cancel(void)
{
    static char zeros[2 * LARGE];
    uint64_t sums[2];
    atomic_bool cancel = false;
    ok(checksum_blocks(span_of(zeros, sizeof zeros), LARGE, sums, &cancel) && sums[0] == sums[1],
       "without a cancel, all sums are computed");
    atomic_store(&cancel, true);
    ok(!checksum_blocks(span_of(zeros, sizeof zeros), LARGE, sums, &cancel),
       "after a cancel, the result is false");
}

int main(void)
{
    struct random r = random_seeded();
    check_known();
    check_blocks(&r, SMALL);
    check_blocks(&r, 2 * LARGE);
    check_stream(&r);
    check_cancel();
    return done_testing();
}
