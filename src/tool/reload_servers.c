#include "tool/reload_servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/remote.h"
#include "tool/tool.h"

enum { TIMEOUT_SECONDS = 3600 }; // for a reload: reading and indexing a file takes minutes

// Returns the value of a field of INFO, or an empty span.
static struct span info_field(struct span info, const char *name)
{
    size_t len = strlen(name);
    for (size_t at = 0; at < info.len;) {
        const char *newline = memchr(info.ptr + at, '\n', info.len - at);
        size_t end = newline != NULL ? (size_t)(newline - info.ptr) : info.len;
        if (end - at > len && memcmp(info.ptr + at, name, len) == 0 && info.ptr[at + len] == ':') {
            size_t from = at + len + 1;
            size_t to = end > from && info.ptr[end - 1] == '\r' ? end - 1 : end;
            return span_of(info.ptr + from, to - from);
        }
        at = end + 1;
    }
    return span_of("", 0);
}

// Waits for the reply to STELE.RELOAD, and asks which version is served. Returns false with a
// message.
static bool finish(struct remote *c, const char *version, struct error *error)
{
    const struct span words[] = {span_text("INFO"), span_text("dataset")};
    if (remote_receive(c, error).ptr == NULL || !remote_send(c, 2, words, error))
        return false;
    struct span info = remote_receive(c, error);
    if (info.ptr == NULL)
        return false;
    struct span served = info_field(info, "dataset_version");
    if (span_equal(served, span_text(version)))
        return true;
    error_set(error, "%s: it serves version '%.*s' of '%.*s'", c->address, (int)served.len,
              served.ptr, (int)info_field(info, "dataset_file").len,
              info_field(info, "dataset_file").ptr);
    return false;
}

bool reload_servers(const struct reload_servers *servers, const char *version)
{
    const struct span words[] = {span_text("STELE.RELOAD")};
    struct remote *clients = calloc(servers->count + 1, sizeof *clients);
    bool all = clients != NULL;
    if (!all)
        tool_say("no memory for %u servers", servers->count);
    for (unsigned i = 0; clients != NULL && i < servers->count; i++) {
        struct error error;
        struct remote *c = &clients[i];
        if (remote_open(c, servers->addresses[i], getenv("REDISCLI_AUTH"), TIMEOUT_SECONDS,
                        &error) &&
            remote_send(c, 1, words, &error))
            continue;
        tool_say("not reloaded: %s", error.text);
        remote_close(c);
        all = false;
    }
    for (unsigned i = 0; clients != NULL && i < servers->count; i++) {
        struct error error;
        struct remote *c = &clients[i];
        if (c->fd < 0)
            continue;
        if (finish(c, version, &error)) {
            printf("%s serves %s\n", tool_name(c->address), version);
        } else {
            tool_say("not reloaded: %s", error.text);
            all = false;
        }
        remote_close(c);
    }
    free(clients);
    return all;
}
