// Tests of cluster/slot.h, with slots that a real Redis Cluster computes (the tests of redis-compat
// compare more of them with a redis-server).
#include "cluster/slot.h"

#include "base/random.h"
#include "support/tap.h"

static const struct {
    const char *key;
    unsigned slot;
} slots[] = {
    {"", 0},
    {"123456789", 12739},
    {"foo", 12182},
    {"{user1000}.following", 3443},
    {"{user1000}.followers", 3443},
    {"foo{}{bar}", 8363},
    {"foo{{bar}}zap", 4015},
    {"foo{bar}{zap}", 5061},
    {"3479d894-3271-4935-88cf-a06f3cbb80a5", 14142},
    {"f8a24bb8-eff8-41dc-929b-10b4c3e49e05", 5365},
    {"00000000-0000-4000-8000-000000000000", 2261},
    {"ffffffff-ffff-4fff-bfff-ffffffffffff", 6291},
    {"3479D894-3271-4935-88CF-A06F3CBB80A5", 12990},
    {"F8A24BB8-EFF8-41DC-929B-10B4C3E49E05", 4533},
    {"FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF", 3914},
};

// The definition: bit by bit.
static unsigned crc_by_bits(struct span bytes)
{
    unsigned crc = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned)(unsigned char)bytes.ptr[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (crc << 1 ^ ((crc & 0x8000) != 0 ? 0x1021 : 0)) & 0xffff;
    }
    return crc;
}

static unsigned home(const char *text)
{
    struct span key = span_text(text);
    unsigned home;
    require(slot_and_home(key, &home) == slot_of(key), "another slot of %s", text);
    return home;
}

int main(void)
{
    char bytes[100];
    uint64_t random = 3;
    unsigned wrong = 0;
    for (unsigned i = 0; i < sizeof slots / sizeof *slots; i++)
        is_number(slot_of(span_text(slots[i].key)), slots[i].slot, "slot of '%s'", slots[i].key);
    for (size_t len = 0; len <= sizeof bytes; len++)
        for (unsigned i = 0; i < 20; i++) {
            for (size_t at = 0; at < len; at++)
                bytes[at] = (char)splitmix64(&random);
            wrong += slot_crc16(span_of(bytes, len)) != crc_by_bits(span_of(bytes, len));
        }
    is_number(wrong, 0, "CRC-16 of random bytes of all lengths up to 100");

    wrong = 0;
    for (unsigned i = 0; i < 10000; i++) {
        struct uuid id = {splitmix64(&random), splitmix64(&random)};
        char text[UUID_TEXT_LEN];
        uuid_format(id, text);
        wrong += slot_of_uuid(id) != slot_of(span_of(text, sizeof text)) || slot_is_upper(text);
        unsigned letter = (unsigned)(splitmix64(&random) % sizeof text);
        bool is_letter = text[letter] >= 'a';
        text[letter] = (char)(is_letter ? text[letter] - 32 : text[letter]);
        wrong += slot_is_upper(text) != is_letter;
    }
    is_number(wrong, 0, "slots of random UUIDs, and letters in upper case");

    is_number(home("3479d894-3271-4935-88cf-a06f3cbb80a5"), 14142, "home of a UUID");
    is_number(home("3479D894-3271-4935-88CF-A06F3CBB80A5"), 14142, "of one in upper case");
    is_number(home("3479d894-3271-4935-88cf-A06f3cbb80a5"), 14142, "of one with one such letter");
    is_number(home("3479D894-3271-4935-88CF-A06F3CBB80AG"),
              slot_of(span_text("3479D894-3271-4935-88CF-A06F3CBB80AG")), "of 36 other bytes");
    is_number(home("{FOO}"), slot_of(span_text("FOO")), "of a shorter key");
    return done_testing();
}
