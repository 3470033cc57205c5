// Numbers on the command lines of the benchmark's programs.
#ifndef STELE_TESTS_COUNT_H
#define STELE_TESTS_COUNT_H

#include <stdbool.h>
#include <stdint.h>

// Reads all of `text` as a decimal number, which may end in k (thousands) or M (millions). Returns
// false, with `*count` unchanged, for any other text and for a number that does not fit 64 bits.
bool count_parse(const char *text, uint64_t *count);

// Reads all of `text` as two such numbers, A..B. Returns false, with both unchanged, for any other
// text, or if A is greater than B.
bool count_parse_range(const char *text, uint64_t *first, uint64_t *last);

// Returns the number, from `min` to `max`, that `text` means. Otherwise ends the program with
// status 2 and a message.
uint64_t count_or_exit(const char *program, const char *text, uint64_t min, uint64_t max);

#endif
