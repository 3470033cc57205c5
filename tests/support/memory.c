// Measures memory by RssAnon of /proc/PID/status.
#include "support/memory.h"

#include <stdlib.h>

#include "support/tap.h"

enum { KiB = 1024 };

struct server_process server_start_measured(const char *data_file, const char *const *options,
                                            bool measured)
{
    const char *build = getenv("STELE_BUILD");
    if (!measured || !CHECKED_BUILD)
        return server_start(data_file, options);
    char *saved = build != NULL ? strdup(build) : NULL;
    setenv("STELE_BUILD", "build/release", 1);
    struct server_process server = server_start(data_file, options);
    if (saved != NULL)
        setenv("STELE_BUILD", saved, 1);
    free(saved);
    return server;
}

static long long anonymous(pid_t pid)
{
    long long bytes = process_field(pid, "status", "RssAnon");
    require(bytes >= 0, "no RssAnon");
    return bytes;
}

struct memory memory_before(pid_t pid, bool measured)
{
    struct memory m = {.pid = pid, .measured = measured, .before = anonymous(pid)};
    m.most = m.before;
    return m;
}

long long memory_grown(struct memory *m)
{
    long long now = anonymous(m->pid);
    if (now > m->most)
        m->most = now;
    return now - m->before;
}

void memory_is_within(const struct memory *m, long long limit, const char *what)
{
    long long grown = m->most - m->before;
    if (!m->measured)
        return;
    ok(grown <= limit, "%s: memory is bounded", what);
    diag("grew by %lld KiB of %lld allowed", grown / KiB, limit / KiB);
}
