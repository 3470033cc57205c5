// For each block, `good_in` stores the number of the last round that found the block good. A block
// is verified if that is the present round. So to begin a new round, it is enough to increment the
// number of the present one: no block is verified any more.
#include "data/verifier.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/parallel.h"
#include "data/index_format.h"

enum {
    PART_BLOCKS = 16,      // blocks that a thread verifies at a time: 1 MiB
    ROUNDS_MAX = 4,        // most rounds of verifier_check_all when somebody keeps writing
    AGE_TURN_NS = 5000000, // between two checks of the file's times
    AGE_SECONDS_MAX = 5,   // longest wait of verifier_await_old_times
    // A time of the file is recent as long as a write could leave it unchanged. That is for
    // FINE_NS, or for COARSE_NS if the file system may have coarse times.
    FINE_NS = 20000000,       // two ticks of the coarsest kernel clock
    COARSE_NS = 2000000000,   // one tick of the coarsest file system, which is FAT
    COARSE_UNIT_NS = 1000000, // times of coarse file systems are multiples of this
};

// ---- the file's times ---------------------------------------------------------------------------

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)((uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec);
}

static bool has_times(const struct verifier *v, const struct stat *file)
{
    return nanoseconds(file->st_mtim) == atomic_load(&v->modified_ns) &&
           nanoseconds(file->st_ctim) == atomic_load(&v->changed_ns);
}

static void store_times(struct verifier *v, const struct stat *file)
{
    atomic_store(&v->modified_ns, nanoseconds(file->st_mtim));
    atomic_store(&v->changed_ns, nanoseconds(file->st_ctim));
}

// Whether a write at this moment could leave this time of the file unchanged. A time that is `tick`
// or more in the future comes from another clock, or from before the clock was set back. It is not
// recent, because a write would replace it by an earlier time.
static bool is_recent(int64_t time_ns, int64_t now_ns)
{
    int64_t tick = time_ns % COARSE_UNIT_NS == 0 ? COARSE_NS : FINE_NS;
    int64_t age = (int64_t)((uint64_t)now_ns - (uint64_t)time_ns);
    return age > -tick && age < tick;
}

bool verifier_times_are_old(const struct verifier *v)
{
    struct timespec now;
    if (v->fd < 0)
        return true;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ns = nanoseconds(now);
    return !is_recent(atomic_load(&v->modified_ns), now_ns) &&
           !is_recent(atomic_load(&v->changed_ns), now_ns);
}

static bool is_unchanged(const struct verifier *v)
{
    struct stat file;
    return v->fd < 0 || (fstat(v->fd, &file) == 0 && has_times(v, &file));
}

bool verifier_round_is_valid(const struct verifier *v, unsigned round)
{
    if (round == 0)
        return true;
    // No memory barrier is needed between the reads of the image and that of the file's times. The
    // caller has branched on the bytes that it read from the image. The processor does not begin a
    // system call before it has decided all earlier branches, so these bytes were read before.
    return is_unchanged(v) && verifier_round(v) == round;
}

unsigned verifier_refresh(struct verifier *v)
{
    struct stat file;
    if (verifier_round(v) == 0 || is_unchanged(v))
        return verifier_round(v);
    pthread_mutex_lock(&v->lock);
    if (fstat(v->fd, &file) == 0 && !has_times(v, &file)) {
        // The round changes before the times. Otherwise a thread could read the new times and take
        // them for those of the old round.
        atomic_fetch_add(&v->round, 1);
        store_times(v, &file);
    }
    pthread_mutex_unlock(&v->lock);
    return verifier_round(v);
}

bool verifier_is_stale(const struct verifier *v)
{
    unsigned round = verifier_round(v);
    return round != 0 && (!is_unchanged(v) || (round > 1 && !verifier_is_complete(v)));
}

bool verifier_await_old_times(struct verifier *v, const atomic_bool *cancel)
{
    uint64_t until = clock_monotonic_ns() + AGE_SECONDS_MAX * CLOCK_SECOND;
    while (verifier_refresh(v), !verifier_times_are_old(v)) {
        if ((cancel != NULL && atomic_load(cancel)) || clock_monotonic_ns() > until)
            return false;
        nanosleep(&(struct timespec){0, AGE_TURN_NS}, NULL);
    }
    return true;
}

// ---- blocks -------------------------------------------------------------------------------------

bool verifier_init(struct verifier *v, struct span image, uint64_t *sums, int fd,
                   const struct stat *file, bool verified)
{
    uint64_t count = index_block_count(image.len);
    _Atomic uint32_t *good_in = calloc(count + 1, sizeof *good_in);
    if (good_in == NULL) {
        free(sums);
        return false;
    }
    v->image = image;
    v->sums = sums;
    v->good_in = good_in;
    v->count = count;
    v->fd = fd;
    pthread_mutex_init(&v->lock, NULL);
    store_times(v, file);
    if (verified)
        atomic_store_explicit(&v->complete_in, 1, memory_order_release);
    atomic_store_explicit(&v->round, 1, memory_order_release);
    return true;
}

void verifier_move(struct verifier *v, const char *memory)
{
    v->image.ptr = memory;
    v->fd = -1;
}

void verifier_release(struct verifier *v)
{
    if (v->good_in == NULL)
        return;
    pthread_mutex_destroy(&v->lock);
    free(v->sums);
    free((void *)v->good_in);
    *v = (struct verifier){.count = 0};
}

static void set_bad(struct verifier *v, uint64_t number)
{
    if (atomic_exchange(&v->good_in[number], VERIFIER_BAD) != VERIFIER_BAD)
        atomic_fetch_add(&v->bad_blocks, 1);
}

// Compares the block with its checksum, unless that was done in this round.
static bool verify_block(struct verifier *v, uint64_t number)
{
    unsigned round = verifier_round(v);
    uint32_t known = atomic_load_explicit(&v->good_in[number], memory_order_acquire);
    if (known == round || known == VERIFIER_BAD)
        return known == round;
    // The times are checked before the block is read. If they are old now, every later write
    // changes them, and with them the round.
    bool old = verifier_times_are_old(v);
    if (checksum(checksum_block(v->image, INDEX_BLOCK, number)) != v->sums[number]) {
        set_bad(v, number);
        return false;
    }
    // Another thread may have found the block bad in the meantime.
    if (old)
        atomic_compare_exchange_strong(&v->good_in[number], &known, round);
    return known != VERIFIER_BAD;
}

static void read_ahead(struct span part)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    uintptr_t from = (uintptr_t)part.ptr & ~page;
    (void)madvise((void *)from, (uintptr_t)part.ptr + part.len - from, MADV_WILLNEED);
}

// Verifies a block that this round has not verified. If no round has, the block is probably not in
// memory, so the kernel is advised to read it as one piece.
static __attribute__((noinline)) bool verify_unread_block(struct verifier *v, uint64_t number)
{
    if (atomic_load(&v->good_in[number]) == 0 && v->fd >= 0)
        read_ahead(checksum_block(v->image, INDEX_BLOCK, number));
    return verify_block(v, number);
}

bool verifier_check(struct verifier *v, const void *at, size_t len)
{
    unsigned round = verifier_round(v);
    if (round == 0 || len == 0)
        return true; // another thread may just be writing `image`
    uint64_t from = (uint64_t)((const char *)at - v->image.ptr);
    for (uint64_t i = from / INDEX_BLOCK; i <= (from + len - 1) / INDEX_BLOCK; i++)
        if (atomic_load_explicit(&v->good_in[i], memory_order_acquire) != round &&
            !verify_unread_block(v, i))
            return false;
    return true;
}

struct checking {
    struct verifier *verifier;
    const atomic_bool *cancel;
    atomic_bool bad;
};

static void verify_part(void *context, unsigned worker, size_t part)
{
    struct checking *g = context;
    struct verifier *v = g->verifier;
    (void)worker;
    if (atomic_load(&g->bad) || (g->cancel != NULL && atomic_load(g->cancel)))
        return;
    read_ahead(checksum_block(v->image, (size_t)PART_BLOCKS * INDEX_BLOCK, part));
    uint64_t end = (uint64_t)(part + 1) * PART_BLOCKS;
    for (uint64_t i = (uint64_t)part * PART_BLOCKS; i < end && i < v->count; i++)
        if (!verify_block(v, i))
            atomic_store(&g->bad, true);
}

static void describe_bad_block(const struct verifier *v, struct error *error)
{
    for (uint64_t i = 0; i < v->count; i++)
        if (atomic_load(&v->good_in[i]) == VERIFIER_BAD) {
            error_set(error, "block %llu of %llu differs from its checksum", (unsigned long long)i,
                      (unsigned long long)v->count);
            return;
        }
}

bool verifier_check_all(struct verifier *v, const atomic_bool *cancel, struct error *error)
{
    for (unsigned tries = 0; tries < ROUNDS_MAX; tries++) {
        unsigned round = verifier_refresh(v);
        bool old = verifier_times_are_old(v);
        struct checking g = {.verifier = v, .cancel = cancel};
        if (round == 0)
            return true;
        parallel_run(parallel_threads(), (v->count + PART_BLOCKS - 1) / PART_BLOCKS, verify_part,
                     &g);
        if (atomic_load(&v->bad_blocks) > 0) {
            describe_bad_block(v, error);
            return false;
        }
        if ((cancel != NULL && atomic_load(cancel)) || !old)
            return true;
        if (verifier_round_is_valid(v, round)) {
            atomic_store_explicit(&v->complete_in, round, memory_order_release);
            return true;
        }
    }
    return true;
}
