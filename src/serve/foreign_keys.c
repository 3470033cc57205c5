// The text is read in parts, each on any thread. A line belongs to the part in which it begins.
#include "serve/foreign_keys.h"

#include <string.h>

#include "base/parallel.h"
#include "base/random.h"
#include "cluster/slot.h"
#include "data/dataset.h"
#include "data/lines.h"
#include "serve/cluster.h"

enum { PART = 1024 * 1024 }; // bytes

struct count {
    struct span text;
    const struct cluster_view *view;
    const atomic_bool *cancel;
    _Atomic int64_t foreign;
};

static bool is_foreign(const struct cluster_view *view, struct uuid id)
{
    return !cluster_owns(view, slot_of_uuid(id));
}

static void count_part(void *context, unsigned worker, size_t part)
{
    struct count *count = context;
    const char *end = count->text.ptr + count->text.len;
    const char *line = count->text.ptr + part * PART;
    const char *next_part = end - line > PART ? line + PART : end;
    struct line_reader reader;
    struct line_error ignored;
    struct record record;
    int64_t foreign = 0;
    (void)worker;
    if (atomic_load(count->cancel))
        return;
    if (part > 0) { // the line that begins before the part is not its own
        line = memchr(line - 1, '\n', (size_t)(end - line + 1));
        line = line != NULL ? line + 1 : end;
    }
    lines_init(&reader, span_of(line, (size_t)(end - line)));
    while (line + reader.offset < next_part)
        if (lines_next(&reader, &record, &ignored) == LINE_RECORD)
            foreign += is_foreign(count->view, record.id);
    atomic_fetch_add(&count->foreign, foreign);
}

static int64_t count_sample(const struct dataset *d, const struct cluster_view *view,
                            const atomic_bool *cancel)
{
    uint64_t random = dataset_figures(d)->data_bytes;
    uint64_t keys = dataset_figures(d)->keys;
    uint64_t foreign = 0;
    for (unsigned i = 0; i < FOREIGN_KEYS_SAMPLE && keys > 0; i++) {
        struct uuid id;
        if (atomic_load(cancel))
            return -1;
        if (dataset_at(d, splitmix64(&random) % keys, &id, NULL))
            foreign += is_foreign(view, id);
    }
    return (int64_t)((double)foreign / FOREIGN_KEYS_SAMPLE * (double)keys);
}

int64_t foreign_keys_count(const struct dataset *d, const struct cluster_view *view,
                           uint64_t memory, const atomic_bool *cancel)
{
    if (!dataset_fits_in_memory(d, memory))
        return count_sample(d, view, cancel);
    struct count count = {.text = dataset_text(d), .view = view, .cancel = cancel};
    if (count.text.len > 0)
        parallel_run(parallel_threads(), (count.text.len - 1) / PART + 1, count_part, &count);
    return atomic_load(cancel) ? -1 : atomic_load(&count.foreign);
}
