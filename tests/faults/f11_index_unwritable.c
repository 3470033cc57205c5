// F11: places where the index file cannot be written: a folder of others, a limit to files, a full
// disk, a file system to read only. Served from memory, with one warning. What each failing system
// call does is shown by f10_index_broken_off.t.
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/uuid_text.h"
#include "support/server.h"
#include "support/table.h"
#include "support/watch.h"

static const struct table table = {1, 500};

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
    char index[256];
    const char *log = test_path("confined.log");
    snprintf(index, sizeof index, "%s.idx", file);
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
    ok(files_beside(index) == 0, "%s: nothing is left", name);
    pid = spawn(WORDS("/proc/self/exe", "confined", bytes, tool_program(), "index", file), log);
    is_number(end_of(pid), 2, "%s: stele index fails", name);
    ok(log_has(log, reason) && files_beside(index) == 0, "%s: says why, and leaves nothing", name);
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

// Where the index does not fit the memory to build it in, it is built in the file.
static void check_limit_while_building(void)
{
    const struct table larger = {5, 300000};
    const char *file = table_file(&larger, "larger.data");
    const char *log = test_path("larger.log");
    pid_t pid = spawn(WORDS("/proc/self/exe", "confined", "131072", server_program(), file,
                            "--port", "0", "--build-memory", "2mb"),
                      log);
    log_await(log, "ready ");
    ok(log_has(log, "File too large") && server_answers(port_in(log), &larger),
       "a limit to files, while the index is built in one: served from memory");
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "exit code");
    ok(files_beside(test_path("larger.data.idx")) == 0, "nothing is left");
}

// The log is a file, too.
static void check_limit_of_log(void)
{
    enum { BYTES = 4096, RELOADS = 100 };
    const char *file = table_file(&table, "logged.data");
    const char *log = test_path("logged.log");
    const char *logfile = test_path("logfile");
    struct stat status;
    pid_t pid = spawn(WORDS("/proc/self/exe", "confined", "4096", server_program(), file, "--port",
                            "0", "--index", "none", "--logfile", logfile),
                      log);
    log_await(log, "ready ");
    for (unsigned i = 0; i < RELOADS; i++) {
        kill(pid, SIGHUP);
        require(server_answers(port_in(log), &table), "the server is gone");
    }
    ok(server_answers(port_in(log), &table), "a limit to files that the log reaches: served on");
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "exit code");
    ok(stat(logfile, &status) == 0 && status.st_size <= BYTES, "the log ends there: %lld bytes",
       (long long)status.st_size);
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

    check_limit_while_building();
    check_limit_of_log();

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

int main(int argc, char *argv[])
{
    if (argc > 3 && strcmp(argv[1], "confined") == 0)
        return confined(argv + 2);
    check_unwritable();
    return done_testing();
}
