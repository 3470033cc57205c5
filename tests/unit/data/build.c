// Builds each key set in little memory, in memory and in a file, in many passes and with a
// temporary file for the records. Compares the result with that of one pass with enough memory: the
// same trie and the same counts. Checks also that a build does not exceed its memory.
#include "data/build/build.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/process.h"
#include "data/identity.h"
#include "data/trie.h"
#include "data/uuid_text.h"
#include "support/keysets.h"
#include "support/tap.h"

enum { KEYS = 60000, FILE_AT = 8192 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEMORY_IS_OURS = 0 };
#else
enum { MEMORY_IS_OURS = 1 };
#endif

// The progress that the build has reported.
struct progress_seen {
    uint64_t calls;
    uint64_t done;
    uint64_t total;
    bool wrong;
};

static void note_progress(void *context, uint64_t done, uint64_t total)
{
    struct progress_seen *t = context;
    t->wrong |= done < t->done || done > total;
    t->calls++;
    t->done = done;
    t->total = total;
}

// Makes lines of the keys. One value in ten contains a line of another key, and some lines are
// malformed.
static struct buf write_text(struct random *r, const struct uuid *keys, size_t count,
                             unsigned duplicates, unsigned malformed)
{
    struct buf text = {0};
    for (size_t i = 0; i < count; i++) {
        if (malformed > 0 && random_below(r, 1000) < malformed)
            buf_append_text(&text, "malformed\n");
        bool again = random_below(r, 100) < duplicates;
        keys_write_lines(r, &keys[again ? random_below(r, i + 1) : i], 1, 40, &text);
    }
    return text;
}

// The temporary files for records that builds have asked for.
static unsigned spills_opened;
static uint64_t spill_bytes_asked;

static int file_new(void)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    require(fd >= 0, "cannot create a file in memory");
    return fd;
}

static int open_spill(void *context, uint64_t bytes, char *folder, size_t size)
{
    (void)context;
    spills_opened++;
    spill_bytes_asked = bytes;
    snprintf(folder, size, "memory");
    return file_new();
}

// Returns the image, in memory or in the file. The caller unmaps it with unmap_image.
static struct span map_image(const struct built *b, int fd)
{
    if (!b->in_file)
        return span_of(b->image.memory.ptr, b->image.memory.len);
    void *image = mmap(NULL, b->image_bytes, PROT_READ, MAP_SHARED, fd, FILE_AT);
    require(image != MAP_FAILED, "cannot map the image");
    return span_of(image, b->image_bytes);
}

static void unmap_image(const struct built *b, struct span image)
{
    if (b->in_file)
        munmap((void *)(uintptr_t)image.ptr, image.len);
}

static bool same_counts(const struct built *a, const struct built *b)
{
    bool same = a->lines == b->lines && a->malformed == b->malformed && a->keys == b->keys &&
                a->duplicates == b->duplicates && a->value_bytes == b->value_bytes;
    for (uint64_t i = 0; i < a->malformed && i < RECORDS_ERRORS_MAX; i++)
        same &=
            a->errors[i].line == b->errors[i].line && a->errors[i].offset == b->errors[i].offset;
    return same;
}

// Whether both tries are valid and have the same lines at the same ranks.
static bool same_tries(struct span a, struct span b, struct span text, struct trie_shape *shape,
                       struct error *error)
{
    struct trie x;
    struct trie y;
    if (!trie_open(&x, a, text, error) || !trie_open(&y, b, text, error) ||
        !trie_check(&y, shape, error) || x.count != y.count)
        return false;
    for (uint64_t rank = 0; rank < x.count; rank++) {
        uint64_t at_x;
        uint64_t at_y;
        if (!trie_at(&x, rank, &at_x) || !trie_at(&y, rank, &at_y) || at_x != at_y)
            return false;
    }
    return x.slot_bytes == y.slot_bytes && memcmp(x.slots, y.slots, x.count * x.slot_bytes) == 0;
}

// Builds `text` with a temporary file for the records, in memory or in a file, and compares the
// result with `whole`. The text must be read only once.
static void check_spilled(struct span text, const char *name, const struct built *whole,
                          struct build_settings settings)
{
    struct error error = {""};
    struct built b;
    struct progress_seen seen = {0};
    struct trie_shape shape = {0};
    settings.open_spill = open_spill;
    settings.progress = note_progress;
    settings.progress_context = &seen;
    spills_opened = 0;
    require(build_index(&b, text, &settings, &error), "%s", error.text);
    struct span image = map_image(&b, settings.fd);
    uint64_t records = b.lines - b.malformed;
    ok(same_counts(whole, &b) && b.passes == 1 && (b.spilled == 0 || spills_opened == 1),
       "%s: the same counts in one pass, %.1f times %llu records spilled", name,
       (double)b.spilled / (double)(records + 1), (unsigned long long)records);
    ok(!seen.wrong && seen.done == seen.total && seen.calls > 0, "%s: progress", name);
    ok(same_tries(map_image(whole, -1), image, text, &shape, &error) &&
           shape.depth <= TRIE_DEPTH_MAX,
       "%s: the same slots, depth %u %s", name, shape.depth, error.text);
    ok(b.in_file == (settings.fd >= 0 && b.spilled > 0) || b.spilled == 0,
       "%s: the image is in the file if there is one", name);
    ok(spills_opened == 0 || spill_bytes_asked > records * (sizeof(struct uuid) + 1) / 2,
       "%s: room for %llu bytes is asked for", name, (unsigned long long)spill_bytes_asked);
    unmap_image(&b, image);
    build_release(&b);
}

// Builds `text` with several limits of memory, in memory and in a file, and compares each result
// with that of one pass.
static void check_text(struct span text, const char *name)
{
    static const struct {
        uint64_t memory; // bytes for the records of a pass
        struct records_division division;
    } cases[] = {
        {1, {0, 0, 0}},
        {100000, {30000, 2, 0}},
        {400000, {0, 1, 0}},
        {1000000, {100000, 3, 1000}},
    };
    struct error error = {""};
    struct built whole;
    struct build_settings settings = {.fd = -1, .memory = UINT64_C(1) << 30};
    require(build_index(&whole, text, &settings, &error), "%s", error.text);
    is_number(whole.passes, 1, "%s: one pass with enough memory", name);
    for (unsigned i = text.len < 1000000 ? 0 : 1; i < sizeof cases / sizeof *cases; i++) {
        struct built in_memory;
        struct built in_file;
        struct progress_seen seen = {0};
        struct trie_shape shape = {0};
        int fd = file_new();
        settings.records_memory = cases[i].memory;
        settings.division = cases[i].division;
        settings.progress = note_progress;
        settings.progress_context = &seen;
        settings.fd = -1;
        require(build_index(&in_memory, text, &settings, &error), "%s", error.text);
        bool reported = !seen.wrong && seen.done == seen.total && seen.calls > 0;
        seen = (struct progress_seen){0};
        settings.fd = fd;
        settings.fd_at = FILE_AT;
        require(build_index(&in_file, text, &settings, &error), "%s", error.text);
        reported &= !seen.wrong && seen.done == seen.total;
        struct span a = map_image(&whole, -1);
        struct span b = map_image(&in_memory, -1);
        struct span c = map_image(&in_file, fd);
        ok(same_counts(&whole, &in_memory) && same_counts(&whole, &in_file) && reported,
           "%s: the same counts in %u passes, and progress", name, in_memory.passes);
        ok(same_tries(a, b, text, &shape, &error), "%s: the same lines, depth %u %s", name,
           shape.depth, error.text);
        ok(shape.depth <= TRIE_DEPTH_MAX && (in_memory.passes > 9 || shape.depth <= 12),
           "%s: a depth of %u", name, shape.depth);
        // The ranges depend on the lines that were sampled, and these depend on the threads.
        if (in_memory.passes == 1 || cases[i].division.threads == 1)
            ok(span_equal(b, c), "%s: the same bytes in the file", name);
        else
            ok(same_tries(b, c, text, &shape, &error), "%s: the same lines in the file", name);
        ok(in_file.in_file || in_file.passes == 1,
           "%s: the file is used if more than one pass is needed", name);
        diag("%s: %u passes, %u cuts, %.2f bytes a key, one pass %.2f", name, in_memory.passes,
             in_memory.cuts, (double)in_memory.image_bytes / (double)(in_memory.keys + 1),
             (double)whole.image_bytes / (double)(whole.keys + 1));
        unmap_image(&in_file, c);
        close(fd);
        build_release(&in_memory);
        build_release(&in_file);
        settings.progress = NULL;
        // In the least memory, long lists are distributed again. A single thread does that faster
        // here, as there is no work for more.
        if (i == 1)
            settings.division.threads = 1;
        settings.fd = i % 2 == 0 ? -1 : file_new();
        check_spilled(text, name, &whole, settings);
        close(settings.fd);
    }
    build_release(&whole);
}

static void check_keysets(struct random *r)
{
    struct uuid *keys = calloc(KEYS, sizeof *keys);
    for (unsigned set = 0; set < keyset_count; set++) {
        size_t count = keyset_fill(&keysets[set], r, keys, set % 4 == 3 ? 3000 : KEYS);
        struct buf text = write_text(r, keys, count, set % 2 * 10, set % 3);
        check_text(buf_span(&text), keysets[set].name);
        buf_release(&text);
    }
    // Lines in key order.
    size_t count = keys_sort(keys, keyset_fill(&keysets[0], r, keys, KEYS));
    struct buf text = write_text(r, keys, count, 0, 0);
    check_text(buf_span(&text), "sorted");
    buf_release(&text);
    // Nine lines in ten have the same key, whose last line is at a random position.
    for (size_t i = 0; i < KEYS; i++)
        if (random_below(r, 10) > 0)
            keys[i] = keys[0];
    keys_shuffle(r, keys, KEYS);
    text = write_text(r, keys, KEYS, 0, 0);
    check_text(buf_span(&text), "nine in ten of one key");
    buf_release(&text);
    free(keys);
}

static void check_small_texts(void)
{
    check_text(span_of(NULL, 0), "nothing");
    check_text(span_text("\n"), "a blank line");
    check_text(span_text("3479d894-3271-4935-88cf-a06f3cbb80a5 v"), "one line");
}

// All lines that are sampled before the first pass have keys of the upper half, and all others have
// keys of the lower half. So the first range is much too large.
static void check_lying_sample(struct random *r)
{
    enum { LINES = 1 << 16 };
    struct buf text = {0};
    struct error error = {""};
    struct built b;
    for (size_t i = 0; i < LINES; i++) {
        struct uuid id = {random_next(r) >> 1, random_next(r)};
        id.hi |= (uint64_t)(i % 256 <= 16) << 63;
        char line[64];
        memset(line, 'v', sizeof line);
        uuid_format(id, line);
        line[UUID_TEXT_LEN] = ' ';
        line[63] = '\n';
        memcpy(buf_reserve(&text, 64), line, 64);
        text.len += 64;
    }
    struct build_settings settings = {.fd = -1, .records_memory = 300000};
    ok(build_index(&b, buf_span(&text), &settings, &error) && b.keys == LINES && b.cuts > 0,
       "a range with too many records is shortened: %u cuts, %u passes %s", b.cuts, b.passes,
       error.text);
    build_release(&b);
    check_text(buf_span(&text), "a misleading sample");
    buf_release(&text);
}

static void check_malformed(void)
{
    static const char text[] = "3479d894-3271-4935-88cf-a06f3cbb80a5 v\nbad\n\n";
    struct build_settings settings = {.fd = -1, .stop_if_malformed = true};
    struct error error = {""};
    struct built b;
    ok(build_index(&b, span_text(text), &settings, &error) && b.malformed == 2 && b.lines == 3 &&
           b.image_bytes == 0 && b.image.memory.ptr == NULL && b.errors[1].line == 3,
       "the build counts malformed lines and stops");
    build_release(&b);
}

// The build computes the same checksum of the text as identity_content, whatever its size.
static void check_sums(void)
{
    static const size_t sizes[] = {0, 40, IDENTITY_BLOCK, 9 * IDENTITY_BLOCK + 12345};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf text = {0};
        struct error error = {""};
        struct built b;
        uint64_t content;
        uint64_t sums[10];
        struct build_settings settings = {.fd = -1, .sums = sums};
        char *bytes = buf_reserve(&text, sizes[i] + 1);
        require(bytes != NULL, "no memory");
        for (size_t j = 0; j < sizes[i]; j++)
            bytes[j] = (char)(j % 250 == 249 ? '\n' : j);
        text.len = sizes[i];
        require(build_index(&b, buf_span(&text), &settings, &error), "%s", error.text);
        ok(b.summed && identity_content(buf_span(&text), &content, NULL) &&
               content == identity_of_blocks(sums, checksum_block_count(text.len, IDENTITY_BLOCK)),
           "the checksum of %zu bytes", text.len);
        build_release(&b);
        buf_release(&text);
    }
}

// The build fails with a message when the image cannot be written to the file.
static void check_failing_files(struct random *r)
{
    struct uuid *keys = calloc(KEYS, sizeof *keys);
    size_t count = keyset_fill(&keysets[0], r, keys, KEYS);
    struct buf text = write_text(r, keys, count, 0, 0);
    struct error error = {""};
    struct built b;
    struct build_settings settings = {.records_memory = 300000, .fd_at = FILE_AT};
    settings.fd = open("/dev/full", O_RDWR | O_CLOEXEC);
    ok(!build_index(&b, buf_span(&text), &settings, &error), "a full disk: %s", error.text);
    is_text(error.text, "cannot write the index: No space left on device",
            "a full disk: the message");
    close(settings.fd);
    settings.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ok(!build_index(&b, buf_span(&text), &settings, &error),
       "a file that is not open for writing: %s", error.text);
    close(settings.fd);
    settings.fd = file_new();
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit small = {FILE_AT + 100000, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    bool built = build_index(&b, buf_span(&text), &settings, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    ok(!built, "a limit of the file size: %s", error.text);
    ok(b.image.memory.ptr == NULL && b.keys == 0, "a failed build leaves no image");
    close(settings.fd);
    buf_release(&text);
    free(keys);
}

static atomic_bool watching;
static uint64_t most_memory;

static void *watch(void *context)
{
    (void)context;
    while (atomic_load(&watching)) {
        uint64_t now = process_memory().anonymous;
        most_memory = now > most_memory ? now : most_memory;
        usleep(1000);
    }
    return NULL;
}

static void check_memory(struct random *r)
{
    enum { MANY = 2000000, MIB = 1 << 20 };
    struct buf text = {0};
    struct error error = {""};
    ok(build_memory_default() >= MIB, "build_memory_default is %llu bytes",
       (unsigned long long)build_memory_default());
    if (!MEMORY_IS_OURS) {
        diag("memory of the sanitizer cannot be distinguished from ours");
        return;
    }
    require(buf_reserve(&text, (size_t)MANY * 40) != NULL, "no memory");
    for (size_t i = 0; i < MANY; i++) {
        struct uuid id = {random_next(r), random_next(r)};
        keys_write_lines(r, &id, 1, 0, &text);
    }
    for (unsigned i = 0; i < 3; i++) {
        struct built b;
        pthread_t watcher;
        struct build_settings settings = {.memory = (i < 2 ? 32 : 64) * MIB, .fd = -1};
        int fd = file_new();
        if (i == 0)
            settings.fd = fd;
        uint64_t before = process_memory().anonymous;
        most_memory = 0;
        atomic_store(&watching, true);
        require(pthread_create(&watcher, NULL, watch, NULL) == 0, "no thread");
        bool built = build_index(&b, buf_span(&text), &settings, &error);
        atomic_store(&watching, false);
        pthread_join(watcher, NULL);
        double took = (double)(most_memory - before) / MIB;
        double may = (double)settings.memory / MIB;
        ok(built && b.passes > 1 && b.in_file == (i == 0), "a build in %u passes, %s", b.passes,
           b.in_file ? "in the file" : "in memory");
        ok(took <= may, "the build takes %.1f MiB, at most %.0f are allowed", took, may);
        build_release(&b);
        close(fd);
    }
    buf_release(&text);
}

int main(void)
{
    struct random r = random_seeded();
    check_small_texts();
    check_malformed();
    check_sums();
    check_failing_files(&r);
    check_lying_sample(&r);
    check_keysets(&r);
    check_memory(&r);
    return done_testing();
}
