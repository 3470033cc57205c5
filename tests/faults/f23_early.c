// Fault F23 (docs/faults.md): a signal arrives before the server is ready. A SIGHUP while the first
// index is built is not lost: a file that was renamed into place meanwhile is served in the end.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/control.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

enum { LINES = 400000, PATIENCE = 60 };

#define KEY "00000000-0000-4000-8000-000000000001"

int main(void)
{
    static char line[128];
    struct buf text = {0};
    for (unsigned i = 0; i < LINES; i++) {
        snprintf(line, sizeof line, "00000000-0000-4000-8000-%012u old\n", i * 7919u % LINES);
        buf_append_text(&text, line);
    }
    const char *path = test_file("table.data", buf_span(&text));
    const char *fresh = test_file("fresh.data", span_text(KEY " new\n"));
    const char *log = test_path("log");
    pid_t pid = spawn(WORDS(server_program(), path, "--port", "0", "--index", "none", "--threads",
                            "1", "--requirepass", CONTROL_PASSWORD),
                      log);
    // The server has opened the file when the file is among its mappings.
    char maps[64];
    snprintf(maps, sizeof maps, "/proc/%d/maps", (int)pid);
    uint64_t end = clock_monotonic_ns() + PATIENCE * CLOCK_SECOND;
    for (bool mapped = false; !mapped;) {
        struct buf now = file_content(maps);
        mapped = occurrences(buf_span(&now), "table.data") > 0;
        buf_release(&now);
        require(clock_monotonic_ns() < end, "the file is not opened");
    }
    require(rename(fresh, path) == 0, "cannot rename");
    kill(pid, SIGHUP);
    bool early = log_lacks(log, "ready ");
    diag("SIGHUP came %s it was ready", early ? "before" : "after");
    log_await(log, "ready ");
    log_await(log, "reloaded ");
    int control = control_open(port_in(log));
    is_text(control_line(control, "GET " KEY), "$3", "GET");
    is_text(control_line(control, NULL), "new", "the new file is served");
    is_text(control_info(control, "dataset_generation"), "2", "one reload was made");
    close(control);
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "exit code");
    buf_release(&text);
    return done_testing();
}
