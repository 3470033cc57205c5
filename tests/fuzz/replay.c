// Runs a fuzz target with the inputs of its corpus, as a test without a fuzzer. Each file is
// a test point.
//
// A child process runs all files, one after another. If it fails, each file that it has begun is
// run again in a process of its own, so that the failing file is named. Then another child runs the
// rest. The corpus is tests/fuzz/corpus/TARGET, where TARGET is the program's name. Arguments are
// files and folders to run instead.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fuzz.h"
#include "support/talk.h"
#include "support/tap.h"

enum { SECONDS = 20 }; // limit for one file, which takes about 0.01 s

static char **files;
static size_t file_count;

static void play_file(const char *path)
{
    struct stat status;
    alarm(SECONDS);
    struct buf content = file_content(path);
    // A copy of exactly its size. A buf has room after its content, so reading there would
    // not be noticed.
    uint8_t *exact = malloc(content.len > 0 ? content.len : 1);
    if (exact == NULL || stat(path, &status) != 0 || content.len != (size_t)status.st_size)
        _exit(EXIT_FAILURE);
    if (content.len > 0)
        memcpy(exact, content.ptr, content.len);
    LLVMFuzzerTestOneInput(exact, content.len);
    free(exact);
    buf_release(&content);
    alarm(0);
}

// Runs the files from `first` to `end` - 1 in a child process, and counts in `*begun` the files
// that it begins. Returns the child's status.
static int play_range(size_t first, size_t end, volatile size_t *begun)
{
    int status = 0;
    *begun = 0;
    fflush(stdout);
    pid_t child = fork();
    require(child >= 0, "cannot fork");
    if (child == 0) {
        for (size_t i = first; i < end; i++) {
            ++*begun;
            play_file(files[i]);
        }
        exit(EXIT_SUCCESS); // not _exit, so that the leak checker runs
    }
    require(waitpid(child, &status, 0) == child, "cannot wait");
    return status;
}

static void explain(int status)
{
    if (WIFSIGNALED(status))
        diag("ended by signal %d", WTERMSIG(status));
    else if (status != 0)
        diag("exit status %d", WEXITSTATUS(status));
}

static void play_all(void)
{
    volatile size_t *begun =
        mmap(NULL, sizeof *begun, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    require(begun != MAP_FAILED, "no memory");
    for (size_t first = 0; first < file_count;) {
        int status = play_range(first, file_count, begun);
        size_t end = first + *begun;
        bool named = false;
        for (size_t i = first; i < end; i++) {
            int alone = status == 0 ? 0 : play_range(i, i + 1, begun);
            ok(alone == 0, "%s", files[i]);
            explain(alone);
            named |= alone != 0;
        }
        if (status != 0 && !named) {
            ok(false, "%s, after the files before it", end > first ? files[end - 1] : files[first]);
            explain(status);
        }
        first = end > first ? end : file_count;
    }
    munmap((void *)(uintptr_t)begun, sizeof *begun);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void collect(const char *path)
{
    struct stat status;
    struct dirent **entries;
    require(stat(path, &status) == 0, "cannot find '%s'", path);
    if (!S_ISDIR(status.st_mode)) {
        files = realloc(files, (file_count + 1) * sizeof *files);
        require(files != NULL && (files[file_count++] = strdup(path)) != NULL, "no memory");
        return;
    }
    int count = scandir(path, &entries, is_visible, alphasort);
    require(count > 0, "no files in '%s'", path);
    for (int i = 0; i < count; i++) {
        struct buf file = {0};
        buf_printf(&file, "%s/%s", path, entries[i]->d_name);
        buf_append(&file, span_of("", 1));
        require(!file.oom, "no memory");
        collect(file.ptr);
        buf_release(&file);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char *argv[])
{
    const char *slash = strrchr(argv[0], '/');
    struct buf corpus = {0};
    for (int i = 1; i < argc; i++)
        collect(argv[i]);
    if (argc == 1) {
        buf_printf(&corpus, "tests/fuzz/corpus/%s", slash != NULL ? slash + 1 : argv[0]);
        buf_append(&corpus, span_of("", 1));
        require(!corpus.oom, "no memory");
        collect(corpus.ptr);
        buf_release(&corpus);
    }
    play_all();
    for (size_t i = 0; i < file_count; i++)
        free(files[i]);
    free(files);
    return done_testing();
}
