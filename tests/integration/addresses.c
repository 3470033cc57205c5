// Several servers are started on one address at the same moment, or while the first one builds its
// index. One gets the address, the others fail at once with a message, and the first one keeps it.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

enum { LINES = 400000, PATIENCE = 60, AT_ONCE = 6, ROUNDS = 6 };

#define KEY "00000000-0000-4000-8000-000000000001"

static const char *large; // a data file that takes some time to index
static const char *small;

static void write_files(void)
{
    static char line[128];
    struct buf text = {0};
    for (unsigned i = 0; i < LINES; i++) {
        snprintf(line, sizeof line, "00000000-0000-4000-8000-%012u value\n", i * 7919u % LINES);
        buf_append_text(&text, line);
    }
    large = test_file("large.data", buf_span(&text));
    small = test_file("small.data", span_text(KEY " value\n"));
    buf_release(&text);
}

// Returns the TCP port that a process listens on; 0 while there is none.
static int listening_port(pid_t pid)
{
    char path[64];
    char line[512];
    int port = 0;
    snprintf(path, sizeof path, "/proc/%d/net/tcp", (int)pid);
    for (int fd = 3; fd < 32 && port == 0; fd++) {
        char link[64];
        char leads_to[64] = "";
        unsigned long long socket;
        snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)pid, fd);
        if (readlink(link, leads_to, sizeof leads_to - 1) < 0 ||
            sscanf(leads_to, "socket:[%llu]", &socket) != 1)
            continue;
        FILE *table = fopen(path, "r");
        require(table != NULL, "no %s", path);
        while (fgets(line, sizeof line, table) != NULL) {
            unsigned local;
            unsigned state;
            unsigned long long inode;
            if (sscanf(line, "%*d: %*8x:%x %*8x:%*x %x %*s %*s %*s %*d %*d %llu", &local, &state,
                       &inode) == 3 &&
                state == 0x0a && inode == socket)
                port = (int)local;
        }
        fclose(table);
    }
    return port;
}

static bool file_is_there(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

// Returns true when a process listens at the path.
static bool is_listened_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    bool is = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return is;
}

// Starts a server with the large data file, and stops it with SIGSTOP as soon as it has its
// address. Sets `*port` if `socket` is NULL.
static pid_t start_and_stop(const char *log, const char *socket, int *port)
{
    int status;
    pid_t pid = spawn(socket != NULL ? WORDS(server_program(), large, "--port", "none",
                                             "--unixsocket", socket, "--index", "none")
                                     : WORDS(server_program(), large, "--port", "0", "--bind",
                                             "127.0.0.1", "--index", "none"),
                      log);
    uint64_t end = clock_monotonic_ns() + PATIENCE * CLOCK_SECOND;
    while (socket != NULL ? !is_listened_at(socket) : (*port = listening_port(pid)) == 0) {
        require(clock_monotonic_ns() < end, "the server does not get its address");
        usleep(200);
    }
    kill(pid, SIGSTOP);
    require(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status), "not stopped");
    diag("stopped %s it was ready", log_lacks(log, "ready ") ? "before" : "after");
    return pid;
}

// Checks that a second server ends by itself with that message.
static void is_refused(const char *const *words, const char *message)
{
    struct buf out = {0};
    struct buf err = {0};
    is_number(run_program(words, &out, &err), 1, "a second server on the address fails");
    ok(occurrences(buf_span(&err), message) == 1 && out.len == 0, "its message says why: %.*s",
       (int)err.len, err.ptr);
    buf_release(&out);
    buf_release(&err);
}

static void is_served(int fd, const char *what)
{
    answers(fd, SPAN("GET " KEY "\r\n"), SPAN("$5\r\nvalue\r\n"), "%s", what);
}

static void held_unix(void)
{
    const char *path = test_path("held");
    const char *log = test_path("held.log");
    pid_t pid = start_and_stop(log, path, NULL);
    is_refused(WORDS(server_program(), large, "--port", "none", "--unixsocket", path, "--loglevel",
                     "warning"),
               "a server is listening there");
    int waiting = connect_unix(path);
    require(send_all(waiting, SPAN("PING\r\n")), "cannot send");
    kill(pid, SIGCONT);
    answers(waiting, SPAN("PING\r\n"), SPAN("+PONG\r\n+PONG\r\n"),
            "a client that connects before the server is ready is answered later");
    log_await(log, "ready ");
    int fd = connect_unix(path);
    is_served(fd, "the first server serves");
    close(fd);
    close(waiting);
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "it ends well");
    ok(!file_is_there(path), "a server that ends removes its socket");
}

static void held_tcp(void)
{
    const char *log = test_path("tcp.log");
    char port_text[16];
    int port = 0;
    pid_t pid = start_and_stop(log, NULL, &port);
    snprintf(port_text, sizeof port_text, "%d", port);
    is_refused(WORDS(server_program(), large, "--port", port_text, "--bind", "127.0.0.1",
                     "--loglevel", "warning"),
               "Address already in use");
    is_refused(
        WORDS(server_program(), large, "--port", port_text, "--bind", "*", "--loglevel", "warning"),
        "Address already in use");
    kill(pid, SIGCONT);
    log_await(log, "ready ");
    is_number(port_in(log), port, "the first server keeps its port");
    int fd = connect_tcp(port);
    is_served(fd, "the first server serves");
    close(fd);
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "it ends well");
}

// The socket file is removed or replaced while the index is built.
static void lost(bool replaced)
{
    const char *path = test_path(replaced ? "replaced" : "removed");
    const char *log = test_path(replaced ? "replaced.log" : "removed.log");
    struct server_process other = {0};
    pid_t pid = start_and_stop(log, path, NULL);
    require(unlink(path) == 0, "cannot remove");
    if (replaced)
        other =
            server_start(small, WORDS("--port", "none", "--unixsocket", path, "--index", "none"));
    kill(pid, SIGCONT);
    is_number(end_of(pid), 1, "%s: the server fails", replaced ? "replaced" : "removed");
    ok(log_has(log, "the socket's file was removed or replaced meanwhile") &&
           log_lacks(log, "ready "),
       "its log says what has happened, and it was never ready");
    if (replaced) {
        int fd = connect_unix(path);
        is_served(fd, "the socket of the other server stays");
        close(fd);
        is_number(server_stop(&other), 0, "the other server ends well");
    }
    ok(!file_is_there(path), "no socket file is left");
}

// Servers that start at the same moment on one unix socket: exactly one gets it. In odd rounds a
// killed server has left a stale socket there.
static void at_once(unsigned round)
{
    const char *path = test_path("once");
    const char *logs[AT_ONCE];
    pid_t pids[AT_ONCE];
    unsigned ready = 0;
    unsigned refused = 0;
    unsigned winner = 0;
    if (round % 2 == 1) {
        struct server_process killed =
            server_start(small, WORDS("--port", "none", "--unixsocket", path));
        kill(killed.pid, SIGKILL);
        end_of(killed.pid);
    }
    for (unsigned i = 0; i < AT_ONCE; i++) {
        char name[32];
        snprintf(name, sizeof name, "once-%u-%u.log", round, i);
        logs[i] = test_path(name);
        pids[i] = spawn(WORDS(server_program(), small, "--port", "none", "--unixsocket", path,
                              "--index", "none", "--threads", "1"),
                        logs[i]);
    }
    for (unsigned i = 0; i < AT_ONCE; i++) {
        uint64_t end = clock_monotonic_ns() + PATIENCE * CLOCK_SECOND;
        while (log_lacks(logs[i], "ready ") && log_lacks(logs[i], "a server is listening there")) {
            require(clock_monotonic_ns() < end, "neither ready nor refused");
            usleep(2000);
        }
        if (log_has(logs[i], "ready ")) {
            ready++;
            winner = i;
        } else {
            refused += end_of(pids[i]) == 1;
        }
    }
    ok(ready == 1 && refused == AT_ONCE - 1, "round %u: %u ready, %u refused", round, ready,
       refused);
    int fd = connect_unix(path);
    is_served(fd, "the ready server serves");
    close(fd);
    kill(pids[winner], SIGTERM);
    is_number(end_of(pids[winner]), 0, "the ready server ends well");
    ok(!file_is_there(path), "the ready server removes its socket");
}

// Connections in TIME_WAIT must not keep the next server from using the port.
static void soon_again(void)
{
    struct server_process s = server_start(small, WORDS("--bind", "127.0.0.1"));
    char port[16];
    snprintf(port, sizeof port, "%d", s.port);
    int fd = connect_tcp(s.port);
    is_served(fd, "a client is served");
    is_number(server_stop(&s), 0, "the server closes the connection first");
    close(fd);
    s = server_start(small, WORDS("--bind", "127.0.0.1", "--port", port));
    fd = connect_tcp(s.port);
    is_served(fd, "the next server gets the same port at once");
    close(fd);
    is_number(server_stop(&s), 0, "it ends well");
}

// All addresses, one of these addresses again, and a host name: each address is opened once, in any
// order of the options.
static void several(void)
{
    static const char *const orders[][4] = {
        {"*", "127.0.0.1", "-::1", "localhost"},  {"localhost", "127.0.0.1", "-::1", "*"},
        {"127.0.0.1", "-*", "-::1", "localhost"}, {"127.0.0.1", "0.0.0.0", "-::1", "-::"},
        {"127.0.0.1", "-0:0::0", "-::1", "0"},
    };
    for (unsigned i = 0; i < sizeof orders / sizeof *orders; i++) {
        const char *const *order = orders[i];
        struct server_process s =
            server_start(small, WORDS("--bind", order[0], "--bind", order[1], "--bind", order[2],
                                      "--bind", order[3], "--protected-mode", "no"));
        int fd = connect_tcp(s.port);
        is_served(fd, "all addresses, one of them and a name");
        close(fd);
        is_number(server_stop(&s), 0, "it ends well");
    }
}

int main(void)
{
    write_files();
    held_unix();
    held_tcp();
    lost(false);
    lost(true);
    for (unsigned round = 0; round < ROUNDS; round++)
        at_once(round);
    soon_again();
    several();
    return done_testing();
}
