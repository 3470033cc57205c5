// The figures of INFO as text for Prometheus (its exposition format, version 0.0.4).
#ifndef STELE_TOOL_METRICS_TEXT_H
#define STELE_TOOL_METRICS_TEXT_H

#include "base/bytes.h"

// The first bytes of every text that metrics_text writes.
#define METRICS_TEXT_BEGIN "# HELP stele_up "

// Appends all metrics of the server whose reply to INFO is `info`. When `info.ptr` is NULL, the
// server has not answered, and the only metric is stele_up with the value 0. `label`, NAME="VALUE"
// as metrics_label has written it, is added to each metric unless it is empty. Metrics whose field
// of INFO is missing or malformed are left out.
void metrics_text(struct span info, const char *label, struct buf *to);

// Reads NAME=VALUE and writes NAME="VALUE" at `to`, with the value escaped. Returns false when the
// name is not one of Prometheus (letters, digits and '_'), begins with "__", or is a name that the
// metrics use; or when the text has more than `size` - 1 bytes.
bool metrics_label(const char *text, char *to, size_t size);

#endif
