// Fault F13 (docs/faults.md): no descriptor is left for new clients, because the test lowers the
// limit of the running server. The server does not spin, connected clients are answered, and
// waiting clients are accepted as soon as descriptors are free.
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/beside.h"
#include "support/crowd.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

enum {
    PRESENT = 20,       // connected clients
    WAITING = 30,       // clients that connect when no descriptor is left
    REFUSED_MS = 1000,  // milliseconds in which no client is accepted
    CPU_PERCENT = 5,    // percent of a processor that the server may use in this time
    WAIT_MS = 25,       // most milliseconds that a connected client may wait
    RECOVERY_MS = 1000, // milliseconds after which all waiting clients must be accepted
};

// Returns the number of the descriptor that the process would open next.
static unsigned next_descriptor(pid_t pid)
{
    char path[64];
    struct stat status;
    unsigned number = 0;
    do
        snprintf(path, sizeof path, "/proc/%d/fd/%u", (int)pid, number++);
    while (lstat(path, &status) == 0);
    return number - 1;
}

// Returns the milliseconds of processor time that the process has used.
static double cpu_ms(pid_t pid)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    require(file != NULL && fgets(text, sizeof text, file) != NULL, "no %s", path);
    fclose(file);
    const char *at = strrchr(text, ')');
    require(at != NULL && sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                 &user, &system) == 2,
            "cannot read %s", path);
    return 1000.0 * (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

// Whether something can be received within `ms` milliseconds.
static bool has_reply(int fd, int ms)
{
    struct pollfd waiting = {fd, POLLIN, 0};
    return poll(&waiting, 1, ms) == 1;
}

static bool is_answered(int fd)
{
    return crowd_converses(fd, SPAN("PING\r\n"), SPAN("+PONG\r\n"));
}

static void limit_files(pid_t pid, rlim_t count)
{
    struct rlimit limit;
    require(prlimit(pid, RLIMIT_NOFILE, NULL, &limit) == 0, "no limit");
    limit.rlim_cur = count;
    require(prlimit(pid, RLIMIT_NOFILE, &limit, NULL) == 0, "cannot set the limit");
}

static void test_descriptors(const char *threads)
{
    int present[PRESENT], waiting[WAITING];
    // There is no index file, as writing it would close descriptors meanwhile.
    const char *options[] = {"--threads", threads, "--index", "none", NULL};
    struct rlimit usual;
    struct server_process server = server_start(
        test_file("data", SPAN("0f8fad5b-d9cb-469f-a165-70867728950e value\n")), options);
    require(prlimit(server.pid, RLIMIT_NOFILE, NULL, &usual) == 0, "no limit");
    // A start opens files for a moment after the server accepts clients. When a reload has found
    // nothing new, that work is done.
    kill(server.pid, SIGHUP);
    log_await(server.log_path, "nothing to reload");
    for (unsigned i = 0; i < PRESENT; i++) {
        present[i] = connect_tcp(server.port);
        require(is_answered(present[i]), "no answer");
    }
    // All descriptors below the limit are open, that of the last client included.
    limit_files(server.pid, next_descriptor(server.pid));
    for (unsigned i = 0; i < WAITING; i++) {
        waiting[i] = connect_tcp(server.port); // the kernel completes it; the server cannot accept
        send_all(waiting[i], SPAN("PING\r\n"));
    }
    require(is_answered(present[0]), "no answer");
    double before = cpu_ms(server.pid);
    ok(!has_reply(waiting[0], REFUSED_MS), "%s loops: a new client waits", threads);
    double used = cpu_ms(server.pid) - before;
    // The first client belongs to the first loop, which accepts.
    struct beside *beside = beside_start(present[0]);
    bool still = !has_reply(waiting[0], REFUSED_MS);
    struct waits waits = beside_stop(beside);
    ok(still && waits.answered && waits.longest_ms < WAIT_MS,
       "%s loops: a connected client does not wait long", threads);
    ok(used <= REFUSED_MS * CPU_PERCENT / 100.0, "%s loops: this costs %.1f %% of a processor",
       threads, 100 * used / REFUSED_MS);
    unsigned answered = 0;
    for (unsigned i = 0; i < PRESENT; i++)
        answered += is_answered(present[i]);
    is_number(answered, PRESENT, "%s loops: connected clients are answered", threads);
    long long errors = crowd_info(present[0], "accept_errors");
    ok(errors > 0 && errors < 2 * 25, "%s loops: the server has tried to accept %lld times",
       threads, errors);

    // One client leaves, and one is accepted.
    close(present[PRESENT - 1]);
    ok(has_reply(waiting[0], RECOVERY_MS),
       "%s loops: when one leaves, the longest waiting is accepted", threads);
    limit_files(server.pid, usual.rlim_cur);
    uint64_t end = clock_monotonic_ns() + RECOVERY_MS * (CLOCK_SECOND / 1000);
    answered = 0;
    for (unsigned i = 0; i < WAITING; i++) {
        uint64_t now = clock_monotonic_ns();
        answered += has_reply(waiting[i], now < end ? (int)((end - now) / 1000000) : 0);
    }
    is_number(answered, WAITING, "%s loops: with a higher limit, all are accepted within 1 s",
              threads);
    struct buf log = file_content(server.log_path);
    // It is logged once while no client is accepted, and perhaps again after the one that was.
    unsigned logged =
        occurrences(buf_span(&log), "cannot accept connections for now: Too many open");
    ok(logged >= 1 && logged <= 2, "%s loops: logged %u times", threads, logged);
    for (unsigned i = 0; i < WAITING; i++)
        close(waiting[i]);
    for (unsigned i = 0; i + 1 < PRESENT; i++)
        close(present[i]);
    is_number(server_stop(&server), 0, "the server's exit code");
    buf_release(&log);
}

int main(void)
{
    test_descriptors("1");
    test_descriptors("3");
    return done_testing();
}
