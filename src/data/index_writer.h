// Writing an index file: one process at a time, and its readers see the old file or the whole new
// one.
//
// The new content is written to a temporary file that is always made new (base/temporary.h), and
// renaming it to PATH publishes it. Who builds holds flock(2) on PATH.lock, an empty file of this
// user that no other user may open. What has that name but is something else, as anybody may put
// there in a folder of many, is no lock: it is left alone and nobody waits for it. What a killed
// builder leaves behind is a PATH.lock that nobody has locked; who finds it removes it, and the
// temporary files with it.
#ifndef STELE_DATA_INDEX_WRITER_H
#define STELE_DATA_INDEX_WRITER_H

#include "base/bytes.h"
#include "data/index_file.h"

struct error;

// A zeroed struct is none.
struct index_writer {
    char *path;
    char *temporary; // its name
    int fd;
    bool locked;               // the temporary file is ours, under that name
    char *lock;                // PATH.lock
    int lock_fd;               // -1: the lock is not ours
    bool beside;               // PATH was not chosen by the user
    unsigned ending_temporary; // while it is ours: for ending_keeps
    unsigned ending_lock;
    uint64_t *sums; // of the blocks of the image that was published, owned; or NULL
};

enum index_lock {
    INDEX_LOCKED,     // ours: write, then close
    INDEX_BUSY,       // another process of this user is building
    INDEX_UNWRITABLE, // it cannot be written here
    INDEX_TAKEN,      // PATH is a file that is no index
};

// Takes the lock and makes the temporary file, empty, for its owner only: who may read the index is
// for the caller to say. INDEX_UNWRITABLE and INDEX_TAKEN come with a message. Where something else
// has the name of the lock, the outcome is INDEX_LOCKED without a lock: two may then build at once,
// and the last one to finish publishes.
enum index_lock index_writer_open(struct index_writer *w, const char *path, struct error *error);

// The same for the place beside the data file, which the user has not named: a blank file there is
// a spoiled index (index_place.h).
enum index_lock index_writer_open_beside(struct index_writer *w, const char *path,
                                         struct error *error);

// Writes the file around `image` and puts it in the place of PATH. An image whose `ptr` is NULL
// has been written to `fd` from INDEX_WRITER_IMAGE_AT on already. False with a message when the
// disk is full or fails, `*cancel` became true, or what has the name PATH by now is not to be
// replaced; PATH is then as it was. Gives the lock back when it is done. `cancel` may be NULL.
enum { INDEX_WRITER_IMAGE_AT = 4096 };
bool index_writer_publish(struct index_writer *w, struct span image,
                          const struct index_facts *facts, const atomic_bool *cancel,
                          struct error *error);

// Unlocks, and removes the temporary file unless it was published. A zeroed struct is accepted.
void index_writer_close(struct index_writer *w);

// Removes what killed builders of the index file at `path` left behind, if there is a sign of any,
// unless another is at work.
void index_writer_clean(const char *path);

// Notes in the index file at `path` that it belongs to the data file `data`, whose content has been
// found equal to that it was built from. Best effort: false when another process is building, the
// file is another by now or cannot be written; nothing is lost then.
bool index_writer_stamp(const char *path, const struct identity *data);

#endif
