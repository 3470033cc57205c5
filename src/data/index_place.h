// Where an index file may be put: it must not take the place of anything that is no index.
#ifndef STELE_DATA_INDEX_PLACE_H
#define STELE_DATA_INDEX_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

struct error;

#define INDEX_SUFFIX ".idx"
#define INDEX_LOCK_SUFFIX ".lock" // behind the path of the index file

enum index_place {
    INDEX_PLACE_FREE,     // nothing is there, or what an index may replace
    INDEX_PLACE_UNUSABLE, // no file can be put there
    INDEX_PLACE_TAKEN,    // there is a file that is no index
};

// Whether an index file may take the place of what has the name `path`: nothing, an empty file, or
// a file that is an index by the magic at its beginning or its end, whatever else is wrong with it.
// With `blank_is_free` also one of nothing but zeros or nothing but ones (0xff): what a crash of
// the machine or a disk may make of an index, but who knows of what else where users choose the
// name. Anything else comes with a message that names it: a file that holds something else is
// INDEX_PLACE_TAKEN; a symbolic link (it is neither followed nor replaced), a folder, a FIFO, a
// device, and a file that cannot be read are INDEX_PLACE_UNUSABLE.
enum index_place index_place_look(const char *path, bool blank_is_free, struct error *error);

// Whether `path` is OTHER.idx and OTHER is a file, but not the one of `data`: there lies the index
// of that file. False also when nothing lies at `path`, or an empty file.
bool index_place_is_of_other(const char *path, const struct stat *data);

#endif
