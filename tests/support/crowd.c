// Connecting from more than one address, and reading INFO.
#include "support/crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "support/server.h"
#include "support/tap.h"

enum {
    PATIENCE_SECONDS = 20,
    CLIENTS_AN_ADDRESS = 5000,
    ASK_AGAIN_MS = 20,
};

unsigned crowd_allowed(unsigned wanted, unsigned spare)
{
    struct rlimit limit;
    require(getrlimit(RLIMIT_NOFILE, &limit) == 0, "no limit of open files");
    limit.rlim_cur = limit.rlim_max;
    require(setrlimit(RLIMIT_NOFILE, &limit) == 0, "cannot raise the limit of open files");
    require(limit.rlim_max > 2 * spare, "too few files may be open");
    if (limit.rlim_max >= wanted + spare)
        return wanted;
    unsigned allowed = (unsigned)limit.rlim_max - spare;
    diag("%llu files may be open: only %u clients", (unsigned long long)limit.rlim_max, allowed);
    return allowed;
}

int crowd_connect(unsigned number, int port)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in client = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number / CLIENTS_AN_ADDRESS);
    require(fd >= 0, "no socket for client %u: %s", number, strerror(errno));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    require(bind(fd, (struct sockaddr *)&client, sizeof client) == 0 &&
                connect(fd, (struct sockaddr *)&server, sizeof server) == 0,
            "cannot connect client %u: %s", number, strerror(errno));
    return fd;
}

bool crowd_converses(int fd, struct span request, struct span wanted)
{
    struct buf got = {0};
    bool good = send_all(fd, request) && receive(fd, &got, wanted.len) &&
                span_equal(buf_span(&got), wanted);
    buf_release(&got);
    return good;
}

long long crowd_info(int fd, const char *field)
{
    struct buf reply = {0};
    char key[64];
    require(send_all(fd, span_text("INFO\r\n")), "the server is gone");
    while (reply.len < 2 || memcmp(reply.ptr + reply.len - 2, "\r\n", 2) != 0)
        require(receive(fd, &reply, 1), "no INFO");
    require(reply.ptr[0] == '$' || reply.ptr[0] == '=', "INFO is no text");
    size_t rest = strtoul(reply.ptr + 1, NULL, 10) + 2;
    require(receive(fd, &reply, rest), "no INFO");
    buf_append(&reply, span_of("", 1));
    int len = snprintf(key, sizeof key, "\n%s:", field);
    const char *at = strstr(reply.ptr, key);
    long long number = at != NULL ? atoll(at + len) : -1;
    buf_release(&reply);
    return number;
}

bool crowd_await_info(int fd, const char *field, long long wanted, const char *name)
{
    uint64_t end = clock_monotonic_ns() + PATIENCE_SECONDS * CLOCK_SECOND;
    long long got;
    while ((got = crowd_info(fd, field)) != wanted && clock_monotonic_ns() < end)
        poll(NULL, 0, ASK_AGAIN_MS);
    return is_number(got, wanted, "%s", name);
}
