// probe: measures how long the loops of a server make a client wait.
//
// It sends PING over several connections in turn, one at a time. There are enough connections that
// each loop has one. A reply is late when its loop does other work, or when other threads or the
// kernel use the loop's processor. The probe runs with real-time priority if it may, so that it
// does not measure its own waiting.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "support/count.h"
#include "support/histogram.h"

enum { CONNECTIONS_MAX = 256, PAUSE_NS = 200000, PRIORITY = 10, REPLY_LEN = 7 };

static const char help[] = "usage: probe PORT SECONDS CONNECTIONS\n"
                           "\n"
                           "Sends PING to the server at 127.0.0.1:PORT, 0.2 ms apart, over each "
                           "connection in turn. Prints\n"
                           "how long the replies took: name, unit and value of each figure on a "
                           "line, separated by tabs.\n";

static uint64_t number_or_exit(const char *text, uint64_t most)
{
    uint64_t number;
    if (count_parse(text, &number) && number >= 1 && number <= most)
        return number;
    fprintf(stderr, "probe: not a number from 1 to %llu: '%s'\n", (unsigned long long)most, text);
    exit(2);
}

static int connect_or_exit(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror("probe: cannot connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

// Sends PING and returns the time until its reply has arrived, in ns.
static uint64_t ping(int fd)
{
    static const char request[] = "PING\r\n";
    char reply[REPLY_LEN];
    size_t have = 0;
    uint64_t start = clock_monotonic_ns();
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1) {
        perror("probe: cannot send");
        exit(1);
    }
    while (have < sizeof reply) {
        ssize_t got = recv(fd, reply + have, sizeof reply - have, 0);
        if (got <= 0 && errno != EINTR) {
            fprintf(stderr, "probe: the server closed the connection\n");
            exit(1);
        }
        have += got > 0 ? (size_t)got : 0;
    }
    return clock_monotonic_ns() - start;
}

int main(int argc, char *argv[])
{
    static struct histogram waits;
    struct sched_param priority = {.sched_priority = PRIORITY};
    const struct timespec pause = {0, PAUSE_NS};
    int fds[CONNECTIONS_MAX];
    if (argc != 4) {
        fputs(help, stderr);
        return 2;
    }
    unsigned port = (unsigned)number_or_exit(argv[1], 65535);
    uint64_t seconds = number_or_exit(argv[2], 86400);
    unsigned count = (unsigned)number_or_exit(argv[3], CONNECTIONS_MAX);
    bool real_time = sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
    for (unsigned i = 0; i < count; i++)
        fds[i] = connect_or_exit(port);
    uint64_t end = clock_monotonic_ns() + seconds * CLOCK_SECOND;
    for (unsigned i = 0; clock_monotonic_ns() < end; i++) {
        histogram_add(&waits, ping(fds[i % count]));
        nanosleep(&pause, NULL);
    }
    printf("probes\t\t%llu\n", (unsigned long long)waits.total);
    printf("real time\t\t%d\n", real_time);
    printf("p50\tus\t%.1f\n", (double)histogram_percentile(&waits, 50) / 1000);
    printf("p99\tus\t%.1f\n", (double)histogram_percentile(&waits, 99) / 1000);
    printf("p99.9\tus\t%.1f\n", (double)histogram_percentile(&waits, 99.9) / 1000);
    printf("max\tus\t%.1f\n", (double)waits.max / 1000);
    return 0;
}
