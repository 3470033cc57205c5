// No descriptor is left for a new client, because the limit of the running server is lowered: it
// does not spin, present clients are answered, who waits gets in as soon as a descriptor is free.
#include <poll.h>
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

enum {
    PRESENT = 20,
    WAITING = 30,
    REFUSED_MS = 2000, // that nobody gets in for
    CPU_PERCENT = 5,
    WAIT_MS = 25, // of a present client: the pauses between tries are 100 ms
    RECOVERY_MS = 1000,
};

// The descriptor that the process would get next.
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

// ms of processor time that the process has had.
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

static bool comes(int fd, int ms)
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
    // No index file, whose writer would close descriptors meanwhile.
    const char *options[] = {"--threads", threads, "--index", "none", NULL};
    struct rlimit usual;
    struct server_process server = server_start(
        test_file("data", SPAN("0f8fad5b-d9cb-469f-a165-70867728950e value\n")), options);
    require(prlimit(server.pid, RLIMIT_NOFILE, NULL, &usual) == 0, "no limit");
    for (unsigned i = 0; i < PRESENT; i++) {
        present[i] = connect_tcp(server.port);
        require(is_answered(present[i]), "no answer");
    }
    // All below it are open, that of the last client among them.
    limit_files(server.pid, next_descriptor(server.pid));
    for (unsigned i = 0; i < WAITING; i++) {
        waiting[i] = connect_tcp(server.port); // by the system, as the server cannot
        send_all(waiting[i], SPAN("PING\r\n"));
    }
    require(is_answered(present[0]), "no answer");
    double before = cpu_ms(server.pid);
    ok(!comes(waiting[0], REFUSED_MS), "%s loops: who comes now waits", threads);
    double used = cpu_ms(server.pid) - before;
    // The first client is of the first loop, which accepts.
    struct beside *beside = beside_start(present[0]);
    bool still = !comes(waiting[0], REFUSED_MS);
    struct waits waits = beside_stop(beside);
    ok(still && waits.answered && waits.longest_ms < WAIT_MS,
       "%s loops: a present client does not notice", threads);
    ok(used <= REFUSED_MS * CPU_PERCENT / 100.0, "%s loops: which costs %.1f %% of a processor",
       threads, 100 * used / REFUSED_MS);
    unsigned answered = 0;
    for (unsigned i = 0; i < PRESENT; i++)
        answered += is_answered(present[i]);
    is_number(answered, PRESENT, "%s loops: present clients are answered", threads);
    long long errors = crowd_info(present[0], "accept_errors");
    ok(errors > 0 && errors < 2 * 50, "%s loops: it has been tried now and then: %lld times",
       threads, errors);

    // One leaves, one comes in.
    close(present[PRESENT - 1]);
    ok(comes(waiting[0], RECOVERY_MS), "%s loops: who has waited longest gets in when one leaves",
       threads);
    limit_files(server.pid, usual.rlim_cur);
    uint64_t end = clock_monotonic_ns() + RECOVERY_MS * (CLOCK_SECOND / 1000);
    answered = 0;
    for (unsigned i = 0; i < WAITING; i++) {
        uint64_t now = clock_monotonic_ns();
        answered += comes(waiting[i], now < end ? (int)((end - now) / 1000000) : 0);
    }
    is_number(answered, WAITING, "%s loops: and all others within a second of there being room",
              threads);
    struct buf log = file_content(server.log_path);
    // Once for the time that nobody came in; perhaps again after the one that did.
    unsigned told = occurrences(buf_span(&log), "cannot accept connections for now: Too many open");
    ok(told >= 1 && told <= 2, "%s loops: told in the log, %u times", threads, told);
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
