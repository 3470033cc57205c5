// Mapped files that may change while they are read.
//
// Reading a page of a mapping that the file no longer has, or that the disk cannot read, raises
// SIGBUS. Where the mapping is guarded, the reader goes on instead: it finds a filler there, and
// the mapping notes the damage. The reader asks afterwards whether everything it read was sound.
//
// Bytes that a file loses inside its last page read as zeros, without a signal. But a file loses
// its tail first. So one look at the mapping's last byte shows that nothing was lost before: that
// is mapping_look, which costs two reads.
//
// Any thread may read a mapping and look at it. Only its owner guards and releases it.
#ifndef STELE_BASE_MAPPING_H
#define STELE_BASE_MAPPING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    MAPPINGS_MAX = 256,    // guarded at a time in a process
    MAPPING_LOST_MAX = 32, // lost pages noted one by one; with more, all after the first is lost
};

// The owner sets `begin` to `end` before it guards the mapping. A zeroed struct guards nothing and
// has no damage.
struct mapping {
    _Atomic size_t limit; // `len`; 0 once there is damage
    const char *begin;    // at the beginning of a page
    size_t len;
    uint64_t at;                           // offset of `begin` in the file, at a page
    char filler;                           // the byte that replaces lost ones
    char last;                             // the byte at `end`, when `end` is set
    _Atomic(const char *) end;             // address of the file's last byte; NULL: not watched yet
    void *end_page;                        // a mapping of that page alone, or NULL
    int fd;                                // descriptor of the file, the mapping's own
    _Atomic size_t whole;                  // sound bytes at the front; all after them is lost
    atomic_uint faults;                    // times that damage was found
    atomic_uint lost_pages;                // unreadable pages, up to MAPPING_LOST_MAX
    _Atomic size_t lost[MAPPING_LOST_MAX]; // their offsets plus 1; 0: being noted just now
    _Atomic size_t replaced_from;          // offset of the first zeros, plus 1; 0: none
    atomic_uint entry;                     // number in the process's table, from 1; 0: not guarded
    unsigned end_entry;                    // the same for `end_page`
};

// Maps a part of a file for reading, from offset `at` on, at the address `where`, as mmap does with
// MAP_SHARED and `flags`. Where the file system refuses a shared mapping (FUSE with direct_io), the
// mapping is private and shows the same bytes as long as nobody writes to the file. MAP_FAILED with
// errno when neither works.
void *mapping_map(void *where, size_t len, int flags, int fd, uint64_t at);

// Installs a handler of SIGBUS, so that the process survives faults in guarded mappings. A fault
// elsewhere has the effect that it had before this call. Also unblocks SIGBUS in the calling
// thread. Call it once, early.
void mapping_catch_faults(void);

// Whether the calling thread would survive such a fault.
bool mapping_faults_are_caught(void);

// Guards the mapping of the file `fd`; the caller keeps `fd`. Returns false with errno when there
// are too many mappings or no descriptor is left.
bool mapping_guard(struct mapping *m, int fd);

// Watches the present end of the file too, which lies outside the mapping. Its last byte must be
// `last`. Called once; other threads may look at the mapping meanwhile.
void mapping_watch_end(struct mapping *m);

// Ends the guard. Call it before the memory is unmapped. A zeroed struct is accepted.
void mapping_release(struct mapping *m);

// Whether mapping_guard has succeeded and the guard has not ended.
static inline bool mapping_is_guarded(const struct mapping *m)
{
    return atomic_load(&m->entry) != 0;
}

// Sets up a mapping over memory that belongs to no file, for code that handles both alike.
void mapping_of_memory(struct mapping *m, const char *begin, size_t len);

// The number of times that damage was found: 0 as long as everything is sound.
static inline unsigned mapping_faults(const struct mapping *m)
{
    return atomic_load(&m->faults);
}

// Compares the mapping with the file and notes new damage. mapping_look calls it when needed.
void mapping_compare(struct mapping *m);

// Looks for new damage and returns the number of times that damage was found. Bytes read between
// two calls are sound when both return the same number.
static inline unsigned mapping_look(struct mapping *m)
{
    if (atomic_load_explicit(&m->entry, memory_order_acquire) != 0) {
        const volatile char *end = atomic_load_explicit(&m->end, memory_order_acquire);
        bool sound = atomic_load_explicit(&m->limit, memory_order_relaxed) == m->len &&
                     end != NULL && *end == m->last && m->last != '\0';
        if (!sound)
            mapping_compare(m);
    }
    return mapping_faults(m);
}

// Whether none of the `len` bytes from offset `from` on is known to be lost.
bool mapping_has(const struct mapping *m, size_t from, size_t len);

// The number of trailing bytes of `part` to copy now, while the file is known to be intact, so that
// the kernel can send the rest from the mapping. The kernel fails with EFAULT at a page that the
// file no longer has, but finds zeros inside the page where the file ends. So one byte of the last
// page is left to the kernel: if that byte is there, all bytes before it are.
size_t mapping_tail(struct span part);

static inline bool mapping_is_damaged(const struct mapping *m)
{
    return mapping_faults(m) > 0;
}

// Reads the whole mapping, so that the next reader waits neither for the disk nor for the kernel to
// map the page. Ends soon after `until_ns` of the monotonic clock, after `*cancel` becomes true, or
// when there is damage.
void mapping_warm(const struct mapping *m, uint64_t until_ns, const atomic_bool *cancel);

// Sets `*bytes` to the present size of the file, at most up to the end of the mapping. Returns
// false when it is not known.
bool mapping_bytes(const struct mapping *m, size_t *bytes);

#endif
