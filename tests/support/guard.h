// Memory that is followed by a page which nobody may touch. So code that reads one byte too many
// always crashes.
#ifndef STELE_TESTS_GUARD_H
#define STELE_TESTS_GUARD_H

#include "base/bytes.h"

struct guard {
    char *pages;
    size_t mapped;
};

// Returns a writable copy of `content`. Its last byte is the last one before the guard page.
struct bytes guard_copy(struct guard *g, struct span content);

// Frees the copy. A zeroed guard is accepted.
void guard_release(struct guard *g);

#endif
