// The section `cold` of INFO: lookups of data that is not in memory (serve/cold.h).
#ifndef STELE_COMMANDS_INFO_COLD_H
#define STELE_COMMANDS_INFO_COLD_H

#include "data/dataset.h"
#include "serve/session.h"

// Cost of the section in units of work. It looks at pages of the data and of the index, 4 µs each.
enum { INFO_COLD_WORK = 20 * (DATASET_DATA_RUNS + DATASET_INDEX_RUNS) };

// Writes the fields of the section.
void info_cold(const struct session *s, struct buf *b);

#endif
