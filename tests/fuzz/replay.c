// Plays a fuzz target's corpus where there is no fuzzer: a test point for each file.
//
// Each file is played in a process of its own, so that one that crashes or never ends is named and
// the others are still played. Without arguments the corpus is tests/fuzz/corpus/TARGET, where
// TARGET is the program's name; arguments are files and folders to play instead.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "support/talk.h"
#include "support/tap.h"

enum { SECONDS = 20 }; // for one file, which takes a hundredth of one

static void play_file(const char *path, size_t size)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    require(child >= 0, "cannot fork");
    if (child == 0) {
        alarm(SECONDS);
        struct buf content = file_content(path);
        // An exact copy: a buf has room behind its content, where reading would go unnoticed.
        uint8_t *exact = malloc(content.len > 0 ? content.len : 1);
        if (exact == NULL || content.len != size)
            _exit(EXIT_FAILURE);
        if (content.len > 0)
            memcpy(exact, content.ptr, content.len);
        LLVMFuzzerTestOneInput(exact, content.len);
        free(exact);
        buf_release(&content);
        exit(EXIT_SUCCESS); // not _exit: leaks are looked for
    }
    require(waitpid(child, &status, 0) == child, "cannot wait");
    ok(status == 0, "%s", path);
    if (WIFSIGNALED(status))
        diag("ended by signal %d", WTERMSIG(status));
    else if (status != 0)
        diag("exit status %d", WEXITSTATUS(status));
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void play(const char *path)
{
    struct stat status;
    struct dirent **entries;
    require(stat(path, &status) == 0, "cannot find '%s'", path);
    if (!S_ISDIR(status.st_mode)) {
        play_file(path, (size_t)status.st_size);
        return;
    }
    int count = scandir(path, &entries, is_visible, alphasort);
    require(count > 0, "no files in '%s'", path);
    for (int i = 0; i < count; i++) {
        struct buf file = {0};
        buf_printf(&file, "%s/%s", path, entries[i]->d_name);
        buf_append(&file, span_of("", 1));
        require(!file.oom, "no memory");
        play(file.ptr);
        buf_release(&file);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char *argv[])
{
    const char *slash = strrchr(argv[0], '/');
    struct buf corpus = {0};
    if (argc > 1) {
        for (int i = 1; i < argc; i++)
            play(argv[i]);
        return done_testing();
    }
    buf_printf(&corpus, "tests/fuzz/corpus/%s", slash != NULL ? slash + 1 : argv[0]);
    buf_append(&corpus, span_of("", 1));
    require(!corpus.oom, "no memory");
    play(corpus.ptr);
    buf_release(&corpus);
    return done_testing();
}
