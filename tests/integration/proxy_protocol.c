// A real server with --proxy-protocol. Clients at its addresses begin with a PROXY protocol header,
// as a proxy does; others do not. Checked are the client's address wherever the server shows or
// uses it, administrative commands, protected mode, headers that are malformed, late or missing,
// what the log says, and the unix socket.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

#define KEY "0f8fad5b-d9cb-469f-a165-70867728950e"
#define GET "GET " KEY "\r\n"
#define VALUE "$5\r\nvalue\r\n"
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2 SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x01\x0a\0\0\x01\x30\x39\x18\xeb"
#define V2_LOCAL SIGNATURE "\x20\0\0\0"
#define PROXY "127.0.0.2" // the address of the proxy

static const char *data;

// Connects to the server from an address of this machine.
static int connect_from(const char *source, int port)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    require(inet_pton(AF_INET, source, &from.sin_addr) == 1 &&
                bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
                connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0,
            "cannot connect from %s", source);
    return fd;
}

// Connects a client of the proxy whose header is version 1 and names the address.
static int client_at(const char *address, int port)
{
    char header[128];
    int fd = connect_from(PROXY, port);
    snprintf(header, sizeof header, "PROXY TCP%c %s %s 12345 6379\r\n",
             strchr(address, ':') != NULL ? '6' : '4', address,
             strchr(address, ':') != NULL ? "::1" : "127.0.0.1");
    require(send_all(fd, span_text(header)), "cannot send");
    return fd;
}

// Sends a request and returns all of a reply that is a bulk string, with a NUL at its end. It is
// valid until the next call.
static const char *ask(int fd, const char *request)
{
    static struct buf reply;
    struct buf line = {0};
    buf_release(&reply);
    require(send_all(fd, span_text(request)), "cannot send");
    do
        require(receive(fd, &line, 1), "no reply to %s", request);
    while (line.ptr[line.len - 1] != '\n');
    require(line.ptr[0] == '$', "no string answers %s", request);
    require(receive(fd, &reply, (size_t)atoi(line.ptr + 1) + 2), "half a reply");
    reply.ptr[reply.len - 2] = '\0';
    buf_release(&line);
    return reply.ptr;
}

static bool shows(int fd, const char *request, const char *text)
{
    return strstr(ask(fd, request), text) != NULL;
}

static void is_served(int fd, const char *name)
{
    answers(fd, SPAN(GET), SPAN(VALUE), "%s", name);
}

// The client's address in each version of the header.
static void check_addresses(void)
{
    struct server_process s =
        server_start(data, WORDS("--proxy-protocol", PROXY, "--proxy-protocol", "10.0.0.0/8",
                                 "--protected-mode", "no", "--loglevel", "debug"));
    int direct = connect_from("127.0.0.1", s.port);
    is_served(direct, "a client at another address needs no header");
    ok(shows(direct, "CLIENT INFO\r\n", " addr=127.0.0.1:"), "its address is its own");
    answers(direct, SPAN("CONFIG GET proxy-protocol\r\n"),
            SPAN("*2\r\n$14\r\nproxy-protocol\r\n$20\r\n" PROXY " 10.0.0.0/8\r\n"),
            "CONFIG GET shows the proxies");
    answers(direct, SPAN("CONFIG SET proxy-protocol 127.0.0.3\r\n"),
            SPAN("-ERR CONFIG SET failed (possibly related to argument 'proxy-protocol') - can't "
                 "set immutable config\r\n"),
            "CONFIG SET does not change them");
    int v1 = client_at("2001:db8::1", s.port);
    is_served(v1, "version 1");
    ok(shows(v1, "CLIENT INFO\r\n", " addr=[2001:db8::1]:12345 laddr=127.0.0.1:"),
       "version 1: the address is that of the header");
    int v2 = connect_from(PROXY, s.port);
    answers(v2, SPAN(V2 GET GET), SPAN(VALUE VALUE), "version 2, with requests after it");
    ok(shows(direct, "CLIENT LIST\r\n", " addr=192.0.2.1:12345 "),
       "CLIENT LIST shows the address to others");
    int check = connect_from(PROXY, s.port);
    answers(check, SPAN(V2_LOCAL GET), SPAN(VALUE), "a health check of the proxy");
    ok(shows(check, "CLIENT INFO\r\n", " addr=" PROXY ":"), "its address is that of the proxy");
    answers(v2, SPAN("CONFIG SET timeout 7\r\n"),
            SPAN("-NOPERM User default has no permissions to run the 'config|set' command\r\n"),
            "a client on another host may not administer");
    answers(check, SPAN("CONFIG SET slowlog-log-slower-than 0\r\n"), SPAN("+OK\r\n"),
            "the proxy on this machine may");
    int local = client_at("127.0.0.1", s.port);
    answers(local, SPAN("CONFIG SET slowlog-log-slower-than -1\r\n"), SPAN("+OK\r\n"),
            "so may a client on this machine, through the proxy on this machine");
    answers(direct, SPAN("CLIENT KILL ADDR 192.0.2.1:12345\r\n"), SPAN(":1\r\n"),
            "CLIENT KILL finds the address");
    ok(is_closed(v2), "the client is disconnected");
    ok(shows(direct, "INFO stats\r\n", "\r\nproxy_header_errors:0\r\n"), "no header was bad");
    ok(log_has(s.log_path, " is 192.0.2.1:12345\n"), "the log names the client");
    ok(log_has(s.log_path, "refused the administrative command 'config|set' to client id=3 "
                           "addr=192.0.2.1:12345"),
       "a warning does so, too");
    close(direct);
    close(v1);
    close(v2);
    close(check);
    close(local);
    is_number(server_stop(&s), 0, "exit code");
}

static void check_bad_headers(void)
{
    struct server_process s =
        server_start(data, WORDS("--proxy-protocol", PROXY, "--request-timeout", "1"));
    struct buf got = {0};
    int direct = connect_from("127.0.0.1", s.port);
    int late = connect_from(PROXY, s.port);
    int begun = connect_from(PROXY, s.port);
    require(send_all(begun, SPAN("PROXY TCP4 ")), "cannot send");
    for (unsigned i = 0; i < 3; i++) {
        int fd = connect_from(PROXY, s.port);
        require(send_all(fd, SPAN("*1\r\n$4\r\nPING\r\n")), "cannot send");
        ok(receive_to_end(fd, &got) && got.len == 0, "a client of the proxy without a header");
        close(fd);
    }
    ok(receive_to_end(late, &got) && got.len == 0, "a proxy that sends nothing is disconnected");
    ok(receive_to_end(begun, &got) && got.len == 0, "and one whose header is not complete in time");
    ok(shows(direct, "INFO stats\r\n", "\r\nproxy_header_errors:5\r\n"), "INFO counts all five");
    struct buf log = file_content(s.log_path);
    is_number(occurrences(buf_span(&log), "no PROXY protocol header from 127.0.0.2:"), 1,
              "the log names the proxy, once");
    is_number(occurrences(buf_span(&log),
                          ", although --proxy-protocol lists it: the first bytes are "
                          "no header (logged once a minute)\n"),
              1, "and the reason");
    buf_release(&log);
    // A header from an address that is not listed is a command, and a wrong one.
    require(send_all(direct, SPAN("PROXY TCP4 192.0.2.1 10.0.0.1 12345 6379\r\n")), "cannot send");
    ok(receive(direct, &got, 26) && memcmp(got.ptr, "-ERR unknown command 'PROXY", 26) == 0,
       "a header from another address has no effect");
    close(direct);
    close(late);
    close(begun);
    buf_release(&got);
    is_number(server_stop(&s), 0, "exit code");
}

static void check_unix(void)
{
    char shown[256];
    const char *path = test_path("socket");
    struct server_process s = server_start(
        data, WORDS("--protected-mode", "no", "--proxy-protocol", "unix", "--unixsocket", path));
    int direct = connect_tcp(s.port);
    is_served(direct, "a TCP client needs no header");
    int fd = connect_unix(path);
    answers(fd, SPAN(V2 GET), SPAN(VALUE), "a client of the proxy on the unix socket");
    ok(shows(fd, "CLIENT INFO\r\n", " addr=192.0.2.1:12345 "), "its address is that of the header");
    int check = connect_unix(path);
    answers(check, SPAN(V2_LOCAL GET), SPAN(VALUE), "a health check on the unix socket");
    snprintf(shown, sizeof shown, " addr=%s:0 ", path);
    ok(shows(check, "CLIENT INFO\r\n", shown), "its address is the path");
    close(fd);
    close(check);
    close(direct);
    is_number(server_stop(&s), 0, "exit code");
}

static void check_protected(void)
{
    struct server_process s = server_start(data, WORDS("--proxy-protocol", "127.0.0.0/8"));
    struct buf got = {0};
    int remote = client_at("192.0.2.1", s.port);
    ok(receive_to_end(remote, &got) && got.len > 8 && memcmp(got.ptr, "-DENIED ", 8) == 0,
       "protected mode refuses a client on another host");
    int local = client_at("::1", s.port);
    is_served(local, "it admits a client on this machine");
    ok(shows(local, "INFO stats\r\n", "\r\nrejected_connections:1\r\n"), "INFO counts the refusal");
    close(remote);
    close(local);
    is_number(server_stop(&s), 0, "exit code");
    s = server_start(data, WORDS("--proxy-protocol", "127.0.0.0/8", "--protected-mode", "no"));
    remote = client_at("192.0.2.1", s.port);
    is_served(remote, "without protected mode it is served");
    close(remote);
    buf_release(&got);
    is_number(server_stop(&s), 0, "exit code");
}

static void check_options(void)
{
    static const char *const bad[] = {"localhost", "10.0.0.1/8", "*", "10.0.0.0/33"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        char message[160];
        struct buf out = {0};
        struct buf err = {0};
        snprintf(message, sizeof message,
                 "--proxy-protocol '%s' must be an address like 10.0.0.1, a network like "
                 "10.0.0.0/8, or unix\n",
                 bad[i]);
        is_number(
            run_program(WORDS(server_program(), data, "--port", "0", "--proxy-protocol", bad[i]),
                        &out, &err),
            1, "--proxy-protocol %s: exit code", bad[i]);
        is_number(occurrences(buf_span(&err), message), 1, "the message says what is wrong");
        buf_release(&out);
        buf_release(&err);
    }
}

int main(void)
{
    data = test_file("data", span_text(KEY " value\n"));
    check_addresses();
    check_bad_headers();
    check_unix();
    check_protected();
    check_options();
    return done_testing();
}
