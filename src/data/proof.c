// A round is a number, kept for each block and for all of them. So a new round begins by counting
// up.
#include "data/proof.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/parallel.h"
#include "data/index_format.h"

enum {
    PART_BLOCKS = 16,         // taken by a thread at a time: a MiB
    ROUNDS_MAX = 4,           // of proof_all while somebody goes on writing
    RIPE_TURN_NS = 5000000,   // between two looks at the times
    RIPE_SECONDS_MAX = 5,     // of waiting for the times to become ripe
    FINE_NS = 20000000,       // two ticks of the coarsest clock of a kernel
    COARSE_NS = 2000000000,   // a tick of the coarsest file system: FAT's 2 s
    COARSE_UNIT_NS = 1000000, // all times of coarse file systems are multiples of this
};

// ---- the file's times ---------------------------------------------------------------------------

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)((uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec);
}

static bool has_times(const struct proof *p, const struct stat *file)
{
    return nanoseconds(file->st_mtim) == atomic_load(&p->modified_ns) &&
           nanoseconds(file->st_ctim) == atomic_load(&p->changed_ns);
}

static void note_times(struct proof *p, const struct stat *file)
{
    atomic_store(&p->modified_ns, nanoseconds(file->st_mtim));
    atomic_store(&p->changed_ns, nanoseconds(file->st_ctim));
}

// Whether a change right now could leave this time as it is. A time in the future comes from
// another clock or from before the clock was set back; a change would give the file another time.
static bool is_young(int64_t time_ns, int64_t now_ns)
{
    int64_t tick = time_ns % COARSE_UNIT_NS == 0 ? COARSE_NS : FINE_NS;
    int64_t age = (int64_t)((uint64_t)now_ns - (uint64_t)time_ns);
    return age > -tick && age < tick;
}

bool proof_is_ripe(const struct proof *p)
{
    struct timespec now;
    if (p->fd < 0)
        return true;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ns = nanoseconds(now);
    return !is_young(atomic_load(&p->modified_ns), now_ns) &&
           !is_young(atomic_load(&p->changed_ns), now_ns);
}

static bool is_as_it_was(const struct proof *p)
{
    struct stat file;
    return p->fd < 0 || (fstat(p->fd, &file) == 0 && has_times(p, &file));
}

bool proof_stands(const struct proof *p, unsigned round)
{
    if (round == 0)
        return true;
    // All earlier reads are done by now: the caller has called because of them.
    return is_as_it_was(p) && proof_round(p) == round;
}

unsigned proof_look(struct proof *p)
{
    struct stat file;
    if (proof_round(p) == 0 || is_as_it_was(p))
        return proof_round(p);
    pthread_mutex_lock(&p->lock);
    if (fstat(p->fd, &file) == 0 && !has_times(p, &file)) {
        // The round changes first: a thread that reads the new times must not take them for the old
        // round's.
        atomic_fetch_add(&p->round, 1);
        note_times(p, &file);
    }
    pthread_mutex_unlock(&p->lock);
    return proof_round(p);
}

bool proof_is_stale(const struct proof *p)
{
    unsigned round = proof_round(p);
    return round != 0 && (!is_as_it_was(p) || (round > 1 && !proof_is_whole(p)));
}

bool proof_ripen(struct proof *p, const atomic_bool *cancel)
{
    uint64_t until = clock_monotonic_ns() + RIPE_SECONDS_MAX * CLOCK_SECOND;
    while (proof_look(p), !proof_is_ripe(p)) {
        if ((cancel != NULL && atomic_load(cancel)) || clock_monotonic_ns() > until)
            return false;
        nanosleep(&(struct timespec){0, RIPE_TURN_NS}, NULL);
    }
    return true;
}

// ---- blocks -------------------------------------------------------------------------------------

bool proof_init(struct proof *p, struct span image, uint64_t *sums, int fd, const struct stat *file,
                bool whole)
{
    uint64_t count = index_block_count(image.len);
    _Atomic uint32_t *known_in = calloc(count + 1, sizeof *known_in);
    if (known_in == NULL) {
        free(sums);
        return false;
    }
    p->image = image;
    p->sums = sums;
    p->known_in = known_in;
    p->count = count;
    p->fd = fd;
    pthread_mutex_init(&p->lock, NULL);
    note_times(p, file);
    if (whole)
        atomic_store_explicit(&p->whole, 1, memory_order_release);
    atomic_store_explicit(&p->round, 1, memory_order_release);
    return true;
}

void proof_move(struct proof *p, const char *memory)
{
    p->image.ptr = memory;
    p->fd = -1;
}

void proof_release(struct proof *p)
{
    if (p->known_in == NULL)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p->sums);
    free((void *)p->known_in);
    *p = (struct proof){.count = 0};
}

static void note_bad(struct proof *p, uint64_t number)
{
    if (atomic_exchange(&p->known_in[number], PROOF_BAD) != PROOF_BAD)
        atomic_fetch_add(&p->bad, 1);
}

// Compares the block, unless this round has done so.
static bool prove(struct proof *p, uint64_t number)
{
    unsigned round = proof_round(p);
    uint32_t known = atomic_load_explicit(&p->known_in[number], memory_order_acquire);
    if (known == round || known == PROOF_BAD)
        return known == round;
    // Reads after this point show every change made before it.
    bool ripe = proof_is_ripe(p);
    if (checksum(checksum_block(p->image, INDEX_BLOCK, number)) != p->sums[number]) {
        note_bad(p, number);
        return false;
    }
    // Another thread may have found it bad meanwhile.
    if (ripe)
        atomic_compare_exchange_strong(&p->known_in[number], &known, round);
    return known != PROOF_BAD;
}

static void read_ahead(struct span part)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    uintptr_t from = (uintptr_t)part.ptr & ~page;
    (void)madvise((void *)from, (uintptr_t)part.ptr + part.len - from, MADV_WILLNEED);
}

// A block that has not been used is probably not in memory, so it is read as one piece.
static __attribute__((noinline)) bool prove_anew(struct proof *p, uint64_t number)
{
    if (atomic_load(&p->known_in[number]) == 0 && p->fd >= 0)
        read_ahead(checksum_block(p->image, INDEX_BLOCK, number));
    return prove(p, number);
}

bool proof_has(struct proof *p, const void *at, size_t len)
{
    unsigned round = proof_round(p);
    uint64_t from = (uint64_t)((const char *)at - p->image.ptr);
    if (round == 0 || len == 0)
        return true;
    for (uint64_t i = from / INDEX_BLOCK; i <= (from + len - 1) / INDEX_BLOCK; i++)
        if (atomic_load_explicit(&p->known_in[i], memory_order_acquire) != round &&
            !prove_anew(p, i))
            return false;
    return true;
}

struct proving {
    struct proof *proof;
    const atomic_bool *cancel;
    atomic_bool bad;
};

static void prove_part(void *context, unsigned worker, size_t part)
{
    struct proving *g = context;
    struct proof *p = g->proof;
    (void)worker;
    if (atomic_load(&g->bad) || (g->cancel != NULL && atomic_load(g->cancel)))
        return;
    read_ahead(checksum_block(p->image, (size_t)PART_BLOCKS * INDEX_BLOCK, part));
    uint64_t end = (uint64_t)(part + 1) * PART_BLOCKS;
    for (uint64_t i = (uint64_t)part * PART_BLOCKS; i < end && i < p->count; i++)
        if (!prove(p, i))
            atomic_store(&g->bad, true);
}

static void tell_bad(const struct proof *p, struct error *error)
{
    for (uint64_t i = 0; i < p->count; i++)
        if (atomic_load(&p->known_in[i]) == PROOF_BAD) {
            error_set(error, "block %llu of %llu differs from its checksum", (unsigned long long)i,
                      (unsigned long long)p->count);
            return;
        }
}

bool proof_all(struct proof *p, const atomic_bool *cancel, struct error *error)
{
    for (unsigned tries = 0; tries < ROUNDS_MAX; tries++) {
        unsigned round = proof_look(p);
        bool ripe = proof_is_ripe(p);
        struct proving g = {.proof = p, .cancel = cancel};
        if (round == 0)
            return true;
        parallel_run(parallel_threads(), (p->count + PART_BLOCKS - 1) / PART_BLOCKS, prove_part,
                     &g);
        if (atomic_load(&p->bad) > 0) {
            tell_bad(p, error);
            return false;
        }
        if ((cancel != NULL && atomic_load(cancel)) || !ripe)
            return true;
        if (proof_stands(p, round)) {
            atomic_store_explicit(&p->whole, round, memory_order_release);
            return true;
        }
    }
    return true;
}
