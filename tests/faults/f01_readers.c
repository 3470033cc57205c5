// Fault F1 (docs/faults.md): the data file is truncated while a program reads it from beginning to
// end: while it is indexed, and while `stele scan` prints it. No program crashes, and each says
// what is wrong.
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

static const struct table table = {1, 300000}; // 15 MB, which are read in several parts
static const struct table small = {2, 5000};

struct cutting {
    struct notices notices;
    const char *path;
    off_t to;
    unsigned calls;
};

// The progress callback of the index build: cuts the file when it is called first.
static void cut_on_progress(void *context, uint64_t done, uint64_t total)
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
                                        .progress = cut_on_progress,
                                        .notice = notices_add,
                                        .context = &cutting};
    struct dataset *d = dataset_open(cutting.path, &settings, NULL, &error);
    ok(cutting.calls > 0, "%s: the file was cut during the build", name);
    ok(d == NULL, "%s: the dataset is not opened", name);
    ok(strstr(error.text, "changed while it was read") != NULL, "%s: %s", name, error.text);
    dataset_close(d);
    notices_clear(&cutting.notices);
}

// The data is compared with the checksums in the index while lookups are served. If the file is cut
// meanwhile, lost keys must answer that they are unreadable, not that they are absent.
static void cut_before_verifying(void)
{
    const char *path = table_file(&small, "small.data");
    struct opened o;
    index_written(path, NULL);
    // The file gets a new inode, so its identity does not prove the index, and it must be verified.
    unlink(path);
    table_file(&small, "small.data");
    struct dataset_settings settings = {.malformed = DATASET_SKIP_MALFORMED,
                                        .index = DATASET_INDEX_READ,
                                        .trust = DATASET_TRUST_SAMPLED};
    opened_with(&o, path, &settings);
    is_text(dataset_index_status(o.dataset), "verifying", "the index is not proven yet");
    file_resize(path, small.count / 2 * TABLE_LINE);
    dataset_finish(o.dataset, NULL);
    struct span value;
    is_number(dataset_presence(o.dataset, table_key(&small, small.count - 1), &value),
              DATASET_UNREADABLE, "a lost key is unreadable, not absent");
    is_number(dataset_presence(o.dataset, table_key(&small, 1), &value), DATASET_PRESENT,
              "a key that is left is found");
    is_number(dataset_presence(o.dataset, table_key(&table, 1), &value), DATASET_ABSENT,
              "a key that never existed is absent");
    is_text(dataset_status(o.dataset), "truncated", "status");
    ok(table_is_not_mistaken(&small, o.dataset), "no key has the value of another");
    opened_close(&o);
}

// Starts `stele scan`, reads the first line of its output, and then cuts the file.
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
    require(waitpid(pid, &status, 0) == pid, "cannot wait for the child");
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 2, "stele scan ends with an error");
    ok(log_has(errors, "was truncated, overwritten or cannot be read"), "it says why");
    buf_release(&out);
}

static const volatile char *unguarded;

// A SIGBUS outside the guarded mappings still ends the process, as without a handler.
static void check_unguarded(void)
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
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS,
       "a fault in an unguarded mapping ends the process");
    pid = fork();
    require(pid >= 0, "cannot fork");
    if (pid == 0) {
        signal(SIGBUS, SIG_DFL);
        mapping_catch_faults();
        raise(SIGBUS);
        _exit(0);
    }
    require(waitpid(pid, &status, 0) == pid, "not our child");
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "a SIGBUS that is sent ends the process");
}

int main(void)
{
    mapping_catch_faults();
    cut_while_indexed(0, DATASET_SKIP_MALFORMED, "to nothing");
    cut_while_indexed(7000000, DATASET_SKIP_MALFORMED, "inside a page");
    cut_while_indexed(4096 * 1000, DATASET_SKIP_MALFORMED, "at a page");
    cut_while_indexed(0, DATASET_REFUSE_MALFORMED, "to nothing, malformed lines refused");
    cut_before_verifying();
    cut_while_scanned();
    check_unguarded();
    return done_testing();
}
