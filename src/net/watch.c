#include "net/watch.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "data/dataset.h"

enum {
    // Seconds that a changed data file must stay unchanged before it is loaded. They differ by what
    // the file looks like: complete, incomplete, or open for writing in some process.
    STABLE_SECONDS = 1,
    INCOMPLETE_STABLE_SECONDS = 10,
    OPEN_STABLE_SECONDS = 60,
    RETRY_PAUSE_MAX = 3600, // seconds; the pause between retries doubles until it is this long
};

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           is_same_time(a->st_mtim, b->st_mtim) && is_same_time(a->st_ctim, b->st_ctim);
}

// Returns the seconds for which the file must stay unchanged before it is loaded. They are more for
// a file that looks like an unfinished copy; `*why` then says what it looks like.
static unsigned stable_seconds_needed(int fd, const struct stat *status, const char **why)
{
    char last = '\0';
    if (file_is_written(fd)) {
        *why = "a process has it open for writing";
        return OPEN_STABLE_SECONDS;
    }
    if (status->st_size == 0) {
        *why = "it is empty";
        return INCOMPLETE_STABLE_SECONDS;
    }
    if (file_read(fd, &last, 1, (uint64_t)status->st_size - 1) && last != '\n') {
        *why = "its last line does not end in a newline";
        return INCOMPLETE_STABLE_SECONDS;
    }
    return STABLE_SECONDS;
}

// Returns true when the candidate, unchanged for `still_ns`, must stay unchanged for longer,
// because it looks like an unfinished copy. Logs that once. Also returns true when the file at the
// path is no longer the candidate.
static bool must_wait_longer(struct watch *w, uint64_t still_ns)
{
    struct watch_candidate *c = &w->candidate;
    struct stat status;
    const char *why = "";
    int fd = file_open(w->data, &status, NULL);
    if (fd < 0)
        return false; // the reload reports the reason
    unsigned seconds = stable_seconds_needed(fd, &status, &why);
    close(fd);
    if (!is_same(&c->status, &status))
        return true; // It has changed just now. The next poll takes it as a new candidate.
    if (still_ns >= seconds * CLOCK_SECOND)
        return false;
    if (!c->delay_logged)
        log_write(LOG_NOTICE, "%s has changed, but %s: waiting until it is unchanged for %u s",
                  w->data, why, seconds);
    c->delay_logged = true;
    return true;
}

bool watch_data(struct watch *w, const struct dataset *served)
{
    struct watch_candidate *c = &w->candidate;
    struct stat status;
    uint64_t now = clock_monotonic_ns();
    if (stat(w->data, &status) != 0 || dataset_is_as_loaded(served, &status)) {
        *c = (struct watch_candidate){.pause_ns = 0};
        return false;
    }
    if (c->pause_ns == 0 || !is_same(&c->status, &status))
        *c = (struct watch_candidate){status, STABLE_SECONDS * CLOCK_SECOND, now, false,
                                      c->delay_logged};
    if (now - c->since_ns < c->pause_ns ||
        (!c->load_requested && must_wait_longer(w, now - c->since_ns)))
        return false;
    log_write(LOG_NOTICE,
              c->load_requested ? "reloading %s again after a failure"
                                : "%s has changed: reloading",
              w->data);
    if (c->load_requested && c->pause_ns < RETRY_PAUSE_MAX * CLOCK_SECOND)
        c->pause_ns *= 2;
    c->load_requested = true;
    c->since_ns = now;
    return true;
}

bool watch_topology(struct watch *w)
{
    struct stat status;
    if (w->topology == NULL || stat(w->topology, &status) != 0 ||
        is_same(&status, &w->read_topology))
        return false;
    // The data file is loaded together with the topology, and must not be loaded yet.
    if (w->candidate.pause_ns != 0 && !w->candidate.load_requested)
        return false;
    w->read_topology = status;
    log_write(LOG_NOTICE, "%s has changed: reloading", w->topology);
    return true;
}

void watch_note_topology(struct watch *w)
{
    if (w->topology != NULL && stat(w->topology, &w->read_topology) != 0)
        memset(&w->read_topology, 0, sizeof w->read_topology);
}
