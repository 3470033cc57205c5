// Fault F16 (docs/faults.md): the file system refuses shared mappings, as FUSE does with direct_io
// (ENODEV), and 9p for files that are open for writing (EINVAL). Private mappings work instead: the
// data is indexed, the index is written, mapped and verified, each key has its value, and a cut of
// the file is noticed.
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mapping.h"
#include "data/dataset.h"
#include "faults/support/failing.h"
#include "support/table.h"
#include "support/tap.h"

enum { KEYS = 20000, CUT_AT = 100000 };

static const struct table table = {16, KEYS};

// Opens the file while all shared mappings are refused. Returns NULL after a failed check.
static struct dataset *open_refused(const char *path, const struct dataset_settings *settings,
                                    int refusal, const char *name)
{
    struct error error = {""};
    struct dataset_report report = {0};
    failing_begin(FAILING_SHARED, 1, true, refusal);
    struct dataset *d = dataset_open(path, settings, &report, &error);
    if (d != NULL)
        dataset_finish(d, NULL);
    bool refused = failing_end();
    ok(d != NULL && refused, "%s: opened, although %u shared mappings were refused %s", name,
       failing_calls(), error.text);
    return d;
}

static void check(const char *name, const struct dataset_settings *settings, bool indexed,
                  const char *status, int refusal)
{
    const char *path = table_file(&table, "data");
    char index[512];
    snprintf(index, sizeof index, "%s.idx", path);
    unlink(index);
    if (indexed)
        index_written(path, NULL);
    struct dataset *d = open_refused(path, settings, refusal, name);
    if (d == NULL)
        return;
    ok(table_is_served(&table, d), "%s: each key has its value", name);
    is_bytes(span_text(dataset_index_status(d)), span_text(status), "%s: status of the index",
             name);
    is_number(dataset_index_is_mapped(d), indexed,
              "%s: the index file was found or not, as expected", name);
    is_number(dataset_look(d), 0, "%s: no damage is found", name);
    require(truncate(path, CUT_AT) == 0, "cannot cut");
    ok(dataset_look(d) != 0, "%s: a cut is noticed", name);
    unsigned lost = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        struct span value;
        lost += dataset_presence(d, table_key(&table, i), &value) == DATASET_UNREADABLE;
    }
    ok(lost > 0 && lost < KEYS, "%s: %u keys are lost, but not all", name, lost);
    dataset_close(d);
    unlink(index);
}

int main(void)
{
    static const struct {
        const char *name;
        struct dataset_settings settings;
        bool indexed;
        const char *status;
    } cases[] = {
        {"no index file", {.index = DATASET_INDEX_NONE}, false, "memory"},
        {"an index file is written", {.index = DATASET_INDEX_WRITE}, false, "mapped"},
        {"an index file is found", {.index = DATASET_INDEX_WRITE}, true, "mapped"},
        {"an index file is copied",
         {.index = DATASET_INDEX_WRITE, .huge_pages = true},
         true,
         "mapped"},
        {"the index is built in the file",
         {.index = DATASET_INDEX_WRITE, .build_memory = 1},
         false,
         "mapped"},
    };
    mapping_catch_faults();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(cases[i].name, &cases[i].settings, cases[i].indexed, cases[i].status, ENODEV);
        check(cases[i].name, &cases[i].settings, cases[i].indexed, cases[i].status, EINVAL);
    }
    return done_testing();
}
