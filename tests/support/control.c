// Requests whose replies are read line by line.
#include "support/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

int control_open(int port)
{
    int fd = connect_tcp(port);
    require(strcmp(control_line(fd, "AUTH " CONTROL_PASSWORD), "+OK") == 0, "wrong password");
    return fd;
}

const char *control_line(int fd, const char *command)
{
    static struct buf reply;
    struct buf request = {0};
    if (command != NULL)
        append_request(&request, command);
    reply.len = 0;
    require(send_all(fd, buf_span(&request)), "the server is gone");
    do
        require(receive(fd, &reply, 1), "no reply to %s", command != NULL ? command : "it");
    while (reply.ptr[reply.len - 1] != '\n');
    reply.ptr[reply.len - 2] = '\0'; // the CR
    buf_release(&request);
    return reply.ptr;
}

const char *control_info(int fd, const char *field)
{
    static struct buf text;
    char wanted[64];
    size_t len = strtoul(control_line(fd, "INFO dataset") + 1, NULL, 10);
    text.len = 0;
    require(receive(fd, &text, len + 2), "no INFO");
    text.ptr[len] = '\0';
    snprintf(wanted, sizeof wanted, "\n%s:", field);
    char *at = strstr(text.ptr, wanted);
    require(at != NULL, "INFO has no %s", field);
    at += strlen(wanted);
    at[strcspn(at, "\r")] = '\0';
    return at;
}
