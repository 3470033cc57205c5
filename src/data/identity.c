// Computes the identity of a file and compares it. The rule for times is the one that git uses
// ("racy git"). Suppose that a file is written, read, and written again within one tick of the
// clock. The second write leaves the times of the file as they are. So times that are at most one
// tick older than the reading prove nothing.
#include "data/identity.h"

#include <stdlib.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/random.h"

enum {
    RACY_NS = 2000000000,      // one tick of the coarsest file system, which is FAT
    ENDS_BYTES = 64 * 1024,    // bytes of the sample at each end of the file
    SAMPLE_BLOCKS = 64,        // number of other blocks of the sample
    SAMPLE_BLOCK_BYTES = 4096, // bytes of such a block
    CONTENT_TURN = 64,         // blocks between two reports of progress
};

// After the year 2262 the result wraps. That does no harm, as times are only compared.
static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)((uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec);
}

struct identity identity_of_file(const struct stat *status)
{
    return (struct identity){
        .bytes = (uint64_t)status->st_size,
        .inode = status->st_ino,
        .modified_ns = nanoseconds(status->st_mtim),
        .changed_ns = nanoseconds(status->st_ctim),
        .read_ns = (int64_t)(clock_wall_us() * 1000),
    };
}

static bool is_long_before(int64_t time_ns, int64_t read_ns)
{
    return read_ns > INT64_MIN + RACY_NS && time_ns < read_ns - RACY_NS;
}

bool identity_is_proven(const struct identity *then, const struct identity *now)
{
    return then->bytes == now->bytes && then->inode == now->inode &&
           then->modified_ns == now->modified_ns && then->changed_ns == now->changed_ns &&
           is_long_before(then->modified_ns, then->read_ns) &&
           is_long_before(then->changed_ns, then->read_ns);
}

// Returns the `len` bytes of the text from `at` on, or fewer at its end.
static struct span part_of(struct span text, uint64_t at, uint64_t len)
{
    if (at >= text.len)
        return span_of(text.ptr, 0);
    return span_of(text.ptr + at, len < text.len - at ? len : text.len - at);
}

uint64_t identity_sample(struct span text, uint64_t seed)
{
    uint64_t sums[SAMPLE_BLOCKS + 3] = {text.len};
    uint64_t state = seed;
    sums[1] = checksum(part_of(text, 0, ENDS_BYTES));
    sums[2] =
        checksum(part_of(text, text.len > ENDS_BYTES ? text.len - ENDS_BYTES : 0, ENDS_BYTES));
    for (unsigned i = 0; i < SAMPLE_BLOCKS && text.len > 0; i++) {
        uint64_t blocks = text.len / SAMPLE_BLOCK_BYTES + 1;
        uint64_t block = (uint64_t)((unsigned __int128)splitmix64(&state) * blocks >> 64);
        sums[i + 3] = checksum(part_of(text, block * SAMPLE_BLOCK_BYTES, SAMPLE_BLOCK_BYTES));
    }
    return checksum(span_of((const char *)sums, sizeof sums));
}

uint64_t identity_of_blocks(const uint64_t *sums, uint64_t count)
{
    return checksum(span_of((const char *)sums, count * sizeof *sums));
}

bool identity_content(struct span text, uint64_t *content, const struct identity_reading *reading)
{
    static const struct identity_reading alone = {NULL, NULL, NULL};
    const struct identity_reading *r = reading != NULL ? reading : &alone;
    uint64_t count = checksum_block_count(text.len, IDENTITY_BLOCK);
    uint64_t *sums = malloc(count * sizeof *sums + 1);
    bool whole = sums != NULL;
    for (uint64_t i = 0; whole && i < count; i += CONTENT_TURN) {
        struct span turn =
            checksum_block(text, (size_t)IDENTITY_BLOCK * CONTENT_TURN, i / CONTENT_TURN);
        whole = checksum_blocks(turn, IDENTITY_BLOCK, sums + i, r->cancel);
        if (whole && r->progress != NULL)
            r->progress(r->context, i * IDENTITY_BLOCK + turn.len, text.len);
    }
    if (whole && r->cancel != NULL)
        whole = !atomic_load(r->cancel);
    if (whole)
        *content = identity_of_blocks(sums, count);
    free(sums);
    return whole;
}
