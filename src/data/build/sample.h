// A sample of the keys of a text. From it the build estimates the number of lines and the
// distribution of their keys.
#ifndef STELE_DATA_BUILD_SAMPLE_H
#define STELE_DATA_BUILD_SAMPLE_H

#include <stddef.h>

#include "base/bytes.h"
#include "data/build/key_range.h"

// Keys of lines that are spread evenly over the text, in key order.
struct sample {
    struct uuid *keys;
    size_t count;   // number of keys
    uint64_t lines; // number of lines of the whole text, at least roughly
};

// Samples lines at some places of the text; a disk may have to seek for each. The caller frees
// `s->keys`. Returns false when memory is short.
bool sample_take(struct sample *s, struct span text);

// Returns the number of the first key of the sample that is not less than `id`.
size_t sample_seek(const struct sample *s, struct uuid id);

// Estimates the number of lines whose keys are between keys number `lo` and `hi` of the sample.
uint64_t sample_lines_between(const struct sample *s, size_t lo, size_t hi);

// Chooses the last key of a range that begins at `low` and should have at most `capacity` lines.
struct uuid sample_choose_end(const struct sample *s, struct uuid low, uint64_t capacity);

#endif
