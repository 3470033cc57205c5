// A store: a folder with the versions of a data file, of which one is current.
//
//   STORE/versions/NAME/table.data      the data
//   STORE/versions/NAME/table.data.idx  its index
//   STORE/versions/NAME/manifest        facts about them; written last
//   STORE/current                       symbolic link to versions/NAME: the version that is served
//   STORE/pin                           the version that stays current; may be absent
//
// A folder in versions/ without a manifest is no version. docs/publishing.md describes the files.
// The functions here only read; src/tool/ writes.
#ifndef STELE_DATA_STORE_H
#define STELE_DATA_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/checksum.h"

struct error;

#define STORE_VERSIONS "versions"
#define STORE_CURRENT "current"
#define STORE_PIN "pin"
#define STORE_DATA "table.data"
#define STORE_MANIFEST "manifest"
// The path of the current data, after the path of a store.
#define STORE_CURRENT_DATA "/" STORE_CURRENT "/" STORE_DATA

enum {
    STORE_MANIFEST_MAX = 1024 * 1024, // bytes of a manifest that can be read
    STORE_NAME_MAX = 64,              // bytes of a version's name
    STORE_TIME_TEXT_MAX = 32          // bytes of a formatted time, including the NUL
};

// The facts about a version.
struct store_manifest {
    char version[STORE_NAME_MAX + 1];
    char previous[STORE_NAME_MAX + 1]; // the version that was current when this one was published
    int64_t made_at;                   // time when the data was made: seconds since 1970, UTC
    int64_t published_at;              // time when it was published
    uint64_t bytes;                    // of the data file
    uint64_t lines;
    uint64_t keys;
    uint64_t duplicates;
    uint64_t value_bytes;
    char checksum[CHECKSUM_TEXT_LEN + 1]; // XXH3 of the data file, 128 bits
};

// Whether `path` is a store: a folder that has a folder `versions`.
bool store_is_store(const char *path);

// Whether `name` can be the name of a version: letters, digits, '.', '-' and '_', at most
// STORE_NAME_MAX, and no '.' in front.
bool store_name_is_good(const char *name);

// Writes the path of a file of a version at `to`, which has `size` bytes. `file` may be "", for the
// version's folder. Returns false with a message when it does not fit.
bool store_path(const char *store, const char *version, const char *file, char *to, size_t size,
                struct error *error);

// Sets `name` to the current version. Returns false with a message when there is none.
bool store_current(const char *store, char name[STORE_NAME_MAX + 1], struct error *error);

// Sets `name` to the pinned version, or to "" when there is none. Returns false with a message when
// the file cannot be read or holds no name of a version.
bool store_pinned(const char *store, char name[STORE_NAME_MAX + 1], struct error *error);

// Reads the manifest of a version. Returns false with a message that names the line; errno is
// ENOENT when there is no manifest.
bool store_manifest_read(const char *store, const char *version, struct store_manifest *m,
                         struct error *error);

// Appends the text of a manifest to `to`. `more` are further lines, each with its newline, whose
// names no field above has. Reading skips them.
void store_manifest_format(const struct store_manifest *m, struct span more, struct buf *to);

// Writes a time at `to`, such as "2026-11-28T02:00:00Z".
void store_time_format(int64_t seconds, char to[STORE_TIME_TEXT_MAX]);

// Reads a time: as store_time_format writes it, or '@' and seconds since 1970. Returns false for
// any other text.
bool store_time_parse(const char *text, int64_t *seconds);

// Writes the name that a version of this time gets by default, such as "20261128T020000Z".
void store_time_name(int64_t seconds, char to[STORE_TIME_TEXT_MAX]);

#endif
