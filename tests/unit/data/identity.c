// The identity of a data file: times, samples and checksums. tests/faults/f09_index_of_other_data.c
// tests what a dataset does with a data file that is, looks or was the same.
#include "data/identity.h"

#include <stdlib.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "support/guard.h"
#include "support/tap.h"

#define SECOND INT64_C(1000000000)

// ---- times and checksums ------------------------------------------------------------------------

static void check_proof(void)
{
    const struct identity then = {10, 20, 1000 * SECOND, 1001 * SECOND, 1010 * SECOND, 1, 2, 3};
    const struct identity now = {10, 20, 1000 * SECOND, 1001 * SECOND, 0, 0, 0, 0};
    struct identity other;
    ok(identity_is_proven(&then, &now), "a proof: size, inode and times are the same");
#define DIFFERS(what, change)                                                                      \
    other = now;                                                                                   \
    other.change;                                                                                  \
    ok(!identity_is_proven(&then, &other), "no proof: " what)
    DIFFERS("another size", bytes++);
    DIFFERS("another inode", inode++);
    DIFFERS("another mtime", modified_ns++);
    DIFFERS("another ctime", changed_ns--);
    static const struct {
        int64_t modified, changed, read;
        bool proven;
    } times[] = {
        {8 * SECOND - 1, 0, 10 * SECOND, true},
        {8 * SECOND, 0, 10 * SECOND, false},
        {0, 8 * SECOND - 1, 10 * SECOND, true},
        {0, 8 * SECOND, 10 * SECOND, false},
        {10 * SECOND, 0, 10 * SECOND, false},
        {11 * SECOND, 0, 10 * SECOND, false},
        {-5 * SECOND, -4 * SECOND, 0, true},
        {0, 0, INT64_MIN, false},
        {INT64_MIN, INT64_MIN, INT64_MIN, false},
        {INT64_MIN, INT64_MIN, INT64_MIN + 2 * SECOND, false},
        {INT64_MIN, INT64_MIN, INT64_MIN + 2 * SECOND + 1, true},
        {INT64_MAX, INT64_MAX, INT64_MAX, false},
    };
    for (unsigned i = 0; i < sizeof times / sizeof *times; i++) {
        struct identity a = {1, 2, times[i].modified, times[i].changed, times[i].read, 0, 0, 0};
        is_number(identity_is_proven(&a, &a), times[i].proven,
                  "case %u: whether times are old enough", i);
    }
}

static void check_status(void)
{
    struct stat status = {.st_size = 7, .st_ino = 9};
    int64_t before = (int64_t)clock_wall_us() * 1000;
    status.st_mtim = (struct timespec){3, 4};
    status.st_ctim = (struct timespec){5, 6};
    struct identity id = identity_of_file(&status);
    ok(id.bytes == 7 && id.inode == 9 && id.modified_ns == 3 * SECOND + 4 &&
           id.changed_ns == 5 * SECOND + 6 && id.read_ns >= before &&
           id.read_ns <= (int64_t)clock_wall_us() * 1000,
       "identity_of_file: size, inode, times and the present time");
    status.st_mtim.tv_sec = 10413792000; // the year 2300
    identity_of_file(&status);
    status.st_mtim.tv_sec = INT64_MIN;
    status.st_ctim.tv_sec = INT64_MAX;
    identity_of_file(&status);
    ok(true, "identity_of_file accepts any time");
}

static void check_sample(struct random *r)
{
    enum { LARGE = 3 * 1024 * 1024, ENDS = 64 * 1024 };
    static const size_t lengths[] = {0, 1, 37, 4095, 4096, 4097, ENDS, ENDS + 1, 2 * ENDS, LARGE};
    uint64_t samples[sizeof lengths / sizeof *lengths];
    char *text = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        text[i] = (char)random_next(r);
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct guard guard = {0};
        struct bytes copy = guard_copy(&guard, span_of(text, lengths[i]));
        samples[i] = identity_sample(span_of(copy.ptr, copy.len), 7);
        bool same = samples[i] == identity_sample(span_of(text, lengths[i]), 7);
        for (unsigned j = 0; j < i; j++)
            same = same && samples[i] != samples[j];
        ok(same, "a sample of %zu bytes differs from those of other lengths", lengths[i]);
        guard_release(&guard);
    }
    size_t unseen = 0;
    size_t missed = 0;
    uint64_t last = samples[sizeof lengths / sizeof *lengths - 1];
    for (unsigned i = 0; i < 400; i++) {
        // A change in the first 64 KiB, in the last 64 KiB, or anywhere.
        size_t at = i < 50    ? random_below(r, ENDS)
                    : i < 100 ? LARGE - 1 - random_below(r, ENDS)
                              : random_below(r, LARGE);
        at = i == 0 ? 0 : i == 1 ? ENDS - 1 : i == 50 ? LARGE - 1 : i == 51 ? LARGE - ENDS : at;
        text[at] ^= 1;
        bool equal = identity_sample(span_of(text, LARGE), 7) == last;
        text[at] ^= 1;
        missed += i < 100 && equal;
        unseen += i >= 100 && equal;
    }
    is_number((int64_t)missed, 0, "a change in the first or last 64 KiB is detected");
    // 64 blocks of 768 and both ends are 12 % of the text.
    ok(unseen > 200 && unseen < 295, "of 300 changes anywhere, %zu are not detected", unseen);
    // Another seed chooses other blocks, so it detects some of the changes that one seed misses.
    size_t seen = 0;
    for (unsigned i = 0; i < 100; i++) {
        size_t at = ENDS + random_below(r, LARGE - 2 * ENDS);
        uint64_t before = identity_sample(span_of(text, LARGE), i);
        text[at] ^= 1;
        seen += identity_sample(span_of(text, LARGE), 7) == last &&
                identity_sample(span_of(text, LARGE), i) != before;
        text[at] ^= 1;
    }
    ok(seen > 0, "two seeds choose different samples: only one detects %zu changes", seen);
    free(text);
}

struct progress_seen {
    unsigned times;
    uint64_t done;
    uint64_t total;
};

static void note_progress(void *context, uint64_t done, uint64_t total)
{
    struct progress_seen *seen = context;
    *seen = (struct progress_seen){seen->times + 1, done, total};
}

static void check_content(void)
{
    enum {
        LARGE = 67 * 1024 * 1024 + 17
    }; // bytes; more than is read between two reports of progress
    char *text = calloc(1, LARGE);
    uint64_t whole;
    uint64_t other;
    atomic_bool cancel = true;
    const struct identity_reading cancelled = {.cancel = &cancel};
    struct progress_seen seen = {0, 0, 0};
    const struct identity_reading reporting = {.progress = note_progress, .context = &seen};
    ok(identity_content(span_of(NULL, 0), &whole, NULL) && whole == 0x2d06800538d394c2u,
       "the checksum of no content");
    ok(identity_content(span_of(text, LARGE), &whole, NULL), "the checksum of a content");
    for (size_t at = 0; at < LARGE; at += LARGE / 7) {
        text[at] = 1;
        ok(identity_content(span_of(text, LARGE), &other, NULL) && other != whole,
           "byte %zu changed: another checksum", at);
        text[at] = 0;
    }
    ok(identity_content(span_of(text, LARGE - 1), &other, NULL) && other != whole,
       "one byte less: another checksum");
    ok(!identity_content(span_of(text, LARGE), &other, &cancelled), "a cancelled reading fails");
    ok(identity_content(span_of(text, LARGE), &other, &reporting) && other == whole,
       "the checksum is the same when progress is reported");
    ok(seen.times > 1 && seen.done == LARGE && seen.total == LARGE,
       "progress is reported up to the end");
    free(text);
}

int main(void)
{
    struct random r = random_seeded();
    check_proof();
    check_status();
    check_sample(&r);
    check_content();
    return done_testing();
}
