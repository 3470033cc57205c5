// A table of the pages of a data file that were lately found in memory. Asking the system about a
// page takes a system call. The table saves it for pages that are read again and again.
//
// The table forgets: it has room for a limited number of pages, and new ones displace those that
// were read longest ago, first among those that were read only once. So a stream of pages that are
// read once does not displace the others. One thread at a time may use a table.
#ifndef STELE_DATA_RECENT_PAGES_H
#define STELE_DATA_RECENT_PAGES_H

#include <stdint.h>

struct recent_pages;

enum page_state {
    PAGE_UNKNOWN, // not in the table: it may not be in memory
    PAGE_RECENT,  // it was in memory when it was last read, which may be long ago
    PAGE_BUSY,    // it is read so often that it surely is in memory, and worth mapping
};

// Makes a table for at least `pages` pages, at most RECENT_PAGES_MAX. Takes 8 bytes for each.
// Returns NULL when memory is short.
#define RECENT_PAGES_MAX (UINT64_C(1) << 20)
struct recent_pages *recent_pages_new(uint64_t pages);

// NULL is accepted.
void recent_pages_free(struct recent_pages *table);

// Returns what is known about a page, and notes that it is read at the time `now_ms` (monotonic
// milliseconds). `page` is a number that identifies the page among all pages of all files.
enum page_state recent_pages_look(struct recent_pages *table, uint64_t page, uint64_t now_ms);

// Notes that a page was found in memory at the time `now_ms`, or has been read into memory.
void recent_pages_add(struct recent_pages *table, uint64_t page, uint64_t now_ms);

#endif
