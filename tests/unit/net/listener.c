// Addresses to listen on: names of several addresses, of which this machine has some, all or none;
// what is named twice; port 0. The names are the test's own: it takes the place of the resolver.
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "support/server.h"
#include "support/tap.h"

// ---- the resolver: "A B C" are the addresses of a name ------------------------------------------

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

// Listens on each of `names` in turn, as the server does, and compares how many listeners there
// are, or how the message of the last one ends.
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
    is_number(others, 0, "all have the same port, a real one");
    close_all();
}

#define NAMES(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define ABSENT "203.0.113.77" // of documentation: nobody has it

static void test_names(void)
{
    check(NAMES("127.0.0.1"), 1, NULL);
    check(NAMES(ABSENT " 127.0.0.1"), 1, NULL);
    check(NAMES("127.0.0.1 " ABSENT), 1, NULL);
    check(NAMES("2001:db8::77 127.0.0.1"), 1, NULL);
    check(NAMES(ABSENT " 203.0.113.78"), 0, "Cannot assign requested address");
    check(NAMES(ABSENT), 0, "Cannot assign requested address");
    check(NAMES("unknown"), 0, "cannot listen on 'unknown'");
    // Named twice, in one name or in two.
    check(NAMES("127.0.0.1 127.0.0.1"), 1, NULL);
    check(NAMES("127.0.0.1", "127.0.0.1"), 1, NULL);
    check(NAMES("127.0.0.1", ABSENT " 127.0.0.1"), 1, NULL);
    check(NAMES("127.0.0.1 127.0.0.2"), 2, NULL);
    // All of them, and one of them.
    check(NAMES("0.0.0.0", "127.0.0.1"), 1, NULL);
    check(NAMES("0.0.0.0", "127.0.0.1 127.0.0.2", "0.0.0.0"), 1, NULL);
    struct error error;
    ok(listener_open_tcp(list, &count, "*", 0, 5, &error), "'*'");
    unsigned every = count;
    close_all();
    check(NAMES("*", "127.0.0.1", "*"), every, NULL);
}

// An address that others have is no address that is missing.
static void test_in_use(void)
{
    struct listener other[LISTENERS_MAX];
    unsigned others = 0;
    struct error error = {""};
    require(listener_open_tcp(other, &others, "127.0.0.1", 0, 5, &error), "%s", error.text);
    ok(!listener_open_tcp(list, &count, "127.0.0.1", other[0].port, 5, &error) &&
           strstr(error.text, "Address already in use") != NULL,
       "an address that nobody accepts at yet is held: %s", error.text);
    ok(!listener_open_tcp(list, &count, "127.0.0.2 127.0.0.1", other[0].port, 5, &error) &&
           strstr(error.text, "Address already in use") != NULL,
       "so is one of several");
    close_all();
    unsigned port = other[0].port;
    listener_close(&other[0]);
    ok(listener_open_tcp(list, &count, "127.0.0.1", port, 5, &error), "until it is closed");
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
    ok(listener_is_reachable(&first, &error), "it stands");
    ok(!listener_open_unix(list, &count, path, 0, 5, &error) &&
           strstr(error.text, "a server is listening there") != NULL,
       "a path at which nobody accepts yet is held: %s", error.text);
    is_number(count, 1, "and no listener is added");
    unlink(path);
    ok(!listener_is_reachable(&first, &error), "its file is removed: %s", error.text);
    require(listener_open_unix(list, &count, path, 0, 5, &error), "%s", error.text);
    ok(!listener_is_reachable(&first, &error), "its file is replaced: %s", error.text);
    listener_close(&first);
    ok(access(path, F_OK) == 0, "that of another one is not removed");
    listener_close(&list[1]);
    ok(access(path, F_OK) != 0, "its own is");
    count = 0;

    // What a server that was killed leaves behind: bound, and closed.
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(bind(fd, (struct sockaddr *)&address, sizeof address) == 0, "cannot bind");
    close(fd);
    ok(listener_open_unix(list, &count, path, 0600, 5, &error), "a stale socket is replaced");
    struct stat status;
    ok(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600, "with its mode");
    close_all();
    const char *file = test_file("file", span_text("mine"));
    ok(!listener_open_unix(list, &count, file, 0, 5, &error) &&
           strstr(error.text, "is not a socket") != NULL,
       "a file is not: %s", error.text);
    ok(!listener_open_unix(list, &count, test_path("none/socket"), 0, 5, &error),
       "nor is there one in a folder that is not there: %s", error.text);
    ok(!listener_open_unix(list, &count, test_folder(), 0, 5, &error), "nor at a folder");
    require(symlink(path, test_path("link")) == 0, "no link");
    ok(!listener_open_unix(list, &count, test_path("link"), 0, 5, &error), "nor at a link: %s",
       error.text);
}

int main(void)
{
    test_names();
    test_in_use();
    test_unix();
    return done_testing();
}
