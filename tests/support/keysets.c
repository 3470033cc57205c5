// The key sets. The version and variant bits of a UUID are set only where that does not make
// a set easier.
#include "support/keysets.h"
#include "data/uuid_text.h"

#include <stdlib.h>

static struct uuid v4(struct random *r, size_t i, size_t count)
{
    (void)i;
    (void)count;
    uint64_t hi = (random_next(r) & ~UINT64_C(0xf000)) | 0x4000;
    uint64_t lo = random_next(r) >> 2 | UINT64_C(1) << 63;
    return (struct uuid){hi, lo};
}

static struct uuid sequential(struct random *r, size_t i, size_t count)
{
    (void)r;
    (void)count;
    return (struct uuid){0x0123456789ab4000u, UINT64_C(1) << 63 | i};
}

static struct uuid same_15_bytes(struct random *r, size_t i, size_t count)
{
    (void)r;
    (void)count;
    return (struct uuid){0x0123456789ab4000u, UINT64_C(0x8000000000000000) | (i & 0xff)};
}

static struct uuid v7(struct random *r, uint64_t milliseconds)
{
    uint64_t hi = milliseconds << 16 | 0x7000 | (random_next(r) & 0xfff);
    return (struct uuid){hi, random_next(r) >> 2 | UINT64_C(1) << 63};
}

enum { V7_START = 0x18c00000 };

static struct uuid v7_every_5_seconds(struct random *r, size_t i, size_t count)
{
    (void)count;
    return v7(r, (uint64_t)V7_START * 1000 + i * 5000);
}

static struct uuid v7_within_3_ms(struct random *r, size_t i, size_t count)
{
    (void)i;
    (void)count;
    return v7(r, (uint64_t)V7_START * 1000 + random_below(r, 3));
}

static struct uuid v7_bursts(struct random *r, size_t i, size_t count)
{
    (void)count;
    return v7(r, (uint64_t)V7_START * 1000 + i % 1000 * 3600000 + random_below(r, 2));
}

static struct uuid half_v4_half_sequential(struct random *r, size_t i, size_t count)
{
    return i % 2 == 0 ? v4(r, i, count) : sequential(r, i, count);
}

static struct uuid few_v4_over_dense(struct random *r, size_t i, size_t count)
{
    if (i % 100 == 0)
        return v4(r, i, count);
    // 60 leading bits fixed, the other 68 random.
    return (struct uuid){0x0123456789ab4000u | (random_next(r) & 0xf), random_next(r)};
}

static struct uuid shift_right(struct uuid id, unsigned by)
{
    if (by == 0)
        return id;
    if (by >= 64)
        return (struct uuid){0, id.hi >> (by - 64)};
    return (struct uuid){id.hi >> by, id.lo >> by | id.hi << (64 - by)};
}

// i leading zeros, then a one, then random bits.
static struct uuid geometric_comb(struct random *r, size_t i, size_t count)
{
    (void)count;
    struct uuid id = {random_next(r) | UINT64_C(1) << 63, random_next(r)};
    return shift_right(id, (unsigned)(i % 128));
}

// Half of the keys are anywhere. Half of the others are in the first 2^-6 of the key space, half
// of the remaining ones in the first 2^-12, and so on. So each part is 32 times as dense as the
// part around it.
static struct uuid nested_halves(struct random *r, size_t i, size_t count)
{
    (void)i;
    (void)count;
    unsigned level = (unsigned)__builtin_ctzll(random_next(r) | UINT64_C(1) << 20);
    return shift_right((struct uuid){random_next(r), random_next(r)}, 6 * level);
}

static struct uuid bit(unsigned number)
{
    return number < 64 ? (struct uuid){0, UINT64_C(1) << number}
                       : (struct uuid){UINT64_C(1) << (number - 64), 0};
}

static struct uuid two_bits(struct random *r, size_t i, size_t count)
{
    (void)r;
    (void)count;
    unsigned high = 1;
    while ((size_t)high * (high + 1) / 2 <= i) // keys whose higher bit is at most `high`
        high++;
    unsigned low = (unsigned)(i - (size_t)high * (high - 1) / 2);
    struct uuid a = bit(high);
    struct uuid b = bit(low);
    return (struct uuid){a.hi | b.hi, a.lo | b.lo};
}

static struct uuid bits_8_apart(struct random *r, size_t i, size_t count)
{
    (void)r;
    (void)count;
    struct uuid id = {0, 0};
    for (unsigned b = 0; b < 15; b++) {
        struct uuid one = bit(b * 8);
        if ((i >> b & 1) != 0) {
            id.hi |= one.hi;
            id.lo |= one.lo;
        }
    }
    return id;
}

static struct uuid nil_and_max(struct random *r, size_t i, size_t count)
{
    (void)r;
    (void)count;
    return i == 0 ? (struct uuid){0, 0} : (struct uuid){UINT64_MAX, UINT64_MAX};
}

static struct uuid one_key(struct random *r, size_t i, size_t count)
{
    (void)r;
    (void)i;
    (void)count;
    return (struct uuid){0x3479d89432714935u, 0x88cfa06f3cbb80a5u};
}

const struct keyset keysets[] = {
    {"random v4", 0, v4},
    {"sequential", 0, sequential},
    {"same first 15 bytes", 256, same_15_bytes},
    {"v7, one per 5 s", 0, v7_every_5_seconds},
    {"v7, all within 3 ms", 0, v7_within_3_ms},
    {"v7, 1000 bursts of 2 ms", 0, v7_bursts},
    {"half v4 half sequential", 0, half_v4_half_sequential},
    {"1 % v4, 99 % in one 2^-60 range", 0, few_v4_over_dense},
    {"geometric comb", 0, geometric_comb},
    {"nested halves", 0, nested_halves},
    {"exactly two bits set", 128 * 127 / 2, two_bits},
    {"15 bits spread 8 apart", 1 << 15, bits_8_apart},
    {"one key", 1, one_key},
    {"nil and max UUID", 2, nil_and_max},
    {"duplicates of one key", 0, one_key},
};
const unsigned keyset_count = sizeof keysets / sizeof *keysets;

size_t keyset_fill(const struct keyset *set, struct random *r, struct uuid *keys, size_t count)
{
    if (set->limit != 0 && count > set->limit)
        count = set->limit;
    for (size_t i = 0; i < count; i++)
        keys[i] = set->key(r, i, count);
    keys_shuffle(r, keys, count);
    return count;
}

size_t keys_sort(struct uuid *keys, size_t count)
{
    size_t kept = 0;
    qsort(keys, count, sizeof *keys, uuid_compare);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !uuid_equal(keys[kept - 1], keys[i]))
            keys[kept++] = keys[i];
    return kept;
}

void keys_shuffle(struct random *r, struct uuid *keys, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = random_below(r, i);
        struct uuid other = keys[j];
        keys[j] = keys[i - 1];
        keys[i - 1] = other;
    }
}

void keys_write_lines(struct random *r, const struct uuid *keys, size_t count, size_t value_max,
                      struct buf *to)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = value_max > 0 ? random_below(r, value_max + 1) : 0;
        char *line = buf_reserve(to, UUID_TEXT_LEN + len + 2);
        require(line != NULL, "no memory");
        uuid_format(keys[i], line);
        line += UUID_TEXT_LEN;
        *line++ = ' ';
        for (size_t j = 0; j < len; j++) {
            char byte = (char)random_next(r);
            *line++ = byte == '\n' ? ' ' : byte;
        }
        *line = '\n';
        to->len += UUID_TEXT_LEN + len + 2;
    }
}
