// Finds the end of a line, and counts lines. Each function has a form in plain C, one for SSE2
// and one for NEON; base/simd.h chooses one of them.
#ifndef STELE_DATA_NEWLINE_H
#define STELE_DATA_NEWLINE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/simd.h"

enum { NEWLINE_WINDOW = 64 }; // bytes that the SSE2 and NEON forms compare at a time

// Returns the number of bytes before the first newline in the `len` bytes at `text`; `len` when
// there is none.
static inline size_t newline_find_scalar(const char *text, size_t len)
{
    const char *newline = len > 0 ? memchr(text, '\n', len) : NULL;
    return newline != NULL ? (size_t)(newline - text) : len;
}

// Returns the number of newlines in the `len` bytes at `text`.
static inline size_t newline_count_scalar(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += text[i] == '\n';
    return count;
}

#if defined(__x86_64__)

static inline uint64_t sse2_newlines_16(const char *text)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(
        _mm_cmpeq_epi8(sse2_16(text), _mm_set1_epi8('\n')));
}

static inline uint64_t sse2_newlines(const char *text)
{
    return sse2_newlines_16(text) | sse2_newlines_16(text + 16) << 16 |
           sse2_newlines_16(text + 32) << 32 | sse2_newlines_16(text + 48) << 48;
}

// The form for reading line after line. Values are short and differ in length, so a branch after
// each 16 bytes would often be mispredicted. Comparing 64 bytes at once is faster. memchr finds the
// end of a long value.
static inline size_t newline_find_sse2(const char *text, size_t len)
{
    size_t done = 0;
    for (; done < 2 * NEWLINE_WINDOW && len - done >= NEWLINE_WINDOW; done += NEWLINE_WINDOW) {
        uint64_t newlines = sse2_newlines(text + done);
        if (newlines != 0)
            return done + (size_t)__builtin_ctzll(newlines);
    }
    return done + newline_find_scalar(text + done, len - done);
}

static inline size_t newline_count_sse2(const char *text, size_t len)
{
    size_t count = 0;
    size_t done = 0;
    for (; len - done >= NEWLINE_WINDOW; done += NEWLINE_WINDOW)
        count += (size_t)__builtin_popcountll(sse2_newlines(text + done));
    return count + newline_count_scalar(text + done, len - done);
}

#elif defined(__AARCH64EL__)

static inline uint8x16_t neon_newlines_16(const char *text)
{
    return vceqq_u8(neon_16(text), vdupq_n_u8('\n'));
}

static inline uint64_t neon_newlines(const char *text)
{
    uint8x16_t a =
        vpaddq_u8(neon_bits(neon_newlines_16(text)), neon_bits(neon_newlines_16(text + 16)));
    uint8x16_t b =
        vpaddq_u8(neon_bits(neon_newlines_16(text + 32)), neon_bits(neon_newlines_16(text + 48)));
    uint8x16_t bits = vpaddq_u8(a, b);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(bits, bits)), 0);
}

// Works as newline_find_sse2.
static inline size_t newline_find_neon(const char *text, size_t len)
{
    size_t done = 0;
    for (; done < 2 * NEWLINE_WINDOW && len - done >= NEWLINE_WINDOW; done += NEWLINE_WINDOW) {
        uint64_t newlines = neon_newlines(text + done);
        if (newlines != 0)
            return done + (size_t)__builtin_ctzll(newlines);
    }
    return done + newline_find_scalar(text + done, len - done);
}

static inline size_t newline_count_neon(const char *text, size_t len)
{
    size_t count = 0;
    size_t done = 0;
    for (; len - done >= NEWLINE_WINDOW; done += NEWLINE_WINDOW) {
        const char *at = text + done;
        // A byte of a mask is 0 or -1, so the sum of the masks is the negative count.
        uint8x16_t a = vaddq_u8(neon_newlines_16(at), neon_newlines_16(at + 16));
        uint8x16_t b = vaddq_u8(neon_newlines_16(at + 32), neon_newlines_16(at + 48));
        count += (uint8_t)-vaddvq_u8(vaddq_u8(a, b));
    }
    return count + newline_count_scalar(text + done, len - done);
}

#endif

#endif
