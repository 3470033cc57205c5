// Requests over raw sockets, and the exact bytes of the replies. Tested are hostile and broken
// input, RESP2 and RESP3, refused writes, pipelines sent in pieces, half-closed connections, and
// commands that an option must enable.
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

#define KEY "0f8fad5b-d9cb-469f-a165-70867728950e"
#define KEY_UPPER "0F8FAD5B-D9CB-469F-A165-70867728950E"
#define KEY_MIXED "0f8FAD5b-d9CB-469f-A165-70867728950E"
#define KEY_HEX "0f8fad5bd9cb469fa16570867728950e"
#define NIL_KEY "00000000-0000-0000-0000-000000000000"
#define MAX_KEY "ffffffff-ffff-ffff-ffff-ffffffffffff"
#define EMPTY_KEY "12345678-1234-1234-1234-123456789abc"
#define LONG_KEY "abcdefab-cdef-abcd-efab-cdefabcdefab"
#define ABSENT_KEY "11111111-2222-3333-4444-555555555555"

enum { LONG_VALUE = 100 * 1000, LINE_LIMIT = 64 * 1024, ARGUMENT_LIMIT = 1024 * 1024 };

static struct server_process server;
static int bystander; // a connection that must stay usable whatever other clients send

static const char *data_file(void)
{
    struct buf lines = {0};
    buf_append_text(&lines, KEY " a value\n" NIL_KEY " nil's\n" MAX_KEY " max's\n" EMPTY_KEY
                                " \n" LONG_KEY " ");
    append_bytes(&lines, 'v', LONG_VALUE);
    buf_append_text(&lines, "\n");
    const char *path = test_file("data", buf_span(&lines));
    buf_release(&lines);
    return path;
}

// Connects a new client.
static int fresh(void)
{
    return connect_tcp(server.port);
}

// What happens to the connection after the reply.
enum fate {
    GOES_ON, // the next command is answered
    CLOSES,  // the server closes the connection; the next command is not answered
    WAITS,   // the request is incomplete
};

struct exchange {
    const char *name;
    struct span sent;
    struct span wanted;
    enum fate fate;
};

// Sends a request on a new connection and checks the reply and the fate of the connection.
static void exchange(const struct exchange *x)
{
    int fd = fresh();
    char byte;
    struct buf request = {0};
    struct buf wanted = {0};
    buf_append(&request, x->sent);
    buf_append(&wanted, x->wanted);
    if (x->fate != WAITS)
        buf_append_text(&request, "PING\r\n");
    if (x->fate == GOES_ON)
        buf_append_text(&wanted, "+PONG\r\n");
    bool good = answers(fd, buf_span(&request), buf_span(&wanted), "%s", x->name);
    if (x->fate == WAITS) {
        server_await_idle(&server);
        ok(recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN, "%s: the server waits for more",
           x->name);
    }
    if (x->fate != CLOSES)
        shutdown(fd, SHUT_WR);
    if (good)
        ok(is_closed(fd), "%s: then %s", x->name,
           x->fate == CLOSES ? "the server closes"
                             : "the connection stays until the client closes");
    close(fd);
    buf_release(&request);
    buf_release(&wanted);
}

static void exchange_all(const struct exchange *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        exchange(&list[i]);
}
#define EXCHANGE_ALL(list) exchange_all(list, sizeof(list) / sizeof *(list))

// ---- broken requests ----------------------------------------------------------------------------

#define BAD(text) BYTES("-ERR Protocol error: " text "\r\n"), CLOSES
#define BAD_COUNT BAD("invalid multibulk length")
#define BAD_LENGTH BAD("invalid bulk length")
#define NOTHING                                                                                    \
    {                                                                                              \
        "", 0                                                                                      \
    }

static const struct exchange integers[] = {
    {"*+1", BYTES("*+1\r\n$4\r\nPING\r\n"), BAD_COUNT},
    {"* 1", BYTES("* 1\r\n$4\r\nPING\r\n"), BAD_COUNT},
    {"*1 and a space", BYTES("*1 \r\n$4\r\nPING\r\n"), BAD_COUNT},
    {"*01", BYTES("*01\r\n$4\r\nPING\r\n"), BAD_COUNT},
    {"*0x1", BYTES("*0x1\r\n$4\r\nPING\r\n"), BAD_COUNT},
    {"*x", BYTES("*x\r\n"), BAD_COUNT},
    {"*-", BYTES("*-\r\n"), BAD_COUNT},
    {"*-0", BYTES("*-0\r\n"), BAD_COUNT},
    {"* alone", BYTES("*\r\n"), BAD_COUNT},
    {"*2^63", BYTES("*9223372036854775808\r\n"), BAD_COUNT},
    {"*2^63-1", BYTES("*9223372036854775807\r\n"), BAD_COUNT},
    {"*2^64+1", BYTES("*18446744073709551617\r\n$4\r\nPING\r\n"), BAD_COUNT},
    {"*3000000000", BYTES("*3000000000\r\n"), BAD_COUNT},
    {"one argument more than the limit", BYTES("*1048577\r\n"), BAD_COUNT},
    {"* without CR", BYTES("*1\n$4\r\nPING\r\n"), BAD_COUNT},
    {"*0", BYTES("*0\r\n"), NOTHING, GOES_ON},
    {"*-1", BYTES("*-1\r\n"), NOTHING, GOES_ON},
    {"*-2^63", BYTES("*-9223372036854775808\r\n"), NOTHING, GOES_ON},
    {"$-1 as an argument", BYTES("*2\r\n$3\r\nGET\r\n$-1\r\n"), BAD_LENGTH},
    {"$+4", BYTES("*1\r\n$+4\r\nPING\r\n"), BAD_LENGTH},
    {"$ 4", BYTES("*1\r\n$ 4\r\nPING\r\n"), BAD_LENGTH},
    {"$04", BYTES("*1\r\n$04\r\nPING\r\n"), BAD_LENGTH},
    {"$0x4", BYTES("*1\r\n$0x4\r\nPING\r\n"), BAD_LENGTH},
    {"$ alone", BYTES("*1\r\n$\r\nPING\r\n"), BAD_LENGTH},
    {"$2^63", BYTES("*1\r\n$9223372036854775808\r\n"), BAD_LENGTH},
    {"$2^64+4", BYTES("*1\r\n$18446744073709551620\r\nPING\r\n"), BAD_LENGTH},
    {"$2000000000", BYTES("*1\r\n$2000000000\r\n"), BAD_LENGTH},
    {"$512 MiB and one", BYTES("*1\r\n$536870913\r\n"), BAD_LENGTH},
    {"an argument of one byte more than the limit", BYTES("*1\r\n$1048577\r\n"), BAD_LENGTH},
    {"$ without CR", BYTES("*1\r\n$4\nPING\r\n"), BAD_LENGTH},
    {"+ instead of $", BYTES("*1\r\n+OK\r\n"), BAD("expected '$', got '+'")},
    {"* instead of $", BYTES("*1\r\n*1\r\n"), BAD("expected '$', got '*'")},
    {"CR instead of $", BYTES("*1\r\n\r\nPING\r\n"), BAD("expected '$', got ' '")},
    {"LF instead of $", BYTES("*1\r\n\nPING\r\n"), BAD("expected '$', got ' '")},
    {"a control byte instead of $", BYTES("*1\r\n\x01\r\n"), BAD("expected '$', got '\x01'")},
    {"no $ before the second argument", BYTES("*2\r\n$4\r\nECHO\r\nhello\r\n"),
     BAD("expected '$', got 'h'")},
    {"a reply before the bad request", BYTES("ECHO a\r\n*x\r\n"),
     BYTES("$1\r\na\r\n-ERR Protocol error: invalid multibulk length\r\n"), CLOSES},
};

static const struct exchange counts[] = {
    // As in Redis, the two bytes after an argument are skipped, whatever they are.
    {"a bulk string whose length is one too small", BYTES("*2\r\n$3\r\nGET\r\n$35\r\n" KEY "\r\n"),
     BYTES("$-1\r\n"), GOES_ON},
    {"a bulk string whose length is one too large",
     BYTES("*2\r\n$3\r\nGET\r\n$37\r\n" KEY "\r\nxECHO 1\r\n"), BYTES("$-1\r\n$1\r\n1\r\n"),
     GOES_ON},
    {"other bytes instead of CR LF after a bulk string", BYTES("*2\r\n$3\r\nGETxx$36\r\n" KEY "yy"),
     BYTES("$7\r\na value\r\n"), GOES_ON},
    {"an empty argument", BYTES("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n"), BYTES("$0\r\n\r\n"), GOES_ON},
    {"an empty command name", BYTES("*1\r\n$0\r\n\r\n"),
     BYTES("-ERR unknown command '', with args beginning with: \r\n"), GOES_ON},
    {"the most arguments, then nothing", BYTES("*1048576\r\n"), NOTHING, WAITS},
    {"the longest argument, then nothing", BYTES("*2\r\n$4\r\nECHO\r\n$1048576\r\n"), NOTHING,
     WAITS},
    {"a request without its last byte", BYTES("*1\r\n$4\r\nPING\r"), NOTHING, WAITS},
    {"a CR, but no LF", BYTES("*1\r"), NOTHING, WAITS},
};

static const struct exchange inlines[] = {
    {"inline", BYTES("GET " KEY "\r\n"), BYTES("$7\r\na value\r\n"), GOES_ON},
    {"inline without CR", BYTES("GET " KEY "\n"), BYTES("$7\r\na value\r\n"), GOES_ON},
    {"inline with more spaces", BYTES("  get\t \t" KEY "  \r\n"), BYTES("$7\r\na value\r\n"),
     GOES_ON},
    {"only spaces", BYTES("    \r\n"), NOTHING, GOES_ON},
    {"empty lines", BYTES("\r\n\n\r\n\n"), NOTHING, GOES_ON},
    {"an empty line before RESP, as redis-cli --pipe ends",
     BYTES("\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n"), BYTES("$2\r\nhi\r\n"), GOES_ON},
    {"escapes in double quotes", BYTES("ECHO \"\\x41\\xfFb\\n\\r\\t\\b\\a\\\\\\\"\\q'\"\r\n"),
     BYTES("$12\r\nA\xff"
           "b\n\r\t\b\a\\\"q'\r\n"),
     GOES_ON},
    {"a quote in single quotes", BYTES("ECHO 'it\\'s \\n \"x\"'\r\n"),
     BYTES("$11\r\nit's \\n \"x\"\r\n"), GOES_ON},
    {"an empty quoted argument", BYTES("ECHO \"\"\r\n"), BYTES("$0\r\n\r\n"), GOES_ON},
    {"a quote within a word", BYTES("ECHO a\"b c\"\r\n"), BYTES("$4\r\nab c\r\n"), GOES_ON},
    {"no closing double quote", BYTES("ECHO \"abc\r\n"), BAD("unbalanced quotes in request")},
    {"no closing single quote", BYTES("ECHO 'abc\r\n"), BAD("unbalanced quotes in request")},
    {"a letter after the closing quote", BYTES("ECHO \"a\"b\r\n"),
     BAD("unbalanced quotes in request")},
    {"a quote alone", BYTES("\"\r\n"), BAD("unbalanced quotes in request")},
    {"a NUL in an inline line", BYTES("PI\0NG\r\n"), NOTHING, WAITS},
    {"an inline line without its end", BYTES("PING"), NOTHING, WAITS},
};

static void long_lines(void)
{
    struct buf request = {0};
    append_bytes(&request, 'x', LINE_LIMIT);
    struct exchange x = {"64 KiB without a newline", buf_span(&request), NOTHING, WAITS};
    exchange(&x);
    append_bytes(&request, 'x', 1);
    x = (struct exchange){"64 KiB and a byte without a newline", buf_span(&request),
                          BAD("too big inline request")};
    exchange(&x);

    request.len = 0;
    append_bytes(&request, ' ', LINE_LIMIT - 5);
    buf_append_text(&request, "PING\n");
    x = (struct exchange){"64 KiB of an inline line with its end", buf_span(&request),
                          BYTES("+PONG\r\n"), GOES_ON};
    exchange(&x);

    request.len = 0;
    buf_append(&request, SPAN("PI\0NG\r\n"));
    append_bytes(&request, 'x', LINE_LIMIT);
    x = (struct exchange){"after a NUL, newlines do not end an inline line", buf_span(&request),
                          BAD("too big inline request")};
    exchange(&x);

    for (unsigned i = 0; i < 2; i++) {
        const char *start = i == 0 ? "*" : "*1\r\n$";
        request.len = 0;
        buf_append_text(&request, start);
        append_bytes(&request, '1', 400);
        buf_append_text(&request, "\r\n");
        x = (struct exchange){"400 digits", buf_span(&request), BAD_COUNT};
        if (i == 1)
            x.wanted = SPAN("-ERR Protocol error: invalid bulk length\r\n");
        exchange(&x);
        request.len = 0;
        buf_append_text(&request, start);
        append_bytes(&request, '1', LINE_LIMIT);
        x = (struct exchange){"64 KiB of digits", buf_span(&request),
                              BAD("too big mbulk count string")};
        if (i == 1)
            x.wanted = SPAN("-ERR Protocol error: too big bulk count string\r\n");
        exchange(&x);
    }
    buf_release(&request);
}

// After a NUL in an inline line, no newline ends the line, even if it arrives later.
static void endless_line(void)
{
    int fd = fresh();
    char byte;
    send_all(fd, SPAN("PI\0NG\r\n"));
    for (unsigned i = 0; i < 3; i++) {
        server_await_idle(&server);
        ok(recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN,
           "a line with a NUL is not ended by %u more lines", i);
        send_all(fd, SPAN("PING\r\n"));
    }
    close(fd);
}

// The server allocates nothing for arguments that a client announces, but does not send.
static void announced_arguments(void)
{
    enum { CLIENTS = 64 };
    int fds[CLIENTS];
    server_await_idle(&server);
    long long before = process_field(server.pid, "status", "RssAnon");
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = fresh();
        send_all(fds[i], SPAN("*1048576\r\n$4\r\nMGET\r\n$1048576\r\n"));
    }
    server_await_idle(&server);
    long long grown = process_field(server.pid, "status", "RssAnon") - before;
    if (!ok(before > 0 && grown < 8 * 1024 * 1024,
            "%d clients that announce a million arguments of "
            "1 MiB cost less than 8 MiB",
            CLIENTS))
        diag("grown by %lld bytes", grown);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(fds[i]);
}

static const struct exchange foreign[] = {
    {"POST", BYTES("POST / HTTP/1.1\r\nHost: localhost\r\n\r\nPING\r\n"), NOTHING, CLOSES},
    {"post in lower case", BYTES("post\r\n"), NOTHING, CLOSES},
    {"Host:", BYTES("Host: localhost\r\n"), NOTHING, CLOSES},
    {"host: in lower case", BYTES("host: localhost\r\n"), NOTHING, CLOSES},
    {"POST as a RESP array", BYTES("*1\r\n$4\r\nPOST\r\n"), NOTHING, CLOSES},
    {"Host: as a RESP array", BYTES("*2\r\n$5\r\nHost:\r\n$1\r\nx\r\n"), NOTHING, CLOSES},
    {"GET / HTTP/1.1", BYTES("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), NOTHING, CLOSES},
    {"HEAD / HTTP/1.0", BYTES("HEAD / HTTP/1.0\r\n\r\n"), NOTHING, CLOSES},
    {"a TLS ClientHello",
     BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x0d\x0a*1\r\n$4\r\nPING\r\n"), NOTHING,
     CLOSES},
    {"the first two bytes of a TLS ClientHello", BYTES("\x16\x03"), NOTHING, CLOSES},
    {"an SSH banner", BYTES("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), NOTHING, CLOSES},
    {"POST after a command", BYTES("ECHO a\r\nPOST / HTTP/1.1\r\n"), BYTES("$1\r\na\r\n"), CLOSES},
    {"GET with two arguments is not HTTP", BYTES("GET / HTTP\r\n"),
     BYTES("-ERR wrong number of arguments for 'get' command\r\n"), GOES_ON},
    {"HTTP/1.1 as a message", BYTES("*2\r\n$4\r\nECHO\r\n$8\r\nHTTP/1.1\r\n"),
     BYTES("$8\r\nHTTP/1.1\r\n"), GOES_ON},
};

static void foreign_protocols(void)
{
    EXCHANGE_ALL(foreign);
    // A TLS client may send just this and wait for a reply. It must not wait forever.
    int fd = fresh();
    send_all(fd, SPAN("\x16"));
    server_await_idle(&server);
    send_all(fd, SPAN("\x03"));
    ok(is_closed(fd), "the connection closes after two bytes of a TLS ClientHello");
    close(fd);
    struct buf log = file_content(server.log_path);
    is_number(occurrences(buf_span(&log), "possible attack"), 1,
              "foreign protocols are logged once a minute");
    buf_release(&log);
}

// ---- the parts of a request in an error ---------------------------------------------------------

#define UNKNOWN(name, args)                                                                        \
    BYTES("-ERR unknown command '" name "', with args beginning with: " args "\r\n"), GOES_ON
#define TEN_X "xxxxxxxxxx"
#define HUNDRED_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X

static const struct exchange echoes[] = {
    {"an unknown command", BYTES("foo\r\n"), UNKNOWN("foo", "")},
    {"an unknown command with arguments", BYTES("Foo bar 'b a z'\r\n"),
     UNKNOWN("Foo", "'bar' 'b a z' ")},
    {"arguments are echoed up to 128 bytes",
     BYTES("foo " HUNDRED_X " yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
           " z\r\n"),
     UNKNOWN("foo", "'" HUNDRED_X "' 'yyyyyyyyyyyyyyyyyyyyyyyyy' ")},
    {"format characters", BYTES("%n%s%n%100000d %n %s%s%s\r\n"),
     UNKNOWN("%n%s%n%100000d", "'%n' '%s%s%s' ")},
    {"CR and LF in a command name, after another reply",
     BYTES("PING\r\n*2\r\n$10\r\na\r\n+OK\r\n:1\r\n$6\r\nb\r\n:2\n\r\n"),
     BYTES("+PONG\r\n-ERR unknown command 'a  +OK  :1', with args beginning with: 'b  :2 ' \r\n"),
     GOES_ON},
    {"a NUL ends what is echoed", BYTES("*2\r\n$3\r\na\0b\r\n$3\r\nc\0d\r\n"),
     UNKNOWN("a", "'c' ")},
    {"a command name with a NUL is unknown", BYTES("*2\r\n$4\r\nGET\0\r\n$1\r\nx\r\n"),
     UNKNOWN("GET", "'x' ")},
    {"an unknown subcommand", BYTES("client foo\r\n"),
     BYTES("-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n"), GOES_ON},
    {"an unknown subcommand of COMMAND", BYTES("COMMAND getkeysandmore\r\n"),
     BYTES("-ERR unknown subcommand 'getkeysandmore'. Try COMMAND HELP.\r\n"), GOES_ON},
    {"CR and LF in a subcommand", BYTES("*2\r\n$6\r\nconfig\r\n$8\r\n%s\r\n+OK!\r\n"),
     BYTES("-ERR unknown subcommand '%s  +OK!'. Try CONFIG HELP.\r\n"), GOES_ON},
    {"CR and LF in an attribute",
     BYTES("*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$6\r\n\r\n+%n\n\r\n$1\r\nx\r\n"),
     BYTES("-ERR Unrecognized option '  +%n '\r\n"), GOES_ON},
    {"CR and LF in an option of HELLO", BYTES("*3\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$5\r\n%n\r\n+\r\n"),
     BYTES("-ERR Syntax error in HELLO option '%n  +'\r\n"), GOES_ON},
    {"CR and LF in a client's name",
     BYTES("*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$3\r\na\r\n\r\n"),
     BYTES("-ERR Client names cannot contain spaces, newlines or special characters.\r\n"),
     GOES_ON},
    {"a subcommand's arity", BYTES("CLIENT SETNAME\r\n"),
     BYTES("-ERR wrong number of arguments for 'client|setname' command\r\n"), GOES_ON},
    {"a container's arity", BYTES("config\r\n"),
     BYTES("-ERR wrong number of arguments for 'config' command\r\n"), GOES_ON},
    {"SENTINEL is unknown, so clients see that this is no Sentinel", BYTES("SENTINEL MASTERS\r\n"),
     UNKNOWN("SENTINEL", "'MASTERS' ")},
};

static void long_echoes(void)
{
    static const struct {
        const char *name;
        const char *before;
        const char *after;
        const char *error_start;
        const char *error_end;
    } places[] = {
        {"a command name", "*1\r\n", "", "-ERR unknown command '", "', with args beginning with: "},
        {"an argument of an unknown command", "*2\r\n$3\r\nfoo\r\n", "",
         "-ERR unknown command 'foo', with args beginning with: '", "' "},
        {"a subcommand", "*2\r\n$6\r\nCLIENT\r\n", "", "-ERR unknown subcommand '",
         "'. Try CLIENT HELP."},
        {"an attribute", "*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n", "$1\r\nv\r\n",
         "-ERR Unrecognized option '", "'"},
        {"an option of HELLO", "*3\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", "",
         "-ERR Syntax error in HELLO option '", "'"},
    };
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        struct buf request = {0};
        struct buf wanted = {0};
        char name[128];
        snprintf(name, sizeof name, "1 MiB as %s", places[i].name);
        buf_printf(&request, "PING\r\n%s$%d\r\n", places[i].before, ARGUMENT_LIMIT);
        append_bytes(&request, 'x', ARGUMENT_LIMIT);
        buf_printf(&request, "\r\n%s", places[i].after);
        buf_printf(&wanted, "+PONG\r\n%s", places[i].error_start);
        append_bytes(&wanted, 'x', 128);
        buf_printf(&wanted, "%s\r\n", places[i].error_end);
        const struct exchange x = {name, buf_span(&request), buf_span(&wanted), GOES_ON};
        exchange(&x);
        buf_release(&request);
        buf_release(&wanted);
    }
}

// ---- keys ---------------------------------------------------------------------------------------

static void check_get(int fd, struct span key, const char *value, const char *name)
{
    struct buf request = {0};
    struct buf wanted = {0};
    buf_append_text(&request, "*2\r\n$3\r\nGET\r\n");
    append_bulk(&request, key);
    if (value != NULL)
        append_bulk(&wanted, span_text(value));
    else
        buf_append_text(&wanted, "$-1\r\n");
    answers(fd, buf_span(&request), buf_span(&wanted), "GET of %s", name);
    buf_release(&request);
    buf_release(&wanted);
}

static void keys(void)
{
    static const struct {
        const char *name;
        struct span key;
        const char *value;
    } list[] = {
        {"a key", BYTES(KEY), "a value"},
        {"a key in upper case", BYTES(KEY_UPPER), "a value"},
        {"a key in mixed case", BYTES(KEY_MIXED), "a value"},
        {"the nil UUID", BYTES(NIL_KEY), "nil's"},
        {"the max UUID", BYTES(MAX_KEY), "max's"},
        {"an empty value", BYTES(EMPTY_KEY), ""},
        {"an absent key", BYTES(ABSENT_KEY), NULL},
        {"an empty key", BYTES(""), NULL},
        {"one byte", BYTES("0"), NULL},
        {"35 bytes", BYTES("0f8fad5b-d9cb-469f-a165-70867728950"), NULL},
        {"37 bytes", BYTES(KEY "0"), NULL},
        {"a key and a NUL", BYTES(KEY "\0"), NULL},
        {"a key and a newline", BYTES(KEY "\n"), NULL},
        {"a space and a key", BYTES(" " KEY), NULL},
        {"32 digits", BYTES(KEY_HEX), NULL},
        {"36 digits", BYTES(KEY_HEX "0000"), NULL},
        {"a key in braces", BYTES("{" KEY "}"), NULL},
        {"a key as a URN", BYTES("urn:uuid:" KEY), NULL},
        {"a NUL", BYTES("\0"), NULL},
        {"no UUID", BYTES("__Booksleeve_TieBreak"), NULL},
        {"36 spaces", BYTES("                                    "), NULL},
    };
    int fd = fresh();
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++)
        check_get(fd, list[i].key, list[i].value, list[i].name);
    struct buf key = {0};
    append_bytes(&key, '0', LINE_LIMIT);
    check_get(fd, buf_span(&key), NULL, "64 KiB");
    key.len = 0;
    append_bytes(&key, '\0', 36);
    check_get(fd, buf_span(&key), NULL, "36 NULs");
    buf_release(&key);
    close(fd);
}

// Keys with one wrong byte, for each of the 36 places and each wrong byte. They are made from the
// nil UUID, whose digits are zeros. A parser that takes a bad digit for zero would find that key.
static void wrong_bytes(void)
{
    int fd = fresh();
    struct buf got = {0};
    unsigned found = 0;
    unsigned sent = 0;
    for (unsigned place = 0; place < 36; place++) {
        struct buf request = {0};
        struct buf wanted = {0};
        for (unsigned byte = 0; byte < 256; byte++) {
            char key[] = NIL_KEY;
            bool is_digit = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
                            (byte >= 'A' && byte <= 'F');
            if (key[place] == '-' ? byte == '-' : is_digit)
                continue;
            key[place] = (char)byte;
            buf_append_text(&request, "*2\r\n$3\r\nGET\r\n");
            append_bulk(&request, span_of(key, 36));
            buf_append_text(&wanted, "$-1\r\n");
            sent++;
        }
        got.len = 0;
        send_all(fd, buf_span(&request));
        receive(fd, &got, wanted.len);
        if (!span_equal(buf_span(&got), buf_span(&wanted))) {
            found++;
            diag("a wrong byte at place %u is accepted", place);
        }
        buf_release(&request);
        buf_release(&wanted);
    }
    is_number(found, 0, "%u keys with one wrong byte at one of 36 places are misses", sent);
    buf_release(&got);
    close(fd);
}

static const struct exchange key_commands[] = {
    {"MGET of keys of all kinds",
     BYTES("*8\r\n$4\r\nMGET\r\n$0\r\n\r\n$36\r\n" KEY "\r\n$32\r\n" KEY_HEX "\r\n$36\r\n" KEY_UPPER
           "\r\n$1\r\n\0\r\n$36\r\n" ABSENT_KEY "\r\n$36\r\n" EMPTY_KEY "\r\n"),
     BYTES("*7\r\n$-1\r\n$7\r\na value\r\n$-1\r\n$7\r\na value\r\n$-1\r\n$-1\r\n$0\r\n\r\n"),
     GOES_ON},
    {"EXISTS counts each key it is given",
     BYTES("EXISTS " KEY " x " KEY_UPPER " " NIL_KEY " " ABSENT_KEY "\r\n"), BYTES(":3\r\n"),
     GOES_ON},
    {"STRLEN", BYTES("STRLEN " LONG_KEY "\r\nSTRLEN " EMPTY_KEY "\r\nSTRLEN x\r\n"),
     BYTES(":100000\r\n:0\r\n:0\r\n"), GOES_ON},
    {"TYPE", BYTES("TYPE " KEY "\r\nTYPE x\r\n"), BYTES("+string\r\n+none\r\n"), GOES_ON},
    {"DBSIZE", BYTES("DBSIZE\r\n"), BYTES(":5\r\n"), GOES_ON},
};

// ---- RESP2 and RESP3 ----------------------------------------------------------------------------

// Replaces the connection's id in replies to HELLO by '#', because the test does not know it.
static void mask_ids(struct buf *b)
{
    static const char mark[] = "$2\r\nid\r\n:";
    size_t to = 0;
    for (size_t from = 0; from < b->len;) {
        size_t len = sizeof mark - 1;
        bool found = b->len - from >= len && memcmp(b->ptr + from, mark, len) == 0;
        len = found ? len : 1;
        memmove(b->ptr + to, b->ptr + from, len);
        to += len;
        from += len;
        if (!found)
            continue;
        while (from < b->len && b->ptr[from] >= '0' && b->ptr[from] <= '9')
            from++;
        b->ptr[to++] = '#';
    }
    b->len = to;
}

// Sends `request` and half-closes. Returns all replies until the server closes.
static struct buf converse(struct span request)
{
    int fd = fresh();
    struct buf got = {0};
    send_all(fd, request);
    shutdown(fd, SHUT_WR);
    if (!receive_to_end(fd, &got))
        diag("the server does not close");
    close(fd);
    mask_ids(&got);
    return got;
}

#define HELLO_PAIRS(proto)                                                                         \
    "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n$5\r\nproto\r\n:" proto        \
    "\r\n$2\r\nid\r\n:#\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"      \
    "$7\r\nmodules\r\n*0\r\n"
#define HELLO_2 "*14\r\n" HELLO_PAIRS("2")
#define HELLO_3 "%7\r\n" HELLO_PAIRS("3")
#define MISS "GET " ABSENT_KEY "\r\n"
#define WRONGPASS "-WRONGPASS invalid username-password pair or user is disabled.\r\n"

static const struct {
    const char *name;
    struct span sent;
    struct span wanted;
} dialogues[] = {
    {"HELLO", BYTES("HELLO\r\n" MISS), BYTES(HELLO_2 "$-1\r\n")},
    {"HELLO 2", BYTES("HELLO 2\r\n" MISS), BYTES(HELLO_2 "$-1\r\n")},
    {"HELLO 3", BYTES("HELLO 3\r\n" MISS), BYTES(HELLO_3 "_\r\n")},
    {"HELLO without a version keeps the protocol", BYTES("HELLO 3\r\nHELLO\r\n"),
     BYTES(HELLO_3 HELLO_3)},
    {"HELLO 3, CLIENT GETNAME, HELLO 2 in one packet",
     BYTES("HELLO 3\r\nCLIENT GETNAME\r\nHELLO 2\r\nCLIENT GETNAME\r\n" MISS),
     BYTES(HELLO_3 "_\r\n" HELLO_2 "$-1\r\n$-1\r\n")},
    {"MGET, before and after HELLO 3",
     BYTES("MGET x " KEY "\r\nHELLO 3\r\nMGET x " KEY "\r\nHELLO 2\r\nMGET x\r\n"),
     BYTES("*2\r\n$-1\r\n$7\r\na value\r\n" HELLO_3 "*2\r\n_\r\n$7\r\na value\r\n" HELLO_2
           "*1\r\n$-1\r\n")},
    {"CONFIG GET is a map in RESP3",
     BYTES("CONFIG GET databases\r\nHELLO 3\r\nCONFIG GET databases\r\n"),
     BYTES("*2\r\n$9\r\ndatabases\r\n$1\r\n1\r\n" HELLO_3 "%1\r\n$9\r\ndatabases\r\n$1\r\n1\r\n")},
    {"COMMAND INFO of an unknown name",
     BYTES("COMMAND INFO x\r\nHELLO 3\r\nCOMMAND INFO x\r\nCOMMAND DOCS x\r\n"),
     BYTES("*1\r\n$-1\r\n" HELLO_3 "*1\r\n_\r\n%0\r\n")},
    {"INFO is a verbatim string in RESP3",
     BYTES("INFO cluster\r\nHELLO 3\r\nINFO cluster\r\nINFO x\r\n"),
     BYTES("$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n" HELLO_3
           "=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n=4\r\ntxt:\r\n")},
    {"RESET switches to RESP2", BYTES("HELLO 3\r\nRESET\r\n" MISS),
     BYTES(HELLO_3 "+RESET\r\n$-1\r\n")},
    {"errors are the same in RESP3", BYTES("HELLO 3\r\nfoo\r\n"),
     BYTES(HELLO_3 "-ERR unknown command 'foo', with args beginning with: \r\n")},
    {"HELLO 4", BYTES("HELLO 4\r\n" MISS),
     BYTES("-NOPROTO unsupported protocol version\r\n$-1\r\n")},
    {"HELLO 1 in RESP3", BYTES("HELLO 3\r\nHELLO 1\r\n" MISS),
     BYTES(HELLO_3 "-NOPROTO unsupported protocol version\r\n_\r\n")},
    {"HELLO x", BYTES("HELLO x\r\n"),
     BYTES("-ERR Protocol version is not an integer or out of range\r\n")},
    {"HELLO with a password", BYTES("hello 3 auth default secret\r\n"), BYTES(HELLO_3)},
    {"HELLO of an unknown user", BYTES("HELLO 3 AUTH bob secret\r\n" MISS),
     BYTES(WRONGPASS "$-1\r\n")},
    {"HELLO with a name", BYTES("HELLO 3 SETNAME me\r\nCLIENT GETNAME\r\n"),
     BYTES(HELLO_3 "$2\r\nme\r\n")},
    {"HELLO with all options", BYTES("HELLO 2 AUTH default x SETNAME me\r\nCLIENT GETNAME\r\n"),
     BYTES(HELLO_2 "$2\r\nme\r\n")},
    {"an unknown option of HELLO", BYTES("HELLO 3 AUTH x\r\n" MISS),
     BYTES("-ERR Syntax error in HELLO option 'AUTH'\r\n$-1\r\n")},
    {"an empty name removes the name",
     BYTES("CLIENT SETNAME me\r\nCLIENT SETNAME ''\r\nCLIENT GETNAME\r\n"),
     BYTES("+OK\r\n+OK\r\n$-1\r\n")},
    {"QUIT is answered, then the connection closes", BYTES("ECHO a\r\nQUIT\r\nECHO b\r\n"),
     BYTES("$1\r\na\r\n+OK\r\n")},
    {"quit with arguments", BYTES("quit now please\r\nECHO b\r\n"), BYTES("+OK\r\n")},
};

static void protocols(void)
{
    for (unsigned i = 0; i < sizeof dialogues / sizeof *dialogues; i++) {
        struct buf got = converse(dialogues[i].sent);
        is_bytes(buf_span(&got), dialogues[i].wanted, "%s", dialogues[i].name);
        buf_release(&got);
    }
    const struct exchange quit = {"QUIT", BYTES("QUIT\r\n"), BYTES("+OK\r\n"), CLOSES};
    exchange(&quit);
}

struct walk {
    const char *at;
    const char *end;
    unsigned seen[256]; // number of replies that begin with each type byte
    unsigned nulls;     // number of nulls of RESP2 among them
    bool broken;
};

// Reads over one reply with all its elements.
static void walk_reply(struct walk *w)
{
    const char *line_end = memchr(w->at, '\n', (size_t)(w->end - w->at));
    if (line_end == NULL || line_end == w->at || line_end[-1] != '\r') {
        w->broken = true;
        return;
    }
    char kind = *w->at;
    long long number = atoll(w->at + 1);
    w->at = line_end + 1;
    w->seen[(unsigned char)kind]++;
    if (strchr("$=*", kind) != NULL && number == -1) {
        w->nulls++;
    } else if (kind == '$' || kind == '=') {
        if (number < 0 || w->end - w->at < number + 2 || memcmp(w->at + number, "\r\n", 2) != 0)
            w->broken = true;
        else
            w->at += number + 2;
    } else if (strchr("*~>%", kind) != NULL) {
        for (long long left = kind == '%' ? number * 2 : number; left > 0 && !w->broken; left--)
            walk_reply(w);
    } else if (strchr("+-:_", kind) == NULL) {
        w->broken = true;
    }
}

// Commands with all kinds of replies: each reply is complete, and uses only types of the protocol.
static void reply_types(void)
{
    static const char questions[] =
        "PING\r\nECHO a\r\nHELLO\r\nCOMMAND\r\nCOMMAND DOCS\r\nCOMMAND INFO\r\nCOMMAND INFO get "
        "x\r\n"
        "COMMAND DOCS mget x client\r\nCOMMAND COUNT\r\nCOMMAND HELP\r\nCLIENT HELP\r\n"
        "CONFIG HELP\r\nCONFIG GET *\r\nINFO\r\nINFO all\r\nCLIENT GETNAME\r\nCLIENT ID\r\n"
        "MGET x " KEY " y\r\n" MISS "GET " LONG_KEY "\r\nTIME\r\nDBSIZE\r\nTYPE x\r\nfoo\r\n"
        "SET a b\r\nDEBUG SLEEP 0\r\nSHUTDOWN\r\n";
    for (unsigned protocol = 2; protocol <= 3; protocol++) {
        struct buf request = {0};
        buf_printf(&request, "HELLO %u\r\n%s", protocol, questions);
        struct buf got = converse(buf_span(&request));
        struct walk w = {.at = got.ptr, .end = got.ptr + got.len};
        unsigned replies = 0;
        for (; !w.broken && w.at < w.end; replies++)
            walk_reply(&w);
        ok(!w.broken, "RESP%u: every reply is well formed", protocol);
        is_number(replies, 1 + (int64_t)occurrences(span_text(questions), "\r\n"),
                  "RESP%u: one reply to each command", protocol);
        unsigned new_types = w.seen['_'] + w.seen['%'] + w.seen['~'] + w.seen['='] + w.seen['>'];
        if (protocol == 2)
            ok(new_types == 0 && w.nulls >= 5, "RESP2: no reply has a type of RESP3");
        else
            ok(w.nulls == 0 && w.seen['_'] >= 5 && w.seen['%'] > 0 && w.seen['~'] > 0 &&
                   w.seen['='] == 2,
               "RESP3: no reply has a null of RESP2");
        buf_release(&got);
        buf_release(&request);
    }
}

// ---- writes -------------------------------------------------------------------------------------

// The write commands of Redis 7.0 (COMMAND LIST FILTERBY ACLCAT write, and the subcommands). Stele
// must know all of them.
static const char *const writes[] = {
    "append",
    "bitfield",
    "bitop",
    "blmove",
    "blmpop",
    "blpop",
    "brpop",
    "brpoplpush",
    "bzmpop",
    "bzpopmax",
    "bzpopmin",
    "copy",
    "decr",
    "decrby",
    "del",
    "expire",
    "expireat",
    "flushall",
    "flushdb",
    "function|delete",
    "function|flush",
    "function|load",
    "function|restore",
    "geoadd",
    "georadius",
    "georadiusbymember",
    "geosearchstore",
    "getdel",
    "getex",
    "getset",
    "hdel",
    "hincrby",
    "hincrbyfloat",
    "hmset",
    "hset",
    "hsetnx",
    "incr",
    "incrby",
    "incrbyfloat",
    "linsert",
    "lmove",
    "lmpop",
    "lpop",
    "lpush",
    "lpushx",
    "lrem",
    "lset",
    "ltrim",
    "migrate",
    "move",
    "mset",
    "msetnx",
    "persist",
    "pexpire",
    "pexpireat",
    "pfadd",
    "pfdebug",
    "pfmerge",
    "psetex",
    "rename",
    "renamenx",
    "restore",
    "restore-asking",
    "rpop",
    "rpoplpush",
    "rpush",
    "rpushx",
    "sadd",
    "sdiffstore",
    "set",
    "setbit",
    "setex",
    "setnx",
    "setrange",
    "sinterstore",
    "smove",
    "sort",
    "spop",
    "srem",
    "sunionstore",
    "swapdb",
    "unlink",
    "xack",
    "xadd",
    "xautoclaim",
    "xclaim",
    "xdel",
    "xgroup|create",
    "xgroup|createconsumer",
    "xgroup|delconsumer",
    "xgroup|destroy",
    "xgroup|setid",
    "xreadgroup",
    "xsetid",
    "xtrim",
    "zadd",
    "zdiffstore",
    "zincrby",
    "zinterstore",
    "zmpop",
    "zpopmax",
    "zpopmin",
    "zrangestore",
    "zrem",
    "zremrangebylex",
    "zremrangebyrank",
    "zremrangebyscore",
    "zunionstore",
};
enum { WRITES = sizeof writes / sizeof *writes };

static unsigned writes_seen;
static unsigned writes_wrong;

static void check_refusal(int fd, const char *full_name, unsigned words, bool right_arity)
{
    struct buf request = {0};
    struct buf wanted = {0};
    struct buf got = {0};
    const char *bar = strchr(full_name, '|');
    size_t first = bar != NULL ? (size_t)(bar - full_name) : strlen(full_name);
    buf_printf(&request, "*%u\r\n", words);
    append_bulk(&request, span_of(full_name, first));
    if (bar != NULL)
        append_bulk(&request, span_text(bar + 1));
    for (unsigned i = bar != NULL ? 2 : 1; i < words; i++)
        append_bulk(&request, span_text("1"));
    if (right_arity)
        buf_append_text(&wanted, "-READONLY You can't write against a read only replica.\r\n");
    else
        buf_printf(&wanted, "-ERR wrong number of arguments for '%s' command\r\n", full_name);
    send_all(fd, buf_span(&request));
    receive(fd, &got, wanted.len);
    if (!span_equal(buf_span(&got), buf_span(&wanted))) {
        is_bytes(buf_span(&got), buf_span(&wanted), "%s with %u words", full_name, words);
        writes_wrong++;
    }
    buf_release(&request);
    buf_release(&wanted);
    buf_release(&got);
}

static bool has_flag(const redisReply *command, const char *flag)
{
    for (size_t i = 0; i < command->element[2]->elements; i++)
        if (strcmp(command->element[2]->element[i]->str, flag) == 0)
            return true;
    return false;
}

static void refuse_writes(int fd, const redisReply *commands)
{
    for (size_t i = 0; i < commands->elements; i++) {
        const redisReply *command = commands->element[i];
        const char *name = command->element[0]->str;
        int arity = (int)command->element[1]->integer;
        unsigned least = (unsigned)abs(arity);
        refuse_writes(fd, command->element[9]);
        if (!has_flag(command, "write"))
            continue;
        bool listed = false;
        for (unsigned j = 0; j < WRITES; j++)
            listed |= strcmp(name, writes[j]) == 0;
        if (!listed)
            diag("%s has the write flag but is no write of Redis 7.0", name);
        writes_seen += listed;
        check_refusal(fd, name, least, true);
        if (arity > 0 || least < 16)
            check_refusal(fd, name, least + 1, arity < 0);
        if (least > (strchr(name, '|') != NULL ? 2 : 1))
            check_refusal(fd, name, least - 1, false);
    }
}

static void refused_writes(void)
{
    int fd = fresh();
    redisContext *c = redisConnect("127.0.0.1", server.port);
    require(c != NULL && c->err == 0, "cannot connect");
    redisReply *commands = redisCommand(c, "COMMAND");
    require(commands != NULL && commands->type == REDIS_REPLY_ARRAY,
            "COMMAND does not return an array");
    refuse_writes(fd, commands);
    is_number(writes_wrong, 0, "each write is refused, after a check of its arity");
    is_number(writes_seen, WRITES, "every write command of Redis 7.0 is known");
    freeReplyObject(commands);
    redisFree(c);
    static const struct exchange others[] = {
        {"a write in any case", BYTES("sEt a b\r\nXGroup Create k g $\r\n"),
         BYTES("-READONLY You can't write against a read only replica.\r\n"
               "-READONLY You can't write against a read only replica.\r\n"),
         GOES_ON},
        {"an unknown subcommand of a write", BYTES("XGROUP nothing\r\nFUNCTION nothing\r\n"),
         BYTES("-ERR unknown subcommand 'nothing'. Try XGROUP HELP.\r\n"
               "-ERR unknown subcommand 'nothing'. Try FUNCTION HELP.\r\n"),
         GOES_ON},
    };
    EXCHANGE_ALL(others);
    close(fd);
}

// ---- pipelines in pieces, half-closed connections -----------------------------------------------

static const char pipeline[] =
    "PING\r\n*2\r\n$3\r\nGET\r\n$36\r\n" KEY "\r\n\r\necho \"a b\\x21\"\n"
    "*4\r\n$4\r\nMGET\r\n$36\r\n" NIL_KEY "\r\n$1\r\nx\r\n$36\r\n" MAX_KEY "\r\n*0\r\n"
    "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\nGET x\r\n*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$2\r\nme\r\n"
    "CLIENT GETNAME\r\nfoo '\\'' bar\r\nset a b\r\n*1\r\n$5\r\nHELLO\r\nHELLO 2\r\n"
    "*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\r\n\r\nGET x\r\n*2\r\n$3\r\nGET\r\n$-1\r\nPING\r\n";

// Sends the pipeline in pieces and returns all replies. `cuts` are ascending offsets. At each of
// them the server has read everything before more is sent.
static struct buf converse_cut(const size_t *cuts, size_t count)
{
    int fd = fresh();
    struct buf got = {0};
    size_t sent = 0;
    for (size_t i = 0; i < count; i++) {
        send_all(fd, span_of(pipeline + sent, cuts[i] - sent));
        sent = cuts[i];
        server_await_idle(&server);
    }
    send_all(fd, span_of(pipeline + sent, sizeof pipeline - 1 - sent));
    receive_to_end(fd, &got);
    close(fd);
    mask_ids(&got);
    return got;
}

static void cut_pipelines(void)
{
    enum { LEN = sizeof pipeline - 1 };
    static size_t every[LEN];
    struct buf whole = converse_cut(NULL, 0);
    static const struct span wanted =
        BYTES("+PONG\r\n$7\r\na value\r\n$4\r\na "
              "b!\r\n*3\r\n$5\r\nnil's\r\n$-1\r\n$5\r\nmax's\r\n" HELLO_3
              "_\r\n+OK\r\n$2\r\nme\r\n-ERR unknown command 'foo', with args beginning with: ''' "
              "'bar' \r\n-READONLY You can't write against a read only replica.\r\n" HELLO_3 HELLO_2
              "$4\r\n\r\n\r\n\r\n$-1\r\n-ERR Protocol error: invalid bulk length\r\n");
    is_bytes(buf_span(&whole), wanted, "a pipeline of many commands, sent at once");
    unsigned different = 0;
    for (size_t cut = 1; cut < LEN; cut++) {
        struct buf got = converse_cut(&cut, 1);
        if (!span_equal(buf_span(&got), buf_span(&whole)) && different++ == 0)
            is_bytes(buf_span(&got), buf_span(&whole), "the pipeline, cut at byte %zu", cut);
        buf_release(&got);
    }
    is_number(different, 0, "the replies are the same when the pipeline is cut at any byte");
    for (size_t i = 0; i + 1 < LEN; i++)
        every[i] = i + 1;
    struct buf got = converse_cut(every, LEN - 1);
    is_bytes(buf_span(&got), buf_span(&whole),
             "the replies are the same when the pipeline is sent byte by byte");
    buf_release(&got);
    buf_release(&whole);
}

static void half_closed(void)
{
    enum { ROUNDS = 200 };
    struct buf request = {0};
    struct buf wanted = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        buf_printf(&request, "ECHO %u\r\nMGET %s %s x\r\n", i, LONG_KEY, KEY);
        char number[16];
        snprintf(number, sizeof number, "%u", i);
        append_bulk(&wanted, span_text(number));
        buf_append_text(&wanted, "*3\r\n");
        buf_printf(&wanted, "$%d\r\n", LONG_VALUE);
        append_bytes(&wanted, 'v', LONG_VALUE);
        buf_append_text(&wanted, "\r\n$7\r\na value\r\n$-1\r\n");
    }
    // The last request is not complete, so it is not answered.
    buf_append_text(&request, "*2\r\n$4\r\nECHO\r\n$4\r\nlos");
    int fd = fresh();
    struct buf got = {0};
    send_all(fd, buf_span(&request));
    shutdown(fd, SHUT_WR);
    server_await_idle(&server); // the server sees the end before the client reads
    ok(receive_to_end(fd, &got), "a client that half-closes after a pipeline is closed");
    is_bytes(buf_span(&got), buf_span(&wanted), "before that, it gets 20 MB of replies");
    close(fd);
    buf_release(&got);
    buf_release(&request);
    buf_release(&wanted);
}

// The server must read the rest of the input before it closes. Otherwise the kernel sends a reset,
// and the client may lose the reply.
static void reply_before_unread_input(void)
{
    static const struct span errors[][2] = {
        {BYTES("*x\r\n"), BYTES("-ERR Protocol error: invalid multibulk length\r\n")},
        {BYTES("QUIT\r\n"), BYTES("+OK\r\n")},
        {BYTES("POST\r\n"), BYTES("")},
    };
    for (unsigned i = 0; i < 3; i++) {
        struct buf request = {0};
        struct buf got = {0};
        int fd = fresh();
        buf_append(&request, errors[i][0]);
        append_bytes(&request, 'x', 4 * 1024 * 1024);
        bool sent = send_all(fd, buf_span(&request));
        shutdown(fd, SHUT_WR);
        ok(receive_to_end(fd, &got) && sent, "4 MiB after the last reply can be sent");
        is_bytes(buf_span(&got), errors[i][1], "the reply before them arrives");
        close(fd);
        buf_release(&request);
        buf_release(&got);
    }
}

// ---- commands that must be enabled --------------------------------------------------------------

#define NO_SHUTDOWN "-NOPERM User default has no permissions to run the 'shutdown' command\r\n"
#define NO_DEBUG                                                                                   \
    "-ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you " \
    "can run it from a local connection, otherwise you need to set this option in the "            \
    "configuration file, and then restart the server.\r\n"

static const struct exchange disabled[] = {
    {"SHUTDOWN is refused", BYTES("SHUTDOWN\r\nshutdown nosave now\r\n"),
     BYTES(NO_SHUTDOWN NO_SHUTDOWN), GOES_ON},
    {"DEBUG is refused", BYTES("DEBUG SLEEP 0\r\n"), BYTES(NO_DEBUG), GOES_ON},
    {"DEBUG's arity is checked first", BYTES("DEBUG\r\n"),
     BYTES("-ERR wrong number of arguments for 'debug' command\r\n"), GOES_ON},
};

static const struct exchange debug_enabled[] = {
    {"DEBUG SLEEP", BYTES("DEBUG SLEEP 0\r\ndebug sleep 0.001\r\n"), BYTES("+OK\r\n+OK\r\n"),
     GOES_ON},
    {"DEBUG with another subcommand", BYTES("*2\r\n$5\r\nDEBUG\r\n$6\r\n%n\r\n+\n\r\n"),
     BYTES("-ERR unknown subcommand or wrong number of arguments for '%n  + '. Try DEBUG "
           "HELP.\r\n"),
     GOES_ON},
    {"SHUTDOWN with unknown words", BYTES("SHUTDOWN nonsense\r\nSHUTDOWN SAVE x\r\n"),
     BYTES("-ERR syntax error\r\n-ERR syntax error\r\n"), GOES_ON},
    {"SHUTDOWN ABORT", BYTES("SHUTDOWN ABORT\r\n"), BYTES("-ERR No shutdown in progress.\r\n"),
     GOES_ON},
};

static void shut_down(const char *data)
{
    static const char *const words[] = {"SHUTDOWN\r\nPING\r\n", "shutdown nosave now force\r\n"};
    static const char *const options[] = {"--enable-shutdown-command", "yes",
                                          "--enable-debug-command", "local", NULL};
    for (unsigned i = 0; i < 2; i++) {
        int status = -1;
        struct buf got = {0};
        server = server_start(data, options);
        bystander = fresh();
        if (i == 0)
            EXCHANGE_ALL(debug_enabled);
        int fd = fresh();
        send_all(fd, SPAN("ECHO a\r\n"));
        send_all(fd, span_text(words[i]));
        receive_to_end(fd, &got);
        is_bytes(buf_span(&got), SPAN("$1\r\na\r\n"),
                 "SHUTDOWN closes the connection without a reply");
        require(waitpid(server.pid, &status, 0) == server.pid, "the server is ours");
        ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the server ends with exit code 0");
        close(fd);
        close(bystander);
        buf_release(&got);
    }
}

int main(void)
{
    const char *data = data_file();
    server = server_start(data, NULL);
    bystander = fresh();
    EXCHANGE_ALL(integers);
    EXCHANGE_ALL(counts);
    EXCHANGE_ALL(inlines);
    long_lines();
    endless_line();
    announced_arguments();
    foreign_protocols();
    EXCHANGE_ALL(echoes);
    long_echoes();
    keys();
    wrong_bytes();
    EXCHANGE_ALL(key_commands);
    protocols();
    reply_types();
    refused_writes();
    cut_pipelines();
    half_closed();
    reply_before_unread_input();
    EXCHANGE_ALL(disabled);
    answers(bystander, SPAN("PING\r\n"), SPAN("+PONG\r\n"),
            "a connection of the start is still answered");
    close(bystander);
    is_number(server_stop(&server), 0, "the server ends well");
    shut_down(data);
    return done_testing();
}
