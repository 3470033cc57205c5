// Checksums: the ones everybody computes, block by block like at once, and an end when asked.
#include "base/checksum.h"

#include <stdlib.h>

#include "support/guard.h"
#include "support/tap.h"

static void check_known(void)
{
    ok(checksum(span_of(NULL, 0)) == 0x2d06800538d394c2u, "XXH3 of no bytes");
    ok(checksum(span_of("", 0)) == 0x2d06800538d394c2u, "wherever they are not");
    ok(checksum(span_text("a")) == 0xe6c632b61e964e1fu, "XXH3 of a");
    ok(checksum(span_text("abc")) == 0x78af5f94892f3950u, "XXH3 of abc");
    is_number((int64_t)checksum_block_count(0), 0, "no blocks of no bytes");
    is_number((int64_t)checksum_block_count(1), 1, "one of one");
    is_number((int64_t)checksum_block_count(CHECKSUM_BLOCK), 1, "one of a block");
    is_number((int64_t)checksum_block_count(CHECKSUM_BLOCK + 1), 2, "two of a byte more");
}

// The memory ends at a guard page, and does not begin at a page.
static void check_blocks(struct random *r)
{
    static const size_t lengths[] = {
        0, 1, 4095, CHECKSUM_BLOCK - 1, CHECKSUM_BLOCK, CHECKSUM_BLOCK + 1, 3 * CHECKSUM_BLOCK + 5,
    };
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct guard guard = {0};
        size_t len = lengths[i];
        char *content = malloc(len + 1);
        uint64_t sums[5] = {1, 2, 3, 4, 5};
        for (size_t at = 0; at < len; at++)
            content[at] = (char)random_next(r);
        struct bytes text = guard_copy(&guard, span_of(content, len));
        size_t count = checksum_block_count(len);
        bool same = checksum_blocks(span_of(text.ptr, len), sums, NULL);
        for (size_t block = 0; block < count; block++) {
            size_t at = block * CHECKSUM_BLOCK;
            size_t left = len - at < CHECKSUM_BLOCK ? len - at : CHECKSUM_BLOCK;
            same = same && sums[block] == checksum(span_of(content + at, left));
        }
        ok(same && sums[count] == count + 1, "the blocks of %zu bytes", len);
        guard_release(&guard);
        free(content);
    }
}

static void check_cancel(void)
{
    static char zeros[2 * CHECKSUM_BLOCK];
    uint64_t sums[2];
    atomic_bool cancel = false;
    ok(checksum_blocks(span_of(zeros, sizeof zeros), sums, &cancel) && sums[0] == sums[1],
       "not cancelled: whole");
    atomic_store(&cancel, true);
    ok(!checksum_blocks(span_of(zeros, sizeof zeros), sums, &cancel), "cancelled: told so");
}

int main(void)
{
    struct random r = random_seeded();
    check_known();
    check_blocks(&r);
    check_cancel();
    return done_testing();
}
