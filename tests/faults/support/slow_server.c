// The server runs in a thread. Its clients are sockets of the test.
#include "faults/support/slow_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mapping.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "faults/support/slow_disk.h"
#include "net/publisher.h"
#include "net/server.h"
#include "support/server.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"

static struct server *server;
static pthread_t thread;
static int port;
static struct settings settings;
static const char *path;

// ---- data ---------------------------------------------------------------------------------------

const char *slow_key(unsigned i)
{
    static char keys[4][UUID_TEXT_LEN + 1];
    static unsigned next;
    char *key = keys[next++ % 4];
    snprintf(key, sizeof keys[0], "%08x-0000-4000-8000-%012x", i * 1000003u, i);
    return key;
}

void slow_value(struct buf *to, char edition, unsigned i)
{
    // Around the lengths from which on values are read in another way.
    static const size_t lengths[SLOW_LARGE] = {4000, 16383, 16384, 16400, 16473, 16500, 200000};
    size_t len = i < SLOW_LINES ? SLOW_LINE - UUID_TEXT_LEN - 2 : lengths[i - SLOW_LINES];
    char head[32];
    int head_len = snprintf(head, sizeof head, "%c%08u", edition, i);
    buf_append(to, span_of(head, (size_t)head_len));
    append_bytes(to, (char)('a' + i % 26), len - (size_t)head_len);
}

const char *slow_file(char edition)
{
    struct buf text = {0};
    for (unsigned i = 0; i < SLOW_LINES + SLOW_LARGE; i++) {
        buf_append_text(&text, slow_key(i));
        buf_append_text(&text, " ");
        slow_value(&text, edition, i);
        buf_append_text(&text, "\n");
        require(i >= SLOW_LINES || text.len == (i + 1) * SLOW_LINE, "a line of another length");
    }
    const char *file = test_file("slow.new", buf_span(&text));
    path = test_path("slow.data");
    require(rename(file, path) == 0, "cannot rename");
    buf_release(&text);
    return path;
}

const char *slow_path(void)
{
    return path;
}

static struct dataset *open_again(void *context, struct error *error)
{
    (void)context;
    struct dataset_settings how = {.index = DATASET_INDEX_NONE};
    return dataset_open(path, &how, NULL, error);
}

static const struct dataset_source source = {open_again, NULL, "slow.data"};

// ---- the server ---------------------------------------------------------------------------------

static void *serve(void *argument)
{
    server_run(argument);
    return NULL;
}

void slow_server_start(unsigned readers, bool fits)
{
    struct error error;
    slow_disk_reset();
    slow_file('a');
    mapping_catch_faults();
    require(log_open("/dev/null", LOG_NOTICE, &error), "%s", error.text);
    // Less than the data, but enough for a table of all pages that a test reads.
    slow_disk_memory(fits ? 0 : SLOW_LINES * SLOW_LINE);
    settings = test_settings;
    settings.tcp = true;
    settings.bind = (struct setting_list){1, {"127.0.0.1"}};
    settings.threads = 1;
    settings.read_threads = readers;
    settings.runtime.maxclients = 100;
    settings.tcp_backlog = 16;
    settings.admin_commands = ENABLE_YES;
    settings.enable_shutdown_command = true;
    settings.requirepass = "p";
    struct dataset *d = open_again(NULL, &error);
    require(d != NULL, "%s", error.text);
    server = server_open(&settings, command_groups, &error);
    require(server != NULL && server_listen(server, &source, d, &error), "%s", error.text);
    port = atoi(strrchr(server_address(server), ':') + 1);
    require(pthread_create(&thread, NULL, serve, server) == 0, "no thread");
    int fd = slow_client();
    slow_hot_is_served(fd, "the first client");
    close(fd);
    if (!fits)
        slow_disk_cold(SLOW_HOT * SLOW_LINE, UINT64_MAX);
}

void slow_server_join(void)
{
    pthread_join(thread, NULL);
    server_close(server);
    server = NULL;
}

void slow_server_stop(void)
{
    int fd = slow_client();
    require(send_all(fd, span_text("SHUTDOWN\r\n")), "cannot stop it");
    slow_server_join();
    close(fd);
}

int slow_server_port(void)
{
    return port;
}

// ---- clients ------------------------------------------------------------------------------------

int slow_client(void)
{
    int fd = connect_tcp(port);
    require(fd >= 0, "cannot connect");
    slow_send(fd, "AUTH p"); // STELE.RELOAD needs a password
    require(span_equal(slow_replies(fd, 1), span_text("+OK\r\n")), "no AUTH");
    return fd;
}

void slow_send(int fd, const char *requests)
{
    struct buf bytes = {0};
    char line[8192];
    while (*requests != '\0') {
        size_t len = strcspn(requests, "\n");
        require(len < sizeof line, "a long request");
        memcpy(line, requests, len);
        line[len] = '\0';
        append_request(&bytes, line);
        requests += len + (requests[len] == '\n');
    }
    require(send_all(fd, buf_span(&bytes)), "cannot send");
    buf_release(&bytes);
}

static void read_line(int fd, struct buf *to)
{
    do
        require(receive(fd, to, 1), "no reply");
    while (to->ptr[to->len - 1] != '\n');
}

void slow_reply(int fd, struct buf *to)
{
    size_t begin = to->len;
    read_line(fd, to);
    buf_append(to, span_of("", 1)); // so that strtol stops
    to->len--;
    long count = strtol(to->ptr + begin + 1, NULL, 10);
    switch (to->ptr[begin]) {
    case '$':
        if (count >= 0)
            require(receive(fd, to, (size_t)count + 2), "no reply");
        break;
    case '*':
        for (long i = 0; i < count; i++)
            slow_reply(fd, to);
        break;
    }
}

struct span slow_replies(int fd, unsigned count)
{
    static struct buf replies;
    replies.len = 0;
    for (unsigned i = 0; i < count; i++)
        slow_reply(fd, &replies);
    return buf_span(&replies);
}

bool slow_is_silent(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

void slow_hot_is_served(int fd, const char *name)
{
    struct buf wanted = {0};
    char request[256];
    snprintf(request, sizeof request, "PING\nGET %s\nSTRLEN %s", slow_key(0), slow_key(1));
    buf_append_text(&wanted, "+PONG\r\n$90\r\n");
    slow_value(&wanted, 'a', 0);
    buf_append_text(&wanted, "\r\n:90\r\n");
    slow_send(fd, request);
    is_bytes(slow_replies(fd, 3), buf_span(&wanted), "%s: a hot client is served", name);
    buf_release(&wanted);
}

long slow_info(int fd, const char *section, const char *field)
{
    char request[64];
    struct buf reply = {0};
    snprintf(request, sizeof request, "INFO %s", section);
    slow_send(fd, request);
    slow_reply(fd, &reply);
    buf_append(&reply, span_of("", 1));
    snprintf(request, sizeof request, "\n%s:", field);
    const char *line = strstr(reply.ptr, request);
    require(line != NULL, "INFO %s has no %s", section, field);
    long number = strtol(line + strlen(request), NULL, 10);
    buf_release(&reply);
    return number;
}
