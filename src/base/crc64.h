// The checksum of RDB files and of DUMP: CRC-64 with the polynomial of Jones, reflected, beginning
// with 0 and without a final inversion.
#ifndef STELE_BASE_CRC64_H
#define STELE_BASE_CRC64_H

#include <stdint.h>

#include "base/bytes.h"

// Returns the checksum of the bytes that have the checksum `crc`, followed by `bytes`. The checksum
// of no bytes is 0. Any thread may call this.
uint64_t crc64(uint64_t crc, struct span bytes);

#endif
