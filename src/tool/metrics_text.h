// The figures of INFO as text for Prometheus (its exposition format, version 0.0.4).
#ifndef STELE_TOOL_METRICS_TEXT_H
#define STELE_TOOL_METRICS_TEXT_H

#include "base/bytes.h"

// The first bytes of every text that metrics_text writes.
#define METRICS_TEXT_BEGIN "# HELP stele_up "

enum {
    METRICS_LABEL_NAME_MAX = 63,   // bytes of the name of a label
    METRICS_LABEL_VALUE_MAX = 100, // bytes of its value
    METRICS_LABEL_TEXT = 640, // room for NAME="VALUE"; escaped, a byte of the value takes up to 5
};

// Appends all metrics of the server whose reply to INFO is `info`. When `info.ptr` is NULL, the
// server has not answered, and the only metric is stele_up with the value 0. `label`, NAME="VALUE"
// as metrics_label has written it, is added to each metric unless it is empty. Metrics whose field
// of INFO is missing or malformed are left out.
void metrics_text(struct span info, const char *label, struct buf *to);

// Reads NAME=VALUE and writes NAME="VALUE" at `to`, with the value escaped. Returns false when the
// name is not one of Prometheus (letters, digits and '_', no digit first), begins with "__", or is
// a name that the metrics use; or when name or value is too long.
bool metrics_label(const char *text, char to[METRICS_LABEL_TEXT]);

#endif
