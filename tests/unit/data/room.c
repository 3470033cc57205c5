// Indexes that do not fit into memory: the index is built in a temporary file. If that is not
// possible either, opening fails with a message that says how much memory is missing.
#include "data/room.h"

#include <dirent.h>
#include <errno.h>
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
       "enough memory: the image is built in memory");
    uint64_t keys = built.keys;
    build_release(&built);
    settings.most = MIB;
    ok(!build_index(&built, text, &settings, &error) && built.missing > 0 &&
           built.image.memory.ptr == NULL && strstr(error.text, " MiB are missing") != NULL,
       "not enough memory: %s", error.text);
    // With as much more memory as was missing the build works; with one byte less it fails.
    uint64_t enough = settings.most + built.missing;
    settings.most = enough;
    ok(build_index(&built, text, &settings, &error) && !built.in_file && built.keys == keys,
       "with as much more memory as was missing, the build works");
    build_release(&built);
    settings.most = enough - 1;
    ok(!build_index(&built, text, &settings, &error) && built.missing == 1,
       "with one byte less, it fails");
    settings.fd = fileno(file);
    ok(build_index(&built, text, &settings, &error) && built.in_file && built.keys == keys,
       "with one byte less and a file, it works");
    build_release(&built);
    settings.memory = UINT64_C(1) << 40; // more than there is
    ok(build_index(&built, text, &settings, &error) && built.in_file && built.keys == keys,
       "`most` is the limit even if `memory` is larger");
    build_release(&built);
    settings.most = 1;
    ok(!build_index(&built, text, &settings, &error) && built.missing > 0,
       "a build in a file also needs some memory: %s", error.text);
    fclose(file);
    opened_close(&o);
}

// ---- datasets -----------------------------------------------------------------------------------

static uint64_t reserved;
// Bytes of memory left: with this much the index is built in a file, with more in memory.
static uint64_t in_file;

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

// Opens the dataset with this much memory left, checks that every key is found, and returns where
// the index was built.
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
        require(strstr(o.error.text, " MiB are missing") != NULL,
                "opening failed for another reason");
    } else {
        require(table_is_served(&table, o.dataset), "a key is not found");
        dataset_finish(o.dataset, NULL);
        require(table_is_served(&table, o.dataset), "a key is not found after dataset_finish");
    }
    opened_close(&o);
    return outcome;
}

// Returns the greatest size of memory, within 64 KiB, that does not have a better outcome.
static uint64_t limit_of(enum outcome outcome)
{
    uint64_t low = 64 * 1024;
    uint64_t high = 64 * MIB;
    require(open_with(low, DATASET_INDEX_NONE) >= outcome,
            "the outcome is too good with almost no memory");
    require(open_with(high, DATASET_INDEX_NONE) < outcome, "the outcome is bad with much memory");
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
    ok(refused < in_file, "with less and less memory: built in memory, built in a file, refused");
    reserved = 2 * MIB;
    is_number(open_with(in_file + 2 * MIB - MIB / 4, DATASET_INDEX_NONE), IN_FILE,
              "reserved memory is not used");
    is_number(open_with(in_file + 2 * MIB + MIB / 4, DATASET_INDEX_NONE), IN_MEMORY,
              "no more memory than that is reserved");
    reserved = UINT64_C(1) << 60;
    is_number(open_with(in_file * 2 + MIB, DATASET_INDEX_NONE), IN_MEMORY,
              "at most half of the memory is reserved");
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
       "the file is created in $TMPDIR");
    is_number(files_in(folder), 0, "the file has no name");
    is_text(dataset_index_status(o.dataset), "memory",
            "the status is memory, as there is no index file");
    opened_close(&o);
    if (statfs("/dev/shm", &system) == 0 && system.f_type == 0x01021994) {
        is_number(temporary_unnamed("/dev/shm", "stele"), -1,
                  "no temporary file is created on a file system in memory");
        setenv("TMPDIR", "/dev/shm", 1);
        is_number(open_with(in_file, DATASET_INDEX_NONE), IN_FILE,
                  "$TMPDIR in memory: the file is created elsewhere");
    }
    setenv("TMPDIR", "/no/such/folder", 1);
    is_number(open_with(in_file, DATASET_INDEX_NONE), IN_FILE,
              "$TMPDIR missing: the file is created elsewhere");
    unsetenv("TMPDIR");

    // The file cannot be written.
    struct rlimit before;
    require(getrlimit(RLIMIT_FSIZE, &before) == 0, "cannot get the limit");
    struct rlimit limit = before;
    limit.rlim_cur = 64 * 1024;
    signal(SIGXFSZ, SIG_IGN);
    require(setrlimit(RLIMIT_FSIZE, &limit) == 0, "cannot set the limit");
    opened_with(&o, data, &settings);
    require(setrlimit(RLIMIT_FSIZE, &before) == 0, "cannot restore the limit");
    ok(o.dataset == NULL && strstr(o.error.text, "MiB are missing") != NULL &&
           strstr(o.error.text, "it cannot be built in a temporary file: ") != NULL,
       "neither memory nor a file is enough: %s", o.error.text);
    opened_close(&o);
}

// If an index file is to be written, the index is built in that file.
static void check_index_file(void)
{
    const char *path = test_path("table.data.idx");
    is_number(open_with(in_file, DATASET_INDEX_WRITE), IN_MEMORY, "no temporary file is used");
    ok(file_exists(path) && files_beside(path) == 0, "the index file is written");
    struct opened o;
    opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset != NULL && dataset_verify(o.dataset, &o.error), "the index file is verified");
    opened_close(&o);
    for (unsigned i = 0; i < 2; i++) {
        struct dataset_settings settings = {.index = DATASET_INDEX_READ,
                                            .huge_pages = true,
                                            .memory_most = i == 0 ? MIB : 64 * MIB};
        opened_with(&o, data, &settings);
        ok(o.dataset != NULL && table_is_served(&table, o.dataset) &&
               notices_have(&o.notices, "no room for a copy of the index in huge pages") ==
                   (i == 0),
           i == 0 ? "no room for a copy in huge pages: served from the file"
                  : "room for a copy: copied");
        opened_close(&o);
    }
}

// Chooses the folder of a temporary file by the room on its disk.
static void check_disks(void)
{
    char folder[256];
    char wanted[256];
    struct statfs system;
    const char *beside = test_path("table.data.idx");
    snprintf(wanted, sizeof wanted, "%.*s", (int)(strrchr(beside, '/') - beside) + 1, beside);
    if (statfs(wanted, &system) == 0 && system.f_type != 0x01021994) { // tmpfs
        int fd = room_in_file(data, beside, 1000000, folder, sizeof folder);
        ok(fd >= 0, "a temporary file for a megabyte");
        is_text(folder, wanted, "it is in the folder that was asked for");
        is_number(files_beside(beside), 0, "it has no name");
        close(fd);
        uint64_t left = (uint64_t)system.f_bavail * (uint64_t)system.f_bsize;
        fd = room_in_file(data, beside, left, folder, sizeof folder);
        ok(fd < 0 || strcmp(folder, wanted) != 0, "no folder is used up to its last byte");
        if (fd >= 0)
            close(fd);
    }
    errno = 0;
    is_number(room_in_file(data, beside, UINT64_MAX / 4, folder, sizeof folder), -1,
              "no disk has that much room");
    ok(errno == ENOSPC || errno == EMEDIUMTYPE, "errno says why: %s", strerror(errno));
    is_text(folder, wanted, "the folder that was tried first is named");
    if (statfs("/dev/shm", &system) == 0 && system.f_type == 0x01021994) {
        int fd = room_in_file(data, "/dev/shm/table.data.idx", 1000000, folder, sizeof folder);
        ok(fd < 0 || strcmp(folder, "/dev/shm/") != 0, "no file in memory is used, but one in %s",
           folder);
        if (fd >= 0)
            close(fd);
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
    is_number((int64_t)room_in_memory(1000, 300), 700, "reserved memory is subtracted");
    is_number((int64_t)room_in_memory(1000, 900), 500, "at most half is reserved");
    is_number((int64_t)room_in_memory(1, 1), 1, "the result is at least 1");
}

int main(void)
{
    data = table_file(&table, "table.data");
    check_system();
    check_disks();
    check_build();
    check_datasets();
    check_index_file();
    return done_testing();
}
