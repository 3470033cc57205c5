// The log: it is reopened after rotation, at any time; lines for journald have a priority; and each
// message is one line of text, whatever names it contains.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

enum { LINES = 400000, PATIENCE = 60 };

#define KEY "00000000-0000-4000-8000-000000000001"

static const char *data;

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void await_file(const char *path)
{
    uint64_t end = clock_monotonic_ns() + PATIENCE * CLOCK_SECOND;
    while (!exists(path)) {
        require(clock_monotonic_ns() < end, "%s does not appear", path);
        usleep(1000);
    }
}

// ---- rotation -----------------------------------------------------------------------------------

static void rotate(void)
{
    const char *log = test_path("app.log");
    const char *old = test_path("app.log.1");
    struct server_process s = server_start(data, WORDS("--logfile", log, "--index", "none"));
    int fd = connect_tcp(s.port);
    require(rename(log, old) == 0, "cannot rename");
    kill(s.pid, SIGHUP);
    log_await(log, "nothing to reload");
    ok(log_has(log, "SIGHUP: reloading") && log_lacks(old, "SIGHUP"),
       "after a rename and SIGHUP all lines go to a new file");
    require(rename(log, old) == 0, "cannot rename");
    kill(s.pid, SIGUSR1);
    log_await(log, "SIGUSR1: reopened the log file");
    ok(log_lacks(old, "SIGUSR1"), "after a rename and SIGUSR1 all lines go to a new file");
    ok(log_lacks(log, "reload"), "SIGUSR1 reloads nothing");
    answers(fd, SPAN("GET " KEY "\r\n"), SPAN("$5\r\nvalue\r\n"), "the client is served as before");

    // The name of the log is a folder, which cannot be opened.
    require(rename(log, old) == 0 && mkdir(log, 0700) == 0, "cannot rename");
    kill(s.pid, SIGUSR1);
    log_await(old, "again: Is a directory; the old file stays in use");
    kill(s.pid, SIGHUP);
    log_await(old, "nothing to reload");
    ok(true, "when the log cannot be reopened, the old file stays in use and says why");
    struct buf said = file_content(old);
    is_number(occurrences(buf_span(&said), "SIGUSR1: reopened"), 1,
              "it reports no further reopening");
    buf_release(&said);
    require(rmdir(log) == 0, "cannot remove");
    kill(s.pid, SIGUSR1);
    log_await(log, "SIGUSR1: reopened the log file");
    require(unlink(log) == 0, "cannot remove");
    answers(fd, SPAN("CONFIG SET loglevel warning\r\n"), SPAN("+OK\r\n"), "loglevel warning");
    kill(s.pid, SIGUSR1);
    await_file(log);
    ok(true, "SIGUSR1 makes a removed log again, although no line is written");
    for (unsigned i = 0; i < 50; i++)
        kill(s.pid, i % 2 == 0 ? SIGUSR1 : SIGHUP);
    answers(fd, SPAN("GET " KEY "\r\n"), SPAN("$5\r\nvalue\r\n"),
            "the client is served during many signals");
    close(fd);
    is_number(server_stop(&s), 0, "the server ends well");

    // Standard error cannot be reopened, and need not be.
    s = server_start(data, NULL);
    kill(s.pid, SIGUSR1);
    log_await(s.log_path, "SIGUSR1: ");
    is_number(server_stop(&s), 0, "without a log file SIGUSR1 does nothing");
    ok(log_has(s.log_path, " * stopped\n"), "lines still go to standard error");
}

// The name of the log is a link to another file that the server uses.
static void rotate_onto_own_files(void)
{
    const char *own = test_file("own.data", span_text(KEY " value\n"));
    const char *password = test_file("password", span_text("secret\n"));
    const char *index = test_path("own.data.idx");
    const char *lock = test_path("own.data.idx.lock");
    const char *log = test_path("own.log");
    const char *old = test_path("own.log.1");
    const struct {
        const char *path;
        const char *reason;
    } files[] = {
        {own, "it is the data file"},
        {password, "it is the password file"},
        {index, "it is the index file"},
        {lock, "it is the lock of the index file"},
    };
    require(chmod(password, 0600) == 0, "cannot chmod");
    struct server_process s =
        server_start(own, WORDS("--logfile", log, "--requirepass-file", password));
    await_file(index);
    log_await(log, "wrote '");
    require(rename(log, old) == 0, "cannot rename");
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        bool existed = exists(files[i].path);
        require(symlink(files[i].path, log) == 0, "cannot link");
        kill(s.pid, SIGUSR1);
        log_await(old, files[i].reason);
        ok(exists(files[i].path) == existed && log_lacks(files[i].path, "SIGUSR1"),
           "a log that became a link is not opened: %s", files[i].reason);
        require(unlink(log) == 0, "cannot remove");
    }
    ok(!exists(lock), "no lock file is made");
    is_number(server_stop(&s), 0, "the server ends well");
    ok(log_has(old, " * stopped\n") && log_lacks(old, "SIGUSR1: reopened"),
       "the old log stays in use");
}

// The log is rotated while the first index is built.
static void rotate_early(void)
{
    static char line[128];
    struct buf text = {0};
    int status;
    for (unsigned i = 0; i < LINES; i++) {
        snprintf(line, sizeof line, "00000000-0000-4000-8000-%012u value\n", i * 7919u % LINES);
        buf_append_text(&text, line);
    }
    const char *large = test_file("large.data", buf_span(&text));
    const char *log = test_path("early.log");
    const char *old = test_path("early.log.1");
    const char *socket = test_path("early");
    const char *ready = test_path("early.out");
    buf_release(&text);
    pid_t pid = spawn(WORDS(server_program(), large, "--port", "none", "--unixsocket", socket,
                            "--logfile", log, "--index", "none"),
                      ready);
    await_file(socket);
    kill(pid, SIGSTOP);
    require(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status), "not stopped");
    diag("stopped %s it was ready", log_lacks(ready, "ready ") ? "before" : "after");
    require(rename(log, old) == 0, "cannot rename");
    kill(pid, SIGUSR1);
    kill(pid, SIGCONT);
    log_await(ready, "ready ");
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "SIGUSR1 while the index is built does not end the server");
    ok(log_has(log, " * stopped\n") && log_lacks(old, " * stopped\n"),
       "later lines go to the new file");
}

// ---- journald -----------------------------------------------------------------------------------

// Runs a server until it is ready or ends, with a socket as standard error. JOURNAL_STREAM names
// that socket, or with `named` false another one. Returns what the server has written, which the
// caller must release.
static struct buf written_to_journal(bool named, const char *const *options, int *code)
{
    int pair[2];
    struct stat status;
    char name[64];
    struct buf said = {0};
    const char *words[16] = {server_program()};
    for (unsigned i = 1; *options != NULL; i++)
        words[i] = *options++;
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 &&
                fstat(pair[1], &status) == 0,
            "no sockets");
    snprintf(name, sizeof name, "%llu:%llu", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino + !named);
    fflush(stdout);
    pid_t pid = fork();
    require(pid >= 0, "cannot fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("JOURNAL_STREAM", name, 1);
        dup2(pair[1], STDERR_FILENO);
        dup2(pair[1], STDOUT_FILENO);
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    close(pair[1]);
    bool stopped = false;
    ssize_t got;
    while ((got = read(pair[0], buf_reserve(&said, 4096), 4096)) > 0) {
        said.len += (size_t)got;
        if (!stopped && occurrences(buf_span(&said), "ready ") > 0)
            stopped = kill(pid, SIGTERM) == 0;
    }
    close(pair[0]);
    *code = end_of(pid);
    return said;
}

// Returns the number of lines that begin with one of these priorities, followed by the mark of a
// level and no date.
static unsigned count_prioritised(struct span text, const char *priorities)
{
    unsigned count = 0;
    for (const char *at = text.ptr; at < text.ptr + text.len;) {
        size_t left = text.len - (size_t)(at - text.ptr);
        const char *end = memchr(at, '\n', left);
        count += left > 5 && at[0] == '<' && at[2] == '>' && strchr(priorities, at[1]) != NULL &&
                 strchr(".-*#", at[3]) != NULL && at[4] == ' ';
        if (end == NULL)
            break;
        at = end + 1;
    }
    return count;
}

static void journal(void)
{
    int code;
    const char *malformed = test_file("malformed.data", span_text("no record\n"));
    const char *const *options =
        WORDS(data, "--port", "0", "--index", "none", "--loglevel", "debug", "--threads", "2");
    struct buf said = written_to_journal(true, options, &code);
    unsigned lines = occurrences(buf_span(&said), "\n");
    is_number(code, 0, "with journald the server ends well");
    is_number(count_prioritised(buf_span(&said), "4567"), lines - 1,
              "each line but the ready line has a priority and no date");
    ok(occurrences(buf_span(&said), "<5>* stopped\n") == 1,
       "a notice has the priority of a notice");
    buf_release(&said);
    said = written_to_journal(false, options, &code);
    ok(occurrences(buf_span(&said), "<5>") == 0 &&
           occurrences(buf_span(&said), " * stopped\n") == 1,
       "another stream gets lines without priorities");
    buf_release(&said);
    const char *log = test_path("journal.log");
    said = written_to_journal(true, WORDS(data, "--port", "0", "--index", "none", "--logfile", log),
                              &code);
    ok(occurrences(buf_span(&said), "\n") == 1 && log_lacks(log, "<5>") &&
           log_has(log, " * stopped\n"),
       "a log file gets lines without priorities");
    buf_release(&said);
    said = written_to_journal(true, WORDS(malformed, "--port", "0", "--index", "none"), &code);
    is_number(code, 1, "with journald, a server cannot start");
    ok(occurrences(buf_span(&said), "<4>") == 1 && occurrences(buf_span(&said), "<3>") == 1 &&
           occurrences(buf_span(&said), "<3>stele-server: ") == 1,
       "its messages have priorities: %.*s", (int)said.len, said.ptr);
    buf_release(&said);
}

// ---- names --------------------------------------------------------------------------------------

#define BAD "a\nb\r\x1b[31m\xff"
#define BAD_SHOWN "a\\x0ab\\x0d\\x1b[31m\\xff"

static bool has_raw(struct span text)
{
    return memchr(text.ptr, '\x1b', text.len) != NULL || memchr(text.ptr, '\r', text.len) != NULL ||
           memchr(text.ptr, '\xff', text.len) != NULL || occurrences(text, "a\nb") > 0;
}

// Runs a program that fails because of a name with unprintable bytes. Checks that its messages
// escape them.
static void names_in(const char *const *words, const char *what)
{
    struct buf out = {0};
    struct buf err = {0};
    run_program(words, &out, &err);
    ok(err.len > 0 && !has_raw(buf_span(&err)) && !has_raw(buf_span(&out)) &&
           occurrences(buf_span(&err), BAD_SHOWN) > 0,
       "%s: %.*s", what, (int)err.len, err.ptr);
    buf_release(&out);
    buf_release(&err);
}

static void names(void)
{
    const char *bad = test_file(BAD, span_text(KEY " value\nno record\n"));
    const char *socket = test_path("s" BAD);
    const char *index = test_path("i" BAD);
    const char *log = test_path("log" BAD);
    struct server_process s =
        server_start(bad, WORDS("--port", "none", "--unixsocket", socket, "--index", index,
                                "--skip-malformed", "--loglevel", "debug"));
    ok(strstr(s.ready, "/s" BAD_SHOWN " 1 keys") != NULL, "the ready line escapes the name: %s",
       s.ready);
    int fd = connect_unix(socket);
    struct buf reply = {0};
    require(send_all(fd, SPAN("CONFIG GET unixsocket\r\nCONFIG GET index\r\nINFO everything\r\n"
                              "CLIENT LIST\r\nQUIT\r\n")) &&
                receive_to_end(fd, &reply),
            "no reply");
    close(fd);
    ok(occurrences(buf_span(&reply), "/s" BAD_SHOWN "\r\n") > 0 &&
           occurrences(buf_span(&reply), "/i" BAD_SHOWN "\r\n") > 0 &&
           memchr(reply.ptr, '\x1b', reply.len) == NULL &&
           occurrences(buf_span(&reply), "a\nb") == 0,
       "CONFIG GET, INFO and CLIENT LIST escape the names");
    buf_release(&reply);
    kill(s.pid, SIGHUP);
    log_await(s.log_path, "nothing to reload");
    is_number(server_stop(&s), 0, "the server ends well");
    struct buf said = file_content(s.log_path);
    ok(!has_raw(buf_span(&said)) && occurrences(buf_span(&said), BAD_SHOWN) > 3,
       "the log escapes the names");
    buf_release(&said);

    names_in(WORDS(server_program(), test_path("none" BAD), "--port", "0"), "no such file");
    names_in(WORDS(server_program(), bad, "--port", "0"), "malformed lines");
    names_in(WORDS(server_program(), data, "--port", BAD), "a bad value");
    names_in(WORDS(server_program(), data, "--" BAD), "an unknown option");
    names_in(WORDS(server_program(), data, BAD), "a second file");
    names_in(WORDS(server_program(), data, "--bind", BAD, "--port", "0"), "no such host");
    names_in(WORDS(server_program(), data, "--port", "none", "--unixsocket", bad),
             "no such socket");
    names_in(WORDS(server_program(), data, "--logfile", test_path("x/" BAD)), "no such log");
    names_in(WORDS(server_program(), data, "--requirepass-file", test_path(BAD "2")),
             "no such password file");
    names_in(WORDS(tool_program(), "check", test_path("none" BAD)), "stele check, no such file");
    names_in(WORDS(tool_program(), "get", bad, KEY), "stele get, malformed lines");
    names_in(WORDS(tool_program(), "get", data, BAD), "stele get, no UUID");
    names_in(WORDS(tool_program(), "get", test_file("g" BAD, span_text(KEY " value\n")),
                   "00000000-0000-4000-8000-000000000002"),
             "stele get, no such key");
    names_in(WORDS(tool_program(), "index", data, bad), "stele index, two files");
    names_in(WORDS(tool_program(), BAD), "no such subcommand");
    struct buf out = {0};
    struct buf err = {0};
    const char *twice = test_file("t" BAD, span_text(KEY " a\n" KEY " b\nno record\n"));
    run_program(WORDS(tool_program(), "check", twice), &out, &err);
    ok(!has_raw(buf_span(&out)) && !has_raw(buf_span(&err)) &&
           occurrences(buf_span(&out), BAD_SHOWN) >= 2,
       "stele check");
    out.len = 0;
    run_program(WORDS(tool_program(), "index", twice, "--skip-malformed"), &out, &err);
    ok(!has_raw(buf_span(&out)) && !has_raw(buf_span(&err)) &&
           occurrences(buf_span(&out), BAD_SHOWN) == 1,
       "stele index");
    buf_release(&out);
    buf_release(&err);
    s = server_start(data, WORDS("--logfile", log));
    fd = connect_tcp(s.port);
    require(send_all(fd, SPAN("CONFIG GET logfile\r\nQUIT\r\n")) && receive_to_end(fd, &reply),
            "no reply");
    close(fd);
    ok(occurrences(buf_span(&reply), "/log" BAD_SHOWN "\r\n") == 1,
       "CONFIG GET logfile escapes the name");
    buf_release(&reply);
    is_number(server_stop(&s), 0, "the server ends well");
}

int main(void)
{
    data = test_file("table.data", span_text(KEY " value\n"));
    rotate();
    rotate_onto_own_files();
    rotate_early();
    journal();
    names();
    return done_testing();
}
