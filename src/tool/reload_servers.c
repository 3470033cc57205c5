#include "tool/reload_servers.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/parallel.h"
#include "client/info.h"
#include "client/remote.h"
#include "tool/tool.h"

enum { TIMEOUT_SECONDS = 3600 }; // for a reload: reading and indexing a file takes minutes

// A server that is being reloaded.
struct target {
    const char *address;
    bool done;
    struct error error; // why it is not done
};

struct reloading {
    const char *version;
    const char *password;
    struct target *targets;
};

// Asks which version is served. Returns false with a message when it is not the wanted one.
static bool serves(struct remote *c, const char *version, struct error *error)
{
    const struct span words[] = {span_text("INFO"), span_text("dataset")};
    struct span info = {NULL, 0};
    if (remote_send(c, 2, words, error))
        info = remote_receive(c, error);
    if (info.ptr == NULL)
        return false;
    struct span served = info_text(info, "dataset_version");
    if (span_equal(served, span_text(version)))
        return true;
    error_set(error, "%s: it serves version '%.*s' of '%.*s'", c->address, (int)served.len,
              served.ptr, (int)info_text(info, "dataset_file").len,
              info_text(info, "dataset_file").ptr);
    return false;
}

// Reloads server number `i`, and waits until it serves the version.
static void reload(void *context, unsigned worker, size_t i)
{
    const struct reloading *r = context;
    struct target *t = &r->targets[i];
    const struct span words[] = {span_text("STELE.RELOAD")};
    struct remote c;
    (void)worker;
    t->done = remote_open(&c, t->address, r->password, TIMEOUT_SECONDS, &t->error) &&
              remote_send(&c, 1, words, &t->error) && remote_receive(&c, &t->error).ptr != NULL &&
              serves(&c, r->version, &t->error);
    remote_close(&c);
}

bool reload_servers(const struct reload_servers *servers, const char *version)
{
    struct reloading r = {.version = version, .password = getenv("REDISCLI_AUTH")};
    bool all = true;
    if (servers->count == 0)
        return true;
    r.targets = calloc(servers->count, sizeof *r.targets);
    if (r.targets == NULL) {
        tool_say("no memory for %u servers", servers->count);
        return false;
    }
    for (unsigned i = 0; i < servers->count; i++)
        r.targets[i].address = servers->addresses[i];
    // Threads, because a server that cannot be reached must not keep the others waiting.
    parallel_run(PARALLEL_THREADS_MAX, servers->count, reload, &r);
    for (unsigned i = 0; i < servers->count; i++) {
        const struct target *t = &r.targets[i];
        if (t->done)
            printf("%s serves %s\n", tool_name(t->address), version);
        else
            tool_say("not reloaded: %s", t->error.text);
        all = all && t->done;
    }
    free(r.targets);
    return all;
}
