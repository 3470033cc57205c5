// What every fuzz target defines, and both libFuzzer and replay.c call.
#ifndef STELE_TESTS_FUZZ_FUZZ_H
#define STELE_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// Tries one input; ends the process when a promise is broken. Gives 0.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

#endif
