// Prints figures, one on a line.
#include "bench/load/figures.h"

#include <stdio.h>

void figure_print(bool tsv, const char *name, const char *unit, double value, int decimals)
{
    if (tsv)
        printf("%s\t%s\t%.*f\n", name, unit, decimals, value);
    else
        printf("  %-28s %14.*f %s\n", name, decimals, value, unit);
}

void figures_print_latency(bool tsv, const char *prefix, const struct histogram *h)
{
    static const struct {
        const char *name;
        double percent;
    } shown[] = {{"p50", 50}, {"p99", 99}, {"p99.9", 99.9}};
    char name[64];
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        snprintf(name, sizeof name, "%s%s", prefix, shown[i].name);
        figure_print(tsv, name, "us", (double)histogram_percentile(h, shown[i].percent) / 1e3, 1);
    }
    snprintf(name, sizeof name, "%smax", prefix);
    figure_print(tsv, name, "us", (double)h->max / 1e3, 1);
}
