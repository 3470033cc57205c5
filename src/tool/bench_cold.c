// Each thread takes the next key of a common list, reads its line as a server does for data that is
// not in memory, and notes the time. The disk has as many reads to do at once as there are threads.
#include "tool/bench_cold.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/thread.h"
#include "tool/tool.h"

typedef unsigned long long ull;

enum {
    SEED = 0xc01d, // chooses the same keys in every run
    LOOKUPS_MAX = 200000,
    // The file has at least this many pages for each lookup. So few lookups meet a page that an
    // earlier one has read.
    PAGES_PER_LOOKUP = 4,
    PAGE = 4096,
    SECONDS = 4, // longest time of a measurement
    THREADS_MAX = 64,
    BUFFER_MIN = 256,
    BUFFER_MAX = PAGE,
    DISK_BLOCK = 512, // bytes of a unit of ru_inblock
};

static const unsigned threads_of[] = {1, 16, THREADS_MAX};
enum { MEASUREMENTS = sizeof threads_of / sizeof *threads_of };

// Work that several threads do together, key by key.
struct work {
    const struct dataset *dataset;
    struct uuid *keys;
    uint64_t *ns; // for each key the duration of its lookup
    size_t count; // number of keys
    size_t size;  // bytes that are read of a line at most
    // Does the work for key `i`. Returns false if it fails.
    bool (*step)(struct work *w, size_t i);
    uint64_t until_ns; // monotonic time after which no thread begins with another key
    atomic_size_t next;
    atomic_size_t done;
    atomic_size_t failed;
};

static void *run_thread(void *argument)
{
    struct work *w = argument;
    while (clock_monotonic_ns() < w->until_ns) {
        size_t i = atomic_fetch_add(&w->next, 1);
        if (i >= w->count)
            break;
        if (!w->step(w, i))
            atomic_fetch_add(&w->failed, 1);
        atomic_fetch_add(&w->done, 1);
    }
    return NULL;
}

// Does the work for the first keys, until they are done or the time is over. Returns false with a
// message if a thread cannot be started.
static bool run(struct work *w, unsigned threads, bool (*step)(struct work *w, size_t i))
{
    pthread_t thread[THREADS_MAX];
    unsigned started = 0;
    w->step = step;
    w->until_ns = clock_monotonic_ns() + SECONDS * CLOCK_SECOND;
    atomic_store(&w->next, 0);
    atomic_store(&w->done, 0);
    while (started < threads && thread_start(&thread[started], 0, run_thread, w))
        started++;
    if (started < threads)
        tool_say("cannot start a thread: %s", strerror(errno));
    for (unsigned i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    return started == threads;
}

static bool choose_key(struct work *w, size_t i)
{
    char buffer[BUFFER_MAX];
    struct dataset_line line;
    uint64_t state = SEED + i;
    uint64_t rank = splitmix64(&state) % dataset_figures(w->dataset)->keys;
    enum dataset_read found = dataset_read_rank(
        w->dataset, rank, true, (struct bytes){buffer, w->size}, &w->keys[i], &line);
    return found == DATASET_READ_FOUND || found == DATASET_READ_LONG;
}

// Reads the parts of the index that the lookup needs.
static bool read_index(struct work *w, size_t i)
{
    return dataset_read_offset(w->dataset, w->keys[i]) != DATASET_NO_OFFSET;
}

static bool look_up(struct work *w, size_t i)
{
    char buffer[BUFFER_MAX];
    struct dataset_line line;
    uint64_t start = clock_monotonic_ns();
    enum dataset_read found =
        dataset_read_key(w->dataset, w->keys[i], true, (struct bytes){buffer, w->size}, &line);
    w->ns[i] = clock_monotonic_ns() - start;
    return found == DATASET_READ_FOUND || found == DATASET_READ_LONG;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// The result of a measurement.
struct figures {
    double each_second; // lookups
    double p50_us;
    double p99_us;
    double disk_bytes; // bytes that the disk has read for a lookup
};

static uint64_t disk_bytes(void)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_inblock * DISK_BLOCK;
}

// Measures `threads` threads. Returns false with a message on failure.
static bool measure(struct work *w, unsigned threads, struct figures *f)
{
    if (!dataset_drop_pages(w->dataset)) {
        tool_say("cannot remove the data file from memory: %s", strerror(errno));
        return false;
    }
    uint64_t bytes = disk_bytes();
    uint64_t start = clock_monotonic_ns();
    if (!run(w, threads, look_up))
        return false;
    double seconds = (double)(clock_monotonic_ns() - start) / CLOCK_SECOND;
    size_t done = atomic_load(&w->done); // the keys are taken in order, so these are the first
    qsort(w->ns, done, sizeof *w->ns, compare);
    f->each_second = (double)done / seconds;
    f->p50_us = (double)w->ns[done / 2] / 1000;
    f->p99_us = (double)w->ns[done - 1 - done / 100] / 1000;
    f->disk_bytes = (double)(disk_bytes() - bytes) / (double)done;
    return true;
}

// Chooses the keys, and does all measurements.
static bool measure_all(struct work *w, const char *file, struct figures *f)
{
    bool good = true;
    tool_step("measuring", file, false);
    good = run(w, THREADS_MAX, choose_key);
    w->count = atomic_load(&w->done);
    good = good && run(w, THREADS_MAX, read_index);
    w->count = atomic_load(&w->done);
    for (unsigned i = 0; good && i < MEASUREMENTS; i++) {
        tool_step_at(i + 1, MEASUREMENTS + 1);
        good = measure(w, threads_of[i], &f[i]);
    }
    tool_step_hide();
    return good;
}

static void show(const struct dataset *d, const struct figures *f)
{
    const struct dataset_figures *figures = dataset_figures(d);
    double read = 0;
    printf("%-26s %10llu\n", "keys", (ull)figures->keys);
    printf("%-26s %10.1f MB\n", "data", (double)figures->data_bytes / 1e6);
    printf("%-26s %10s %13s %13s %13s\n", "", "lookups/s", "p50", "p99", "disk read");
    for (unsigned i = 0; i < MEASUREMENTS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%u lookup%s at a time", threads_of[i],
                 threads_of[i] > 1 ? "s" : "");
        printf("%-26s %10.0f %10.1f us %10.1f us %11.1f KB\n", name, f[i].each_second, f[i].p50_us,
               f[i].p99_us, f[i].disk_bytes / 1e3);
        read += f[i].disk_bytes;
    }
    if (read == 0)
        tool_say("nothing was read from the disk: the system has kept the file in memory, or does "
                 "not count what is read from it");
}

int bench_cold(const struct dataset *d, const char *file)
{
    const struct dataset_figures *facts = dataset_figures(d);
    uint64_t most = facts->data_bytes / PAGE / PAGES_PER_LOOKUP;
    size_t size = 2 * (size_t)(facts->data_bytes / facts->lines) + DATASET_READ_EXTRA;
    struct work w = {.dataset = d, .count = LOOKUPS_MAX, .size = size};
    struct figures f[MEASUREMENTS] = {0};
    if (w.count > most)
        w.count = most > 0 ? most : 1;
    if (size < BUFFER_MIN || size > BUFFER_MAX)
        w.size = size < BUFFER_MIN ? BUFFER_MIN : BUFFER_MAX; // as the server does (serve/cold)
    w.keys = malloc(w.count * sizeof *w.keys);
    w.ns = malloc(w.count * sizeof *w.ns);
    int code = TOOL_ERROR;
    if (w.keys == NULL || w.ns == NULL)
        tool_say("no memory");
    else if (measure_all(&w, file, f))
        code = TOOL_OK;
    if (code == TOOL_OK)
        show(d, f);
    if (atomic_load(&w.failed) > 0) {
        tool_say("%zu lookups have not found their keys", atomic_load(&w.failed));
        code = TOOL_ERROR;
    }
    free(w.keys);
    free(w.ns);
    return code;
}
