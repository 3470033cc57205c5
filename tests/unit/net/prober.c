// Tests of net/prober.h with a name server that does not answer: a node whose name cannot be
// resolved is down, and the other nodes are not. tests/integration/probing.c tests the rest.
#include "net/prober.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "serve/cluster.h"
#include "serve/settings.h"
#include "support/cluster.h"
#include "support/talk.h"
#include "support/tap.h"

enum {
    TIMEOUT_MS = 2500, // of nodes; much longer than the second between two probes
    PATIENCE_MS = 30000,
};

static atomic_bool slow;   // the name server does not answer
static atomic_uint waited; // how often it was waited for in vain

int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

// While the name server is slow, it takes longer than the timeout of nodes to give up.
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found)
{
    if (strcmp(host, "two.example") == 0) {
        int failure = __real_getaddrinfo("127.0.0.2", port, hints, found);
        return failure != 0 ? failure
                            : __real_getaddrinfo("127.0.0.1", port, hints, &(*found)->ai_next);
    }
    if (strcmp(host, "unknown.example") != 0)
        return __real_getaddrinfo(host, port, hints, found);
    if (atomic_load(&slow)) {
        pause_ms(TIMEOUT_MS + 100);
        atomic_fetch_add(&waited, 1);
    }
    return EAI_AGAIN;
}

static int open_port(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                listen(fd, 16) == 0 && getsockname(fd, (struct sockaddr *)&address, &len) == 0,
            "no port");
    *port = ntohs(address.sin_port);
    return fd;
}

// Publishes the view of the first node of a topology.
static void publish(struct cluster *cluster, struct span text)
{
    cluster_replace(cluster, view_of(text, 0, true));
    cluster_announce(cluster);
}

// Waits for a probe and answers it.
static void answer(int fd, const char *reply)
{
    char probe[256];
    require(recv(fd, probe, sizeof probe, 0) > 0, "no probe");
    require(send(fd, reply, strlen(reply), MSG_NOSIGNAL) == (ssize_t)strlen(reply),
            "cannot answer");
}

// A host has two addresses, and the node listens on the second one only.
static void check_addresses(void)
{
    struct settings settings = {.cluster_node_timeout = TIMEOUT_MS};
    struct cluster cluster;
    struct error error;
    char text[128];
    int port;
    int listener = open_port(&port);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    require(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0,
            "no timeout");
    cluster_init(&cluster);
    int len =
        snprintf(text, sizeof text,
                 "epoch 1\nshard 0-16383\nnode self 127.0.0.1:1\nnode two two.example:%d\n", port);
    publish(&cluster, span_of(text, (size_t)len));
    struct cluster_view *view = cluster_take(&cluster);
    struct prober *p = prober_start(&cluster, &settings, &error);
    require(p != NULL, "%s", error.text);
    int fd = accept(listener, NULL, NULL);
    ok(fd >= 0, "if one address of a host refuses, the next one is tried");
    answer(fd, "+OK\r\n-ERR unknown command\r\n");
    answer(fd, "+PONG\r\n");
    answer(fd, "+PONG\r\n");
    ok(cluster_is_up(view, 1), "the node is up");
    close(fd);
    fd = accept(listener, NULL, NULL);
    ok(fd >= 0, "the address that has worked is tried again");
    ok(cluster_is_up(view, 1), "the node has not been down");
    ok(prober_stop(p), "the prober ends");
    close(fd);
    close(listener);
    cluster_view_close(view);
    cluster_release(&cluster);
}

int main(void)
{
    struct settings settings = {.cluster_node_timeout = TIMEOUT_MS};
    struct cluster cluster;
    struct error error;
    int port;
    int listener = open_port(&port);
    cluster_init(&cluster);
    // The unknown node comes before the good one in the file, and is looked at before it.
    char text[256];
    int len = snprintf(text, sizeof text,
                       "epoch 1\nshard 0-16383\nnode self 127.0.0.1:1\n"
                       "node unknown unknown.example:1\nnode good 127.0.0.1:%d\n",
                       port);
    publish(&cluster, span_of(text, (size_t)len));
    struct cluster_view *view = cluster_take(&cluster);
    struct prober *p = prober_start(&cluster, &settings, &error);
    require(p != NULL, "%s", error.text);

    int fd = accept(listener, NULL, NULL);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    require(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0,
            "no connection");
    // As a node of a version that only knows PING.
    answer(fd, "+OK\r\n-ERR unknown command\r\n");
    answer(fd, "+PONG\r\n");
    ok(cluster_is_up(view, 2), "a node that answers is up");
    atomic_store(&slow, true);
    while (atomic_load(&waited) == 0)
        answer(fd, "+PONG\r\n");
    atomic_store(&slow, false);
    // When it asks for the second time, the prober has looked at this node after it had waited.
    answer(fd, "+PONG\r\n");
    answer(fd, "+PONG\r\n");
    ok(!cluster_is_up(view, 1), "a node whose name cannot be resolved is down");
    ok(cluster_is_up(view, 2), "the one that answers is not");

    ok(prober_stop(p), "the prober ends");
    close(fd);
    close(listener);
    cluster_view_close(view);
    cluster_release(&cluster);
    check_addresses();
    return done_testing();
}
