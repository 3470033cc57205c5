// Printing the figures that were measured.
#ifndef STELE_TESTS_BENCH_LOAD_FIGURES_H
#define STELE_TESTS_BENCH_LOAD_FIGURES_H

#include <stdbool.h>

#include "support/histogram.h"

// Prints a figure on a line: for people or, if `tsv` is true, as name, unit and value, separated by
// tabs.
void figure_print(bool tsv, const char *name, const char *unit, double value, int decimals);

// Prints the percentiles of a histogram of nanoseconds in microseconds, and the largest value. Each
// name begins with `prefix`.
void figures_print_latency(bool tsv, const char *prefix, const struct histogram *h);

#endif
