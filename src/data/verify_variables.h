// The environment of a command that verifies new data: `stele publish --verify` and `stele-server
// --reload-verify` run such commands. One that is written for the first suits the second too,
// unless it needs a store.
#ifndef STELE_DATA_VERIFY_VARIABLES_H
#define STELE_DATA_VERIFY_VARIABLES_H

#include <stdint.h>

struct dataset;
struct shell_variables;

// Adds the variables that all such commands get, as docs/publishing.md lists them: those of `new`,
// whose version is called `version`, and of the data that it would replace. `current_version` is
// "", and `current_keys` is 0, if there is no such data.
void verify_variables_add(struct shell_variables *v, const struct dataset *new, const char *version,
                          const char *current_version, uint64_t current_keys);

#endif
