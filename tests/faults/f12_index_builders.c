// F12: several processes build the same index at once. One builds, the others wait for it, or build
// for themselves when it does not come to an end; all serve right.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/watch.h"

static const struct table table = {1, 500};
static const char *data;
static const char *path; // of its index file

static void start_anew(void)
{
    unlink(path);
    unlink(test_path("table.data.idx.lock"));
}

// As many servers, and tools that want the same index, started together.
static void check_builders(unsigned servers, unsigned all)
{
    enum { MOST = 8 };
    const struct table large = {5, 50000};
    const char *file = table_file(&large, "contended.data");
    const char *index = test_path("contended.data.idx");
    const char *logs[MOST];
    pid_t pids[MOST];
    require(all <= MOST, "too many");
    diag("%u servers, %u tools", servers, all - servers);
    unlink(index);
    for (unsigned i = 0; i < all; i++) {
        char name[32];
        snprintf(name, sizeof name, "builder-%u.log", i);
        logs[i] = test_path(name);
        pids[i] = spawn(i < servers ? WORDS(server_program(), file, "--port", "0")
                                    : WORDS(tool_program(), "index", file),
                        logs[i]);
    }
    unsigned wrote = 0;
    for (unsigned i = servers; i < all; i++) {
        is_number(end_of(pids[i]), 0, "tool %u finds or makes the index", i);
        wrote += log_has(logs[i], "wrote '");
    }
    for (unsigned i = 0; i < servers; i++) {
        log_await(logs[i], "ready ");
        ok(server_answers(port_in(logs[i]), &large), "server %u serves right", i);
        if (!log_has(logs[i], "mapped the index"))
            log_await(logs[i], "wrote '"); // or it would be stopped before
        kill(pids[i], SIGTERM);
        is_number(end_of(pids[i]), 0, "and ends well");
        wrote += log_has(logs[i], "wrote '");
        ok(log_has(logs[i], "wrote '") || log_has(logs[i], "mapped the index"),
           "having written or mapped");
    }
    is_number(wrote, 1, "one of them wrote it");
    ok(files_beside(index) == 0, "nothing is left");
    struct opened o;
    opened_init(&o, file, DATASET_INDEX_ONLY, index);
    ok(o.dataset != NULL && dataset_verify(o.dataset, &o.error) &&
           table_is_served(&large, o.dataset),
       "the file is whole");
    opened_close(&o);
}

// We are the builder: a server waits for us, told by its log. Our lock is `*fd`.
static pid_t begin_waiting(const char *log, int *fd)
{
    start_anew();
    *fd = open(test_path("table.data.idx.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    require(*fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) == 0, "no lock");
    pid_t pid = spawn(WORDS(server_program(), data, "--port", "0"), log);
    log_await(log, "waiting for another process");
    return pid;
}

static uint64_t since_ms(uint64_t start_ns)
{
    return (clock_monotonic_ns() - start_ns) / 1000000;
}

// We come to an end. Who waits serves at once, which is in less time than it would have waited
// for us. Once of some times: on a machine that stands still now and then, either of us may be
// late.
static void check_served_at_once(void)
{
    enum { TRIES = 5, AT_ONCE_MS = 2000 };
    const char *made = test_path("made-before.idx");
    const char *log = test_path("waiting.log");
    bool mapped = false;
    uint64_t took = 0;
    for (unsigned i = 0; i < TRIES && (!mapped || took >= AT_ONCE_MS); i++) {
        int fd;
        index_written(data, made);
        pid_t pid = begin_waiting(log, &fd);
        require(rename(made, path) == 0, "cannot rename");
        close(fd);
        uint64_t start = clock_monotonic_ns();
        log_await(log, "ready ");
        took = since_ms(start);
        mapped = log_has(log, " * mapped the index") && log_lacks(log, " # ");
        diag("%s, %llu ms behind it", mapped ? "mapped" : "not mapped", (unsigned long long)took);
        ok(server_answers(port_in(log), &table), "who waits serves then");
        kill(pid, SIGTERM);
        is_number(end_of(pid), 0, "it ends well");
    }
    ok(mapped, "from what the other has built");
    ok(took < AT_ONCE_MS, "at once");
    start_anew();
}

// We do not come to an end.
static void check_given_up(void)
{
    const char *log = test_path("waiting.log");
    int fd;
    uint64_t start = clock_monotonic_ns();
    pid_t pid = begin_waiting(log, &fd);
    log_await(log, "ready ");
    uint64_t waited = since_ms(start);
    ok(server_answers(port_in(log), &table), "who has waited in vain serves");
    ok(log_has(log, " # another process has not finished"), "from memory, warned");
    ok(waited >= 5000 && waited < 30000, "after %llu ms", (unsigned long long)waited);
    ok(file_exists(test_path("table.data.idx.lock")) && !file_exists(path),
       "the other's lock is left alone");
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "it ends well");
    close(fd);
    start_anew();
}

int main(void)
{
    data = table_file(&table, "table.data");
    path = test_path("table.data.idx");
    check_builders(2, 2);
    check_builders(1, 2);
    check_builders(5, 8);
    check_served_at_once();
    check_given_up();
    return done_testing();
}
