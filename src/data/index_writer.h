// Writing an index file. One process writes at a time, and readers see either the old file or the
// whole new one.
//
// The new content goes to a new temporary file (base/temporary.h), which is then renamed to PATH.
// The builder holds flock(2) on PATH.lock, an empty file of this user that no other user may open.
// In a folder of many users anybody may put another file there. Such a file is no lock: it is left
// alone and no process waits for it. A killed builder leaves a PATH.lock that no process has
// locked. The next process that finds it removes it, and the temporary files too.
#ifndef STELE_DATA_INDEX_WRITER_H
#define STELE_DATA_INDEX_WRITER_H

#include "base/bytes.h"
#include "data/index_file.h"

struct error;

// A zeroed struct is none.
struct index_writer {
    char *path;
    char *temporary;           // name of the temporary file
    int fd;                    // of the temporary file
    bool locked;               // the temporary file exists under its name
    char *lock;                // PATH.lock
    int lock_fd;               // -1: this process does not hold the lock
    bool beside;               // the user has not chosen PATH
    unsigned ending_temporary; // number for ending_unregister while the file exists
    unsigned ending_lock;      // the same for the lock
    uint64_t *sums;            // checksums of the published image's blocks, owned; or NULL
};

enum index_lock {
    INDEX_LOCKED,     // the caller may write, and then closes
    INDEX_BUSY,       // another process of this user is building
    INDEX_UNWRITABLE, // the index cannot be written here
    INDEX_TAKEN,      // PATH is a file that is no index
};

// Takes the lock and makes an empty temporary file that only its owner may read; the caller sets
// the final permissions. INDEX_UNWRITABLE and INDEX_TAKEN come with a message. When another file
// has the name of the lock, the result is INDEX_LOCKED without a lock. Two processes may then build
// at once, and the index of the last one stays.
enum index_lock index_writer_open(struct index_writer *w, const char *path, struct error *error);

// As index_writer_open for the path beside the data file, which the user has not named. A blank
// file there is a spoiled index (index_place.h).
enum index_lock index_writer_open_beside(struct index_writer *w, const char *path,
                                         struct error *error);

// Writes the file around `image` and renames it to PATH. An image whose `ptr` is NULL is already in
// `fd`, from INDEX_WRITER_IMAGE_AT on. Gives the lock back. Returns false with a message when the
// disk is full or fails, `*cancel` became true, or the file at PATH must not be replaced; PATH is
// then unchanged. `cancel` may be NULL.
enum { INDEX_WRITER_IMAGE_AT = 4096 };
bool index_writer_publish(struct index_writer *w, struct span image,
                          const struct index_facts *facts, const atomic_bool *cancel,
                          struct error *error);

// Unlocks, and removes the temporary file unless it was published. A zeroed struct is accepted.
void index_writer_close(struct index_writer *w);

// Removes the files that killed builders of the index file at `path` have left, when there is a
// sign of one and no other builder is at work.
void index_writer_clean(const char *path);

// Notes in the index file at `path` that it belongs to the data file `data`, whose content was
// compared with the content it was built from. Returns false, and loses nothing, when another
// process is building, the index file was replaced, or it cannot be written.
bool index_writer_stamp(const char *path, const struct identity *data);

#endif
