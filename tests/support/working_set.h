// The keys that clients request when the data is larger than memory. They are keys of a synthetic
// file (support/synthetic.h), so the load generator never reads the file. If it did, the pages
// would come into the page cache, and the server would find them there.
//
// A few records are hot: they are requested again and again. The others are cold: each is in a page
// of the file that no cold key was requested from before, until all pages had their turn.
#ifndef STELE_TESTS_WORKING_SET_H
#define STELE_TESTS_WORKING_SET_H

#include <stddef.h>
#include <stdint.h>

struct working_set {
    uint64_t seed; // of the file, as the next two
    size_t value_min;
    size_t value_max;
    uint64_t records;      // records of the file, 1 or more
    uint64_t hot;          // hot records, 1 to `records`, spread evenly over the file
    unsigned cold_percent; // percent of the lookups that are for cold keys
};

// Returns the number of the n-th hot record. `n` is less than `hot`.
uint64_t working_set_hot(const struct working_set *w, uint64_t n);

// Returns the number of the n-th cold record, for any `n`. The order is random.
uint64_t working_set_cold(const struct working_set *w, uint64_t n);

// Returns the bytes of `value` that working_set_record may write.
size_t working_set_room(const struct working_set *w);

// Writes the key of a record (UUID_TEXT_LEN bytes) and its value, and returns the value's length.
size_t working_set_record(const struct working_set *w, uint64_t record, char *key, char *value);

#endif
