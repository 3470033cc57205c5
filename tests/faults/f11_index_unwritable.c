// Fault F11 (docs/faults.md): the index file cannot be written: another user owns the folder, a
// limit of the file size is reached, the disk is full, or the file system is read-only. The server
// serves from memory, with one warning. f10_index_broken_off.t makes each single system call fail.
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

// Runs another program: `confined BYTES PROGRAM WORD...`. It has no right of root to write to any
// file, and, unless BYTES is 0, its files may have at most BYTES bytes.
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

// Checks a server and the tool with the data file `file`, whose index file cannot be written.
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
    ok(files_beside(index) == 0, "%s: no file is left behind", name);
    pid = spawn(WORDS("/proc/self/exe", "confined", bytes, tool_program(), "index", file), log);
    is_number(end_of(pid), 2, "%s: stele index fails", name);
    ok(log_has(log, reason) && files_beside(index) == 0,
       "%s: it says why, and leaves no file behind", name);
    char key[UUID_TEXT_LEN + 1] = "";
    uuid_format(table_key(t, 1), key);
    pid = spawn(WORDS(tool_program(), "get", file, key), log);
    is_number(end_of(pid), 0, "%s: stele get works", name);
}

// Mounts a tmpfs. Only this test and its children see it, and it vanishes with them.
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

// If the index does not fit into --build-memory, it is built in a file, which meets the limit too.
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
       "a limit of the file size while the index is built in a file: served from memory");
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "exit code");
    ok(files_beside(test_path("larger.data.idx")) == 0, "no file is left behind");
}

// The limit applies to the log file, too.
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
    ok(server_answers(port_in(log), &table),
       "the log file reaches the limit: the server continues");
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "exit code");
    ok(stat(logfile, &status) == 0 && status.st_size <= BYTES,
       "the log file ends there: %lld bytes", (long long)status.st_size);
}

static void check_unwritable(void)
{
    const struct table large = {4, 30000}; // its index takes between 128 and 256 KiB
    const char *folder = test_path("closed");
    require(mkdir(folder, 0700) == 0, "no folder");
    const char *file = table_file(&table, "closed/table.data");
    require(chmod(folder, 0500) == 0, "cannot close the folder");
    is_served_from_memory(file, &table, "0", "Permission denied",
                          "a folder without write permission");
    require(chmod(folder, 0700) == 0, "cannot open the folder");

    // The log file has the same limit, but stays below it.
    file = table_file(&large, "limited.data");
    is_served_from_memory(file, &large, "131072", "File too large", "a limit of the file size");

    check_limit_while_building();
    check_limit_of_log();

    folder = test_path("small");
    if (has_mounted(folder, "size=1550k")) { // the data takes 1465 KiB
        file = table_file(&large, "small/table.data");
        is_served_from_memory(file, &large, "0", "No space left on device", "a full disk");
        ok(mount("none", folder, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0,
           "the file system is read-only now");
        is_served_from_memory(file, &large, "0", "Read-only file system",
                              "a read-only file system");
        require(umount2(folder, MNT_DETACH) == 0, "cannot unmount %s", folder);
    }
    // An existing index file is used on a read-only file system.
    folder = test_path("shipped");
    if (has_mounted(folder, "size=1m")) {
        file = table_file(&table, "shipped/table.data");
        index_written(file, NULL);
        ok(mount("none", folder, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0,
           "the file system is read-only now");
        struct server_process s = server_start(file, NULL);
        ok(log_has(s.log_path, " * mapped the index") && server_answers(s.port, &table),
           "an index file on a read-only file system is mapped");
        is_number(server_stop(&s), 0, "the server ends well");
        is_number(log_warnings(s.log_path), 0, "there is no warning");
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
