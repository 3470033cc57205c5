// The key sets that every test and benchmark of the index runs: friendly and hostile ones.
#ifndef STELE_TESTS_KEYSETS_H
#define STELE_TESTS_KEYSETS_H

#include "base/bytes.h"
#include "data/uuid.h"
#include "support/tap.h"

struct keyset {
    const char *name;
    size_t limit; // most keys it has; 0: as many as asked for
    // The i-th of `count` keys; sets that repeat themselves are shorter after removing duplicates.
    struct uuid (*key)(struct random *r, size_t i, size_t count);
};

extern const struct keyset keysets[];
extern const unsigned keyset_count;

// Writes `count` keys of the set (its limit if that is less) to `keys`; how many. In no order, and
// possibly with duplicates.
size_t keyset_fill(const struct keyset *set, struct random *r, struct uuid *keys, size_t count);

// Sorts and removes duplicates; how many are left.
size_t keys_sort(struct uuid *keys, size_t count);

// Exchanges the keys into a random order.
void keys_shuffle(struct random *r, struct uuid *keys, size_t count);

// Appends a data file's lines for the keys, the i-th with a random value of 0 to `value_max` bytes
// (any byte but the newline).
void keys_write_lines(struct random *r, const struct uuid *keys, size_t count, size_t value_max,
                      struct buf *to);

#endif
