// Key sets for tests and benchmarks of the index. Some are usual, others are chosen to be hard for
// a radix trie.
#ifndef STELE_TESTS_KEYSETS_H
#define STELE_TESTS_KEYSETS_H

#include "base/bytes.h"
#include "data/uuid.h"
#include "support/tap.h"

struct keyset {
    const char *name;
    size_t limit; // largest number of keys that the set can have; 0: no limit
    // Returns the i-th of `count` keys. In some sets keys repeat.
    struct uuid (*key)(struct random *r, size_t i, size_t count);
};

extern const struct keyset keysets[];
extern const unsigned keyset_count;

// Writes `count` keys of the set to `keys`, or fewer if its limit is less, and returns their
// number. The keys are in random order, and may repeat.
size_t keyset_fill(const struct keyset *set, struct random *r, struct uuid *keys, size_t count);

// Sorts the keys, removes duplicates, and returns how many are left.
size_t keys_sort(struct uuid *keys, size_t count);

// Puts the keys into a random order.
void keys_shuffle(struct random *r, struct uuid *keys, size_t count);

// Appends a line of a data file for each key, with a random value of 0 to `value_max` bytes (any
// bytes except the newline).
void keys_write_lines(struct random *r, const struct uuid *keys, size_t count, size_t value_max,
                      struct buf *to);

#endif
