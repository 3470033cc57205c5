// Fault F25 (docs/faults.md): data that is not in memory, on a disk that answers only when the test
// lets it. Other clients of the same loop are served meanwhile. The parked requests are answered in
// order, with the replies of a server that reads the mapping.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults/support/slow_disk.h"
#include "faults/support/slow_server.h"
#include "serve/cold.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

// Lines from which tests read. A page that was read often is read from the mapping, so the tests
// read different ones.
enum { READERS = 4, AT_ONCE = 8, FAR = 2500, ORDERED = 3550 };

// Requests that read cold lines. %1 to %3 are cold keys, %0 is a hot one, %4 a missing one, and %a
// to %g have long values.
static const char *const commands[] = {
    "GET %1",
    "GET %4",
    "MGET %1 %0 %4 %2 %1 %3 nonsense",
    "EXISTS %1 %2 %4 %1 nonsense",
    "STRLEN %1",
    "GETRANGE %2 3 20",
    "SUBSTR %2 -5 -1",
    "TYPE %3",
    "TTL %3",
    "OBJECT ENCODING %1",
    "TOUCH %1 %2",
    "BITCOUNT %1",
    "GETBIT %1 77",
    "BITPOS %1 1",
    "LCS %1 %2 LEN",
    "LCS %0 %2",
    "HGET %1 field",
    "SINTER %1 %2",
    "ZUNION 2 %1 %2",
    "DUMP %1",
    "MGET %a %b %c %d %e %f %g",
    "GET %b",
    "GET %c",
    "GET %d",
    "GET %e",
    "GET %f",
    "GET %g",
    "STRLEN %g",
    "BITCOUNT %d",
    "GETRANGE %e 16000 16480",
    "LCS %1 %a LEN",
    "MULTI\nGET %1\nMGET %2 %3\nSTRLEN %a\nEXEC",
    "WATCH %1\nMULTI\nGET %1\nEXEC",
    "WATCH %1 %2 %a\nMULTI\nGET %2\nEXEC",
    "GET %1\nPING\nGET %2\nGET %0\nLCS %1 %3 LEN\nGET %1",
    "SCAN 0 COUNT 700",
    "SCAN 0 COUNT 700 MATCH *7",
    "KEYS 7*7",
    "STELE.RANGE 40 50 LIMIT 0 5",
    "STELE.RANGE %1 + LIMIT 3 90 WITHVALUES",
    "STELE.RANGE (%2 + REV LIMIT 0 70 WITHVALUES",
    "STELE.COUNT %1 (%2",
    "CLUSTER COUNTKEYSINSLOT 7",
    "GET",
    "GET %1 %2",
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static struct buf expected[COMMANDS];

// Replaces the % words of command number `n`. Each command has keys of its own, because a page that
// is read often is read from the mapping.
static const char *spell(const char *command, unsigned n)
{
    static char text[4096];
    const unsigned keys[] = {3, 600 + n * 37, 1600 + n * 37, 700 + n * 37, 5000};
    size_t len = 0;
    for (; *command != '\0'; command++) {
        require(len + 64 < sizeof text, "a long command");
        if (*command != '%') {
            text[len++] = *command;
            continue;
        }
        command++;
        bool large = *command >= 'a';
        unsigned i = large ? SLOW_LINES + (unsigned)(*command - 'a') : keys[*command - '0'];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s", slow_key(i));
    }
    text[len] = '\0';
    return text;
}

// Whether the reply needs lines of the data.
static bool reads_lines(unsigned n)
{
    return expected[n].ptr[0] != '-' && strcmp(commands[n], "GET %4") != 0 &&
           strncmp(commands[n], "STELE.COUNT", 11) != 0;
}

// Returns the requests in one line.
static const char *name_of(const char *command)
{
    static char name[256];
    snprintf(name, sizeof name, "%s", command);
    for (char *at = name; *at != '\0'; at++)
        *at = *at == '\n' ? ';' : *at;
    return name;
}

static unsigned requests_of(const char *command)
{
    unsigned count = 1;
    for (; *command != '\0'; command++)
        count += *command == '\n';
    return count;
}

static void expect_all(void)
{
    slow_server_start(READERS, true);
    int fd = slow_client();
    for (unsigned i = 0; i < COMMANDS; i++) {
        slow_send(fd, spell(commands[i], i));
        buf_append(&expected[i], slow_replies(fd, requests_of(commands[i])));
    }
    close(fd);
    slow_server_stop();
}

// ---- parked requests ----------------------------------------------------------------------------

// Each command waits for the disk, except those that read no cold line. A hot client is served
// meanwhile.
static void check_commands(void)
{
    int hot = slow_client();
    for (unsigned i = 0; i < COMMANDS; i++) {
        bool reads = reads_lines(i);
        int fd = slow_client();
        slow_disk_hold(reads);
        slow_send(fd, spell(commands[i], i));
        if (reads) {
            slow_disk_await_held(1);
            slow_hot_is_served(hot, name_of(commands[i]));
            slow_disk_hold(false);
        }
        is_bytes(slow_replies(fd, requests_of(commands[i])), buf_span(&expected[i]), "%s",
                 name_of(commands[i]));
        close(fd);
    }
    close(hot);
}

static void append_reply(struct buf *to, char edition, unsigned i)
{
    struct buf value = {0};
    slow_value(&value, edition, i);
    append_bulk(to, buf_span(&value));
    buf_release(&value);
}

// The replies to a pipeline come in order, whichever of its lines are cold.
static void check_order(void)
{
    struct buf request = {0};
    struct buf wanted = {0};
    int fd = slow_client();
    int hot = slow_client();
    for (unsigned n = 0; n < 300; n++) {
        unsigned i = n % 3 == 0 ? n % 30 : ORDERED + n; // every third line is hot
        if (n % 7 == 0) {
            append_request(&request, "PING");
            buf_append_text(&wanted, "+PONG\r\n");
        }
        char text[64];
        snprintf(text, sizeof text, "GET %s", slow_key(i));
        append_request(&request, text);
        append_reply(&wanted, 'a', i);
    }
    slow_disk_hold(true);
    require(send_all(fd, buf_span(&request)), "cannot send");
    slow_disk_await_held(1);
    slow_hot_is_served(hot, "a pipeline");
    struct buf got = {0};
    slow_disk_hold(false);
    require(receive(fd, &got, wanted.len), "no replies");
    is_bytes(buf_span(&got), buf_span(&wanted), "300 requests in a pipeline are answered in order");
    ok(slow_is_silent(fd), "nothing is answered twice");
    buf_release(&got);
    buf_release(&wanted);
    buf_release(&request);
    close(fd);
    close(hot);
}

static void spell_mget(char *text, size_t size, unsigned first, unsigned count)
{
    size_t len = (size_t)snprintf(text, size, "MGET");
    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, size - len, " %s", slow_key(first + i * 32));
    require(len < size, "a long request");
}

// All keys of an MGET are asked for before the first of them is there.
static void check_together(void)
{
    enum { KEYS = READERS * AT_ONCE };
    char text[8192];
    struct buf wanted = {0};
    int fd = slow_client();
    unsigned before = slow_disk_reads()->asked;
    spell_mget(text, sizeof text, FAR, KEYS);
    slow_disk_hold(true);
    slow_send(fd, text);
    slow_disk_await_held(READERS);
    const struct slow_disk_reads *reads = slow_disk_reads();
    bool asked[KEYS] = {false};
    unsigned count = 0;
    for (unsigned n = before; n < reads->asked && n < SLOW_DISK_NOTED; n++)
        for (unsigned i = 0; i < KEYS; i++)
            if (reads->asked_at[n] / SLOW_LINE == FAR + i * 32 - 1) // from the newline before it
                asked[i] = true;
    for (unsigned i = 0; i < KEYS; i++)
        count += asked[i];
    is_number(count, KEYS, "MGET asks for all its keys while the first ones are read");
    for (unsigned i = 0; i < KEYS; i++)
        if (!asked[i])
            diag("key %u was not asked for", i);
    slow_disk_hold(false);
    buf_append_text(&wanted, "*32\r\n");
    for (unsigned i = 0; i < KEYS; i++)
        append_reply(&wanted, 'a', FAR + i * 32);
    is_bytes(slow_replies(fd, 1), buf_span(&wanted), "then it is answered");
    buf_release(&wanted);
    close(fd);
}

// LCS needs two values. Here the first is the last line of the set of an MGET, and the second is in
// another set.
static void check_two_sets(void)
{
    enum { KEYS = COLD_LINES_MAX - 1, SHARED = 8 * 1024 };
    char text[SHARED];
    char lcs[128];
    struct buf alone = {0};
    int fd = slow_client();
    snprintf(lcs, sizeof lcs, "LCS %s %s", slow_key(FAR + KEYS), slow_key(5));
    slow_send(fd, lcs);
    buf_append(&alone, slow_replies(fd, 1));
    size_t len = (size_t)snprintf(text, sizeof text, "MGET");
    for (unsigned i = 0; i < KEYS; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, " %s", slow_key(FAR + i));
    snprintf(text + len, sizeof text - len, "\n%s", lcs);
    slow_send(fd, text);
    slow_replies(fd, 1);
    is_bytes(slow_replies(fd, 1), buf_span(&alone), "LCS with values from two sets");
    buf_release(&alone);
    close(fd);
}

// ---- what happens meanwhile ---------------------------------------------------------------------

// The client leaves. Lines that no thread has begun to read are not read.
static void check_leaving(bool reset)
{
    char text[8192];
    int fd = slow_client();
    int hot = slow_client();
    unsigned before = slow_disk_reads()->waited;
    spell_mget(text, sizeof text, 600, 100);
    slow_disk_hold(true);
    slow_send(fd, text);
    slow_disk_await_held(READERS);
    long clients = slow_info(hot, "clients", "connected_clients");
    if (reset) {
        struct linger linger = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    close(fd);
    while (slow_info(hot, "clients", "connected_clients") >= clients)
        ;
    ok(true, "a client that leaves (%s) while it is parked is closed", reset ? "RST" : "FIN");
    slow_hot_is_served(hot, "after that");
    slow_disk_hold(false);
    int other = slow_client(); // its job is behind what is left of the other one
    slow_send(other, spell("GET %1", COMMANDS));
    slow_replies(other, 1);
    unsigned waited = slow_disk_reads()->waited - before;
    ok(waited <= READERS * AT_ONCE + 1, "its other lines are not read: %u of 100", waited);
    close(other);
    close(hot);
}

// The file is replaced and reloaded. A parked request is answered from the old data, as a whole.
static void check_reload(void)
{
    char text[8192];
    struct buf old = {0};
    struct buf new = {0};
    int fd = slow_client();
    int hot = slow_client();
    spell_mget(text, sizeof text, FAR, 40);
    strcat(text, "\nGET ");
    strcat(text, slow_key(FAR));
    slow_disk_hold(true);
    slow_send(fd, text);
    slow_disk_await_held(READERS);
    slow_file('b');
    slow_send(hot, "STELE.RELOAD");
    is_bytes(slow_replies(hot, 1), span_text("+OK\r\n"), "a reload while a request is parked");
    buf_append_text(&old, "*40\r\n");
    for (unsigned i = 0; i < 40; i++)
        append_reply(&old, 'a', FAR + i * 32);
    append_reply(&new, 'b', FAR);
    slow_disk_hold(false);
    is_bytes(slow_replies(fd, 1), buf_span(&old), "the parked request is answered from old data");
    is_bytes(slow_replies(fd, 1), buf_span(&new), "the request after it from new data");
    slow_file('a');
    slow_send(hot, "STELE.RELOAD");
    slow_replies(hot, 1);
    slow_send(hot, spell("GET %0", 0));
    slow_replies(hot, 1); // the hot page is known again
    buf_release(&old);
    buf_release(&new);
    close(fd);
    close(hot);
}

// The server stops gracefully: the parked request is answered first.
static void check_shutdown(void)
{
    struct buf wanted = {0};
    int fd = slow_client();
    int other = slow_client();
    slow_disk_hold(true);
    slow_send(fd, spell("GET %1", COMMANDS));
    slow_disk_await_held(1);
    require(send_all(other, span_text("SHUTDOWN\r\n")), "cannot send");
    ok(is_closed(other), "SHUTDOWN closes idle clients");
    ok(slow_is_silent(fd), "but not one that is parked");
    slow_disk_hold(false);
    append_reply(&wanted, 'a', 600 + COMMANDS * 37);
    is_bytes(slow_replies(fd, 1), buf_span(&wanted), "it is answered");
    ok(is_closed(fd), "and then closed");
    slow_server_join();
    buf_release(&wanted);
    close(fd);
    close(other);
}

// A second SIGINT ends the server although the disk does not answer. In a child process, because
// the reader thread never ends.
static void check_second_signal(void)
{
    int pipes[2];
    int child_port;
    char byte;
    struct buf reply = {0};
    require(pipe(pipes) == 0, "no pipe");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        require(freopen("/dev/null", "w", stdout) != NULL, "no /dev/null");
        slow_server_start(1, false);
        slow_disk_hold(true);
        int fd = slow_client();
        slow_send(fd, spell("GET %1", COMMANDS));
        slow_disk_await_held(1);
        child_port = slow_server_port();
        require(write(pipes[1], &child_port, sizeof child_port) == sizeof child_port, "no pipe");
        slow_server_join();
        _exit(slow_disk_held() == 1 ? 7 : 8);
    }
    close(pipes[1]);
    int status = 0;
    require(child > 0 && read(pipes[0], &child_port, sizeof child_port) == sizeof child_port,
            "no server");
    int idle = connect_tcp(child_port);
    require(idle >= 0, "cannot connect");
    slow_send(idle, "PING"); // the reply shows that the server knows the client
    slow_reply(idle, &reply);
    kill(child, SIGINT);
    ok(is_closed(idle), "the first SIGINT closes idle clients");
    ok(waitpid(child, &status, WNOHANG) == 0, "but waits for the parked request");
    kill(child, SIGINT);
    require(waitpid(child, &status, 0) == child, "cannot wait");
    is_number(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 7,
              "the second SIGINT ends the server while the disk does not answer");
    require(read(pipes[0], &byte, 1) == 0, "the child is gone");
    close(pipes[0]);
    close(idle);
    buf_release(&reply);
}

int main(void)
{
    check_second_signal(); // first, as a child must not inherit threads
    expect_all();
    slow_server_start(READERS, false);
    check_commands();
    check_order();
    check_together();
    check_two_sets();
    check_leaving(false);
    check_leaving(true);
    check_reload();
    check_shutdown();
    for (unsigned i = 0; i < COMMANDS; i++)
        buf_release(&expected[i]);
    return done_testing();
}
