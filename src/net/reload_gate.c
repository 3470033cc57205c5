#include "net/reload_gate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/shell.h"
#include "data/dataset.h"

typedef unsigned long long ull;

enum { VARIABLES = 9 };

// Whether the command accepts the data. It learns about the data from its environment.
static bool passes(const struct reload_gate *gate, const struct dataset *new,
                   const struct dataset *served, const atomic_bool *cancel, struct error *error)
{
    const struct dataset_figures *f = dataset_figures(new);
    char *variables[VARIABLES + 1] = {NULL};
    struct error why;
    bool made =
        asprintf(&variables[0], "STELE_DATA=%s", dataset_path(new)) >= 0 &&
        asprintf(&variables[1], "STELE_VERSION=%s", dataset_version(new)) >= 0 &&
        asprintf(&variables[2], "STELE_KEYS=%llu", (ull)f->keys) >= 0 &&
        asprintf(&variables[3], "STELE_LINES=%llu", (ull)f->lines) >= 0 &&
        asprintf(&variables[4], "STELE_DUPLICATES=%llu", (ull)f->duplicates) >= 0 &&
        asprintf(&variables[5], "STELE_BYTES=%llu", (ull)f->data_bytes) >= 0 &&
        asprintf(&variables[6], "STELE_VALUE_BYTES=%llu", (ull)f->value_bytes) >= 0 &&
        asprintf(&variables[7], "STELE_CURRENT_VERSION=%s", dataset_version(served)) >= 0 &&
        asprintf(&variables[8], "STELE_CURRENT_KEYS=%llu", (ull)dataset_figures(served)->keys) >= 0;
    bool good =
        made && shell_run(gate->verify, variables, gate->verify_seconds, cancel, &why) == SHELL_YES;
    if (!made)
        error_set(error, "%s", strerror(ENOMEM));
    else if (!good)
        error_set(error, "the command of --reload-verify refuses '%s': %s", dataset_path(new),
                  why.text);
    for (unsigned i = 0; i < VARIABLES; i++)
        free(variables[i]);
    return good;
}

bool reload_gate_allows(const struct reload_gate *gate, const struct dataset *new,
                        const struct dataset *served, const atomic_bool *cancel,
                        struct error *error)
{
    uint64_t keys = dataset_figures(new)->keys;
    uint64_t before = dataset_figures(served)->keys;
    if (keys < before && (double)(before - keys) * 100 > (double)before * gate->max_shrink) {
        error_set(error,
                  "'%s' has %llu keys, and the served data has %llu: %.1f %% fewer, and "
                  "--reload-max-shrink allows %u %%",
                  dataset_path(new), (ull)keys, (ull)before,
                  100.0 * (double)(before - keys) / (double)before, gate->max_shrink);
        return false;
    }
    return gate->verify == NULL || passes(gate, new, served, cancel, error);
}
