// Fault F27 (docs/faults.md): standard descriptors are closed when the server starts, or the log is
// a pipe, a FIFO, a socket or a terminal that nobody reads. No socket gets the number of a
// standard descriptor, no client waits for the log, and dropped lines are counted.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/beside.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/watch.h"

static const struct table table = {1, 100};
static const char *data;
static const char *path; // path of the servers' unix socket

// ---- servers and clients ------------------------------------------------------------------------

// Starts a server with these standard descriptors; -1 means closed.
static pid_t start(const int fds[3], const char *const *options)
{
    const char *words[24] = {server_program(), data, "--port", "none", "--unixsocket", path};
    for (unsigned i = 6; *options != NULL; i++)
        words[i] = *options++;
    fflush(stdout);
    pid_t pid = fork();
    require(pid >= 0, "cannot fork");
    if (pid == 0) {
        int kept[3]; // copies of the descriptors, with numbers above 2
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int i = 0; i < 3; i++)
            kept[i] = fds[i] >= 0 ? fcntl(fds[i], F_DUPFD_CLOEXEC, 10) : -1;
        for (int i = 0; i < 3; i++) {
            close(i);
            if (kept[i] >= 0)
                dup2(kept[i], i);
        }
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    return pid;
}

static int try_to_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {20, 0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

// Connects to a server that may not be ready yet: its ready line cannot be read.
static int connect_when_ready(void)
{
    uint64_t until = clock_monotonic_ns() + 60 * CLOCK_SECOND;
    int fd;
    while ((fd = try_to_connect()) < 0) {
        require(clock_monotonic_ns() < until, "the server does not come");
        usleep(2000);
    }
    return fd;
}

static bool is_alive(int fd)
{
    struct buf got = {0};
    bool alive = send_all(fd, SPAN("PING\r\n")) && receive(fd, &got, 7) &&
                 span_equal(buf_span(&got), SPAN("+PONG\r\n"));
    buf_release(&got);
    return alive;
}

static int stop(pid_t pid)
{
    alarm(60); // if the server waits for its log, this test ends
    kill(pid, SIGTERM);
    int code = end_of(pid);
    alarm(0);
    return code;
}

// ---- closed descriptors -------------------------------------------------------------------------

static void check_closed(unsigned closed)
{
    char name[3][32];
    int fds[3];
    struct stat given[3];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name[i], sizeof name[i], "closed-%u-%u", closed, i);
        fds[i] = open(test_path(name[i]), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        require(fds[i] >= 0 && fstat(fds[i], &given[i]) == 0, "no file");
        if ((closed >> i & 1) != 0) {
            close(fds[i]);
            fds[i] = -1;
        }
    }
    pid_t pid = start(fds, WORDS("--loglevel", "debug", "--threads", "2"));
    int client[4];
    bool alive = true;
    for (unsigned i = 0; i < 4; i++) {
        client[i] = connect_when_ready();
        alive = alive && is_alive(client[i]);
    }
    ok(alive, "closed: %s%s%s: the server serves", (closed & 1) != 0 ? "0 " : "",
       (closed & 2) != 0 ? "1 " : "", (closed & 4) != 0 ? "2 " : "");
    for (int i = 0; i < 3; i++) {
        char link[64];
        char wanted[PATH_MAX] = "/dev/null";
        char leads_to[PATH_MAX] = "";
        snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)pid, i);
        ssize_t len = readlink(link, leads_to, sizeof leads_to - 1);
        if (fds[i] >= 0)
            snprintf(wanted, sizeof wanted, "%s", test_path(name[i]));
        ok(len > 0 && strcmp(leads_to, wanted) == 0, "descriptor %d leads to %s", i, leads_to);
    }
    for (unsigned i = 0; i < 4; i++)
        close(client[i]);
    is_number(stop(pid), 0, "the server ends well");
    for (unsigned i = 0; i < 3; i++) {
        struct buf content = file_content(test_path(name[i]));
        const char *wanted = i == 1 ? "ready " : " * stopped\n";
        ok(i == 0 || fds[i] < 0 ? content.len == 0 : occurrences(buf_span(&content), wanted) == 1,
           "descriptor %u has received what it should", i);
        buf_release(&content);
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

// ---- a log that is not read ---------------------------------------------------------------------

enum kind { PIPE, FIFO, SOCKET, TERMINAL, STOPPED, KINDS };
static const char *const kinds[] = {"a pipe", "a FIFO", "a socket", "a terminal",
                                    "a stopped terminal"};

// Opens both ends of a log. Reading never waits. The server opens a FIFO by its name, so `*writing`
// is -1 then.
static void open_log(enum kind kind, int *reading, int *writing)
{
    int pair[2];
    struct termios modes;
    *writing = -1;
    switch (kind) {
    case PIPE:
        require(pipe2(pair, O_CLOEXEC) == 0, "no pipe");
        *reading = pair[0], *writing = pair[1];
        break;
    case SOCKET:
        require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no sockets");
        *reading = pair[0], *writing = pair[1];
        break;
    case FIFO:
        require(mkfifo(test_path("fifo"), 0600) == 0, "no FIFO");
        *reading = open(test_path("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        break;
    default:
        *reading = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        require(*reading >= 0 && grantpt(*reading) == 0 && unlockpt(*reading) == 0, "no terminal");
        *writing = open(ptsname(*reading), O_RDWR | O_NOCTTY | O_CLOEXEC);
        require(*writing >= 0 && tcgetattr(*writing, &modes) == 0, "no terminal");
        modes.c_oflag &= ~(tcflag_t)OPOST;
        tcsetattr(*writing, TCSANOW, &modes);
        break;
    }
    require(*reading >= 0 && fcntl(*reading, F_SETFL, O_NONBLOCK) == 0, "no log");
}

static void read_all(int fd, struct buf *log)
{
    ssize_t got;
    while ((got = read(fd, buf_reserve(log, 65536), 65536)) > 0)
        log->len += (size_t)got;
}

// Reads until `log` contains `text`. Returns false if that takes too long.
static bool await_line(int fd, struct buf *log, const char *text)
{
    uint64_t until = clock_monotonic_ns() + 20 * CLOCK_SECOND;
    while (occurrences(buf_span(log), text) == 0) {
        read_all(fd, log);
        if (clock_monotonic_ns() > until)
            return false;
        usleep(1000);
    }
    return true;
}

static void check_unread(enum kind kind)
{
    enum {
        CLIENTS = 2500, // the log lines about them exceed every buffer
        WAIT_MS = 2,    // most milliseconds that another client may usually wait
    };
    int reading;
    int writing;
    struct buf log = {0};
    open_log(kind, &reading, &writing);
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int fds[3] = {nowhere, nowhere, kind == FIFO ? nowhere : writing};
    // Without "--index none", the server would write an index file, and log that at any time.
    pid_t pid =
        start(fds, kind == FIFO ? WORDS("--loglevel", "debug", "--logfile", test_path("fifo"),
                                        "--threads", "2", "--index", "none", "--lock-index", "no")
                                : WORDS("--loglevel", "debug", "--threads", "2", "--index", "none",
                                        "--lock-index", "no"));
    // The line about this client is the last line that the server logs at its start. A line about
    // the lock of the index could come later.
    int before = connect_when_ready();
    ok(is_alive(before), "%s as a log: the server serves", kinds[kind]);
    ok(await_line(reading, &log, "accepted unix socket\n"), "it logs");
    log.len = 0;
    if (kind == STOPPED)
        require(tcflow(writing, TCOOFF) == 0, "the terminal does not stop");
    unsigned alive = 0;
    struct beside *beside = beside_start(before);
    for (unsigned i = 0; i < CLIENTS; i++) {
        int fd = try_to_connect();
        alive += fd >= 0 && is_alive(fd);
        if (fd >= 0)
            close(fd);
        if (alive <= i)
            break; // one failure is enough
    }
    is_number(alive, CLIENTS, "nobody reads the log: every client is served");
    struct waits waits = beside_stop(beside);
    ok(waits.answered && waits.usual_ms < WAIT_MS, "an earlier client does not wait long");

    if (kind == STOPPED)
        require(tcflow(writing, TCOON) == 0, "the terminal does not continue");
    read_all(reading, &log);
    int after = try_to_connect(); // the number of dropped lines precedes its line
    ok(after >= 0 && is_alive(after), "the log is read again: clients are served");
    unsigned long dropped = 0;
    if (await_line(reading, &log, "are missing here")) {
        // The log may report dropped lines more than once, as a terminal may take some in between.
        buf_append(&log, SPAN("\0"));
        for (const char *line = log.ptr; (line = strstr(line, " # ")) != NULL; line++)
            dropped += strtoul(line + 3, NULL, 10);
        log.len--;
    }
    close(after);
    close(before);
    is_number(stop(pid), 0, "the server ends well");
    read_all(reading, &log);
    unsigned seen = occurrences(buf_span(&log), "accepted unix socket\n");
    diag("%u lines seen, %lu dropped", seen, dropped);
    ok(dropped > 0 && seen > 0, "the log says how many lines are missing");
    is_number((int64_t)(seen + dropped), CLIENTS + 1, "no other line is missing");
    buf_release(&log);
    close(reading);
    if (writing >= 0)
        close(writing);
    close(nowhere);
}

// Nobody reads the ready line from standard output. Clients are still served, and the server
// ends well.
static void check_ready_line(void)
{
    int pair[2];
    char fill[4096] = {0};
    require(pipe2(pair, O_CLOEXEC) == 0 && fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0, "no pipe");
    while (write(pair[1], fill, sizeof fill) > 0)
        ;
    require(fcntl(pair[1], F_SETFL, 0) == 0, "no pipe");
    const char *log = test_path("full-log");
    int fds[3] = {open("/dev/null", O_RDWR | O_CLOEXEC), pair[1],
                  open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
    pid_t pid = start(fds, WORDS("--threads", "2"));
    int fd = connect_when_ready();
    ok(is_alive(fd), "standard output is a full pipe: the server serves");
    ok(log_has(log, "cannot write to standard output"), "it logs that it could not write");
    close(fd);
    is_number(stop(pid), 0, "the server ends well");
    for (unsigned i = 0; i < 3; i++)
        close(fds[i]);
    close(pair[0]);
}

// The reader of the log closes it. This does not end the server.
static void check_gone(void)
{
    int reading;
    int writing;
    open_log(PIPE, &reading, &writing);
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    pid_t pid = start((const int[]){nowhere, nowhere, writing}, WORDS("--loglevel", "debug"));
    int fd = connect_when_ready();
    close(reading);
    ok(is_alive(fd), "a log whose reader is gone: the server serves");
    int second = connect_when_ready();
    ok(is_alive(second) && is_alive(fd), "new clients are served too");
    close(fd);
    close(second);
    is_number(stop(pid), 0, "the server ends well");
    close(writing);
    close(nowhere);

    const char *argv[] = {server_program(),    data, "--port", "0", "--logfile",
                          test_path("unread"), NULL};
    struct buf out = {0};
    struct buf err = {0};
    require(mkfifo(test_path("unread"), 0600) == 0, "no FIFO");
    is_number(run_program(argv, &out, &err), 1,
              "a FIFO that nobody reads is refused as a log file");
    ok(occurrences(buf_span(&err), "cannot open log file '") == 1, "an error says so at once");
    buf_release(&out);
    buf_release(&err);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    data = table_file(&table, "table.data");
    path = test_path("socket");
    for (unsigned closed = 0; closed < 8; closed++)
        check_closed(closed);
    for (enum kind kind = 0; kind < KINDS; kind++)
        check_unread(kind);
    check_ready_line();
    check_gone();
    return done_testing();
}
