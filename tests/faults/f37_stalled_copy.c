// Fault F37 (docs/faults.md): under --watch, copies stall, or overwrite the served file. However
// and whenever a copy stalls, the whole file is served in the end. If the kernel reports that a
// process has the file open for writing, no part of it is served before.
//
// Each copy has its own server. All copies run at the same time, as each takes seconds.
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/control.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

enum {
    KEYS = 3000,
    LINE = 36 + 1 + 8 + 1, // bytes
    OLD_KEYS = 1000,
    STALL_MS = 2500,
    PATIENCE = 60,                // seconds
    IN_A_LINE = LINE * 1700 + 40, // offset inside a line
    AT_A_LINE = LINE * 1700,      // offset at the end of a line
};

static struct buf old_text, new_text;

static void make_text(struct buf *to, unsigned count, const char *value)
{
    for (unsigned i = 0; i < count; i++)
        buf_printf(to, "00000000-0000-4000-8000-%012u %s\n", i, value);
}

// ---- writers, each in its own process -----------------------------------------------------------

static void stall(void)
{
    usleep(STALL_MS * 1000);
}

static int open_to_write(const char *path, int flags)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);
    if (fd < 0)
        _exit(1);
    return fd;
}

static void write_part(int fd, size_t from, size_t to)
{
    if (write(fd, new_text.ptr + from, to - from) != (ssize_t)(to - from))
        _exit(1);
}

static void write_stalling(int fd, size_t at)
{
    write_part(fd, 0, at);
    stall();
    write_part(fd, at, new_text.len);
    close(fd);
}

static void created_in_a_line(const char *path)
{
    unlink(path);
    write_stalling(open_to_write(path, O_CREAT), IN_A_LINE);
}

static void created_at_a_line(const char *path)
{
    unlink(path);
    write_stalling(open_to_write(path, O_CREAT), AT_A_LINE);
}

static void created_empty(const char *path)
{
    unlink(path);
    write_stalling(open_to_write(path, O_CREAT), 0);
}

static void copied_over(const char *path)
{
    int fd = open_to_write(path, O_TRUNC);
    write_part(fd, 0, new_text.len);
    close(fd);
}

static void copied_over_in_a_line(const char *path)
{
    write_stalling(open_to_write(path, O_TRUNC), IN_A_LINE);
}

static void copied_over_often(const char *path)
{
    int fd = open_to_write(path, O_TRUNC);
    write_part(fd, 0, LINE);
    stall();
    write_part(fd, LINE, LINE * 100 + 7);
    stall();
    write_part(fd, LINE * 100 + 7, new_text.len);
    close(fd);
}

// Writes as rsync --inplace does.
static void written_in_place(const char *path)
{
    write_stalling(open_to_write(path, 0), AT_A_LINE);
}

static void appended_to(const char *path)
{
    int fd = open_to_write(path, O_APPEND);
    write_part(fd, LINE * OLD_KEYS, IN_A_LINE);
    stall();
    write_part(fd, IN_A_LINE, new_text.len);
    close(fd);
}

static void renamed_while_it_grows(const char *path)
{
    char fresh[256];
    snprintf(fresh, sizeof fresh, "%s.fresh", path);
    int fd = open_to_write(fresh, O_CREAT);
    write_part(fd, 0, AT_A_LINE);
    if (rename(fresh, path) != 0)
        _exit(1);
    stall();
    write_part(fd, AT_A_LINE, new_text.len);
    close(fd);
}

static void in_two_commands(const char *path, size_t at)
{
    int fd = open_to_write(path, O_TRUNC);
    write_part(fd, 0, at);
    close(fd);
    stall();
    fd = open_to_write(path, O_APPEND);
    write_part(fd, at, new_text.len);
    close(fd);
}

static void closed_in_a_line(const char *path)
{
    in_two_commands(path, IN_A_LINE);
}

static void closed_at_a_line(const char *path)
{
    in_two_commands(path, AT_A_LINE);
}

// ---- all cases ----------------------------------------------------------------------------------

static const struct {
    const char *name;
    void (*write)(const char *path);
    bool by_link;        // the server serves a link to the file
    const char *reloads; // number of reloads, if the kernel reports writers
} cases[] = {
    {"created again, stalls inside a line", created_in_a_line, false, "1"},
    {"created again, stalls at the end of a line", created_at_a_line, false, "1"},
    {"created again, stalls while it is empty", created_empty, false, "1"},
    {"copied over the served file", copied_over, false, "1"},
    {"copied over the served file, stalls inside a line", copied_over_in_a_line, false, "1"},
    {"copied over the served file, stalls twice", copied_over_often, false, "1"},
    {"copied over the target of a link", copied_over_in_a_line, true, "1"},
    {"overwritten in place, stalls", written_in_place, false, "1"},
    {"appended to, stalls inside a line", appended_to, false, "1"},
    {"renamed while it still grows", renamed_while_it_grows, false, "1"},
    {"copied by two commands, the first ends inside a line", closed_in_a_line, false, "1"},
    {"copied by two commands, the first ends at the end of a line", closed_at_a_line, false, "2"},
};
enum { CASES = sizeof cases / sizeof *cases };

// Whether the kernel reports writers in the folder of the test.
static bool reports_writers(void)
{
    const char *path = test_file("probe", SPAN("x"));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool reports = fd >= 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
    close(fd);
    return reports;
}

static bool is_served(int control)
{
    char last[64];
    snprintf(last, sizeof last, "GET 00000000-0000-4000-8000-%012u", KEYS - 1);
    if (strcmp(control_info(control, "dataset_keys"), "3000") != 0 ||
        strcmp(control_line(control, last), "$8") != 0)
        return false;
    return strcmp(control_line(control, NULL), "newvalue") == 0;
}

static void end_case(unsigned i, struct server_process *s, int control, uint64_t end, bool reported)
{
    bool served = false;
    while (!served && clock_monotonic_ns() < end) {
        served = is_served(control) &&
                 strcmp(control_info(control, "dataset_reload_in_progress"), "0") == 0;
        poll(NULL, 0, 5);
    }
    ok(served, "%s: the whole file is served", cases[i].name);
    is_text(control_info(control, "dataset_status"), "ok", "%s: INFO reports sound data",
            cases[i].name);
    if (reported)
        is_text(control_info(control, "dataset_reloads"), cases[i].reloads, "%s: number of reloads",
                cases[i].name);
    close(control);
    is_number(server_stop(s), 0, "exit code");
}

int main(void)
{
    static struct server_process servers[CASES];
    int controls[CASES];
    pid_t writers[CASES];
    bool reported = reports_writers();
    make_text(&old_text, OLD_KEYS, "oldvalue");
    make_text(&new_text, KEYS, "newvalue");
    for (unsigned i = 0; i < CASES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%u.data", i);
        const char *path = test_file(name, buf_span(&old_text));
        if (cases[i].by_link) {
            const char *link = test_path("link");
            require(symlink(path, link) == 0, "cannot link");
            path = link;
        }
        servers[i] = server_start(
            path, WORDS("--requirepass", CONTROL_PASSWORD, "--watch", "--threads", "1"));
        controls[i] = control_open(servers[i].port);
    }
    for (unsigned i = 0; i < CASES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%u.data", i);
        const char *path = test_path(name);
        fflush(stdout);
        writers[i] = fork();
        require(writers[i] >= 0, "cannot fork");
        if (writers[i] == 0) {
            cases[i].write(path);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < CASES; i++) {
        int status;
        require(waitpid(writers[i], &status, 0) == writers[i] && status == 0, "%s: not written",
                cases[i].name);
    }
    uint64_t end = clock_monotonic_ns() + PATIENCE * CLOCK_SECOND;
    for (unsigned i = 0; i < CASES; i++)
        end_case(i, &servers[i], controls[i], end, reported);
    buf_release(&old_text);
    buf_release(&new_text);
    return done_testing();
}
