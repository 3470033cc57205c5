// Writes an index file to PATH. Only one process writes at a time, and readers see either the old
// file or the complete new one.
//
// The new content is written to a temporary file (base/temporary.h), which is then renamed to PATH.
// Meanwhile the builder holds a lock, flock(2) on PATH.lock. This is an empty file of the builder's
// user that no other user may open. In a folder that many users may write to, anybody can create
// another kind of file with this name. Such a file does not count as a lock: it is left alone, and
// no process waits for it.
//
// A builder that was killed leaves PATH.lock, but the file is no longer locked. The next process
// that finds it removes it and the temporary files.
#ifndef STELE_DATA_INDEX_WRITER_H
#define STELE_DATA_INDEX_WRITER_H

#include "base/bytes.h"
#include "data/index_file.h"

struct error;

// The writer of one index file. A zeroed struct is a closed writer.
struct index_writer {
    char *path;                // PATH; NULL: the writer is closed
    char *temporary;           // path of the temporary file
    int fd;                    // descriptor of the temporary file
    bool unpublished;          // the temporary file exists and is not published yet
    char *lock;                // path of the lock: PATH.lock
    int lock_fd;               // descriptor of the lock; -1: this process does not hold it
    bool default_path;         // the user has not chosen PATH
    unsigned ending_temporary; // number of the temporary file for ending_unregister (base/ending.h)
    unsigned ending_lock;      // number of the lock for ending_unregister
    uint64_t *sums;            // checksums of the published image's blocks, owned; or NULL
};

// The outcome of opening a writer.
enum index_lock {
    INDEX_LOCKED,     // the caller may write, and calls index_writer_close in the end
    INDEX_BUSY,       // another process of this user is building the index
    INDEX_UNWRITABLE, // the index cannot be written to PATH
    INDEX_TAKEN,      // the file at PATH is not an index
};

// Takes the lock and creates an empty temporary file that only its owner may read; the caller sets
// the final permissions. On INDEX_UNWRITABLE and INDEX_TAKEN it sets a message. When another kind
// of file has the name of the lock, it returns INDEX_LOCKED without a lock. Two processes may then
// build at the same time, and the index of the last one remains.
enum index_lock index_writer_open(struct index_writer *w, const char *path, struct error *error);

// Does the same as index_writer_open for the default path, which the user has not chosen. A file of
// zeros or of 0xff there counts as a damaged index and may be replaced (index_target.h).
enum index_lock index_writer_open_default(struct index_writer *w, const char *path,
                                          struct error *error);

// Offset of the image in the file.
enum { INDEX_WRITER_IMAGE_AT = 4096 };

// Writes the image and the other sections to the temporary file, renames it to PATH, and releases
// the lock. If `image.ptr` is NULL, the image is already in the file, from INDEX_WRITER_IMAGE_AT
// on. Returns false with a message when the disk is full or fails, `*cancel` became true, or the
// file at PATH must not be replaced. PATH is then unchanged, and the lock is held until
// index_writer_close. `cancel` may be NULL.
bool index_writer_publish(struct index_writer *w, struct span image,
                          const struct index_facts *facts, const atomic_bool *cancel,
                          struct error *error);

// Releases the lock, and removes the temporary file unless it was published. A zeroed struct is
// accepted.
void index_writer_close(struct index_writer *w);

// Removes the lock and the temporary files that killed builders of the index file at `path` have
// left. Does nothing when there is no such lock, or when another process is building.
void index_writer_clean(const char *path);

// Sets the identity of the data file in the header of the index file at `path` to `data`. The
// caller has compared the content of the data file with the content that the index was built from.
// So the times prove to the next start that the index belongs to the data file. Returns false, and
// changes nothing, when another process is building, the index file was replaced, or it cannot be
// written.
bool index_writer_set_identity(const char *path, const struct identity *data);

#endif
