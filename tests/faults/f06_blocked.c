// Fault F6 (docs/faults.md): no thread blocks SIGBUS, even if the process that started the server
// did. A fault in a thread that blocks it would end the server, whatever handler there is.
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mapping.h"
#include "base/parallel.h"
#include "base/thread.h"
#include "faults/support/hammer.h"
#include "support/server.h"
#include "support/tap.h"
#include "support/watch.h"

// Returns a mask of signals from /proc as a number, or all ones if it is missing.
static unsigned long long mask_in(const char *path, const char *field)
{
    char line[256];
    unsigned long long mask = ~0ULL;
    FILE *status = fopen(path, "r");
    require(status != NULL, "cannot read %s", path);
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            mask = strtoull(line + strlen(field), NULL, 16);
    fclose(status);
    return mask;
}

static void check_server(void)
{
    const unsigned long long sigbus = 1ULL << (SIGBUS - 1);
    struct held_file file;
    struct dirent *entry;
    char path[512];
    unsigned threads = 0;
    sigset_t blocked, before;
    held_make(&file, 100, true);
    const char *data = test_file("served.data", buf_span(&file.text));
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGBUS);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    struct server_process s = server_start(data, WORDS("--threads", "3"));
    sigprocmask(SIG_SETMASK, &before, NULL);
    log_await(s.log_path, "wrote '");
    server_await_idle(&s);
    snprintf(path, sizeof path, "/proc/%d/task", (int)s.pid);
    DIR *tasks = opendir(path);
    require(tasks != NULL, "no tasks");
    while ((entry = readdir(tasks)) != NULL) {
        if (*entry->d_name == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)s.pid, entry->d_name);
        ok((mask_in(path, "SigBlk:") & sigbus) == 0, "thread %u does not block SIGBUS", threads);
        ok((mask_in(path, "SigCgt:") & sigbus) != 0, "thread %u handles SIGBUS", threads);
        threads++;
    }
    closedir(tasks);
    ok(threads >= 3, "the server has at least 3 threads");
    require(truncate(data, 0) == 0, "cannot cut");
    hammer_check(s.port, &file, 0, "cut");
    is_number(server_stop(&s), 0, "the server has survived the cut");
    held_release(&file);
}

static void *look(void *argument)
{
    *(bool *)argument = mapping_faults_are_caught();
    return NULL;
}

enum { PARTS = 8 };

// What the workers of parallel_run have found. A part ends only when both workers have a part, so
// both take part.
struct seen {
    atomic_uint workers; // a bit for each worker
    atomic_uint blocked; // a bit for each worker that blocks SIGBUS
};

static void look_part(void *context, unsigned worker, size_t part)
{
    struct seen *seen = context;
    (void)part;
    atomic_fetch_or(&seen->workers, 1u << worker);
    if (!mapping_faults_are_caught())
        atomic_fetch_or(&seen->blocked, 1u << worker);
    while (atomic_load(&seen->workers) != 3)
        sched_yield();
}

static void check_threads(void)
{
    pthread_t thread;
    sigset_t blocked;
    bool caught = false;
    struct seen seen = {0};
    sigfillset(&blocked);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    mapping_catch_faults();
    ok(mapping_faults_are_caught(), "this thread catches faults");
    sigaddset(&blocked, SIGBUS);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    ok(!mapping_faults_are_caught(), "a thread that blocks SIGBUS does not catch faults");
    require(thread_start(&thread, 0, look, &caught), "no thread");
    pthread_join(thread, NULL);
    ok(caught, "a new thread does not inherit the blocked signal");
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
    parallel_run(2, PARTS, look_part, &seen);
    is_number(atomic_load(&seen.workers), 3, "two workers have taken part");
    is_number(atomic_load(&seen.blocked), 0, "neither of them blocks SIGBUS");
}

int main(void)
{
    check_server();
    check_threads();
    return done_testing();
}
