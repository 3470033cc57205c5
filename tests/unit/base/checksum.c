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
    check_cancel();
    return done_testing();
}
