// Room for an index: what memory does not hold is built in a file, what that does not take either
// is refused with what is missing, and nothing else changes.
#include "data/room.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/process.h"
#include "base/temporary.h"
#include "data/build/build.h"
#include "support/server.h"
#include "support/table.h"

#define MIB (UINT64_C(1) << 20)

static const struct table table = {1, 80000};
static const char *data;

static unsigned files_in(const char *path)
{
    unsigned count = 0;
    DIR *folder = opendir(path);
    require(folder != NULL, "no folder");
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

// ---- building -----------------------------------------------------------------------------------

static void check_build(void)
{
    struct opened o;
    struct built built;
    struct error error = {""};
    opened_init(&o, data, DATASET_INDEX_NONE, NULL);
    const struct span text = dataset_text(o.dataset);
    FILE *file = tmpfile();
    require(file != NULL, "no temporary file");
    struct build_settings settings = {.fd = -1, .fd_at = 4096, .most = 64 * MIB};
    ok(build_index(&built, text, &settings, &error) && !built.in_file && built.missing == 0,
       "enough memory: the image is there");
    uint64_t keys = built.keys;
    build_release(&built);
    settings.most = MIB;
    ok(!build_index(&built, text, &settings, &error) && built.missing > 0 &&
           built.image.memory.ptr == NULL && strstr(error.text, " MiB are missing") != NULL,
       "too little: %s", error.text);
    // As much as is said to be missing is enough, and a little less is not.
    uint64_t enough = settings.most + built.missing;
    settings.most = enough;
    ok(build_index(&built, text, &settings, &error) && !built.in_file && built.keys == keys,
       "as much more as was missing is enough");
    build_release(&built);
    settings.most = enough - 1;
    ok(!build_index(&built, text, &settings, &error) && built.missing == 1, "a byte less is not");
    settings.fd = fileno(file);
    ok(build_index(&built, text, &settings, &error) && built.in_file && built.keys == keys,
       "but with a file it is");
    build_release(&built);
    settings.memory = UINT64_C(1) << 40; // more than there is
    ok(build_index(&built, text, &settings, &error) && built.in_file && built.keys == keys,
       "whatever may be taken for the build");
    build_release(&built);
    settings.most = 1;
    ok(!build_index(&built, text, &settings, &error) && built.missing > 0,
       "with a file some memory is needed, too: %s", error.text);
    fclose(file);
    opened_close(&o);
}

// ---- datasets -----------------------------------------------------------------------------------

static uint64_t reserved;
static uint64_t in_file; // with so much memory left, or a little less

static uint64_t tell_reserved(void *context)
{
    (void)context;
    return reserved;
}

static bool is_said(const struct notices *n, const char *part)
{
    return n->text.len > 0 && memmem(n->text.ptr, n->text.len, part, strlen(part)) != NULL;
}

enum outcome { IN_MEMORY, IN_FILE, REFUSED };

// Opens with so much memory left, sees that it is served right, and tells where the index was
// built.
static enum outcome open_with(uint64_t most, enum dataset_index index)
{
    struct opened o;
    struct dataset_settings settings = {
        .index = index, .memory_most = most, .reserved = tell_reserved};
    opened_with(&o, data, &settings);
    enum outcome outcome = o.dataset == NULL                                       ? REFUSED
                           : is_said(&o.notices, "built in a temporary file in '") ? IN_FILE
                                                                                   : IN_MEMORY;
    if (o.dataset == NULL) {
        if (strstr(o.error.text, " MiB are missing") == NULL)
            diag("%s", o.error.text);
        require(strstr(o.error.text, " MiB are missing") != NULL, "another reason");
    } else {
        require(table_is_served(&table, o.dataset), "not served right");
        dataset_finish(o.dataset, NULL);
        require(table_is_served(&table, o.dataset), "not served right when finished");
    }
    opened_close(&o);
    return outcome;
}

// The most memory, within 64 KiB, with which the outcome is not better than that.
static uint64_t limit_of(enum outcome outcome)
{
    uint64_t low = 64 * 1024;
    uint64_t high = 64 * MIB;
    require(open_with(low, DATASET_INDEX_NONE) >= outcome, "good with nearly nothing");
    require(open_with(high, DATASET_INDEX_NONE) < outcome, "bad with much");
    while (high - low > 64 * 1024) {
        uint64_t middle = low + (high - low) / 2;
        if (open_with(middle, DATASET_INDEX_NONE) >= outcome)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void check_datasets(void)
{
    in_file = limit_of(IN_FILE);
    uint64_t refused = limit_of(REFUSED);
    diag("in a file up to %llu KiB, refused up to %llu KiB", (unsigned long long)in_file / 1024,
         (unsigned long long)refused / 1024);
    ok(refused < in_file, "with ever less memory: in memory, in a file, refused; served right");
    reserved = 2 * MIB;
    is_number(open_with(in_file + 2 * MIB - MIB / 4, DATASET_INDEX_NONE), IN_FILE,
              "what is reserved counts");
    is_number(open_with(in_file + 2 * MIB + MIB / 4, DATASET_INDEX_NONE), IN_MEMORY,
              "no more than that");
    reserved = UINT64_C(1) << 60;
    is_number(open_with(in_file * 2 + MIB, DATASET_INDEX_NONE), IN_MEMORY, "and half at most");
    reserved = 0;

    const char *folder = test_path("temporary");
    require(mkdir(folder, 0700) == 0, "no folder");
    struct opened o;
    struct statfs system;
    struct dataset_settings settings = {.memory_most = in_file};
    setenv("TMPDIR", folder, 1);
    opened_with(&o, data, &settings);
    bool on_disk = statfs(folder, &system) == 0 && system.f_type != 0x01021994; // tmpfs
    ok(o.dataset != NULL && (!on_disk || notices_have(&o.notices, folder)),
       "the file is made in $TMPDIR");
    is_number(files_in(folder), 0, "where it has no name");
    is_text(dataset_index_status(o.dataset), "memory", "it counts as memory, being no index file");
    opened_close(&o);
    if (statfs("/dev/shm", &system) == 0 && system.f_type == 0x01021994) {
        is_number(temporary_unnamed("/dev/shm"), -1, "a file in memory is none that helps");
        setenv("TMPDIR", "/dev/shm", 1);
        is_number(open_with(in_file, DATASET_INDEX_NONE), IN_FILE, "so it is made elsewhere");
    }
    setenv("TMPDIR", "/no/such/folder", 1);
    is_number(open_with(in_file, DATASET_INDEX_NONE), IN_FILE, "or where there is no such folder");
    unsetenv("TMPDIR");

    // The disk does not take it.
    struct rlimit before;
    require(getrlimit(RLIMIT_FSIZE, &before) == 0, "no limit to be had");
    struct rlimit limit = before;
    limit.rlim_cur = 64 * 1024;
    signal(SIGXFSZ, SIG_IGN);
    require(setrlimit(RLIMIT_FSIZE, &limit) == 0, "no limit to be set");
    opened_with(&o, data, &settings);
    require(setrlimit(RLIMIT_FSIZE, &before) == 0, "the limit stays");
    ok(o.dataset == NULL && strstr(o.error.text, "MiB are missing") != NULL &&
           strstr(o.error.text, "it cannot be built in a temporary file: ") != NULL,
       "neither memory nor disk: %s", o.error.text);
    opened_close(&o);
}

// With an index file that is to be written, that is the file.
static void check_index_file(void)
{
    const char *path = test_path("table.data.idx");
    is_number(open_with(in_file, DATASET_INDEX_WRITE), IN_MEMORY, "no file but the index file");
    ok(file_exists(path) && files_beside(path) == 0, "which stands");
    struct opened o;
    opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset != NULL && dataset_verify(o.dataset, &o.error), "and is whole");
    opened_close(&o);
    for (unsigned i = 0; i < 2; i++) {
        struct dataset_settings settings = {.index = DATASET_INDEX_READ,
                                            .huge_pages = true,
                                            .memory_most = i == 0 ? MIB : 64 * MIB};
        opened_with(&o, data, &settings);
        ok(o.dataset != NULL && table_is_served(&table, o.dataset) &&
               notices_have(&o.notices, "no room for a copy of the index in huge pages") ==
                   (i == 0),
           i == 0 ? "no room for huge pages: served from the file" : "room: copied");
        opened_close(&o);
    }
}

static void check_system(void)
{
    uint64_t allowed = process_memory_allowed();
    uint64_t available = process_memory_available();
    ok(available > 0 && available <= allowed, "%llu of %llu MiB are left",
       (unsigned long long)(available / MIB), (unsigned long long)(allowed / MIB));
    ok(room_in_memory(0, 0) > 0 && room_in_memory(0, 0) <= allowed, "an index may take some of it");
    is_number((int64_t)room_in_memory(1234567, 0), 1234567, "a test may set a lower limit");
    is_number((int64_t)room_in_memory(1000, 300), 700, "what is reserved for others is not taken");
    is_number((int64_t)room_in_memory(1000, 900), 500, "at most half is reserved");
    is_number((int64_t)room_in_memory(1, 1), 1, "at least a byte is left");
}

int main(void)
{
    data = table_file(&table, "table.data");
    check_system();
    check_build();
    check_datasets();
    check_index_file();
    return done_testing();
}
