// Verifies the blocks of a mapped index against their checksums, and remembers which are good.
//
// A block is verified before its first use, which takes some microseconds once. The owner calls
// verifier_check_all, which verifies all other blocks in the background. After that a lookup checks
// no more blocks.
//
// The result is valid as long as nobody writes to the file. When the file's times have changed,
// another round begins, in which no block is verified yet. Reading the times takes a system call.
// So a lookup reads them only before it reports that a key does not exist. A key that it finds has
// been compared with the data anyway.
//
//   round    1 ──────────────────────▶ 2 (the file's times have changed) ─────────────▶
//   blocks   unverified ─▶ good        unverified ─▶ good
//                       ─▶ bad                    ─▶ bad      a bad block stays bad
//
// Any thread may call these functions at any time, except verifier_init, verifier_move and
// verifier_release, which only the owner calls.
#ifndef STELE_DATA_VERIFIER_H
#define STELE_DATA_VERIFIER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/bytes.h"

struct error;

// A zeroed struct has nothing to verify: all blocks count as good.
struct verifier {
    struct span image;
    uint64_t *sums; // checksums of the blocks; owned
    // For each block: the round that found it good, or VERIFIER_BAD. Owned.
    _Atomic uint32_t *good_in;
    uint64_t count;              // number of blocks
    int fd;                      // descriptor of the file, borrowed; -1: private memory, no file
    atomic_uint round;           // number of the present round; 0: nothing to verify
    atomic_uint complete_in;     // round in which all blocks were found good
    atomic_uint bad_blocks;      // number of bad blocks
    pthread_mutex_t lock;        // held while a round begins
    _Atomic int64_t modified_ns; // times of the file when the round began, as in struct identity
    _Atomic int64_t changed_ns;
};

#define VERIFIER_BAD UINT32_MAX

// Begins the first round over `image`. `sums` are the checksums of its blocks; this takes ownership
// of the array, which malloc has allocated. `file` is the status of the file `fd`; the caller took
// it before it read anything from the file. `verified` is true if all blocks are known to be good.
// Other threads may use the zeroed struct at the same time. Returns false when memory is short, and
// then frees `sums`.
bool verifier_init(struct verifier *v, struct span image, uint64_t *sums, int fd,
                   const struct stat *file, bool verified);

// From now on the verifier reads a copy of the image at `memory`, which nobody writes to. Must be
// called before other threads use the verifier.
void verifier_move(struct verifier *v, const char *memory);

// Frees the verifier. A zeroed struct is accepted.
void verifier_release(struct verifier *v);

// Returns the number of the present round; 0 when there is nothing to verify.
static inline unsigned verifier_round(const struct verifier *v)
{
    return atomic_load_explicit(&v->round, memory_order_acquire);
}

// Whether all blocks were found good in the present round. This does not read the file's times, so
// it does not notice a later write.
static inline bool verifier_is_complete(const struct verifier *v)
{
    return verifier_round(v) == atomic_load_explicit(&v->complete_in, memory_order_acquire);
}

// Whether the `len` bytes at `at` in the image are in good blocks. Verifies those blocks that are
// not verified yet.
bool verifier_check(struct verifier *v, const void *at, size_t len);

// Whether nobody has written to the file since `round` began. If so, everything read from good
// blocks in that round is right. Takes a system call.
bool verifier_round_is_valid(const struct verifier *v, unsigned round);

// Reads the file's times, and begins another round if somebody has written to the file. Returns the
// number of the present round.
unsigned verifier_refresh(struct verifier *v);

// Whether all blocks have to be verified again, because somebody has written to the file.
bool verifier_is_stale(const struct verifier *v);

// Whether the last write to the file is so old that another write would change its times. As long
// as this is false, another write may go unnoticed, so the verifier does not remember which blocks
// it has found good.
bool verifier_times_are_old(const struct verifier *v);

// Waits until verifier_times_are_old: about 20 ms, or 2 s where the file system's times are coarse.
// Returns false when `*cancel` became true, or after 5 s when somebody keeps writing to the file.
// `cancel` may be NULL.
bool verifier_await_old_times(struct verifier *v, const atomic_bool *cancel);

// Verifies all blocks, on all processors. Returns false with a message when one is bad. Returns
// true when none was found bad. That does not mean that all were verified: `*cancel` may have
// become true, or somebody may have written to the file. verifier_is_complete says whether all
// were. `cancel` may be NULL.
bool verifier_check_all(struct verifier *v, const atomic_bool *cancel, struct error *error);

#endif
