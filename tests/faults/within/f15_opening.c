// Faults F15 and F16 (docs/faults.md): a data file is opened, and its index is built, written,
// mapped or verified. Meanwhile the first call of the allocator fails, then the second, and so on:
// either only that call, or all calls from it on. The same is done with mappings, other calls on
// files, and the start of threads. Opening fails and says why, or each key of the dataset has its
// value. No message calls the index file damaged, as it is sound. The AddressSanitizer build checks
// that nothing leaks.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "data/build/build.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "faults/support/failing.h"
#include "support/table.h"
#include "support/tap.h"

enum { CALLS_MAX = 3000, KEYS = 3000 };

static unsigned tried; // number of calls that have failed

// A kind of calls, and the error with which they fail.
struct kind {
    const char *name;
    unsigned kinds;
    int error;
};

static const struct kind kinds[] = {
    {"memory", FAILING_MEMORY, ENOMEM},     {"maps: ENOMEM", FAILING_MAPS, ENOMEM},
    {"maps: ENODEV", FAILING_MAPS, ENODEV}, {"files: EIO", FAILING_FILES, EIO},
    {"threads", FAILING_THREADS, EAGAIN},
};

static const struct table table = {15, KEYS};

struct opening {
    const char *name;
    struct dataset_settings settings;
    bool indexed; // the index file exists
    bool touched; // it must be verified, as the times of the data file have changed
};

static void prepare(const struct opening *o, const char *path, const char *index)
{
    unlink(index);
    if (o->indexed)
        index_written(path, NULL);
    if (o->touched)
        require(utimensat(AT_FDCWD, path, NULL, 0) == 0, "cannot touch");
}

static bool called_damaged; // a notice has called the index file damaged

static void note(void *context, bool warning, const char *text)
{
    (void)context;
    (void)warning;
    if (strstr(text, "damaged") != NULL) {
        called_damaged = true;
        diag("%s", text);
    }
}

// Opens the file while call number `at` fails. Returns false if the dataset, a message or the error
// is wrong.
static bool open_once(const struct opening *o, const struct kind *kind, const char *path,
                      unsigned at, bool after, bool *failed)
{
    struct error error = {""};
    struct dataset_report report = {0};
    struct dataset_settings settings = o->settings;
    settings.notice = note;
    called_damaged = false;
    failing_begin(kind->kinds, at, after, kind->error);
    struct dataset *d = dataset_open(path, &settings, &report, &error);
    if (d != NULL)
        dataset_finish(d, NULL);
    *failed = failing_end();
    bool good = d != NULL ? table_is_served(&table, d) : *error.text != '\0';
    if (!good)
        diag("at %u: %s", at, error.text);
    dataset_close(d);
    return good && !called_damaged;
}

static void check_opening(const struct opening *o, const struct kind *kind)
{
    const char *path = table_file(&table, "data");
    char index[512];
    snprintf(index, sizeof index, "%s.idx", path);
    for (int after = 0; after < 2; after++) {
        unsigned at = 0, bad = 0;
        for (bool failed = true; failed && at < CALLS_MAX;) {
            // Prepare again if the index file may have been written, or found wrong.
            if (!o->indexed || o->touched || at == 0)
                prepare(o, path, index);
            bad += !open_once(o, kind, path, ++at, after, &failed);
        }
        ok(bad == 0 && at < CALLS_MAX, "%s, %s, %s: %u calls", kind->name, o->name,
           after ? "a call and all later ones" : "one call", at - 1);
        tried += at - 1;
    }
    unlink(index);
}

static void check_openings(const struct kind *kind)
{
    static const struct opening openings[] = {
        {"no index file", {.index = DATASET_INDEX_NONE}},
        {"an index file is written", {.index = DATASET_INDEX_WRITE}},
        {"the index file is mapped", {.index = DATASET_INDEX_WRITE}, .indexed = true},
        {"the index file is copied",
         {.index = DATASET_INDEX_WRITE, .huge_pages = true},
         .indexed = true},
        {"the index file is verified",
         {.index = DATASET_INDEX_WRITE},
         .indexed = true,
         .touched = true},
    };
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++)
        check_opening(&openings[i], kind);
}

// The temporary file for records. The build closes the descriptor.
static int open_spill(void *context, uint64_t bytes, char *folder, size_t size)
{
    (void)bytes;
    snprintf(folder, size, "folder");
    return dup(fileno(context));
}

// Builds an index in little memory: the image in memory or in a file, and the records in several
// passes or in a temporary file.
static void check_passes(const struct kind *kind, bool to_file, bool spill)
{
    enum { LINES = 40000 };
    struct random r = {15};
    struct buf text = {0};
    FILE *file = tmpfile();
    struct build_settings settings = {
        .memory = 1, .fd = to_file ? fileno(file) : -1, .fd_at = 8192, .records_memory = 700000};
    FILE *records = tmpfile();
    settings.open_spill = spill ? open_spill : NULL;
    settings.spill_context = records;
    for (unsigned i = 0; i < LINES; i++) {
        char key[UUID_TEXT_LEN];
        uuid_format((struct uuid){random_next(&r), random_next(&r)}, key);
        buf_append(&text, span_of(key, sizeof key));
        buf_append_text(&text, " v\n");
    }
    require(file != NULL && records != NULL && !text.oom, "no memory");
    unsigned at = 0, bad = 0;
    for (bool failed = true; failed && at < CALLS_MAX;) {
        struct error error = {""};
        struct built b;
        failing_begin(kind->kinds, ++at, false, kind->error);
        bool built = build_index(&b, buf_span(&text), &settings, &error);
        failed = failing_end();
        // If opening the temporary file fails, the text is read in several passes.
        bad += built ? b.keys != LINES || (b.passes < 2 && !spill) || b.in_file != to_file
                     : *error.text == '\0' || b.image.memory.ptr != NULL;
        if (built)
            build_release(&b);
    }
    ok(bad == 0 && at < CALLS_MAX, "%s, %s, %s: %u calls", kind->name,
       spill ? "a temporary file" : "passes", to_file ? "file" : "memory", at - 1);
    tried += at - 1;
    fclose(file);
    fclose(records);
    buf_release(&text);
}

int main(void)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        check_openings(&kinds[i]);
        check_passes(&kinds[i], false, false);
        check_passes(&kinds[i], true, false);
        check_passes(&kinds[i], true, true);
    }
    diag("%u calls failed", tried);
    return done_testing();
}
