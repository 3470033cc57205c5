#include "data/verify_variables.h"

#include "base/shell.h"
#include "data/dataset.h"

typedef unsigned long long ull;

void verify_variables_add(struct shell_variables *v, const struct dataset *new, const char *version,
                          const char *current_version, uint64_t current_keys)
{
    const struct dataset_figures *f = dataset_figures(new);
    shell_variables_add(v, "STELE_DATA=%s", dataset_path(new));
    shell_variables_add(v, "STELE_VERSION=%s", version);
    shell_variables_add(v, "STELE_KEYS=%llu", (ull)f->keys);
    shell_variables_add(v, "STELE_LINES=%llu", (ull)f->lines);
    shell_variables_add(v, "STELE_DUPLICATES=%llu", (ull)f->duplicates);
    shell_variables_add(v, "STELE_BYTES=%llu", (ull)f->data_bytes);
    shell_variables_add(v, "STELE_VALUE_BYTES=%llu", (ull)f->value_bytes);
    shell_variables_add(v, "STELE_CURRENT_VERSION=%s", current_version);
    shell_variables_add(v, "STELE_CURRENT_KEYS=%llu", (ull)current_keys);
}
