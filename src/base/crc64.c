// Processes eight bytes at a time with eight tables ("slicing by 8", Kounavis & Berry 2005). The
// table number k has the effect of a byte that k other bytes follow.
#include "base/crc64.h"

#include <endian.h>
#include <pthread.h>

#define POLYNOMIAL 0x95ac9329ac4bc9b5u // 0xad93d23594c935a9 with its bits in reverse order

enum { SLICES = 8, BYTE_VALUES = 256 };

static uint64_t tables[SLICES][BYTE_VALUES];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void fill_tables(void)
{
    for (unsigned byte = 0; byte < BYTE_VALUES; byte++) {
        uint64_t crc = byte;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
        tables[0][byte] = crc;
    }
    for (unsigned k = 1; k < SLICES; k++)
        for (unsigned byte = 0; byte < BYTE_VALUES; byte++) {
            uint64_t before = tables[k - 1][byte];
            tables[k][byte] = before >> 8 ^ tables[0][before & 0xff];
        }
}

uint64_t crc64(uint64_t crc, struct span bytes)
{
    const char *at = bytes.ptr;
    size_t len = bytes.len;
    pthread_once(&tables_once, fill_tables);
    for (; len >= SLICES; len -= SLICES, at += SLICES) {
        uint64_t next;
        memcpy(&next, at, sizeof next);
        crc ^= le64toh(next);
        crc = tables[7][crc & 0xff] ^ tables[6][crc >> 8 & 0xff] ^ tables[5][crc >> 16 & 0xff] ^
              tables[4][crc >> 24 & 0xff] ^ tables[3][crc >> 32 & 0xff] ^
              tables[2][crc >> 40 & 0xff] ^ tables[1][crc >> 48 & 0xff] ^ tables[0][crc >> 56];
    }
    for (; len > 0; len--, at++)
        crc = tables[0][(crc ^ (unsigned char)*at) & 0xff] ^ crc >> 8;
    return crc;
}
