// Numbers on the command lines of the benchmark's programs.
#ifndef STELE_TESTS_COUNT_H
#define STELE_TESTS_COUNT_H

#include <stdbool.h>
#include <stdint.h>

// Reads all of `text` as a decimal number, which may end in k (thousands) or M (millions). Returns
// false, with `*count` unchanged, for any other text and for a number that does not fit 64 bits.
bool count_parse(const char *text, uint64_t *count);

#endif
