// Serving writes no cache line that another loop touches. Three loops serve clients at once while
// every access to memory is watched: hits, misses, values that are copied and values that are
// borrowed, MGETs and pipelines that take several turns.
#include <ev.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "net/workers.h"
#include "sharing/hooks.h"
#include "support/server.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"

#define KEY "0f8fad5b-d9cb-469f-a165-70867728950e"
#define LONG_KEY "abcdefab-cdef-abcd-efab-cdefabcdefab"
#define ABSENT_KEY "11111111-2222-3333-4444-555555555555"

enum { LOOPS = 3, CLIENTS = 9, ROUNDS = 30, PIPELINED = 400, LONG_VALUE = 20000 };

static struct workers *workers;
static struct ev_loop *loop;
static ev_async finish; // in the main thread's loop
static int fds[CLIENTS];
static struct buf request;
static struct buf wanted;

// ---- the watching itself ------------------------------------------------------------------------

static struct {
    int written;
    int read;
    char apart[1024];
    int alone;
} sample;

static void *touch(void *argument)
{
    *(volatile int *)argument = 1;
    return NULL;
}

static void check_watching(void)
{
    pthread_t other;
    int read = 0;
    hooks_watch(true);
    require(pthread_create(&other, NULL, touch, &sample.alone) == 0, "no thread");
    pthread_join(other, NULL);
    read += *(volatile int *)&sample.read;
    hooks_watch(false);
    is_number(hooks_shared(), 0, "lines of one thread each are not shared");
    hooks_watch(true);
    require(pthread_create(&other, NULL, touch, &sample.written) == 0, "no thread");
    pthread_join(other, NULL);
    read += *(volatile int *)&sample.read;
    hooks_watch(false);
    is_number(hooks_shared(), 1, "a line that one writes beside what another reads is");
    is_number(read, 0, "what is read is not what is written");
}

// ---- the loops ----------------------------------------------------------------------------------

static void make_requests(void)
{
    for (unsigned i = 0; i < PIPELINED; i++) {
        buf_append_text(&request, "GET " KEY "\r\nget " ABSENT_KEY "\r\nECHO a\r\n");
        buf_append_text(&wanted, "$5\r\nvalue\r\n$-1\r\n$1\r\na\r\n");
    }
    buf_append_text(&request,
                    "MGET " KEY " " LONG_KEY " " ABSENT_KEY "\r\nGET " LONG_KEY "\r\nEXISTS " KEY
                    " " ABSENT_KEY "\r\nSTRLEN " LONG_KEY "\r\nnone\r\n");
    buf_append_text(&wanted, "*3\r\n$5\r\nvalue\r\n");
    for (unsigned i = 0; i < 2; i++) {
        buf_printf(&wanted, "$%d\r\n", LONG_VALUE);
        append_bytes(&wanted, 'v', LONG_VALUE);
        buf_append_text(&wanted, i == 0 ? "\r\n$-1\r\n" : "\r\n");
    }
    buf_printf(&wanted, ":1\r\n:%d\r\n-ERR unknown command 'none', with args beginning with: \r\n",
               LONG_VALUE);
}

// All clients at once.
static unsigned ask_all(void)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        wrong += !send_all(fds[i], buf_span(&request));
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct buf got = {0};
        wrong +=
            !receive(fds[i], &got, wanted.len) || !span_equal(buf_span(&got), buf_span(&wanted));
        buf_release(&got);
    }
    return wrong;
}

static void *ask_and_watch(void *argument)
{
    unsigned wrong;
    (void)argument;
    hooks_ignore();
    wrong = ask_all(); // the first sockets are still on their way
    hooks_watch(true);
    for (unsigned i = 0; i < ROUNDS; i++)
        wrong += ask_all();
    hooks_watch(false);
    is_number(wrong, 0, "all replies are right");
    ev_async_send(loop, &finish);
    return NULL;
}

static void on_finish(struct ev_loop *of, ev_async *async, int events)
{
    (void)of;
    (void)async;
    (void)events;
    workers_drain(workers);
}

static void on_drained(void *context)
{
    (void)context;
    ev_break(loop, EVBREAK_ALL);
}

static void check_loops(void)
{
    struct error error = {""};
    struct buf text = {0};
    pthread_t client;
    const struct workers_owner owner = {.drained = on_drained};
    struct settings settings = test_settings;
    settings.threads = LOOPS;
    buf_append_text(&text, KEY " value\n" LONG_KEY " ");
    append_bytes(&text, 'v', LONG_VALUE);
    buf_append_text(&text, "\n");
    struct dataset *dataset =
        dataset_open_memory(buf_span(&text), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
    loop = ev_default_loop(EVFLAG_AUTO);
    workers = workers_new(loop, &settings, dataset, command_groups, &owner, &error);
    require(workers != NULL, "%s", error.text);
    for (unsigned i = 0; i < CLIENTS; i++) {
        int ends[2];
        require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "no socket pair");
        require(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0, "cannot set O_NONBLOCK");
        workers_adopt(workers, ends[0], true, false);
        fds[i] = ends[1];
    }
    ev_async_init(&finish, on_finish);
    ev_async_start(loop, &finish);
    require(pthread_create(&client, NULL, ask_and_watch, NULL) == 0, "no thread");
    ev_run(loop, 0);
    pthread_join(client, NULL);
    ok(hooks_lines() > 1000, "%u lines were seen", hooks_lines());
    is_number(hooks_shared(), 0, "none of them is written by one loop and touched by another");
    ok(workers_stop(workers), "the loops end");
    workers_free(workers);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(fds[i]);
    ev_loop_destroy(loop);
    dataset_close(dataset);
    buf_release(&text);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    make_requests();
    check_watching();
    check_loops();
    buf_release(&request);
    buf_release(&wanted);
    return done_testing();
}
