// Checks whether an index file may be written to a path. It must not replace any other kind of
// file.
#ifndef STELE_DATA_INDEX_TARGET_H
#define STELE_DATA_INDEX_TARGET_H

#include <stdbool.h>
#include <sys/stat.h>

struct error;

#define INDEX_SUFFIX ".idx"
#define INDEX_LOCK_SUFFIX ".lock" // appended to the path of the index file

enum index_target {
    INDEX_TARGET_FREE,     // there is no file, or a file that an index may replace
    INDEX_TARGET_UNUSABLE, // an index file cannot be written there
    INDEX_TARGET_TAKEN,    // there is a file that is not an index
};

// Returns whether an index file may be written to `path`.
//
// INDEX_TARGET_FREE: there is no file, an empty file, or a file that begins or ends with the magic
// number of an index, even if it is damaged. If `blank_is_free` is true, also a file in which all
// bytes are 0 or all are 0xff, because a crash of the machine or a bad disk may turn an index into
// that. When the user has chosen the path, such a file may be something else, so callers then pass
// false.
//
// INDEX_TARGET_TAKEN: there is a file with other content. Sets a message that names the file.
//
// INDEX_TARGET_UNUSABLE: there is a symbolic link, which is neither followed nor replaced; a
// folder, FIFO or device; or a file that cannot be read. Sets a message that names it.
enum index_target index_target_check(const char *path, bool blank_is_free, struct error *error);

// Whether the file at `path` is the index of another data file. It is when it is not empty, `path`
// is OTHER.idx, and OTHER is a file other than the one with the status `data`.
bool index_target_is_of_other_data(const char *path, const struct stat *data);

#endif
