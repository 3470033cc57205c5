// The password file while the server serves: read again at SIGHUP, by all loops; what is bad in it
// changes nothing; and no password is ever shown.
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

// Writes the file and has the server read it; returns when clients who connect then find it read.
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
    int fd = connect_tcp(server.port); // accepted by the loop that has read it
    answers(fd, SPAN("QUIT\r\n"), SPAN("+OK\r\n"), "SIGHUP is done with");
    close(fd);
}

static void enters(const char *word, const char *reply, const char *name)
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
    answers(in, SPAN("AUTH first\r\n" GET), SPAN("+OK\r\n" VALUE), "the first password");
    answers(out, SPAN(GET), SPAN(NOAUTH), "no password");
    change(span_text("second\n"));
    log_await(server.log_path, "the password has changed");
    answers(in, SPAN(GET), SPAN(VALUE), "who is in stays");
    for (unsigned i = 0; i < 4; i++) { // of both loops
        enters("first", WRONG, "the first one is wrong by now");
        enters("second", "+OK\r\n", "the second is right");
    }
    answers(out, SPAN(GET "AUTH first\r\nAUTH second\r\n" GET), SPAN(NOAUTH WRONG "+OK\r\n" VALUE),
            "an unauthenticated client needs the second");
    answers(in, SPAN("RESET\r\n" GET "HELLO 2 AUTH default first\r\n"),
            SPAN("+RESET\r\n" NOAUTH WRONG), "who leaves by RESET needs the second, too");

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
           "a file that is no password: %s", bad[i].said);
        enters("second", "+OK\r\n", "the old one stays");
    }
    unlink(password);
    require(mkfifo(password, 0600) == 0, "no FIFO");
    change(span_of(NULL, 0));
    log_await(server.log_path, "not a regular file");
    enters("second", "+OK\r\n", "a FIFO is not waited for");
    unlink(password);
    change(span_of(NULL, 0));
    log_await(server.log_path, "password': No such file or directory");
    enters("second", "+OK\r\n", "nor does a file that is gone leave it without");
    change(span_text("third"));
    enters("second", WRONG, "a good one is taken again");
    enters("third", "+OK\r\n", "and right");
    close(in);
    close(out);
}

// What shows what clients have said: the slow log, and the log.
static void check_shown(void)
{
    int fd = connect_tcp(server.port);
    struct buf reply = {0};
    answers(fd, SPAN("AUTH third\r\nCONFIG SET slowlog-log-slower-than 0\r\n"),
            SPAN("+OK\r\n+OK\r\n"), "everything is slow");
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
       "no reply shows what was tried");
    if (occurrences(buf_span(&reply), "SECRET1") > 0)
        diag("%.*s", (int)reply.len, reply.ptr);
    buf_release(&reply);
    is_number(server_stop(&server), 0, "the server ends well");
    ok(log_lacks(server.log_path, "SECRET1") && log_lacks(server.log_path, "second") &&
           log_lacks(server.log_path, "third") && log_lacks(server.log_path, "first "),
       "nor does the log");
}

int main(void)
{
    password = test_file("password", span_text("first\n"));
    check_again();
    check_shown();
    return done_testing();
}
