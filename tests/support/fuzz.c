// A broken promise ends the process with SIGABRT, which is what a fuzzer looks for.
#include "support/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}
