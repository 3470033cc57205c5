// Fault F16 (docs/faults.md): a reload cannot map the data file, as the running server may not have
// so much more address space. The server says which file and why, continues to serve the old data,
// and loads the file once it may.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/control.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/watch.h"

#define KEY "0f8fad5b-d9cb-469f-a165-70867728950e"

enum {
    LARGE = 64 * 1024 * 1024, // bytes of the file that does not fit
    ROOM = 32 * 1024 * 1024,  // bytes of address space that the server may still have
    REFUSALS = 5,
};

static const char *data_with(const char *name, const char *value, size_t bytes)
{
    struct buf lines = {0};
    buf_printf(&lines, "%s %s\n", KEY, value);
    if (bytes > 0) {
        buf_append_text(&lines, "00000000-0000-4000-8000-000000000001 ");
        append_bytes(&lines, 'v', bytes);
        buf_append_text(&lines, "\n");
    }
    const char *path = test_file(name, buf_span(&lines));
    buf_release(&lines);
    return path;
}

static void replace(const char *path, const char *by)
{
    require(rename(by, path) == 0, "cannot replace %s: %s", path, strerror(errno));
}

// Lets the server have `more` bytes of address space in addition to what it has; 0 removes the
// limit.
static void limit(const struct server_process *s, long long more)
{
    struct rlimit old, wanted;
    long long has = process_field(s->pid, "status", "VmSize");
    require(has > 0 && prlimit(s->pid, RLIMIT_AS, NULL, &old) == 0, "no limits");
    wanted = (struct rlimit){more > 0 ? (rlim_t)(has + more) : old.rlim_max, old.rlim_max};
    require(prlimit(s->pid, RLIMIT_AS, &wanted, NULL) == 0, "cannot limit: %s", strerror(errno));
}

static void is_served(int fd, const char *value)
{
    struct buf wanted = {0};
    append_bulk(&wanted, span_text(value));
    answers(fd, SPAN("GET " KEY "\r\n"), buf_span(&wanted), "'%s' is served", value);
    buf_release(&wanted);
}

static void check(const char *index)
{
    char why[512];
    const char *path = data_with("served.data", "old", 0);
    unlink(test_path("served.data.idx"));
    struct server_process s =
        server_start(path, WORDS("--requirepass", CONTROL_PASSWORD, "--index", index));
    int control = control_open(s.port);
    int other = control_open(s.port);
    diag("--index %s", index);
    replace(path, data_with("again.data", "old", 0));
    is_text(control_line(control, "STELE.RELOAD"), "+OK", "without a limit the file is mapped");
    server_await_idle(&s);
    replace(path, data_with("large.data", "new", LARGE));
    limit(&s, ROOM);
    snprintf(why, sizeof why, "cannot map '%s': %s", path, strerror(ENOMEM));
    for (unsigned i = 0; i < REFUSALS; i++) {
        const char *reply = control_line(control, "STELE.RELOAD");
        ok(strncmp(reply, "-ERR cannot reload: ", 20) == 0 && strcmp(reply + 20, why) == 0,
           "refused: %s", reply);
        is_text(control_info(control, "dataset_last_reload_error"), why, "INFO says why");
        is_text(control_info(control, "dataset_generation"), "2", "the generation has not changed");
        is_served(other, "old");
        is_text(control_line(control, "DBSIZE"), ":1", "the number of keys has not changed");
        int late = control_open(s.port);
        is_served(late, "old");
        close(late);
    }
    // This file fits within the limit.
    replace(path, data_with("small.data", "newer", 0));
    is_text(control_line(control, "STELE.RELOAD"), "+OK", "a file that can be mapped is loaded");
    is_served(other, "newer");
    limit(&s, 0);
    replace(path, data_with("large.data", "newest", LARGE));
    is_text(control_line(control, "STELE.RELOAD"), "+OK",
            "without a limit the large file is loaded");
    is_served(other, "newest");
    is_text(control_line(control, "DBSIZE"), ":2", "it has its keys");
    is_text(control_info(control, "dataset_last_reload_status"), "ok", "INFO reports success");
    close(control);
    close(other);
    is_number(server_stop(&s), 0, "exit code");
    struct buf log = file_content(s.log_path);
    is_number(occurrences(buf_span(&log), "cannot reload, serving the old dataset: cannot map"),
              REFUSALS, "the log reports each refusal");
    buf_release(&log);
}

int main(void)
{
    check("none");
    check(test_path("index"));
    return done_testing();
}
