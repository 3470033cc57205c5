// The option --lock-index of a server that may lock only a little memory: at the start, and when a
// reload needs more than the limit.
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

// The index of the small table takes less than the limit, that of the large one takes more.
static const char limit_text[] = "65536";
static const struct table small = {1, 3000};
static const struct table large = {2, 20000};

// Runs a program that may lock at most BYTES of memory: `confined BYTES PROGRAM WORD...`. Exec
// gives root its rights back, except those that were removed from the bounding set.
static int confined(char *words[])
{
    rlim_t bytes = (rlim_t)atoi(words[0]);
    struct rlimit limit = {bytes, bytes};
    prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0);
    if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0)
        execv(words[1], words + 1);
    perror("confined");
    return 126;
}

static pid_t start(const char *data, const char *log, const char *lock)
{
    return spawn(WORDS("/proc/self/exe", "confined", limit_text, server_program(), data, "--port",
                       "0", "--threads", "1", "--lock-index", lock),
                 log);
}

static long long locked_bytes(pid_t pid)
{
    return process_field(pid, "status", "VmLck");
}

// Writes the table's data file and its index, and renames both to `live`.
static void publish(const struct table *t, const char *live)
{
    char from[300];
    char to[300];
    const char *next = table_file(t, "next.data");
    index_written(next, NULL);
    snprintf(from, sizeof from, "%s.idx", next);
    snprintf(to, sizeof to, "%s.idx", live);
    require(rename(from, to) == 0 && rename(next, live) == 0, "cannot rename");
}

static void stop(pid_t pid)
{
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "the server ends well");
}

static void check_auto(void)
{
    const char *live = test_path("live.data");
    const char *log = test_path("auto.log");
    publish(&small, live);
    pid_t pid = start(live, log, "auto");
    log_await(log, " * locked the index in memory: ");
    ok(locked_bytes(pid) > 0, "auto: the index is locked");
    publish(&large, live);
    kill(pid, SIGHUP);
    log_await(log, " * the index is not locked in memory: ");
    ok(log_has(log, "the limit of locked memory is 65536"), "auto: the log says why");
    is_number(locked_bytes(pid), 0, "auto: neither the old nor the new index is locked");
    ok(server_answers(port_in(log), &large), "auto: the new data is served");
    publish(&small, live);
    kill(pid, SIGHUP);
    for (unsigned looks = 0; looks < 1000 && locked_bytes(pid) == 0; looks++)
        usleep(10000);
    ok(locked_bytes(pid) > 0, "auto: an index that is small enough again is locked");
    stop(pid);
}

static void check_yes(void)
{
    const char *live = test_path("live.data");
    const char *log = test_path("yes.log");
    publish(&small, live);
    pid_t pid = start(live, log, "yes");
    log_await(log, "ready ");
    long long locked = locked_bytes(pid);
    ok(locked > 0, "yes: the index is locked when the server is ready");
    publish(&large, live);
    kill(pid, SIGHUP);
    log_await(log, " # cannot reload, serving the old dataset: cannot lock the index of ");
    ok(server_answers(port_in(log), &small), "yes: the old data is served");
    is_number(locked_bytes(pid), locked, "yes: the old index is locked");
    stop(pid);

    const char *refused = test_path("refused.log");
    pid = start(live, refused, "yes");
    is_number(end_of(pid), 1, "yes: no start with an index that cannot be locked");
    ok(log_has(refused, "stele-server: cannot lock the index of "), "yes: the message says so");
}

static void check_no(void)
{
    const char *live = test_path("live.data");
    const char *log = test_path("no.log");
    publish(&small, live);
    pid_t pid = start(live, log, "no");
    log_await(log, "ready ");
    stop(pid);
    ok(log_lacks(log, "locked"), "no: the index is not locked");
}

int main(int argc, char *argv[])
{
    if (argc > 2 && strcmp(argv[1], "confined") == 0)
        return confined(argv + 2);
    check_auto();
    check_yes();
    check_no();
    return done_testing();
}
