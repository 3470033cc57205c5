// A failed check ends the process with SIGABRT, which a fuzzer notices.
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
