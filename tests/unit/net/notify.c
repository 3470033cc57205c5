// Tests the messages to a supervisor, with real datagrams to a socket with a path and to an
// abstract one.
#include "net/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/server.h"
#include "support/tap.h"

// Opens the socket of a supervisor at `name`, in the form of NOTIFY_SOCKET.
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    size_t len = strlen(name);
    require(len < sizeof address.sun_path, "a long name");
    memcpy(address.sun_path, name, len);
    if (*name == '@')
        *address.sun_path = '\0';
    require(fd >= 0 && bind(fd, (struct sockaddr *)&address,
                            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0,
            "cannot listen at %s: %s", name, strerror(errno));
    return fd;
}

// Returns the next datagram as text; "" when there is none.
static const char *received(int fd)
{
    static char text[1024];
    ssize_t len = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

static void check_messages(const char *name)
{
    int fd = listen_at(name);
    setenv("NOTIFY_SOCKET", name, 1);
    ok(notify_init(), "%s: there is a supervisor", *name == '@' ? "abstract" : "path");
    ok(getenv("NOTIFY_SOCKET") == NULL, "child processes do not inherit NOTIFY_SOCKET");
    is_text(received(fd), "", "notify_init sends nothing");
    ok(notify_ready("serving %d keys of %s", 300, "a\nMAINPID=1"), "ready is sent");
    is_text(received(fd), "READY=1\nSTATUS=serving 300 keys of a\\x0aMAINPID=1",
            "ready is one datagram, in which a file name cannot add a variable");
    uint64_t before = clock_monotonic_ns() / 1000;
    ok(notify_reloading(), "reloading is sent");
    const char *message = received(fd);
    static const char start[] = "RELOADING=1\nMONOTONIC_USEC=";
    uint64_t when = strncmp(message, start, sizeof start - 1) == 0
                        ? strtoull(message + sizeof start - 1, NULL, 10)
                        : 0;
    ok(when >= before && when <= clock_monotonic_ns() / 1000, "reloading contains the time: %s",
       message);
    ok(notify_stopping(), "stopping is sent");
    is_text(received(fd), "STOPPING=1", "stopping is one datagram");

    char long_name[600];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    ok(notify_ready("%s", long_name), "a long status is sent");
    is_number((int64_t)strlen(received(fd)), 511, "a long status is cut");

    // A supervisor that does not read, or is gone, causes neither waiting nor a signal.
    unsigned sent = 0;
    while (sent < 100000 && notify_stopping())
        sent++;
    ok(sent > 0 && sent < 100000,
       "sending to a supervisor that does not read fails after %u messages", sent);
    close(fd);
    ok(!notify_stopping(), "sending to a supervisor that is gone fails");
}

int main(void)
{
    char abstract[64];
    snprintf(abstract, sizeof abstract, "@stele-test-notify-%d", (int)getpid());
    unsetenv("NOTIFY_SOCKET");
    ok(!notify_init() && !notify_ready("x") && !notify_reloading() && !notify_stopping(),
       "without a supervisor nothing is sent");
    check_messages(test_path("notify"));
    check_messages(abstract);
    char wide[200] = "/";
    memset(wide + 1, 'x', sizeof wide - 2);
    const char *const wrong[] = {"", "@", "/", "relative", wide};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        setenv("NOTIFY_SOCKET", wrong[i], 1);
        ok(!notify_init() && !notify_stopping() && getenv("NOTIFY_SOCKET") == NULL,
           "'%.20s' is not an address", wrong[i]);
    }
    return done_testing();
}
