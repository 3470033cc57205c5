// Numbers on the command lines of the benchmark's programs.
#ifndef STELE_TESTS_COUNT_H
#define STELE_TESTS_COUNT_H

#include <stdbool.h>
#include <stdint.h>

// Reads the whole of `text` as a decimal number that may end in k (thousands) or M (millions).
// False, with `*count` untouched, for anything else and for what 64 bits cannot hold.
bool count_parse(const char *text, uint64_t *count);

#endif
