// Fault F1 (docs/faults.md): several threads read a mapping at the moment when its file is cut.
// Each thread finds the filler or what the file held, and none crashes. Each round has a mapping
// and a process of its own.
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mapping.h"
#include "support/server.h"
#include "support/tap.h"

enum { BYTES = 2 * 1024 * 1024, ROUNDS = 250, SEARCH = 64 * 1024, THREADS_MAX = 4 };

static struct mapping mapping;
static pthread_barrier_t barrier;
static struct random seed;

// Searches for a newline from random offsets on, so that threads fault in the same pages and in
// different ones. Ends 50 searches after the damage has been noticed.
static void *search(void *argument)
{
    struct random r = {*(uint64_t *)argument};
    pthread_barrier_wait(&barrier);
    for (unsigned after = 0; after<50; after += mapping_faults(&mapping)> 0) {
        size_t at = random_below(&r, BYTES - SEARCH);
        const char *found = memchr(mapping.begin + at, '\n', SEARCH);
        if (found != NULL && mapping_faults(&mapping) == 0)
            _exit(1); // the file holds no newline; only the filler does
    }
    return NULL;
}

// Runs a round in a child process. Does not return; the exit status is the number of the failed
// check.
static void run_round(int fd, unsigned threads, size_t left)
{
    pthread_t each[THREADS_MAX];
    uint64_t seeds[THREADS_MAX];
    mapping_catch_faults();
    void *memory = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
    mapping.begin = memory;
    mapping.len = BYTES;
    mapping.filler = '\n';
    atomic_init(&mapping.end, mapping.begin + BYTES - 1);
    if (memory == MAP_FAILED || !mapping_guard(&mapping, fd))
        _exit(2);
    pthread_barrier_init(&barrier, NULL, threads + 1);
    for (unsigned i = 0; i < threads; i++) {
        seeds[i] = random_next(&seed);
        if (pthread_create(&each[i], NULL, search, &seeds[i]) != 0)
            _exit(3);
    }
    pthread_barrier_wait(&barrier);
    if (ftruncate(fd, (off_t)left) != 0)
        _exit(4);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(each[i], NULL);
    if (mapping_look(&mapping) == 0 || !mapping_has(&mapping, 0, left) ||
        mapping_has(&mapping, left, 1))
        _exit(5);
    _exit(0);
}

static void check(unsigned threads)
{
    char *content = malloc(BYTES);
    const char *path = test_path("cut");
    unsigned wrong = 0;
    int first = 0;
    require(content != NULL, "no memory");
    memset(content, 'x', BYTES);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        require(fd >= 0 && write(fd, content, BYTES) == BYTES, "cannot write");
        size_t left = random_below(&seed, 4) * (BYTES / 8) + random_below(&seed, 2) * 100;
        (void)random_next(&seed);
        pid_t pid = fork();
        require(pid >= 0, "cannot fork");
        if (pid == 0)
            run_round(fd, threads, left);
        int status;
        require(waitpid(pid, &status, 0) == pid, "no child");
        wrong += status != 0;
        first = first == 0 ? status : first;
        close(fd);
    }
    is_number(wrong, 0, "%u threads: failed rounds (first status: %x)", threads, (unsigned)first);
    free(content);
}

int main(void)
{
    seed = random_seeded();
    check(2);
    check(4);
    return done_testing();
}
