// The memory of a set is one block: the struct, the lines, and a buffer for each line. The loop
// allocates and frees it. Reader threads write to pending lines only, and the loop reads a line
// only when it is not pending any more.
#include "serve/cold.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/link.h"
#include "base/ref.h"
#include "data/recent_pages.h"
#include "metrics/stats.h"

enum {
    PAGE = 4096, // bytes; larger pages are counted in parts
    // Bytes of a line's buffer. Most lines must fit, so it depends on the mean length of a line.
    BUFFER_MIN = 256,
    BUFFER_MAX = 4096,
    BUFFER_ALIGN = 64,
};

// How often the page faults are read, and for how long a loop that has waited for the disk expects
// that it may happen again.
static const uint64_t LOOK_INTERVAL = CLOCK_SECOND / 1000;
static const uint64_t ACTIVE_TIME = 2 * CLOCK_SECOND;

struct cold_set {
    struct loop_task task; // brings the set back to its loop
    struct reader_job job;
    struct cold *cold; // only the home loop may use it
    struct dataset *dataset;
    uint64_t number;       // of the snapshot
    unsigned replacements; // what dataset_replacements returned before any line was read
    uint64_t began_ns;     // monotonic time when the reader threads got it
    uint64_t waited_ns;    // time that the reader threads had it the last time
    unsigned count;
    unsigned capacity;
    unsigned next; // line at which the next search begins: lines are used in their order
    bool running;  // reader threads work on it
    size_t memory; // bytes
    size_t size;   // bytes of a line's buffer
    char *longer;  // buffers of cold_set_read_longer, each of which begins with a pointer to the
                   // one before; NULL: none
    uint16_t pending[COLD_LINES_MAX]; // numbers of the pending lines, in the order of the job's
    struct cold_line lines[];
};

// ---- when to expect that data is not in memory --------------------------------------------------

void cold_dataset(struct cold *cold, const struct dataset *d)
{
    cold->fits = dataset_fits_in_memory(d, cold->memory_allowed);
    cold->epoch++;
}

static uint64_t thread_faults(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? (uint64_t)usage.ru_majflt : 0;
}

void cold_update(struct cold *cold, uint64_t now)
{
    if (cold->readers == NULL || now - cold->looked_ns < LOOK_INTERVAL)
        return;
    uint64_t faults = cold->fits ? thread_faults() : 0;
    if (cold->fits && faults != cold->faults && cold->looked_ns != 0)
        cold->active_until_ns = now + ACTIVE_TIME;
    cold->faults = faults;
    cold->looked_ns = now;
    cold->active = !cold->fits || now < cold->active_until_ns;
    if (cold->active && cold->pages == NULL)
        cold->pages = recent_pages_new(cold->memory_allowed / PAGE);
    cold->active &= cold->pages != NULL;
    counter_set(&cold->stats->cold_active, cold->active);
}

void cold_release(struct cold *cold)
{
    recent_pages_free(cold->pages);
    cold->pages = NULL;
}

// Returns a number for the page of an offset in the present dataset.
static uint64_t page_of(const struct cold *cold, uint64_t offset)
{
    return offset / PAGE + (cold->epoch << 44);
}

// ---- sets ---------------------------------------------------------------------------------------

static void release_set(struct loop_task *task)
{
    struct cold_set *set = container_of(task, struct cold_set, task);
    while (set->longer != NULL) {
        char *before;
        memcpy(&before, set->longer, sizeof before);
        free(set->longer);
        set->longer = before;
    }
    ref_drop(dataset_ref(set->dataset));
    free(set);
}

struct cold_set *cold_set_new(struct cold *cold, struct dataset *d, uint64_t number,
                              unsigned capacity)
{
    const struct dataset_figures *f = dataset_figures(d);
    uint64_t mean = f->lines > 0 ? f->data_bytes / f->lines : 0;
    size_t size =
        2 * mean + DATASET_READ_EXTRA < BUFFER_MAX ? 2 * mean + DATASET_READ_EXTRA : BUFFER_MAX;
    size = (size < BUFFER_MIN ? BUFFER_MIN : size + BUFFER_ALIGN - 1) / BUFFER_ALIGN * BUFFER_ALIGN;
    assert(capacity > 0 && capacity <= COLD_LINES_MAX);
    size_t head = sizeof(struct cold_set) + capacity * sizeof(struct cold_line);
    struct cold_set *set = malloc(head + capacity * size);
    if (set == NULL)
        return NULL;
    *set = (struct cold_set){
        .task = {.release = release_set, .for_waiter = true},
        .cold = cold,
        .dataset = d,
        .number = number,
        .replacements = dataset_replacements(d),
        .capacity = capacity,
        .memory = head + capacity * size,
        .size = size,
    };
    ref_take(dataset_ref(d));
    return set;
}

bool cold_set_is_valid(const struct cold_set *set, uint64_t number)
{
    return set->number == number && dataset_replacements(set->dataset) == set->replacements;
}

bool cold_set_is_full(const struct cold_set *set)
{
    return set->count == set->capacity;
}

static struct cold_line *add(struct cold_set *set, enum cold_kind kind)
{
    assert(set->count < set->capacity && !set->running);
    char *buffers = (char *)&set->lines[set->capacity];
    struct cold_line *line = &set->lines[set->count];
    *line = (struct cold_line){
        .kind = kind,
        .pending = true,
        .buffer = buffers + set->count * set->size,
        .size = set->size,
    };
    set->count++;
    return line;
}

void cold_set_add_key(struct cold_set *set, struct uuid id)
{
    add(set, COLD_KEY)->id = id;
}

void cold_set_add_rank(struct cold_set *set, uint64_t rank)
{
    add(set, COLD_RANK)->rank = rank;
}

void cold_set_add_seek(struct cold_set *set, struct uuid id)
{
    add(set, COLD_SEEK)->id = id;
}

void cold_set_keep_seeks(struct cold_set *set, const struct cold_set *from)
{
    for (unsigned i = 0; i < from->count && !cold_set_is_full(set); i++) {
        const struct cold_line *line = &from->lines[i];
        if (line->kind != COLD_SEEK || line->pending)
            continue;
        struct cold_line *copy = add(set, COLD_SEEK);
        copy->id = line->id;
        copy->rank = line->rank;
        copy->pending = false;
    }
}

static struct cold_line *find(struct cold_set *set, enum cold_kind kind, struct uuid id,
                              uint64_t rank)
{
    for (unsigned i = 0; i < set->count; i++) {
        unsigned at = (set->next + i) % set->count;
        struct cold_line *line = &set->lines[at];
        bool same =
            kind == COLD_RANK ? line->rank == rank : line->id.hi == id.hi && line->id.lo == id.lo;
        if (line->kind == kind && same) {
            set->next = at;
            return line;
        }
    }
    return NULL;
}

struct cold_line *cold_set_key(struct cold_set *set, struct uuid id)
{
    return find(set, COLD_KEY, id, 0);
}

struct cold_line *cold_set_rank(struct cold_set *set, uint64_t rank)
{
    return find(set, COLD_RANK, (struct uuid){0, 0}, rank);
}

struct cold_line *cold_set_seek(struct cold_set *set, struct uuid id)
{
    return find(set, COLD_SEEK, id, 0);
}

// ---- reading ------------------------------------------------------------------------------------

static void read_line(const struct dataset *d, struct cold_line *line, bool wait)
{
    struct bytes buffer = {line->buffer, line->size};
    if (line->extent) {
        line->found = dataset_read_end(d, line->line.offset, &line->line.value);
        line->pending = false;
        return;
    }
    switch (line->kind) {
    case COLD_KEY: line->found = dataset_read_key(d, line->id, wait, buffer, &line->line); break;
    case COLD_RANK:
        line->found = dataset_read_rank(d, line->rank, wait, buffer, &line->id, &line->line);
        break;
    case COLD_SEEK: line->rank = dataset_seek(d, line->id); break;
    }
    // The buffer has room for slightly longer values, too.
    if (line->kind != COLD_SEEK && line->found == DATASET_READ_FOUND &&
        line->line.value.len >= COLD_VALUE_MAX)
        line->found = DATASET_READ_LONG;
    line->pending = line->kind != COLD_SEEK && line->found == DATASET_READ_COLD;
}

// Whether nobody needs the lines any more.
static bool is_abandoned(const struct cold_set *set)
{
    return atomic_load_explicit(&set->task.abandoned, memory_order_relaxed);
}

// Lets the system begin to read items of the job, on a reader thread. All of them are plain reads
// (submit).
static void begin_job(struct reader_job *job, unsigned first, unsigned count)
{
    struct cold_set *set = container_of(job, struct cold_set, job);
    for (unsigned i = first; i < first + count && !is_abandoned(set); i++)
        read_line(set->dataset, &set->lines[set->pending[i]], false);
}

// Reads items of the job on a reader thread.
static void run_job(struct reader_job *job, unsigned first, unsigned count)
{
    struct cold_set *set = container_of(job, struct cold_set, job);
    for (unsigned i = first; i < first + count && !is_abandoned(set); i++) {
        struct cold_line *line = &set->lines[set->pending[i]];
        if (line->pending)
            read_line(set->dataset, line, true);
    }
}

static void finish_job(struct reader_job *job)
{
    struct cold_set *set = container_of(job, struct cold_set, job);
    const struct loop_router *router = set->task.router;
    router->post(router->context, set->task.home_number, &set->task);
}

// Called in the home loop when the reader threads have finished.
static void come_back(struct loop_task *task)
{
    struct cold_set *set = container_of(task, struct cold_set, task);
    struct cold *cold = set->cold;
    uint64_t now = clock_monotonic_ns();
    set->running = false;
    counter_sub(&cold->stats->parked_requests, 1);
    set->waited_ns = now - set->began_ns;
    counter_add(&cold->stats->parked_ns, set->waited_ns);
    for (unsigned i = 0; i < set->job.count; i++) {
        struct cold_line *line = &set->lines[set->pending[i]];
        line->parked = false;
        if (line->kind != COLD_SEEK && !line->pending && line->found != DATASET_READ_ABSENT &&
            line->found != DATASET_READ_UNREADABLE)
            recent_pages_add(cold->pages, page_of(cold, line->line.offset), now / 1000000);
    }
}

// Hands the pending lines to the reader threads. A seek or the search for the end of a value takes
// several reads, so the thread that does it takes nothing of other clients.
static void submit(struct cold *cold, struct cold_set *set, struct session *waiter,
                   void (*arrived)(struct session *waiter))
{
    bool plain = true;
    set->job.count = 0;
    for (unsigned i = 0; i < set->count; i++) {
        const struct cold_line *line = &set->lines[i];
        set->lines[i].parked = line->pending;
        if (!line->pending)
            continue;
        set->pending[set->job.count++] = (uint16_t)i;
        plain &= line->kind != COLD_SEEK && !line->extent;
    }
    if (set->job.count == 0)
        return;
    set->began_ns = clock_monotonic_ns();
    set->running = true;
    set->job.begin = plain && dataset_can_ask(set->dataset) ? begin_job : NULL;
    set->job.run = run_job;
    set->job.done = finish_job;
    set->task.done = false;
    set->task.back = come_back;
    set->task.waiter = waiter;
    set->task.arrived = arrived;
    loop_task_begin_external(&set->task, cold->router, cold->home, cold->number);
    counter_add(&cold->stats->parked_requests, 1);
    counter_add(&cold->stats->parks, 1);
    counter_add(&cold->stats->cold_lookups, set->job.count);
    readers_submit(cold->readers, &set->job);
}

// Reads the line now if it is in memory. Does nothing if the index may have left memory, because
// searching the line might then wait for the disk.
static void try_now(struct cold *cold, const struct cold_set *set, struct cold_line *line,
                    uint64_t now_ms)
{
    const struct dataset *d = set->dataset;
    if (line->kind == COLD_SEEK || (!cold->fits && !dataset_index_stays(d)))
        return;
    uint64_t offset = line->kind == COLD_KEY ? dataset_read_offset(d, line->id)
                                             : dataset_read_offset_of_rank(d, line->rank);
    if (offset == DATASET_NO_OFFSET) { // reads no data, so it cannot wait
        read_line(d, line, true);
        return;
    }
    enum page_state page = recent_pages_look(cold->pages, page_of(cold, offset), now_ms);
    if (page == PAGE_UNKNOWN)
        return;
    if (page == PAGE_BUSY && line->kind == COLD_KEY &&
        dataset_read_mapped(d, line->id, PAGE, &line->line)) {
        line->found = DATASET_READ_FOUND;
        line->pending = false;
        return;
    }
    counter_add(&cold->stats->probes, 1);
    read_line(d, line, false);
}

void cold_set_begin(struct cold *cold, struct cold_set *set, struct session *waiter,
                    void (*arrived)(struct session *waiter))
{
    uint64_t now_ms = clock_monotonic_ns() / 1000000;
    for (unsigned i = 0; i < set->count; i++)
        if (set->lines[i].pending)
            try_now(cold, set, &set->lines[i], now_ms);
    submit(cold, set, waiter, arrived);
}

bool cold_set_read_longer(struct cold *cold, struct cold_set *set, struct cold_line *line,
                          struct session *waiter, void (*arrived)(struct session *waiter))
{
    size_t size = COLD_VALUE_MAX + DATASET_READ_EXTRA;
    assert(!set->running && line->found == DATASET_READ_LONG);
    char *buffer = line->size < size ? malloc(sizeof(char *) + size) : NULL;
    if (buffer == NULL)
        return false;
    memcpy(buffer, &set->longer, sizeof set->longer);
    set->longer = buffer;
    set->memory += sizeof(char *) + size;
    line->buffer = buffer + sizeof(char *);
    line->size = size;
    line->pending = true;
    read_line(set->dataset, line, false);
    submit(cold, set, waiter, arrived);
    return true;
}

void cold_set_read_end(struct cold *cold, struct cold_set *set, struct cold_line *line,
                       struct session *waiter, void (*arrived)(struct session *waiter))
{
    assert(!set->running && line->found == DATASET_READ_LONG);
    if (!line->extent)
        line->line.value.len = 0;
    line->extent = true;
    line->pending = true;
    submit(cold, set, waiter, arrived);
}

bool cold_set_is_parked(const struct cold_set *set)
{
    return set->running;
}

uint64_t cold_set_waited(const struct cold_set *set)
{
    return set->waited_ns;
}

size_t cold_set_memory(const struct cold_set *set)
{
    return set != NULL ? set->memory : 0;
}

void cold_set_drop(struct cold_set *set)
{
    if (set == NULL)
        return;
    if (set->running)
        loop_task_end(&set->task);
    else
        release_set(&set->task);
}
