// Cold lookups: lookups of data that may not be in memory. An event loop must not wait for the
// disk, because all its clients would wait with it. So it asks the system for the data without
// waiting. What is not in memory, reader threads read (serve/readers.h), and the client's command
// goes on when they have it. Such a command is parked; the loop serves other clients meanwhile.
//
//   key ─▶ index ─▶ offset ─▶ page read often lately? ─ yes ─▶ read the mapping
//                             page read lately? ─────── yes ─▶ read without waiting ─ not there ─┐
//                             otherwise ────────────────────────────────────────────────────────┤
//                                                                                               ▼
//                       the command goes on ◀── mailbox of the loop ◀── a reader thread reads the
//                       line
//
// A set holds the lines that a session needs next: the keys of the present request, and those of
// the requests that follow it in the pipeline. All lines of a set are read at the same time.
//
// A loop looks at its data in this way only while it has a reason to (struct cold, `active`).
// Otherwise it reads the mapping, and none of this costs anything.
#ifndef STELE_SERVE_COLD_H
#define STELE_SERVE_COLD_H

#include <stdbool.h>
#include <stdint.h>

#include "data/dataset.h"
#include "data/uuid.h"
#include "serve/loop_task.h"
#include "serve/readers.h"

struct cold_set;
struct recent_pages;
struct service;
struct session;
struct stats;

enum {
    COLD_LINES_MAX = 128, // most lines of a set
    // A set holds values of fewer bytes. The bytes of longer values stay in the mapping, because a
    // reply may borrow them (resp_bulk_shared), and a set does not live as long as a reply.
    COLD_VALUE_MAX = 16 * 1024,
};

// The cold lookups of one loop. A part of its service; only the thread of the loop touches it.
struct cold {
    struct readers *readers; // borrowed, shared by all loops; NULL: no lookup is ever parked
    struct stats *stats;     // of the loop
    const struct loop_router *router;
    struct service *home; // the loop's service and its number, where sets come back to
    unsigned number;
    uint64_t memory_allowed; // bytes of memory that this process may use
    // Whether lookups must expect that data is not in memory: the dataset does not fit, or this
    // thread has waited for a page lately. Changes only between two turns of the loop.
    bool active;
    bool fits;          // the dataset fits into memory
    uint64_t looked_ns; // monotonic time when the thread's page faults were read last
    uint64_t active_until_ns;
    uint64_t faults;            // page faults of the thread that had to wait for the disk
    uint64_t epoch;             // number of the dataset, which tells its pages from those of others
    struct recent_pages *pages; // NULL until it is active for the first time
};

// What a line of a set is looked up by.
enum cold_kind { COLD_KEY, COLD_RANK, COLD_SEEK };

// A line of a set.
struct cold_line {
    enum cold_kind kind;
    bool parked;              // reader threads have it; they may write all fields below
    bool pending;             // it is not read yet
    enum dataset_read found;  // when it is read
    struct uuid id;           // the key; for COLD_RANK it is set when the line was found
    uint64_t rank;            // for COLD_RANK; for COLD_SEEK it is the result
    struct dataset_line line; // as dataset_read_key sets it
    bool extent;              // only the end of the value is searched (cold_set_read_end)
    char *buffer;
    size_t size; // bytes of `buffer`
};

// Says which dataset the loop reads from now on. Called at the start and after each publication.
void cold_dataset(struct cold *cold, const struct dataset *d);

// Sets `active`. Called between two turns of the loop; `now` is the monotonic time in ns. Reads the
// number of the thread's page faults, at most once a millisecond.
void cold_update(struct cold *cold, uint64_t now);

// Frees what the loop has allocated.
void cold_release(struct cold *cold);

// Makes an empty set for lines of `d`, with room for `capacity` lines, at most COLD_LINES_MAX.
// Takes a reference to `d`. `number` is that of the snapshot. Returns NULL when memory is short.
struct cold_set *cold_set_new(struct cold *cold, struct dataset *d, uint64_t number,
                              unsigned capacity);

// Whether the set is of the snapshot with this number, and its lines are right. A value that is in
// the mapping may be wrong after the memory of the files has begun to show other bytes than those
// that were read.
bool cold_set_is_valid(const struct cold_set *set, uint64_t number);

// Adds a line. The set must have room, and cold_set_begin must not have been called.
void cold_set_add_key(struct cold_set *set, struct uuid id);
void cold_set_add_rank(struct cold_set *set, uint64_t rank);
void cold_set_add_seek(struct cold_set *set, struct uuid id);

// Returns whether the set has no room.
bool cold_set_is_full(const struct cold_set *set);

// Copies the results of COLD_SEEK from another set.
void cold_set_keep_seeks(struct cold_set *set, const struct cold_set *from);

// Reads the lines that are in memory, and has the reader threads read the others. When they have,
// `arrived` is called with `waiter`, in the loop's thread, unless cold_set_drop was called before.
void cold_set_begin(struct cold *cold, struct cold_set *set, struct session *waiter,
                    void (*arrived)(struct session *waiter));

// Returns the line, or NULL when the set does not have it.
struct cold_line *cold_set_key(struct cold_set *set, struct uuid id);
struct cold_line *cold_set_rank(struct cold_set *set, uint64_t rank);
struct cold_line *cold_set_seek(struct cold_set *set, struct uuid id);

// Reads a line once more that was DATASET_READ_LONG, into a buffer for COLD_VALUE_MAX bytes. The
// line may be parked afterwards. Returns false when it was read with such a buffer already, or
// memory is short. cold_set_is_parked must be false.
bool cold_set_read_longer(struct cold *cold, struct cold_set *set, struct cold_line *line,
                          struct session *waiter, void (*arrived)(struct session *waiter));

// Has the reader threads search the end of the value of a line that is DATASET_READ_LONG. The line
// is parked afterwards. When it comes back, it may be DATASET_READ_LONG again; call this again
// then. cold_set_is_parked must be false.
void cold_set_read_end(struct cold *cold, struct cold_set *set, struct cold_line *line,
                       struct session *waiter, void (*arrived)(struct session *waiter));

// Whether reader threads have lines of the set.
bool cold_set_is_parked(const struct cold_set *set);

// Returns how long the reader threads have had lines of the set the last time, in ns, until the
// lines came back to the loop.
uint64_t cold_set_waited(const struct cold_set *set);

// Returns the bytes of memory that the set takes.
size_t cold_set_memory(const struct cold_set *set);

// Frees the set, or lets it be freed when the reader threads have finished with it. NULL is
// accepted.
void cold_set_drop(struct cold_set *set);

#endif
