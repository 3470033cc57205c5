// Sorts lines that are in memory, and writes them in key order.
//
// The records of the lines are put in key order as for an index (data/build/records.h). Then
// several threads copy the lines to buffers, and write these one after the other.
#ifndef STELE_TOOL_SORT_TEXT_H
#define STELE_TOOL_SORT_TEXT_H

#include "data/lines.h"
#include "tool/sink.h"

struct error;

enum {
    // Bytes of memory for each line, besides its text.
    SORT_TEXT_LINE = 28,
    // Bytes of memory for each thread, besides its output buffer, and for each sort.
    SORT_TEXT_THREAD = 640 * 1024,
    SORT_TEXT_FIXED = 1536 * 1024,
};

// What to sort, and what was found.
struct sort_text {
    struct span text; // whole lines, each with its newline
    uint64_t lines;   // number of lines in it
    unsigned threads;
    size_t buffer_bytes; // bytes of each thread's output buffer
    // Reports that about this many bytes of the text were written. Only one thread calls it. May be
    // NULL.
    void (*progress)(void *context, uint64_t done);
    void *context;
    size_t blocks; // for tests: most blocks of records, instead of enough; 0: not set
    // Results:
    unsigned passes;                  // number of passes over the text
    uint64_t kept;                    // number of lines written, one for each key
    bool malformed;                   // a line is malformed, and nothing was written
    struct line_error malformed_line; // the first malformed line; borrows the text
};

// Appends the lines to `sink` in key order, without those that a later line with the same key
// replaces. Returns false when a line is malformed, or with a message when memory is short or
// writing fails.
bool sort_text_write(struct sort_text *s, struct sink *sink, struct error *error);

#endif
