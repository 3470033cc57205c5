// A node of a cluster probes the others (net/prober.h). The test is the other nodes: one answers
// and then falls silent, one refuses connections, one answers with an error.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

#define PING "*1\r\n$4\r\nPING\r\n"
#define STATE "*2\r\n$13\r\nSTELE.CLUSTER\r\n$5\r\nSTATE\r\n"
// A node of a later version may say more.
#define STATE_REPLY                                                                                \
    "*10\r\n$6\r\nsilent\r\n:1\r\n:3\r\n$16\r\n20261128T020000Z\r\n$4\r\nabcd\r\n:55\r\n:0\r\n:"   \
    "1\r\n:1795226400\r\n$5\r\nlater\r\n"

static const char data[] = "00000000-0000-4000-8000-000000000001 one\n";

// Opens a port that the system chooses. With `listens` false, connections to it are refused.
static int open_port(int *port, bool listens)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                (!listens || listen(fd, 16) == 0) &&
                getsockname(fd, (struct sockaddr *)&address, &len) == 0,
            "no port");
    *port = ntohs(address.sin_port);
    return fd;
}

static bool receives(int fd, const char *wanted)
{
    struct buf got = {0};
    bool same = receive(fd, &got, strlen(wanted)) && span_equal(buf_span(&got), span_text(wanted));
    if (!same)
        diag("got '%.*s'", (int)got.len, got.ptr);
    buf_release(&got);
    return same;
}

static bool nodes_have(int fd, const char *part)
{
    struct buf text = {0};
    char length[32];
    require(send_all(fd, SPAN("CLUSTER NODES\r\n")), "cannot send");
    do
        require(receive(fd, &text, 1), "no reply");
    while (text.ptr[text.len - 1] != '\n');
    snprintf(length, sizeof length, "%.*s", (int)text.len, text.ptr);
    size_t bytes = (size_t)atol(length + 1) + 2;
    text.len = 0;
    require(receive(fd, &text, bytes), "no reply");
    buf_append(&text, span_of("", 1));
    bool there = strstr(text.ptr, part) != NULL;
    if (!there)
        diag("'%s' is not in %s", part, text.ptr);
    buf_release(&text);
    return there;
}

// Returns whether STELE.CLUSTER NODES has these fields of a node, with a space between two.
static bool says(int fd, const char *part)
{
    struct buf text = {0};
    struct buf words = {0};
    require(send_all(fd, SPAN("STELE.CLUSTER NODES\r\nECHO end\r\n")), "cannot send");
    do
        require(receive(fd, &text, 1), "no reply");
    while (text.len < 9 || memcmp(text.ptr + text.len - 9, "$3\r\nend\r\n", 9) != 0);
    for (size_t at = 0; at < text.len;) { // lengths of strings and arrays are left out
        const char *line = text.ptr + at;
        size_t len = strcspn(line, "\r");
        if (*line == '$' && line[1] == '0')
            buf_append_text(&words, " ");
        else if (*line != '$' && *line != '*')
            buf_printf(&words, "%.*s ", (int)len - (*line == ':'), line + (*line == ':'));
        at += len + 2 + (*line == '$' && line[1] == '0' ? 2 : 0);
    }
    buf_append(&words, span_of("", 1));
    bool there = strstr(words.ptr, part) != NULL;
    if (!there)
        diag("'%s' is not in %s", part, words.ptr);
    buf_release(&text);
    buf_release(&words);
    return there;
}

int main(void)
{
    static const char greeting[] =
        "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"
        "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$11\r\nstele-probe\r\n" STATE;
    int silent_port;
    int refusing_port;
    int failing_port;
    int silent = open_port(&silent_port, true);
    int refusing = open_port(&refusing_port, false);
    int failing = open_port(&failing_port, true);
    char text[512];
    snprintf(text, sizeof text,
             "epoch 1\nshard 0-16383\nnode silent 127.0.0.1:%d\nnode refusing 127.0.0.1:%d\n"
             "node failing 127.0.0.1:%d\nnode self 127.0.0.1:1\n",
             silent_port, refusing_port, failing_port);
    char config[256];
    snprintf(config, sizeof config, "%s", test_file("cluster.conf", span_text(text)));
    char password[256];
    snprintf(password, sizeof password, "%s", test_file("password", SPAN("secret\n")));
    struct server_process s =
        server_start(test_file("probed.data", span_text(data)),
                     WORDS("--index", "none", "--cluster-config", config, "--cluster-node", "self",
                           "--cluster-auth-file", password, "--cluster-node-timeout", "1500"));
    int client = connect_tcp(s.port);
    require(client >= 0, "cannot connect");

    int good = accept(silent, NULL, NULL);
    ok(good >= 0 && receives(good, greeting), "a node is asked, with the password");
    require(send_all(good, SPAN("+OK\r\n+OK\r\n" STATE_REPLY)), "cannot answer");
    int bad = accept(failing, NULL, NULL);
    require(bad >= 0 && send_all(bad, SPAN("-NOAUTH Authentication required.\r\n")),
            "cannot answer");
    ok(receives(good, STATE), "and asked again");
    ok(says(client, "silent 1 3 20261128T020000Z abcd 55 0 1 1795226400 up "),
       "what it says is passed on");
    ok(says(client, "failing 0 0   0 -1 0 0 "), "the other nodes have said nothing yet");
    ok(nodes_have(client, "myself,slave "), "a replica, as the first node is up");
    require(send_all(good, SPAN("-ERR unknown command 'STELE.CLUSTER', with args beginning")),
            "cannot answer");
    require(send_all(good, SPAN(" with: 'STATE' \r\n")), "cannot answer");
    ok(receives(good, PING), "a node that does not know the command is asked with PING");
    require(send_all(good, SPAN("+PONG\r\n")), "cannot answer");
    log_await(s.log_path, "node refusing (127.0.0.1:");
    ok(log_has(s.log_path, "is down: it refuses connections"), "a node that refuses is down");
    log_await(s.log_path, "node failing (127.0.0.1:");
    ok(log_has(s.log_path, "is down: -NOAUTH Authentication required."),
       "so is one that answers with an error, and the log says with which");
    log_await(s.log_path, "node silent (127.0.0.1:");
    ok(log_has(s.log_path, "is down: it does not answer"), "and one that has fallen silent");
    ok(nodes_have(client, "myself,master "), "then this node is the primary");
    ok(nodes_have(client, " slave,fail ") && nodes_have(client, " disconnected\n"),
       "and the others are marked");
    int again = accept(silent, NULL, NULL);
    ok(again >= 0 && receives(again, greeting), "the silent node is asked over a new connection");
    require(send_all(again, SPAN("+OK\r\n+OK\r\n" STATE_REPLY)), "cannot answer");
    ok(receives(again, STATE) && nodes_have(client, "myself,master "),
       "one good answer does not bring it back");

    is_number(server_stop(&s), 0, "the server ends well");
    close(client);
    close(good);
    close(bad);
    close(again);
    close(silent);
    close(refusing);
    close(failing);
    return done_testing();
}
