// Each message is one datagram, sent from a new socket: a process sends only a few of them. Sending
// never blocks, because a supervisor that does not read must not delay the loop that serves
// clients.
#include "net/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"

static struct sockaddr_un supervisor;
static socklen_t supervisor_len; // length of the address; 0: there is no supervisor

bool notify_init(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path != NULL ? strlen(path) : 0;
    supervisor_len = 0;
    // A name that begins with @ is an abstract address, which has a NUL byte instead of the @.
    if (len >= 2 && len < sizeof supervisor.sun_path && (*path == '/' || *path == '@')) {
        supervisor = (struct sockaddr_un){.sun_family = AF_UNIX};
        memcpy(supervisor.sun_path, path, len);
        if (*path == '@')
            *supervisor.sun_path = '\0';
        supervisor_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    }
    unsetenv("NOTIFY_SOCKET");
    return supervisor_len > 0;
}

static bool send_message(const char *message)
{
    size_t len = strlen(message);
    if (supervisor_len == 0)
        return false;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    ssize_t sent = sendto(fd, message, len, MSG_DONTWAIT | MSG_NOSIGNAL,
                          (const struct sockaddr *)&supervisor, supervisor_len);
    close(fd);
    return sent == (ssize_t)len;
}

bool notify_ready(const char *format, ...)
{
    char message[512] = "READY=1\nSTATUS=";
    size_t len = strlen(message);
    va_list args;
    va_start(args, format);
    vsnprintf(message + len, sizeof message - len, format, args);
    va_end(args);
    // A file name may contain a newline, and systemd would read the rest as another variable.
    escape_in_place(message + len, sizeof message - len);
    return send_message(message);
}

bool notify_reloading(void)
{
    char message[64];
    snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)(clock_monotonic_ns() / 1000));
    return send_message(message);
}

bool notify_stopping(void)
{
    return send_message("STOPPING=1");
}
