// The checks that a new version must pass before `stele publish` makes it current.
#ifndef STELE_TOOL_PUBLISH_GATE_H
#define STELE_TOOL_PUBLISH_GATE_H

#include "data/store.h"
#include "tool/store_options.h"

struct dataset;
struct error;

// Whether the version, which is open as `d`, passes. `current` is the current version; NULL: there
// is none. Returns TOOL_OK, or TOOL_NO or TOOL_ERROR with a message (tool/tool.h).
int publish_gate_check(const struct publish_gate *gate, const char *store,
                       const struct store_manifest *m, const struct dataset *d,
                       const struct store_manifest *current, struct error *error);

#endif
