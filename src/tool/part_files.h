// The files that a data file is divided into. Until all of them are complete they have temporary
// names, and no file is ever replaced.
//
// Signals that end the process must be blocked while these files exist (ending_block_signals),
// because there may be more files than ending_register has room for. The caller asks
// ending_is_pending often enough, and calls part_files_abandon.
#ifndef STELE_TOOL_PART_FILES_H
#define STELE_TOOL_PART_FILES_H

#include <sys/stat.h>

#include "base/checksum.h"

struct error;

struct part_file {
    char *path;      // final name
    char *temporary; // temporary name; NULL when there is none
    int fd;          // -1: not open
    bool named;      // the file has its final name
    char *buf;
    size_t len;       // bytes in `buf`
    uint64_t written; // bytes in the file
    uint64_t lines;
    struct checksum_stream *stream;
};

// Zeroed: no files.
struct part_files {
    unsigned count;
    size_t buf_size;          // bytes of each part's buffer
    struct timespec modified; // when the source was last changed
    struct part_file *files;
};

// Creates `count` files, whose names are FOLDER/NAME.K-of-COUNT.data with K from 1 on. They get the
// permissions of `source`. Returns false with a message if a file with such a name exists or one
// cannot be created. Call part_files_abandon then.
bool part_files_create(struct part_files *p, unsigned count, const char *folder, const char *name,
                       const struct stat *source, struct error *error);

// Appends a line, and a newline if it has none. Returns false with a message when writing fails.
bool part_files_append(struct part_files *p, unsigned part, struct span line, struct error *error);

// Writes the rest of all files, sets their time of modification to that of the source, and syncs
// them. So nodes with parts of the same source have the same dataset_version. Returns false with a
// message when that fails or a signal is pending.
bool part_files_finish(struct part_files *p, struct error *error);

// Gives all files their final names. Returns false with a message if there is meanwhile a file with
// such a name, or renaming fails.
bool part_files_publish(struct part_files *p, struct error *error);

// Closes the files and frees the memory. The files stay.
void part_files_release(struct part_files *p);

// Removes the files, also those that have their final names, and does the same.
void part_files_abandon(struct part_files *p);

#endif
