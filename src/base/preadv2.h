// preadv2(2) and RWF_NOWAIT, also with a C library that does not have them (musl before 1.2.5).
#ifndef STELE_BASE_PREADV2_H
#define STELE_BASE_PREADV2_H

#include <sys/types.h>
#include <sys/uio.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008

// Does the same as the function of this name in other C libraries: reads from offset `at` on into
// `count` vectors. Returns the number of bytes read, 0 at the end of the file, or -1 with errno.
ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t at, int flags);
#endif

#endif
