// The proof of a mapped index: which of its blocks are known to hold what was written.
//
// A block is compared with its checksum before its first use, which takes some microseconds once.
// proof_all compares all others in the background. After that a lookup checks no more blocks. All
// of this holds as long as nobody writes to the file. A change of the file's times begins another
// round, in which no block is known. Reading the times takes a system call, so a lookup reads them
// only before it reports a key as missing; a key that it finds is compared with the data anyway.
//
//   round    1 ──────────────────▶ 2 (the file's times have changed) ─────────────▶
//   blocks   unknown ─▶ good       unknown ─▶ good
//                    ─▶ bad                ─▶ bad      bad ones stay bad
//
// Any thread may call these functions at any time; only the owner sets up and releases.
#ifndef STELE_DATA_PROOF_H
#define STELE_DATA_PROOF_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/bytes.h"

struct error;

// A zeroed struct has nothing to prove: all blocks count as good.
struct proof {
    struct span image;
    uint64_t *sums;             // checksums of the blocks; owned
    _Atomic uint32_t *known_in; // for each block, the round that found it good, or PROOF_BAD; owned
    uint64_t count;             // number of blocks
    int fd;                     // of the file, borrowed; -1: memory that nobody else can write to
    atomic_uint round;          // 0: there is nothing to prove
    atomic_uint whole;          // the round in which all blocks were found good
    atomic_uint bad;            // number of blocks found bad
    pthread_mutex_t lock;       // held while a round begins
    _Atomic int64_t modified_ns; // the file's times when the round began, as in struct identity
    _Atomic int64_t changed_ns;
};

#define PROOF_BAD UINT32_MAX

// Begins the first round over `image`. `sums` are the checksums of its blocks, an array from malloc
// that the proof owns from now on. `file` is the status of `fd` before anything was read from it.
// `whole` says that all blocks have been compared since, when the times were ripe (proof_is_ripe).
// Other threads may use the zeroed struct meanwhile. Returns false when memory is short; `sums` is
// then freed.
bool proof_init(struct proof *p, struct span image, uint64_t *sums, int fd, const struct stat *file,
                bool whole);

// Moves the proof to a copy of the image at `memory`, which nobody writes to. Called before other
// threads use the proof.
void proof_move(struct proof *p, const char *memory);

// Frees the proof. A zeroed struct is accepted.
void proof_release(struct proof *p);

static inline unsigned proof_round(const struct proof *p)
{
    return atomic_load_explicit(&p->round, memory_order_acquire);
}

// Whether all blocks are known to be good, unless the file has changed since its times were last
// read.
static inline bool proof_is_whole(const struct proof *p)
{
    return proof_round(p) == atomic_load_explicit(&p->whole, memory_order_acquire);
}

// Whether the `len` bytes at `at`, which lie in the image, are in good blocks. Blocks that are not
// known yet are compared.
bool proof_has(struct proof *p, const void *at, size_t len);

// Whether nobody has written to the file since `round` began. Then everything read from good blocks
// in that round was right. It takes a system call.
bool proof_stands(const struct proof *p, unsigned round);

// Begins another round if somebody has written to the file. Returns the number of the present
// round.
unsigned proof_look(struct proof *p);

// Whether somebody has written to the file since all blocks were compared, so that they have to be
// compared again.
bool proof_is_stale(const struct proof *p);

// Whether the last write to the file is so old that a further one would show in its times. A block
// that is compared earlier is not known for good.
bool proof_is_ripe(const struct proof *p);

// Waits until proof_is_ripe: some 20 ms, or 2 s where the file system's times are coarse. Returns
// false when it was cancelled, or when somebody goes on writing.
bool proof_ripen(struct proof *p, const atomic_bool *cancel);

// Compares all blocks, on all processors. Returns false with a message when one is bad. Returns
// true when none was found bad, also when it was cancelled; proof_is_whole says whether all are
// known.
bool proof_all(struct proof *p, const atomic_bool *cancel, struct error *error);

#endif
