// A server with several loops, each on its own thread. Connections are spread evenly, and all
// clients see one server: its ids, counters and limits. A connection's replies stay in order. The
// server ends well while clients are busy in all loops, on their way to a loop, or connect and
// disconnect. Under the thread sanitizer the test also shows that loops do not share data by
// mistake.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

#define KEY "0f8fad5b-d9cb-469f-a165-70867728950e"
#define LONG_KEY "abcdefab-cdef-abcd-efab-cdefabcdefab"
#define ABSENT_KEY "11111111-2222-3333-4444-555555555555"

enum {
    LOOPS_MAX = 8,
    CLIENTS_MAX = 100,
    PATIENCE_SECONDS = 240,
    LONG_VALUE = 50 * 1000, // long enough to be borrowed from the mapping
};

static const char *data;
static const char *path; // of the unix socket, besides TCP

#define WORDS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, "--unixsocket", path, NULL                                                    \
    }

static void write_data(void)
{
    struct buf lines = {0};
    buf_append_text(&lines, KEY " value\n" LONG_KEY " ");
    append_bytes(&lines, 'v', LONG_VALUE);
    buf_append_text(&lines, "\n");
    data = test_file("data", buf_span(&lines));
    path = test_path("socket");
    buf_release(&lines);
}

// Checks that the exit code is 0; shows the server's log when it is not.
static void check_end(int code, const struct server_process *s, const char *name)
{
    if (is_number(code, 0, "%s: exit code", name))
        return;
    struct buf log = file_content(s->log_path);
    buf_append(&log, SPAN("\0"));
    diag("%s", log.ptr);
    buf_release(&log);
}

static int end_of(struct server_process *s)
{
    int status = 0;
    require(waitpid(s->pid, &status, 0) == s->pid, "the server is not ours");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

// Stops the server with SIGSTOP. It then finds all that the test does until SIGCONT at once.
static void hold(const struct server_process *s)
{
    int status;
    kill(s->pid, SIGSTOP);
    require(waitpid(s->pid, &status, WUNTRACED) == s->pid && WIFSTOPPED(status), "not stopped");
}

static int connect_by(const struct server_process *s, bool local)
{
    return local ? connect_unix(path) : connect_tcp(s->port);
}

// ---- what the server reports --------------------------------------------------------------------

// Returns the bulk string that answers a command, with a NUL at its end.
static struct buf ask(int fd, const char *command)
{
    struct buf header = {0};
    struct buf got = {0};
    require(send_all(fd, span_text(command)) && send_all(fd, SPAN("\r\n")), "cannot send");
    do
        require(receive(fd, &header, 1), "no reply to %s", command);
    while (header.ptr[header.len - 1] != '\n');
    require(header.ptr[0] == '$', "no bulk string answers %s", command);
    require(receive(fd, &got, (size_t)atoi(header.ptr + 1) + 2), "half a reply to %s", command);
    got.ptr[got.len - 2] = '\0';
    buf_release(&header);
    return got;
}

// Returns the number that follows `name` in INFO; -1 when INFO lacks `name`.
static long long info(int fd, const char *name)
{
    struct buf text = ask(fd, "INFO all");
    const char *at = strstr(text.ptr, name);
    long long number = at != NULL ? atoll(at + strlen(name)) : -1;
    buf_release(&text);
    return number;
}

// Sets the number of clients of each loop and returns the number of loops.
static unsigned clients_of_loops(int fd, unsigned clients[LOOPS_MAX])
{
    struct buf text = ask(fd, "INFO threads");
    unsigned count = 0;
    unsigned number;
    for (char *line = strstr(text.ptr, "io_thread_");
         line != NULL && count < LOOPS_MAX &&
         sscanf(line, "io_thread_%u:clients=%u,", &number, &clients[count]) == 2 && number == count;
         line = strstr(line + 1, "io_thread_"))
        count++;
    buf_release(&text);
    return count;
}

// Checks that the loops have `total` clients together, and that their numbers differ by at most
// one.
static void is_even(int fd, unsigned loops, unsigned total, const char *name)
{
    unsigned clients[LOOPS_MAX];
    unsigned least = UINT32_MAX;
    unsigned most = 0;
    unsigned sum = 0;
    is_number(clients_of_loops(fd, clients), loops, "%s: a line for each of %u loops", name, loops);
    for (unsigned i = 0; i < loops; i++) {
        least = clients[i] < least ? clients[i] : least;
        most = clients[i] > most ? clients[i] : most;
        sum += clients[i];
    }
    is_number(sum, total, "%s: %u clients in all", name, total);
    ok(most - least <= 1, "%s: evenly spread: %u to %u per loop", name, least, most);
}

// ---- spreading ----------------------------------------------------------------------------------

static void close_all(int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}

// Connects `count` clients that the server finds all at once.
static void burst(const struct server_process *s, bool local, int *fds, unsigned count)
{
    hold(s);
    for (unsigned i = 0; i < count; i++)
        fds[i] = connect_by(s, local);
    kill(s->pid, SIGCONT);
    server_await_idle(s);
}

static void check_spread(unsigned loops)
{
    const unsigned counts[] = {1, loops, 10 * loops + 3};
    char number[8];
    char name[64];
    int fds[CLIENTS_MAX];
    snprintf(number, sizeof number, "%u", loops);
    struct server_process s = server_start(data, WORDS("--threads", number));
    int observer = connect_tcp(s.port);
    is_number(info(observer, "io_threads_active:"), loops > 1, "%u loops: io_threads_active",
              loops);
    struct buf wanted = {0};
    buf_printf(&wanted, "*2\r\n$10\r\nio-threads\r\n$%zu\r\n%s\r\n", strlen(number), number);
    answers(observer, SPAN("CONFIG GET io-threads\r\n"), buf_span(&wanted),
            "CONFIG GET io-threads");
    buf_release(&wanted);
    for (unsigned i = 0; i < 6; i++) {
        unsigned count = counts[i / 2];
        bool local = i % 2 == 1;
        snprintf(name, sizeof name, "%u loops, %u clients over %s", loops, count,
                 local ? "a unix socket" : "TCP");
        burst(&s, local, fds, count);
        is_even(observer, loops, 1 + count, name);
        close_all(fds, count);
        server_await_idle(&s);
        is_number(info(observer, "connected_clients:"), 1, "%s: all disconnect", name);
    }
    close(observer);
    check_end(server_stop(&s), &s, name);
}

// New clients go first to loops whose clients have disconnected.
static void check_spread_again(void)
{
    enum { LOOPS = 4, CLIENTS = 43, LEAVING = 11 };
    int fds[CLIENTS];
    int more[LEAVING];
    struct server_process s = server_start(data, WORDS("--threads", "4"));
    int observer = connect_tcp(s.port);
    burst(&s, false, fds, CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i += LOOPS) // every fourth client: all are on the same loop
        close(fds[i]);
    server_await_idle(&s);
    unsigned clients[LOOPS_MAX];
    clients_of_loops(observer, clients);
    unsigned least = UINT32_MAX;
    for (unsigned i = 0; i < LOOPS; i++)
        least = clients[i] < least ? clients[i] : least;
    ok(least <= 1, "one loop has lost its clients");
    burst(&s, true, more, LEAVING);
    is_even(observer, LOOPS, 1 + CLIENTS, "new clients take their places");
    for (unsigned i = 0; i < CLIENTS; i++)
        if (i % LOOPS != 0)
            close(fds[i]);
    close_all(more, LEAVING);
    close(observer);
    check_end(server_stop(&s), &s, "clients that come and go");
}

// ---- one server ---------------------------------------------------------------------------------

static void check_counters(void)
{
    enum { CLIENTS = 20, ROUNDS = 50 };
    int fds[CLIENTS];
    struct buf request = {0};
    struct buf wanted = {0};
    struct server_process s = server_start(data, WORDS("--threads", "8"));
    int observer = connect_unix(path);
    for (unsigned i = 0; i < ROUNDS; i++) {
        buf_append_text(&request, "GET " KEY "\r\nMGET " KEY " " ABSENT_KEY "\r\nGET " ABSENT_KEY
                                  "\r\nGET\r\nnone\r\n");
        buf_append_text(&wanted, "$5\r\nvalue\r\n*2\r\n$5\r\nvalue\r\n$-1\r\n$-1\r\n"
                                 "-ERR wrong number of arguments for 'get' command\r\n"
                                 "-ERR unknown command 'none', with args beginning with: \r\n");
    }
    burst(&s, false, fds, CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++)
        answers(fds[i], buf_span(&request), buf_span(&wanted), "client %u is answered", i);
    enum { EACH = CLIENTS * ROUNDS };
    is_number(info(observer, "keyspace_hits:"), 2 * EACH,
              "keyspace_hits sums the hits of all loops");
    is_number(info(observer, "keyspace_misses:"), 2 * EACH, "keyspace_misses sums the misses");
    is_number(info(observer, "cmdstat_get:calls="), 2 * EACH, "the calls of GET are summed");
    is_number(info(observer, "cmdstat_mget:calls="), EACH, "the calls of MGET are summed");
    is_number(info(observer, "total_error_replies:"), 2 * EACH, "the errors are summed");
    is_number(info(observer, "total_commands_processed:"), 3 * EACH + 5, "the commands are summed");
    is_number(info(observer, "total_connections_received:"), CLIENTS + 1,
              "the connections are summed");
    is_number(info(observer, "connected_clients:"), CLIENTS + 1, "the clients are summed");
    for (unsigned i = 0; i < 8; i++) {
        char name[64];
        unsigned clients;
        long long reads;
        long long writes;
        struct buf text = ask(observer, "INFO threads");
        snprintf(name, sizeof name, "io_thread_%u:", i);
        const char *line = strstr(text.ptr, name);
        ok(line != NULL &&
               sscanf(line + strlen(name), "clients=%u,reads=%lld,writes=%lld", &clients, &reads,
                      &writes) == 3 &&
               clients > 0 && reads > 0 && writes > 0,
           "loop %u has clients, reads and writes", i);
        buf_release(&text);
    }
    // The sums are the same for a client of any loop.
    for (unsigned i = 0; i < CLIENTS; i++)
        if (info(fds[i], "keyspace_hits:") != 2 * EACH)
            ok(false, "client %u sees another number of hits", i);
    close_all(fds, CLIENTS);
    close(observer);
    check_end(server_stop(&s), &s, "counters");
    buf_release(&request);
    buf_release(&wanted);
}

// While all loops serve clients, one client reads the statistics that all loops write, and changes
// settings that all loops read.
static void check_observation(void)
{
    enum { CLIENTS = 8, ROUNDS = 20, GETS = 300 };
    static const char admin[] =
        "CONFIG SET slowlog-log-slower-than 0 latency-monitor-threshold 1\r\nINFO everything\r\n"
        "LATENCY HISTOGRAM\r\nSLOWLOG GET 200\r\nLATENCY LATEST\r\nSLOWLOG RESET\r\n"
        "CONFIG RESETSTAT\r\nCONFIG SET slowlog-log-slower-than 10000 timeout 1000\r\n"
        "LATENCY RESET\r\n";
    struct server_process s = server_start(data, WORDS("--threads", "4"));
    struct buf request = {0}, wanted = {0};
    int fds[CLIENTS];
    unsigned wrong = 0, errors = 0;
    for (unsigned i = 0; i < GETS; i++) {
        buf_append_text(&request, "GET " KEY "\r\nGET " ABSENT_KEY "\r\n");
        buf_append_text(&wanted, "$5\r\nvalue\r\n$-1\r\n");
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        fds[i] = connect_tcp(s.port);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct buf statistics = {0};
        for (unsigned i = 0; i < CLIENTS; i++)
            wrong += !send_all(fds[i], buf_span(&request));
        int asking = connect_tcp(s.port);
        send_all(asking, span_text(admin));
        shutdown(asking, SHUT_WR);
        wrong += !receive_to_end(asking, &statistics);
        errors += occurrences(buf_span(&statistics), "\r\n-ERR");
        wrong += occurrences(buf_span(&statistics), "# Operations") != 1;
        close(asking);
        for (unsigned i = 0; i < CLIENTS; i++) {
            struct buf got = {0};
            wrong += !receive(fds[i], &got, wanted.len) ||
                     !span_equal(buf_span(&got), buf_span(&wanted));
            buf_release(&got);
        }
        buf_release(&statistics);
    }
    is_number(wrong, 0, "all replies are right while statistics are read and settings changed");
    is_number(errors, 0, "no command fails");
    for (unsigned i = 0; i < CLIENTS; i++)
        close(fds[i]);
    buf_release(&request);
    buf_release(&wanted);
    check_end(server_stop(&s), &s, "statistics and settings");
}

static void check_ids(void)
{
    enum { CLIENTS = 40 };
    int fds[CLIENTS];
    unsigned wrong = 0;
    long long last[2] = {0, 0};
    struct server_process s = server_start(data, WORDS("--threads", "8"));
    for (unsigned i = 0; i < CLIENTS; i++)
        fds[i] = connect_by(&s, i % 3 == 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct buf got = {0};
        // Ids follow the order in which a listener has accepted clients. The order between the two
        // listeners is open.
        send_all(fds[i], SPAN("CLIENT ID\r\n"));
        while (got.len == 0 || got.ptr[got.len - 1] != '\n')
            require(receive(fds[i], &got, 1), "no id");
        long long id = atoll(got.ptr + 1);
        wrong += id <= last[i % 3 == 0] || id > CLIENTS;
        last[i % 3 == 0] = id;
        buf_release(&got);
    }
    is_number(wrong, 0, "client ids grow in the order of accepting, over all loops");
    close_all(fds, CLIENTS);
    check_end(server_stop(&s), &s, "ids");
}

static void check_maxclients(void)
{
    enum { CLIENTS = 10 };
    int fds[CLIENTS];
    struct buf got = {0};
    struct server_process s = server_start(data, WORDS("--threads", "4", "--maxclients", "10"));
    burst(&s, false, fds, CLIENTS);
    int fd = connect_unix(path);
    ok(receive_to_end(fd, &got), "--maxclients counts the clients of all loops");
    is_bytes(buf_span(&got), SPAN("-ERR max number of clients reached\r\n"),
             "the rejected client gets an error");
    close(fd);
    close(fds[7]);
    server_await_idle(&s);
    fds[7] = connect_tcp(s.port);
    for (unsigned i = 0; i < CLIENTS; i++)
        answers(fds[i], SPAN("PING\r\n"), SPAN("+PONG\r\n"), "client %u is admitted", i);
    is_number(info(fds[5], "rejected_connections:"), 1, "one client was rejected");
    close_all(fds, CLIENTS);
    check_end(server_stop(&s), &s, "maxclients");
    buf_release(&got);
}

// ---- order of replies, and stopping -------------------------------------------------------------

// Makes a pipeline whose replies contain the client's number and their place in the pipeline.
static void numbered_pipeline(unsigned client, unsigned count, struct buf *request,
                              struct buf *wanted)
{
    request->len = 0;
    wanted->len = 0;
    for (unsigned i = 0; i < count; i++) {
        char number[32];
        snprintf(number, sizeof number, "%u:%u", client, i);
        buf_printf(request, "ECHO %s\r\nGET " KEY "\r\n", number);
        append_bulk(wanted, span_text(number));
        buf_append_text(wanted, "$5\r\nvalue\r\n");
        if (i % 50 == 0) {
            buf_append_text(request, "GET " LONG_KEY "\r\n");
            buf_printf(wanted, "$%d\r\n", LONG_VALUE);
            append_bytes(wanted, 'v', LONG_VALUE);
            buf_append_text(wanted, "\r\n");
        }
    }
}

// How the conversations end: the clients half-close their connections, or the server is stopped.
enum ending { BY_CLIENTS, BY_SIGTERM, BY_SHUTDOWN };

static void check_pipelines(enum ending ending, const char *name)
{
    enum { CLIENTS = 19, COUNT = 500 };
    int fds[CLIENTS];
    struct buf request = {0};
    struct buf wanted = {0};
    unsigned wrong = 0;
    struct server_process s =
        server_start(data, WORDS("--threads", "8", "--enable-shutdown-command", "yes"));
    // The replies do not fit into the buffer of a unix socket, so a loop must wait for its clients.
    burst(&s, ending != BY_CLIENTS, fds, CLIENTS);
    int stopper = connect_unix(path);
    answers(stopper, SPAN("PING\r\n"), SPAN("+PONG\r\n"), "%s: a client of loop 3", name);
    if (ending != BY_CLIENTS)
        hold(&s); // so that no request is answered before the server must stop
    for (unsigned i = 0; i < CLIENTS; i++) {
        numbered_pipeline(i, COUNT, &request, &wanted);
        send_all(fds[i], buf_span(&request));
        if (ending == BY_CLIENTS)
            shutdown(fds[i], SHUT_WR);
    }
    if (ending == BY_SHUTDOWN)
        send_all(stopper, SPAN("SHUTDOWN\r\n"));
    else if (ending == BY_SIGTERM)
        kill(s.pid, SIGTERM);
    if (ending != BY_CLIENTS)
        kill(s.pid, SIGCONT);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct buf got = {0};
        numbered_pipeline(i, COUNT, &request, &wanted);
        bool closed = receive_to_end(fds[i], &got);
        if ((!closed || !span_equal(buf_span(&got), buf_span(&wanted))) && wrong++ == 0)
            is_bytes(buf_span(&got), buf_span(&wanted), "%s: the replies of client %u", name, i);
        buf_release(&got);
    }
    is_number(wrong, 0, "%s: every client gets all its replies in order", name);
    if (ending != BY_CLIENTS)
        ok(is_closed(stopper), "%s: an idle client is closed", name);
    check_end(ending == BY_CLIENTS ? server_stop(&s) : end_of(&s), &s, name);
    close_all(fds, CLIENTS);
    close(stopper);
    buf_release(&request);
    buf_release(&wanted);
}

// Clients that connect while the server gets SIGTERM are either served or closed.
static void check_stop_while_connecting(void)
{
    enum { CLIENTS = 90, ROUNDS = 5 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        int fds[CLIENTS];
        unsigned served = 0;
        unsigned refused = 0;
        struct server_process s = server_start(data, WORDS("--threads", "8"));
        hold(&s);
        for (unsigned i = 0; i < CLIENTS; i++) {
            fds[i] = connect_by(&s, i % 2 == 0);
            send_all(fds[i], SPAN("PING\r\n"));
            if (round > 0 && i == CLIENTS - round) // some clients connect after the signal was sent
                kill(s.pid, SIGTERM);
        }
        kill(s.pid, SIGTERM);
        kill(s.pid, SIGCONT);
        for (unsigned i = 0; i < CLIENTS; i++) {
            struct buf got = {0};
            bool closed = receive_to_end(fds[i], &got);
            served += closed && span_equal(buf_span(&got), SPAN("+PONG\r\n"));
            refused += closed && got.len == 0;
            buf_release(&got);
        }
        is_number(served + refused, CLIENTS, "SIGTERM while clients connect: %u served, %u closed",
                  served, refused);
        check_end(end_of(&s), &s, "SIGTERM while clients connect");
        close_all(fds, CLIENTS);
    }
}

// Clients that are accepted, but wait in the mailbox of a blocked loop when the server gets
// SIGTERM, are served.
static void check_stop_in_mailbox(void)
{
    enum { CLIENTS = 12 };
    int fds[CLIENTS];
    unsigned served = 0;
    struct server_process s =
        server_start(data, WORDS("--threads", "2", "--enable-debug-command", "yes"));
    int first = connect_tcp(s.port);
    int second = connect_tcp(s.port);
    server_await_idle(&s);
    send_all(second, SPAN("DEBUG SLEEP 0.5\r\n"));
    server_await_idle(&s);
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = connect_tcp(s.port);
        send_all(fds[i], SPAN("PING\r\n"));
    }
    server_await_idle(&s);
    kill(s.pid, SIGTERM);
    answers(second, SPAN(""), SPAN("+OK\r\n"), "the blocked loop goes on");
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct buf got = {0};
        served += receive_to_end(fds[i], &got) && span_equal(buf_span(&got), SPAN("+PONG\r\n"));
        buf_release(&got);
    }
    is_number(served, CLIENTS, "it serves the waiting clients before it stops");
    check_end(end_of(&s), &s, "SIGTERM while clients wait in a mailbox");
    close_all(fds, CLIENTS);
    close(first);
    close(second);
}

// A blocked loop delays its own clients, but not the other loops, and not the end of the server.
static void check_blocked_loop(void)
{
    struct server_process s =
        server_start(data, WORDS("--threads", "4", "--enable-debug-command", "yes"));
    int first = connect_tcp(s.port);
    int second = connect_tcp(s.port);
    int third = connect_tcp(s.port);
    server_await_idle(&s);
    send_all(second, SPAN("DEBUG SLEEP 3600\r\n"));
    server_await_idle(&s);
    for (unsigned i = 0; i < 9;
         i++) { // more clients than loops, so some are given to the blocked loop
        int fd = connect_tcp(s.port);
        send_all(fd, SPAN("GET " KEY "\r\n"));
        close(fd);
    }
    answers(first, SPAN("GET " KEY "\r\n"), SPAN("$5\r\nvalue\r\n"),
            "a client of the first loop is served");
    answers(third, SPAN("GET " KEY "\r\n"), SPAN("$5\r\nvalue\r\n"),
            "a client of the third loop is served");
    kill(s.pid, SIGTERM);
    ok(is_closed(first) && is_closed(third), "SIGTERM closes their clients");
    kill(s.pid, SIGINT);
    check_end(end_of(&s), &s, "a SIGINT after SIGTERM ends the server in spite of DEBUG SLEEP");
    close(first);
    close(second);
    close(third);
}

// The system refuses to start a thread: `kind` is "thread" for that of a loop, or "reader thread".
// There are 4 loops, and `readers` reader threads, which are started first.
static void check_no_thread(const char *kind, const char *readers, const char *reason)
{
    struct buf out = {0};
    struct buf err = {0};
    char begin[64];
    snprintf(begin, sizeof begin, "stele-server: cannot start %s ", kind);
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); // leaks cannot be detected under strace
    const char *const argv[] = {"strace",
                                "-f",
                                "-o",
                                "/dev/null",
                                "-e",
                                "trace=clone,clone3",
                                "-e",
                                "inject=clone,clone3:error=EAGAIN:when=2+",
                                server_program(),
                                data,
                                "--port",
                                "0",
                                "--threads",
                                "4",
                                "--read-threads",
                                readers,
                                "--loglevel",
                                "warning",
                                "--index",
                                "none",
                                NULL};
    is_number(run_program(argv, &out, &err), 1, "no %s can be started: exit code", kind);
    unsetenv("ASAN_OPTIONS");
    is_bytes(buf_span(&out), SPAN(""), "no ready line");
    buf_append(&err, SPAN("\0"));
    // Building the index and the thread sanitizer start threads too, so the number is not known.
    const char *rest = strstr(err.ptr, " of ");
    ok(strncmp(err.ptr, begin, strlen(begin)) == 0 && rest != NULL,
       "the message has the number of the thread");
    is_text(rest != NULL ? rest : "", reason, "the message has the reason");
    buf_release(&out);
    buf_release(&err);
}

// ---- clients that connect and disconnect --------------------------------------------------------

enum { VISITORS = 4, VISITS = 150 };

struct visitor {
    const struct server_process *server;
    pthread_t thread;
    unsigned number;
    unsigned completed; // visits with all replies right
    unsigned wrong;
};

static const char visit_request[] =
    "GET " KEY "\r\nMGET " KEY " " ABSENT_KEY " " LONG_KEY "\r\nGET " ABSENT_KEY
    "\r\nDBSIZE\r\nEXISTS " KEY " " KEY "\r\nINFO all\r\nnone\r\nQUIT\r\n";

// One connection. In some rounds it closes before reading; in the others it compares the replies.
static void visit(struct visitor *c, unsigned round)
{
    struct buf got = {0};
    int fd = connect_by(c->server, (round + c->number) % 2 == 0);
    bool sent = send_all(fd, span_text(visit_request));
    if (round % 5 == 0) {
        close(fd);
        return;
    }
    if (sent && receive_to_end(fd, &got)) {
        static const char head[] = "$5\r\nvalue\r\n*3\r\n$5\r\nvalue\r\n$-1\r\n$50000\r\nvvvv";
        static const char tail[] =
            "-ERR unknown command 'none', with args beginning with: \r\n+OK\r\n";
        bool right = got.len > LONG_VALUE && memcmp(got.ptr, head, sizeof head - 1) == 0 &&
                     memcmp(got.ptr + got.len - (sizeof tail - 1), tail, sizeof tail - 1) == 0;
        c->completed += right;
        c->wrong += !right && got.len > 0;
    }
    close(fd);
    buf_release(&got);
}

static void *visit_often(void *argument)
{
    struct visitor *c = argument;
    for (unsigned round = 0; round < VISITS; round++)
        visit(c, round);
    return NULL;
}

static void check_reconnects(void)
{
    struct visitor visitors[VISITORS];
    struct server_process s = server_start(data, WORDS("--threads", "4"));
    int lasting[8];
    unsigned completed = 0;
    unsigned wrong = 0;
    struct buf request = {0};
    struct buf wanted = {0};
    for (unsigned i = 0; i < 8; i++)
        lasting[i] = connect_tcp(s.port);
    for (unsigned i = 0; i < VISITORS; i++) {
        visitors[i] = (struct visitor){.server = &s, .number = i};
        require(pthread_create(&visitors[i].thread, NULL, visit_often, &visitors[i]) == 0,
                "no thread");
    }
    for (unsigned round = 0; round < 40; round++) {
        numbered_pipeline(round, 150, &request, &wanted);
        for (unsigned i = 0; i < 8; i++)
            send_all(lasting[i], buf_span(&request));
        for (unsigned i = 0; i < 8; i++) {
            struct buf got = {0};
            receive(lasting[i], &got, wanted.len);
            wrong += !span_equal(buf_span(&got), buf_span(&wanted));
            buf_release(&got);
        }
    }
    for (unsigned i = 0; i < VISITORS; i++) {
        pthread_join(visitors[i].thread, NULL);
        completed += visitors[i].completed;
        wrong += visitors[i].wrong;
    }
    is_number(wrong, 0, "clients that connect and disconnect: no reply is wrong");
    is_number(completed, VISITORS * VISITS * 4 / 5,
              "clients that connect and disconnect: no reply is missing");
    is_number(info(lasting[0], "total_connections_received:"), 8 + VISITORS * VISITS,
              "every connection is counted");
    server_await_idle(&s);
    is_number(info(lasting[0], "connected_clients:"), 8, "all of them have disconnected");
    for (unsigned i = 0; i < 8; i++)
        send_all(lasting[i], buf_span(&request));
    check_end(server_stop(&s), &s, "clients that connect and disconnect");
    close_all(lasting, 8);
    buf_release(&request);
    buf_release(&wanted);
}

int main(void)
{
    write_data();
    signal(SIGPIPE, SIG_IGN);
    alarm(PATIENCE_SECONDS); // a server that does not end then fails the test
    check_spread(1);
    check_spread(2);
    check_spread(8);
    check_spread_again();
    check_counters();
    check_ids();
    check_maxclients();
    check_observation();
    check_pipelines(BY_CLIENTS, "half-closed");
    check_pipelines(BY_SIGTERM, "SIGTERM");
    check_pipelines(BY_SHUTDOWN, "SHUTDOWN");
    check_stop_while_connecting();
    check_stop_in_mailbox();
    check_blocked_loop();
    check_no_thread("thread", "0", " of 4: Resource temporarily unavailable\n");
    check_no_thread("reader thread", "7", " of 7: Resource temporarily unavailable\n");
    check_reconnects();
    return done_testing();
}
