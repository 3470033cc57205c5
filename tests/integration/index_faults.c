// Faults while the index file is made: places where it cannot be written (F11), several who build
// at once (F12), a builder that never ends, and SIGTERM at any moment.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
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
    unlink(test_path("table.data.idx.tmp"));
}

// ---- places that cannot be written (F11) --------------------------------------------------------

// Runs another program without root's right to write where it may not and, unless it is 0, with a
// limit to the size of files: `confined BYTES PROGRAM WORD...`.
static int confined(char *words[])
{
    rlim_t bytes = (rlim_t)atoll(words[0]);
    struct rlimit limit = {bytes, bytes};
    prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0);
    if (bytes == 0 || setrlimit(RLIMIT_FSIZE, &limit) == 0)
        execv(words[1], words + 1);
    perror("confined");
    return 126;
}

// A server and a tool on `file`, whose index cannot be written.
static void is_served_from_memory(const char *file, const struct table *t, const char *bytes,
                                  const char *reason, const char *name)
{
    char temporary[256];
    const char *log = test_path("confined.log");
    snprintf(temporary, sizeof temporary, "%s.idx.tmp", file);
    pid_t pid = spawn(
        WORDS("/proc/self/exe", "confined", bytes, server_program(), file, "--port", "0"), log);
    log_await(log, " # ");
    log_await(log, "ready ");
    ok(log_has(log, reason) && log_has(log, ": serving from memory\n") &&
           server_answers(port_in(log), t),
       "%s: served from memory", name);
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "%s: exit code", name);
    is_number(log_warnings(log), 1, "%s: one warning", name);
    ok(!file_exists(temporary), "%s: nothing is left", name);
    pid = spawn(WORDS("/proc/self/exe", "confined", bytes, tool_program(), "index", file), log);
    is_number(end_of(pid), 2, "%s: stele index fails", name);
    ok(log_has(log, reason) && !file_exists(temporary), "%s: says why, and leaves nothing", name);
    char key[UUID_TEXT_LEN + 1] = "";
    uuid_format(table_key(t, 1), key);
    pid = spawn(WORDS(tool_program(), "get", file, key), log);
    is_number(end_of(pid), 0, "%s: stele get does not mind", name);
}

// What is mounted is seen by this test and its children only, and gone with them.
static bool has_mounted(const char *folder, const char *options)
{
    static bool alone;
    alone = alone ||
            (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    if (alone && mkdir(folder, 0755) == 0 && mount("none", folder, "tmpfs", 0, options) == 0)
        return true;
    ok(true, "# SKIP mounting a file system: %s", strerror(errno));
    return false;
}

static void check_unwritable(void)
{
    const struct table large = {4, 30000}; // an index of more than 128 KiB, less than 256
    const char *folder = test_path("closed");
    require(mkdir(folder, 0700) == 0, "no folder");
    const char *file = table_file(&table, "closed/table.data");
    require(chmod(folder, 0500) == 0, "cannot close the folder");
    is_served_from_memory(file, &table, "0", "Permission denied", "a folder of others");
    require(chmod(folder, 0700) == 0, "cannot open the folder");

    // The server's log is a file, too, but a small one.
    file = table_file(&large, "limited.data");
    is_served_from_memory(file, &large, "131072", "File too large", "a limit to files");

    folder = test_path("small");
    if (has_mounted(folder, "size=1550k")) { // the data takes 1465 KiB
        file = table_file(&large, "small/table.data");
        is_served_from_memory(file, &large, "0", "No space left on device", "a full disk");
        ok(mount("none", folder, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0, "(read-only)");
        is_served_from_memory(file, &large, "0", "Read-only file system",
                              "a file system to read only");
        require(umount2(folder, MNT_DETACH) == 0, "cannot unmount %s", folder);
    }
    // An index that stands is used where nothing can be written.
    folder = test_path("shipped");
    if (has_mounted(folder, "size=1m")) {
        file = table_file(&table, "shipped/table.data");
        index_written(file, NULL);
        ok(mount("none", folder, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0, "(read-only)");
        struct server_process s = server_start(file, NULL);
        ok(log_has(s.log_path, " * mapped the index") && server_answers(s.port, &table),
           "an index on a file system to read only is mapped");
        is_number(server_stop(&s), 0, "it ends well");
        is_number(log_warnings(s.log_path), 0, "without a warning");
        require(umount2(folder, MNT_DETACH) == 0, "cannot unmount %s", folder);
    }
}

// ---- several at once (F12) ----------------------------------------------------------------------

static void check_builders(void)
{
    enum { SERVERS = 3, TOOLS = 2, ALL = SERVERS + TOOLS };
    const struct table large = {5, 50000};
    const char *file = table_file(&large, "contended.data");
    const char *index = test_path("contended.data.idx");
    const char *logs[ALL];
    pid_t pids[ALL];
    for (unsigned i = 0; i < ALL; i++) {
        char name[32];
        snprintf(name, sizeof name, "builder-%u.log", i);
        logs[i] = test_path(name);
        pids[i] = spawn(i < SERVERS ? WORDS(server_program(), file, "--port", "0")
                                    : WORDS(tool_program(), "index", file),
                        logs[i]);
    }
    unsigned wrote = 0;
    for (unsigned i = SERVERS; i < ALL; i++) {
        is_number(end_of(pids[i]), 0, "tool %u finds or makes the index", i);
        wrote += log_has(logs[i], "wrote '");
    }
    for (unsigned i = 0; i < SERVERS; i++) {
        log_await(logs[i], "ready ");
        ok(server_answers(port_in(logs[i]), &large), "server %u serves right", i);
        kill(pids[i], SIGTERM);
        is_number(end_of(pids[i]), 0, "and ends well");
        wrote += log_has(logs[i], "wrote '");
        ok(log_has(logs[i], "wrote '") || log_has(logs[i], "mapped the index"),
           "having written or mapped");
    }
    is_number(wrote, 1, "one of them wrote it");
    ok(!file_exists(test_path("contended.data.idx.tmp")), "nothing is left");
    struct opened o;
    opened_init(&o, file, DATASET_INDEX_ONLY, index);
    ok(o.dataset != NULL && dataset_verify(o.dataset, &o.error) &&
           table_is_served(&large, o.dataset),
       "the file is whole");
    opened_close(&o);
}

// We are the builder: one that finishes, and one that does not.
static void check_waiting(void)
{
    const char *temporary = test_path("table.data.idx.tmp");
    const char *made = test_path("made-before.idx");
    const char *log = test_path("waiting.log");
    const char *const words[] = {server_program(), data, "--port", "0", NULL};
    start_anew();
    index_written(data, made);
    for (unsigned i = 0; i < 2; i++) {
        int fd = open(temporary, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        require(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0, "no lock");
        uint64_t start = clock_monotonic_ns();
        pid_t pid = spawn(words, log);
        log_await(log, "waiting for another process");
        if (i == 0) {
            require(rename(made, path) == 0, "cannot rename");
            close(fd);
        }
        log_await(log, "ready ");
        uint64_t waited = (clock_monotonic_ns() - start) / 1000000;
        ok(server_answers(port_in(log), &table), "who waits serves then");
        if (i == 0) {
            ok(log_has(log, " * mapped the index"), "from what the other has built");
            ok(waited < 4500, "at once: after %llu ms", (unsigned long long)waited);
        } else {
            ok(log_has(log, " # another process has not finished"), "from memory, warned");
            ok(waited >= 5000 && waited < 30000, "after %llu ms", (unsigned long long)waited);
            ok(file_exists(temporary) && !file_exists(path), "the other's file is left alone");
        }
        kill(pid, SIGTERM);
        is_number(end_of(pid), 0, "it ends well");
        if (i == 1)
            close(fd);
        start_anew();
    }
}

// SIGTERM at any moment of writing or verifying.
static void check_stopping(struct random *r)
{
    const struct table large = {6, 100000};
    const char *file = table_file(&large, "stopped.data");
    const char *index = test_path("stopped.data.idx");
    unsigned wrong = 0;
    unsigned written = 0;
    for (unsigned i = 0; i < 16; i++) {
        if (i % 2 == 0)
            unlink(index); // the next verifies what this one writes, if it comes to it
        struct server_process s = server_start(file, NULL);
        usleep((useconds_t)random_below(r, 4000)); // a random moment is what is wanted
        wrong += server_stop(&s) != 0;
        wrong += file_exists(test_path("stopped.data.idx.tmp"));
        struct opened o;
        opened_init(&o, file, DATASET_INDEX_ONLY, index);
        written += o.dataset != NULL;
        wrong += o.dataset == NULL ? file_exists(index) : !dataset_verify(o.dataset, &o.error);
        opened_close(&o);
    }
    diag("written in %u of 16", written);
    is_number((int64_t)wrong, 0, "SIGTERM at any moment: exit code 0, a whole file or none");
}

int main(int argc, char *argv[])
{
    if (argc > 3 && strcmp(argv[1], "confined") == 0)
        return confined(argv + 2);
    struct random r = random_seeded();
    data = table_file(&table, "table.data");
    path = test_path("table.data.idx");
    check_unwritable();
    check_builders();
    check_waiting();
    check_stopping(&r);
    return done_testing();
}
