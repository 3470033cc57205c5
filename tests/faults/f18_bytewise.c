// Fault F18 (docs/faults.md): 10,000 clients send a command byte by byte. They are closed when the
// request timeout expires, not before. Until then they take little memory, and another client does
// not wait long. The same holds for clients that announce a long request and send little of it, and
// for clients that begin with AUTH.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/beside.h"
#include "support/crowd.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

#define KEY "0f8fad5b-d9cb-469f-a165-70867728950e"

enum {
    KiB = 1024,
    CLIENTS = 10000,
    CLIENTS_CHECKED = 1000, // clients of a server with a password or a sanitizer
    SPARE = 200,            // descriptors for other purposes
    WARM_UP = 64,
    CLIENT_MEMORY = 1280, // bytes of a client: its connection and the beginning of its request
    SLACK = 512 * KiB,
    TIMEOUT = 3, // seconds
    PATIENCE = 20,
    // Most milliseconds that another client may wait. Sending a round of bytes takes some of this
    // time.
    WAIT_MS = 60,
};

static const struct span kinds[] = {
    SPAN("*2\r\n$3\r\nGET\r\n$36\r\n" KEY "\r\n"),
    SPAN("GET " KEY " and so on without an end"),
    SPAN("*1048576\r\n$4\r\nMGET\r\n$36\r\n" KEY "\r\n"),
    SPAN("*2\r\n$4\r\nECHO\r\n$1048576\r\nx and so on"),
};
static const struct span unauthenticated_kinds[] = {
    SPAN("*2\r\n$4\r\nAUTH\r\n$15\r\nnot the password"),
    SPAN("AUTH default not the password"),
    SPAN("*3\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH"),
    SPAN("PING this is what an unauthenticated client sends"),
};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct slow {
    int fd; // -1: closed by the server
    uint64_t begun_ns;
};

// Sends the next byte of the request, but never the last one. Returns false if the server has
// closed the connection.
static bool send_byte(const struct slow *s, const struct span *request, unsigned round)
{
    char byte;
    if (round + 1 < request->len &&
        send(s->fd, request->ptr + round, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
        return false;
    return recv(s->fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void test_bytewise(bool measured, unsigned clients, const char *password)
{
    static struct slow slow[CLIENTS];
    const struct span *requests = password != NULL ? unauthenticated_kinds : kinds;
    char most[16], timeout[16], what[64], hello[64];
    snprintf(most, sizeof most, "%u", clients + WARM_UP);
    snprintf(timeout, sizeof timeout, "%d", TIMEOUT);
    snprintf(hello, sizeof hello, password != NULL ? "AUTH %s\r\n" : "PING\r\n", password);
    struct span welcome = password != NULL ? span_text("+OK\r\n") : span_text("+PONG\r\n");
    snprintf(what, sizeof what, "%u %s", clients,
             password != NULL ? "unauthenticated clients" : "clients");
    const char *options[] = {"--maxclients",
                             most,
                             "--request-timeout",
                             timeout,
                             password != NULL ? "--requirepass" : NULL,
                             password,
                             NULL};
    const char *data_file = test_file("data", span_text(KEY " value\n"));
    struct server_process server = server_start_measured(data_file, options, measured);
    int other = crowd_connect(0, server.port);
    int asker = crowd_connect(0, server.port);
    answers(other, span_text(hello), welcome, "%s: another client is answered first", what);
    for (unsigned i = 0; i < WARM_UP; i++) {
        int fd = crowd_connect(i, server.port);
        require(crowd_converses(fd, span_text(hello), welcome), "no answer");
        close(fd);
    }
    require(crowd_converses(asker, span_text(hello), welcome), "no answer");
    server_await_idle(&server);

    struct memory memory = memory_before(server.pid, measured);
    for (unsigned i = 0; i < clients; i++)
        slow[i].fd = crowd_connect(i, server.port);
    unsigned left = clients, early = 0;
    uint64_t end = 0;
    struct beside *beside = beside_start(asker);
    for (unsigned round = 0; left > 0 && (end == 0 || clock_monotonic_ns() < end); round++) {
        for (unsigned i = 0; i < clients; i++) {
            if (slow[i].fd < 0)
                continue;
            if (round == 0)
                slow[i].begun_ns = clock_monotonic_ns();
            if (send_byte(&slow[i], &requests[i % KINDS], round))
                continue;
            early += clock_monotonic_ns() - slow[i].begun_ns < TIMEOUT * CLOCK_SECOND;
            close(slow[i].fd);
            slow[i].fd = -1;
            left--;
        }
        if (round == 0)
            end = clock_monotonic_ns() + PATIENCE * CLOCK_SECOND;
        errno = 0;
        require(crowd_converses(other, SPAN("GET " KEY "\r\n"), SPAN("$5\r\nvalue\r\n")),
                "another client is not answered in round %u: %s", round, strerror(errno));
        memory_grown(&memory);
    }
    is_number(left, 0, "%s that send byte by byte: all are closed", what);
    is_number(early, 0, "%s: none is closed before the timeout", what);
    struct waits waits = beside_stop(beside);
    ok(waits.answered && (!measured || waits.longest_ms < WAIT_MS),
       "%s: another client does not wait long", what);
    memory_is_within(&memory, (long long)clients * CLIENT_MEMORY + SLACK, what);
    is_number(crowd_info(other, "request_timeout_disconnections"), clients,
              "%s: all timeouts are counted", what);
    is_number(crowd_info(other, "connected_clients"), 2, "%s: only two other clients are left",
              what);
    // A client without an incomplete request is not closed.
    ok(crowd_converses(other, SPAN("PING\r\n"), SPAN("+PONG\r\n")),
       "%s: another client is still answered", what);
    for (unsigned i = 0; i < clients; i++)
        if (slow[i].fd >= 0)
            close(slow[i].fd);
    close(other);
    close(asker);
    is_number(server_stop(&server), 0, "the server's exit code");
}

int main(void)
{
    unsigned clients = crowd_allowed(CLIENTS, SPARE);
    test_bytewise(true, clients, NULL);
    test_bytewise(true, clients < CLIENTS_CHECKED ? clients : CLIENTS_CHECKED, "password");
    if (CHECKED_BUILD)
        test_bytewise(false, clients < CLIENTS_CHECKED ? clients : CLIENTS_CHECKED, NULL);
    return done_testing();
}
