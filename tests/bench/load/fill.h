// Storing a data file in memcached, which cannot read files.
#ifndef STELE_TESTS_BENCH_LOAD_FILL_H
#define STELE_TESTS_BENCH_LOAD_FILL_H

#include "bench/load/data_file.h"

// Stores all lines over one connection. memcached must be empty before. Returns false with a
// message when that fails, or when memcached does not have as many items at the end.
bool fill_memcached(const char *address, const struct data_file *file, bool progress,
                    struct error *error);

#endif
