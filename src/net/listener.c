// Opens listening sockets, TCP and unix. Binding alone does not reserve an address. Another process
// could still bind the same TCP address. And if nobody listens yet on a unix socket, another server
// could think that the socket is stale, and remove it. So each socket is bound and listens at once,
// before a large file is indexed. The system queues clients that connect before the server accepts.
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/ending.h"
#include "base/error.h"

enum { LOCK_TRIES = 50 }; // one every 20 ms

// Appends an open socket to the list. On failure closes it and returns false with a message.
static bool add(struct listener *list, unsigned *count, int fd, struct error *error)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    bool good = false;
    if (*count == LISTENERS_MAX)
        error_set(error, "more than %d addresses to listen on", LISTENERS_MAX);
    else if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        error_set(error, "cannot read the address of a listening socket: %s", strerror(errno));
    else
        good = true;
    if (!good) {
        close(fd);
        return false;
    }
    struct listener *added = &list[(*count)++];
    *added = (struct listener){.fd = fd};
    added->port = address_port((struct sockaddr *)&address);
    address_format((struct sockaddr *)&address, len, added->text);
    return true;
}

// Opens a TCP socket that listens. Returns -1 with errno on failure.
static int listen_on(const struct addrinfo *info, unsigned backlog)
{
    int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    // The IPv6 wildcard must not take the IPv4 port, which gets a listener of its own.
    if ((info->ai_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, (int)backlog) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

// Returns true when a listener for the address exists: the same address was given twice, or there
// is a listener for all addresses of its family.
static bool is_covered(const struct listener *list, unsigned count, const struct addrinfo *info)
{
    char text[ADDRESS_TEXT];
    char wildcard[ADDRESS_TEXT];
    address_format(info->ai_addr, info->ai_addrlen, text);
    snprintf(wildcard, sizeof wildcard, info->ai_family == AF_INET ? "0.0.0.0:%u" : "[::]:%u",
             address_port(info->ai_addr));
    for (unsigned i = 0; i < count; i++)
        if (strcmp(list[i].text, text) == 0 || strcmp(list[i].text, wildcard) == 0)
            return true;
    return false;
}

bool listener_is_wildcard(const char *address)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char text[ADDRESS_TEXT] = "";
    if (strcmp(address, "*") == 0)
        return true;
    if (getaddrinfo(address, NULL, &hints, &found) != 0)
        return false;
    address_format(found->ai_addr, found->ai_addrlen, text);
    freeaddrinfo(found);
    return strcmp(text, "0.0.0.0:0") == 0 || strcmp(text, "[::]:0") == 0;
}

// Returns true when `reason` says that the machine does not have the address, or not even its
// family.
static bool is_absent(int reason)
{
    return reason == EADDRNOTAVAIL || reason == EAFNOSUPPORT || reason == EPROTONOSUPPORT;
}

static void set_port(struct sockaddr *address, unsigned port)
{
    if (address->sa_family == AF_INET)
        ((struct sockaddr_in *)(void *)address)->sin_port = htons((uint16_t)port);
    else if (address->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)address)->sin6_port = htons((uint16_t)port);
}

// ABSENT: the machine has none of the addresses.
enum outcome { OPENED, ABSENT, FAILED };

// Opens a listener for each address that `name` stands for: the addresses of a host name, or the
// one that `name` is itself. If `*port` is 0, sets it to the port that the system chose for the
// first address, and uses it for the others. Skips an address that the machine does not have, or
// that a listener covers already.
static enum outcome open_name(struct listener *list, unsigned *count, const char *name,
                              unsigned *port, unsigned backlog, struct error *error)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    enum outcome outcome = ABSENT;
    int absent = EADDRNOTAVAIL;
    int failure = getaddrinfo(name, NULL, &hints, &found);
    if (failure != 0) {
        error_set(error, "cannot listen on '%s': %s", name,
                  failure == EAI_SYSTEM ? strerror(errno) : gai_strerror(failure));
        return FAILED;
    }
    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        set_port(info->ai_addr, *port);
        bool covered = is_covered(list, *count, info);
        int fd = covered ? -1 : listen_on(info, backlog);
        if (covered) {
            outcome = OPENED;
        } else if (fd >= 0 && add(list, count, fd, error)) {
            outcome = OPENED;
            *port = list[*count - 1].port;
        } else if (fd < 0 && is_absent(errno)) {
            absent = errno;
        } else {
            if (fd < 0)
                error_set(error, "cannot listen on %s port %u: %s", name, *port, strerror(errno));
            outcome = FAILED;
            break;
        }
    }
    freeaddrinfo(found);
    if (outcome == ABSENT)
        error_set(error, "cannot listen on %s port %u: %s", name, *port, strerror(absent));
    return outcome;
}

bool listener_open_tcp(struct listener *list, unsigned *count, const char *address, unsigned port,
                       unsigned backlog, struct error *error)
{
    if (strcmp(address, "*") != 0)
        return open_name(list, count, address, &port, backlog, error) == OPENED;
    enum outcome v4 = open_name(list, count, "0.0.0.0", &port, backlog, error);
    enum outcome v6 = v4 != FAILED ? open_name(list, count, "::", &port, backlog, error) : FAILED;
    return v4 != FAILED && v6 != FAILED && (v4 == OPENED || v6 == OPENED);
}

// Locks the folder of a unix socket, until the returned descriptor is closed. Between bind and
// listen the socket looks stale, and the lock keeps other servers from removing it then. Returns -1
// when the lock is not available within a second. Then only listener_is_reachable detects a removed
// socket.
static int lock_folder(const char *path)
{
    static const struct timespec pause = {.tv_nsec = 20000000};
    const char *slash = strrchr(path, '/');
    char *folder = slash != NULL ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(folder);
    for (unsigned tries = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (tries == LOCK_TRIES || (errno != EWOULDBLOCK && errno != EINTR)) {
            close(fd);
            return -1;
        }
        nanosleep(&pause, NULL);
    }
    return fd;
}

// Removes a unix socket on which no process listens. Returns true when the path is free, or false
// with a message.
static bool remove_stale(const char *path, const struct sockaddr_un *address, struct error *error)
{
    struct stat status;
    if (lstat(path, &status) != 0) {
        if (errno == ENOENT)
            return true;
        error_set(error, "cannot listen on '%s': %s", path, strerror(errno));
        return false;
    }
    if (!S_ISSOCK(status.st_mode)) {
        error_set(error, "cannot listen on '%s': the file exists and is not a socket", path);
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int reason = 0;
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) != 0)
        reason = errno;
    if (fd >= 0)
        close(fd);
    if (reason == 0 || reason == EAGAIN) { // EAGAIN: the queue of that server is full
        error_set(error, "cannot listen on '%s': a server is listening there", path);
        return false;
    }
    if (reason == ECONNREFUSED && unlink(path) == 0)
        return true;
    error_set(error, "cannot replace '%s': %s", path,
              strerror(reason == ECONNREFUSED ? errno : reason));
    return false;
}

// Opens a unix socket that listens at `address`, whose path must be free. Sets `*file` to the
// status of the socket's file. Returns -1 with errno on failure.
static int listen_at(const struct sockaddr_un *address, unsigned mode, unsigned backlog,
                     struct stat *file)
{
    const char *path = address->sun_path;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool bound =
        fd >= 0 && bind(fd, (const struct sockaddr *)address, (socklen_t)sizeof *address) == 0;
    // The mode is set before the socket listens, so no client can connect without permission.
    if (bound && (mode == 0 || chmod(path, mode) == 0) && lstat(path, file) == 0 &&
        listen(fd, (int)backlog) == 0)
        return fd;
    int reason = errno;
    if (bound)
        unlink(path);
    if (fd >= 0)
        close(fd);
    errno = reason;
    return -1;
}

// Does the work of listener_open_unix, without locking the folder and blocking signals.
static bool open_unix(struct listener *list, unsigned *count, const struct sockaddr_un *address,
                      unsigned mode, unsigned backlog, struct error *error)
{
    const char *path = address->sun_path;
    struct stat file;
    if (!remove_stale(path, address, error))
        return false;
    int fd = listen_at(address, mode, backlog, &file);
    if (fd < 0) {
        error_set(error, "cannot listen on '%s': %s", path, strerror(errno));
        return false;
    }
    if (!add(list, count, fd, error)) {
        unlink(path);
        return false;
    }
    struct listener *added = &list[*count - 1];
    added->owns_path = true;
    added->device = file.st_dev;
    added->inode = file.st_ino;
    added->ending = ending_register(path, &file);
    return true;
}

bool listener_open_unix(struct listener *list, unsigned *count, const char *path, unsigned mode,
                        unsigned backlog, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        error_set(error, "cannot listen on '%s': the path is longer than %zu bytes", path,
                  sizeof address.sun_path - 1);
        return false;
    }
    memcpy(address.sun_path, path, strlen(path));
    sigset_t signals;
    int folder = lock_folder(path);
    // A signal before ending_register would end the process without removing the socket file.
    ending_block_signals(&signals);
    bool opened = open_unix(list, count, &address, mode, backlog, error);
    ending_restore_signals(&signals);
    if (folder >= 0)
        close(folder);
    return opened;
}

// Returns true when the path still leads to the file of this unix socket.
static bool has_its_file(const struct listener *listener)
{
    struct stat file;
    return lstat(listener->text, &file) == 0 && file.st_dev == listener->device &&
           file.st_ino == listener->inode;
}

bool listener_is_reachable(const struct listener *listener, struct error *error)
{
    if (!listener->owns_path || has_its_file(listener))
        return true;
    error_set(error, "cannot listen on '%s': the socket's file was removed or replaced meanwhile",
              listener->text);
    return false;
}

void listener_close(struct listener *listener)
{
    if (listener->owns_path && has_its_file(listener))
        unlink(listener->text);
    ending_unregister(listener->ending);
    close(listener->fd);
}
