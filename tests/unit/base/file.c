// Tests of files: only regular files are opened, and reads and writes are either complete or fail.
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

static void check_open(void)
{
    const char *path = test_file("regular", SPAN("0123456789"));
    const char *fifo = test_path("fifo");
    const char *link = test_path("link");
    const char *dangling = test_path("dangling");
    require(mkfifo(fifo, 0600) == 0 && symlink(path, link) == 0 && symlink("no", dangling) == 0,
            "cannot prepare files");
    struct stat status;
    struct error error;
    int fd = file_open(path, &status, &error);
    ok(fd >= 0 && status.st_size == 10, "a regular file is opened, and its size is known");
    ok((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "its descriptor is closed at exec");
    close(fd);
    fd = file_open(link, &status, &error);
    ok(fd >= 0, "a symbolic link is followed");
    close(fd);
    const struct {
        const char *path;
        const char *reason;
        int number;
    } refused[] = {
        {fifo, "not a regular file", 0},
        {test_folder(), "not a regular file", 0},
        {"/dev/null", "not a regular file", 0},
        {dangling, "No such file or directory", ENOENT},
        {test_path("regular/below"), "Not a directory", ENOTDIR},
        {"", "No such file or directory", ENOENT},
    };
    for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct buf wanted = {0};
        buf_printf(&wanted, "cannot open '%s': %s", refused[i].path, refused[i].reason);
        fd = file_open(refused[i].path, &status, &error);
        int number = errno;
        is_number(fd, -1, "refused: %s", refused[i].path);
        is_number(number, refused[i].number, "with its errno");
        is_bytes(span_text(error.text), buf_span(&wanted), "with its message");
        buf_release(&wanted);
        ok(file_open(refused[i].path, &status, NULL) == -1, "refused without a message, too");
    }
}

static void check_read_and_write(void)
{
    const char *path = test_file("content", SPAN("0123456789"));
    char got[16] = "";
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ok(file_read(fd, got, 4, 3) && memcmp(got, "3456", 5) == 0, "bytes are read from an offset on");
    ok(file_read(fd, got, 10, 0) && memcmp(got, "0123456789", 10) == 0,
       "bytes are read up to the end of the file");
    ok(file_read(fd, got, 0, 99), "0 bytes can be read after the end");
    errno = EIO;
    ok(!file_read(fd, got, 11, 0) && errno == 0, "a file that is too short: errno is 0");
    ok(file_write(fd, "abc", 3, 12) && file_read(fd, got, 15, 0) &&
           memcmp(got, "0123456789\0\0abc", 15) == 0,
       "bytes are written from an offset on");
    is_number(lseek(fd, 0, SEEK_CUR), 0, "the file's own position does not change");
    close(fd);
    ok(!file_read(-1, got, 1, 0) && errno == EBADF, "reading without a descriptor is an error");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    ok(!file_write(fd, "x", 1, 0) && errno == EBADF,
       "writing to a file open for reading is an error");
    close(fd);
}

// Because of the limit, the first write of the system is incomplete, and the second one fails.
static void check_short_write(void)
{
    struct rlimit before;
    struct stat status;
    int fd = open(test_path("limited"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    signal(SIGXFSZ, SIG_IGN);
    require(getrlimit(RLIMIT_FSIZE, &before) == 0, "cannot read the limit");
    struct rlimit limit = {5000, before.rlim_max};
    char *zeros = calloc(1, 10000);
    require(setrlimit(RLIMIT_FSIZE, &limit) == 0, "cannot set the limit");
    bool written = file_write(fd, zeros, 10000, 0);
    int number = errno;
    require(setrlimit(RLIMIT_FSIZE, &before) == 0, "cannot restore the limit");
    ok(!written && number == EFBIG, "writing more than the limit is an error");
    ok(fstat(fd, &status) == 0 && status.st_size == 5000, "the bytes within the limit are written");
    close(fd);
    free(zeros);
}

static void check_sync(void)
{
    ok(file_sync_folder(test_path("any")), "the folder of a path is synced");
    ok(file_sync_folder("any"), "the folder of a name without a path is synced");
    ok(file_sync_folder("/any"), "the root folder is synced");
    ok(!file_sync_folder("/no/such/any") && errno == ENOENT, "a missing folder is an error");
}

static void check_rename(void)
{
    const char *from = test_file("from", SPAN("new"));
    const char *to = test_file("to", SPAN("old"));
    ok(!file_rename_new(from, to) && errno == EEXIST, "a file is not replaced");
    struct buf kept = file_content(to);
    is_bytes(buf_span(&kept), SPAN("old"), "it stays as it is");
    buf_release(&kept);
    ok(!file_rename_new(from, test_folder()) && errno == EEXIST, "nor is a folder");
    ok(unlink(to) == 0 && symlink("nowhere", to) == 0 && !file_rename_new(from, to) &&
           errno == EEXIST,
       "nor is a dangling link");
    ok(unlink(to) == 0 && file_rename_new(from, to) && access(from, F_OK) != 0,
       "a free name is given");
    ok(!file_rename_new(from, to) && errno != 0, "a file that does not exist");
}

int main(void)
{
    check_open();
    check_rename();
    check_read_and_write();
    check_short_write();
    check_sync();
    return done_testing();
}
