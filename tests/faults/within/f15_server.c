// Fault F15 (docs/faults.md): calls that a server makes fail: allocations, calls on sockets, and
// pthread_create. One call fails, or one call and all later ones. A server that is starting reports
// why it cannot start, or starts nevertheless. A server that serves may close the connection. But
// no reply is wrong, and the next connection is served.
//
// Only calls of the server's own code fail. Calls of libev do not, as libev ends the process when
// memory is short.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "faults/support/failing.h"
#include "net/publisher.h"
#include "net/server.h"
#include "support/server.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

enum { CALLS_MAX = 300, LARGE = 1000000, PATIENCE = 20 };

#define KEY(n) "00000000-0000-4000-8000-00000000000" #n

static unsigned tried; // number of calls that have failed

static struct buf text; // the data of all datasets

static struct dataset *open_again(void *context, struct error *error)
{
    (void)context;
    return dataset_open_memory(buf_span(&text), "t", DATASET_REFUSE_MALFORMED, NULL, error);
}

static const struct dataset_source source = {open_again, NULL, "t"};

struct kind {
    const char *name;
    unsigned kinds; // calls that fail, as bits of enum failing
    int error;      // errno of these calls
    bool after;     // all calls after the first failing one fail too
};

static struct settings settings;
static struct dataset *dataset;

// ---- starting -----------------------------------------------------------------------------------

enum { START_FAILED = 1, START_WRONG = 2 };

// Starts a server while call number `at` fails. Runs in a child process, as the first loop is
// libev's default loop, of which a process has only one.
static int start(const struct kind *kind, unsigned at)
{
    struct error error = {""};
    failing_begin(kind->kinds, at, kind->after, kind->error);
    struct server *server = server_open(&settings, command_groups, &error);
    bool listens = server != NULL && server_listen(server, &source, dataset, &error);
    bool failed = failing_end();
    bool explained = *error.text != '\0' && strchr(error.text, '\n') == NULL;
    if (server == NULL)
        dataset_close(dataset);
    server_close(server);
    bool good = failed ? listens || explained : listens;
    if (!good)
        diag("%s: call %u: %s", kind->name, at, error.text);
    return (failed ? START_FAILED : 0) | (good ? 0 : START_WRONG);
}

static void check_start(const struct kind *kind)
{
    unsigned at = 0, bad = 0;
    int status = START_FAILED;
    while (status == START_FAILED && at < CALLS_MAX) {
        fflush(stdout);
        at++;
        pid_t child = fork();
        if (child == 0) {
            exit(start(kind, at)); // not _exit, as leaks are checked at exit
        }
        require(child > 0 && waitpid(child, &status, 0) == child, "cannot wait");
        status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        bad += status != START_FAILED && status != 0;
        if (status > START_FAILED || status < 0)
            diag("call %u: exit status %d", at, status);
        status = status == 0 ? 0 : START_FAILED;
    }
    ok(bad == 0 && at > 1 && at < CALLS_MAX, "starting, %s, %s: %u calls", kind->name,
       kind->after ? "a call and all later ones" : "one call", at - 1);
    tried += at - 1;
}

// ---- serving ------------------------------------------------------------------------------------

static int port;

struct talk {
    const char *name;
    struct buf request;
    size_t cut; // bytes of the request that are sent first
    struct buf wanted;
};

static int connect_patiently(void)
{
    struct timeval patience = {.tv_sec = PATIENCE};
    int fd = connect_tcp(port);
    require(fd >= 0, "cannot connect");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (settings.requirepass != NULL) {
        struct buf reply = {0};
        require(send_all(fd, span_text("AUTH p\r\n")) && receive(fd, &reply, 5) &&
                    span_equal(buf_span(&reply), span_text("+OK\r\n")),
                "no AUTH");
        buf_release(&reply);
    }
    return fd;
}

// Receives the reply. Returns false if a byte is not as in `wanted`, or if no byte comes in time.
// If the connection ends before all of `wanted` has come, sets `*ended` and returns true.
static bool receive_reply(int fd, struct span wanted, bool *ended)
{
    static char received[64 * 1024];
    size_t have = 0;
    ssize_t got = 1;
    while (have < wanted.len && got > 0) {
        size_t room = wanted.len - have < sizeof received ? wanted.len - have : sizeof received;
        got = recv(fd, received, room, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return false; // no reply in time
        if (got > 0 && memcmp(received, wanted.ptr + have, (size_t)got) != 0)
            return false;
        have += got > 0 ? (size_t)got : 0;
    }
    *ended = have < wanted.len;
    return true;
}

static bool talk_once(const struct talk *t, bool *ended)
{
    int fd = connect_patiently();
    struct span request = buf_span(&t->request);
    // If sending fails, the connection has ended. Receiving then notices it.
    ssize_t sent = send(fd, request.ptr, t->cut, MSG_NOSIGNAL);
    if (sent >= 0 && t->cut < request.len)
        (void)send_all(fd, span_of(request.ptr + t->cut, request.len - t->cut));
    bool good = receive_reply(fd, buf_span(&t->wanted), ended);
    close(fd);
    return good;
}

static bool is_served(void)
{
    static const char request[] = "GET " KEY(0) "\r\n";
    bool ended = true;
    int fd = connect_patiently();
    bool good =
        send_all(fd, span_text(request)) && receive_reply(fd, span_text("$5\r\nvalue\r\n"), &ended);
    close(fd);
    return good && !ended;
}

static void check_talk(const struct talk *t, const struct kind *kind)
{
    unsigned at = 0, bad = 0, ends = 0, worse = 0;
    for (bool failed = true; failed && at < CALLS_MAX;) {
        bool ended = false;
        failing_begin(kind->kinds, ++at, kind->after, kind->error);
        bool good = talk_once(t, &ended);
        failed = failing_end();
        bad += !good;
        ends += ended;
        worse += !is_served();
    }
    bool harmless = kind->error == EINTR || kind->error == EAGAIN;
    ok(bad == 0 && worse == 0 && (!harmless || ends == 0) && at > 1 && at < CALLS_MAX,
       "%s, %s, %s: %u calls, %u close the connection", t->name, kind->name,
       kind->after ? "a call and all later ones" : "one call", at - 1, ends);
    tried += at - 1;
}

static void *serve(void *argument)
{
    server_run(argument);
    return NULL;
}

static struct server *begin_serving(pthread_t *thread)
{
    struct error error;
    struct server *server = server_open(&settings, command_groups, &error);
    require(server != NULL && server_listen(server, &source, open_again(NULL, &error), &error),
            "%s", error.text);
    port = atoi(strrchr(server_address(server), ':') + 1);
    require(pthread_create(thread, NULL, serve, server) == 0, "no thread");
    return server;
}

static void end_serving(struct server *server, pthread_t thread)
{
    int fd = connect_patiently();
    require(send_all(fd, span_text("SHUTDOWN\r\n")), "cannot stop it");
    pthread_join(thread, NULL);
    close(fd);
    server_close(server);
}

// The reply to STELE.RELOAD is OK or an error, or the connection closes. The server then serves the
// old dataset or the new one.
static void check_reload(void)
{
    static const char request[] = "STELE.RELOAD\r\n";
    unsigned at = 0, refused = 0, ends = 0, bad = 0;
    pthread_t thread;
    settings.requirepass = "p";
    struct server *server = begin_serving(&thread);
    for (bool failed = true; failed && at < CALLS_MAX;) {
        int fd = connect_patiently();
        struct buf reply = {0};
        failing_begin(FAILING_MEMORY, ++at, false, ENOMEM);
        require(send_all(fd, span_text(request)), "cannot send");
        bool there;
        do
            there = receive(fd, &reply, 1);
        while (there && reply.ptr[reply.len - 1] != '\n');
        failed = failing_end();
        struct span got = buf_span(&reply);
        bool error = got.len > 20 && memcmp(got.ptr, "-ERR cannot reload: ", 20) == 0;
        refused += error;
        ends += !there;
        bad += there ? !error && !span_equal(got, span_text("+OK\r\n")) : got.len > 0;
        bad += !is_served();
        buf_release(&reply);
        close(fd);
    }
    ok(bad == 0 && refused > 0 && at > 1 && at < CALLS_MAX,
       "STELE.RELOAD, memory: %u calls, %u refused, %u close the connection", at - 1, refused,
       ends);
    tried += at - 1;
    end_serving(server, thread);
}

static void add_request(struct talk *t, const char *request, struct span reply)
{
    append_request(&t->request, request);
    append_bulk(&t->wanted, reply);
    t->cut = t->request.len;
}

static void check_serving(struct span large)
{
    static const struct kind kinds[] = {
        {"memory", FAILING_MEMORY, ENOMEM, false},
        {"memory", FAILING_MEMORY, ENOMEM, true},
        {"sockets: EINTR", FAILING_SOCKETS, EINTR, false},
        {"sockets: EAGAIN", FAILING_SOCKETS, EAGAIN, false},
        {"sockets: ENOBUFS", FAILING_SOCKETS, ENOBUFS, false},
        {"sockets: ECONNRESET", FAILING_SOCKETS, ECONNRESET, false},
    };
    struct talk talks[] = {{.name = "GET"},
                           {.name = "a large value"},
                           {.name = "pipelined"},
                           {.name = "in two pieces"},
                           {.name = "CLIENT LIST"}};
    pthread_t thread;
    add_request(&talks[0], "GET " KEY(0), span_text("value"));
    add_request(&talks[1], "GET " KEY(1), large);
    for (unsigned i = 0; i < 1000; i++)
        add_request(&talks[2], "GET " KEY(0), span_text("value"));
    add_request(&talks[2], "GET " KEY(1), large);
    add_request(&talks[3], "GET " KEY(0), span_text("value"));
    talks[3].cut = talks[3].request.len - 10;
    append_request(&talks[4].request, "CLIENT LIST ID 0");
    append_bulk(&talks[4].wanted, span_text(""));
    talks[4].cut = talks[4].request.len;
    struct server *server = begin_serving(&thread);
    failing_spares = true;
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
        for (size_t j = 0; j < sizeof kinds / sizeof *kinds; j++)
            check_talk(&talks[i], &kinds[j]);
        buf_release(&talks[i].request);
        buf_release(&talks[i].wanted);
    }
    end_serving(server, thread);
}

int main(void)
{
    static const struct kind kinds[] = {
        {"memory", FAILING_MEMORY, ENOMEM, false},    {"memory", FAILING_MEMORY, ENOMEM, true},
        {"sockets", FAILING_SOCKETS, ENOBUFS, false}, {"sockets", FAILING_SOCKETS, ENOBUFS, true},
        {"threads", FAILING_THREADS, EAGAIN, false},
    };
    char folder[] = "/tmp/stele-test-XXXXXX";
    char path[sizeof folder + 16];
    struct error error;
    require(log_open("/dev/null", LOG_NOTICE, &error), "%s", error.text);
    settings = test_settings;
    settings.tcp = true;
    settings.bind = (struct setting_list){1, {"127.0.0.1"}};
    settings.threads = 2;
    settings.runtime.maxclients = 100;
    settings.tcp_backlog = 16;
    settings.admin_commands = ENABLE_YES;
    settings.enable_shutdown_command = true;
    buf_append_text(&text, KEY(0) " value\n" KEY(1) " ");
    size_t at = text.len;
    append_bytes(&text, 'x', LARGE);
    buf_append_text(&text, "\n");
    require(!text.oom, "no memory");
    dataset = open_again(NULL, &error);
    // The folder of the test is not used, as the first child that ends would remove it.
    require(mkdtemp(folder) != NULL, "no folder");
    snprintf(path, sizeof path, "%s/socket", folder);
    settings.unixsocket = path;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        check_start(&kinds[i]);
    rmdir(folder);
    settings.unixsocket = "";
    dataset_close(dataset);
    check_serving(span_of(text.ptr + at, LARGE));
    check_reload();
    buf_release(&text);
    diag("%u calls failed", tried);
    return done_testing();
}
