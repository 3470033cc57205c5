#include "net/reload_gate.h"

#include "base/error.h"
#include "base/shell.h"
#include "data/dataset.h"
#include "data/verify_variables.h"

typedef unsigned long long ull;

// Whether the command accepts the data. It learns about the data from its environment.
static bool passes(const struct reload_gate *gate, const struct dataset *new,
                   const struct dataset *served, const atomic_bool *cancel, struct error *error)
{
    struct shell_variables variables = {0};
    struct error why;
    verify_variables_add(&variables, new, dataset_version(new), dataset_version(served),
                         dataset_figures(served)->keys);
    bool good =
        shell_run(gate->verify, &variables, gate->verify_seconds, cancel, &why) == SHELL_YES;
    if (!good)
        error_set(error, "the command of --reload-verify refuses '%s': %s", dataset_path(new),
                  why.text);
    shell_variables_release(&variables);
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
