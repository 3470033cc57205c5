// Reads the bytes of several data files, one after the other, as if they were one. A last line
// without a newline gets one.
#ifndef STELE_TOOL_LINE_INPUT_H
#define STELE_TOOL_LINE_INPUT_H

#include <sys/stat.h>

#include "base/bytes.h"

struct error;

struct input_file {
    const char *path; // for messages; "-" is standard input
    int fd;
    struct stat status;
    bool regular;    // a regular file, which is read with several threads; otherwise standard input
    uint64_t offset; // bytes read until now
    uint64_t lines;  // newlines read until now, including one that was added
    char last;       // the last byte read
};

// A zeroed struct is a released input.
struct line_input {
    struct input_file *files;
    unsigned count;
    unsigned current; // number of the file that is being read
    unsigned threads;
    uint64_t size; // bytes of all files; 0: not known
};

// Bytes that were read at once. All of them are from one file.
struct input_part {
    size_t len;      // 0: the end of the last file
    uint64_t lines;  // newlines in the bytes
    unsigned file;   // number of the file
    uint64_t offset; // offset of the first byte in the file
    uint64_t before; // newlines in the file before that byte
};

// Opens all files for reading. "-" is standard input, which may be named only once. `names` must
// stay valid. Returns false with a message if a file cannot be opened or is not regular, or memory
// is short. Call line_input_close in either case.
bool line_input_open(struct line_input *in, char *const names[], unsigned count, unsigned threads,
                     struct error *error);

// Whether the file with this status is one of the files.
bool line_input_has(const struct line_input *in, const struct stat *status);

// Reads the next bytes, at most `to.len`, which must be 2 or more. Returns false with a message if
// a file cannot be read, or was changed while it was read.
bool line_input_read(struct line_input *in, struct bytes to, struct input_part *part,
                     struct error *error);

void line_input_close(struct line_input *in);

#endif
