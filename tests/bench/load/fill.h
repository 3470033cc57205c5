// Storing a data file in memcached, which has no file of its own.
#ifndef STELE_TESTS_BENCH_LOAD_FILL_H
#define STELE_TESTS_BENCH_LOAD_FILL_H

#include "bench/load/data_file.h"

// Stores all lines over one connection. False with a message when that fails or when memcached does
// not say in the end that it holds as many items, which it must not have had before.
bool fill_memcached(const char *address, const struct data_file *file, bool progress,
                    struct error *error);

#endif
