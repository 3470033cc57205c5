// Work on bytes that has two forms of each function. `name_scalar` is plain C for every machine.
// `name_sse2` handles sixteen bytes at a time on x86-64, which always has SSE2. SIMD(name) is the
// form to call; tests call both forms and compare the results.
//
// Nothing is decided at run time. SSSE3 and AVX2 would save less than the call through a pointer
// that such a choice needs (docs/mistakes.md). No form reads a byte that it was not given.
#ifndef STELE_BASE_SIMD_H
#define STELE_BASE_SIMD_H

#if defined(__x86_64__)

#include <emmintrin.h>
#include <string.h>

#define SIMD(name) name##_sse2

// The 16, 8 or 4 bytes at `at`, which need not be aligned. The bytes above them are 0.
static inline __m128i sse2_16(const void *at)
{
    return _mm_loadu_si128((const __m128i *)at);
}

static inline __m128i sse2_8(const void *at)
{
    return _mm_loadl_epi64((const __m128i *)at);
}

static inline __m128i sse2_4(const void *at)
{
    int x;
    memcpy(&x, at, sizeof x);
    return _mm_cvtsi32_si128(x);
}

#else
#define SIMD(name) name##_scalar
#endif

#endif
