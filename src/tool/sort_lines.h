// Sorts the lines of data files by their keys, in bounded memory. Of several lines with the same
// key only the last one is kept. Lines are written as they are.
//
// If the lines and their records fit into the memory, nothing else is needed. Otherwise they are
// sorted in portions. Each sorted portion is a run in a temporary file, and the runs are merged.
#ifndef STELE_TOOL_SORT_LINES_H
#define STELE_TOOL_SORT_LINES_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct line_input;
struct sink;

#define SORT_LINES_MEMORY_MIN (UINT64_C(16) << 20) // least `memory`, in bytes

// Bytes of memory with which one thread can sort. With less for each, fewer threads sort.
#define SORT_LINES_THREAD (UINT64_C(16) << 20)

struct sort_lines {
    uint64_t memory;    // most bytes of memory; SORT_LINES_MEMORY_MIN or more
    unsigned threads;   // most threads
    const char *beside; // file beside which the temporary file should be; NULL: none
    const char *name;   // name of the input, for the progress that is shown
    // For tests, instead of what follows from `memory`; 0: not set.
    uint64_t budget;    // bytes for the text and its records
    uint64_t runs_most; // number of runs from which on they are merged to one
    // Results:
    uint64_t lines; // number of lines read
    uint64_t kept;  // number of lines written, one for each key
    uint64_t runs;  // number of runs written to the temporary file
    bool malformed; // it has failed because a line is malformed
};

// Reads all lines of `in` and appends them to `sink` in key order. Returns false with a message
// when a line is malformed, a file cannot be read or written, or memory or room on the disk is
// short. If the message is about a malformed line, it is the first one, and nothing was written to
// `sink`.
bool sort_lines_run(struct sort_lines *s, struct line_input *in, struct sink *sink,
                    struct error *error);

#endif
