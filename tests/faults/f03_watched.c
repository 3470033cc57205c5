// Fault F3 (docs/faults.md): what --watch takes for another file. It follows the path through links
// and folders, which may be replaced too, and loads the file at its end once that has stopped
// changing.
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/control.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

#define KEY "00000000-0000-4000-8000-00000000000"
#define OLD KEY "1 old\n" KEY "2 the whole value\n"
#define NEW KEY "1 new\n"

enum { PATIENCE = 20 };

static const char *const options[] = {"--requirepass", CONTROL_PASSWORD, "--watch", NULL};

static const char *in(const char *folder, const char *name)
{
    char both[256];
    snprintf(both, sizeof both, "%s/%s", folder, name);
    return test_path(both);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    require(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, "cannot write %s", path);
}

static void make_folder(const char *name)
{
    require(mkdir(test_path(name), 0755) == 0, "no folder %s", name);
}

// Makes the link `name` point to `to`, and replaces the old link by a rename.
static void point(const char *to, const char *name)
{
    const char *fresh = test_path("fresh");
    require(symlink(to, fresh) == 0 && rename(fresh, name) == 0, "cannot link");
}

// Waits until KEY 1 has the value and no reload is in progress: a reload ends when all loops serve
// the data. Returns false if that takes too long.
static bool await_value(int control, const char *value)
{
    uint64_t end = clock_monotonic_ns() + PATIENCE * CLOCK_SECOND;
    while (clock_monotonic_ns() < end) {
        control_line(control, "GET " KEY "1");
        if (strcmp(control_line(control, NULL), value) == 0 &&
            strcmp(control_info(control, "dataset_reload_in_progress"), "0") == 0)
            return true;
        poll(NULL, 0, 5);
    }
    return false;
}

// ---- another file -------------------------------------------------------------------------------

// The folders and links are those with which Kubernetes publishes a ConfigMap.
static const char *folder_link_begin(void)
{
    make_folder("k1");
    make_folder("k2");
    make_folder("map");
    put(in("k1", "data"), OLD);
    put(in("k2", "data"), NEW);
    point("../k1", in("map", "..data"));
    point("..data/data", in("map", "data"));
    return in("map", "data");
}

static void folder_link_change(void)
{
    point("../k2", in("map", "..data"));
}

static const char *folder_begin(void)
{
    make_folder("now");
    make_folder("next");
    put(in("now", "data"), OLD);
    put(in("next", "data"), NEW);
    return in("now", "data");
}

static void folder_replace(void)
{
    require(rename(test_path("now"), test_path("before")) == 0 &&
                rename(test_path("next"), test_path("now")) == 0,
            "cannot rename");
}

static const char *target_begin(void)
{
    make_folder("target");
    put(in("target", "data"), OLD);
    put(in("target", "fresh"), NEW);
    point("target/data", test_path("to-target"));
    return test_path("to-target");
}

static void target_replace(void)
{
    require(rename(in("target", "fresh"), in("target", "data")) == 0, "cannot rename");
}

static const char *chain_begin(void)
{
    put(test_path("chain-1"), OLD);
    put(test_path("chain-2"), NEW);
    point("chain-1", test_path("second"));
    point("second", test_path("first"));
    return test_path("first");
}

static void chain_change(void)
{
    point("chain-2", test_path("second"));
}

static const char *same_begin(void)
{
    const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
    put(test_path("same"), KEY "1 old\n");
    put(test_path("same.new"), NEW);
    require(utimensat(AT_FDCWD, test_path("same"), times, 0) == 0 &&
                utimensat(AT_FDCWD, test_path("same.new"), times, 0) == 0,
            "no times");
    return test_path("same");
}

static void same_replace(void)
{
    require(rename(test_path("same.new"), test_path("same")) == 0, "cannot rename");
}

static const char *gone_begin(void)
{
    put(test_path("gone"), OLD);
    return test_path("gone");
}

static void gone_replace(void)
{
    require(unlink(test_path("gone")) == 0, "cannot remove");
    put(test_path("gone"), NEW);
}

static void check_others(void)
{
    static const struct {
        const char *name;
        const char *(*begin)(void);
        void (*replace)(void);
    } cases[] = {
        {"a link in the path is changed", folder_link_begin, folder_link_change},
        {"a folder replaces another", folder_begin, folder_replace},
        {"the target of the link is replaced", target_begin, target_replace},
        {"the second of two links is changed", chain_begin, chain_change},
        {"a file of the same size and time", same_begin, same_replace},
        {"a file is removed and created again", gone_begin, gone_replace},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server_process s = server_start(cases[i].begin(), options);
        int control = control_open(s.port);
        ok(await_value(control, "old"), "%s: the old data is served first", cases[i].name);
        cases[i].replace();
        ok(await_value(control, "new"), "%s: the new data is served", cases[i].name);
        is_text(control_info(control, "dataset_reloads"), "1", "%s: one reload was made",
                cases[i].name);
        is_text(control_info(control, "dataset_failed_reloads"), "0", "%s: no reload has failed",
                cases[i].name);
        close(control);
        is_number(server_stop(&s), 0, "exit code");
    }
}

// A link is changed to a file that is still being written. The server serves all of it, never a
// part.
static void check_growing(void)
{
    put(test_path("whole"), OLD);
    point("whole", test_path("growing"));
    struct server_process s = server_start(test_path("growing"), options);
    int control = control_open(s.port);
    put(test_path("written"), KEY "1 new\n");
    point("written", test_path("growing"));
    FILE *file = fopen(test_path("written"), "ae");
    require(file != NULL, "cannot write");
    uint64_t end = clock_monotonic_ns() + 3 * CLOCK_SECOND;
    bool idle = true;
    for (unsigned i = 0; clock_monotonic_ns() < end; i++) {
        fprintf(file, "00000000-0000-4000-8000-%012u more\n", 1000 + i);
        fflush(file);
        idle &= strcmp(control_info(control, "dataset_generation"), "1") == 0;
        poll(NULL, 0, 1);
    }
    fprintf(file, KEY "1 last\n");
    fclose(file);
    ok(idle, "a file that grows behind a link is not loaded");
    ok(await_value(control, "last"), "the whole file is served once it has stopped changing");
    is_text(control_info(control, "dataset_reloads"), "1", "one reload was made");
    close(control);
    is_number(server_stop(&s), 0, "exit code");
}

// ---- a file that cannot be loaded ---------------------------------------------------------------

// The server has no free descriptor when the file is replaced. It tries again later.
static void check_retry(void)
{
    struct rlimit usual, low;
    put(test_path("short"), OLD);
    struct server_process s = server_start(test_path("short"), options);
    int control = control_open(s.port);
    log_await(s.log_path, "wrote '");
    require(prlimit(s.pid, RLIMIT_NOFILE, NULL, &usual) == 0, "no limit");
    low = (struct rlimit){6, usual.rlim_max};
    require(prlimit(s.pid, RLIMIT_NOFILE, &low, NULL) == 0, "cannot set the limit");
    put(test_path("fresh"), NEW);
    require(rename(test_path("fresh"), test_path("short")) == 0, "cannot rename");
    log_await(s.log_path, "cannot reload, serving the old dataset: cannot open '");
    ok(await_value(control, "old"), "without descriptors: the old data is served");
    require(prlimit(s.pid, RLIMIT_NOFILE, &usual, NULL) == 0, "cannot set the limit");
    ok(await_value(control, "new"), "with descriptors again: the new data is served");
    close(control);
    is_number(server_stop(&s), 0, "exit code");
}

int main(void)
{
    check_others();
    check_growing();
    check_retry();
    return done_testing();
}
