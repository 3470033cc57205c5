// WATCH: what the keys of a client were, so that EXEC can refuse when one of them has changed. A
// key changes only when the dataset is replaced or its file is damaged; until then nothing is
// compared. Afterwards the values are compared by their checksums. Keeping the old dataset instead
// would cost as much memory as the dataset, for as long as a client likes.
//
// A session owns its watch. Only the thread of its service touches it.
#ifndef STELE_SERVE_WATCH_H
#define STELE_SERVE_WATCH_H

#include "base/bytes.h"
#include "data/uuid.h"

struct dataset;

#define WATCH_ABSENT UINT64_MAX

// What a key was.
struct watch_note {
    struct uuid id;
    uint64_t len; // of its value; WATCH_ABSENT: there was none
    uint64_t sum; // of its value
};

struct watch {
    uint64_t snapshot; // the number of the snapshot in which the first key was noted
    unsigned damage;   // of its dataset at that time
    bool overflowed;   // there were more keys than are remembered
    struct buf notes;
    // The value that is being read, from turn to turn.
    struct {
        bool checked; // the caller has found that the value can be read
        bool begun;
        bool ended;
        uint64_t at; // where it begins in the text
        uint64_t len;
        uint64_t sum;
    } value;
};

// An empty watch of keys as they are in the snapshot of that number, whose dataset has so much
// damage. NULL when memory is short.
struct watch *watch_new(uint64_t snapshot, unsigned damage);

// Frees the watch. NULL is allowed.
void watch_free(struct watch *w);

// The number of bytes that the watch takes. 0 for NULL.
size_t watch_memory(const struct watch *w);

// The number of keys that are noted.
size_t watch_count(const struct watch *w);

// Note `i`, counted from 0.
struct watch_note watch_note_at(const struct watch *w, size_t i);

// Whether the key is noted already. Where many keys are noted they are not searched, and the result
// is false.
bool watch_is_noted(const struct watch *w, struct uuid id);

// Whether no further key is remembered; sets `overflowed` then.
bool watch_is_full(struct watch *w);

// Adds a note. Returns false when memory is short.
bool watch_add(struct watch *w, const struct watch_note *note);

// Reads a part of the value under `note->id` in `d`: first it looks the key up, then each call
// reads a piece. `*read` is the number of bytes that this call read. Returns true when the value
// has been read whole, and `note` says what the key is now; until then the same key must be given
// again.
bool watch_read(struct watch *w, const struct dataset *d, struct watch_note *note, uint64_t *read);

#endif
