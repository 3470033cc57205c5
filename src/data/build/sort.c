// Sorts records in place by radix, from the most significant digit on, and keeps the last record of
// each key.
#include "data/build/sort.h"

#include <string.h>

#include "data/trie_image.h"

enum {
    SMALL_SORT = 32, // records; up to this number insertion sort is faster
    DIGIT_BITS = 8,
    DIGITS = 1 << DIGIT_BITS,
};

static bool record_less(const struct trie_record *a, const struct trie_record *b)
{
    if (!uuid_equal(a->id, b->id))
        return uuid_less(a->id, b->id);
    return a->offset < b->offset;
}

static void insertion_sort(struct trie_record *records, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct trie_record moving = records[i];
        size_t j = i;
        for (; j > 0 && record_less(&moving, &records[j - 1]); j--)
            records[j] = records[j - 1];
        records[j] = moving;
    }
}

// Returns the number of leading bits that all keys share; 128 when all keys are equal.
static unsigned shared_bits(const struct trie_record *records, size_t count)
{
    uint64_t hi = 0;
    uint64_t lo = 0;
    for (size_t i = 1; i < count; i++) {
        hi |= records[i].id.hi ^ records[0].id.hi;
        lo |= records[i].id.lo ^ records[0].id.lo;
    }
    if (hi != 0)
        return (unsigned)__builtin_clzll(hi);
    return lo != 0 ? 64 + (unsigned)__builtin_clzll(lo) : 128;
}

static void swap(struct trie_record *a, struct trie_record *b)
{
    struct trie_record record = *a;
    *a = *b;
    *b = record;
}

static void move_last_line_to_front(struct trie_record *records, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (records[i].offset > records[0].offset)
            swap(&records[0], &records[i]);
}

// The records are sorted. Moves the last record of each key to the front and returns the number of
// these records.
static size_t keep_distinct(struct trie_record *records, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && uuid_equal(records[kept - 1].id, records[i].id))
            kept--;
        if (kept < i)
            swap(&records[kept], &records[i]);
        kept++;
    }
    return kept;
}

// Groups the records in place by the DIGIT_BITS bits that follow the first `shared` bits. `end`
// receives the end of each group. This is one level of an "American flag sort" (McIlroy, Bostic &
// McIlroy, 1993).
static void group_by_digit(struct trie_record *records, size_t count, unsigned shared, size_t *end)
{
    size_t next[DIGITS];
    memset(end, 0, DIGITS * sizeof *end);
    for (size_t i = 0; i < count; i++)
        end[uuid_bits(records[i].id, shared, DIGIT_BITS)]++;
    for (size_t d = 0, sum = 0; d < DIGITS; d++) {
        next[d] = sum;
        sum += end[d];
        end[d] = sum;
    }
    for (unsigned d = 0; d < DIGITS; d++) {
        while (next[d] < end[d]) {
            struct trie_record moving = records[next[d]];
            unsigned home = uuid_bits(moving.id, shared, DIGIT_BITS);
            while (home != d) {
                struct trie_record displaced = records[next[home]];
                records[next[home]++] = moving;
                moving = displaced;
                home = uuid_bits(moving.id, shared, DIGIT_BITS);
            }
            records[next[d]++] = moving;
        }
    }
}

// Sorts by the digit that follows the bits shared by all keys, then sorts each group. Every level
// consumes at least DIGIT_BITS bits, so there are at most 128 / DIGIT_BITS levels. Returns the
// number of distinct keys, whose records are then at the front in order.
static size_t sort_distinct(struct trie_record *records, size_t count)
{
    if (count <= SMALL_SORT) {
        insertion_sort(records, count);
        return keep_distinct(records, count);
    }
    unsigned shared = shared_bits(records, count);
    if (shared == 128) {
        move_last_line_to_front(records, count);
        return 1;
    }
    size_t end[DIGITS];
    group_by_digit(records, count, shared, end);
    size_t kept = 0;
    for (unsigned d = 0; d < DIGITS; d++) {
        size_t begin = d == 0 ? 0 : end[d - 1];
        size_t part = sort_distinct(records + begin, end[d] - begin);
        // The loop goes from front to back, so that only dropped records move to the back.
        for (size_t i = 0; kept < begin && i < part; i++)
            swap(&records[kept + i], &records[begin + i]);
        kept += part;
    }
    return kept;
}

static bool is_sorted_distinct(const struct trie_record *records, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (!uuid_less(records[i - 1].id, records[i].id))
            return false;
    return true;
}

size_t trie_sort(struct trie_record *records, size_t count)
{
    return is_sorted_distinct(records, count) ? count : sort_distinct(records, count);
}

size_t trie_sort_nearly(struct trie_record *records, size_t count)
{
    insertion_sort(records, count);
    return keep_distinct(records, count);
}
