// The server reads the password file again at SIGHUP, for all loops. A bad file changes nothing,
// and no password is ever shown.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

#define KEY "00000000-0000-4000-8000-000000000001"
#define GET "GET " KEY "\r\n"
#define VALUE "$5\r\nvalue\r\n"
#define WRONG "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
#define NOAUTH "-NOAUTH Authentication required.\r\n"

static const char *password;
static struct server_process server;
static unsigned hangups;

// Writes the file, unless `content` is empty, and has the server read it. Returns when the server
// has done so.
static void change(struct span content)
{
    if (content.ptr != NULL)
        test_file("password", content);
    kill(server.pid, SIGHUP);
    hangups++;
    for (unsigned seen = 0; seen < hangups;) {
        struct buf log = file_content(server.log_path);
        seen = occurrences(buf_span(&log), "SIGHUP: reloading\n");
        buf_release(&log);
        usleep(1000);
    }
    int fd = connect_tcp(server.port); // accepted by the main loop, after it has read the file
    answers(fd, SPAN("QUIT\r\n"), SPAN("+OK\r\n"), "SIGHUP was handled");
    close(fd);
}

// Checks the reply to AUTH with a password on a new connection.
static void check_auth(const char *word, const char *reply, const char *name)
{
    char request[256];
    int fd = connect_tcp(server.port);
    snprintf(request, sizeof request, "AUTH %s\r\n", word);
    answers(fd, span_text(request), span_text(reply), "%s", name);
    close(fd);
}

static void check_again(void)
{
    server = server_start(test_file("table.data", span_text(KEY " value\n")),
                          WORDS("--requirepass-file", password, "--threads", "2"));
    int in = connect_tcp(server.port);
    int out = connect_tcp(server.port);
    answers(in, SPAN("AUTH first\r\n" GET), SPAN("+OK\r\n" VALUE), "the first password is right");
    answers(out, SPAN(GET), SPAN(NOAUTH), "without a password, GET is refused");
    change(span_text("second\n"));
    log_await(server.log_path, "the password has changed");
    answers(in, SPAN(GET), SPAN(VALUE), "an authenticated client stays authenticated");
    for (unsigned i = 0; i < 4; i++) { // clients of both loops
        check_auth("first", WRONG, "after SIGHUP the first password is wrong");
        check_auth("second", "+OK\r\n", "after SIGHUP the second password is right");
    }
    answers(out, SPAN(GET "AUTH first\r\nAUTH second\r\n" GET), SPAN(NOAUTH WRONG "+OK\r\n" VALUE),
            "an unauthenticated client needs the second password");
    answers(in, SPAN("RESET\r\n" GET "HELLO 2 AUTH default first\r\n"),
            SPAN("+RESET\r\n" NOAUTH WRONG), "a client needs the second password after RESET");

    static const struct {
        struct span content;
        const char *said;
    } bad[] = {
        {BYTES("thi\0rd\n"), "has a NUL byte"},
        {BYTES("\xff\xfet\0h\0"), "is UTF-16"},
        {BYTES("\xef\xbb\xbfthird\n"), "a byte order mark"},
        {BYTES(""), "must have 1 to 512 bytes"},
        {BYTES("\n"), "must have 1 to 512 bytes"},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        change(bad[i].content);
        ok(log_has(server.log_path, "# keeping the old password: ") &&
               log_has(server.log_path, bad[i].said),
           "the log says why the password file is bad: %s", bad[i].said);
        check_auth("second", "+OK\r\n", "with a bad file the old password stays");
    }
    unlink(password);
    require(mkfifo(password, 0600) == 0, "no FIFO");
    change(span_of(NULL, 0));
    log_await(server.log_path, "not a regular file");
    check_auth("second", "+OK\r\n", "with a FIFO the old password stays");
    unlink(password);
    change(span_of(NULL, 0));
    log_await(server.log_path, "password': No such file or directory");
    check_auth("second", "+OK\r\n", "without a file the old password stays");
    change(span_text("third"));
    check_auth("second", WRONG, "after a good file the old password is wrong");
    check_auth("third", "+OK\r\n", "after a good file the new password is right");
    close(in);
    close(out);
}

// Neither replies, such as that of SLOWLOG GET, nor the log show a password.
static void check_shown(void)
{
    int fd = connect_tcp(server.port);
    struct buf reply = {0};
    answers(fd, SPAN("AUTH third\r\nCONFIG SET slowlog-log-slower-than 0\r\n"),
            SPAN("+OK\r\n+OK\r\n"), "all commands go to the slow log");
    require(
        send_all(fd, SPAN("CONFIG SET loglevel debug\r\nAUTH SECRET1\r\nAUTH default SECRET1\r\n"
                          "HELLO 2 AUTH default SECRET1\r\nHELLO 2 SETNAME x AUTH default "
                          "SECRET1\r\nCONFIG SET requirepass SECRET1\r\n"
                          "CONFIG SET maxclients 100 requirepass SECRET1\r\n"
                          "ACL SETUSER default >SECRET1\r\nACL SETUSER x on >SECRET1\r\n"
                          "MIGRATE h 1 k 0 1 AUTH SECRET1\r\nMIGRATE h 1 k 0 1 AUTH2 u SECRET1\r\n"
                          "MULTI\r\nAUTH SECRET1\r\nEXEC\r\nCONFIG GET *\r\n")),
        "cannot send");
    require(send_all(fd, SPAN("SLOWLOG GET 100\r\nCLIENT LIST\r\nINFO everything\r\nQUIT\r\n")) &&
                receive_to_end(fd, &reply),
            "no reply");
    close(fd);
    ok(reply.len > 1000 && occurrences(buf_span(&reply), "SECRET1") == 0 &&
           occurrences(buf_span(&reply), "third") == 0,
       "no reply shows a password");
    if (occurrences(buf_span(&reply), "SECRET1") > 0)
        diag("%.*s", (int)reply.len, reply.ptr);
    buf_release(&reply);
    is_number(server_stop(&server), 0, "the server ends well");
    ok(log_lacks(server.log_path, "SECRET1") && log_lacks(server.log_path, "second") &&
           log_lacks(server.log_path, "third") && log_lacks(server.log_path, "first "),
       "the log shows no password");
}

int main(void)
{
    password = test_file("password", span_text("first\n"));
    check_again();
    check_shown();
    return done_testing();
}
