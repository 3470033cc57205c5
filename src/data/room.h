// Room for an index: the memory that it may take, and files for an index that memory does not hold.
#ifndef STELE_DATA_ROOM_H
#define STELE_DATA_ROOM_H

#include <stddef.h>
#include <stdint.h>

struct dataset_settings;

// The bytes of memory that an index may still take: the memory that the system has left for this
// process, less the part reserved for others in it (`settings->reserved`, at most half). At
// least 1.
uint64_t room_in_memory(const struct dataset_settings *settings);

// Makes a file without a name, on a disk, for an image that memory does not hold: in $TMPDIR,
// /var/tmp or /tmp, or beside the file `path`. Returns its descriptor and writes its folder, cut to
// `size`, into `folder`. -1 when none of them takes a file.
int room_in_file(const char *path, char *folder, size_t size);

#endif
