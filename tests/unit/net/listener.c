// Tests listeners: host names with several addresses, of which this machine has some, all or none;
// addresses given twice; port 0; unix sockets. The test replaces the system's resolver.
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "support/server.h"
#include "support/tap.h"

// ---- the resolver: the name "A B C" has the addresses A, B and C --------------------------------

struct answer {
    struct addrinfo info;
    struct sockaddr_storage address;
};

static struct answer *answer_new(const char *text)
{
    struct answer *a = calloc(1, sizeof *a);
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    require(a != NULL, "no memory");
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&a->address, &v4, sizeof v4);
        a->info.ai_addrlen = sizeof v4;
    } else {
        require(inet_pton(AF_INET6, text, &v6.sin6_addr) == 1, "no address: %s", text);
        memcpy(&a->address, &v6, sizeof v6);
        a->info.ai_addrlen = sizeof v6;
    }
    a->info.ai_addr = (struct sockaddr *)&a->address;
    a->info.ai_family = a->info.ai_addr->sa_family;
    a->info.ai_socktype = SOCK_STREAM;
    return a;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
    char words[256];
    struct addrinfo **last = found;
    (void)service;
    (void)hints;
    *found = NULL;
    if (strcmp(name, "unknown") == 0)
        return EAI_NONAME;
    snprintf(words, sizeof words, "%s", name);
    for (char *rest = words, *one; (one = strsep(&rest, " ")) != NULL;) {
        *last = &answer_new(one)->info;
        last = &(*last)->ai_next;
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    while (found != NULL) {
        struct addrinfo *next = found->ai_next;
        free((char *)found - offsetof(struct answer, info));
        found = next;
    }
}

// ---- TCP ----------------------------------------------------------------------------------------

static struct listener list[LISTENERS_MAX];
static unsigned count;

static void close_all(void)
{
    while (count > 0)
        listener_close(&list[--count]);
}

// Listens on each of `names` in turn, as the server does. Checks that there are `wanted` listeners,
// or that the last name fails with `message`.
static void check(const char *const *names, unsigned wanted, const char *message)
{
    struct error error = {""};
    unsigned port = 0;
    bool opened = true;
    for (unsigned i = 0; names[i] != NULL && opened; i++) {
        opened = listener_open_tcp(list, &count, names[i], port, 5, &error);
        port = count > 0 ? list[0].port : 0;
    }
    if (message != NULL)
        ok(!opened && strstr(error.text, message) != NULL, "'%s' …: %s", names[0], error.text);
    else
        ok(opened && count == wanted, "'%s' …: %u listeners%s%s", names[0], count,
           opened ? "" : ", ", error.text);
    unsigned others = 0;
    for (unsigned i = 0; i < count; i++)
        others += list[i].port != port || port == 0;
    is_number(others, 0, "all listeners have the same port, which is not 0");
    close_all();
}

#define NAMES(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define ABSENT "203.0.113.77" // an address for documentation, which no machine has

static void test_names(void)
{
    check(NAMES("127.0.0.1"), 1, NULL);
    check(NAMES(ABSENT " 127.0.0.1"), 1, NULL);
    check(NAMES("127.0.0.1 " ABSENT), 1, NULL);
    check(NAMES("2001:db8::77 127.0.0.1"), 1, NULL);
    check(NAMES(ABSENT " 203.0.113.78"), 0, strerror(EADDRNOTAVAIL));
    check(NAMES(ABSENT), 0, strerror(EADDRNOTAVAIL));
    check(NAMES("unknown"), 0, "cannot listen on 'unknown'");
    // The same address twice, in one name or in two.
    check(NAMES("127.0.0.1 127.0.0.1"), 1, NULL);
    check(NAMES("127.0.0.1", "127.0.0.1"), 1, NULL);
    check(NAMES("127.0.0.1", ABSENT " 127.0.0.1"), 1, NULL);
    check(NAMES("127.0.0.1 127.0.0.2"), 2, NULL);
    // All addresses, and then one of them.
    check(NAMES("0.0.0.0", "127.0.0.1"), 1, NULL);
    check(NAMES("0.0.0.0", "127.0.0.1 127.0.0.2", "0.0.0.0"), 1, NULL);
    struct error error;
    ok(listener_open_tcp(list, &count, "*", 0, 5, &error), "'*' can be opened");
    unsigned all = count;
    close_all();
    check(NAMES("*", "127.0.0.1", "*"), all, NULL);
}

// An address in use is an error, unlike one that the machine does not have.
static void test_in_use(void)
{
    struct listener other[LISTENERS_MAX];
    unsigned others = 0;
    struct error error = {""};
    require(listener_open_tcp(other, &others, "127.0.0.1", 0, 5, &error), "%s", error.text);
    ok(!listener_open_tcp(list, &count, "127.0.0.1", other[0].port, 5, &error) &&
           strstr(error.text, strerror(EADDRINUSE)) != NULL,
       "an address where a socket listens cannot be opened: %s", error.text);
    ok(!listener_open_tcp(list, &count, "127.0.0.2 127.0.0.1", other[0].port, 5, &error) &&
           strstr(error.text, strerror(EADDRINUSE)) != NULL,
       "a name with such an address cannot be opened");
    close_all();
    unsigned port = other[0].port;
    listener_close(&other[0]);
    ok(listener_open_tcp(list, &count, "127.0.0.1", port, 5, &error),
       "it can be opened when that socket is closed");
    close_all();
}

// ---- unix ---------------------------------------------------------------------------------------

static void test_unix(void)
{
    const char *path = test_path("socket");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct error error = {""};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    require(listener_open_unix(list, &count, path, 0, 5, &error), "%s", error.text);
    struct listener first = list[0];
    ok(listener_is_reachable(&first, &error), "a new listener is reachable");
    ok(!listener_open_unix(list, &count, path, 0, 5, &error) &&
           strstr(error.text, "a server is listening there") != NULL,
       "a path where a socket listens cannot be opened: %s", error.text);
    is_number(count, 1, "no listener is added");
    unlink(path);
    ok(!listener_is_reachable(&first, &error),
       "a listener whose file was removed is not reachable: %s", error.text);
    require(listener_open_unix(list, &count, path, 0, 5, &error), "%s", error.text);
    ok(!listener_is_reachable(&first, &error),
       "a listener whose file was replaced is not reachable: %s", error.text);
    listener_close(&first);
    ok(access(path, F_OK) == 0, "closing a listener does not remove another's file");
    listener_close(&list[1]);
    ok(access(path, F_OK) != 0, "closing a listener removes its own file");
    count = 0;

    // A killed server leaves the file of its socket.
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(bind(fd, (struct sockaddr *)&address, sizeof address) == 0, "cannot bind");
    close(fd);
    ok(listener_open_unix(list, &count, path, 0600, 5, &error), "a stale socket is replaced");
    struct stat status;
    ok(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600, "the new socket has its mode");
    close_all();
    const char *file = test_file("file", span_text("mine"));
    ok(!listener_open_unix(list, &count, file, 0, 5, &error) &&
           strstr(error.text, "is not a socket") != NULL,
       "another kind of file is not replaced: %s", error.text);
    ok(!listener_open_unix(list, &count, test_path("none/socket"), 0, 5, &error),
       "a path in a missing folder is an error: %s", error.text);
    ok(!listener_open_unix(list, &count, test_folder(), 0, 5, &error), "a folder is an error");
    require(symlink(path, test_path("link")) == 0, "no link");
    ok(!listener_open_unix(list, &count, test_path("link"), 0, 5, &error),
       "a symbolic link is an error: %s", error.text);
}

int main(void)
{
    test_names();
    test_in_use();
    test_unix();
    return done_testing();
}
