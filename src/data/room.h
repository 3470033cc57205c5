// Room for an index: the memory that may be taken for it, and files for what memory does not hold.
#ifndef STELE_DATA_ROOM_H
#define STELE_DATA_ROOM_H

#include <stddef.h>
#include <stdint.h>

struct dataset_settings;

// Bytes of memory that may be taken more: what the system has left for this process, less what
// others in it may yet need (`settings->reserved`, half of it at most). At least 1.
uint64_t room_in_memory(const struct dataset_settings *settings);

// A file without a name, on a disk, for an image that memory does not hold: in $TMPDIR, /var/tmp or
// /tmp, or beside the file `path`. Its descriptor, and in `folder`, cut to `size`, where it is. -1
// when there is no place for one.
int room_in_file(const char *path, char *folder, size_t size);

#endif
