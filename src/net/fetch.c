// A piece that a reader thread has read is then read again by the loop, which may wait for it: the
// piece was in memory a moment ago. So a file system that cannot say whether bytes are in memory
// works, too.
#include "net/fetch.h"

#include <stdlib.h>
#include <sys/uio.h>

#include "base/link.h"
#include "data/dataset.h"
#include "net/loop.h"
#include "serve/readers.h"
#include "serve/snapshot.h"

struct fetch {
    struct loop_task task; // brings it back to its loop
    struct reader_job job;
    struct dataset *dataset;
    const char *from;
    size_t len;
};

static void release_fetch(struct loop_task *task)
{
    struct fetch *fetch = container_of(task, struct fetch, task);
    ref_drop(dataset_ref(fetch->dataset));
    free(fetch);
}

// Reads the piece on a reader thread, and lets the system read the next one meanwhile.
static void run_fetch(struct reader_job *job, unsigned first, unsigned count)
{
    struct fetch *fetch = container_of(job, struct fetch, job);
    char part[16 * 1024];
    (void)first;
    (void)count;
    if (atomic_load_explicit(&fetch->task.abandoned, memory_order_relaxed))
        return;
    struct span text = dataset_text(fetch->dataset);
    size_t after = (size_t)(text.ptr + text.len - fetch->from) - fetch->len;
    dataset_will_need(fetch->dataset, fetch->from, fetch->len);
    if (after > 0)
        dataset_will_need(fetch->dataset, fetch->from + fetch->len,
                          after < FETCH_PIECE ? after : FETCH_PIECE);
    for (size_t done = 0; done < fetch->len; done += sizeof part) {
        size_t left = fetch->len - done;
        struct bytes to = {part, left < sizeof part ? left : sizeof part};
        if (dataset_read_bytes(fetch->dataset, fetch->from + done, true, to) < to.len)
            break; // the damage is noted
    }
}

static void finish_fetch(struct reader_job *job)
{
    struct fetch *fetch = container_of(job, struct fetch, job);
    const struct loop_router *router = fetch->task.router;
    router->post(router->context, fetch->task.home_number, &fetch->task);
}

// Has a reader thread read the piece. Returns NULL when memory is short.
static struct fetch *begin_fetch(struct loop *loop, struct dataset *d, const char *from, size_t len,
                                 struct session *waiter, void (*arrived)(struct session *waiter))
{
    struct fetch *fetch = malloc(sizeof *fetch);
    if (fetch == NULL)
        return NULL;
    *fetch = (struct fetch){
        .task = {.release = release_fetch,
                 .for_waiter = true,
                 .waiter = waiter,
                 .arrived = arrived},
        .job = {.count = 1, .run = run_fetch, .done = finish_fetch},
        .dataset = d,
        .from = from,
        .len = len < FETCH_PIECE ? len : FETCH_PIECE,
    };
    ref_take(dataset_ref(d));
    const struct service *service = &loop->service;
    loop_task_begin_external(&fetch->task, &service->group->router, &loop->service,
                             service->number);
    readers_submit(service->cold.readers, &fetch->job);
    return fetch;
}

// Returns how many of the `len` bytes from `from` on belong to a piece that has been read.
static size_t fetched(const struct fetch *fetch, const struct dataset *d, const char *from,
                      size_t len)
{
    if (fetch == NULL || !fetch->task.done || fetch->dataset != d || from < fetch->from ||
        from >= fetch->from + fetch->len)
        return 0;
    size_t left = (size_t)(fetch->from + fetch->len - from);
    return len < left ? len : left;
}

bool fetch_vectors(struct loop *loop, const struct output *out, struct iovec *vectors,
                   size_t *count, struct fetch **fetch, struct session *waiter,
                   void (*arrived)(struct session *waiter))
{
    unsigned damage_stamp;
    const struct ref *owner = output_segment_owner(out, 0, &damage_stamp);
    if (owner == NULL || fetch_is_waiting(*fetch))
        return true;
    struct dataset *d = snapshot_of(owner)->dataset;
    struct span text = dataset_text(d);
    size_t at = 0;
    while (at < *count && ((const char *)vectors[at].iov_base < text.ptr ||
                           (const char *)vectors[at].iov_base >= text.ptr + text.len))
        at++;
    if (loop->piece == NULL)
        loop->piece = malloc(FETCH_PIECE);
    if (at == *count || loop->piece == NULL) // without memory, the kernel sends from the mapping
        return true;
    const char *from = vectors[at].iov_base;
    size_t len = vectors[at].iov_len;
    size_t sure = fetched(*fetch, d, from, len);
    struct bytes to = {loop->piece, len < FETCH_PIECE ? len : FETCH_PIECE};
    to.len = sure > 0 && sure < to.len ? sure : to.len;
    size_t got = dataset_read_bytes(d, from, sure > 0, to);
    vectors[at] = (struct iovec){loop->piece, got};
    *count = got > 0 ? at + 1 : at;
    if (sure > 0)
        return got > 0;
    fetch_drop(*fetch);
    *fetch = *count == 0 ? begin_fetch(loop, d, from, len, waiter, arrived) : NULL;
    return *count > 0 || *fetch != NULL;
}

bool fetch_is_waiting(const struct fetch *fetch)
{
    return fetch != NULL && !fetch->task.done;
}

void fetch_drop(struct fetch *fetch)
{
    if (fetch != NULL)
        loop_task_end(&fetch->task);
}
