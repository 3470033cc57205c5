// Which blocks of a mapped index are known to be what was written.
//
// A block is compared with its checksum before it is first used, which takes some microseconds
// once; all others are compared beside (proof_all). When all are, nothing more is asked of a
// lookup. That holds as long as nobody writes to the file: a change of its times begins another
// round, in which no block is known. A system call tells the times, so a lookup asks for them
// only before it says that a key is missing; what it finds is compared with the data anyway.
//
//   round    1 ──────────────────▶ 2 (the file's times have changed) ─────────────▶
//   blocks   unknown ─▶ good       unknown ─▶ good
//                    ─▶ bad                ─▶ bad      bad ones stay bad
//
// Any thread may ask at any time. Setting up and releasing are the owner's.
#ifndef STELE_DATA_PROOF_H
#define STELE_DATA_PROOF_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/bytes.h"

struct error;

// A zeroed struct has nothing to prove: all is taken to be good.
struct proof {
    struct span image;
    uint64_t *sums;              // of the blocks; owned
    _Atomic uint32_t *known_in;  // the round in which each was found good; or PROOF_BAD; owned
    uint64_t count;              // of blocks
    int fd;                      // of the file, borrowed; -1: memory that nobody else can write to
    atomic_uint round;           // 0: there is nothing to prove
    atomic_uint whole;           // the round in which all blocks were found good
    atomic_uint bad;             // how many were found bad
    pthread_mutex_t lock;        // of who begins a round
    _Atomic int64_t modified_ns; // of the file, as the round began; like struct identity's
    _Atomic int64_t changed_ns;
};

#define PROOF_BAD UINT32_MAX

// Begins the first round over `image`, whose blocks have those checksums: an array from malloc that
// becomes the proof's. `file` is what `fd` said before anything was read of it. `whole`: all has
// been compared since, when proof_is_ripe. False when memory is short; `sums` is then freed.
// Others may be asking the zeroed struct meanwhile.
bool proof_init(struct proof *p, struct span image, uint64_t *sums, int fd, const struct stat *file,
                bool whole);

// From here on the image is a copy at `memory`, which nobody writes to. Before others ask.
void proof_move(struct proof *p, const char *memory);

// A zeroed struct is accepted.
void proof_release(struct proof *p);

static inline unsigned proof_round(const struct proof *p)
{
    return atomic_load_explicit(&p->round, memory_order_acquire);
}

// Whether all blocks are known to be good, as far as the file's times have been looked at.
static inline bool proof_is_whole(const struct proof *p)
{
    return proof_round(p) == atomic_load_explicit(&p->whole, memory_order_acquire);
}

// Whether the `len` bytes at `at`, which are in the image, lie in good blocks: those that are not
// known yet are compared.
bool proof_has(struct proof *p, const void *at, size_t len);

// Whether nobody has written to the file since `round` began, so that what was read in it of blocks
// that are known to be good is what was written. It takes a system call.
bool proof_stands(const struct proof *p, unsigned round);

// Begins another round if somebody has written to the file. The number of the present one.
unsigned proof_look(struct proof *p);

// Whether there is something to compare again: somebody has written to the file since all blocks
// were compared.
bool proof_is_stale(const struct proof *p);

// Whether the file has not been written to for so long that a further change would show in its
// times. What is compared before is not known for good.
bool proof_is_ripe(const struct proof *p);

// Waits until then: for some 20 ms, or 2 s where the file system's times are coarse. False when it
// was cancelled, or somebody writes on and on.
bool proof_ripen(struct proof *p, const atomic_bool *cancel);

// Compares all blocks, on all processors. False with a message when one is bad; true when none was
// found, also when it was cancelled: proof_is_whole tells whether all are known now.
bool proof_all(struct proof *p, const atomic_bool *cancel, struct error *error);

#endif
