// Floods a server with requests. The replies are read and dropped. Otherwise the server would stop
// reading requests.
#include "bench/load/flood.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "bench/load/connect.h"

enum {
    REQUESTS = 2000,   // requests that are made once and sent again and again
    INPUT = 1 << 20,   // bytes read at once
    LOWEST = 19,       // nice value of the lowest priority
    CANNOT_FLOOD = 99, // exit status of a failure
};

// Sends as many bytes as the socket accepts, from offset `*at` on, which may be within a request.
static bool write_some(int fd, const struct buf *requests, size_t *at)
{
    ssize_t n = send(fd, requests->ptr + *at, requests->len - *at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
        *at = (*at + (size_t)n) % requests->len;
    return n > 0 || errno == EAGAIN || errno == EINTR;
}

static bool read_some(int fd, char *input)
{
    ssize_t n = recv(fd, input, INPUT, MSG_DONTWAIT);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool serve(struct pollfd *p, const struct buf *requests, size_t *at, char *input)
{
    if ((p->revents & ~POLLOUT) && !read_some(p->fd, input))
        return false;
    return !(p->revents & POLLOUT) || write_some(p->fd, requests, at);
}

// Sends and receives until the process is killed or a connection is lost.
static void run(struct pollfd *connections, size_t *at, size_t count, const struct buf *requests,
                char *input)
{
    for (;;) {
        if (poll(connections, count, -1) < 0 && errno != EINTR)
            return;
        for (size_t i = 0; i < count; i++)
            if (!serve(&connections[i], requests, &at[i], input))
                return;
    }
}

static _Noreturn void flood(struct pollfd *connections, size_t count, const struct batch *batch)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpriority(PRIO_PROCESS, 0, LOWEST);
    char *input = malloc(INPUT);
    size_t *at = calloc(count, sizeof *at);
    if (input != NULL && at != NULL)
        run(connections, at, count, &batch->request, input);
    _exit(CANNOT_FLOOD);
}

static bool connect_all(struct pollfd *connections, size_t count, const char *address,
                        struct error *error)
{
    for (size_t i = 0; i < count; i++)
        connections[i] = (struct pollfd){.fd = -1, .events = POLLIN | POLLOUT};
    for (size_t i = 0; i < count; i++) {
        connections[i].fd = connect_to(address, error);
        if (connections[i].fd < 0)
            return false;
    }
    return true;
}

static bool fork_flood(struct flood *f, struct pollfd *connections, size_t count,
                       const struct batch *batch, struct error *error)
{
    f->pid = fork();
    if (f->pid == 0)
        flood(connections, count, batch);
    if (f->pid > 0)
        return true;
    f->pid = 0;
    error_set(error, "cannot fork: %s", strerror(errno));
    return false;
}

bool flood_start(struct flood *f, const char *address, enum protocol protocol, size_t connections,
                 const struct data_file *file, struct error *error)
{
    struct load load = {
        .protocol = protocol, .kind = REQUEST_GET, .keys = 1, .pipeline = REQUESTS, .file = file};
    struct batch_source source;
    struct batch batch = {0};
    struct pollfd *polled = calloc(connections, sizeof *polled);
    bool made = batch_source_init(&source, &load, 1) && batch_fill(&batch, &source);
    bool good = false;
    if (!made || polled == NULL)
        error_set(error, "no memory for the flood");
    else
        good = connect_all(polled, connections, address, error) &&
               fork_flood(f, polled, connections, &batch, error);
    for (size_t i = 0; polled != NULL && i < connections; i++)
        if (polled[i].fd > 0)
            close(polled[i].fd); // the child process keeps them open
    free(polled);
    batch_release(&batch);
    batch_source_release(&source);
    return good;
}

bool flood_stop(struct flood *f, struct error *error)
{
    int status = 0;
    if (f->pid == 0)
        return true;
    bool running = waitpid(f->pid, &status, WNOHANG) == 0;
    if (running) {
        kill(f->pid, SIGKILL);
        waitpid(f->pid, &status, 0);
    }
    f->pid = 0;
    if (!running)
        error_set(error, "the flood ended too early; did the server close its connection?");
    return running;
}
