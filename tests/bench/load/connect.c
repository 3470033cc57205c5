// Opens connections. TCP sends small requests at once (TCP_NODELAY), as with usual
// clients of Redis.
#include "bench/load/connect.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"

static int connect_path(const char *path, struct error *error)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof at.sun_path) {
        error_set(error, "the path of a unix socket is too long: '%s'", path);
        return -1;
    }
    strcpy(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        error_set(error, "cannot connect to '%s': %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static int connect_any(const struct addrinfo *found)
{
    int fd = -1;
    for (; found != NULL && fd < 0; found = found->ai_next) {
        fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    return fd;
}

static int connect_host(const char *address, struct error *error)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    if (colon == NULL || (size_t)(colon - address) >= sizeof host) {
        error_set(error, "neither HOST:PORT nor a path with a slash: '%s'", address);
        return -1;
    }
    bool brackets = *address == '[' && colon > address + 1 && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - address) - 2 * brackets, address + brackets);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int failure = getaddrinfo(host, colon + 1, &hints, &found);
    if (failure != 0) {
        error_set(error, "cannot connect to '%s': %s", address, gai_strerror(failure));
        return -1;
    }
    int fd = connect_any(found);
    if (fd < 0)
        error_set(error, "cannot connect to '%s': %s", address, strerror(errno));
    freeaddrinfo(found);
    int on = 1;
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int connect_to(const char *address, struct error *error)
{
    return strchr(address, '/') != NULL ? connect_path(address, error)
                                        : connect_host(address, error);
}
