// Finds a fingerprint in the slots of a leaf (data/trie_image.h). There are three forms:
// plain C, SSE2 and NEON; base/simd.h chooses one of them.
#ifndef STELE_DATA_SLOT_SEARCH_H
#define STELE_DATA_SLOT_SEARCH_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/simd.h"

enum {
    SLOT_SEARCH_STEP = 4, // slots that are compared together
    // Most slots in one search. slot_search_sse2 keeps one bit for each slot in a 64-bit word. It
    // may also compare up to SLOT_SEARCH_STEP slots before `lo`, which need bits too. A leaf has at
    // most 40 slots.
    SLOT_SEARCH_MAX = 64 - SLOT_SEARCH_STEP,
    // slot_search_sse2 always makes the steps for this many slots. Most leaves have no more.
    SLOT_SEARCH_USUAL = 12,
};

// Returns the number of the first slot in [lo, hi) that has the fingerprint; `hi` when none has it.
// The bits of the slot from `granule_bits` on are compared with `fingerprint`, both cut to 32 bits.
// `slots` are all slots of a trie image, followed by its padding. `hi` is at most their number, and
// [lo, hi) has at most SLOT_SEARCH_MAX slots.
static inline uint64_t slot_search_scalar(const unsigned char *slots, uint64_t lo, uint64_t hi,
                                          unsigned slot_bytes, unsigned granule_bits,
                                          uint64_t fingerprint)
{
    unsigned above = 64 - 8 * slot_bytes;
    for (; lo < hi; lo++) {
        uint64_t slot;
        memcpy(&slot, slots + lo * slot_bytes, sizeof slot);
        if ((uint32_t)(le64toh(slot) << above >> (above + granule_bits)) == (uint32_t)fingerprint)
            break;
    }
    return lo;
}

#if defined(__x86_64__)

// Returns one bit for each of four slots: 1 when the slot has the fingerprint.
static inline uint64_t sse2_slots(const unsigned char *slots, size_t slot_bytes, __m128i left,
                                  __m128i right, __m128i wanted)
{
    __m128i a = _mm_unpacklo_epi64(sse2_8(slots), sse2_8(slots + slot_bytes));
    __m128i b = _mm_unpacklo_epi64(sse2_8(slots + 2 * slot_bytes), sse2_8(slots + 3 * slot_bytes));
    a = _mm_srl_epi64(_mm_sll_epi64(a, left), right);
    b = _mm_srl_epi64(_mm_sll_epi64(b, left), right);
    __m128i low_halves = _mm_castps_si128(
        _mm_shuffle_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(b), _MM_SHUFFLE(2, 0, 2, 0)));
    return (uint64_t)(unsigned)_mm_movemask_ps(
        _mm_castsi128_ps(_mm_cmpeq_epi32(low_halves, wanted)));
}

// Makes the same number of steps for nearly every leaf, so that no branch depends on the position
// of the slot. A step that would go beyond `hi` compares the four slots that end at `hi` instead.
// If [lo, hi) has fewer than four slots, some of those are before `lo`; their results are dropped.
static inline uint64_t slot_search_sse2(const unsigned char *slots, uint64_t lo, uint64_t hi,
                                        unsigned slot_bytes, unsigned granule_bits,
                                        uint64_t fingerprint)
{
    if (hi < SLOT_SEARCH_STEP)
        return slot_search_scalar(slots, lo, hi, slot_bytes, granule_bits, fingerprint);
    __m128i left = _mm_cvtsi32_si128((int)(64 - 8 * slot_bytes));
    __m128i right = _mm_cvtsi32_si128((int)(64 - 8 * slot_bytes + granule_bits));
    __m128i wanted = _mm_set1_epi32((int)(uint32_t)fingerprint);
    uint64_t last = hi - SLOT_SEARCH_STEP;
    // Bit i is 1 when slot number `lo` - SLOT_SEARCH_STEP + i has the fingerprint. So the lowest
    // SLOT_SEARCH_STEP bits are for slots before `lo`.
    uint64_t found = 0;
    for (uint64_t i = 0; i < SLOT_SEARCH_USUAL || lo + i < hi; i += SLOT_SEARCH_STEP) {
        uint64_t at = lo + i < last ? lo + i : last;
        found |= sse2_slots(slots + at * slot_bytes, slot_bytes, left, right, wanted)
                 << (at + SLOT_SEARCH_STEP - lo);
    }
    found >>= SLOT_SEARCH_STEP;
    return found != 0 ? lo + (uint64_t)__builtin_ctzll(found) : hi;
}

#elif defined(__AARCH64EL__)

// Returns the bits of two slots from `granule_bits` on, in 64 bits each. A negative count shifts to
// the right.
static inline uint32x4_t neon_two_slots(const unsigned char *slots, size_t slot_bytes,
                                        int64x2_t left, int64x2_t right)
{
    uint64x2_t two = vreinterpretq_u64_u8(vcombine_u8(vld1_u8(slots), vld1_u8(slots + slot_bytes)));
    return vreinterpretq_u32_u64(vshlq_u64(vshlq_u64(two, left), right));
}

// Works as slot_search_sse2.
static inline uint64_t slot_search_neon(const unsigned char *slots, uint64_t lo, uint64_t hi,
                                        unsigned slot_bytes, unsigned granule_bits,
                                        uint64_t fingerprint)
{
    if (hi < SLOT_SEARCH_STEP)
        return slot_search_scalar(slots, lo, hi, slot_bytes, granule_bits, fingerprint);
    static const uint32_t numbered[SLOT_SEARCH_STEP] = {1, 2, 4, 8};
    uint32x4_t bits = vld1q_u32(numbered);
    uint32x4_t wanted = vdupq_n_u32((uint32_t)fingerprint);
    int64x2_t left = vdupq_n_s64(64 - 8 * (int64_t)slot_bytes);
    int64x2_t right = vdupq_n_s64(8 * (int64_t)slot_bytes - 64 - (int64_t)granule_bits);
    uint64_t last = hi - SLOT_SEARCH_STEP;
    uint64_t found = 0;
    for (uint64_t i = 0; i < SLOT_SEARCH_USUAL || lo + i < hi; i += SLOT_SEARCH_STEP) {
        uint64_t at = lo + i < last ? lo + i : last;
        const unsigned char *first = slots + at * slot_bytes;
        uint32x4_t low_halves =
            vuzp1q_u32(neon_two_slots(first, slot_bytes, left, right),
                       neon_two_slots(first + 2 * slot_bytes, slot_bytes, left, right));
        uint64_t four = vaddvq_u32(vandq_u32(vceqq_u32(low_halves, wanted), bits));
        found |= four << (at + SLOT_SEARCH_STEP - lo);
    }
    found >>= SLOT_SEARCH_STEP;
    return found != 0 ? lo + (uint64_t)__builtin_ctzll(found) : hi;
}

#endif

#endif
