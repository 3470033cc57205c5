// Room for an index: the memory that it may take, and files for an index that memory does not hold.
#ifndef STELE_DATA_ROOM_H
#define STELE_DATA_ROOM_H

#include <stddef.h>
#include <stdint.h>

// The bytes of memory that an index may still take: what the system has left for this process, at
// most `most` if that is not 0, less `reserved` bytes for others in this process. At most half is
// reserved. At least 1.
uint64_t room_in_memory(uint64_t most, uint64_t reserved);

// Makes a file without a name, on a disk, for an image that memory does not hold: in $TMPDIR,
// /var/tmp or /tmp, or beside the file `path`. Returns its descriptor and writes its folder, cut to
// `size`, into `folder`. -1 when none of them takes a file.
int room_in_file(const char *path, char *folder, size_t size);

#endif
