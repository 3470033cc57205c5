// The file is cut while it is read from one end to the other: by a server or a tool that indexes
// it, and by `stele scan`. None of them crashes, and each says what is wrong.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mapping.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/watch.h"

static const struct table table = {1, 300000}; // 15 MB: several parts to read
static const struct table small = {2, 5000};

struct cutting {
    struct notices notices;
    const char *path;
    off_t to;
    unsigned calls;
};

static void cut_meanwhile(void *context, uint64_t done, uint64_t total)
{
    struct cutting *cutting = context;
    (void)done;
    (void)total;
    if (cutting->calls++ == 0)
        require(truncate(cutting->path, cutting->to) == 0, "cannot cut");
}

static void cut_while_indexed(off_t to, enum dataset_malformed malformed, const char *name)
{
    struct cutting cutting = {.path = table_file(&table, "table.data"), .to = to};
    struct error error = {""};
    struct dataset_settings settings = {.malformed = malformed,
                                        .progress = cut_meanwhile,
                                        .notice = notices_add,
                                        .context = &cutting};
    struct dataset *d = dataset_open(cutting.path, &settings, NULL, &error);
    ok(cutting.calls > 0, "%s: (was cut)", name);
    ok(d == NULL, "%s: it is not opened", name);
    ok(strstr(error.text, "changed while it was read") != NULL, "%s: %s", name, error.text);
    dataset_close(d);
    notices_clear(&cutting.notices);
}

// The checksums of the data are compared with those of the index beside the loops; what is lost
// meanwhile must not be missing in an index that is built anew.
static void cut_before_settling(void)
{
    const char *path = table_file(&small, "small.data");
    struct opened o;
    index_written(path, NULL);
    // A new inode, so that the index proves nothing and is verified.
    unlink(path);
    table_file(&small, "small.data");
    struct dataset_settings settings = {.malformed = DATASET_SKIP_MALFORMED,
                                        .index = DATASET_INDEX_READ,
                                        .trust = DATASET_TRUST_SAMPLED};
    opened_with(&o, path, &settings);
    is_text(dataset_index_status(o.dataset), "verifying", "(not proven)");
    file_resize(path, small.count / 2 * TABLE_LINE);
    dataset_finish(o.dataset, NULL);
    struct span value;
    is_number(dataset_presence(o.dataset, table_key(&small, small.count - 1), &value),
              DATASET_UNREADABLE, "what is lost is not said to be absent");
    is_number(dataset_presence(o.dataset, table_key(&small, 1), &value), DATASET_PRESENT,
              "what is left is there");
    is_number(dataset_presence(o.dataset, table_key(&table, 1), &value), DATASET_ABSENT,
              "and what never was is absent");
    is_text(dataset_status(o.dataset), "truncated", "status");
    ok(table_is_not_mistaken(&small, o.dataset), "nothing is mistaken");
    opened_close(&o);
}

// Starts `stele scan`, whose output nobody reads yet, and cuts the file under it.
static void cut_while_scanned(void)
{
    const char *path = table_file(&small, "small.data");
    const char *errors = test_path("scan.err");
    struct buf out = {0};
    int pipes[2];
    int status = 0;
    require(pipe2(pipes, O_CLOEXEC) == 0, "no pipe");
    fflush(stdout);
    pid_t pid = fork();
    require(pid >= 0, "cannot fork");
    if (pid == 0) {
        int log = open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(pipes[1], STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execl(tool_program(), "stele", "scan", path, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    char *room = buf_reserve(&out, 1 << 20);
    require(room != NULL && read(pipes[0], room, TABLE_LINE) == TABLE_LINE, "nothing is printed");
    file_resize(path, 0);
    while (read(pipes[0], room, 4096) > 0)
        ;
    close(pipes[0]);
    require(waitpid(pid, &status, 0) == pid, "not our child");
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 2, "stele scan ends with an error");
    ok(log_has(errors, "was truncated, overwritten or cannot be read"), "and says which");
    buf_release(&out);
}

static const volatile char *unguarded;

// Elsewhere than in what is guarded a fault is what it always was.
static void check_elsewhere(void)
{
    const char *path = test_file("other", span_text("x"));
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    require(pid >= 0, "cannot fork");
    if (pid == 0) {
        signal(SIGBUS, SIG_DFL);
        mapping_catch_faults();
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        unguarded = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
        if (unguarded == MAP_FAILED || truncate(path, 0) != 0)
            _exit(1);
        (void)*unguarded;
        _exit(0);
    }
    require(waitpid(pid, &status, 0) == pid, "not our child");
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "a fault elsewhere ends the process");
    pid = fork();
    require(pid >= 0, "cannot fork");
    if (pid == 0) {
        signal(SIGBUS, SIG_DFL);
        mapping_catch_faults();
        raise(SIGBUS);
        _exit(0);
    }
    require(waitpid(pid, &status, 0) == pid, "not our child");
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "and so does a signal that is sent");
}

int main(void)
{
    mapping_catch_faults();
    cut_while_indexed(0, DATASET_SKIP_MALFORMED, "to nothing");
    cut_while_indexed(7000000, DATASET_SKIP_MALFORMED, "inside a page");
    cut_while_indexed(4096 * 1000, DATASET_SKIP_MALFORMED, "at a page");
    cut_while_indexed(0, DATASET_REFUSE_MALFORMED, "to nothing, strictly");
    cut_before_settling();
    cut_while_scanned();
    check_elsewhere();
    return done_testing();
}
