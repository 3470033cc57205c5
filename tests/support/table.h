// A table for tests of the index file: records that follow from a seed, so that what a dataset
// answers can be compared whole, and the notices a dataset gives while it opens and settles.
#ifndef STELE_TESTS_TABLE_H
#define STELE_TESTS_TABLE_H

#include "base/error.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "support/tap.h"

// All lines are of the same length, so all tables of one count are, too.
struct table {
    uint64_t seed;
    size_t count; // of keys
};

struct uuid table_key(const struct table *t, size_t i);

enum { TABLE_VALUE = 12, TABLE_LINE = UUID_TEXT_LEN + 1 + TABLE_VALUE + 1 }; // bytes
void table_value(const struct table *t, size_t i, char value[TABLE_VALUE + 1]);

// Appends the lines.
void table_append(const struct table *t, struct buf *to);

// Writes them as a file in the test's folder; its path.
const char *table_file(const struct table *t, const char *name);

// Whether `d` answers for every key of the table its value, by all ways of asking, has no other
// keys and counts right; of a large table 10,000 records are asked for, spread over it. Remarks the
// first thing that is wrong.
bool table_is_served(const struct table *t, const struct dataset *d);

// The same for what must hold of any index, however wrong: each key has its value or none.
bool table_is_not_mistaken(const struct table *t, const struct dataset *d);

// What a dataset said: a line each, a warning with "# " before it.
struct notices {
    struct buf text;
    unsigned count;
    unsigned warnings;
};
void notices_add(void *context, bool warning, const char *text);
void notices_clear(struct notices *n); // frees, too
bool notices_have(const struct notices *n, const char *part);

// A dataset with what it said and, when it could not be opened, why.
struct opened {
    struct dataset *dataset;
    struct dataset_report report;
    struct error error;
    struct notices notices;
};

// Opens `path` in that way with the index file at `index_path` (NULL: beside it). The result is
// not moved: the dataset points to it. Malformed lines are refused.
void opened_init(struct opened *o, const char *path, enum dataset_index index,
                 const char *index_path);
void opened_with(struct opened *o, const char *path, const struct dataset_settings *settings);
void opened_close(struct opened *o);

// Opens for writing, settles and closes: the index file at `index_path` (NULL: beside it) is then
// proven, all of it written. A test point when not.
void index_written(const char *path, const char *index_path);

// The same data has been found at the same place in the same state: nothing is left to be settled.
bool is_proven(const struct dataset *d);

bool file_exists(const char *path);

// How many files a writer of the index file at `path` has beside it, or has left: its lock and
// temporary files.
unsigned files_beside(const char *path);

// Overwrites the bytes from `at` on, or cuts or extends the file. Ends the test when it cannot.
void file_patch(const char *path, size_t at, struct span bytes);
void file_resize(const char *path, size_t len);

#endif
