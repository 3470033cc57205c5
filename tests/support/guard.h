// Memory that ends at a page nobody may touch: reading one byte too far is a crash, not luck.
#ifndef STELE_TESTS_GUARD_H
#define STELE_TESTS_GUARD_H

#include "base/bytes.h"

struct guard {
    char *pages;
    size_t mapped;
};

// A copy of `content` whose last byte is the last before the guard page. Writable.
struct bytes guard_copy(struct guard *g, struct span content);

// Frees the copy. A zeroed guard is accepted.
void guard_release(struct guard *g);

#endif
