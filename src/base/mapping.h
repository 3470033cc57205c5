// Mapped files that may change under us.
//
// Reading a page of a mapping that the file has no more, or that the disk cannot read, raises
// SIGBUS. Where the mapping is guarded, the reader goes on instead: it finds filler there, the
// damage is noted in the mapping, and who has read meanwhile asks whether all of it was sound.
//
// What a file loses inside its last page reads as zeros, without a signal. But a file loses its
// tail first, so one look at the mapping's last byte tells that nothing has been lost up to then:
// mapping_look, which costs two reads.
//
// Any thread may read a mapping and look at it; guarding and releasing are its owner's.
#ifndef STELE_BASE_MAPPING_H
#define STELE_BASE_MAPPING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    MAPPINGS_MAX = 256,    // guarded at a time in a process
    MAPPING_LOST_MAX = 32, // pages that are told one by one; then all behind the first is lost
};

// The owner fills in `begin` to `end` before it is guarded. A zeroed struct guards nothing and
// has no damage.
struct mapping {
    _Atomic size_t limit; // `len`; 0 once there is damage
    const char *begin;    // at a page
    size_t len;
    uint64_t at;                           // where `begin` is in the file; at a page of it
    char filler;                           // what is found where the file is no more
    char last;                             // the byte at `end`; found there if that is set
    _Atomic(const char *) end;             // of the file's last byte, or NULL: not watched yet
    void *end_page;                        // where that is mapped by itself; or NULL
    int fd;                                // of its own
    _Atomic size_t whole;                  // what is behind so many bytes is lost
    atomic_uint faults;                    // how often damage was found
    atomic_uint lost_pages;                // that could not be read, up to MAPPING_LOST_MAX
    _Atomic size_t lost[MAPPING_LOST_MAX]; // their offsets, from 1; 0: just being noted
    _Atomic size_t replaced_from;          // where zeros begin, from 1; 0: nowhere
    atomic_uint place;                     // in the process's table, from 1; 0: not guarded
    unsigned end_place;                    // of `end_page`
};

// Maps a part of a file for reading, from `at` on, as mmap with MAP_SHARED and `flags` does at
// `where`. Where the file system refuses a shared mapping (FUSE with direct_io), it is a private
// one, which shows the same as long as nobody writes to it. MAP_FAILED, with errno, when neither
// can be.
void *mapping_map(void *where, size_t len, int flags, int fd, uint64_t at);

// Has the process survive faults in guarded mappings; a fault elsewhere does what it did before.
// Takes over SIGBUS, and unblocks it in this thread. To be called once, early.
void mapping_catch_faults(void);

// Whether this thread would survive one.
bool mapping_faults_are_caught(void);

// Guards the mapping of the file that `fd` is of. False when there are too many, or no descriptor
// is left, with errno.
bool mapping_guard(struct mapping *m, int fd);

// Watches the end of the file as it is now, whose last byte must be `last`, though it is not in the
// mapping. While others look at the mapping; once.
void mapping_watch_end(struct mapping *m);

// Ends it, before it is unmapped. A zeroed struct is accepted.
void mapping_release(struct mapping *m);

// Memory that is no file's, for who handles both alike.
void mapping_of_memory(struct mapping *m, const char *begin, size_t len);

// How often damage has been found: 0 as long as all is sound.
static inline unsigned mapping_faults(const struct mapping *m)
{
    return atomic_load(&m->faults);
}

// For mapping_look: compares with the file.
void mapping_compare(struct mapping *m);

// The same after a look whether there is more. What was read before is sound when it is as it was
// before that.
static inline unsigned mapping_look(struct mapping *m)
{
    if (atomic_load_explicit(&m->place, memory_order_acquire) != 0) {
        const volatile char *end = atomic_load_explicit(&m->end, memory_order_acquire);
        bool sound = atomic_load_explicit(&m->limit, memory_order_relaxed) == m->len &&
                     end != NULL && *end == m->last && m->last != '\0';
        if (!sound)
            mapping_compare(m);
    }
    return mapping_faults(m);
}

// Whether nothing of those bytes is known to be lost.
bool mapping_has(const struct mapping *m, size_t from, size_t len);

// How many bytes at the end of `part` of a mapped file are to be copied, while it is known that
// they are whole, when the kernel is to read the others where they are. It fails (EFAULT) at a page
// that the file has no more, but in the page in which the file now ends it finds zeros. So it is
// left one byte of the last page: if that is there, all before it is, too.
size_t mapping_tail(struct span part);

static inline bool mapping_is_damaged(const struct mapping *m)
{
    return mapping_faults(m) > 0;
}

// Reads all of it, so that the next reader need not wait for the disk, nor until the kernel has
// mapped the page. Ends soon after `until_ns` of the monotonic clock, or after `*cancel` becomes
// true, or when there is damage.
void mapping_warm(const struct mapping *m, uint64_t until_ns, const atomic_bool *cancel);

// The bytes of the file, as far as the mapping goes; false when that cannot be told.
bool mapping_bytes(const struct mapping *m, size_t *bytes);

#endif
