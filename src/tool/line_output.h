// The lines that a subcommand writes: to standard output, or to a new file (tool/new_file.h).
//
// Bytes are written when the buffer is full. So what reaches standard output before a failure ends
// with a whole line, unless a line has more than LINE_OUTPUT_WHOLE bytes.
#ifndef STELE_TOOL_LINE_OUTPUT_H
#define STELE_TOOL_LINE_OUTPUT_H

#include <sys/stat.h>

#include "tool/new_file.h"

enum {
    LINE_OUTPUT_BUFFER = 512 * 1024,
    LINE_OUTPUT_WHOLE = LINE_OUTPUT_BUFFER / 2,
};

// Zeroed: nothing is open.
struct line_output {
    struct new_file file;
    mode_t mode; // permissions of the file
    char *buf;   // NULL: nothing is open
    size_t len;  // bytes in `buf`
    // The caller may set these two. The file then gets the time `modified`.
    bool has_time;
    struct timespec modified;
};

// Opens standard output when `path` is "-", or creates a file that will be called `path`. The file
// gets the permissions of `source`, the file that its lines are made from; if that is not a regular
// file, those that the shell would give. Returns false with a message when a file is called `path`
// or the file cannot be created. Call line_output_release in any case.
bool line_output_open(struct line_output *o, const char *path, const struct stat *source,
                      struct error *error);

// Begins a line. Returns false with a message when writing fails.
bool line_output_begin(struct line_output *o, struct error *error);

// Appends a part of a line. Returns false with a message when writing fails.
bool line_output_append(struct line_output *o, struct span part, struct error *error);

// Begins a line of `len` bytes, at most LINE_OUTPUT_WHOLE, and appends them. Returns their place in
// the buffer; the caller writes them before the next call. Returns NULL with a message when writing
// fails.
char *line_output_place(struct line_output *o, size_t len, struct error *error);

// Writes what is in the buffer, so that a reader of standard output need not wait for it. Returns
// false with a message when writing fails.
bool line_output_flush(struct line_output *o, struct error *error);

// Writes the rest. Syncs a file and gives it its final name. Returns false with a message when that
// fails, or when there is meanwhile a file with that name.
bool line_output_finish(struct line_output *o, struct error *error);

// Frees the memory, and removes the file if it has no final name. A zeroed struct is accepted.
void line_output_release(struct line_output *o);

#endif
