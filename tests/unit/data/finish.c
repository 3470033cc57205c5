// dataset_finish while other threads read: the index moves from memory to a file, or is found to be
// wrong, and each lookup is right. This test is mainly for the thread sanitizer.
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/forge.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"

// replace_memory_by_file maps a file over memory that other threads read. The bytes stay the same,
// and the kernel does that in one step. But the sanitizer takes each mmap for a write.
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:^replace_memory_by_file$\n";
}

enum { READERS = 2, GROUP = 40 };

static const struct table table = {1, 4000};
static const struct table other = {2, 4000};

struct reading {
    const struct dataset *dataset;
    const struct table *served; // the table whose keys must be found; NULL: keys may be missed
    atomic_bool stop;
    atomic_uint rounds; // number of rounds done
    atomic_uint wrong;
};

static bool is_status(const char *status)
{
    static const char *const all[] = {"memory", "writing", "verifying", "mapped", "damaged"};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(status, all[i]) == 0)
            return true;
    return false;
}

// Reads everything that a server reads.
static bool read_all(const struct reading *r, size_t from)
{
    const struct dataset *d = r->dataset;
    const struct table *t = r->served != NULL ? r->served : &table;
    struct uuid ids[GROUP];
    struct span values[GROUP];
    char wanted[TABLE_VALUE + 1];
    bool right = true;
    for (size_t i = 0; i < GROUP; i++)
        ids[i] = table_key(t, (from + i) % t->count);
    dataset_get_many(d, ids, GROUP, values);
    for (size_t i = 0; i < GROUP; i++) {
        struct span value = {NULL, 0};
        table_value(t, (from + i) % t->count, wanted);
        bool found = dataset_get(d, ids[i], &value);
        right = right && (r->served == NULL || (found && values[i].ptr != NULL)) &&
                (!found || span_equal(value, span_text(wanted))) &&
                (values[i].ptr == NULL || span_equal(values[i], span_text(wanted)));
    }
    const struct dataset_figures *f = dataset_figures(d);
    struct uuid id;
    struct span value;
    right = right && f->keys == t->count && f->value_bytes == t->count * TABLE_VALUE;
    if (dataset_at(d, from % t->count, &id, &value))
        right = right && value.len == TABLE_VALUE;
    else
        right = right && r->served == NULL;
    dataset_seek(d, ids[0]);
    dataset_index_is_mapped(d);
    return right && is_status(dataset_index_status(d));
}

static void *read_on(void *argument)
{
    struct reading *r = argument;
    for (size_t from = 0; !atomic_load(&r->stop); from += 97) {
        atomic_fetch_add(&r->wrong, !read_all(r, from));
        atomic_fetch_add(&r->rounds, 1);
    }
    return NULL;
}

// Finishes `d` while other threads read it, and checks that each lookup is right.
static void finish_while_reading(struct dataset *d, const struct table *served, const char *status,
                                 const char *name)
{
    struct reading r = {.dataset = d, .served = served};
    pthread_t threads[READERS];
    for (unsigned i = 0; i < READERS; i++)
        require(pthread_create(&threads[i], NULL, read_on, &r) == 0, "no thread");
    while (atomic_load(&r.rounds) < 20)
        sched_yield();
    dataset_finish(d, NULL);
    unsigned finished = atomic_load(&r.rounds);
    while (atomic_load(&r.rounds) < finished + 20)
        sched_yield();
    atomic_store(&r.stop, true);
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    is_number(atomic_load(&r.wrong), 0, "%s: each lookup is right", name);
    is_text(dataset_index_status(d), status, "%s: the status afterwards", name);
}

int main(void)
{
    const char *data = table_file(&table, "table.data");
    const char *path = test_path("table.data.idx");
    struct opened o;
    for (unsigned i = 0; i < 2; i++) {
        unlink(path);
        struct dataset_settings settings = {.index = DATASET_INDEX_WRITE, .huge_pages = i == 1};
        opened_with(&o, data, &settings);
        finish_while_reading(o.dataset, &table, "mapped",
                             i == 0 ? "written" : "written, kept in memory");
        opened_close(&o);
    }
    struct buf ours = file_content(path);
    forge_header(&ours)->facts.data.read_ns = 0; // so that the data's times prove nothing
    forge_seal_header(&ours);
    forge_write(path, &ours);
    struct dataset_settings sampled = {.index = DATASET_INDEX_WRITE,
                                       .trust = DATASET_TRUST_SAMPLED};
    opened_with(&o, data, &sampled);
    is_text(dataset_index_status(o.dataset), "verifying", "(the times prove nothing)");
    finish_while_reading(o.dataset, &table, "mapped", "verified");
    opened_close(&o);

    // The index of another table, with a header that claims that it belongs to this data file. All
    // keys are missed until dataset_finish finds out.
    const char *foreign = table_file(&other, "other.data");
    index_written(foreign, NULL);
    struct buf forged = file_content(test_path("other.data.idx"));
    forge_header(&forged)->facts.data = forge_header(&ours)->facts.data;
    forge_header(&forged)->facts.data.content++;
    forge_header(&forged)->facts.data.read_ns = 0;
    forge_seal_header(&forged);
    forge_write(path, &forged);
    opened_with(&o, data, &sampled);
    struct span value;
    ok(!dataset_get(o.dataset, table_key(&table, 0), &value), "(a wrong index misses a key)");
    finish_while_reading(o.dataset, NULL, "damaged", "a wrong index");
    struct dataset *again = dataset_open_again(o.dataset, &o.error);
    require(again != NULL, "%s", o.error.text);
    finish_while_reading(again, &table, "mapped", "a new index is built and written");
    dataset_close(again);
    opened_close(&o);
    buf_release(&ours);
    buf_release(&forged);
    return done_testing();
}
