// A CRC that is computed byte by byte waits for a table at each byte, 60 ns for a UUID. So eight
// bytes are looked up at once, each in a table of its own ("slicing by 8", Kounavis and Berry,
// 2005). The CRC of a UUID is computed from its 128 bits: the CRC of a text is the sum (XOR) of
// what each of its characters contributes, so one lookup for two digits suffices, and none waits
// for another.
#include "cluster/slot.h"

#include <stdint.h>

enum { SLICES = 8, POLYNOMIAL = 0x1021 };

// table[k][b] is the CRC of the byte `b` followed by `k` zero bytes.
static uint16_t table[SLICES][256];

enum { BYTES = 16, DIGITS = 2 * BYTES }; // of a UUID

// pairs[i][b] is what the two digits of the byte `b` contribute at place `i` of a UUID. The first
// place includes the hyphens.
static uint16_t pairs[BYTES][256];

// Returns the CRC of `byte` followed by `zeros` zero bytes.
static uint16_t contribution(unsigned char byte, unsigned zeros)
{
    unsigned crc = table[0][byte];
    while (zeros-- > 0)
        crc = (crc << 8 ^ table[0][crc >> 8]) & 0xffff;
    return (uint16_t)crc;
}

static void fill_pairs(void)
{
    uint16_t digits[DIGITS][16] = {0}; // the same for one digit
    unsigned place = 0;
    for (unsigned at = 0; at < UUID_TEXT_LEN; at++) {
        unsigned zeros = UUID_TEXT_LEN - 1 - at;
        bool hyphen = at == 8 || at == 13 || at == 18 || at == 23;
        for (unsigned digit = 0; digit < 16; digit++) {
            if (hyphen)
                digits[0][digit] ^= contribution('-', zeros);
            else
                digits[place][digit] ^=
                    contribution((unsigned char)"0123456789abcdef"[digit], zeros);
        }
        place += !hyphen;
    }
    for (unsigned i = 0; i < BYTES; i++)
        for (unsigned byte = 0; byte < 256; byte++)
            pairs[i][byte] = digits[2 * i][byte >> 4] ^ digits[2 * i + 1][byte & 15];
}

// Runs before main, so the table is complete before the first use, in any thread.
__attribute__((constructor)) static void fill_table(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned crc = byte << 8;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc << 1 ^ ((crc & 0x8000) != 0 ? POLYNOMIAL : 0);
        table[0][byte] = crc & 0xffff;
    }
    for (unsigned k = 1; k < SLICES; k++)
        for (unsigned byte = 0; byte < 256; byte++) {
            unsigned crc = table[k - 1][byte];
            table[k][byte] = (crc << 8 ^ table[0][crc >> 8]) & 0xffff;
        }
    fill_pairs();
}

unsigned slot_crc16(struct span bytes)
{
    unsigned crc = 0;
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    size_t left = bytes.len;
    for (; left >= SLICES; at += SLICES, left -= SLICES)
        crc = table[7][at[0] ^ crc >> 8] ^ table[6][at[1] ^ (crc & 0xff)] ^ table[5][at[2]] ^
              table[4][at[3]] ^ table[3][at[4]] ^ table[2][at[5]] ^ table[1][at[6]] ^
              table[0][at[7]];
    for (; left > 0; at++, left--)
        crc = (crc << 8 ^ table[0][*at ^ crc >> 8]) & 0xffff;
    return crc;
}

unsigned slot_of(struct span key)
{
    const char *open = key.len > 0 ? memchr(key.ptr, '{', key.len) : NULL;
    if (open != NULL) {
        size_t rest = key.len - (size_t)(open + 1 - key.ptr);
        const char *close = rest > 0 ? memchr(open + 1, '}', rest) : NULL;
        if (close != NULL && close > open + 1)
            key = span_of(open + 1, (size_t)(close - open - 1));
    }
    return slot_crc16(key) % SLOTS;
}

unsigned slot_of_uuid(struct uuid id)
{
    unsigned crc = 0;
    for (unsigned i = 0; i < BYTES / 2; i++)
        crc ^= pairs[i][id.hi >> (56 - 8 * i) & 255] ^
               pairs[BYTES / 2 + i][id.lo >> (56 - 8 * i) & 255];
    return crc % SLOTS;
}

unsigned slot_and_home(struct span key, unsigned *home)
{
    struct uuid id;
    if (key.len != UUID_TEXT_LEN || !uuid_parse(key.ptr, &id))
        return *home = slot_of(key);
    *home = slot_of_uuid(id);
    return slot_is_upper(key.ptr) ? slot_of(key) : *home;
}
