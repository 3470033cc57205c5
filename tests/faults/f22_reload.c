// Fault F22 (docs/faults.md): a hundred reloads in a row at full load, reloads of files that cannot
// be served, and reloads of an empty file, which is served. No request fails, and each reply comes
// from one of the two files. A file that cannot be served changes nothing. In the end the server
// has as many descriptors and mappings as before, and no more memory.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/control.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/twins.h"
#include "support/watch.h"

enum {
    KEYS = 5000,
    CONNECTIONS = 50,
    RELOADS = CHECKED_BUILD ? 10 : 100,
    WARM_RELOADS = 4, // reloads before the first measurement
    REPLIES_BETWEEN = 3,
    SLACK = 2 * 1024 * 1024, // bytes that the allocator may keep
    MAPPED_SLACK = 2 * 4096,
    QUIET_RELOADS = 200,
    QUIET_SLACK = 256 * 1024,
};

static const char *const options[] = {"--requirepass", CONTROL_PASSWORD, NULL};
static struct random seed;

static void request_reload(int fd)
{
    require(send_all(fd, SPAN("*1\r\n$12\r\nSTELE.RELOAD\r\n")), "the server is gone");
}

static struct holdings holdings_at_rest(const struct server_process *s)
{
    server_await_idle(s);
    return holdings_of(s->pid);
}

// Waits until the server has written the index of its dataset, for ten seconds at most. While it
// writes the index it holds more descriptors and mappings.
static void await_index(int control)
{
    for (unsigned looks = 0;
         looks < 1000 && strcmp(control_info(control, "dataset_index_status"), "mapped") != 0;
         looks++)
        poll(NULL, 0, 10);
}

// Whether both times the same files are mapped. An index that was mapped from its file has other
// mappings than one that was built and then written. They differ by one page at most, as the
// image ends within a page. So the test fails if each reload keeps a page.
static bool maps_as_much(const struct holdings *a, const struct holdings *b)
{
    return llabs(a->mapped - b->mapped) < MAPPED_SLACK;
}

// Waits until the server holds as few descriptors and mappings as `before`, for ten seconds at
// most. After a reload, the server still writes the index and frees the old dataset. How long that
// takes depends on the disk.
static struct holdings final_holdings(const struct server_process *s, const struct holdings *before)
{
    struct holdings now = holdings_at_rest(s);
    for (unsigned looks = 0;
         looks < 1000 && (now.descriptors != before->descriptors || !maps_as_much(&now, before));
         looks++) {
        poll(NULL, 0, 10);
        now = holdings_at_rest(s);
    }
    return now;
}

static void reload_often(bool by_link)
{
    const char *name = by_link ? "link changed" : "renamed";
    struct twins twins;
    twins_write(&twins, KEYS, by_link);
    struct server_process s = server_start(twins.live, options);
    int control = control_open(s.port);
    struct askers *askers = askers_new(&twins, s.port, CONNECTIONS, &seed, CONTROL_PASSWORD);
    struct holdings before = {0};
    unsigned refused = 0;
    askers_run(askers, -1, REPLIES_BETWEEN);
    for (unsigned i = 0; i < WARM_RELOADS + RELOADS; i++) {
        if (i == WARM_RELOADS) {
            askers_rest(askers);
            await_index(control);
            before = holdings_at_rest(&s);
            askers_replies(askers);
        }
        twins_replace(&twins);
        request_reload(control);
        askers_run(askers, control, 0);
        refused += strcmp(control_line(control, NULL), "+OK") != 0;
        twins_acknowledge(&twins);
        askers_run(askers, -1, REPLIES_BETWEEN);
    }
    unsigned long replies = askers_replies(askers);
    is_number(refused, 0, "%s: all of %d reloads succeed", name, RELOADS);
    is_number(askers_wrong(askers), 0, "%s: no reply is wrong", name);
    ok(replies >= RELOADS * CONNECTIONS * REPLIES_BETWEEN, "%s: %lu replies meanwhile", name,
       replies);
    askers_rest(askers);
    await_index(control);
    struct holdings after = final_holdings(&s, &before);
    is_number(after.descriptors, before.descriptors, "%s: as many descriptors as before", name);
    ok(maps_as_much(&after, &before), "%s: as much is mapped as before", name);
    if (!CHECKED_BUILD)
        ok(after.resident <= before.resident + SLACK,
           "%s: as much memory as before: %lld KiB, then %lld", name, before.resident / 1024,
           after.resident / 1024);
    is_number(strtol(control_info(control, "dataset_generation"), NULL, 10),
              WARM_RELOADS + RELOADS + 1, "%s: INFO counts all reloads", name);
    askers_free(askers);
    close(control);
    is_number(server_stop(&s), 0, "%s: exit code", name);
}

// No client reads keys, so memory grows only if reloads keep some. A build with a sanitizer keeps
// freed memory, so it is not tested.
static void reload_quietly(void)
{
    struct twins twins;
    long long held[2];
    if (CHECKED_BUILD)
        return;
    twins_write(&twins, KEYS, true);
    struct server_process s = server_start(twins.live, options);
    int control = control_open(s.port);
    for (unsigned half = 0; half < 2; half++) {
        unsigned refused = 0;
        for (unsigned i = 0; i < QUIET_RELOADS; i++) {
            twins_replace(&twins);
            refused += strcmp(control_line(control, "STELE.RELOAD"), "+OK") != 0;
        }
        is_number(refused, 0, "without clients: all of %d reloads succeed", QUIET_RELOADS);
        held[half] = holdings_at_rest(&s).resident;
    }
    ok(held[1] <= held[0] + QUIET_SLACK,
       "without clients: as much memory as before: %lld KiB, then %lld", held[0] / 1024,
       held[1] / 1024);
    close(control);
    is_number(server_stop(&s), 0, "without clients: exit code");
}

// ---- files that cannot be served ----------------------------------------------------------------

static void put_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    require(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "cannot write");
    close(fd);
}

static void make_broken(const char *path)
{
    put_text(path, "00000000-0000-4000-8000-000000000000 good\nno record\n");
}

static void make_binary(const char *path)
{
    put_text(path, "\x1f\x8b\x08 nothing");
}

static void make_folder(const char *path)
{
    require(mkdir(path, 0755) == 0, "no folder");
}

static void make_fifo(const char *path)
{
    require(mkfifo(path, 0644) == 0, "no fifo");
}

static void make_nothing(const char *path)
{
    (void)path;
}

static void make_circle(const char *path)
{
    require(symlink(path, path) == 0, "no link");
}

static const struct {
    const char *name;
    void (*make)(const char *path);
    const char *why;
} bad[] = {
    {"a malformed line", make_broken, "1 of 2 lines malformed"},
    {"a compressed file", make_binary, "1 of 1 lines malformed"},
    {"a folder", make_folder, "not a regular file"},
    {"a FIFO", make_fifo, "not a regular file"},
    {"no file", make_nothing, "No such file or directory"},
    {"a file that cannot be opened", make_circle, "Too many levels of symbolic links"},
};

static void remove_any(const char *path)
{
    require(unlink(path) == 0 || rmdir(path) == 0 || errno == ENOENT, "cannot remove %s", path);
}

static void refuse_all(void)
{
    struct twins twins;
    twins_write(&twins, KEYS, true);
    struct server_process s = server_start(twins.live, options);
    int control = control_open(s.port);
    struct askers *askers = askers_new(&twins, s.port, CONNECTIONS, &seed, CONTROL_PASSWORD);
    struct holdings before = {0};
    for (unsigned i = 0; i < 2 * (sizeof bad / sizeof *bad); i++) {
        const char *name = bad[i / 2].name;
        remove_any(twins.live);
        bad[i / 2].make(twins.live);
        request_reload(control);
        askers_run(askers, control, 0);
        const char *reply = control_line(control, NULL);
        ok(strncmp(reply, "-ERR cannot reload: ", 20) == 0 && strstr(reply, bad[i / 2].why) != NULL,
           "%s: %s", name, reply);
        askers_run(askers, -1, 1);
        is_text(control_info(control, "dataset_last_reload_status"), "err",
                "%s: INFO reports a failure", name);
        ok(strstr(control_info(control, "dataset_last_reload_error"), bad[i / 2].why) != NULL,
           "%s: INFO says why", name);
        is_text(control_info(control, "dataset_generation"), "1", "%s: the old data is served",
                name);
        if (i == 1) {
            askers_rest(askers);
            before = holdings_at_rest(&s);
        }
    }
    askers_rest(askers);
    struct holdings after = final_holdings(&s, &before);
    is_number(after.descriptors, before.descriptors, "as many descriptors as before");
    ok(maps_as_much(&after, &before), "as much is mapped as before");
    is_number(askers_wrong(askers), 0, "no reply is wrong");

    remove_any(twins.live);
    twins_replace(&twins);
    request_reload(control);
    askers_run(askers, control, 0);
    is_text(control_line(control, NULL), "+OK", "a good file is loaded then");
    twins_acknowledge(&twins);
    askers_run(askers, -1, 1);
    is_text(control_info(control, "dataset_last_reload_status"), "ok", "INFO reports success");
    is_text(control_info(control, "dataset_last_reload_error"), "", "INFO reports no error");
    is_number(askers_wrong(askers), 0, "no reply is wrong");
    askers_free(askers);
    close(control);
    is_number(server_stop(&s), 0, "exit code");
}

// Runs another program without the right of root to read any file: `unprivileged PROGRAM WORD...`.
static int unprivileged(char *words[])
{
    prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0);
    prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH, 0, 0, 0);
    execv(words[0], words);
    perror("unprivileged");
    return 126;
}

// Whether a program that runs without that right can read the file.
static bool is_readable(const char *path)
{
    struct buf said = {0};
    int code = run_program(WORDS("/proc/self/exe", "unprivileged", "/bin/cat", path), &said, &said);
    require(code != 126, "cannot run cat");
    buf_release(&said);
    return code == 0;
}

static void refuse_unreadable(void)
{
    struct twins twins;
    const char *log = test_path("unprivileged.log");
    twins_write(&twins, KEYS, false);
    pid_t pid = spawn(WORDS("/proc/self/exe", "unprivileged", server_program(), twins.live,
                            "--port", "0", "--requirepass", CONTROL_PASSWORD),
                      log);
    log_await(log, "ready ");
    int port = port_in(log);
    int control = control_open(port);
    struct askers *askers = askers_new(&twins, port, CONNECTIONS, &seed, CONTROL_PASSWORD);
    askers_run(askers, -1, 1);
    twins_replace(&twins);
    require(chmod(twins.live, 0) == 0, "cannot make the file unreadable");
    if (is_readable(twins.live)) {
        ok(true, "# SKIP the right of root to read any file cannot be dropped here");
    } else {
        request_reload(control);
        askers_run(askers, control, 0);
        const char *reply = control_line(control, NULL);
        ok(strncmp(reply, "-ERR cannot reload: ", 20) == 0 && strstr(reply, twins.live) != NULL &&
               strstr(reply, "Permission denied") != NULL,
           "an unreadable file: %s", reply);
        askers_run(askers, -1, 1);
        is_text(control_info(control, "dataset_last_reload_status"), "err",
                "an unreadable file: INFO says so");
        is_text(control_info(control, "dataset_generation"), "1",
                "an unreadable file: the old data is served");
    }
    require(chmod(twins.live, 0644) == 0, "cannot make the file readable");
    request_reload(control);
    askers_run(askers, control, 0);
    is_text(control_line(control, NULL), "+OK", "once the file can be read, it is loaded");
    twins_acknowledge(&twins);
    askers_run(askers, -1, 1);
    is_number(askers_wrong(askers), 0, "no reply is wrong");
    askers_free(askers);
    close(control);
    kill(pid, SIGTERM);
    is_number(end_of(pid), 0, "exit code");
}

// ---- files that can be served -------------------------------------------------------------------

// An empty file is a dataset without keys.
static void serve_nothing(void)
{
    static const char get[] = "*2\r\n$3\r\nGET\r\n$36\r\n00000000-0000-4000-8000-000000004999\r\n";
    struct twins twins;
    twins_write(&twins, KEYS, true);
    struct server_process s = server_start(twins.live, options);
    int control = control_open(s.port);
    int other = control_open(s.port);
    for (unsigned i = 0; i < 2; i++) {
        remove_any(twins.live);
        put_text(twins.live, "");
        is_text(control_line(control, "STELE.RELOAD"), "+OK", "an empty file is loaded");
        is_text(control_info(control, "dataset_last_reload_status"), "ok", "INFO reports success");
        is_text(control_info(control, "dataset_status"), "ok", "INFO reports sound data");
        is_text(control_line(control, "DBSIZE"), ":0", "it has no keys");
        answers(other, span_text(get), SPAN("$-1\r\n"), "a key of the old file is not found");
        answers(other, SPAN("*2\r\n$4\r\nSCAN\r\n$1\r\n0\r\n"), SPAN("*2\r\n$1\r\n0\r\n*0\r\n"),
                "SCAN finds no key");
        is_text(control_line(control, "STELE.RELOAD"), "+OK unchanged",
                "the same file again is not loaded");

        remove_any(twins.live);
        twins_replace(&twins);
        is_text(control_line(control, "STELE.RELOAD"), "+OK", "a file with keys is loaded then");
        twins_acknowledge(&twins);
        is_text(control_line(control, "DBSIZE"), ":5000", "it has its keys");
        struct askers *askers = askers_new(&twins, s.port, CONNECTIONS, &seed, CONTROL_PASSWORD);
        askers_run(askers, -1, REPLIES_BETWEEN);
        is_number(askers_wrong(askers), 0, "no reply is wrong");
        askers_free(askers);
    }
    is_text(control_info(control, "dataset_generation"), "5", "INFO counts all reloads");
    close(other);
    close(control);
    is_number(server_stop(&s), 0, "exit code");
}

// A file that was cut while it was served can be replaced like any other.
static void leave_damaged(void)
{
    struct twins twins;
    twins_write(&twins, KEYS, false);
    struct server_process s = server_start(twins.live, options);
    int control = control_open(s.port);
    require(truncate(twins.live, 4096) == 0, "cannot truncate");
    const char *lost = "GET 00000000-0000-4000-8000-000000004999";
    ok(strncmp(control_line(control, lost), "-ERR data unreadable", 20) == 0,
       "a lost key answers an error");
    twins_replace(&twins);
    is_text(control_line(control, "STELE.RELOAD"), "+OK", "a whole file is loaded");
    twins_acknowledge(&twins);
    is_text(control_info(control, "dataset_status"), "ok", "INFO reports the new file");
    struct askers *askers = askers_new(&twins, s.port, CONNECTIONS, &seed, CONTROL_PASSWORD);
    askers_run(askers, -1, REPLIES_BETWEEN);
    is_number(askers_wrong(askers), 0, "no reply is wrong");
    askers_free(askers);
    close(control);
    is_number(server_stop(&s), 0, "exit code");
}

int main(int argc, char *argv[])
{
    if (argc > 2 && strcmp(argv[1], "unprivileged") == 0)
        return unprivileged(argv + 2);
    seed = random_seeded();
    reload_often(false);
    reload_often(true);
    reload_quietly();
    refuse_all();
    refuse_unreadable();
    serve_nothing();
    leave_damaged();
    return done_testing();
}
