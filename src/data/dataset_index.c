// Opens the index of a dataset. If the index file belongs to the data file, it is mapped; otherwise
// a new index is built. When several processes open the same data file, one of them builds the
// index file and the others wait for it.
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "data/dataset_internal.h"
#include "data/index_target.h"

enum {
    WAIT_TURN_NS = 20000000, // between two checks whether another builder has finished
    // Longest wait for another builder: WAIT_SECONDS, and one more second for each
    // WAIT_BYTES_A_SECOND of data.
    WAIT_SECONDS = 5,
    WAIT_BYTES_A_SECOND = 50000000,
    // Data of up to this many bytes is compared with the checksum in the index file without a
    // notice. That takes about a second, or longer if the data must be read from a disk.
    COMPARED_SILENTLY = 1024 * 1024 * 1024,
};

// ---- an existing index file ---------------------------------------------------------------------

// Whether an index file with these facts may belong to the data file. Checks only what takes little
// time: sizes, times and samples. Sets `d->content_unverified` if the whole content has yet to be
// compared. Returns false with a message.
static bool may_belong(struct dataset *d, const struct index_facts *facts, struct error *error)
{
    if (facts->data.bytes != d->id.bytes) {
        error_set(error, "'%s' was built from %llu bytes of data, not %llu", d->index_path,
                  (unsigned long long)facts->data.bytes, (unsigned long long)d->id.bytes);
        return false;
    }
    d->content_unverified = !identity_is_proven(&facts->data, &d->id);
    if (d->content_unverified && facts->data.sample != identity_sample(d->text, facts->data.seed)) {
        error_set(error, "'%s' was not built from the data in '%s'", d->index_path, d->path);
        return false;
    }
    if (facts->malformed > 0 && d->settings.malformed == DATASET_REFUSE_MALFORMED) {
        error_set(error, "'%s' was built by skipping malformed lines", d->index_path);
        return false;
    }
    return true;
}

// Whether an index file with these facts belongs to the data file. If times do not prove that,
// reads all of the data and compares its checksum with that in the index file, unless samples are
// enough for the settings. Returns false with a message.
static bool belongs(struct dataset *d, const struct index_facts *facts, struct error *error)
{
    uint64_t start = clock_monotonic_ns();
    if (!d->content_unverified || d->settings.trust == DATASET_TRUST_SAMPLED)
        return true;
    if (d->text.len > COMPARED_SILENTLY)
        dataset_notice(d, false, "comparing '%s' with the data that '%s' was built from", d->path,
                       d->index_path);
    dataset_begin_to_read(d);
    bool equal = dataset_compare_content(d, facts, NULL, error);
    dataset_advise(d, MADV_RANDOM);
    if (!equal)
        return false;
    d->content_unverified = false;
    d->content_compared = true;
    dataset_notice(d, false, "verified in %.3f s that '%s' was built from the data in '%s'",
                   (double)(clock_monotonic_ns() - start) / 1e9, d->index_path, d->path);
    return true;
}

// Compares the image with its checksums and opens the trie over it. If the image is large and is
// mapped from the file, not copied to huge pages, compares only its first block, and sets
// `d->blocks_unverified`: the other blocks are compared later. Returns false with a message.
static bool open_image(struct dataset *d, struct index *x, struct error *error)
{
    struct index_file *file = &x->file;
    struct error fault = {"block 0 differs from its checksum"};
    uint64_t at_once = d->settings.verify_at_once;
    if (at_once == 0)
        at_once = DATASET_VERIFY_AT_ONCE;
    d->blocks_unverified = file->image.len > at_once && file->copy.ptr == NULL;
    bool good = d->blocks_unverified
                    ? verifier_check(&file->verifier, file->image.ptr, TRIE_HEAD_BYTES)
                    : verifier_check_all(&file->verifier, NULL, &fault);
    good = good && trie_open(&x->trie, file->image, d->text, &fault);
    x->trie.verifier = &file->verifier;
    if (good && x->trie.count != file->facts.keys) {
        error_set(&fault, "header and image have different numbers of keys");
        good = false;
    }
    if (!good)
        error_set(error, "'%s' is damaged: %s", d->index_path, fault.text);
    return good;
}

static struct dataset_figures figures_of(const struct dataset *d, const struct index_file *file)
{
    const struct index_facts *facts = &file->facts;
    return (struct dataset_figures){
        .data_bytes = d->text.len,
        .lines = facts->lines,
        .malformed = facts->malformed,
        .keys = facts->keys,
        .duplicates = facts->duplicates,
        .value_bytes = facts->value_bytes,
        .index_bytes = file->image.len,
        .build_ns = facts->build_ns,
        .built_at_us = facts->built_at_us,
    };
}

// Maps the index file. Returns NULL with a message when it cannot be used. Sets `*missing` to
// whether there is no such file.
static struct index *map_index(struct dataset *d, bool *missing, struct error *error)
{
    struct index *x = memory_aligned(sizeof *x);
    *missing = false;
    if (x == NULL) {
        error_set(error, "no memory to open '%s'", d->index_path);
        return NULL;
    }
    bool opened = index_file_open(&x->file, d->index_path, error);
    *missing = !opened && errno == ENOENT;
    if (opened && may_belong(d, &x->file.facts, error) &&
        dataset_copy_to_huge_pages(d, &x->file, error) && open_image(d, x, error) &&
        belongs(d, &x->file.facts, error)) {
        x->from_file = true;
        x->figures = figures_of(d, &x->file);
        return x;
    }
    dataset_index_free(x);
    d->blocks_unverified = false;
    d->content_unverified = false;
    d->content_compared = false;
    return NULL;
}

// ---- other processes that build -----------------------------------------------------------------

static enum index_lock open_writer(struct dataset *d, struct error *error)
{
    return d->settings.index_path != NULL
               ? index_writer_open(&d->writer, d->index_path, error)
               : index_writer_open_default(&d->writer, d->index_path, error);
}

// Waits a moment for the process that builds the index. Returns false when that process has had
// enough time. It may hang, and that must not keep this process from serving.
static bool wait_for_builder(const struct dataset *d, uint64_t since_ns)
{
    uint64_t most = (WAIT_SECONDS + d->text.len / WAIT_BYTES_A_SECOND) * CLOCK_SECOND;
    if (clock_monotonic_ns() - since_ns > most)
        return false;
    nanosleep(&(struct timespec){0, WAIT_TURN_NS}, NULL);
    return true;
}

// Whether the index path that the caller has chosen is wrong: it is the data file itself, or the
// index of another data file. If so, sets a message.
static bool is_misplaced(const struct dataset *d, struct error *error)
{
    struct stat data;
    struct stat status;
    if (d->settings.index_path == NULL || fstat(d->source.fd, &data) != 0)
        return false;
    if (stat(d->index_path, &status) == 0 && status.st_dev == data.st_dev &&
        status.st_ino == data.st_ino) {
        error_set(error, "'%s' is the data file and cannot be its index", d->index_path);
        return true;
    }
    if (!index_target_is_of_other_data(d->index_path, &data))
        return false;
    error_set(error, "'%s' is the index of another data file and is not replaced", d->index_path);
    return true;
}

// Whether opening must fail because the index file cannot be written. It must if the caller
// requires an index file, or has chosen a path with a file that must not be replaced. If there is
// such a file at the default path, the dataset is opened all the same.
static bool is_fatal(const struct dataset *d, enum index_lock lock)
{
    return d->settings.index_required || (lock == INDEX_TAKEN && d->settings.index_path != NULL);
}

// State of looking for the index file while another process may be building it.
struct search {
    struct index *found; // the mapped index; NULL: none until now
    bool missing;        // there is no index file
    struct error fault;  // why the index file is not used, if it exists
    struct stat refused; // status of the index file that is not used
    uint64_t since_ns;   // monotonic time when the search began
    bool waited;         // a notice has said that this process waits
};

enum search_result {
    SEARCH_OVER,   // the index is found, or must be built
    SEARCH_AGAIN,  // another process is building it
    SEARCH_FAILED, // opening fails, with a message
};

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           is_same_time(a->st_mtim, b->st_mtim) && is_same_time(a->st_ctim, b->st_ctim);
}

// Sets `s->found` to the mapped index file, or NULL. A file that was refused before is not checked
// again, because that may need reading all of the data.
static void map_new_index(struct dataset *d, struct search *s)
{
    struct stat now;
    bool there = stat(d->index_path, &now) == 0;
    s->found = NULL;
    if (there && is_same_file(&s->refused, &now))
        return;
    s->found = map_index(d, &s->missing, &s->fault);
    s->refused = there && s->found == NULL ? now : (struct stat){0};
}

static void report_building(const struct dataset *d, const struct search *s)
{
    if (!s->missing)
        dataset_notice(d, false, "%s: building", s->fault.text);
}

// Another process builds the index. Waits a moment, and decides whether to search again, to build
// in memory, or to fail.
static enum search_result await_builder(struct dataset *d, struct search *s, struct error *error)
{
    if (!s->waited)
        dataset_notice(d, false, "waiting for another process that builds '%s'", d->index_path);
    s->waited = true;
    if (wait_for_builder(d, s->since_ns))
        return SEARCH_AGAIN;
    if (d->settings.index_required) {
        error_set(error, "another process has not finished '%s'", d->index_path);
        return SEARCH_FAILED;
    }
    dataset_notice(d, true, "another process has not finished '%s': building in memory",
                   d->index_path);
    return SEARCH_OVER;
}

static enum search_result search_once(struct dataset *d, struct search *s, struct error *error)
{
    struct error unwritable;
    map_new_index(d, s);
    if (s->found != NULL && d->settings.index == DATASET_INDEX_WRITE)
        index_writer_clean(d->index_path);
    if (s->found != NULL)
        return SEARCH_OVER;
    if (d->settings.index != DATASET_INDEX_WRITE) {
        if (!s->missing)
            dataset_notice(d, false, "%s: not used", s->fault.text);
        return SEARCH_OVER;
    }
    if (is_misplaced(d, error))
        return SEARCH_FAILED;
    enum index_lock lock = open_writer(d, &unwritable);
    if (lock == INDEX_BUSY)
        return await_builder(d, s, error);
    if (lock == INDEX_LOCKED) {
        // Another process may have published the file after map_new_index and before open_writer.
        map_new_index(d, s);
        if (s->found != NULL)
            index_writer_close(&d->writer);
        else
            report_building(d, s);
        return SEARCH_OVER;
    }
    if (is_fatal(d, lock)) {
        *error = unwritable;
        return SEARCH_FAILED;
    }
    report_building(d, s);
    dataset_notice(d, true, "%s: serving from memory", unwritable.text);
    return SEARCH_OVER;
}

// Sets `*found` to the mapped index file. NULL means that an index must be built. If `d->writer` is
// open then, the index file must also be written. Returns false with a message when opening must
// fail.
static bool find_index(struct dataset *d, struct index **found, struct error *error)
{
    struct search search = {.since_ns = clock_monotonic_ns()};
    enum search_result result;
    do
        result = search_once(d, &search, error);
    while (result == SEARCH_AGAIN);
    *found = search.found;
    return result == SEARCH_OVER;
}

// Opens the writer of the new index file, which takes the lock too, for a dataset that
// dataset_open_again opens. If that fails, the new index stays in memory. No notice says so.
static void lock_index(struct dataset *d)
{
    if (d->index_path != NULL && d->settings.index == DATASET_INDEX_WRITE)
        (void)open_writer(d, NULL);
}

// ---- opening ------------------------------------------------------------------------------------

struct index *dataset_open_index(struct dataset *d, struct dataset_report *report,
                                 struct error *error)
{
    bool only = d->settings.index == DATASET_INDEX_ONLY;
    bool missing;
    struct index *x = NULL;
    if (d->rebuilt)
        lock_index(d);
    else if (only)
        x = map_index(d, &missing, error);
    else if (d->index_path != NULL && !find_index(d, &x, error))
        return NULL;
    if (only && x == NULL)
        return NULL;
    if (x != NULL) {
        if (report != NULL)
            report->figures = x->figures;
        atomic_init(&d->status, d->blocks_unverified || d->content_unverified
                                    ? DATASET_IN_VERIFICATION
                                    : DATASET_IN_MAPPING);
        return x;
    }
    dataset_begin_to_read(d);
    x = dataset_build_index(d, report, error);
    dataset_advise(d, MADV_RANDOM);
    if (x != NULL && d->writer.unpublished)
        atomic_init(&d->status, DATASET_IN_WRITING);
    return x;
}
