// Commands that concern other clients, on a real server with three loops: CLIENT LIST, KILL and
// PAUSE, and messages. Clients disconnect before the reply, and the server stops while such
// commands run.
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

#define KEY "0f8fad5b-d9cb-469f-a165-70867728950e"

enum { LOOPS = 3, MANY = 2000, HOUR = 3600 * 1000 };

static const char *data;
static const char *path;

#define WORDS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        "--threads", "3", "--unixsocket", path, __VA_ARGS__, NULL                                  \
    }

static void ended_well(struct server_process *s, const char *name)
{
    if (is_number(server_stop(s), 0, "%s: exit code", name))
        return;
    struct buf log = file_content(s->log_path);
    buf_append(&log, SPAN("\0"));
    diag("%s", log.ptr);
    buf_release(&log);
}

static void send_text(int fd, const char *text)
{
    require(send_all(fd, span_text(text)), "cannot send");
}

// Receives a line, without its end; empty when the connection is closed.
static void receive_line(int fd, struct buf *line)
{
    line->len = 0;
    do {
        if (!receive(fd, line, 1)) {
            line->len = 0;
            buf_append(line, SPAN("\0"));
            return;
        }
    } while (line->ptr[line->len - 1] != '\n');
    line->ptr[line->len - 2] = '\0';
}

static long long ask_number(int fd, const char *request)
{
    struct buf line = {0};
    send_text(fd, request);
    receive_line(fd, &line);
    require(line.ptr[0] == ':', "no number answers %s: %s", request, line.ptr);
    long long number = atoll(line.ptr + 1);
    buf_release(&line);
    return number;
}

// Returns a reply that is a bulk string, with a NUL at its end.
static struct buf ask_text(int fd, const char *request)
{
    struct buf line = {0};
    struct buf text = {0};
    send_text(fd, request);
    errno = 0;
    receive_line(fd, &line);
    require(line.ptr[0] == '$', "'%s' is no bulk string, of %.*s: %s", line.ptr,
            (int)strcspn(request, "\r"), request,
            line.len > 0 ? "wrong"
            : errno == 0 ? "closed"
                         : strerror(errno));
    require(receive(fd, &text, (size_t)atoi(line.ptr + 1) + 2), "half a reply to %s", request);
    text.ptr[text.len - 2] = '\0';
    buf_release(&line);
    return text;
}

// Returns the number of clients that a CLIENT LIST shows.
static unsigned listed(int fd, const char *request)
{
    struct buf text = ask_text(fd, request);
    unsigned count = occurrences(span_text(text.ptr), " lib-ver=");
    buf_release(&text);
    return count;
}

// ---- listing and killing ------------------------------------------------------------------------

static void check_list_and_kill(void)
{
    enum { CLIENTS = 12 };
    int fds[CLIENTS];
    char request[256];
    long long ids[CLIENTS];
    struct server_process s = server_start(data, WORDS("--timeout", "0"));
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = i % 4 == 3 ? connect_unix(path) : connect_tcp(s.port);
        ids[i] = ask_number(fds[i], "CLIENT ID\r\n");
    }
    for (unsigned i = 0; i < LOOPS; i++)
        is_number(listed(fds[i], "CLIENT LIST\r\n"), CLIENTS, "client %u is shown all clients", i);
    struct buf text = ask_text(fds[0], "CLIENT LIST\r\n");
    for (unsigned i = 0; i < LOOPS; i++) {
        snprintf(request, sizeof request, " io-thread=%u\n", i);
        is_number(occurrences(span_text(text.ptr), request), CLIENTS / LOOPS,
                  "number of clients of loop %u", i);
    }
    snprintf(request, sizeof request, "addr=%s:0 laddr=%s:0 fd=", path, path);
    is_number(occurrences(span_text(text.ptr), request), CLIENTS / 4,
              "number of clients of the unix socket");
    buf_release(&text);
    for (unsigned i = 1; i <= LOOPS; i++) {
        snprintf(request, sizeof request, "CLIENT KILL ID %lld\r\n", ids[i]);
        is_number(ask_number(fds[0], request), 1, "CLIENT KILL ID kills one");
        ok(is_closed(fds[i]), "the killed connection is closed");
    }
    text = ask_text(fds[4], "CLIENT INFO\r\n");
    char address[128] = "";
    sscanf(text.ptr, "id=%*d addr=%127s", address);
    snprintf(request, sizeof request, "CLIENT KILL ADDR %s\r\n", address);
    is_number(ask_number(fds[0], request), 1, "CLIENT KILL ADDR kills one");
    ok(is_closed(fds[4]), "the killed connection is closed");
    buf_release(&text);
    answers(fds[5], SPAN("SUBSCRIBE a\r\n"), SPAN("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"),
            "client 5 subscribes");
    answers(fds[6], SPAN("SUBSCRIBE a\r\n"), SPAN("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"),
            "client 6 subscribes");
    is_number(ask_number(fds[0], "CLIENT KILL TYPE pubsub\r\n"), 2,
              "CLIENT KILL TYPE pubsub kills the two subscribers");
    ok(is_closed(fds[5]) && is_closed(fds[6]), "both connections are closed");
    is_number(listed(fds[0], "CLIENT LIST\r\n"), CLIENTS - 6, "the other clients are left");
    is_number(ask_number(fds[0], "CLIENT KILL TYPE normal\r\n"), CLIENTS - 7,
              "CLIENT KILL TYPE normal kills all others");
    is_number(listed(fds[0], "CLIENT LIST\r\n"), 1, "only the killing client is left");
    for (unsigned i = 0; i < CLIENTS; i++)
        close(fds[i]);
    ended_well(&s, "listing and killing");
}

// A client that has quit, but has not closed its side of the connection yet, does not count as a
// client.
static void check_lingering(void)
{
    struct server_process s = server_start(data, WORDS("--timeout", "0"));
    int fd = connect_tcp(s.port);
    int observer = connect_tcp(s.port);
    struct buf got = {0};
    send_text(fd, "SUBSCRIBE c\r\nQUIT\r\n");
    ok(receive_to_end(fd, &got), "a subscriber quits");
    is_number(ask_number(observer, "PUBLISH c m\r\n"), 0,
              "a client that has quit gets no messages");
    is_number(listed(observer, "CLIENT LIST\r\n"), 1, "CLIENT LIST does not show it");
    struct buf info = ask_text(observer, "INFO clients\r\n");
    ok(strstr(info.ptr, "pubsub_clients:0\r") != NULL, "INFO does not count it");
    buf_release(&info);
    buf_release(&got);
    close(fd);
    close(observer);
    ended_well(&s, "lingering");
}

// ---- pausing ------------------------------------------------------------------------------------

static bool is_silent(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 0;
}

static void check_pause(void)
{
    int fds[2 * LOOPS];
    struct server_process s = server_start(data, WORDS("--timeout", "0"));
    for (unsigned i = 0; i < 2 * LOOPS; i++) {
        fds[i] = connect_tcp(s.port);
        answers(fds[i], SPAN("PING\r\n"), SPAN("+PONG\r\n"), "client %u is connected", i);
    }
    // The pause is longer than this test can take.
    char request[64];
    snprintf(request, sizeof request, "CLIENT PAUSE %d\r\n", HOUR);
    answers(fds[0], span_text(request), SPAN("+OK\r\n"), "CLIENT PAUSE for an hour");
    for (unsigned i = 1; i < 2 * LOOPS; i++)
        send_text(fds[i], "GET " KEY "\r\n");
    server_await_idle(&s);
    bool silent = true;
    for (unsigned i = 1; i < 2 * LOOPS; i++)
        silent &= is_silent(fds[i]);
    ok(silent, "all loops are paused");
    answers(fds[0], SPAN("CLIENT UNPAUSE\r\n"), SPAN("+OK\r\n"), "CLIENT UNPAUSE");
    for (unsigned i = 1; i < 2 * LOOPS; i++)
        answers(fds[i], SPAN(""), SPAN("$5\r\nvalue\r\n"),
                "client %u is answered after CLIENT UNPAUSE", i);

    answers(fds[0], SPAN("CLIENT PAUSE 100\r\n"), SPAN("+OK\r\n"), "CLIENT PAUSE");
    for (unsigned i = 0; i < 2 * LOOPS; i++)
        answers(fds[i], SPAN("GET " KEY "\r\n"), SPAN("$5\r\nvalue\r\n"),
                "client %u is answered when the pause ends", i);

    // A server that stops does not wait for the end of a pause, nor of a pause that begins while it
    // stops.
    snprintf(request, sizeof request, "CLIENT PAUSE %d\r\n", HOUR);
    answers(fds[0], span_text(request), SPAN("+OK\r\n"), "CLIENT PAUSE before SIGTERM");
    for (unsigned i = 0; i < 2 * LOOPS; i++)
        send_text(fds[i], "PING\r\n");
    snprintf(request, sizeof request, "CLIENT PAUSE %d\r\nPING\r\n", HOUR);
    send_text(fds[0], request);
    server_await_idle(&s);
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    ended_well(&s, "SIGTERM in a pause");
    clock_gettime(CLOCK_MONOTONIC, &after);
    ok(after.tv_sec - before.tv_sec < 4, "the server does not wait for the pause");
    for (unsigned i = 0; i < 2 * LOOPS; i++) {
        struct buf got = {0};
        receive_to_end(fds[i], &got);
        is_bytes(buf_span(&got), i == 0 ? SPAN("+PONG\r\n+OK\r\n+PONG\r\n") : SPAN("+PONG\r\n"),
                 "client %u was answered before the server stopped", i);
        buf_release(&got);
        close(fds[i]);
    }
}

// A subscriber is not idle, although it sends nothing. Another client that sends nothing is.
static void check_timeout(void)
{
    struct server_process s = server_start(data, WORDS("--timeout", "1"));
    int listener = connect_tcp(s.port);
    int idle = connect_tcp(s.port);
    answers(listener, SPAN("SUBSCRIBE a\r\n"), SPAN("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"),
            "--timeout: a client subscribes");
    answers(idle, SPAN("PING\r\n"), SPAN("+PONG\r\n"), "--timeout: another client is answered");
    ok(is_closed(idle), "--timeout: the other client is closed when it is idle");
    int publisher = connect_tcp(s.port);
    is_number(ask_number(publisher, "PUBLISH a m\r\n"), 1,
              "--timeout: the subscriber is still there");
    answers(listener, SPAN(""), SPAN("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n"),
            "--timeout: the subscriber receives a message");
    close(listener);
    close(idle);
    close(publisher);
    ended_well(&s, "--timeout");
}

// ---- clients of other machines ------------------------------------------------------------------

// Finds an address of this machine that is not on the loopback interface. Returns false when it has
// none.
static bool find_address(struct sockaddr_in *address, char text[INET_ADDRSTRLEN])
{
    struct ifaddrs *all = NULL;
    bool found = false;
    require(getifaddrs(&all) == 0, "no addresses");
    for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
        found = i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET &&
                (i->ifa_flags & IFF_LOOPBACK) == 0 && (i->ifa_flags & IFF_UP) != 0;
        if (found)
            memcpy(address, i->ifa_addr, sizeof *address);
    }
    freeifaddrs(all);
    return found && inet_ntop(AF_INET, &address->sin_addr, text, INET_ADDRSTRLEN) != NULL;
}

// With the default --admin-commands, a client of another machine is refused commands that concern
// all clients, and the log says so. A client of this machine may use them, even while all are
// paused.
static void check_administrative(void)
{
    static const char refused[] =
        "-NOPERM User default has no permissions to run the 'config|set' command\r\n"
        "-NOPERM User default has no permissions to run the 'client|pause' command\r\n"
        "-NOPERM User default has no permissions to run the 'client|kill' command\r\n"
        "-NOPERM User default has no permissions to run the 'stele.reload' command\r\n"
        "+PONG\r\n";
    struct sockaddr_in address = {0};
    char text[INET_ADDRSTRLEN];
    if (!find_address(&address, text)) {
        diag("this machine has no address but its loopback: --admin-commands is not tested");
        return;
    }
    const char *const words[] = {"--bind", text, "--unixsocket", path, "--requirepass",
                                 "secret", NULL};
    struct server_process s = server_start(data, words);
    const char *colon = strrchr(s.ready, ':');
    require(colon != NULL || s.port != 0, "no port: %s", s.ready);
    address.sin_port = htons((uint16_t)(s.port != 0 ? s.port : atoi(colon + 1)));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    require(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "cannot connect");
    int local = connect_unix(path);
    answers(fd, SPAN("AUTH secret\r\n"), SPAN("+OK\r\n"),
            "(a client of another machine authenticates)");
    answers(local, SPAN("AUTH secret\r\n"), SPAN("+OK\r\n"),
            "(a client of this machine authenticates)");
    answers(fd,
            SPAN("CONFIG SET maxclients 1\r\nCLIENT PAUSE 9999999\r\nCLIENT KILL TYPE normal\r\n"
                 "STELE.RELOAD\r\nPING\r\n"),
            SPAN(refused), "a client of another machine is refused administrative commands");
    for (unsigned i = 0; i < 20; i++)
        answers(fd, SPAN("CONFIG SET maxclients 1\r\n"),
                span_of(refused, strcspn(refused, "\n") + 1), "it is refused again");
    struct buf lines = file_content(s.log_path);
    is_number(
        (int64_t)occurrences(buf_span(&lines),
                             "# refused the administrative command 'config|set' to client id="),
        1, "the log says so once a minute");
    is_number((int64_t)occurrences(buf_span(&lines), "secret"), 0,
              "the log shows none of the arguments");
    buf_release(&lines);
    answers(local, SPAN("CONFIG SET maxclients 999\r\nSTELE.RELOAD\r\nCLIENT PAUSE 9999999\r\n"),
            SPAN("+OK\r\n+OK unchanged\r\n+OK\r\n"),
            "a client of this machine may use administrative commands");
    send_text(fd, "GET " KEY "\r\n");
    server_await_idle(&s);
    ok(is_silent(fd), "all clients are paused");
    int fresh = connect_unix(path);
    answers(fresh, SPAN("AUTH secret\r\nCLIENT UNPAUSE\r\nPING\r\n"),
            SPAN("+OK\r\n+OK\r\n+PONG\r\n"), "a client that connects during a pause can end it");
    answers(fd, SPAN(""), SPAN("$5\r\nvalue\r\n"), "the paused client is answered");
    close(fd);
    close(local);
    close(fresh);
    ended_well(&s, "--admin-commands");
}

// Protected mode rejects clients of other machines, unless there is a password.
static void check_protected(void)
{
    struct sockaddr_in address = {0};
    char text[INET_ADDRSTRLEN];
    if (!find_address(&address, text)) {
        diag("this machine has no address but its loopback: protected mode is not tested");
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        const char *const words[] = {"--bind", text, i == 1 ? "--requirepass" : NULL, "secret",
                                     NULL};
        struct server_process s = server_start(data, words);
        const char *colon = strrchr(s.ready, ':');
        require(colon != NULL || s.port != 0, "no port: %s", s.ready);
        address.sin_port = htons((uint16_t)(s.port != 0 ? s.port : atoi(colon + 1)));
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        require(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "cannot connect");
        struct buf got = {0};
        if (i == 0) {
            receive_to_end(fd, &got);
            ok(got.len > 8 && memcmp(got.ptr, "-DENIED ", 8) == 0,
               "without a password, the client is denied");
        } else {
            answers(fd, SPAN("PING\r\nAUTH secret\r\nPING\r\n"),
                    SPAN("-NOAUTH Authentication required.\r\n+OK\r\n+PONG\r\n"),
                    "with a password, the client must authenticate");
        }
        close(fd);
        buf_release(&got);
        ended_well(&s, "protected mode");
    }
}

// ---- messages -----------------------------------------------------------------------------------

static void check_messages(void)
{
    enum { LISTENERS = 2 * LOOPS, MESSAGES = 2000, BIG = 1000 * 1000 };
    int fds[LISTENERS];
    struct buf publish = {0};
    struct buf wanted = {0};
    struct buf counts = {0};
    struct server_process s = server_start(data, WORDS("--timeout", "0"));
    int publisher = connect_tcp(s.port);
    for (unsigned i = 0; i < LISTENERS; i++) {
        fds[i] = connect_tcp(s.port);
        answers(fds[i], SPAN("SUBSCRIBE c\r\n"), SPAN("*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"),
                "subscriber %u subscribes", i);
    }
    for (unsigned i = 0; i < MESSAGES; i++) {
        buf_printf(&publish, "PUBLISH c %05u\r\n", i);
        buf_printf(&wanted, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\n%05u\r\n", i);
        buf_printf(&counts, ":%d\r\n", LISTENERS);
    }
    answers(publisher, buf_span(&publish), buf_span(&counts), "each message has all receivers");
    for (unsigned i = 0; i < LISTENERS; i++)
        answers(fds[i], SPAN(""), buf_span(&wanted), "subscriber %u receives the messages in order",
                i);

    // A subscriber that does not read is closed. The others receive all messages.
    int slow = connect_narrow(s.port);
    answers(slow, SPAN("SUBSCRIBE c\r\n"), SPAN("*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"),
            "a subscriber that does not read");
    struct buf big = {0};
    append_bytes(&big, 'm', BIG);
    publish.len = 0;
    wanted.len = 0;
    buf_printf(&publish, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$%d\r\n", BIG);
    buf_append(&publish, buf_span(&big));
    buf_append_text(&publish, "\r\n");
    buf_printf(&wanted, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n", BIG);
    buf_append(&wanted, buf_span(&big));
    buf_append_text(&wanted, "\r\n");
    unsigned sent = 0;
    bool right = true;
    struct buf line = {0};
    for (bool open = true; open && sent < 100; sent++) {
        require(send_all(publisher, buf_span(&publish)), "cannot publish");
        receive_line(publisher, &line);
        open = strcmp(line.ptr, ":7") == 0;
        for (unsigned i = 0; i < LISTENERS; i++) {
            struct buf got = {0};
            right &=
                receive(fds[i], &got, wanted.len) && span_equal(buf_span(&got), buf_span(&wanted));
            buf_release(&got);
        }
    }
    ok(sent > 8 && sent < 40, "the subscriber that does not read is closed after %u megabytes",
       sent);
    ok(right, "the other subscribers receive all messages");
    is_number(listed(publisher, "CLIENT LIST TYPE pubsub\r\n"), LISTENERS,
              "the other subscribers stay connected");
    close(slow);
    for (unsigned i = 0; i < LISTENERS; i++)
        close(fds[i]);
    close(publisher);
    buf_release(&line);
    buf_release(&big);
    buf_release(&publish);
    buf_release(&wanted);
    buf_release(&counts);
    ended_well(&s, "messages");
}

// A client that sends itself very many messages does not delay the others.
static void check_self(void)
{
    enum { MESSAGES = 100 * 1000 };
    struct server_process s = server_start(data, (const char *const[]){"--threads", "1", NULL});
    struct buf text = {0};
    struct buf line = {0};
    int fd = connect_tcp(s.port);
    int other = connect_tcp(s.port);
    buf_append_text(&text, "HELLO 3\r\nSUBSCRIBE c\r\nMULTI\r\n");
    for (unsigned i = 0; i < MESSAGES; i++)
        buf_append_text(&text, "PUBLISH c m\r\n");
    require(send_all(fd, buf_span(&text)), "cannot send");
    for (unsigned queued = 0; queued < MESSAGES;) {
        receive_line(fd, &line);
        require(line.len > 1, "no reply");
        queued += strcmp(line.ptr, "+QUEUED") == 0;
    }
    send_text(fd, "EXEC\r\n");
    receive_line(fd, &line); // it has begun
    answers(other, SPAN("PING\r\n"), SPAN("+PONG\r\n"), "another client is answered at once");
    struct buf info = ask_text(other, "INFO commandstats\r\n");
    const char *at = strstr(info.ptr, "cmdstat_publish:calls=");
    ok(at == NULL || atoi(at + strlen("cmdstat_publish:calls=")) < MESSAGES,
       "(the transaction with the messages is still running)");
    close(fd);
    close(other);
    buf_release(&info);
    buf_release(&line);
    buf_release(&text);
    ended_well(&s, "messages to oneself");
}

// ---- many clients -------------------------------------------------------------------------------

static struct {
    int port;
    atomic_bool stop;
    atomic_uint failed;
    atomic_uint left;
} load;

static void answers_quietly(int fd)
{
    struct buf got = {0};
    require(send_all(fd, SPAN("PING\r\n")) && receive(fd, &got, 7), "no PONG");
    buf_release(&got);
}

static void *get_values(void *unused)
{
    int fd = connect_tcp(load.port);
    struct buf got = {0};
    (void)unused;
    while (!atomic_load(&load.stop)) {
        got.len = 0;
        if (!send_all(fd, SPAN("GET " KEY "\r\nMULTI\r\nGET " KEY "\r\nEXEC\r\n")) ||
            !receive(fd, &got, 11 + 5 + 9 + 4 + 11))
            atomic_fetch_add(&load.failed, 1);
    }
    buf_release(&got);
    close(fd);
    return NULL;
}

// Sends requests that visit all loops, and disconnects without reading the reply.
static void *ask_and_leave(void *unused)
{
    static const char *const requests[] = {
        "CLIENT LIST\r\n",
        "PUBLISH c m\r\n",
        "PUBSUB CHANNELS\r\n",
        "CLIENT KILL ID 999999999\r\n",
        "SUBSCRIBE c\r\n",
        "MULTI\r\nCLIENT LIST\r\nPUBLISH c m\r\nEXEC\r\n",
        "HELLO 3\r\nSUBSCRIBE c\r\nPUBLISH c m\r\nCLIENT LIST\r\n"};
    int pace = connect_tcp(load.port);
    struct buf got = {0};
    (void)unused;
    for (unsigned i = 0; !atomic_load(&load.stop); i++) {
        int fd = connect_tcp(load.port);
        send_all(fd, span_text(requests[i % (sizeof requests / sizeof *requests)]));
        close(fd);
        if (!send_all(pace, SPAN("PING\r\n")) || !receive(pace, &got, 7))
            atomic_fetch_add(&load.failed, 1);
        atomic_fetch_add(&load.left, 1);
    }
    buf_release(&got);
    close(pace);
    return NULL;
}

static void check_many(unsigned many, void *(*others)(void *), const char *name)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    int *fds = calloc(many, sizeof *fds);
    struct server_process s = server_start(data, WORDS("--timeout", "0"));
    require(fds != NULL, "no memory");
    for (unsigned i = 0; i < many; i++)
        fds[i] = i % 2 == 0 ? connect_tcp(s.port) : connect_unix(path);
    // A client that is answered was accepted. One that is only connected may not be yet.
    struct buf pong = {0};
    for (unsigned i = 0; i < many; i++)
        require(send_all(fds[i], SPAN("PING\r\n")) && receive(fds[i], &pong, 7), "no PONG");
    buf_release(&pong);
    load.port = s.port;
    atomic_store(&load.stop, false);
    atomic_store(&load.left, 0);
    for (unsigned i = 0; i < THREADS; i++)
        require(pthread_create(&threads[i], NULL, i % 2 == 0 ? get_values : others, NULL) == 0,
                "no thread");
    unsigned least = UINT32_MAX;
    for (unsigned i = 0; i < 20; i++) {
        unsigned count = listed(fds[i % many], "CLIENT LIST\r\n");
        least = count < least ? count : least;
    }
    ok(least >= many, "%s: CLIENT LIST shows all of %u clients: %u", name, many, least);
    while (others == ask_and_leave && atomic_load(&load.left) < 200)
        answers_quietly(fds[0]);
    // The server stops while tasks are on their way between loops.
    for (unsigned i = 0; i < many; i++)
        send_all(fds[i], SPAN("CLIENT LIST ID 1\r\n"));
    is_number(atomic_load(&load.failed), 0, "every request was answered");
    atomic_store(&load.stop, true);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ended_well(&s, name);
    for (unsigned i = 0; i < many; i++)
        close(fds[i]);
    free(fds);
}

static unsigned may_open(void)
{
    struct rlimit limit;
    require(getrlimit(RLIMIT_NOFILE, &limit) == 0, "no limit");
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_max > MANY + 100 ? MANY : (unsigned)limit.rlim_max - 100;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    data = test_file("data", SPAN(KEY " value\n"));
    path = test_path("socket");
    check_list_and_kill();
    check_lingering();
    check_pause();
    check_timeout();
    check_administrative();
    check_protected();
    check_messages();
    check_self();
    check_many(may_open(), get_values, "many clients under load");
    check_many(50, ask_and_leave, "clients that leave before they are answered");
    return done_testing();
}
