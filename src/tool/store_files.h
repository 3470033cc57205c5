// Changes the files of a store (data/store.h). Each change is one rename, so readers see a store
// before it or after it. Only one process at a time changes a store: the one that has its lock.
#ifndef STELE_TOOL_STORE_FILES_H
#define STELE_TOOL_STORE_FILES_H

#include <stdbool.h>

#include "data/store.h"

struct error;

#define STORE_LOCK "lock"
#define STORE_ROLLED_BACK "rolled-back" // a file of a version; its time is that of the rollback
// A folder in which a version is made; it is no version.
#define STORE_NEW ".new"

struct store_version {
    struct store_manifest manifest;
    bool current;
    bool pinned;
    int64_t rolled_back_at; // time when it was left by a rollback; 0: it was not, or it is current
};

struct store_list {
    unsigned count;
    struct store_version *versions; // in the order of their names
};

// Takes the lock of the store until the descriptor is closed. Returns the descriptor, or -1 with a
// message, which names the process that has the lock.
int store_files_lock(const char *store, struct error *error);

// Reads all versions. Returns false with a message when that fails or a manifest is wrong. The
// caller calls store_files_release in any case.
bool store_files_list(const char *store, struct store_list *list, struct error *error);

// A zeroed struct is accepted.
void store_files_release(struct store_list *list);

// The caller of the functions below has the lock. They sync what they change. Those that return a
// bool return false with a message on failure.

// Removes what interrupted changes have left: folders and files that were still being made or
// removed. If a rollback was interrupted, completes it.
bool store_files_recover(const char *store, struct error *error);

// Writes a file of this text at `path`, or replaces the file there.
bool store_files_write(const char *path, struct span text, struct error *error);

// Makes `version` the current version.
bool store_files_make_current(const char *store, const char *version, struct error *error);

// Pins `version`; NULL: removes the pin.
bool store_files_pin(const char *store, const char *version, struct error *error);

// Notes that the version was left by a rollback, or, without `left`, that it was not.
bool store_files_note_rollback(const char *store, const char *version, bool left,
                               struct error *error);

// Removes a version, or a folder of versions/ that is none.
bool store_files_remove(const char *store, const char *name, struct error *error);

#endif
