// Writing an index file: one process at a time, and its readers see the old file or the whole new
// one.
//
// The new content is written to PATH.tmp, which is also the lock: whoever holds flock(2) on it is
// the builder, and renaming it to PATH publishes it. What a killed builder leaves behind is a
// PATH.tmp that nobody has locked; the next builder takes it over.
#ifndef STELE_DATA_INDEX_WRITER_H
#define STELE_DATA_INDEX_WRITER_H

#include "base/bytes.h"
#include "data/index_file.h"

struct error;

// A zeroed struct is none.
struct index_writer {
    char *path;
    char *temporary; // PATH.tmp
    int fd;
    bool locked; // the temporary file is ours, under that name
};

enum index_lock {
    INDEX_LOCKED,     // ours: write, then close
    INDEX_BUSY,       // another process is building
    INDEX_UNWRITABLE, // it cannot be written here
};

// The name of the temporary file, which the caller frees; NULL when memory is short.
char *index_writer_temporary(const char *path);

// Creates or takes over the temporary file, empty, for its owner only: who may read the index is
// for the caller to say. INDEX_UNWRITABLE comes with a message.
enum index_lock index_writer_open(struct index_writer *w, const char *path, struct error *error);

// Writes the file around `image` and puts it in the place of PATH. An image whose `ptr` is NULL
// has been written to `fd` from INDEX_WRITER_IMAGE_AT on already. False with a message when the
// disk is full or fails, or `*cancel` became true; PATH is then as it was. `cancel` may be NULL.
enum { INDEX_WRITER_IMAGE_AT = 4096 };
bool index_writer_publish(struct index_writer *w, struct span image,
                          const struct index_facts *facts, const atomic_bool *cancel,
                          struct error *error);

// Unlocks, and removes the temporary file unless it was published. A zeroed struct is accepted.
void index_writer_close(struct index_writer *w);

// Removes what a killed builder of the index file at `path` left behind, unless another is at work.
void index_writer_clean(const char *path);

// Notes in the index file at `path` that it belongs to the data file `data`, whose content has been
// found equal to that it was built from. Best effort: false when another process is building, the
// file is another by now or cannot be written; nothing is lost then.
bool index_writer_stamp(const char *path, const struct identity *data);

#endif
