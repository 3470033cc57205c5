// Opening listening sockets, TCP and unix. Binding and listening are two steps, so that an address
// in use is found before a large file is indexed, and clients are refused until it is.
#include "net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"

static bool add(struct listener *list, unsigned *count, int fd, struct error *error)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    bool good = false;
    if (*count == LISTENERS_MAX)
        error_set(error, "more than %d addresses to listen on", LISTENERS_MAX);
    else if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        error_set(error, "cannot tell where a socket listens: %s", strerror(errno));
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

// A bound socket, or -1 with errno set.
static int bind_to(const struct addrinfo *info)
{
    int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    // The v6 wildcard must not take the v4 port, which has a listener of its own.
    if ((info->ai_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, info->ai_addr, info->ai_addrlen) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

// True when an address is on the list already, being named twice.
static bool is_bound(const struct listener *list, unsigned count, const struct addrinfo *info)
{
    char text[ADDRESS_TEXT];
    address_format(info->ai_addr, info->ai_addrlen, text);
    for (unsigned i = 0; i < count; i++)
        if (strcmp(list[i].text, text) == 0)
            return true;
    return false;
}

bool listener_bind_tcp(struct listener *list, unsigned *count, const char *address, unsigned port,
                       struct error *error)
{
    if (strcmp(address, "*") == 0)
        return listener_bind_tcp(list, count, "0.0.0.0", port, error) &&
               (!has_ipv6() || listener_bind_tcp(list, count, "::",
                                                 port != 0 ? port : list[*count - 1].port, error));
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[16];
    snprintf(service, sizeof service, "%u", port);
    int failure = getaddrinfo(address, service, &hints, &found);
    if (failure != 0) {
        error_set(error, "cannot listen on '%s': %s", address, gai_strerror(failure));
        return false;
    }
    bool good = true;
    for (const struct addrinfo *info = found; good && info != NULL; info = info->ai_next) {
        if (is_bound(list, *count, info))
            continue;
        int fd = bind_to(info);
        good = fd >= 0;
        if (good)
            good = add(list, count, fd, error);
        else
            error_set(error, "cannot listen on %s port %u: %s", address, port, strerror(errno));
    }
    freeaddrinfo(found);
    return good;
}

// Removes a socket file that nobody listens on. True when the path is free.
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
    if (reason == 0 || reason == EAGAIN) { // EAGAIN: its queue is full
        error_set(error, "cannot listen on '%s': a server is listening there", path);
        return false;
    }
    if (reason == ECONNREFUSED && unlink(path) == 0)
        return true;
    error_set(error, "cannot replace '%s': %s", path,
              strerror(reason == ECONNREFUSED ? errno : reason));
    return false;
}

bool listener_bind_unix(struct listener *list, unsigned *count, const char *path, unsigned mode,
                        struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat file;
    if (strlen(path) >= sizeof address.sun_path) {
        error_set(error, "cannot listen on '%s': the path is longer than %zu bytes", path,
                  sizeof address.sun_path - 1);
        return false;
    }
    memcpy(address.sun_path, path, strlen(path));
    if (!remove_stale(path, &address, error))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        error_set(error, "cannot listen on '%s': %s", path, strerror(errno));
    } else if ((mode != 0 && chmod(path, mode) != 0) || lstat(path, &file) != 0) {
        error_set(error, "cannot listen on '%s': %s", path, strerror(errno));
        unlink(path);
    } else if (add(list, count, fd, error)) {
        struct listener *added = &list[*count - 1];
        added->owns_path = true;
        added->device = file.st_dev;
        added->inode = file.st_ino;
        return true;
    } else {
        return false;
    }
    if (fd >= 0)
        close(fd);
    return false;
}

bool listener_listen(struct listener *listener, unsigned backlog, struct error *error)
{
    if (listen(listener->fd, (int)backlog) == 0)
        return true;
    error_set(error, "cannot listen on %s: %s", listener->text, strerror(errno));
    return false;
}

void listener_close(struct listener *listener)
{
    struct stat file;
    if (listener->owns_path && lstat(listener->text, &file) == 0 &&
        file.st_dev == listener->device && file.st_ino == listener->inode)
        unlink(listener->text);
    close(listener->fd);
}
