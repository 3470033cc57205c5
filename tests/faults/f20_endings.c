// Fault F20 (docs/faults.md): connections that end badly: a reset in the middle of a reply or of a
// request, a close in the middle of a request, a half close. Complete requests are answered,
// SIGPIPE does not end the server, and it keeps nothing of these clients.
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/crowd.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

#define KEY "0f8fad5b-d9cb-469f-a165-70867728950e"
#define LARGE_KEY "7c9e6679-7425-40de-944b-e07fc1f90ae7"

enum { LARGE = 8 * 1024 * 1024, TIMES = 50, PIPELINE = 300, GETS = 20 };

static struct buf large_reply;

// Closes the connection with RST instead of FIN.
static void reset(int fd)
{
    struct linger none = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
}

static const char *data_file(void)
{
    struct buf data = {0}, value = {0};
    append_bytes(&value, 'v', LARGE);
    append_bulk(&large_reply, buf_span(&value));
    buf_append_text(&data, KEY " value\n" LARGE_KEY " ");
    buf_append(&data, buf_span(&value));
    buf_append_text(&data, "\n");
    const char *path = test_file("data", buf_span(&data));
    buf_release(&data);
    buf_release(&value);
    return path;
}

static void test_resets(const struct server_process *server, int other)
{
    long long alone = crowd_info(other, "mem_clients_normal");
    char some[1000];
    for (unsigned i = 0; i < TIMES; i++) {
        int fd = i % 2 == 0 ? connect_tcp(server->port) : connect_narrow(server->port);
        for (unsigned j = 0; j < GETS; j++)
            send_all(fd, SPAN("GET " LARGE_KEY "\r\n"));
        require(recv(fd, some, sizeof some, 0) > 0, "no reply");
        reset(fd);
    }
    crowd_await_info(other, "connected_clients", 1, "resets in the middle of a reply");
    for (unsigned i = 0; i < TIMES; i++) {
        int fd = connect_tcp(server->port);
        send_all(fd, SPAN("PING\r\n*2\r\n$3\r\nGET\r\n$36\r\n0f8fad5b"));
        require(recv(fd, some, sizeof some, 0) == 7, "no PONG");
        reset(fd);
    }
    crowd_await_info(other, "connected_clients", 1, "resets in the middle of a request");
    for (unsigned i = 0; i < TIMES; i++) {
        int fd = connect_tcp(server->port);
        send_all(fd, SPAN("GET " LARGE_KEY "\r\nSUBSCRIBE a\r\n"));
        reset(fd); // perhaps before the server has accepted it
    }
    crowd_await_info(other, "connected_clients", 1, "resets just after the connection");
    is_number(crowd_info(other, "pubsub_clients"), 0, "no subscription is left");
    crowd_await_info(other, "mem_clients_normal", alone, "no memory of these clients is counted");
}

static void test_half_close(int fd, const char *what)
{
    struct buf sent = {0}, wanted = {0}, received = {0};
    for (unsigned i = 0; i < PIPELINE; i++) {
        buf_append_text(&sent, "GET " KEY "\r\nECHO hello\r\n");
        buf_append_text(&wanted, "$5\r\nvalue\r\n$5\r\nhello\r\n");
    }
    buf_append_text(&sent, "GET " LARGE_KEY "\r\nMGET " KEY " " LARGE_KEY "\r\n*2\r\n$3\r\nGE");
    buf_append(&wanted, buf_span(&large_reply));
    buf_append_text(&wanted, "*2\r\n$5\r\nvalue\r\n");
    buf_append(&wanted, buf_span(&large_reply));
    require(send_all(fd, buf_span(&sent)) && shutdown(fd, SHUT_WR) == 0, "cannot send");
    ok(receive_to_end(fd, &received), "%s: the server closes the connection too", what);
    ok(span_equal(buf_span(&received), buf_span(&wanted)),
       "%s: before that it answers all complete requests", what);
    close(fd);
    buf_release(&sent);
    buf_release(&wanted);
    buf_release(&received);
}

// A client that waits for the end of a pause, or for other loops, receives its replies before the
// server closes the connection.
static void test_waiting(const struct server_process *server, int other)
{
    struct buf received = {0};
    int fd = connect_tcp(server->port);
    answers(other, SPAN("CLIENT PAUSE 300 ALL\r\n"), SPAN("+OK\r\n"), "a pause");
    send_all(fd, SPAN("PING\r\nPING\r\nPI"));
    shutdown(fd, SHUT_WR);
    ok(receive_to_end(fd, &received), "after the pause the server closes the connection");
    is_bytes(buf_span(&received), SPAN("+PONG\r\n+PONG\r\n"), "before that it has answered");
    close(fd);
    received.len = 0;
    fd = connect_tcp(server->port);
    send_all(fd, SPAN("CLIENT LIST\r\nPUBLISH a b\r\n"));
    shutdown(fd, SHUT_WR);
    ok(receive_to_end(fd, &received) && received.len > 100 &&
           memcmp(received.ptr + received.len - 4, ":0\r\n", 4) == 0,
       "a client that waits for other loops is answered too");
    close(fd);
    buf_release(&received);
}

static void test_endings(const char *threads)
{
    const char *path = test_path(threads);
    const char *options[] = {"--threads", threads, "--unixsocket", path, NULL};
    struct server_process server = server_start(data_file(), options);
    int other = connect_tcp(server.port);
    answers(other, SPAN("PING\r\n"), SPAN("+PONG\r\n"), "%s loops", threads);
    test_resets(&server, other);
    test_half_close(connect_tcp(server.port), "half close over TCP");
    test_half_close(connect_narrow(server.port), "half close with small socket buffers");
    test_half_close(connect_unix(path), "half close of a unix socket");
    test_waiting(&server, other);
    // The server writes to closed sockets. By default, SIGPIPE would end it.
    for (unsigned i = 0; i < TIMES; i++) {
        int fd = connect_unix(path);
        send_all(fd, SPAN("GET " LARGE_KEY "\r\nGET " LARGE_KEY "\r\n"));
        close(fd);
    }
    crowd_await_info(other, "connected_clients", 1, "writes to closed connections");
    is_number(kill(server.pid, SIGPIPE), 0, "a SIGPIPE is sent");
    answers(other, SPAN("PING\r\n"), SPAN("+PONG\r\n"), "the server has survived it");
    close(other);
    is_number(server_stop(&server), 0, "the server's exit code");
    buf_release(&large_reply);
}

int main(void)
{
    test_endings("1");
    test_endings("3");
    return done_testing();
}
