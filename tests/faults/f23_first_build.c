// Fault F23 (docs/faults.md): signals while the first index is built. They are sent to an ordinary
// process, and to process 1 of a container, for which signals have no default action. The program
// ends at once, as the default action would end it, and leaves no temporary file and no socket.
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

enum { LINES = 400000, PATIENCE = 60, SOON = 10 }; // seconds

static const char *const unshare = "/usr/bin/unshare";
static const char *data;
static const char *socket_path;

static void write_data(void)
{
    static char line[128];
    struct buf text = {0};
    for (unsigned i = 0; i < LINES; i++) {
        snprintf(line, sizeof line, "00000000-0000-4000-8000-%012u value\n", i * 7919u % LINES);
        buf_append_text(&text, line);
    }
    data = test_file("built.data", buf_span(&text));
    socket_path = test_path("built.socket");
    buf_release(&text);
}

// Returns the number of files in the test's folder whose name begins with `prefix`.
static unsigned files_like(const char *prefix)
{
    unsigned count = 0;
    struct dirent *entry;
    DIR *folder = opendir(test_folder());
    require(folder != NULL, "no folder");
    while ((entry = readdir(folder)) != NULL)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(folder);
    return count;
}

static bool can_be_process_1(void)
{
    return access(unshare, X_OK) == 0 &&
           end_of(spawn(WORDS(unshare, "--pid", "--fork", "/bin/true"),
                        test_path("unshare.log"))) == 0;
}

// Returns the process that `unshare`, process `pid`, has started. If `first` is false, returns
// `pid`.
static pid_t program_of(pid_t pid, bool first)
{
    char path[64];
    pid_t child = 0;
    uint64_t end = clock_monotonic_ns() + PATIENCE * CLOCK_SECOND;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    while (first && child == 0) {
        struct buf text = file_content(path);
        buf_append(&text, SPAN("\0"));
        child = (pid_t)atoi(text.ptr);
        buf_release(&text);
        require(clock_monotonic_ns() < end, "no child of %s", unshare);
    }
    return first ? child : pid;
}

static void check(const char *const *words, int number, bool first)
{
    const char *argv[16] = {0};
    unsigned used = 0;
    const char *log = test_path("built.log");
    bool is_server = words[0] == server_program() || strstr(words[0], "server") != NULL;
    unlink(log);
    unlink(test_path("built.data.idx"));
    for (const char *const *w = WORDS(unshare, "--pid", "--fork", "--kill-child=KILL");
         first && *w != NULL; w++)
        argv[used++] = *w;
    while (*words != NULL)
        argv[used++] = *words++;
    pid_t pid = spawn(argv, log);
    pid_t program = program_of(pid, first);
    uint64_t end = clock_monotonic_ns() + PATIENCE * CLOCK_SECOND;
    while (files_like("built.data.idx") == 0) {
        require(clock_monotonic_ns() < end, "nothing is built");
        usleep(200);
    }
    uint64_t sent = clock_monotonic_ns();
    kill(program, number);
    int code = end_of(pid);
    bool soon = clock_monotonic_ns() - sent < SOON * CLOCK_SECOND;
    const char *name = first ? "process 1" : "a process";
    if (log_has(log, is_server ? "ready " : "built in")) {
        diag("%s: signal %d came after it was built: %d", name, number, code);
        return;
    }
    is_number(code, first ? 128 + number : 1000 + number, "%s: %s ended by signal %d", name,
              is_server ? "the server is" : "stele index is", number);
    ok(soon, "it ends soon");
    is_number(files_like("built.data.") + files_like("built.socket"), 0, "no file is left behind");
}

// A server that serves clients, as process 1. SIGTERM and SIGINT stop it with exit code 0.
static void check_serving(int number, int code)
{
    const char *log = test_path("serving.log");
    unlink(log);
    pid_t pid = spawn(WORDS(unshare, "--pid", "--fork", "--kill-child=KILL", server_program(), data,
                            "--port", "none", "--unixsocket", socket_path, "--index", "none"),
                      log);
    log_await(log, "ready ");
    pid_t program = program_of(pid, true);
    kill(program, SIGUSR1);
    int fd = connect_unix(socket_path);
    answers(fd, SPAN("PING\r\n"), SPAN("+PONG\r\n"), "process 1 still serves after SIGUSR1");
    close(fd);
    kill(program, number);
    is_number(end_of(pid), code, "process 1 that serves: signal %d", number);
    is_number(files_like("built.socket"), 0, "its socket is removed");
}

int main(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none); // SIGQUIT would dump core
    write_data();
    bool may_be_first = can_be_process_1();
    for (int first = 0; first <= may_be_first; first++) {
        const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};
        for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            if (numbers[i] != SIGHUP) // it makes a server reload
                check(WORDS(server_program(), data, "--port", "none", "--unixsocket", socket_path),
                      numbers[i], first);
            check(WORDS(tool_program(), "index", data), numbers[i], first);
        }
    }
    if (may_be_first) {
        check_serving(SIGTERM, 0);
        check_serving(SIGINT, 0);
        check_serving(SIGQUIT, 128 + SIGQUIT);
    } else {
        ok(true, "# SKIP no process can be process 1 of a namespace here");
    }
    return done_testing();
}
