// MD5 as RFC 1321 describes it. The texts are short, so nothing here is optimised.
#include "cluster/md5.h"

enum {
    BLOCK = 64,     // bytes that are digested at a time
    LENGTH_AT = 56, // offset of the text's length in the last block
    STEPS = 64,
};

// The integer part of 2^32 times the absolute value of the sine of 1, 2, 3, … radians.
static const uint32_t sines[STEPS] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static const unsigned char rotations[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t rotate(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

static void digest_block(uint32_t state[4], const unsigned char *block)
{
    uint32_t a = state[0];
    uint32_t b = state[1];
    uint32_t c = state[2];
    uint32_t d = state[3];
    for (unsigned i = 0; i < STEPS; i++) {
        uint32_t mixed;
        unsigned word;
        if (i < 16) {
            mixed = (b & c) | (~b & d);
            word = i;
        } else if (i < 32) {
            mixed = (d & b) | (~d & c);
            word = 5 * i + 1;
        } else if (i < 48) {
            mixed = b ^ c ^ d;
            word = 3 * i + 5;
        } else {
            mixed = c ^ (b | ~d);
            word = 7 * i;
        }
        uint32_t sum = a + mixed + sines[i] + md5_word(block + word % 16 * 4);
        a = d;
        d = c;
        c = b;
        b += rotate(sum, rotations[i / 16][i % 4]);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

static void put_word(uint32_t word, unsigned char *to)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (unsigned char)(word >> (8 * i));
}

void md5(struct span bytes, unsigned char *digest)
{
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    unsigned char last[2 * BLOCK] = {0};
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    uint64_t bits = (uint64_t)bytes.len * 8;
    size_t left = bytes.len;
    for (; left >= BLOCK; at += BLOCK, left -= BLOCK)
        digest_block(state, at);

    // A bit that is set, zeros and the length in bits follow the text.
    size_t end = left < LENGTH_AT ? BLOCK : sizeof last;
    if (left > 0)
        memcpy(last, at, left);
    last[left] = 0x80;
    put_word((uint32_t)bits, last + end - 8);
    put_word((uint32_t)(bits >> 32), last + end - 4);
    for (size_t i = 0; i < end; i += BLOCK)
        digest_block(state, last + i);
    for (unsigned i = 0; i < 4; i++)
        put_word(state[i], digest + i * 4);
}
