// The index is locked in memory as the settings say, also when dataset_finish replaces its memory
// by a file. /proc shows how much memory of this process is locked.
//
// A process with CAP_IPC_LOCK has no limit, so the test gives up that right.
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mapping.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/tap.h"

enum { SMALL_LIMIT = 8192 };

// Its index takes less than 64 KiB, which every process may lock.
static const struct table table = {3, 5000};
static const char *data;
static const char *path; // path of its index file

static long long locked_bytes(void)
{
    return process_field(getpid(), "status", "VmLck");
}

static void give_up_right(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    require(syscall(SYS_capget, &head, sets) == 0, "capget fails");
    sets[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
    require(syscall(SYS_capset, &head, sets) == 0, "capset fails");
}

static void set_limit(rlim_t bytes)
{
    struct rlimit limit;
    require(getrlimit(RLIMIT_MEMLOCK, &limit) == 0, "no limit");
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    require(setrlimit(RLIMIT_MEMLOCK, &limit) == 0, "cannot set the limit");
}

// Opens the table with its index file or, if `build`, without one, so that an index is built.
static struct dataset *open_locking(struct opened *o, bool build, enum dataset_lock lock,
                                    uint64_t most)
{
    struct dataset_settings settings = {.index = DATASET_INDEX_WRITE, .memory_most = most};
    settings.lock_index = lock;
    unlink(path);
    if (!build)
        index_written(data, NULL);
    opened_with(o, data, &settings);
    return o->dataset;
}

static void is_locked(const struct dataset *d, const char *when)
{
    long long bytes = (long long)dataset_figures(d)->index_bytes;
    ok(dataset_index_is_locked(d), "%s: locked", when);
    ok(locked_bytes() >= bytes && locked_bytes() < bytes + (1 << 14),
       "%s: the index is locked, and nothing else", when);
    ok(table_is_served(&table, d), "%s: every key has its value", when);
}

static void is_unlocked(const struct dataset *d, const char *when)
{
    ok(!dataset_index_is_locked(d), "%s: not locked", when);
    is_number(locked_bytes(), 0, "%s: no memory is locked", when);
    ok(table_is_served(&table, d), "%s: every key has its value", when);
}

static void check_locked(bool build)
{
    struct opened o;
    struct dataset *d = open_locking(&o, build, DATASET_LOCK_AUTO, 0);
    require(d != NULL, "%s", o.error.text);
    is_unlocked(d, "auto, opened");
    dataset_finish(d, NULL);
    is_text(dataset_index_status(d), "mapped", "(the index is in its file)");
    is_locked(d, build ? "auto, built" : "auto, mapped");
    ok(notices_have(&o.notices, "locked the index in memory: "), "auto: the notice");
    dataset_unlock_index(d);
    is_unlocked(d, "unlocked");
    opened_close(&o);

    d = open_locking(&o, build, DATASET_LOCK_YES, 0);
    require(d != NULL, "%s", o.error.text);
    is_locked(d, "yes, opened");
    dataset_finish(d, NULL);
    is_text(dataset_index_status(d), "mapped", "(the index is in its file)");
    is_locked(d, build ? "yes, built" : "yes, mapped");
    is_number(o.notices.warnings, 0, "yes: no warning");
    opened_close(&o);
    is_number(locked_bytes(), 0, "closed: no memory is locked");

    d = open_locking(&o, build, DATASET_LOCK_NO, 0);
    dataset_finish(d, NULL);
    is_unlocked(d, "no");
    is_number(occurrences(buf_span(&o.notices.text), "locked"), 0, "no: no notice about locks");
    opened_close(&o);
}

static void check_copy_in_huge_pages(void)
{
    struct opened o;
    struct dataset_settings settings = {
        .index = DATASET_INDEX_READ, .huge_pages = true, .lock_index = DATASET_LOCK_YES};
    index_written(data, NULL);
    opened_with(&o, data, &settings);
    require(o.dataset != NULL, "%s", o.error.text);
    is_locked(o.dataset, "a copy in huge pages");
    opened_close(&o);
}

static void check_limit(bool build)
{
    static const char message[] = "the limit of locked memory is 8192";
    struct opened o;
    set_limit(SMALL_LIMIT);
    struct dataset *d = open_locking(&o, build, DATASET_LOCK_AUTO, 0);
    require(d != NULL, "%s", o.error.text);
    dataset_finish(d, NULL);
    is_unlocked(d, "auto, a small limit");
    ok(notices_have(&o.notices, message), "auto: the notice says why it is not locked");
    is_number(o.notices.warnings, 0, "auto: no warning");
    opened_close(&o);

    ok(open_locking(&o, build, DATASET_LOCK_YES, 0) == NULL, "yes, a small limit: not opened");
    ok(strstr(o.error.text, "cannot lock the index of") != NULL &&
           strstr(o.error.text, message) != NULL,
       "yes: the message says why: %s", o.error.text);
    is_number(locked_bytes(), 0, "yes: no memory is locked");
    opened_close(&o);

    // The limit becomes too small before dataset_finish replaces locked memory by a file.
    set_limit(RLIM_INFINITY);
    d = open_locking(&o, true, DATASET_LOCK_YES, 0);
    require(d != NULL, "%s", o.error.text);
    set_limit(SMALL_LIMIT);
    dataset_finish(d, NULL);
    is_unlocked(d, "yes, a limit that became too small");
    ok(notices_have(&o.notices, message) && o.notices.warnings == 1, "a warning says why");
    opened_close(&o);
    set_limit(RLIM_INFINITY);
}

static void check_size(void)
{
    struct opened o;
    uint64_t most = dataset_figures(open_locking(&o, false, DATASET_LOCK_NO, 0))->index_bytes;
    opened_close(&o);
    struct dataset *d = open_locking(&o, false, DATASET_LOCK_AUTO, 2 * most);
    dataset_finish(d, NULL);
    is_unlocked(d, "auto, an index of more than half of the memory"); // the file is a bit larger
    ok(notices_have(&o.notices, "more than half of the "), "auto: the notice says so");
    opened_close(&o);
    d = open_locking(&o, false, DATASET_LOCK_AUTO, 2 * most + (1 << 14));
    dataset_finish(d, NULL);
    is_locked(d, "auto, an index of less than half of the memory");
    opened_close(&o);
    d = open_locking(&o, false, DATASET_LOCK_YES, 2 * most);
    is_locked(d, "yes, an index of more than half of the memory");
    opened_close(&o);
}

static void check_cancelled(void)
{
    struct opened o;
    atomic_bool cancel = true;
    struct dataset *d = open_locking(&o, false, DATASET_LOCK_AUTO, 0);
    dataset_finish(d, &cancel);
    is_unlocked(d, "cancelled");
    is_number(occurrences(buf_span(&o.notices.text), "locked"), 0, "cancelled: no notice");
    opened_close(&o);
}

// The index file is cut after it was opened.
static void check_cut(void)
{
    struct opened o;
    struct dataset *d = open_locking(&o, false, DATASET_LOCK_AUTO, 0);
    file_resize(path, 8192);
    dataset_finish(d, NULL);
    ok(!dataset_index_is_locked(d), "a cut index file: not locked");
    is_number(locked_bytes(), 0, "a cut index file: no memory is locked");
    ok(notices_have(&o.notices, "its file was truncated"), "a cut index file: the notice");
    opened_close(&o);
    d = open_locking(&o, false, DATASET_LOCK_YES, 0);
    file_resize(path, 8192);
    (void)dataset_look(d);
    ok(!dataset_index_is_locked(d), "a file that is cut after it was locked: no longer locked");
    opened_close(&o);
}

// A new index replaces one that is damaged. It is locked in the same way.
static void check_opened_again(void)
{
    struct opened o;
    struct error error = {""};
    struct dataset *d = open_locking(&o, false, DATASET_LOCK_YES, 0);
    require(d != NULL, "%s", o.error.text);
    file_resize(path, 8192);
    dataset_unlock_index(d);
    struct dataset *again = dataset_open_again(d, &error);
    require(again != NULL, "%s", error.text);
    is_locked(again, "opened again");
    dataset_finish(again, NULL);
    is_locked(again, "opened again, finished");
    dataset_close(again);
    opened_close(&o);
}

int main(void)
{
    mapping_catch_faults();
    data = table_file(&table, "table.data");
    path = test_path("table.data.idx");
    give_up_right();
    set_limit(RLIM_INFINITY);
    for (unsigned build = 0; build < 2; build++) {
        check_locked(build);
        check_limit(build);
    }
    check_copy_in_huge_pages();
    check_size();
    check_cancelled();
    check_cut();
    check_opened_again();
    return done_testing();
}
