// Fault F39 (docs/faults.md): options or standard streams would make the server or the tool write
// to a file that it reads, or to one file for two purposes. They refuse to start before they write
// anything, whatever the names are.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data/uuid_text.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/watch.h"

static const struct table table = {1, 300};
static const char *data;
static struct buf content; // of the data file

// Whether `file` holds `wanted`, or, if `wanted.ptr` is NULL, does not exist.
static bool is_untouched(const char *file, struct span wanted)
{
    if (wanted.ptr == NULL)
        return !file_exists(file);
    struct buf left = file_content(file);
    bool untouched = span_equal(buf_span(&left), wanted);
    buf_release(&left);
    return untouched;
}

static void is_refused(const char *what, const char *const *options, const char *file,
                       struct span wanted)
{
    // If the server does not refuse, `timeout` ends it.
    const char *argv[32] = {"/usr/bin/timeout", "5", server_program(), data, "--port", "0"};
    size_t count = 6;
    struct buf out = {0};
    struct buf err = {0};
    while (*options != NULL)
        argv[count++] = *options++;
    is_number(run_program(argv, &out, &err), 1, "%s: refused", what);
    buf_append(&err, SPAN("\0"));
    ok(strstr(err.ptr, "are the same file\n") != NULL, "it gives the reason: %.*s",
       (int)strcspn(err.ptr, "\n"), err.ptr);
    ok(is_untouched(file, wanted) && is_untouched(data, buf_span(&content)), "nothing is written");
    buf_release(&out);
    buf_release(&err);
}

static void check_options(void)
{
    const struct span secret = SPAN("a password\n");
    const char *password = test_file("password", secret);
    const char *index = test_path("table.data.idx");
    const char *link_path = test_path("table.link");
    const char *hard = test_path("table.hard");
    const char *dangling = test_path("dangling");
    const char *folder = test_path("folder");
    const char *missing = test_path("missing");
    require(symlink("table.data", link_path) == 0 && link(data, hard) == 0 &&
                symlink("missing", dangling) == 0 && symlink(".", folder) == 0,
            "no links");
    const struct span all = buf_span(&content);
    const struct span none = {NULL, 0};
    is_refused("the data file as the log", WORDS("--logfile", data), data, all);
    is_refused("a link to the data file as the log", WORDS("--logfile", link_path), data, all);
    is_refused("a hard link to the data file as the log", WORDS("--logfile", hard), hard, all);
    is_refused("the data file, through a link to its folder, as the log",
               WORDS("--logfile", test_path("folder/./table.data")), data, all);
    is_refused("the password file as the log",
               WORDS("--logfile", password, "--requirepass-file", password), password, secret);
    is_refused("the password file as the index",
               WORDS("--index", test_path("folder/password"), "--requirepass-file", password),
               password, secret);
    is_refused("the data file as the index", WORDS("--index", hard), hard, all);
    is_refused("the future index file as the log", WORDS("--logfile", index), index, none);
    is_refused("the future index file, through a folder, as the log",
               WORDS("--logfile", test_path("folder/table.data.idx")), index, none);
    is_refused("the lock of the index as the log",
               WORDS("--logfile", test_path("table.data.idx.lock")), index, none);
    is_refused("one file for index and log", WORDS("--logfile", missing, "--index", dangling),
               missing, none);
    is_refused("one file for index and socket", WORDS("--unixsocket", missing, "--index", missing),
               missing, none);
    is_refused("one file for log and socket", WORDS("--unixsocket", missing, "--logfile", dangling),
               missing, none);
    is_refused("the data file as the socket", WORDS("--unixsocket", hard), hard, all);
    is_refused("the password file as the socket",
               WORDS("--unixsocket", password, "--requirepass-file", password), password, secret);
    index_written(data, NULL);
    struct buf written = file_content(index);
    is_refused("the existing index file as the log", WORDS("--logfile", index), index,
               buf_span(&written));
    buf_release(&written);
    // Sensible options are accepted.
    const char *log = test_path("a.log");
    struct server_process s =
        server_start(data, WORDS("--logfile", log, "--requirepass-file", password, "--unixsocket",
                                 test_path("a.socket")));
    ok(log_has(log, "serving"), "three different files are accepted");
    is_number(server_stop(&s), 0, "the server ends well");
    s = server_start(data, WORDS("--logfile", "/dev/null", "--index", "none"));
    is_number(server_stop(&s), 0, "/dev/null is accepted as the log");
    unlink(hard);
}

// Runs a program whose standard stream `fd` appends to `file`, for 5 seconds at most. Returns its
// exit code, or 1000 + the signal that ended it.
static int run_onto(const char *const *argv, int fd, const char *file)
{
    pid_t pid = fork();
    require(pid >= 0, "no child");
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        int to = open(file, O_WRONLY | O_APPEND);
        if (null < 0 || to < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0 ||
            dup2(to, fd) < 0)
            _exit(126);
        alarm(5); // ends a server that does not refuse
        execv(argv[0], (char **)(uintptr_t)argv);
        _exit(127);
    }
    return end_of(pid);
}

static void check_streams(void)
{
    char key[UUID_TEXT_LEN + 1] = "";
    uuid_format(table_key(&table, 1), key);
    const struct {
        const char *what;
        const char *const *argv;
        int code;
    } cases[] = {
        {"stele-server", WORDS(server_program(), data, "--port", "0"), 1},
        {"stele scan", WORDS(tool_program(), "scan", data), 2},
        {"stele get", WORDS(tool_program(), "get", data, key), 2},
        {"stele index", WORDS(tool_program(), "index", data), 2},
        {"stele check", WORDS(tool_program(), "check", data), 2},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
            is_number(run_onto(cases[i].argv, fd, data), cases[i].code, "%s >> DATA (stream %d)",
                      cases[i].what, fd);
            ok(is_untouched(data, buf_span(&content)), "nothing is written to the data file");
        }
    }
}

int main(void)
{
    data = table_file(&table, "table.data");
    content = file_content(data);
    check_options();
    check_streams();
    buf_release(&content);
    return done_testing();
}
