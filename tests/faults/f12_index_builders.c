// Fault F12 (docs/faults.md): several processes need the same index at once. One builds it, and the
// others wait for it. If it takes too long, they build the index for themselves. All serve the
// right values.
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
static const char *path; // path of the index file

static void remove_index(void)
{
    unlink(path);
    unlink(test_path("table.data.idx.lock"));
}

// Starts `servers` servers at once, and as many tools as make `all` processes.
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
        is_number(end_of(pids[i]), 0, "tool %u finds or builds the index", i);
        wrote += log_has(logs[i], "wrote '");
    }
    for (unsigned i = 0; i < servers; i++) {
        log_await(logs[i], "ready ");
        ok(server_answers(port_in(logs[i]), &large), "server %u serves the right values", i);
        if (!log_has(logs[i], "mapped the index"))
            log_await(logs[i], "wrote '"); // before it is stopped
        kill(pids[i], SIGTERM);
        is_number(end_of(pids[i]), 0, "server %u ends well", i);
        wrote += log_has(logs[i], "wrote '");
        ok(log_has(logs[i], "wrote '") || log_has(logs[i], "mapped the index"),
           "server %u has written or mapped the index", i);
    }
    is_number(wrote, 1, "one process has written the index");
    ok(files_beside(index) == 0, "no other file is left behind");
    struct opened o;
    opened_init(&o, file, DATASET_INDEX_ONLY, index);
    ok(o.dataset != NULL && dataset_verify(o.dataset, &o.error) &&
           table_is_served(&large, o.dataset),
       "the index file is complete");
    opened_close(&o);
}

// Takes the lock of the builder, as descriptor `*fd`, and starts a server. Returns when its log
// says that it waits.
static pid_t start_waiting(const char *log, int *fd)
{
    remove_index();
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

// The builder finishes. The waiting server then serves at once, before its time of waiting is over.
// The test tries this several times, as the machine may stall now and then.
static void check_builder_finishes(void)
{
    enum { TRIES = 5, AT_ONCE_MS = 2000 };
    const char *made = test_path("made-before.idx");
    const char *log = test_path("waiting.log");
    bool mapped = false;
    uint64_t took = 0;
    for (unsigned i = 0; i < TRIES && (!mapped || took >= AT_ONCE_MS); i++) {
        int fd;
        index_written(data, made);
        pid_t pid = start_waiting(log, &fd);
        require(rename(made, path) == 0, "cannot rename");
        close(fd);
        uint64_t start = clock_monotonic_ns();
        log_await(log, "ready ");
        took = since_ms(start);
        mapped = log_has(log, " * mapped the index") && log_lacks(log, " # ");
        diag("%s, %llu ms after the builder", mapped ? "mapped" : "not mapped",
             (unsigned long long)took);
        ok(server_answers(port_in(log), &table), "the waiting server serves the right values");
        kill(pid, SIGTERM);
        is_number(end_of(pid), 0, "it ends well");
    }
    ok(mapped, "it maps the index of the other process");
    ok(took < AT_ONCE_MS, "it does so at once");
    remove_index();
}

// The builder never finishes.
static void check_builder_hangs(void)
{
    const char *log = test_path("waiting.log");
    int fd;
    uint64_t start = clock_monotonic_ns();
    pid_t pid = start_waiting(log, &fd);
    log_await(log, "ready ");
    uint64_t waited = since_ms(start);
    ok(server_answers(port_in(log), &table),
       "a server that has waited in vain serves the right values");
    ok(log_has(log, " # another process has not finished"),
       "it warns and builds its index in memory");
    ok(waited >= 5000 && waited < 30000, "it has waited for %llu ms", (unsigned long long)waited);
    ok(file_exists(test_path("table.data.idx.lock")) && !file_exists(path),
       "it leaves the lock of the other process alone");
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "it ends well");
    close(fd);
    remove_index();
}

int main(void)
{
    data = table_file(&table, "table.data");
    path = test_path("table.data.idx");
    check_builders(2, 2);
    check_builders(1, 2);
    check_builders(5, 8);
    check_builder_finishes();
    check_builder_hangs();
    return done_testing();
}
