// Writes the first inputs of the fuzz target rdb into a folder: the examples of
// tests/support/rdb.h.
#include <stdio.h>
#include <stdlib.h>

#include "support/rdb.h"

int main(int argc, char *argv[])
{
    for (unsigned i = 0; argc == 2 && i < rdb_example_count; i++) {
        const struct rdb_example *e = &rdb_examples[i];
        char path[512];
        // Each example has another number of bytes at a time, and another choice of values.
        int first = (int)(i * 37 % 256);
        int len = snprintf(path, sizeof path, "%s/example-%s", argv[1], e->name);
        FILE *file = len < (int)sizeof path ? fopen(path, "w") : NULL;
        if (file == NULL || fputc(first, file) == EOF ||
            fwrite(e->dump.ptr, 1, e->dump.len, file) != e->dump.len || fclose(file) != 0) {
            fprintf(stderr, "cannot write '%s'\n", path);
            return EXIT_FAILURE;
        }
    }
    return argc == 2 ? EXIT_SUCCESS : EXIT_FAILURE;
}
