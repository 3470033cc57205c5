// Tests of cluster/partition.h and cluster/partition_hash.h. The hashes of the keys were computed
// by other programs: twemproxy's own functions, Python's hashlib and zlib.
// redis-compat/tools/twemproxy compares the parts with a real twemproxy.
#include "cluster/partition.h"

#include <stdio.h>

#include "base/error.h"
#include "base/random.h"
#include "data/uuid_text.h"
#include "support/tap.h"

enum { KEYS = 4 };

static const struct {
    const char *key;
    uint32_t hashes[PARTITION_HASHES];
    unsigned slot;
    unsigned ketama; // server of shard1, shard2, shard3, with the hash fnv1a_64
    unsigned modula;
} keys[KEYS] = {
    {"3479d894-3271-4935-88cf-a06f3cbb80a5",
     {0xf55f147d, 0xacee63f5, 0xe45a4f5d, 0x29083ad5, 0xa5c4373e, 0x1cbc, 0x9cbc9573, 0x89870bfd,
      0x80b3a0fc},
     14142,
     1,
     2},
    {"f8a24bb8-eff8-41dc-929b-10b4c3e49e05",
     {0xa973a2d0, 0xd40c7cfe, 0xdf13ee30, 0x7cf2ea3e, 0xf26554f5, 0x4d42, 0xcd427b49, 0xe1b4841e,
      0xeb8d5729},
     5365,
     1,
     0},
    {"00000000-0000-4000-8000-000000000000",
     {0x7c28d855, 0x84a9b5bd, 0xd0703f35, 0x2a5c2c1d, 0x6342c8d5, 0x3be0, 0x3be00617, 0xf936906e,
      0xe34550e1},
     2261,
     0,
     0},
    {"ffffffff-ffff-4fff-bfff-ffffffffffff",
     {0xc9267d2b, 0xa6f86dc3, 0x13ec198b, 0xc5d5c2e3, 0x9f9a1893, 0x6c68, 0x6c686746, 0x00c7ea51,
      0x5c0b52b6},
     6291,
     0,
     2},
};

static const struct partition_server shards[] = {{"shard1", 1}, {"shard2", 1}, {"shard3", 1}};

static struct partition *by_servers(enum partition_distribution distribution,
                                    const struct partition_server *servers, unsigned count)
{
    struct error error = {""};
    struct partition *p =
        partition_by_servers(PARTITION_FNV1A_64, distribution, servers, count, &error);
    require(p != NULL, "%s", error.text);
    return p;
}

static void hashes(void)
{
    enum partition_hash hash;
    for (unsigned i = 0; i < KEYS; i++)
        for (unsigned h = 0; h < PARTITION_HASHES; h++)
            is_number(partition_hash((enum partition_hash)h, span_text(keys[i].key)),
                      keys[i].hashes[h], "%s of %s", partition_hash_name((enum partition_hash)h),
                      keys[i].key);
    // Texts whose length is not a multiple of 4.
    is_number(partition_hash(PARTITION_MURMUR, span_text("a")), 0x4b41757c, "murmur of 1 byte");
    is_number(partition_hash(PARTITION_MURMUR, span_text("abcdefg")), 0xeba746f2,
              "murmur of 7 bytes");
    for (unsigned h = 0; h < PARTITION_HASHES; h++)
        ok(partition_hash_find(span_text(partition_hash_name((enum partition_hash)h)), &hash) &&
               hash == h,
           "the name %s is found", partition_hash_name((enum partition_hash)h));
    ok(!partition_hash_find(span_text("crc"), &hash), "the name crc is unknown");
}

// Asks for the part of random keys in lower, upper and mixed case.
static void spellings(const struct partition *p, const char *name)
{
    unsigned wrong = 0;
    unsigned seen = 0;
    uint64_t random = 7;
    for (unsigned i = 0; i < 1000; i++) {
        char text[UUID_TEXT_LEN];
        struct uuid id = {splitmix64(&random), splitmix64(&random)};
        uuid_format(id, text);
        unsigned part = partition_of(p, text);
        seen |= 1u << part % 32;
        wrong += part >= partition_count(p);
        for (unsigned k = 0; k < 3; k++) {
            uint64_t upper = k == 0 ? UINT64_MAX : splitmix64(&random);
            for (unsigned at = 0; at < UUID_TEXT_LEN; at++)
                if (upper >> at & 1)
                    text[at] = ascii_upper(text[at]);
            wrong += partition_of(p, text) != part;
        }
    }
    is_number(wrong, 0, "%s: all spellings of a key are in one part", name);
    ok(partition_count(p) == 1 || (seen & (seen - 1)) != 0, "%s: there are several parts", name);
}

static void slots(void)
{
    static const struct topology_range three[] = {{0, 5460}, {5461, 10922}, {10923, 16383}};
    struct error error = {""};
    struct topology_range range;
    struct partition *p = partition_by_ranges(3, &error);
    require(p != NULL, "%s", error.text);
    for (unsigned part = 0; part < 3; part++)
        ok(partition_next_range(p, part, 0, &range) && range.first == three[part].first &&
               range.last == three[part].last &&
               !partition_next_range(p, part, range.last + 1, &range),
           "three equal ranges: part %u", part);
    for (unsigned i = 0; i < KEYS; i++)
        is_number(partition_of(p, keys[i].key),
                  keys[i].slot < 5461    ? 0
                  : keys[i].slot < 10923 ? 1
                                         : 2,
                  "part of %s", keys[i].key);
    spellings(p, "slots");
    partition_free(p);

    // The ranges that redis-cli 7.0 makes, as far as they are not obvious.
    p = partition_by_ranges(7, &error);
    require(p != NULL, "%s", error.text);
    unsigned lasts[] = {2340, 4680, 7021, 9361, 11702, 14042, 16383};
    for (unsigned part = 0; part < 7; part++)
        ok(partition_next_range(p, part, 0, &range) && range.last == lasts[part],
           "seven equal ranges: part %u", part);
    partition_free(p);
    p = partition_by_ranges(PARTITION_PARTS_MAX, &error);
    unsigned good = 0;
    for (unsigned part = 0; p != NULL && part < PARTITION_PARTS_MAX; part++)
        good += partition_next_range(p, part, 0, &range);
    is_number(good, PARTITION_PARTS_MAX, "each of 1000 ranges has slots");
    partition_free(p);
    ok(partition_by_ranges(0, &error) == NULL, "no ranges at all: %s", error.text);
    ok(partition_by_ranges(PARTITION_PARTS_MAX + 1, &error) == NULL, "more: %s", error.text);
}

static void topologies(void)
{
    static const char text[] =
        "epoch 1\nshard 0-99 200-16383\nnode a a:1\nshard 100-199\nnode b b:1\n";
    struct error error = {""};
    struct topology_range range;
    struct topology *t = topology_parse(span_text(text), "text", &error);
    require(t != NULL, "%s", error.text);
    struct partition *p = partition_by_topology(t, &error);
    require(p != NULL, "%s", error.text);
    is_number(partition_count(p), 2, "as many parts as shards");
    ok(partition_next_range(p, 0, 0, &range) && range.first == 0 && range.last == 99,
       "the first range");
    ok(partition_next_range(p, 0, 100, &range) && range.first == 200 && range.last == 16383,
       "the second range");
    ok(!partition_next_range(p, 0, 16384, &range), "no third range");
    is_number(partition_of(p, keys[0].key), 0, "a key of the first shard");
    partition_free(p);
    topology_close(t);
}

static void servers(void)
{
    // twemproxy sorts by length first: b, aa, ccc.
    static const struct partition_server mixed[] = {{"ccc", 1}, {"aa", 2}, {"b", 3}};
    static const struct partition_server twice[] = {{"a", 1}, {"b", 1}, {"a", 2}};
    static const struct partition_server heavy[] = {{"a", PARTITION_WEIGHT_MAX}, {"b", 1}};
    static const unsigned of_remainder[] = {2, 2, 2, 1, 1, 0};
    struct error error = {""};
    struct partition *ketama = by_servers(PARTITION_KETAMA, shards, 3);
    struct partition *modula = by_servers(PARTITION_MODULA, shards, 3);
    for (unsigned i = 0; i < KEYS; i++) {
        is_number(partition_of(ketama, keys[i].key), keys[i].ketama, "ketama: %s", keys[i].key);
        is_number(partition_of(modula, keys[i].key), keys[i].modula, "modula: %s", keys[i].key);
    }
    spellings(ketama, "ketama");
    spellings(modula, "modula");
    partition_free(ketama);
    partition_free(modula);

    modula = by_servers(PARTITION_MODULA, mixed, 3);
    for (unsigned i = 0; i < KEYS; i++)
        is_number(partition_of(modula, keys[i].key), of_remainder[keys[i].hashes[0] % 6],
                  "modula with weights, sorted by name: %s", keys[i].key);
    partition_free(modula);
    ketama = by_servers(PARTITION_KETAMA, mixed, 1);
    is_number(partition_of(ketama, keys[1].key), 0, "one server has every key");
    partition_free(ketama);
    ok(partition_by_servers(PARTITION_MD5, PARTITION_KETAMA, twice, 3, &error) == NULL,
       "two servers of one name: %s", error.text);
    ok(partition_by_servers(PARTITION_MD5, PARTITION_MODULA, heavy, 2, &error) == NULL,
       "too much weight: %s", error.text);
    ok(partition_by_servers(PARTITION_MD5, PARTITION_MODULA, heavy, 0, &error) == NULL,
       "no server: %s", error.text);
}

static void others(void)
{
    struct error error = {""};
    struct topology_range range;
    struct partition *remainder = partition_by_remainder(5, &error);
    struct partition *one = partition_by_prefix(1, &error);
    struct partition *two = partition_by_prefix(2, &error);
    require(remainder != NULL && one != NULL && two != NULL, "%s", error.text);
    for (unsigned i = 0; i < KEYS; i++)
        is_number(partition_of(remainder, keys[i].key),
                  (keys[i].hashes[PARTITION_CRC16] & 0xffff) % 5, "predixy: %s", keys[i].key);
    is_number(partition_count(one), 16, "one digit: 16 parts");
    is_number(partition_count(two), 256, "two digits: 256 parts");
    is_number(partition_of(one, keys[1].key), 0xf, "one digit");
    is_number(partition_of(two, keys[1].key), 0xf8, "two digits");
    is_number(partition_of(two, "AbA24BB8-EFF8-41DC-929B-10B4C3E49E05"), 0xab, "in any case");
    ok(!partition_next_range(one, 0, 0, &range), "no slots");
    ok(partition_by_prefix(3, &error) == NULL, "three digits: %s", error.text);
    ok(partition_by_remainder(0, &error) == NULL, "no parts: %s", error.text);
    spellings(remainder, "predixy");
    spellings(one, "one digit");
    spellings(two, "two digits");
    partition_free(remainder);
    partition_free(one);
    partition_free(two);
    partition_free(NULL);
}

int main(void)
{
    hashes();
    slots();
    topologies();
    servers();
    others();
    return done_testing();
}
