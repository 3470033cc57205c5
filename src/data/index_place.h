// Where an index file may be put: it must not take the place of anything that is no index.
#ifndef STELE_DATA_INDEX_PLACE_H
#define STELE_DATA_INDEX_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

struct error;

#define INDEX_SUFFIX ".idx"
#define INDEX_LOCK_SUFFIX ".lock" // appended to the path of the index file

enum index_place {
    INDEX_PLACE_FREE,     // there is no file, or one that an index may replace
    INDEX_PLACE_UNUSABLE, // no file can be put there
    INDEX_PLACE_TAKEN,    // there is a file that is no index
};

// Whether an index file may be put at `path`. It may replace an empty file, or a file that is an
// index by the magic at its beginning or its end, whatever else is wrong with it. With
// `blank_is_free` it may also replace a file of nothing but zeros or nothing but ones (0xff): a
// crash of the machine or a bad disk may turn an index into that. Where users choose the path, such
// a file may have been something else, so callers then pass false. A file with other content is
// INDEX_PLACE_TAKEN. A symbolic link (neither followed nor replaced), a folder, a FIFO, a device
// and a file that cannot be read are INDEX_PLACE_UNUSABLE. Both come with a message that names the
// file.
enum index_place index_place_look(const char *path, bool blank_is_free, struct error *error);

// Whether the file at `path` is the index of another data file: `path` is OTHER.idx, and OTHER is a
// file but not the one with the status `data`. Also false when `path` has no file or an empty one.
bool index_place_is_of_other(const char *path, const struct stat *data);

#endif
