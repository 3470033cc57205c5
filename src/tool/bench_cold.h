// `stele bench --cold`: lookups of keys whose lines are not in memory.
#ifndef STELE_TOOL_BENCH_COLD_H
#define STELE_TOOL_BENCH_COLD_H

#include "data/dataset.h"

// Measures lookups of random keys by 1, 16 and 64 threads, each of which waits for the disk by
// itself, and prints the results. Before each measurement it removes the data file from memory
// (dataset_drop_pages). The dataset must have keys; `file` names it in the progress. Returns the
// exit code.
int bench_cold(const struct dataset *d, const char *file);

#endif
