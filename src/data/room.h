// Finds room for an index: the memory that it may use, or a temporary file when that is not enough.
#ifndef STELE_DATA_ROOM_H
#define STELE_DATA_ROOM_H

#include <stddef.h>
#include <stdint.h>

// Returns the bytes of memory that an index may use: the available memory minus `reserved`, which
// other parts of this process need. The available memory is what the system can still give to this
// process, but at most `most` unless `most` is 0. If `reserved` is more than half of the available
// memory, only half is subtracted. The result is at least 1.
uint64_t room_in_memory(uint64_t most, uint64_t reserved);

// Creates a temporary file without a name, on a disk with room for `bytes` and some reserve. It is
// in the folder of `beside`, or else in $TMPDIR, /var/tmp, /tmp or the folder of `path`, the data
// file. `beside` may be NULL. Writes the name of the file's folder, cut to `size` bytes, to
// `folder` and returns its descriptor. Returns -1 with errno when a file can be created in none of
// them: ENOSPC when there is too little room, EMEDIUMTYPE when the folder is in memory. `folder` is
// then the first one that was tried.
int room_in_file(const char *path, const char *beside, uint64_t bytes, char *folder, size_t size);

#endif
