// Fault F19 (docs/faults.md): clients vanish without closing their connections, as after a power
// cut. The test runs in a network namespace of its own and takes its only link down. The kernel
// detects idle clients by keepalive, and clients with unacknowledged replies by TCP_USER_TIMEOUT.
// The write timeout closes clients whose replies wait in the server. The test reads INFO over a
// unix socket.
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/crowd.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

#define KEY "0f8fad5b-d9cb-469f-a165-70867728950e"

enum { CLIENTS = 10, LARGE = 32 * 1024 * 1024 };

// Takes the loopback link up or down. Returns false if that fails.
static bool set_link(bool up)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
    request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    good = good && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

// Whether this process may duplicate the server's descriptors. If not, errno says why.
static bool can_duplicate(const struct server_process *server)
{
    int pidfd = (int)syscall(SYS_pidfd_open, server->pid, 0);
    int fd = pidfd >= 0 ? (int)syscall(SYS_pidfd_getfd, pidfd, STDERR_FILENO, 0) : -1;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (pidfd >= 0)
        close(pidfd);
    errno = reason;
    return fd >= 0;
}

// Returns an option of the server's socket of the only TCP connection, or -1 if there is no such
// socket.
static int server_option(const struct server_process *server, int level, int option)
{
    int pidfd = (int)syscall(SYS_pidfd_open, server->pid, 0);
    int value = -1;
    for (int number = 3; pidfd >= 0 && number < 64; number++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof peer, value_len = sizeof value;
        int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
        if (fd < 0)
            continue;
        bool connected =
            getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET;
        if (connected && getsockopt(fd, level, option, &value, &value_len) != 0)
            value = -1;
        close(fd);
    }
    if (pidfd >= 0)
        close(pidfd);
    return value;
}

static void test_options(const struct server_process *server, int other)
{
    static const struct {
        const char *setting;
        int user_timeout; // ms
        int keepalive;    // seconds; 0: none
    } cases[] = {
        {"tcp-keepalive 300 write-timeout 60", 600000, 300},
        {"tcp-keepalive 9 write-timeout 60", 60000, 9},
        {"tcp-keepalive 0 write-timeout 60", 60000, 0},
        {"tcp-keepalive 300 write-timeout 0", 0, 300},
        {"tcp-keepalive 2147483647 write-timeout 2147483647", 2147483647, 0},
    };
    bool looks = can_duplicate(server);
    if (!looks)
        ok(true, "# SKIP the server's sockets cannot be inspected here: %s", strerror(errno));
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[128];
        snprintf(request, sizeof request, "CONFIG SET %s\r\n", cases[i].setting);
        answers(other, span_text(request), SPAN("+OK\r\n"), "%s", cases[i].setting);
        int fd = connect_tcp(server->port);
        answers(fd, SPAN("PING\r\n"), SPAN("+PONG\r\n"), "a client");
        if (looks)
            is_number(server_option(server, IPPROTO_TCP, TCP_USER_TIMEOUT), cases[i].user_timeout,
                      "TCP_USER_TIMEOUT");
        if (looks && cases[i].keepalive > 0)
            is_number(server_option(server, IPPROTO_TCP, TCP_KEEPIDLE), cases[i].keepalive,
                      "TCP_KEEPIDLE");
        close(fd);
        crowd_await_info(other, "connected_clients", 1, "the client has left");
    }
}

static void test_gone(const struct server_process *server, int other)
{
    int idle[CLIENTS], reading[CLIENTS], stuck[CLIENTS];
    // Keepalive sends its first probe after 1 s, and 3 probes 1 s apart.
    answers(other, SPAN("CONFIG SET tcp-keepalive 1 write-timeout 3\r\n"), SPAN("+OK\r\n"),
            "short times");
    for (unsigned i = 0; i < CLIENTS; i++) {
        idle[i] = connect_tcp(server->port);
        reading[i] = connect_tcp(server->port);
        stuck[i] = connect_tcp(server->port);
        require(crowd_converses(idle[i], SPAN("PING\r\n"), SPAN("+PONG\r\n")) &&
                    crowd_converses(reading[i], SPAN("SUBSCRIBE c\r\n"),
                                    SPAN("*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n")) &&
                    crowd_converses(stuck[i], SPAN("GET " KEY "\r\n"), SPAN("$")),
                "no answer");
    }
    is_number(crowd_info(other, "connected_clients"), 3 * CLIENTS + 1, "all clients are connected");
    require(set_link(false), "cannot take the link down");
    // The message is sent to clients that have vanished.
    answers(other, SPAN("PUBLISH c message\r\n"), SPAN(":10\r\n"),
            "the vanished clients are not detected at once");
    crowd_await_info(other, "connected_clients", 1, "all of them are detected soon");
    long long stuck_count = crowd_info(other, "write_timeout_disconnections");
    ok(stuck_count <= CLIENTS, "the write timeout closes at most those with waiting replies: %lld",
       stuck_count);
    require(set_link(true), "cannot take the link up");
    for (unsigned i = 0; i < CLIENTS; i++) {
        close(idle[i]);
        close(reading[i]);
        close(stuck[i]);
    }
    int fd = connect_tcp(server->port);
    answers(fd, SPAN("PING\r\n"), SPAN("+PONG\r\n"), "a new client is answered");
    close(fd);
}

int main(void)
{
    struct buf data = {0};
    if ((unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) ||
        !set_link(true)) {
        printf("1..0 # SKIP no network namespace may be made here: %s\n", strerror(errno));
        return 0;
    }
    const char *path = test_path("socket");
    const char *options[] = {"--unixsocket", path, "--threads", "2", NULL};
    buf_append_text(&data, KEY " ");
    append_bytes(&data, 'v', LARGE);
    buf_append_text(&data, "\n");
    struct server_process server = server_start(test_file("data", buf_span(&data)), options);
    int other = connect_unix(path);
    test_options(&server, other);
    test_gone(&server, other);
    close(other);
    is_number(server_stop(&server), 0, "the server's exit code");
    buf_release(&data);
    return done_testing();
}
