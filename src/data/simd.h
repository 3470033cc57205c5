// The innermost work on bytes, each piece in two forms: `_scalar`, plain C for every machine, and
// `_sse2`, sixteen bytes at a time, for x86-64, which has SSE2 always. SIMD(name) is the form to
// call here; tests call both and compare.
//
// Nothing is decided at run time: what SSSE3 and AVX2 would save is less than the call through a
// pointer that choosing them needs (docs/mistakes.md). No form reads a byte it was not given.
// Functions whose names begin with sse2_ are parts of those forms.
#ifndef STELE_DATA_SIMD_H
#define STELE_DATA_SIMD_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "data/uuid.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#define SIMD(name) name##_sse2
#else
#define SIMD(name) name##_scalar
#endif

enum {
    NEWLINE_WINDOW = 64,    // bytes compared with one branch behind them
    SLOT_SEARCH_MAX = 60,   // slots in one search
    SLOT_SEARCH_STEP = 4,   // slots compared together
    SLOT_SEARCH_USUAL = 12, // slots always looked at: most leaves have no more
};

// ---- plain C ------------------------------------------------------------------------------------

#define EVERY_BYTE(b) (0x0101010101010101u * (uint64_t)(b))

// Which bytes are at least `low`, as their top bits. Every byte of `x` must be below 0x80.
static inline uint64_t bytes_at_least(uint64_t x, unsigned low)
{
    return (x + EVERY_BYTE(0x80 - low)) & EVERY_BYTE(0x80);
}

// Eight characters, the first in the lowest byte, to 32 bits. Sets bits in `*bad` unless all are
// hexadecimal digits.
static inline uint32_t eight_digits(uint64_t x, uint64_t *bad)
{
    uint64_t low7 = x & EVERY_BYTE(0x7f);
    uint64_t lower_case = low7 | EVERY_BYTE(0x20);
    uint64_t digit = bytes_at_least(low7, '0') & ~bytes_at_least(low7, '9' + 1);
    uint64_t letter = bytes_at_least(lower_case, 'a') & ~bytes_at_least(lower_case, 'f' + 1);
    *bad |= ((digit | letter) ^ EVERY_BYTE(0x80)) | (x & EVERY_BYTE(0x80));
    uint64_t nibbles = (low7 & EVERY_BYTE(0x0f)) + (letter >> 7) * 9;
    uint64_t pairs = ((nibbles << 4) | (nibbles >> 8)) & 0x00ff00ff00ff00ffu;
    pairs = (pairs | (pairs >> 8)) & 0x0000ffff0000ffffu;
    return __builtin_bswap32((uint32_t)(pairs | (pairs >> 16)));
}

static inline uint64_t load_8(const char *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return le64toh(x);
}

static inline uint64_t load_4_and_4(const char *first, const char *second)
{
    uint32_t a;
    uint32_t b;
    memcpy(&a, first, sizeof a);
    memcpy(&b, second, sizeof b);
    return (uint64_t)le32toh(a) | (uint64_t)le32toh(b) << 32;
}

// What uuid_parse promises.
static inline bool uuid_parse_scalar(const char *text, struct uuid *id)
{
    // 00000000-0000-0000-0000-000000000000
    // 0        9    14   19   24  28
    uint64_t bad = 0;
    uint32_t a = eight_digits(load_8(text), &bad);
    uint32_t b = eight_digits(load_4_and_4(text + 9, text + 14), &bad);
    uint32_t c = eight_digits(load_4_and_4(text + 19, text + 24), &bad);
    uint32_t d = eight_digits(load_8(text + 28), &bad);
    id->hi = (uint64_t)a << 32 | b;
    id->lo = (uint64_t)c << 32 | d;
    bool hyphens = ((text[8] ^ '-') | (text[13] ^ '-') | (text[18] ^ '-') | (text[23] ^ '-')) == 0;
    return bad == 0 && hyphens;
}

// True when the UUID_TEXT_LEN bytes at `text` are a text of `id`, whatever the case of its letters.
static inline bool uuid_matches_scalar(struct uuid id, const char *text)
{
    struct uuid found;
    return uuid_parse_scalar(text, &found) && uuid_equal(found, id);
}

// How many of the `len` bytes at `text` stand before the first newline: `len` when there is none.
static inline size_t newline_find_scalar(const char *text, size_t len)
{
    const char *newline = len > 0 ? memchr(text, '\n', len) : NULL;
    return newline != NULL ? (size_t)(newline - text) : len;
}

// The first of the slots [lo, hi), at most SLOT_SEARCH_MAX, whose bits from `offset_bits` on equal
// `fingerprint`, both cut to 32 bits: its number, or `hi` when there is none. `slots` are all slots
// of a trie image, with its padding, and slot `hi` - 1 is one of them.
static inline uint64_t slot_search_scalar(const unsigned char *slots, uint64_t lo, uint64_t hi,
                                          unsigned slot_bytes, unsigned offset_bits,
                                          uint64_t fingerprint)
{
    unsigned above = 64 - 8 * slot_bytes;
    for (; lo < hi; lo++) {
        uint64_t slot;
        memcpy(&slot, slots + lo * slot_bytes, sizeof slot);
        if ((uint32_t)(le64toh(slot) << above >> (above + offset_bits)) == (uint32_t)fingerprint)
            break;
    }
    return lo;
}

// ---- SSE2 ---------------------------------------------------------------------------------------

#if defined(__x86_64__)

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

static inline __m128i sse2_digits_of_hi(const char *text)
{
    return _mm_unpacklo_epi64(sse2_8(text),
                              _mm_unpacklo_epi32(sse2_4(text + 9), sse2_4(text + 14)));
}

static inline __m128i sse2_digits_of_lo(const char *text)
{
    return _mm_unpacklo_epi64(_mm_unpacklo_epi32(sse2_4(text + 19), sse2_4(text + 24)),
                              sse2_8(text + 28));
}

// Not 0 when a hyphen is missing: a number, to be joined with another before the one branch.
static inline int sse2_hyphens_missing(const char *text)
{
    // Of the bytes 8 to 23, the hyphens are every fifth.
    int equal = _mm_movemask_epi8(_mm_cmpeq_epi8(sse2_16(text + 8), _mm_set1_epi8('-')));
    return ~equal & 0x8421;
}

// Not 0 unless every byte of `mask` is set.
static inline int sse2_cleared(__m128i mask)
{
    return _mm_movemask_epi8(mask) ^ 0xffff;
}

// Digits to their values. Clears bytes of `*good` at whatever is no hexadecimal digit.
static inline __m128i sse2_nibbles(__m128i x, __m128i *good)
{
    __m128i from_0 = _mm_sub_epi8(x, _mm_set1_epi8('0'));
    __m128i from_a = _mm_sub_epi8(_mm_or_si128(x, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i digit = _mm_cmpeq_epi8(_mm_min_epu8(from_0, _mm_set1_epi8(9)), from_0);
    __m128i letter = _mm_cmpeq_epi8(_mm_min_epu8(from_a, _mm_set1_epi8(5)), from_a);
    *good = _mm_and_si128(*good, _mm_or_si128(digit, letter));
    return _mm_add_epi8(_mm_and_si128(x, _mm_set1_epi8(0x0f)),
                        _mm_and_si128(letter, _mm_set1_epi8(9)));
}

// Pairs of nibbles to bytes, each in 16 bits.
static inline __m128i sse2_pairs(__m128i nibbles)
{
    return _mm_and_si128(_mm_or_si128(_mm_slli_epi16(nibbles, 4), _mm_srli_epi16(nibbles, 8)),
                         _mm_set1_epi16(0xff));
}

static inline bool uuid_parse_sse2(const char *text, struct uuid *id)
{
    __m128i good = _mm_set1_epi8(-1);
    __m128i hi = sse2_pairs(sse2_nibbles(sse2_digits_of_hi(text), &good));
    __m128i lo = sse2_pairs(sse2_nibbles(sse2_digits_of_lo(text), &good));
    __m128i bytes = _mm_packus_epi16(hi, lo);
    id->hi = __builtin_bswap64((uint64_t)_mm_cvtsi128_si64(bytes));
    id->lo = __builtin_bswap64((uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(bytes, bytes)));
    return (sse2_cleared(good) | sse2_hyphens_missing(text)) == 0;
}

// Where the digits are not those of these nibbles in either case.
static inline __m128i sse2_differing(__m128i digits, __m128i nibbles)
{
    __m128i letter = _mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9));
    __m128i wanted = _mm_add_epi8(_mm_add_epi8(nibbles, _mm_set1_epi8('0')),
                                  _mm_and_si128(letter, _mm_set1_epi8('a' - '0' - 10)));
    // The bit of the case may differ in letters only: it would make CR a hyphen, DLE a zero.
    return _mm_andnot_si128(_mm_and_si128(letter, _mm_set1_epi8(0x20)),
                            _mm_xor_si128(digits, wanted));
}

// The key becomes text, not the text a key: that can be done before the text has come from memory.
static inline bool uuid_matches_sse2(struct uuid id, const char *text)
{
    __m128i bytes =
        _mm_set_epi64x((long long)__builtin_bswap64(id.lo), (long long)__builtin_bswap64(id.hi));
    __m128i first = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(0x0f));
    __m128i second = _mm_and_si128(bytes, _mm_set1_epi8(0x0f));
    __m128i hi = sse2_differing(sse2_digits_of_hi(text), _mm_unpacklo_epi8(first, second));
    __m128i lo = sse2_differing(sse2_digits_of_lo(text), _mm_unpackhi_epi8(first, second));
    __m128i same = _mm_cmpeq_epi8(_mm_or_si128(hi, lo), _mm_setzero_si128());
    return (sse2_cleared(same) | sse2_hyphens_missing(text)) == 0;
}

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

// For reading on and on. Values are short and of unlike lengths: comparing 64 bytes takes less time
// than mispredicting a branch at every 16. The end of a long one is found by memchr.
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

// Which of four slots have the fingerprint.
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

// As many steps for nearly every leaf, so that no branch depends on where the slot is: steps past
// the end look at the last four slots again, and these may begin before the leaf.
static inline uint64_t slot_search_sse2(const unsigned char *slots, uint64_t lo, uint64_t hi,
                                        unsigned slot_bytes, unsigned offset_bits,
                                        uint64_t fingerprint)
{
    if (hi < SLOT_SEARCH_STEP)
        return slot_search_scalar(slots, lo, hi, slot_bytes, offset_bits, fingerprint);
    __m128i left = _mm_cvtsi32_si128((int)(64 - 8 * slot_bytes));
    __m128i right = _mm_cvtsi32_si128((int)(64 - 8 * slot_bytes + offset_bits));
    __m128i wanted = _mm_set1_epi32((int)(uint32_t)fingerprint);
    uint64_t last = hi - SLOT_SEARCH_STEP;
    uint64_t found = 0; // bit i: the slot `lo` - SLOT_SEARCH_STEP + i
    for (uint64_t i = 0; i < SLOT_SEARCH_USUAL || lo + i < hi; i += SLOT_SEARCH_STEP) {
        uint64_t at = lo + i < last ? lo + i : last;
        found |= sse2_slots(slots + at * slot_bytes, slot_bytes, left, right, wanted)
                 << (at + SLOT_SEARCH_STEP - lo);
    }
    found >>= SLOT_SEARCH_STEP;
    return found != 0 ? lo + (uint64_t)__builtin_ctzll(found) : hi;
}

#endif

#endif
