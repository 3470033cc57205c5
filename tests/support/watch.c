// Reads the logs of programs.
#include "support/watch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "data/uuid_text.h"
#include "support/server.h"
#include "support/talk.h"

enum { PATIENCE_SECONDS = 60 };

bool log_has(const char *log_path, const char *text)
{
    struct buf log = file_content(log_path);
    bool has = occurrences(buf_span(&log), text) > 0;
    buf_release(&log);
    return has;
}

bool log_lacks(const char *log_path, const char *text)
{
    return !log_has(log_path, text);
}

void log_await(const char *log_path, const char *text)
{
    uint64_t until = clock_monotonic_ns() + PATIENCE_SECONDS * CLOCK_SECOND;
    while (!log_has(log_path, text)) {
        if (clock_monotonic_ns() > until) {
            struct buf log = file_content(log_path);
            fprintf(stderr, "# the log:\n%.*s", (int)log.len, log.ptr);
            require(false, "'%s' is not logged", text);
        }
        poll(NULL, 0, 5);
    }
}

unsigned log_warnings(const char *log_path)
{
    struct buf log = file_content(log_path);
    unsigned count = occurrences(buf_span(&log), " # ");
    buf_release(&log);
    return count;
}

bool server_answers(int port, const struct table *t)
{
    struct buf request = {0};
    struct buf wanted = {0};
    struct buf got = {0};
    int fd = connect_tcp(port);
    for (size_t i = 0; i < t->count; i += t->count / 100 + 1) {
        char key[UUID_TEXT_LEN];
        char value[TABLE_VALUE + 1];
        uuid_format(table_key(t, i), key);
        table_value(t, i, value);
        buf_append_text(&request, "*2\r\n$3\r\nGET\r\n");
        append_bulk(&request, span_of(key, UUID_TEXT_LEN));
        append_bulk(&wanted, span_text(value));
    }
    buf_append_text(&request, "DBSIZE\r\n");
    buf_printf(&wanted, ":%zu\r\n", t->count);
    bool same = send_all(fd, buf_span(&request)) && receive(fd, &got, wanted.len) &&
                span_equal(buf_span(&got), buf_span(&wanted));
    close(fd);
    buf_release(&request);
    buf_release(&wanted);
    buf_release(&got);
    return same;
}

pid_t spawn(const char *const *argv, const char *log_path)
{
    unlink(log_path); // removes the log of an earlier program
    fflush(stdout);
    pid_t pid = fork();
    require(pid >= 0, "cannot fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

int end_of(pid_t pid)
{
    int status = 0;
    require(waitpid(pid, &status, 0) == pid, "not our child");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int port_in(const char *log_path)
{
    struct buf log = file_content(log_path);
    buf_append(&log, SPAN("\0"));
    const char *line = strstr(log.ptr, "ready 127.0.0.1:");
    int port = line != NULL ? atoi(line + strlen("ready 127.0.0.1:")) : 0;
    buf_release(&log);
    return port;
}
