// Requests and replies over raw sockets.
#include "support/talk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/server.h"
#include "support/tap.h"

void append_bytes(struct buf *to, char byte, size_t count)
{
    char *room = buf_reserve(to, count);
    require(room != NULL, "no memory");
    memset(room, byte, count);
    to->len += count;
}

void append_bulk(struct buf *to, struct span s)
{
    buf_printf(to, "$%zu\r\n", s.len);
    buf_append(to, s);
    buf_append_text(to, "\r\n");
}

void append_request(struct buf *to, const char *text)
{
    unsigned words = 1;
    for (const char *c = text; *c != '\0'; c++)
        words += *c == ' ';
    buf_printf(to, "*%u\r\n", words);
    for (; words > 0; words--) {
        size_t len = strcspn(text, " ");
        append_bulk(to, span_of(text, len));
        text += len + 1;
    }
}

bool answers(int fd, struct span request, struct span wanted, const char *name, ...)
{
    struct buf got = {0};
    char text[256];
    va_list args;
    va_start(args, name);
    vsnprintf(text, sizeof text, name, args);
    va_end(args);
    bool sent = send_all(fd, request);
    receive(fd, &got, wanted.len);
    if (!sent)
        diag("the peer closed while we were sending");
    bool same = is_bytes(buf_span(&got), wanted, "%s", text);
    buf_release(&got);
    return same && sent;
}

bool is_closed(int fd)
{
    struct buf rest = {0};
    bool closed = receive_to_end(fd, &rest) && rest.len == 0;
    if (rest.len > 0)
        is_bytes(buf_span(&rest), SPAN(""), "nothing more is sent before the close");
    buf_release(&rest);
    return closed;
}

struct buf file_content(const char *path)
{
    struct buf content = {0};
    FILE *file = fopen(path, "r");
    char *room;
    size_t got = 1;
    while (file != NULL && got > 0 && (room = buf_reserve(&content, 4096)) != NULL) {
        got = fread(room, 1, 4096, file);
        content.len += got;
    }
    if (file != NULL)
        fclose(file);
    return content;
}

unsigned occurrences(struct span text, const char *what)
{
    unsigned count = 0;
    size_t len = strlen(what);
    for (size_t i = 0; i + len <= text.len; i++)
        count += memcmp(text.ptr + i, what, len) == 0;
    return count;
}
