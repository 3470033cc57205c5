// Counts lengths by slot, and groups slots to rows of a picture. No slot is in two rows, so the
// counts of rows are exact.
#include "tool/lengths.h"

enum { OUTLIER = 4 }; // a value is much longer than others if it is longer by this factor

static unsigned slot_of(uint64_t length)
{
    if (length < LENGTHS_EXACT)
        return (unsigned)length;
    // The top LENGTHS_BITS bits of the length choose the slot; the first of them is 1.
    unsigned shift = 64 - LENGTHS_BITS - (unsigned)__builtin_clzll(length);
    return LENGTHS_EXACT + (shift - 1) * LENGTHS_HALF + (unsigned)(length >> shift) - LENGTHS_HALF;
}

static uint64_t first_of_slot(unsigned slot)
{
    if (slot < LENGTHS_EXACT)
        return slot;
    unsigned shift = (slot - LENGTHS_EXACT) / LENGTHS_HALF + 1;
    uint64_t top = (slot - LENGTHS_EXACT) % LENGTHS_HALF + LENGTHS_HALF;
    return top << shift;
}

static uint64_t last_of_slot(unsigned slot)
{
    return slot + 1 < LENGTHS_SLOTS ? first_of_slot(slot + 1) - 1 : UINT64_MAX;
}

void lengths_add(struct lengths *l, uint64_t length)
{
    if (l->count == 0 || length < l->smallest)
        l->smallest = length;
    if (length > l->largest)
        l->largest = length;
    l->count++;
    l->bytes += length;
    l->counts[slot_of(length)]++;
}

uint64_t lengths_percentile(const struct lengths *l, double percent)
{
    double wanted = percent / 100 * (double)l->count;
    uint64_t seen = 0;
    for (unsigned slot = 0; slot < LENGTHS_SLOTS && l->count > 0; slot++) {
        seen += l->counts[slot];
        if (l->counts[slot] > 0 && (double)seen >= wanted)
            return last_of_slot(slot) < l->largest ? last_of_slot(slot) : l->largest;
    }
    return l->largest;
}

// Returns the number of values with lengths from `from` to `to`, which are the ends of slots.
static uint64_t count_between(const struct lengths *l, uint64_t from, uint64_t to)
{
    uint64_t count = 0;
    for (unsigned slot = slot_of(from); slot <= slot_of(to); slot++)
        count += l->counts[slot];
    return count;
}

// Returns the least of 1, 2, 5, 10, 20, 50, ... with which few enough rows show all lengths.
static uint64_t round_step(const struct lengths *l)
{
    static const unsigned factors[] = {1, 2, 5};
    for (uint64_t ten = 1;; ten *= 10)
        for (unsigned i = 0; i < 3; i++) {
            uint64_t step = ten * factors[i];
            if (l->largest / step - l->smallest / step < LENGTHS_ROWS_WANTED)
                return step;
        }
}

// Whether the longest 1 % of the values are not much longer than the others. Otherwise most values
// would be in the first of equal rows.
static bool has_no_outliers(const struct lengths *l)
{
    uint64_t usual = lengths_percentile(l, 99) - l->smallest;
    return l->largest - l->smallest <= OUTLIER * usual + LENGTHS_ROWS_WANTED;
}

unsigned lengths_rows(const struct lengths *l, struct lengths_row rows[LENGTHS_ROWS_MAX])
{
    unsigned count = 0;
    if (l->count == 0)
        return 0;
    bool equal = l->largest < LENGTHS_EXACT && has_no_outliers(l);
    uint64_t step = equal ? round_step(l) : 0;
    uint64_t from = 0;
    uint64_t to = 0;
    if (equal)
        from = l->smallest / step * step;
    else if (l->smallest > 0)
        from = UINT64_C(1) << (63 - __builtin_clzll(l->smallest));
    for (; from <= l->largest; from = to + 1) {
        to = equal ? from + step - 1 : from == 0 ? 0 : from + (from - 1);
        rows[count++] = (struct lengths_row){from, to, count_between(l, from, to)};
        if (to >= l->largest)
            break;
    }
    return count;
}
