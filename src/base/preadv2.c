// Calls the kernel where the C library has no preadv2. If the C library has it, this file is empty.
#include <sys/uio.h>

#ifndef RWF_NOWAIT
#include "base/preadv2.h"

#include <sys/syscall.h>
#include <unistd.h>

ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t at, int flags)
{
    // The kernel takes the offset in two halves. On 64 bits the first one has all of it.
    return syscall(SYS_preadv2, fd, vectors, count, at, 0, flags);
}
#else
typedef int preadv2_is_there; // ISO C forbids an empty file
#endif
