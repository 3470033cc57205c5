// Synthetic records: lines of a data file that can be made again from a seed and their number
// alone. So a program that knows the seed can ask a server for any line and check the reply,
// without a list of keys and without the file. tests/bench/generate writes files of such records.
//
// To make record `i`, call these functions in this order, with the same struct random:
//
//     struct random r = synthetic_random(seed, i);
//     struct uuid key = synthetic_key(&r);
//     size_t len = synthetic_length(&r, min, max);
//     synthetic_value(&r, len, value);
#ifndef STELE_TESTS_SYNTHETIC_H
#define STELE_TESTS_SYNTHETIC_H

#include <stddef.h>

#include "data/uuid.h"
#include "support/tap.h"

enum { SYNTHETIC_SLACK = 7 }; // most bytes that synthetic_value writes after a value

// Returns the random numbers of record `i`. No two records of a seed start at the same state.
struct random synthetic_random(uint64_t seed, uint64_t i);

// Returns the key: a random v4 UUID.
struct uuid synthetic_key(struct random *r);

// Returns the length of the value: `min` to `max`.
size_t synthetic_length(struct random *r, size_t min, size_t max);

// Writes a value: `len` random bytes without a newline. It writes eight bytes at a time, so `value`
// has room for `len` + SYNTHETIC_SLACK bytes.
void synthetic_value(struct random *r, size_t len, char *value);

#endif
