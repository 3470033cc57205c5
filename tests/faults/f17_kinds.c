// Fault F17 (docs/faults.md): thousands of clients make the server hold every kind of memory:
// unfinished requests (before AUTH and after it), transactions, subscriptions, names, many kinds of
// replies, and messages. All of it counts for maxmemory-clients. So the process takes at most that
// limit and what docs/limits.md adds to it.
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/crowd.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

enum {
    KiB = 1024,
    MiB = 1024 * 1024,
    CLIENTS = 2000,
    SPARE = 100,      // descriptors for other purposes
    LIMIT = 32 * MiB, // --maxmemory-clients
    // A quarter more for memory that the allocator keeps, and 4 MiB for each of two loops.
    ALLOWED = LIMIT + LIMIT / 4 + 2 * 4 * MiB,
    ROUNDS = 12,
    SENT_AT_ONCE = 200 * 1000, // bytes
    MESSAGE = 200 * 1000,      // bytes
    MESSAGES = 3,              // published in each round
};

#define PASSWORD "secret"

static const char *data_file;

struct kind {
    const char *name;
    struct buf request;
    bool unauthenticated; // the server has a password, and the clients do not give it
    bool messages;        // messages are published to all clients
    bool reads;           // the clients read their replies
};

// Appends `count` different words of `len` bytes.
static void append_words(struct buf *to, unsigned count, size_t len)
{
    char word[KiB];
    for (unsigned i = 0; i < count; i++) {
        memset(word, 'w', len);
        int digits = snprintf(word, sizeof word, "%u", i);
        word[digits] = '-';
        append_bulk(to, span_of(word, len));
    }
}

static void append_times(struct buf *to, unsigned times, struct span what)
{
    for (unsigned i = 0; i < times; i++)
        buf_append(to, what);
}

static long long peak(const struct server_process *server)
{
    return process_field(server->pid, "status", "VmHWM");
}

// Sends the next bytes of the request, from `*at` on. Returns false if the connection was closed.
static bool push(int fd, const struct kind *kind, size_t *at)
{
    size_t left = kind->request.len - *at;
    ssize_t count = send(fd, kind->request.ptr + *at, left < SENT_AT_ONCE ? left : SENT_AT_ONCE,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
    *at += count > 0 ? (size_t)count : 0;
    return count >= 0 || errno == EAGAIN;
}

// Reads all that has been received. Returns false if the connection was closed.
static bool read_all(int fd)
{
    static char bytes[MiB];
    ssize_t count;
    while ((count = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        ;
    return count < 0 && errno == EAGAIN;
}

static void publish(int fd)
{
    struct buf message = {0};
    buf_append_text(&message, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n");
    buf_printf(&message, "$%d\r\n", MESSAGE);
    append_bytes(&message, 'm', MESSAGE);
    buf_append_text(&message, "\r\n");
    for (unsigned i = 0; i < MESSAGES; i++) {
        char reply[32];
        require(send_all(fd, buf_span(&message)) && recv(fd, reply, sizeof reply, 0) > 0,
                "no answer");
    }
    buf_release(&message);
}

static void test_kind(struct kind *kind, unsigned clients)
{
    static int fds[CLIENTS];
    static size_t at[CLIENTS];
    static unsigned sockets;
    char file[16], limit[16];
    snprintf(file, sizeof file, "socket%u", sockets++);
    snprintf(limit, sizeof limit, "%d", LIMIT);
    const char *path = test_path(file);
    const char *options[] = {"--unixsocket",
                             path,
                             "--maxmemory-clients",
                             limit,
                             "--threads",
                             "2",
                             kind->unauthenticated ? "--requirepass" : NULL,
                             PASSWORD,
                             NULL};
    struct server_process server = server_start_measured(data_file, options, true);
    int other = connect_tcp(server.port);
    if (kind->unauthenticated)
        require(crowd_converses(other, SPAN("AUTH " PASSWORD "\r\n"), SPAN("+OK\r\n")), "no AUTH");
    // The client that publishes and reads INFO must not be closed.
    require(crowd_converses(other, SPAN("CLIENT NO-EVICT ON\r\n"), SPAN("+OK\r\n")), "no answer");
    require(!kind->request.oom, "no memory");
    server_await_idle(&server);
    long long before = peak(&server);
    for (unsigned i = 0; i < clients; i++) {
        fds[i] = connect_unix(path);
        at[i] = 0;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < clients; i++) {
            if (fds[i] < 0)
                continue;
            bool alive = at[i] == kind->request.len || push(fds[i], kind, &at[i]);
            if (alive && kind->reads)
                alive = read_all(fds[i]);
            if (alive)
                continue;
            close(fds[i]);
            fds[i] = -1;
        }
        if (kind->messages)
            publish(other);
    }
    server_await_idle(&server);
    long long grown = peak(&server) - before;
    ok(grown <= ALLOWED, "%s: the memory stays within the bound", kind->name);
    diag("grew by %lld KiB of %d allowed; %lld counted; %lld of %u closed", grown / KiB,
         ALLOWED / KiB, crowd_info(other, "mem_clients_normal") / KiB,
         crowd_info(other, "evicted_clients"), clients);
    ok(crowd_info(other, "mem_clients_normal") <= LIMIT + 256 * KiB,
       "%s: the counted memory stays within the limit", kind->name);
    ok(crowd_info(other, "evicted_clients") > 0, "%s: clients beyond the limit were closed",
       kind->name);
    for (unsigned i = 0; i < clients; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    close(other);
    is_number(server_stop(&server), 0, "the server's exit code");
    buf_release(&kind->request);
}

int main(void)
{
    struct buf data = {0};
    for (unsigned i = 0; i < 2000; i++)
        buf_printf(&data, "0f8fad5b-d9cb-469f-a165-%012x %u\n", i, i);
    data_file = test_file("data", buf_span(&data));
    buf_release(&data);
    unsigned clients = crowd_allowed(CLIENTS, SPARE);

    struct kind unauthenticated = {.name = "requests before AUTH", .unauthenticated = true};
    buf_append_text(&unauthenticated.request, "*10\r\n");
    for (unsigned i = 0; i < 10; i++) {
        buf_append_text(&unauthenticated.request, "$16384\r\n");
        append_bytes(&unauthenticated.request, 'x', i < 9 ? 16386 : 16000);
    }
    test_kind(&unauthenticated, clients);

    struct kind refused = {.name = "errors before AUTH", .unauthenticated = true};
    append_times(&refused.request, 50000, SPAN("PING\r\n"));
    test_kind(&refused, clients);

    struct kind subscribers = {.name = "subscriptions"};
    buf_append_text(&subscribers.request, "*1001\r\n$9\r\nSUBSCRIBE\r\n");
    append_words(&subscribers.request, 1000, 200);
    test_kind(&subscribers, clients);

    struct kind named = {.name = "names"};
    for (unsigned i = 0; i < 3; i++) {
        static const char *const fields[] = {
            "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n",
            "*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$8\r\nLIB-NAME\r\n",
            "*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$7\r\nLIB-VER\r\n"};
        buf_append_text(&named.request, fields[i]);
        append_words(&named.request, 1, 1000);
    }
    append_times(&named.request, 1, SPAN("MULTI\r\n"));
    append_times(&named.request, 500, SPAN("*2\r\n$3\r\nGET\r\n$20\r\n12345678901234567890\r\n"));
    test_kind(&named, clients);

    struct kind words = {.name = "words of a request"};
    buf_append_text(&words.request, "*1000000\r\n");
    append_times(&words.request, 20000, SPAN("$0\r\n\r\n"));
    test_kind(&words, clients);

    struct kind scans = {.name = "SCANs"};
    append_times(&scans.request, 30, SPAN("SCAN 0 COUNT 1000\r\n"));
    test_kind(&scans, clients);

    struct kind lists = {.name = "CLIENT LISTs"};
    append_times(&lists.request, 5, SPAN("CLIENT LIST\r\n"));
    test_kind(&lists, clients);

    struct kind read_lists = {.name = "CLIENT LISTs that are read", .reads = true};
    append_times(&read_lists.request, 2, SPAN("CLIENT LIST\r\n"));
    test_kind(&read_lists, clients);

    struct kind publishers = {.name = "published messages"};
    buf_append_text(&publishers.request, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$100000\r\n");
    append_bytes(&publishers.request, 'm', 90000);
    test_kind(&publishers, clients);

    struct kind listeners = {.name = "received messages", .messages = true};
    buf_append_text(&listeners.request, "SUBSCRIBE c\r\n");
    test_kind(&listeners, clients);
    return done_testing();
}
