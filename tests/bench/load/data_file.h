// A data file whose lines can be read by their number. The load generator takes keys from it, and
// compares replies with it.
//
// The lines are found without the index under test. The file is mapped. A line takes eight
// bytes of memory.
#ifndef STELE_TESTS_BENCH_LOAD_DATA_FILE_H
#define STELE_TESTS_BENCH_LOAD_DATA_FILE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "data/uuid_text.h"

struct error;

struct data_file {
    struct span text;
    uint64_t *starts; // offset of each line, then the offset after the last line
    size_t starts_bytes;
    size_t count; // number of lines, 1 or more
};

// Maps the file and finds its lines. Returns false with a message when the file cannot be read,
// is empty or has a malformed line, or when memory is short. data_file_release must be called
// in any case.
bool data_file_open(struct data_file *f, const char *path, struct error *error);

// Unmaps the file and frees the offsets. A zeroed struct is accepted.
void data_file_release(struct data_file *f);

// These return the key and the value of line `i`, which is less than `count`. They are valid until
// data_file_release. The key is as in the file.
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
