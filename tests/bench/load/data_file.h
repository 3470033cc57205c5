// A data file whose lines are known by number: what a load generator asks for and compares with.
//
// The lines are found independently of the index under test. Eight bytes of memory a line; the file
// itself is mapped.
#ifndef STELE_TESTS_BENCH_LOAD_DATA_FILE_H
#define STELE_TESTS_BENCH_LOAD_DATA_FILE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "data/uuid_text.h"

struct error;

struct data_file {
    struct span text;
    uint64_t *starts; // offset of each line, and of the one that would follow the last
    size_t starts_bytes;
    size_t count; // lines, 1 or more
};

// Maps the file and finds its lines. False with a message when it cannot be read, is empty, has a
// malformed line, or memory is short; data_file_release must be called all the same.
bool data_file_open(struct data_file *f, const char *path, struct error *error);

// Unmaps. A zeroed struct is accepted.
void data_file_release(struct data_file *f);

// Views of line `i`, below `count`: valid until data_file_release. The key is as the file writes
// it.
static inline struct span data_file_key(const struct data_file *f, size_t i)
{
    return span_of(f->text.ptr + f->starts[i], UUID_TEXT_LEN);
}

static inline struct span data_file_value(const struct data_file *f, size_t i)
{
    uint64_t at = f->starts[i] + UUID_TEXT_LEN + 1;
    return span_of(f->text.ptr + at, f->starts[i + 1] - 1 - at);
}

#endif
