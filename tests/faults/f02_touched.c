// Fault F2 (docs/faults.md): the served file is touched, renamed or given another mode, but its
// content stays the same. This is neither damage nor new data. A reload reports that nothing has
// changed, and --watch does not reload. A change of the content is reported.
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/control.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

#define KEY "00000000-0000-4000-8000-00000000000"
#define TEXT KEY "1 value\n" KEY "2 other\n"

enum {
    PATIENCE = 20,  // seconds until the test gives up
    STAYS_SOUND = 3 // seconds in which the server looks at its files several times
};

static const char *path;

static void put(const char *at, const char *text)
{
    FILE *file = fopen(at, "we");
    require(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, "cannot write %s", at);
}

// ---- changes that keep the content --------------------------------------------------------------

static void nothing(void)
{
}

static void touch(void)
{
    require(utimensat(AT_FDCWD, path, NULL, 0) == 0, "cannot touch");
}

static void touch_back(void)
{
    const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
    require(utimensat(AT_FDCWD, path, times, 0) == 0, "cannot set times");
}

static void change_mode(void)
{
    require(chmod(path, 0600) == 0 && chmod(path, 0644) == 0, "cannot change the mode");
}

static void link_it(void)
{
    require(link(path, test_path("linked")) == 0 && unlink(test_path("linked")) == 0, "no link");
}

static void rename_it(void)
{
    require(rename(path, test_path("away")) == 0 && rename(test_path("away"), path) == 0,
            "cannot rename");
}

static void write_the_same(void)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    require(fd >= 0 && pwrite(fd, TEXT, 10, 0) == 10, "cannot write");
    close(fd);
}

static const struct {
    const char *name;
    void (*act)(void);
} harmless[] = {
    {"nothing", nothing},
    {"a touch", touch},
    {"times set back", touch_back},
    {"a mode", change_mode},
    {"a hard link", link_it},
    {"a rename and back", rename_it},
    {"the same bytes written", write_the_same},
};
enum { HARMLESS = sizeof harmless / sizeof *harmless };

// ---- servers ------------------------------------------------------------------------------------

// Checks that the server does not report damage while it looks at its files several times.
static void stays_sound(int control, const char *name)
{
    uint64_t end = clock_monotonic_ns() + STAYS_SOUND * CLOCK_SECOND;
    const char *status = "ok";
    while (clock_monotonic_ns() < end && strcmp(status, "ok") == 0) {
        status = control_info(control, "dataset_status");
        poll(NULL, 0, 5);
    }
    is_text(status, "ok", "%s: the file does not count as overwritten", name);
}

// Waits until the server knows the checksum of the content: a reload then finds it unchanged.
static void await_unchanged(int control)
{
    uint64_t end = clock_monotonic_ns() + PATIENCE * CLOCK_SECOND;
    while (strcmp(control_line(control, "STELE.RELOAD"), "+OK unchanged") != 0) {
        require(clock_monotonic_ns() < end, "each reload finds new data");
        poll(NULL, 0, 5);
    }
}

static void check_reloads(const char *index)
{
    diag("--index %s", index);
    path = test_file("data", SPAN(TEXT));
    struct server_process s =
        server_start(path, WORDS("--requirepass", CONTROL_PASSWORD, "--index", index));
    int control = control_open(s.port);
    await_unchanged(control);
    char before[32];
    snprintf(before, sizeof before, "%s", control_info(control, "dataset_generation"));
    for (unsigned i = 0; i < HARMLESS; i++) {
        harmless[i].act();
        if (harmless[i].act == touch)
            stays_sound(control, harmless[i].name);
        is_text(control_line(control, "STELE.RELOAD"), "+OK unchanged", "%s: nothing has changed",
                harmless[i].name);
        is_text(control_info(control, "dataset_generation"), before, "%s: no new generation",
                harmless[i].name);
        is_text(control_info(control, "dataset_last_reload_status"), "ok", "%s: no failure",
                harmless[i].name);
    }
    ok(log_has(s.log_path, "has not changed: nothing to reload"),
       "the log says that nothing has changed");
    put(test_path("copy"), TEXT);
    require(rename(test_path("copy"), path) == 0, "cannot rename");
    is_text(control_line(control, "STELE.RELOAD"), "+OK", "a copy is another file, and is loaded");
    await_unchanged(control);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    require(fd >= 0 && pwrite(fd, "VALUE", 5, 37) == 5, "cannot write");
    close(fd);
    log_await(s.log_path, "was overwritten in place");
    is_text(control_info(control, "dataset_status"), "overwritten",
            "INFO reports overwritten bytes");
    is_text(control_line(control, "STELE.RELOAD"), "+OK", "a reload loads them");
    is_text(control_line(control, "GET " KEY "1"), "$5", "the new value has the right length");
    is_text(control_line(control, NULL), "VALUE", "the new value is served");
    is_text(control_info(control, "dataset_status"), "ok", "INFO reports sound data");
    close(control);
    is_number(server_stop(&s), 0, "exit code");
}

// Makes all changes at once, as the server takes seconds to look at each of them.
static void check_watched(void)
{
    path = test_file("watched", SPAN(TEXT));
    struct server_process s =
        server_start(path, WORDS("--requirepass", CONTROL_PASSWORD, "--watch"));
    int control = control_open(s.port);
    await_unchanged(control);
    char before[32];
    snprintf(before, sizeof before, "%s", control_info(control, "dataset_generation"));
    for (unsigned i = 0; i < HARMLESS; i++)
        harmless[i].act();
    stays_sound(control, "watched");
    is_text(control_info(control, "dataset_generation"), before, "watched: no new generation");
    put(test_path("copy"), TEXT);
    require(rename(test_path("copy"), path) == 0, "cannot rename");
    log_await(s.log_path, "reloaded ");
    ok(true, "watched: a copy is loaded");
    close(control);
    is_number(server_stop(&s), 0, "exit code");
}

int main(void)
{
    check_reloads("none");
    check_reloads(test_path("index"));
    check_watched();
    return done_testing();
}
