// F39: options and streams that would have the server or the tool write to a file that it reads, or
// to one file for two purposes: refused before anything is written, whatever the names.
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

// Whether `file` holds what it should: `wanted`, or it must not exist.
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
    // One that is not refused serves, until it is ended.
    const char *argv[32] = {"/usr/bin/timeout", "5", server_program(), data, "--port", "0"};
    size_t count = 6;
    struct buf out = {0};
    struct buf err = {0};
    while (*options != NULL)
        argv[count++] = *options++;
    is_number(run_program(argv, &out, &err), 1, "%s: refused", what);
    buf_append(&err, SPAN("\0"));
    ok(strstr(err.ptr, "are the same file\n") != NULL, "with the reason: %.*s",
       (int)strcspn(err.ptr, "\n"), err.ptr);
    ok(is_untouched(file, wanted) && is_untouched(data, buf_span(&content)),
       "and nothing is written");
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
    is_refused("a link to it", WORDS("--logfile", link_path), data, all);
    is_refused("another name of it", WORDS("--logfile", hard), hard, all);
    is_refused("a folder's other name", WORDS("--logfile", test_path("folder/./table.data")), data,
               all);
    is_refused("the password file as the log",
               WORDS("--logfile", password, "--requirepass-file", password), password, secret);
    is_refused("the password file as the index",
               WORDS("--index", test_path("folder/password"), "--requirepass-file", password),
               password, secret);
    is_refused("the data file as the index", WORDS("--index", hard), hard, all);
    is_refused("the index that is to be as the log", WORDS("--logfile", index), index, none);
    is_refused("over a folder", WORDS("--logfile", test_path("folder/table.data.idx")), index,
               none);
    is_refused("its lock as the log", WORDS("--logfile", test_path("table.data.idx.lock")), index,
               none);
    is_refused("one file for index and log", WORDS("--logfile", missing, "--index", dangling),
               missing, none);
    is_refused("for index and socket", WORDS("--unixsocket", missing, "--index", missing), missing,
               none);
    is_refused("for log and socket", WORDS("--unixsocket", missing, "--logfile", dangling), missing,
               none);
    is_refused("the data file as the socket", WORDS("--unixsocket", hard), hard, all);
    is_refused("the password file as the socket",
               WORDS("--unixsocket", password, "--requirepass-file", password), password, secret);
    index_written(data, NULL);
    struct buf written = file_content(index);
    is_refused("the index that is there as the log", WORDS("--logfile", index), index,
               buf_span(&written));
    buf_release(&written);
    // What is meant stays possible.
    const char *log = test_path("a.log");
    struct server_process s =
        server_start(data, WORDS("--logfile", log, "--requirepass-file", password, "--unixsocket",
                                 test_path("a.socket")));
    ok(log_has(log, "serving"), "three files of three names");
    is_number(server_stop(&s), 0, "are fine");
    s = server_start(data, WORDS("--logfile", "/dev/null", "--index", "none"));
    is_number(server_stop(&s), 0, "so is /dev/null for a log");
    unlink(hard);
}

// Runs a program whose stream `fd` is appended to `file`, for a moment at most; its exit code, or
// 1000 + the signal.
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
        alarm(5); // a server that serves is ended
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
            ok(is_untouched(data, buf_span(&content)), "writes nothing to it");
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
