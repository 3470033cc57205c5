// Each wrapped function asks fails() whether this call must fail, and otherwise calls the real one.
#include "faults/support/failing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

struct failing_state {
    unsigned kinds;
    unsigned at;       // number of the call that fails; the first is 1, and 0 means none
    bool after;        // all calls after it fail too
    int error;         // errno of a failed call
    atomic_uint calls; // number of calls since failing_begin
    atomic_bool armed; // calls are counted and may fail
};
static struct failing_state failing;
_Thread_local bool failing_spares;

void failing_begin(unsigned kinds, unsigned at, bool after, int error)
{
    failing.kinds = kinds;
    failing.at = at;
    failing.after = after;
    failing.error = error;
    atomic_store(&failing.calls, 0);
    atomic_store(&failing.armed, true);
}

void failing_pause(bool goes_on)
{
    atomic_store(&failing.armed, goes_on);
}

bool failing_end(void)
{
    atomic_store(&failing.armed, false);
    return failing.at > 0 && atomic_load(&failing.calls) >= failing.at;
}

unsigned failing_calls(void)
{
    return atomic_load(&failing.calls);
}

// Counts a call of this kind. Returns whether it must fail; errno is then set.
static bool fails(enum failing kind)
{
    if (!atomic_load(&failing.armed) || failing_spares || (failing.kinds & kind) == 0)
        return false;
    unsigned number = atomic_fetch_add(&failing.calls, 1) + 1;
    if (number != failing.at && (!failing.after || number < failing.at))
        return false;
    errno = failing.error;
    return true;
}

// Declares the real function, and begins the definition of the function that replaces it.
#define WRAPPED(type, name, ...)                                                                   \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

WRAPPED(void *, malloc, size_t bytes)
{
    return fails(FAILING_MEMORY) ? NULL : __real_malloc(bytes);
}

WRAPPED(void *, calloc, size_t count, size_t bytes)
{
    return fails(FAILING_MEMORY) ? NULL : __real_calloc(count, bytes);
}

WRAPPED(void *, realloc, void *old, size_t bytes)
{
    return fails(FAILING_MEMORY) ? NULL : __real_realloc(old, bytes);
}

WRAPPED(void *, aligned_alloc, size_t alignment, size_t bytes)
{
    return fails(FAILING_MEMORY) ? NULL : __real_aligned_alloc(alignment, bytes);
}

WRAPPED(char *, strdup, const char *text)
{
    return fails(FAILING_MEMORY) ? NULL : __real_strdup(text);
}

WRAPPED(char *, strndup, const char *text, size_t len)
{
    return fails(FAILING_MEMORY) ? NULL : __real_strndup(text, len);
}

int __wrap_asprintf(char **to, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **to, const char *format, ...)
{
    va_list args;
    if (fails(FAILING_MEMORY))
        return -1;
    va_start(args, format);
    int len = vasprintf(to, format, args);
    va_end(args);
    return len;
}

// With _FORTIFY_SOURCE, the header calls this function instead of asprintf.
int __wrap___asprintf_chk(char **to, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int __wrap___asprintf_chk(char **to, int flag, const char *format, ...)
{
    va_list args;
    (void)flag;
    if (fails(FAILING_MEMORY))
        return -1;
    va_start(args, format);
    int len = vasprintf(to, format, args);
    va_end(args);
    return len;
}

WRAPPED(void *, mmap, void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    bool failed = fails((flags & MAP_ANONYMOUS) != 0 ? FAILING_MEMORY : FAILING_MAPS);
    failed = failed || ((flags & MAP_TYPE) == MAP_SHARED && fails(FAILING_SHARED));
    return failed ? MAP_FAILED : __real_mmap(at, len, protection, flags, fd, offset);
}

WRAPPED(FILE *, fopen, const char *path, const char *mode)
{
    return fails(FAILING_FILES | FAILING_MEMORY) ? NULL : __real_fopen(path, mode);
}

WRAPPED(int, fstat, int fd, struct stat *status)
{
    return fails(FAILING_FILES) ? -1 : __real_fstat(fd, status);
}

WRAPPED(int, flock, int fd, int operation)
{
    return fails(FAILING_FILES) ? -1 : __real_flock(fd, operation);
}

WRAPPED(ssize_t, pread, int fd, void *to, size_t len, off_t at)
{
    return fails(FAILING_FILES) ? -1 : __real_pread(fd, to, len, at);
}

WRAPPED(ssize_t, pwrite, int fd, const void *from, size_t len, off_t at)
{
    return fails(FAILING_FILES) ? -1 : __real_pwrite(fd, from, len, at);
}

WRAPPED(int, fsync, int fd)
{
    return fails(FAILING_FILES) ? -1 : __real_fsync(fd);
}

WRAPPED(int, fdatasync, int fd)
{
    return fails(FAILING_FILES) ? -1 : __real_fdatasync(fd);
}

WRAPPED(int, fchmod, int fd, mode_t mode)
{
    return fails(FAILING_FILES) ? -1 : __real_fchmod(fd, mode);
}

WRAPPED(int, ftruncate, int fd, off_t len)
{
    return fails(FAILING_FILES) ? -1 : __real_ftruncate(fd, len);
}

WRAPPED(int, rename, const char *from, const char *to)
{
    return fails(FAILING_FILES) ? -1 : __real_rename(from, to);
}

WRAPPED(int, open, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails(FAILING_FILES) ? -1 : __real_open(path, flags, mode);
}

WRAPPED(int, madvise, void *at, size_t len, int advice)
{
    return fails(FAILING_FILES) ? -1 : __real_madvise(at, len, advice);
}

WRAPPED(int, pthread_create, pthread_t *thread, const pthread_attr_t *attributes,
        void *(*run)(void *), void *argument)
{
    return fails(FAILING_THREADS) ? EAGAIN
                                  : __real_pthread_create(thread, attributes, run, argument);
}

WRAPPED(ssize_t, recv, int fd, void *to, size_t len, int flags)
{
    return fails(FAILING_SOCKETS) ? -1 : __real_recv(fd, to, len, flags);
}

WRAPPED(ssize_t, send, int fd, const void *from, size_t len, int flags)
{
    return fails(FAILING_SOCKETS) ? -1 : __real_send(fd, from, len, flags);
}

WRAPPED(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags)
{
    return fails(FAILING_SOCKETS) ? -1 : __real_sendmsg(fd, message, flags);
}

WRAPPED(int, accept4, int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    return fails(FAILING_SOCKETS) ? -1 : __real_accept4(fd, address, len, flags);
}

WRAPPED(int, getsockname, int fd, struct sockaddr *address, socklen_t *len)
{
    return fails(FAILING_SOCKETS) ? -1 : __real_getsockname(fd, address, len);
}

WRAPPED(int, getpeername, int fd, struct sockaddr *address, socklen_t *len)
{
    return fails(FAILING_SOCKETS) ? -1 : __real_getpeername(fd, address, len);
}

WRAPPED(int, socket, int domain, int type, int protocol)
{
    return fails(FAILING_SOCKETS) ? -1 : __real_socket(domain, type, protocol);
}

WRAPPED(int, bind, int fd, const struct sockaddr *address, socklen_t len)
{
    return fails(FAILING_SOCKETS) ? -1 : __real_bind(fd, address, len);
}

WRAPPED(int, listen, int fd, int backlog)
{
    return fails(FAILING_SOCKETS) ? -1 : __real_listen(fd, backlog);
}

WRAPPED(int, setsockopt, int fd, int level, int option, const void *value, socklen_t len)
{
    return fails(FAILING_SOCKETS) ? -1 : __real_setsockopt(fd, level, option, value, len);
}
