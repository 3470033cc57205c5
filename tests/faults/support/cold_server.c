// Linked into a server of its own, build/cold/stele-server, whose data never seems to be in memory.
// It replaces the functions that say what is in memory (COLD in the Makefile). So nearly all
// lookups are parked, and tests that know nothing of it check that the replies are the same.
//
// With the environment variable STELE_COLD=some, chance decides what is in memory, so that lines of
// one request take different ways. The seed is always the same; the order of threads is not.
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/preadv2.h"
#include "base/random.h"
#include "data/dataset.h"
#include "data/recent_pages.h"

static bool some; // STELE_COLD=some
static _Thread_local uint64_t state;

__attribute__((constructor)) static void read_environment(void)
{
    const char *value = getenv("STELE_COLD");
    some = value != NULL && strcmp(value, "some") == 0;
}

// Returns a random number less than `limit`; 0 when everything is cold.
static uint64_t chance(uint64_t limit)
{
    return some ? splitmix64(&state) % limit : 0;
}

bool __wrap_dataset_fits_in_memory(const struct dataset *d, uint64_t memory);
bool __wrap_dataset_fits_in_memory(const struct dataset *d, uint64_t memory)
{
    (void)d;
    (void)memory;
    return false;
}

bool __wrap_dataset_index_stays(const struct dataset *d);
bool __wrap_dataset_index_stays(const struct dataset *d)
{
    (void)d;
    return chance(4) > 0;
}

enum page_state __real_recent_pages_look(struct recent_pages *table, uint64_t page,
                                         uint64_t now_ms);
enum page_state __wrap_recent_pages_look(struct recent_pages *table, uint64_t page,
                                         uint64_t now_ms);
enum page_state __wrap_recent_pages_look(struct recent_pages *table, uint64_t page, uint64_t now_ms)
{
    static const enum page_state states[] = {PAGE_UNKNOWN, PAGE_RECENT, PAGE_RECENT, PAGE_BUSY};
    (void)__real_recent_pages_look(table, page, now_ms);
    return states[chance(4)];
}

// Reads at most a part of what is asked for, as a system may do.
ssize_t __real_preadv2(int fd, const struct iovec *vectors, int count, off_t at, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *vectors, int count, off_t at, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *vectors, int count, off_t at, int flags)
{
    struct iovec part = vectors[0];
    bool waits = (flags & RWF_NOWAIT) == 0;
    (void)count;
    if (!waits && chance(3) == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (chance(2) == 1 && part.iov_len > 1)
        part.iov_len = 1 + chance(part.iov_len);
    return __real_preadv2(fd, &part, 1, at, flags);
}
