// Reads, compares and writes UUIDs as 36 characters of text.
//
// The text has groups of 8, 4, 4, 4 and 12 hexadecimal digits, in upper or lower case, separated by
// hyphens. Every version and variant is accepted, including the nil and the max UUID. The canonical
// text is in lower case.
#ifndef STELE_DATA_UUID_TEXT_H
#define STELE_DATA_UUID_TEXT_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/simd.h"
#include "data/uuid.h"

enum { UUID_TEXT_LEN = 36 };

// Reads exactly UUID_TEXT_LEN bytes at `text` and sets `*id`. Returns false, with `*id`
// unspecified, when they are not a UUID.
bool uuid_parse(const char *text, struct uuid *id);

// Reads a UUID in one of the forms that programs write, in upper or lower case: the text above, the
// same without hyphens, in braces, or after `urn:uuid:`. Sets `*id`. Returns false, with `*id`
// unspecified, when `text` has none of these forms.
bool uuid_parse_any(struct span text, struct uuid *id);

// Writes the canonical text at `text`: UUID_TEXT_LEN bytes without a NUL.
void uuid_format(struct uuid id, char *text);

// The functions below are inlined in lookups. uuid_parse and uuid_matches have three forms
// each: plain C, SSE2 and NEON; base/simd.h chooses one of them.

// ---- plain C ------------------------------------------------------------------------------------

#define EVERY_BYTE(b) (0x0101010101010101u * (uint64_t)(b))

// Sets the top bit of each byte of the result when the same byte of `x` is at least `low`. Every
// byte of `x` must be below 0x80.
static inline uint64_t bytes_at_least(uint64_t x, unsigned low)
{
    return (x + EVERY_BYTE(0x80 - low)) & EVERY_BYTE(0x80);
}

// Converts eight hexadecimal digits, the first in the lowest byte of `x`, to 32 bits. Sets bits in
// `*bad` when one of them is no hexadecimal digit.
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

// Does the same as uuid_parse.
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

// Whether the UUID_TEXT_LEN bytes at `text` are the text of `id`, in upper or lower case.
static inline bool uuid_matches_scalar(struct uuid id, const char *text)
{
    struct uuid found;
    return uuid_parse_scalar(text, &found) && uuid_equal(found, id);
}

// ---- SSE2 ---------------------------------------------------------------------------------------

#if defined(__x86_64__)

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

// Returns 0 when all hyphens are there. The result is a number, so that callers can combine it with
// another one and branch only once.
static inline int sse2_hyphens_missing(const char *text)
{
    // The hyphens are bytes 8, 13, 18 and 23.
    int equal = _mm_movemask_epi8(_mm_cmpeq_epi8(sse2_16(text + 8), _mm_set1_epi8('-')));
    return ~equal & 0x8421;
}

// Returns 0 when every byte of `mask` is 0xff.
static inline int sse2_cleared(__m128i mask)
{
    return _mm_movemask_epi8(mask) ^ 0xffff;
}

// Returns the values of 16 hexadecimal digits. Clears the bytes of `*good` where `x` has no
// hexadecimal digit.
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

// Combines pairs of nibbles to bytes, each in 16 bits.
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

// Returns 0 in each byte where the digit is that of the nibble, in upper or lower case.
static inline __m128i sse2_differing(__m128i digits, __m128i nibbles)
{
    __m128i letter = _mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9));
    __m128i wanted = _mm_add_epi8(_mm_add_epi8(nibbles, _mm_set1_epi8('0')),
                                  _mm_and_si128(letter, _mm_set1_epi8('a' - '0' - 10)));
    // The bit of the case is ignored only for letters. Otherwise the byte 0x10 would count as '0'.
    return _mm_andnot_si128(_mm_and_si128(letter, _mm_set1_epi8(0x20)),
                            _mm_xor_si128(digits, wanted));
}

// Converts the key to text rather than the text to a key, because the processor can do that before
// the text arrives from memory.
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

#elif defined(__AARCH64EL__)

// ---- NEON ---------------------------------------------------------------------------------------

static inline uint8x16_t neon_digits_of_hi(const char *text)
{
    return vcombine_u8(vcreate_u8(load_8(text)), vcreate_u8(load_4_and_4(text + 9, text + 14)));
}

static inline uint8x16_t neon_digits_of_lo(const char *text)
{
    return vcombine_u8(vcreate_u8(load_4_and_4(text + 19, text + 24)),
                       vcreate_u8(load_8(text + 28)));
}

static inline int neon_hyphens_missing(const char *text)
{
    return (text[8] ^ '-') | (text[13] ^ '-') | (text[18] ^ '-') | (text[23] ^ '-');
}

// Does the same as sse2_nibbles.
static inline uint8x16_t neon_nibbles(uint8x16_t x, uint8x16_t *good)
{
    uint8x16_t from_0 = vsubq_u8(x, vdupq_n_u8('0'));
    uint8x16_t from_a = vsubq_u8(vorrq_u8(x, vdupq_n_u8(0x20)), vdupq_n_u8('a'));
    uint8x16_t letter = vcleq_u8(from_a, vdupq_n_u8(5));
    *good = vandq_u8(*good, vorrq_u8(vcleq_u8(from_0, vdupq_n_u8(9)), letter));
    return vaddq_u8(vandq_u8(x, vdupq_n_u8(0x0f)), vandq_u8(letter, vdupq_n_u8(9)));
}

static inline bool uuid_parse_neon(const char *text, struct uuid *id)
{
    uint8x16_t good = vdupq_n_u8(0xff);
    uint8x16_t hi = neon_nibbles(neon_digits_of_hi(text), &good);
    uint8x16_t lo = neon_nibbles(neon_digits_of_lo(text), &good);
    // The first nibble of each pair is the upper half of a byte.
    uint8x16_t bytes = vorrq_u8(vshlq_n_u8(vuzp1q_u8(hi, lo), 4), vuzp2q_u8(hi, lo));
    uint64x2_t halves = vreinterpretq_u64_u8(vrev64q_u8(bytes));
    id->hi = vgetq_lane_u64(halves, 0);
    id->lo = vgetq_lane_u64(halves, 1);
    return ((vminvq_u8(good) ^ 0xff) | neon_hyphens_missing(text)) == 0;
}

// Does the same as sse2_differing.
static inline uint8x16_t neon_differing(uint8x16_t digits, uint8x16_t nibbles)
{
    uint8x16_t letter = vcgtq_u8(nibbles, vdupq_n_u8(9));
    uint8x16_t wanted =
        vaddq_u8(vaddq_u8(nibbles, vdupq_n_u8('0')), vandq_u8(letter, vdupq_n_u8('a' - '0' - 10)));
    return vbicq_u8(veorq_u8(digits, wanted), vandq_u8(letter, vdupq_n_u8(0x20)));
}

// Converts the key to text, for the reason that uuid_matches_sse2 gives.
static inline bool uuid_matches_neon(struct uuid id, const char *text)
{
    uint64x2_t halves = vcombine_u64(vcreate_u64(id.hi), vcreate_u64(id.lo));
    uint8x16_t bytes = vrev64q_u8(vreinterpretq_u8_u64(halves));
    uint8x16_t first = vshrq_n_u8(bytes, 4);
    uint8x16_t second = vandq_u8(bytes, vdupq_n_u8(0x0f));
    uint8x16_t hi = neon_differing(neon_digits_of_hi(text), vzip1q_u8(first, second));
    uint8x16_t lo = neon_differing(neon_digits_of_lo(text), vzip2q_u8(first, second));
    return (vmaxvq_u8(vorrq_u8(hi, lo)) | neon_hyphens_missing(text)) == 0;
}

#endif

#endif
