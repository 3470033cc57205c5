// Fault F23 (docs/faults.md): storms of SIGHUP and SIGTERM, SIGTERM while a dataset is being
// opened, SIGSTOP and SIGCONT. The server exits with code 0 and sends all replies, even those of
// which it had sent only a part when the signals came. tests/integration/lifecycle.c tests SIGTERM
// and SIGINT at other moments.
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/control.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/twins.h"
#include "support/watch.h"

enum {
    KEYS = 2000,
    MANY_KEYS = 400000, // their index takes about 0.1 s to build, with a sanitizer some seconds
    MANY_KEYS_CHECKED = 100000,
    CONNECTIONS = 20,
    HANGUPS = 1000,
    REPLIES = 5,
    STOPS = 10,
    READERS = 3,
    GETS = 600, // GETs of large values; the replies exceed what the kernel buffers for a client
    PIECE = 64 * 1024,
};

static const char *const options[] = {"--requirepass", CONTROL_PASSWORD, NULL};
static struct random seed;

static int end(struct server_process *s)
{
    int status = 0;
    require(waitpid(s->pid, &status, 0) == s->pid, "the server is not ours");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

// Slow clients, which have requested more than they have read.
struct readers {
    int fd[READERS];
    struct buf wanted;
    struct buf got[READERS];
};

// Sends the requests. The values are those of the second data file (support/twins.h). Returns when
// each client has received the beginning of its replies.
static void readers_start(struct readers *r, int port)
{
    struct buf request = {0};
    struct buf value = {0};
    int room = 2 * PIECE;
    *r = (struct readers){.fd = {0}};
    buf_append_text(&value, "b0:");
    append_bytes(&value, 'B', TWINS_LARGE);
    for (unsigned i = 0; i < GETS; i++) {
        buf_append_text(&request, "GET 00000000-0000-4000-8000-000000000000\r\n");
        append_bulk(&r->wanted, buf_span(&value));
    }
    for (unsigned i = 0; i < READERS; i++) {
        r->fd[i] = control_open(port);
        setsockopt(r->fd[i], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        require(send_all(r->fd[i], buf_span(&request)) && receive(r->fd[i], &r->got[i], PIECE),
                "no replies");
    }
    buf_release(&request);
    buf_release(&value);
}

// Each client reads a piece at a time, up to the end of its replies and of the connection.
static void readers_finish(struct readers *r)
{
    size_t pieces = (r->wanted.len - 1) / PIECE;
    bool lost = false;
    for (size_t piece = 0; piece < pieces && !lost; piece++) {
        for (unsigned i = 0; i < READERS; i++) {
            size_t left = r->wanted.len - r->got[i].len;
            lost = lost || !receive(r->fd[i], &r->got[i], left < PIECE ? left : PIECE);
        }
        poll(NULL, 0, 1); // the clients are slow
    }
    for (unsigned i = 0; i < READERS; i++) {
        ok(receive_to_end(r->fd[i], &r->got[i]), "a slow client: the connection closes at the end");
        is_number((int64_t)r->got[i].len, (int64_t)r->wanted.len,
                  "a slow client: all replies have come before the end");
        ok(span_equal(buf_span(&r->got[i]), buf_span(&r->wanted)),
           "a slow client: all replies are right");
        close(r->fd[i]);
        buf_release(&r->got[i]);
    }
    buf_release(&r->wanted);
}

static void storm(void)
{
    struct readers readers;
    struct twins twins;
    twins_write(&twins, KEYS, false);
    struct server_process s = server_start(twins.live, options);
    int control = control_open(s.port);
    struct askers *askers = askers_new(&twins, s.port, CONNECTIONS, &seed, CONTROL_PASSWORD);
    twins_replace(&twins);
    for (unsigned i = 0; i < HANGUPS; i++) {
        kill(s.pid, SIGHUP);
        if (i % 100 == 0)
            askers_run(askers, -1, 1);
    }
    // The reply comes at the end of a reload that began after this request.
    const char *reply = control_line(control, "STELE.RELOAD");
    ok(strcmp(reply, "+OK") == 0 || strcmp(reply, "+OK unchanged") == 0,
       "a reload after %d SIGHUPs: %s", HANGUPS, reply);
    twins_acknowledge(&twins);
    askers_run(askers, -1, REPLIES);
    is_number(askers_wrong(askers), 0, "no reply is wrong");
    askers_free(askers);
    readers_start(&readers, s.port);
    for (unsigned i = 0; i < 20; i++)
        kill(s.pid, i % 2 == 0 ? SIGHUP : SIGTERM);
    ok(is_closed(control), "an idle client is closed");
    for (unsigned i = 0; i < 20; i++)
        kill(s.pid, i % 2 == 0 ? SIGHUP : SIGTERM);
    readers_finish(&readers);
    is_number(end(&s), 0, "one clean exit");
    ok(log_lacks(s.log_path, "did not read their replies"), "no client was disconnected early");
    close(control);
}

// SIGTERM arrives while the file is read, or while its index is built, published or written.
static void stop_while_reloading(void)
{
    struct twins twins;
    bool done;
    twins_write(&twins, CHECKED_BUILD ? MANY_KEYS_CHECKED : MANY_KEYS, false);
    for (unsigned i = 0; i < STOPS; i++) {
        unlink(test_path("live.data.idx")); // so that each reload builds the index
        struct server_process s = server_start(twins.live, options);
        int asker = control_open(s.port);
        int other = control_open(s.port);
        unsigned looks = (unsigned)random_below(&seed, 60);
        twins_replace(&twins);
        require(send_all(asker, SPAN("*1\r\n$12\r\nSTELE.RELOAD\r\n")), "the server is gone");
        for (unsigned look = 0; look < looks; look++)
            control_info(other, "dataset_reload_in_progress");
        kill(s.pid, SIGTERM);
        const char *reply = control_line(asker, NULL);
        done = strcmp(reply, "+OK") == 0;
        ok(done || strcmp(reply, "-ERR cannot reload: the server is stopping") == 0,
           "SIGTERM after %u requests: %s", looks, reply);
        is_number(end(&s), 0, "one clean exit");
        close(asker);
        close(other);
    }
}

// Requests that are sent while the server is stopped are answered when it continues.
static void stop_and_continue(void)
{
    struct twins twins;
    int status;
    twins_write(&twins, KEYS, true);
    struct server_process s = server_start(twins.live, options);
    int control = control_open(s.port);
    struct askers *askers = askers_new(&twins, s.port, CONNECTIONS, &seed, CONTROL_PASSWORD);
    for (unsigned i = 0; i < STOPS; i++) {
        twins_replace(&twins);
        require(send_all(control, SPAN("*1\r\n$12\r\nSTELE.RELOAD\r\n")), "the server is gone");
        kill(s.pid, SIGSTOP);
        require(waitpid(s.pid, &status, WUNTRACED) == s.pid && WIFSTOPPED(status), "not stopped");
        kill(s.pid, SIGHUP);
        kill(s.pid, SIGCONT);
        askers_run(askers, control, 0);
        // SIGHUP may have loaded the new file already.
        const char *reply = control_line(control, NULL);
        ok(strcmp(reply, "+OK") == 0 || strcmp(reply, "+OK unchanged") == 0,
           "stopped and continued during a reload: %s", reply);
        twins_acknowledge(&twins);
        askers_run(askers, -1, REPLIES);
    }
    is_number(askers_wrong(askers), 0, "no reply is wrong");
    askers_free(askers);
    close(control);
    is_number(server_stop(&s), 0, "exit code");
}

int main(void)
{
    seed = random_seeded();
    storm();
    stop_while_reloading();
    stop_and_continue();
    return done_testing();
}
