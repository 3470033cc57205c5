// The watched keys of a client (WATCH), so that EXEC can refuse the transaction if a value has
// changed. Values change only when the dataset is replaced or its file is damaged. If neither has
// happened, EXEC compares nothing. Otherwise it compares the checksums of the values. The old
// dataset is not kept for this: a client could then hold its memory for as long as it likes.
//
// A session owns its watch. Only the thread of the session's service touches it.
#ifndef STELE_SERVE_WATCH_H
#define STELE_SERVE_WATCH_H

#include "base/bytes.h"
#include "data/uuid.h"

struct dataset;

#define WATCH_ABSENT UINT64_MAX

// The state of one key.
struct watch_note {
    struct uuid id;
    uint64_t len; // bytes of its value; WATCH_ABSENT: the key does not exist
    uint64_t sum; // checksum of its value
};

struct watch {
    uint64_t snapshot; // number of the snapshot in which the first key was noted
    unsigned damage;   // damage of that snapshot's dataset at that time
    bool overflowed;   // more keys were watched than noted: EXEC must assume a change
    struct buf notes;  // array of struct watch_note
    // The value that is being read, perhaps in several turns.
    struct {
        bool checked; // set by the caller: the value can be read
        bool begun;   // the key has been looked up
        bool ended;   // the whole value has been read
        uint64_t at;  // offset of the value in the data file
        uint64_t len; // bytes read so far; WATCH_ABSENT: the key does not exist
        uint64_t sum; // checksum of the bytes read so far
    } value;
};

// Returns a watch without notes, for keys in the snapshot with the number `snapshot`. `damage` is
// the damage of its dataset. Returns NULL when memory is short.
struct watch *watch_new(uint64_t snapshot, unsigned damage);

// Frees the watch. NULL is allowed.
void watch_free(struct watch *w);

// Returns the bytes of memory that the watch takes. 0 for NULL.
size_t watch_memory(const struct watch *w);

// Returns the number of notes.
size_t watch_count(const struct watch *w);

// Returns note `i`, counted from 0.
struct watch_note watch_note_at(const struct watch *w, size_t i);

// Returns whether there is a note of this key. Returns false without a search when there are many
// notes.
bool watch_is_noted(const struct watch *w, struct uuid id);

// Returns whether there is no room for another note. Sets `overflowed` in that case.
bool watch_is_full(struct watch *w);

// Adds a note. Returns false when memory is short.
bool watch_add(struct watch *w, const struct watch_note *note);

// Finds out the present state of the key `note->id` in `d`. The first call looks the key up, each
// further call reads a piece of its value and sets `*read` to the bytes it has read. Returns true,
// with `note` filled in, when the whole value has been read. Until then the caller must call again
// with the same key.
bool watch_read(struct watch *w, const struct dataset *d, struct watch_note *note, uint64_t *read);

#endif
