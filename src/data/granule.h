// Finds the line that begins in a granule of GRANULE bytes. The slots of a large index store
// numbers of granules instead of offsets of lines, which saves bits (data/trie.h). Granule number n
// begins at byte n × GRANULE of the data file.
//
// A record has at least LINE_MIN bytes without a newline (data/lines.h), which is more than a
// granule has. So at most one record begins in a granule, and the granule has no newline after the
// beginning of the record. The record begins after the last newline of the granule, not counting a
// newline in the last byte, because a line after that begins in the next granule. Without such a
// newline, the record begins at the first byte of the granule. So other granules need not be read
// to find the place. Only if it is the first byte, the byte before the granule tells whether a line
// begins there.
//
// There are three forms: plain C, SSE2 and NEON; base/simd.h chooses one of them.
#ifndef STELE_DATA_GRANULE_H
#define STELE_DATA_GRANULE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/simd.h"
#include "data/lines.h"

enum {
    GRANULE_SHIFT = 5,
    GRANULE = 1 << GRANULE_SHIFT, // bytes
};

_Static_assert((int)LINE_MIN > (int)GRANULE, "at most one record begins in a granule");

// Returns the only position in the GRANULE bytes at `text` where a record may begin.
static inline size_t granule_start_scalar(const char *text)
{
    const char *newline = memrchr(text, '\n', GRANULE - 1);
    return newline != NULL ? (size_t)(newline - text) + 1 : 0;
}

#if defined(__x86_64__)

static inline size_t granule_start_sse2(const char *text)
{
    __m128i newline = _mm_set1_epi8('\n');
    uint32_t low = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(sse2_16(text), newline));
    uint32_t high = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(sse2_16(text + 16), newline));
    // Bit i is 1 when a line may begin at position i: after a newline, or at position 0.
    uint32_t starts = (high << 16 | low) << 1 | 1;
    return 31 - (size_t)__builtin_clz(starts);
}

#elif defined(__AARCH64EL__)

static inline size_t granule_start_neon(const char *text)
{
    uint8x16_t newline = vdupq_n_u8('\n');
    uint8x16_t bits = vpaddq_u8(neon_bits(vceqq_u8(neon_16(text), newline)),
                                neon_bits(vceqq_u8(neon_16(text + 16), newline)));
    bits = vpaddq_u8(bits, bits);
    bits = vpaddq_u8(bits, bits);
    uint32_t starts = vgetq_lane_u32(vreinterpretq_u32_u8(bits), 0) << 1 | 1;
    return 31 - (size_t)__builtin_clz(starts);
}

#endif

#endif
