// The clients' ends do not block, so a test runs in one thread.
#include "unit/support/pairs.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "net/conn.h"
#include "net/worker.h"
#include "support/tap.h"

struct client client_connect(struct pairs *p)
{
    int ends[2];
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0,
            "no socket pair");
    worker_adopt(p->worker, ends[0], ++p->last_id, true, false);
    struct link *newest = p->worker->loop.active.previous;
    return (struct client){ends[1], (struct conn *)((char *)newest - offsetof(struct conn, link))};
}

void client_send(const struct client *c, const char *text)
{
    require(write(c->fd, text, strlen(text)) == (ssize_t)strlen(text), "cannot write");
}

bool client_receive(const struct client *c, struct buf *to)
{
    for (;;) {
        char *room = buf_reserve(to, 65536);
        require(room != NULL, "no memory");
        ssize_t count = read(c->fd, room, 65536);
        if (count <= 0)
            return count < 0 && errno == EAGAIN;
        to->len += (size_t)count;
    }
}

void pairs_turn(const struct pairs *p, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        ev_run(p->loop, EVRUN_NOWAIT);
}
