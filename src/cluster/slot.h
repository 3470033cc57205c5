// Hash slots of Redis Cluster. A key belongs to one of 16384 slots: CRC-16/XMODEM of its bytes,
// modulo 16384. The Redis Cluster specification prescribes it, with the rule for hash tags.
#ifndef STELE_CLUSTER_SLOT_H
#define STELE_CLUSTER_SLOT_H

#include "base/bytes.h"
#include "data/uuid_text.h"

enum { SLOTS = 16384 };

// Returns the slot of a key. If text stands between the first '{' and the next '}', only that text
// decides, so that related keys can share a slot.
unsigned slot_of(struct span key);

// Returns the slot of the lower-case text of a UUID. It takes a fraction of the time of slot_of.
unsigned slot_of_uuid(struct uuid id);

// Returns slot_of(key). Sets `*home` to the slot that decides which part of the data has the key.
// That is the same slot, unless the key is a UUID with letters in upper case. Then it is the slot
// of its lower-case text, because files are divided by that. For a UUID in lower case this is much
// faster than slot_of.
unsigned slot_and_home(struct span key, unsigned *home);

// Returns whether the text of a UUID has letters in upper case.
static inline bool slot_is_upper(const char *text)
{
    // Only such a letter has the bit 0x40 without the bit 0x20.
    uint64_t upper = 0;
    for (size_t i = 0; i + 8 <= UUID_TEXT_LEN; i += 8) {
        uint64_t x = load_8(text + i);
        upper |= x & ~(x << 1);
    }
    uint64_t last = load_8(text + UUID_TEXT_LEN - 8);
    return ((upper | (last & ~(last << 1))) & EVERY_BYTE(0x40)) != 0;
}

// Returns CRC-16/XMODEM of `bytes`: polynomial 0x1021, initial value 0.
unsigned slot_crc16(struct span bytes);

#endif
