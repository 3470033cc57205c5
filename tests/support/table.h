// Data for tests of the index file. A table is a set of records that are computed from a seed, so
// that all answers of a dataset can be compared with it. The functions also collect the notices
// that a dataset gives in dataset_open and dataset_finish.
#ifndef STELE_TESTS_TABLE_H
#define STELE_TESTS_TABLE_H

#include "base/error.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "support/tap.h"

// All lines have the same length. So tables with the same count are data files of the same length.
struct table {
    uint64_t seed;
    size_t count; // number of records
};

struct uuid table_key(const struct table *t, size_t i);

enum { TABLE_VALUE = 12, TABLE_LINE = UUID_TEXT_LEN + 1 + TABLE_VALUE + 1 }; // bytes
void table_value(const struct table *t, size_t i, char value[TABLE_VALUE + 1]);

// Appends the table's lines.
void table_append(const struct table *t, struct buf *to);

// Writes the table's lines to a file in the test's folder and returns its path.
const char *table_file(const struct table *t, const char *name);

// Whether `d` has exactly the table's keys, and returns the right value for each, by every kind
// of lookup. Of a large table only 10,000 records are looked up, spread over it. Prints the
// first difference.
bool table_is_served(const struct table *t, const struct dataset *d);

// Whether `d` returns, for each key, the right value or none. That must hold even for an index that
// is wrong. Prints the first difference.
bool table_is_not_mistaken(const struct table *t, const struct dataset *d);

// The notices of a dataset: one line for each, with "# " before a warning.
struct notices {
    struct buf text;
    unsigned count;
    unsigned warnings;
};
void notices_add(void *context, bool warning, const char *text);
void notices_clear(struct notices *n); // frees the text
// Whether `part` occurs in the notices. If not, prints them.
bool notices_have(const struct notices *n, const char *part);

// A dataset with its notices. When it could not be opened, `dataset` is NULL and `error` says why.
struct opened {
    struct dataset *dataset;
    struct dataset_report report;
    struct error error;
    struct notices notices;
};

// Opens the data file `path` with the index file `index_path` (NULL: beside it). `*o` must not be
// moved, because the dataset points to it. Malformed lines are refused.
void opened_init(struct opened *o, const char *path, enum dataset_index index,
                 const char *index_path);
void opened_with(struct opened *o, const char *path, const struct dataset_settings *settings);
void opened_close(struct opened *o);

// Writes the index file of `path` at `index_path` (NULL: beside it). To do so, opens the dataset,
// calls dataset_finish, and closes the dataset. Fails a test point if the file was not written.
void index_written(const char *path, const char *index_path);

// Whether the index file is proven to belong to the data, so that dataset_finish has nothing to do.
bool is_proven(const struct dataset *d);

bool file_exists(const char *path);

// Returns the number of files that writers of the index file `path` have beside it: lock and
// temporary files, also those left over.
unsigned files_beside(const char *path);

// These overwrite bytes of a file from offset `at` on, and set its length. They end the
// test on failure.
void file_patch(const char *path, size_t at, struct span bytes);
void file_resize(const char *path, size_t len);

#endif
