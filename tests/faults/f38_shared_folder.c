// Fault F38 (docs/faults.md): other users may write to the folder. Their files have the names that
// the writing of an index uses, and they hold locks. The server writes to, follows and adopts none
// of these files, and waits for nobody.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/watch.h"

enum { INTRUDER_UID = 65534 };

static const struct table table = {1, 500};
static const char *data;
static const char *path; // path of the index file
static bool other_user;  // root runs this test, so the intruder can be another user

static const char *const names[] = {"lock", "tmp", "0123456789abcdef.tmp"};
enum { NAMES = sizeof names / sizeof *names };

static const char *beside(unsigned i)
{
    char name[64];
    snprintf(name, sizeof name, "shared/table.data.idx.%s", names[i]);
    return test_path(name);
}

static pid_t intruder;
static int orders; // the intruder ends when this is closed

// Starts a process, of another user if possible, that locks the data file and the index file. If
// `makes_files` is set, it also creates and locks files with the names above.
static void start_intruder(bool makes_files)
{
    int ready[2];
    int stop[2];
    char byte;
    require(pipe2(ready, O_CLOEXEC) == 0 && pipe2(stop, O_CLOEXEC) == 0, "no pipe");
    intruder = fork();
    require(intruder >= 0, "no child");
    if (intruder == 0) {
        close(stop[1]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (other_user && (setgid(INTRUDER_UID) != 0 || setuid(INTRUDER_UID) != 0))
            _exit(1);
        for (unsigned i = 0; makes_files && i < NAMES; i++) {
            int fd = open(beside(i), O_RDWR | O_CREAT | O_EXCL, other_user ? 0600 : 0644);
            if (fd < 0 || (i > 0 && write(fd, "precious", 8) != 8) || flock(fd, LOCK_EX) != 0)
                _exit(2);
        }
        int fd = open(data, O_RDONLY);
        if (fd < 0 || flock(fd, LOCK_EX) != 0)
            _exit(3);
        if ((fd = open(path, O_RDONLY)) >= 0 && flock(fd, LOCK_EX) != 0)
            _exit(4);
        if (write(ready[1], "x", 1) != 1)
            _exit(5);
        _exit(read(stop[0], &byte, 1) == 0 ? 0 : 6);
    }
    close(ready[1]);
    close(stop[0]);
    orders = stop[1];
    require(read(ready[0], &byte, 1) == 1, "the intruder has failed");
    close(ready[0]);
}

static void stop_intruder(void)
{
    close(orders);
    require(waitpid(intruder, NULL, 0) == intruder, "no child");
}

static void is_precious(const char *file, const char *what)
{
    struct buf left = file_content(file);
    is_bytes(buf_span(&left), SPAN("precious"), "%s has not changed", what);
    buf_release(&left);
}

static void remove_names(void)
{
    unlink(path);
    for (unsigned i = 0; i < NAMES; i++)
        unlink(beside(i));
}

// Starts a server without an index file, reloads other data twice, and runs the tool. They wait for
// nobody, and write the index file.
static void is_unharmed(const char *what)
{
    const struct table next = {2, 600};
    diag("%s", what);
    struct server_process s = server_start(data, NULL);
    log_await(s.log_path, " * wrote '");
    ok(server_answers(s.port, &table), "the server answers");
    require(rename(table_file(&next, "shared/next.data"), data) == 0, "cannot rename");
    kill(s.pid, SIGHUP);
    log_await(s.log_path, " * reloaded ");
    ok(server_answers(s.port, &next), "the server answers after a reload");
    require(rename(table_file(&table, "shared/next.data"), data) == 0, "cannot rename");
    kill(s.pid, SIGHUP);
    log_await(s.log_path, " s: 500 keys");
    is_number(server_stop(&s), 0, "it ends well");
    ok(log_lacks(s.log_path, "waiting for another") && log_lacks(s.log_path, " # "),
       "it has waited for nobody, and there is no warning");
    struct buf out = {0};
    struct buf err = {0};
    is_number(run_program(WORDS(tool_program(), "index", data), &out, &err), 0, "stele index");
    is_number(run_program(WORDS(tool_program(), "check", "--index", data), &out, &err), 0,
              "the index file is sound");
    ok(strstr(err.ptr != NULL ? err.ptr : "", "waiting") == NULL, "the tool has waited for nobody");
    buf_release(&out);
    buf_release(&err);
    struct stat status;
    ok(stat(path, &status) == 0 && status.st_uid == geteuid() && status.st_nlink == 1,
       "the index file belongs to us");
}

static void check_foreign_files(void)
{
    start_intruder(true);
    is_unharmed("files of another user, which are locked");
    struct stat status;
    for (unsigned i = 0; i < NAMES; i++) {
        ok(lstat(beside(i), &status) == 0 && (!other_user || status.st_uid == INTRUDER_UID),
           "the file %s of the intruder still exists", names[i]);
        if (i > 0)
            is_precious(beside(i), "the file of the intruder");
    }
    stop_intruder();
    remove_names();
}

// The names are links to a file of this test that only we may write to. An intruder would use such
// links to make the server write to a file of ours.
static void check_links(bool hard)
{
    const char *target = test_file("precious", SPAN("precious"));
    require(chmod(target, 0600) == 0, "no mode");
    for (unsigned i = 0; i < NAMES; i++)
        require((hard ? link(target, beside(i)) : symlink(target, beside(i))) == 0, "no link");
    is_unharmed(hard ? "hard links" : "symbolic links");
    is_precious(target, "the target of the links");
    struct stat status;
    for (unsigned i = 0; i < NAMES; i++)
        ok(lstat(beside(i), &status) == 0, "the link %s still exists", names[i]);
    remove_names();
}

// Another user who may read the data file and the index file may also lock them.
static void check_foreign_locks(void)
{
    struct server_process s = server_start(data, NULL);
    log_await(s.log_path, " * wrote '");
    is_number(server_stop(&s), 0, "the server has written an index file");
    struct stat status;
    require(truncate(path, 100) == 0 && stat(path, &status) == 0, "cannot cut the index");
    start_intruder(false);
    is_unharmed("the data file and the index locked by another user");
    stop_intruder();
    remove_names();
}

int main(void)
{
    const char *folder = test_path("shared");
    other_user = geteuid() == 0;
    require(mkdir(folder, 0700) == 0 && chmod(folder, 01777) == 0 &&
                chmod(test_folder(), 0755) == 0,
            "no folder");
    data = table_file(&table, "shared/table.data");
    path = test_path("shared/table.data.idx");
    if (!other_user)
        diag("not run by root: the intruder is our user, and its files may be opened by others");
    check_foreign_files();
    check_links(true);
    check_links(false);
    check_foreign_locks();
    return done_testing();
}
