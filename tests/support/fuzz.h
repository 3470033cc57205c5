// Declarations for fuzz targets. libFuzzer calls a target with inputs that it invents.
// tests/fuzz/replay.c calls a target with the inputs of its corpus.
#ifndef STELE_TESTS_FUZZ_H
#define STELE_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Tries one input. Each target defines this function. Returns 0, or aborts when the code under test
// does something wrong.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Prints `what` and aborts when `good` is false.
void must(bool good, const char *what);

#endif
