// The life of a server from start to exit: the command line, the data file, the ready line,
// sockets, logs, limits, timeouts and signals. Also the tool `stele`.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/version.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

#define KEY "0f8fad5b-d9cb-469f-a165-70867728950e"
#define OTHER_KEY "7c9e6679-7425-40de-944b-e07fc1f90ae7"
#define ABSENT_KEY "11111111-2222-3333-4444-555555555555"
#define GET_KEY "*2\r\n$3\r\nGET\r\n$36\r\n" KEY "\r\n"

enum { WORDS_MAX = 24 };

static const char *data; // a good data file

static int end_of(struct server_process *s)
{
    int status = 0;
    require(waitpid(s->pid, &status, 0) == s->pid, "the server is not ours");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

// Checks that a GET of KEY returns `value`.
static void check_served(int fd, const char *value, const char *what)
{
    struct buf wanted = {0};
    append_bulk(&wanted, span_text(value));
    answers(fd, SPAN(GET_KEY), buf_span(&wanted), "%s", what);
    buf_release(&wanted);
}

static bool matches(const char *text, const char *pattern)
{
    regex_t compiled;
    require(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) == 0, "bad pattern %s", pattern);
    bool matched = regexec(&compiled, text, 0, NULL, 0) == 0;
    regfree(&compiled);
    if (!matched)
        diag("'%s' does not match '%s'", text, pattern);
    return matched;
}

// Runs a program with `words`, which end with NULL, and checks its exit code and its outputs. An
// output is not checked if it is NULL.
static void check_run(const char *program, const char *const *words, int code, const char *out,
                      const char *err, const char *name)
{
    const char *argv[WORDS_MAX] = {program};
    struct buf got_out = {0};
    struct buf got_err = {0};
    for (unsigned i = 0; words[i] != NULL; i++)
        argv[i + 1] = words[i];
    is_number(run_program(argv, &got_out, &got_err), code, "%s: exit code", name);
    if (out != NULL)
        is_bytes(buf_span(&got_out), span_text(out), "%s: standard output", name);
    if (err != NULL)
        is_bytes(buf_span(&got_err), span_text(err), "%s: standard error", name);
    buf_release(&got_out);
    buf_release(&got_err);
}
#define WORDS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

// ---- starting -----------------------------------------------------------------------------------

#define READY_END " 2 keys in [0-9]+\\.[0-9]{3} seconds$"

static int connect_v6(int port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct timeval patience = {20, 0};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin6_addr = in6addr_loopback;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static bool have_v6(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool have = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return have;
}

static void ready_lines(void)
{
    struct server_process s = server_start(data, NULL);
    ok(matches(s.ready, "^ready 127\\.0\\.0\\.1:[1-9][0-9]*" READY_END),
       "the ready line has the address");
    int fd = connect_tcp(s.port);
    check_served(fd, "value", "the port of the ready line is the real one");
    close(fd);
    if (have_v6()) {
        fd = connect_v6(s.port);
        ok(fd >= 0, "the loopback address of IPv6 has the same port");
        check_served(fd, "value", "a client over IPv6 is served");
        close(fd);
    }
    is_number(server_stop(&s), 0, "the server ends well");

    if (have_v6()) {
        s = server_start(data, WORDS("--bind", "::1"));
        ok(matches(s.ready, "^ready \\[::1\\]:[1-9][0-9]*" READY_END), "the ready line of IPv6");
        fd = connect_v6(s.port);
        ok(fd >= 0, "the port of the ready line is the real one");
        check_served(fd, "value", "an IPv6 client is served");
        close(fd);
        is_number(server_stop(&s), 0, "the server ends well");
    }

    s = server_start(data, WORDS("--bind=127.0.0.1", "--bind=-203.0.113.77"));
    ok(matches(s.ready, "^ready 127\\.0\\.0\\.1:[1-9][0-9]*" READY_END),
       "an optional address that the machine does not have is skipped");
    is_number(server_stop(&s), 0, "the server ends well");
}

static void unix_sockets(void)
{
    const char *path = test_path("socket");
    char pattern[256];
    struct stat status;
    struct server_process s = server_start(
        data, WORDS("--port", "none", "--unixsocket", path, "--unixsocketperm", "751"));
    snprintf(pattern, sizeof pattern, "^ready %s" READY_END, path);
    ok(matches(s.ready, pattern), "the ready line has the path if there is only a unix socket");
    require(stat(path, &status) == 0, "no socket file");
    is_number(status.st_mode & 07777, 0751, "--unixsocketperm sets the permissions");
    int fd = connect_unix(path);
    check_served(fd, "value", "a client of the unix socket is served");
    answers(fd, SPAN("CONFIG GET port\r\n"), SPAN("*2\r\n$4\r\nport\r\n$1\r\n0\r\n"),
            "there is no TCP port");

    char refusal[512];
    snprintf(refusal, sizeof refusal,
             "stele-server: cannot listen on '%s': a server is listening there\n", path);
    check_run(server_program(),
              WORDS(data, "--loglevel", "warning", "--port", "none", "--unixsocket", path), 1, "",
              refusal, "a socket in use");
    check_served(fd, "value", "the server that has it goes on serving");
    close(fd);
    fd = connect_unix(path);
    check_served(fd, "value", "it serves new clients, too");
    close(fd);
    is_number(server_stop(&s), 0, "the server ends well");
    ok(lstat(path, &status) != 0 && errno == ENOENT, "the socket file is removed");

    // A killed server leaves its socket file.
    s = server_start(data, WORDS("--unixsocket", path));
    kill(s.pid, SIGKILL);
    is_number(end_of(&s), 1000 + SIGKILL, "a server is killed");
    ok(lstat(path, &status) == 0 && S_ISSOCK(status.st_mode), "its socket file stays");
    s = server_start(data, WORDS("--unixsocket", path));
    fd = connect_unix(path);
    check_served(fd, "value", "the next server replaces the file");
    close(fd);
    is_number(server_stop(&s), 0, "the server ends well");

    const char *file = test_file("precious", SPAN("precious"));
    snprintf(refusal, sizeof refusal,
             "stele-server: cannot listen on '%s': the file exists and is not a socket\n", file);
    check_run(server_program(), WORDS(data, "--port=0", "--loglevel=warning", "--unixsocket", file),
              1, "", refusal, "a file at the path of the socket");
    struct buf left = file_content(file);
    is_bytes(buf_span(&left), SPAN("precious"), "the file stays as it is");
    buf_release(&left);
}

// A server that is started with closed standard descriptors does not use their numbers for other
// files.
static void closed_descriptors(void)
{
    struct buf script = {0};
    buf_printf(&script, "#!/bin/sh\nexec %s \"$@\" <&- 2>&-\n", server_program());
    const char *program = test_file("closed.sh", buf_span(&script));
    const char *file = test_file("closed.data", span_text(KEY " v\n"));
    require(chmod(program, 0700) == 0, "cannot make %s executable", program);
    struct server_process s =
        server_start_program(program, file, WORDS("--bind", "127.0.0.1", "--bind", "127.0.0.1"));
    int fd = connect_tcp(s.port);
    check_served(fd, "v", "with closed descriptors, and one address given twice, it serves");
    close(fd);
    is_number(server_stop(&s), 0, "with closed descriptors it ends well");
    buf_release(&script);
}

static void port_in_use(void)
{
    struct server_process s = server_start(data, NULL);
    char port[16];
    char refusal[256];
    snprintf(port, sizeof port, "%d", s.port);
    snprintf(refusal, sizeof refusal,
             "stele-server: cannot listen on 127.0.0.1 port %s: Address already in use\n", port);
    check_run(server_program(), WORDS(data, "--loglevel", "warning", "--port", port), 1, "",
              refusal, "a port in use");
    int fd = connect_tcp(s.port);
    check_served(fd, "value", "the server that has it goes on serving");
    close(fd);
    is_number(server_stop(&s), 0, "the server ends well");
}

// ---- the command line ---------------------------------------------------------------------------

#define BAD_PORT(value)                                                                            \
    {                                                                                              \
        {"data", "--port", value}, "--port '" value "' must be a number from 0 to 65535, or none"  \
    }

static const struct {
    const char *words[4];
    const char *message;
} bad_options[] = {
    BAD_PORT("65536"),
    BAD_PORT("-1"),
    BAD_PORT("x"),
    BAD_PORT(""),
    BAD_PORT("06379"),
    BAD_PORT("99999999999999999999"),
    {{"data", "--port"}, "option --port needs a value"},
    {{"data", "--port=none"}, "--port none without --unixsocket leaves nowhere to listen"},
    {{"data", "--no-such-option"}, "unknown option '--no-such-option'; --help lists all options"},
    {{"data", "-p"}, "unknown option '-p': did you mean --port?"},
    {{"data", "--skip-malformed=yes"}, "option --skip-malformed takes no value"},
    {{"data", "data2"}, "more than one data file: 'data' and 'data2'"},
    {{NULL}, "no data file given; --help shows how"},
    {{"--port", "0"}, "no data file given; --help shows how"},
    {{"data", "--maxclients", "0"}, "--maxclients '0' must be a number from 1 to 1000000"},
    {{"data", "--maxclients", "1000001"},
     "--maxclients '1000001' must be a number from 1 to 1000000"},
    {{"data", "--threads", "0"}, "--threads '0' must be a number from 1 to 128"},
    {{"data", "--threads", "129"}, "--threads '129' must be a number from 1 to 128"},
    {{"data", "--timeout", "-1"}, "--timeout '-1' must be a number of seconds, or 0 for never"},
    {{"data", "--tcp-backlog=0"}, "--tcp-backlog '0' must be a number from 1 to 65535"},
    {{"data", "--unixsocketperm", "789"},
     "--unixsocketperm '789' must be octal permissions like 770"},
    {{"data", "--unixsocket", ""}, "--unixsocket '' must be a path"},
    {{"data", "--bind", ""}, "--bind '' must be an address"},
    {{"data", "--proxy-protocol", ""}, "--proxy-protocol '' must be an address"},
    {{"data", "--loglevel", "loud"}, "--loglevel 'loud' must be debug, verbose, notice or warning"},
    {{"data", "--protected-mode", "maybe"}, "--protected-mode 'maybe' must be yes or no"},
    {{"data", "--enable-debug-command", "x"},
     "--enable-debug-command 'x' must be no, local or yes"},
    {{"data", "--enable-shutdown-command", "local"},
     "--enable-shutdown-command 'local' must be yes or no"},
    {{"data", "--logfile", "/no/such/folder/log"},
     "cannot open log file '/no/such/folder/log': No such file or directory"},
};

static void command_lines(void)
{
    char message[512];
    for (unsigned i = 0; i < sizeof bad_options / sizeof *bad_options; i++) {
        snprintf(message, sizeof message, "stele-server: %s\n", bad_options[i].message);
        check_run(server_program(), bad_options[i].words, 1, "", message, bad_options[i].message);
    }
    check_run(server_program(), WORDS("--version"), 0,
              "stele-server " STELE_VERSION " (speaks like Redis 7.4.0)\n", "", "--version");
    check_run(tool_program(), WORDS("--version"), 0, "stele " STELE_VERSION "\n", "",
              "--version of the tool");
    for (unsigned i = 0; i < 2; i++) {
        const char *const argv[] = {i == 0 ? server_program() : tool_program(), "--help", NULL};
        struct buf out = {0};
        struct buf err = {0};
        is_number(run_program(argv, &out, &err), 0, "--help: exit code");
        is_number((int64_t)err.len, 0, "--help: nothing on standard error");
        is_number(occurrences(buf_span(&out),
                              i == 0 ? "usage: stele-server DATAFILE" : "usage: stele SUBCOMMAND"),
                  1, "--help shows the usage");
        buf_release(&out);
        buf_release(&err);
    }
}

// ---- the data file ------------------------------------------------------------------------------

static void unreadable_files(void)
{
    const char *fifo = test_path("fifo");
    const char *secret = test_file("secret", SPAN(KEY " value\n"));
    const char *dangling = test_path("dangling");
    const char *self = test_path("self");
    require(mkfifo(fifo, 0600) == 0 && chmod(secret, 0) == 0 && symlink("nowhere", dangling) == 0 &&
                symlink(self, self) == 0,
            "cannot prepare files");
    const struct {
        const char *name;
        const char *path;
        const char *reason;
    } list[] = {
        {"no such data file", "/no/such/file", "No such file or directory"},
        {"an empty name for the data file", "", "No such file or directory"},
        {"a dangling link for a data file", dangling, "No such file or directory"},
        {"a link to itself for a data file", self, "Too many levels of symbolic links"},
        {"a directory for a data file", test_folder(), "not a regular file"},
        {"a FIFO for a data file", fifo, "not a regular file"},
        {"/dev/zero for a data file", "/dev/zero", "not a regular file"},
        {"an unreadable data file", secret, "Permission denied"},
    };
    char message[512];
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
        // `confined` takes the right to read every file from root.
        snprintf(message, sizeof message, "stele-server: cannot open '%s': %s\n", list[i].path,
                 list[i].reason);
        check_run("/proc/self/exe",
                  WORDS("confined", "1024", server_program(), list[i].path, "--port", "0"), 1, "",
                  message, list[i].name);
        snprintf(message, sizeof message, "stele: cannot open '%s': %s\n", list[i].path,
                 list[i].reason);
        check_run("/proc/self/exe",
                  WORDS("confined", "1024", tool_program(), "check", list[i].path), 2, "", message,
                  list[i].name);
    }
}

// Returns the tool's warning about a file whose last line has no newline. It is valid until the
// next call.
static const char *cut_warning(const char *file)
{
    static char text[512];
    snprintf(text, sizeof text,
             "stele: the last line of '%s' does not end in a newline: it may have been cut\n",
             file);
    return text;
}

static void malformed_files(void)
{
    const char *mixed = test_file("mixed", SPAN("\xef\xbb\xbf" KEY " a\n" // line 1, byte 0
                                                KEY " value\n"            // 2, 42
                                                "\n"                      // 3, 85
                                                KEY "\n"                  // 4, 86
                                                KEY "\tvalue\n"           // 5, 123
                                                " " KEY " value\n"        // 6, 166
                                                "short\n"                 // 7, 210
                                                OTHER_KEY " \n"           // 8, 216
                                                "\r\n"                    // 9, 254
                                                "\x1f\x8b\x08\0\n"        // 10, 256
                                                "{" KEY "} x\n"           // 11, 261
                                                "a\n"                     // 12, 302
                                                "b\n"                     // 13, 304
                                                "c"));                    // 14, 306
    static const char *const lines[] = {
        "1: byte 0: byte order mark before the first record",
        "3: byte 85: blank line",
        "4: byte 86: no space after the UUID: '" KEY "'",
        "5: byte 123: no space after the UUID: '" KEY "\\x09val...'",
        "6: byte 166: not a UUID: ' " KEY " va...'",
        "7: byte 210: not a UUID: 'short'",
        "9: byte 254: not a UUID: '\\x0d'",
        "10: byte 256: not a UUID: '\\x1f\\x8b\\x08\\x00'",
        "11: byte 261: not a UUID: '{" KEY "} x'",
        "12: byte 302: not a UUID: 'a'",
    };
    struct buf listed = {0};
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
        buf_printf(&listed, "%s:%s\n", mixed, lines[i]);

    struct buf wanted = {0};
    buf_append(&wanted, buf_span(&listed));
    buf_printf(&wanted, "stele-server: %s: 12 of 14 lines malformed\n", mixed);
    buf_append(&wanted, SPAN("\0"));
    check_run(server_program(), WORDS(mixed, "--port", "0"), 1, "", wanted.ptr, "malformed lines");

    // The tool shows the same lines, and then the counts.
    struct buf out = {0};
    struct buf err = {0};
    const char *const check[] = {tool_program(), "check", mixed, NULL};
    is_number(run_program(check, &out, &err), 1, "stele check of malformed lines: exit code");
    is_bytes(buf_span(&err), span_text(cut_warning(mixed)),
             "stele check warns that the last line may be cut");
    ok(out.len > listed.len && memcmp(out.ptr, listed.ptr, listed.len) == 0,
       "stele check shows the first ten malformed lines");
    ok(occurrences(buf_span(&out), "\n(2 more malformed lines; --all prints them)\n") == 1 &&
           occurrences(buf_span(&out), "\nlines      14\n") == 1 &&
           occurrences(buf_span(&out), "\nmalformed  12\n") == 1 &&
           occurrences(buf_span(&out), "\nkeys       2\n") == 1,
       "stele check shows the counts");
    buf_release(&out);
    buf_release(&err);
    buf_release(&wanted);

    struct server_process s = server_start(mixed, WORDS("--skip-malformed"));
    int fd = connect_tcp(s.port);
    check_served(fd, "value", "--skip-malformed serves the other lines");
    answers(fd, SPAN("GET " OTHER_KEY "\r\nDBSIZE\r\n"), SPAN("$0\r\n\r\n:2\r\n"),
            "--skip-malformed serves all other lines");
    struct buf log = file_content(s.log_path);
    buf_append(&log, SPAN("\0"));
    buf_append(&listed, SPAN("\0"));
    ok(occurrences(buf_span(&log), listed.ptr) == 1 &&
           occurrences(buf_span(&log), "skipped 12 malformed lines of 14\n") == 1,
       "--skip-malformed logs the malformed lines");
    close(fd);
    is_number(server_stop(&s), 0, "the server ends well");
    buf_release(&log);
    buf_release(&listed);
}

static void good_files(void)
{
    struct buf page = {0};
    buf_append_text(&page, KEY " ");
    append_bytes(&page, 'v', 4096 - page.len);
    char long_value[4096] = "";
    memcpy(long_value, page.ptr + 37, 4096 - 37);
    const struct {
        const char *name;
        struct span content;
        const char *printed; // the value and a newline
    } list[] = {
        {"no final newline", BYTES(KEY " value"), "value\n"},
        {"CR LF: the CR belongs to the value", BYTES(KEY " value\r\n"), "value\r\n"},
        {"two spaces: one belongs to the value", BYTES(KEY "  value\n"), " value\n"},
        {"an empty value", BYTES(KEY " \n"), "\n"},
        {"an empty value at the end of the file", BYTES(KEY " "), "\n"},
        {"the last of duplicates wins",
         BYTES(KEY " 1\n" OTHER_KEY " 2\n0F8FAD5B-d9cb-469f-a165-70867728950e 3\n"), "3\n"},
        {"upper case", BYTES("0F8FAD5B-D9CB-469F-A165-70867728950E x\n"), "x\n"},
    };
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
        const char *file = test_file("good", list[i].content);
        bool ends = list[i].content.ptr[list[i].content.len - 1] == '\n';
        check_run(tool_program(), WORDS("get", file, KEY), 0, list[i].printed,
                  ends ? "" : cut_warning(file), list[i].name);
    }
    strcat(long_value, "\n");
    const char *whole = test_file("page", buf_span(&page));
    check_run(tool_program(), WORDS("get", whole, KEY), 0, long_value, cut_warning(whole),
              "a file of exactly a page");
    buf_release(&page);

    struct server_process s = server_start(test_file("empty", SPAN("")), NULL);
    ok(matches(s.ready, "^ready [^ ]+ 0 keys in "), "an empty file is an empty dataset");
    int fd = connect_tcp(s.port);
    answers(fd, SPAN("DBSIZE\r\nGET " KEY "\r\nINFO keyspace\r\n"),
            SPAN(":0\r\n$-1\r\n$12\r\n# Keyspace\r\n\r\n"), "an empty dataset has no key");
    close(fd);
    is_number(server_stop(&s), 0, "the server ends well");
}

static void replaced_files(void)
{
    const char *real = test_file("real", SPAN(KEY " value\n"));
    const char *link = test_path("link");
    require(symlink(real, link) == 0, "no symbolic link");
    struct server_process s = server_start(link, NULL);
    int fd = connect_tcp(s.port);
    check_served(fd, "value", "a symbolic link to a data file");
    require(rename(test_file("new", SPAN(KEY " other\n")), real) == 0, "cannot rename");
    check_served(fd, "value", "a file replaced by rename is served as it was");
    require(unlink(real) == 0 && unlink(link) == 0, "cannot unlink");
    check_served(fd, "value", "an unlinked file is served as it was");
    close(fd);
    is_number(server_stop(&s), 0, "the server ends well");
}

static void tool(void)
{
    const char *missing = "stele: no key " ABSENT_KEY " in ";
    char message[256];
    snprintf(message, sizeof message, "%s%s\n", missing, data);
    check_run(tool_program(), WORDS("get", data, OTHER_KEY, KEY, KEY), 0, "other\nvalue\nvalue\n",
              "", "stele get");
    check_run(tool_program(), WORDS("get", data, KEY, ABSENT_KEY, OTHER_KEY), 1, "value\nother\n",
              message, "stele get of an absent key");
    check_run(tool_program(), WORDS("get", data, "x"), 1, "", "stele: 'x' is not a UUID\n",
              "stele get of no UUID");
    check_run(tool_program(), WORDS("get", "/no/such/file", KEY), 2, "",
              "stele: cannot open '/no/such/file': No such file or directory\n",
              "stele get of no file");
    check_run(tool_program(), WORDS("get", data), 2, "", NULL, "stele get without a key");
    check_run(tool_program(), WORDS("check"), 2, "", NULL, "stele check without a file");
    check_run(tool_program(), WORDS("polish", data), 2, "", NULL, "an unknown subcommand");

    struct buf out = {0};
    struct buf err = {0};
    const char *const check[] = {tool_program(), "check", data, NULL};
    is_number(run_program(check, &out, &err), 0, "stele check: exit code");
    buf_append(&out, SPAN("\0"));
    ok(matches(out.ptr, "^bytes      86\nlines      2\nmalformed  0\nkeys       2\n"
                        "duplicates 0\nvalues     10 bytes\nindex      [0-9]+ bytes, "),
       "stele check: counts");
    is_number((int64_t)err.len, 0, "stele check: nothing on standard error");
    buf_release(&out);
    buf_release(&err);
}

// ---- limits -------------------------------------------------------------------------------------

// Runs another program with few file descriptors, and without the rights of root to have more or to
// read all files: `confined LIMIT PROGRAM WORD...`. Exec gives root its rights back, except those
// that were removed from the bounding set.
static int confined(char *words[])
{
    rlim_t files = (rlim_t)atoi(words[0]);
    struct rlimit limit = {files, files};
    prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0);
    prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0);
    prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH, 0, 0, 0);
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        execv(words[1], words + 1);
    perror("confined");
    return 126;
}

static void few_descriptors(void)
{
    check_run("/proc/self/exe",
              WORDS("confined", "20", server_program(), data, "--port", "0", "--loglevel",
                    "warning", "--threads", "1"),
              1, "",
              "stele-server: the limit of 20 open files leaves none for clients; the server itself "
              "needs 64\n",
              "20 file descriptors");
    check_run("/proc/self/exe",
              WORDS("confined", "20", server_program(), data, "--port", "0", "--loglevel",
                    "warning", "--threads", "8"),
              1, "",
              "stele-server: the limit of 20 open files leaves none for clients; the server itself "
              "needs 92\n",
              "20 file descriptors and 8 loops, which need some");
    struct buf topology = {0};
    buf_append_text(&topology, "epoch 1\nshard 0-16383\n");
    for (unsigned i = 0; i < 41; i++)
        buf_printf(&topology, "node n%u h:%u\n", i, 1 + i);
    const char *config = test_file("cluster.conf", buf_span(&topology));
    buf_release(&topology);
    check_run("/proc/self/exe",
              WORDS("confined", "20", server_program(), data, "--port", "0", "--loglevel",
                    "warning", "--threads", "1", "--cluster-config", config, "--cluster-node",
                    "n0"),
              1, "",
              "stele-server: the limit of 20 open files leaves none for clients; the server itself "
              "needs 104\n",
              "20 file descriptors and 40 other nodes, each of which needs one");
    check_run("/proc/self/exe",
              WORDS("confined", "20", server_program(), data, "--port", "0", "--loglevel",
                    "warning", "--threads", "1", "--cluster-config", config, "--cluster-node", "n0",
                    "--cluster-node-timeout", "0"),
              1, "",
              "stele-server: the limit of 20 open files leaves none for clients; the server itself "
              "needs 64\n",
              "40 other nodes that are not probed need none");
    check_run(
        "/proc/self/exe",
        WORDS("confined", "64", server_program(), data, "--port", "0", "--loglevel", "warning"), 1,
        "", NULL, "64 file descriptors");
}

static void maxclients(void)
{
    enum { CLIENTS = 3 };
    int fds[CLIENTS];
    struct server_process s = server_start(data, WORDS("--maxclients", "3"));
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = connect_tcp(s.port);
        check_served(fds[i], "value", "a client within --maxclients is served");
    }
    for (unsigned round = 0; round < 2; round++) {
        int fd = connect_tcp(s.port);
        struct buf got = {0};
        ok(receive_to_end(fd, &got), "a client beyond --maxclients is closed");
        is_bytes(buf_span(&got), SPAN("-ERR max number of clients reached\r\n"),
                 "a client beyond --maxclients gets an error");
        close(fd);
        buf_release(&got);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        check_served(fds[i], "value", "the other clients are served");
    answers(fds[0], SPAN("CONFIG GET maxclients\r\n"),
            SPAN("*2\r\n$10\r\nmaxclients\r\n$1\r\n3\r\n"), "CONFIG GET maxclients");
    close(fds[1]);
    server_await_idle(&s);
    fds[1] = connect_tcp(s.port);
    check_served(fds[1], "value", "a client is admitted when another has disconnected");
    for (unsigned i = 0; i < CLIENTS; i++)
        close(fds[i]);
    is_number(server_stop(&s), 0, "the server ends well");
}

static void idle_timeout(void)
{
    struct server_process s = server_start(data, WORDS("--timeout", "1"));
    int idle = connect_tcp(s.port);
    int busy = connect_tcp(s.port);
    int partial = connect_tcp(s.port);
    struct pollfd waiting[] = {{idle, POLLIN, 0}, {partial, POLLIN, 0}};
    struct buf got = {0};
    bool alive = true;
    check_served(idle, "value", "(a client that will be idle)");
    send_all(partial, SPAN("*2\r\n$3\r\nGET"));
    // The busy client sends a command each 50 ms, a twentieth of the timeout. 400 rounds are 20 s.
    for (unsigned i = 0; i < 400 && alive && (waiting[0].fd >= 0 || waiting[1].fd >= 0); i++) {
        got.len = 0;
        alive = send_all(busy, SPAN("PING\r\n")) && receive(busy, &got, 7);
        poll(waiting, 2, 50);
        for (unsigned j = 0; j < 2; j++)
            if (waiting[j].fd >= 0 && waiting[j].revents != 0)
                waiting[j].fd = -1;
    }
    ok(alive, "a busy client is not timed out");
    ok(is_closed(idle), "an idle client is closed");
    ok(is_closed(partial), "a client with half a command is closed");
    check_served(busy, "value", "the busy client is served");
    close(idle);
    close(busy);
    close(partial);
    buf_release(&got);
    is_number(server_stop(&s), 0, "the server ends well");
}

// CONFIG SET takes effect in all loops, even in idle ones.
static void live_settings(void)
{
    enum { CLIENTS = 6 };
    int fds[CLIENTS];
    struct server_process s =
        server_start(data, WORDS("--threads", "3", "--maxclients", "100", "--port", "0"));
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = connect_tcp(s.port);
        check_served(fds[i], "value", "(one of several clients)");
    }
    answers(fds[0], SPAN("CONFIG SET maxclients 6\r\n"), SPAN("+OK\r\n"),
            "CONFIG SET maxclients to the present number");
    int fd = connect_tcp(s.port);
    struct buf got = {0};
    ok(receive_to_end(fd, &got), "one more client is closed");
    is_bytes(buf_span(&got), SPAN("-ERR max number of clients reached\r\n"), "it gets an error");
    close(fd);
    answers(fds[1], SPAN("CONFIG SET maxclients 7\r\n"), SPAN("+OK\r\n"),
            "CONFIG SET maxclients to one more");
    fd = connect_tcp(s.port);
    check_served(fd, "value", "one more client is served");
    close(fd);
    answers(fds[1], SPAN("CONFIG SET loglevel debug\r\n"), SPAN("+OK\r\n"),
            "CONFIG SET loglevel debug");
    server_await_idle(&s);
    struct buf log = file_content(s.log_path);
    unsigned logged = occurrences(buf_span(&log), "accepted");
    buf_release(&log);
    fd = connect_tcp(s.port);
    check_served(fd, "value", "another client is served");
    close(fd);
    log = file_content(s.log_path);
    ok(logged == 0 && occurrences(buf_span(&log), "accepted") == 1,
       "this client is logged, and none before");
    buf_release(&log);
    answers(fds[1], SPAN("CONFIG SET timeout 1\r\n"), SPAN("+OK\r\n"), "CONFIG SET timeout 1");
    for (unsigned i = 0; i < CLIENTS; i++) {
        ok(is_closed(fds[i]), "idle client %u is closed", i);
        close(fds[i]);
    }
    buf_release(&got);
    is_number(server_stop(&s), 0, "the server ends well");
}

// ---- logs ---------------------------------------------------------------------------------------

static void logs(void)
{
    static const struct {
        const char *level;
        bool accepted, indexed, attack;
    } levels[] = {
        {"debug", true, true, true},
        {"verbose", false, true, true},
        {"notice", false, true, true},
        {"WARNING", false, false, true},
    };
    const char *path = test_path("log");
    for (unsigned i = 0; i < sizeof levels / sizeof *levels; i++) {
        unlink(path);
        struct server_process s = server_start(
            data, WORDS("--logfile", path, "--loglevel", levels[i].level, "--index", "none"));
        int fd = connect_tcp(s.port);
        send_all(fd, SPAN("POST\r\n"));
        ok(is_closed(fd), "--loglevel %s: (a client whose connection is logged)", levels[i].level);
        close(fd);
        is_number(server_stop(&s), 0, "the server ends well");
        struct buf log = file_content(path);
        struct buf err = file_content(s.log_path);
        is_number(occurrences(buf_span(&log), " . accepted 127.0.0.1:"), levels[i].accepted,
                  "--loglevel %s: debug lines", levels[i].level);
        is_number(occurrences(buf_span(&log), " * indexed 2 keys of "), levels[i].indexed,
                  "--loglevel %s: notices", levels[i].level);
        is_number(occurrences(buf_span(&log), " * stopped\n"), levels[i].indexed,
                  "--loglevel %s: the last notice", levels[i].level);
        is_number(occurrences(buf_span(&log), " # possible attack: "), levels[i].attack,
                  "--loglevel %s: warnings", levels[i].level);
        is_bytes(buf_span(&err), SPAN(""), "with --logfile nothing goes to standard error");
        buf_release(&log);
        buf_release(&err);
    }
    struct server_process s = server_start(data, WORDS("--logfile", path));
    is_number(server_stop(&s), 0, "the server ends well");
    struct buf log = file_content(path);
    ok(occurrences(buf_span(&log), "possible attack") == 1 &&
           occurrences(buf_span(&log), " * stopped\n") == 1,
       "an existing log is appended to");
    buf_append(&log, SPAN("\0"));
    ok(matches(log.ptr, "^[0-9]+:M [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8}\\.[0-9]{3} # [a-z]"),
       "log lines have the form of Redis");
    buf_release(&log);
}

// ---- stopping -----------------------------------------------------------------------------------

// Appends `count` GETs of KEY and their replies.
static void pipeline_of(unsigned count, const char *value, struct buf *request, struct buf *wanted)
{
    for (unsigned i = 0; i < count; i++) {
        buf_append_text(request, GET_KEY);
        append_bulk(wanted, span_text(value));
    }
}

// Checks that a server that was logged to stop sends `wanted`, closes the connection and ends well.
static void check_drained(int fd, struct server_process *s, struct span wanted, const char *name)
{
    struct buf got = {0};
    ok(receive_to_end(fd, &got), "%s: the connection is closed", name);
    is_bytes(buf_span(&got), wanted, "%s: all replies arrive before that", name);
    is_number(end_of(s), 0, "%s: exit code", name);
    close(fd);
    buf_release(&got);
}

// Waits until the server has run `count` GETs.
static void await_gets(int fd, unsigned count)
{
    char field[64];
    bool done = false;
    snprintf(field, sizeof field, "cmdstat_get:calls=%u,", count);
    for (unsigned i = 0; i < 100000 && !done; i++) {
        struct buf got = {0};
        send_all(fd, SPAN("INFO commandstats\r\n"));
        require(receive(fd, &got, 6), "no INFO"); // "$", two to four digits, CR LF …
        size_t header = (size_t)((char *)memchr(got.ptr, '\n', got.len) - got.ptr) + 1;
        require(receive(fd, &got, header + (size_t)atoi(got.ptr + 1) + 2 - got.len),
                "half an INFO");
        done = occurrences(buf_span(&got), field) == 1;
        buf_release(&got);
    }
    require(done, "the server has not answered %u GETs", count);
}

static void stop_with_replies(void)
{
    static const int signals[] = {SIGTERM, SIGINT};
    const char *path = test_path("socket");
    struct buf request = {0};
    struct buf wanted = {0};
    struct stat status;
    pipeline_of(5000, "value", &request, &wanted);
    for (unsigned i = 0; i < 2; i++) {
        struct server_process s = server_start(data, WORDS("--unixsocket", path));
        int fd = connect_tcp(s.port);
        int idle = connect_tcp(s.port);
        int local = connect_unix(path);
        send_all(fd, buf_span(&request));
        await_gets(local, 5000);
        kill(s.pid, signals[i]);
        ok(is_closed(idle) && is_closed(local), "signal %d: idle clients are closed", signals[i]);
        check_drained(fd, &s, buf_span(&wanted), "5,000 replies that the client has not read");
        ok(lstat(path, &status) != 0 && errno == ENOENT, "the socket file is removed");
        close(idle);
        close(local);
    }
    buf_release(&request);
    buf_release(&wanted);
}

// The server finds requests in its socket and the signal at the same time: both are sent while it
// is stopped.
static void stop_with_requests(void)
{
    static const unsigned counts[] = {1, 1000, 2500};
    const char *path = test_path("socket");
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct server_process s = server_start(data, WORDS("--unixsocket", path));
        int fd = connect_unix(path);
        int status;
        char name[64];
        struct buf request = {0};
        struct buf wanted = {0};
        pipeline_of(counts[i], "value", &request, &wanted);
        server_await_idle(&s);
        kill(s.pid, SIGSTOP);
        require(waitpid(s.pid, &status, WUNTRACED) == s.pid && WIFSTOPPED(status), "not stopped");
        send_all(fd, buf_span(&request));
        kill(s.pid, SIGTERM);
        kill(s.pid, SIGCONT);
        snprintf(name, sizeof name, "%u GETs that the server has not read", counts[i]);
        check_drained(fd, &s, buf_span(&wanted), name);
        buf_release(&request);
        buf_release(&wanted);
    }
}

// The replies are more than the server and the system keep for a client that does not read. So some
// requests are still unread in the server's socket. With a unix socket all are there when send_all
// returns.
static void stop_with_long_replies(void)
{
    enum { VALUE = 8000, GETS = 2500 };
    struct buf lines = {0};
    struct buf request = {0};
    struct buf wanted = {0};
    buf_append_text(&lines, KEY " ");
    append_bytes(&lines, 'v', VALUE);
    buf_append(&lines, SPAN("\0"));
    pipeline_of(GETS, lines.ptr + 37, &request, &wanted);
    lines.len--;
    const char *file = test_file("long", buf_span(&lines));
    const char *path = test_path("socket");

    struct server_process s = server_start(file, WORDS("--unixsocket", path));
    int fd = connect_unix(path);
    int other = connect_tcp(s.port);
    send_all(fd, buf_span(&request));
    server_await_idle(&s);
    close(other);
    kill(s.pid, SIGTERM);
    check_drained(fd, &s, buf_span(&wanted), "20 MB of replies");

    // A supervisor that sends SIGTERM several times does not lose replies.
    s = server_start(file, WORDS("--unixsocket", path));
    fd = connect_unix(path);
    other = connect_tcp(s.port);
    send_all(fd, buf_span(&request));
    server_await_idle(&s);
    kill(s.pid, SIGTERM);
    ok(is_closed(other), "the first SIGTERM closes idle clients");
    for (unsigned i = 0; i < 20; i++)
        kill(s.pid, i % 2 == 0 ? SIGTERM : SIGHUP);
    check_drained(fd, &s, buf_span(&wanted), "SIGTERM several times");
    close(other);

    // A client that does not read cannot keep the server from ending: SIGINT then ends it at once.
    s = server_start(file, WORDS("--unixsocket", path));
    fd = connect_unix(path);
    other = connect_tcp(s.port);
    send_all(fd, buf_span(&request));
    server_await_idle(&s);
    kill(s.pid, SIGTERM);
    ok(is_closed(other), "the first signal closes idle clients");
    kill(s.pid, SIGINT);
    is_number(end_of(&s), 0, "SIGINT after SIGTERM ends the server at once");
    close(fd);
    close(other);
    buf_release(&lines);
    buf_release(&request);
    buf_release(&wanted);
}

int main(int argc, char *argv[])
{
    if (argc > 3 && strcmp(argv[1], "confined") == 0)
        return confined(argv + 2);
    data = test_file("data", SPAN(KEY " value\n" OTHER_KEY " other\n"));
    ready_lines();
    unix_sockets();
    port_in_use();
    closed_descriptors();
    command_lines();
    unreadable_files();
    malformed_files();
    good_files();
    replaced_files();
    tool();
    few_descriptors();
    maxclients();
    idle_timeout();
    live_settings();
    logs();
    stop_with_replies();
    stop_with_requests();
    stop_with_long_replies();
    return done_testing();
}
