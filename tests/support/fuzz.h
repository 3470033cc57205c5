// What fuzz targets share. libFuzzer calls a target, and so does tests/fuzz/replay.c.
#ifndef STELE_TESTS_FUZZ_H
#define STELE_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Tries one input. Every target defines it. Ends the process when a promise is broken; returns 0
// otherwise.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Prints `what` and aborts if `good` is false.
void must(bool good, const char *what);

#endif
