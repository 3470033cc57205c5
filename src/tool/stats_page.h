// The page that `stele stats --html` writes.
#ifndef STELE_TOOL_STATS_PAGE_H
#define STELE_TOOL_STATS_PAGE_H

#include "base/bytes.h"
#include "tool/data_stats.h"

// Appends a whole HTML page about the data file with this name to `to`. The page has its pictures
// in it, has no scripts, and loads nothing. The name may have any bytes.
void stats_page_append(const struct data_stats *s, const char *name, struct buf *to);

#endif
