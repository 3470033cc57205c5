// A refused client gets one write and one read. The server never waits for it.
#include "net/refusal.h"

#include <string.h>
#include <unistd.h>

#include "serve/settings.h"

const char refusal_too_many[] = "-ERR max number of clients reached\r\n";
const char refusal_protected[] =
    "-DENIED Stele is running in protected mode because protected mode is enabled and no password "
    "is set for the default user. In this mode connections are only accepted from the loopback "
    "interface. To let other hosts in, restart the server with --requirepass-file, or with "
    "--protected-mode no, after making sure that it is not reachable from networks you do not "
    "trust.\r\n";

bool refusal_is_due(const struct settings *settings, bool local)
{
    return settings->protected_mode && settings->requirepass == NULL && !local;
}

void refusal_send(int fd, const char *reply)
{
    char unread[512];
    // Input that has arrived is read, because closing a socket with unread input may destroy the
    // reply.
    ssize_t ignored = write(fd, reply, strlen(reply));
    ignored = read(fd, unread, sizeof unread);
    (void)ignored;
}
