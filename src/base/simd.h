// Functions on bytes that have several implementations, called forms. `name_scalar` is plain C for
// every machine. `name_sse2` handles 16 bytes at a time on x86-64, where every processor has SSE2.
// `name_neon` does so on aarch64 (little-endian), where every processor that runs Linux has NEON.
// Callers use SIMD(name), which is the best form for the machine. Tests call it and the plain form,
// and compare the results.
//
// The compiler chooses the form. Newer instructions (SSSE3, AVX2) would need a choice at run time,
// and the call through a pointer costs more than they save (docs/mistakes.md). No form reads bytes
// outside the memory that it was given.
#ifndef STELE_BASE_SIMD_H
#define STELE_BASE_SIMD_H

#if defined(__x86_64__)

#include <emmintrin.h>
#include <string.h>

#define SIMD(name) name##_sse2

// These load 16, 8 or 4 bytes from `at`, which need not be aligned. The other bytes of the
// result are 0.
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

#elif defined(__AARCH64EL__)

#include <arm_neon.h>

#define SIMD(name) name##_neon

// Loads 16 bytes from `at`, which need not be aligned.
static inline uint8x16_t neon_16(const char *at)
{
    return vld1q_u8((const unsigned char *)at);
}

// Keeps one bit of each byte of `mask`, whose bytes are 0 or 0xff: bit i % 8 of byte i. Adding
// neighbours until one byte is left of each eight then makes the bits a number.
static inline uint8x16_t neon_bits(uint8x16_t mask)
{
    return vandq_u8(mask, vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u)));
}

#else
#define SIMD(name) name##_scalar
#endif

#endif
