// Mapped files that may change while they are read.
//
// Reading a page that the file no longer has, or that the disk cannot read, raises SIGBUS. In a
// guarded mapping the reader goes on instead: it reads filler bytes, and the mapping notes the
// damage. The reader checks afterwards, with mapping_look, whether what it read was sound.
//
// Bytes that a file loses inside its last page read as zeros, without a signal. But a file loses
// its tail first. So if the file's last byte is still right, no byte before it was lost. That check
// is a part of mapping_look. It costs two reads of memory.
//
// Any thread may read a mapping and call mapping_look. Only its owner guards and releases it.
#ifndef STELE_BASE_MAPPING_H
#define STELE_BASE_MAPPING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    MAPPINGS_MAX = 256, // maximum number of mappings that a process can guard at a time
    // Maximum number of lost pages that are noted one by one. If one more page is lost, all bytes
    // from that page on count as lost.
    MAPPING_LOST_MAX = 32,
};

// Before the owner guards a mapping, it sets `begin`, `len`, `at` and `filler`. It also sets one of
// two fields. If the file is complete, it sets `end`, and mapping_guard reads `last` there. If the
// file is still being written, it sets `last`, and mapping_watch_end sets `end` later. A zeroed
// struct is not guarded and has no damage.
struct mapping {
    _Atomic size_t limit; // `len` as long as no damage is known, then 0: a fast check for readers
    const char *begin;    // first byte, at the beginning of a page
    size_t len;           // number of bytes
    uint64_t at;          // offset of `begin` in the file, at a page
    char filler;          // byte that replaces lost bytes
    char last;            // value of the byte at `end`
    _Atomic(const char *) end; // address of the file's last byte, or NULL
    void *end_page;            // mapping of the file's last page alone, or NULL
    int fd;                    // descriptor of the file, the mapping's own
    _Atomic size_t whole;      // number of leading bytes that are not cut off
    // The lower half grows whenever damage is found; 0: none is known. The upper half counts those
    // times when a system call could not read a page, and the mapping shows what it did before.
    _Atomic uint64_t faults;
    atomic_uint lost_pages;                // number of unreadable pages in `lost`
    _Atomic size_t lost[MAPPING_LOST_MAX]; // offsets of these pages, plus 1; 0: not yet stored
    _Atomic size_t replaced_from; // offset of the first page replaced after a cut, plus 1; 0: none
    atomic_uint entry;            // number in the table of mappings; 0: not guarded
    unsigned end_entry;           // number of `end_page` in that table; 0: none
};

// Maps `len` bytes of a file for reading, from offset `at` on, at the address `where`, as mmap does
// with MAP_SHARED and `flags`. Some file systems (FUSE with direct_io) refuse a shared mapping.
// Then the mapping is private; it shows the same bytes as long as nobody writes to the file.
// Returns MAP_FAILED with errno when neither works.
void *mapping_map(void *where, size_t len, int flags, int fd, uint64_t at);

// Installs a handler of SIGBUS, so that the process survives faults in guarded mappings. A fault
// elsewhere has the effect that it had before this call. Also unblocks SIGBUS in the calling
// thread. Call it once, early.
void mapping_catch_faults(void);

// Whether the calling thread would survive a fault in a guarded mapping.
bool mapping_faults_are_caught(void);

// Guards the mapping of the file `fd`; the caller keeps `fd`. Returns false with errno when there
// are too many mappings or no descriptor is left.
bool mapping_guard(struct mapping *m, int fd);

// Sets `end` to the present last byte of the file, which may lie outside the mapping. From then on
// mapping_look expects the value `last` there. Call it at most once. Other threads may call
// mapping_look at the same time.
void mapping_watch_end(struct mapping *m);

// Ends the guard. Call it before the memory is unmapped. A zeroed struct is accepted.
void mapping_release(struct mapping *m);

// Whether mapping_guard has succeeded and the guard has not ended.
static inline bool mapping_is_guarded(const struct mapping *m)
{
    return atomic_load(&m->entry) != 0;
}

// Sets up `m` for memory that belongs to no file, so that code can treat it like a mapped file.
void mapping_of_memory(struct mapping *m, const char *begin, size_t len);

// Returns a number that grows whenever damage is found. 0 means that no damage is known.
static inline unsigned mapping_faults(const struct mapping *m)
{
    return (unsigned)atomic_load(&m->faults);
}

// Returns a number that grows whenever the mapping may have begun to show other bytes than those of
// the file: like mapping_faults, but mapping_lose_page does not change it.
static inline unsigned mapping_replacements(const struct mapping *m)
{
    uint64_t faults = atomic_load(&m->faults);
    return (unsigned)faults - (unsigned)(faults >> 32);
}

// Makes the processor read bytes of a mapping before this call, and what is known about damage
// after it. Processors such as aarch64 may change the order of reads. Then a byte could be filler
// although the damage, which was noted before the byte was replaced, is not seen yet. On x86-64 the
// fence is no instruction.
static inline void mapping_order_reads(void)
{
#ifndef __SANITIZE_THREAD__ // gcc's thread sanitizer does not know fences
    atomic_thread_fence(memory_order_acquire);
#endif
}

// Compares the mapping with the file and notes new damage. mapping_look calls it when needed.
void mapping_compare(struct mapping *m);

// Looks for new damage and returns the same number as mapping_faults. When two calls return the
// same number, no new damage has happened between them. Bytes read between them are then right if
// mapping_has returns true for them.
static inline unsigned mapping_look(struct mapping *m)
{
    mapping_order_reads(); // what the caller has read, and then `end`
    if (atomic_load_explicit(&m->entry, memory_order_acquire) != 0) {
        const volatile char *end = atomic_load_explicit(&m->end, memory_order_acquire);
        bool sound = atomic_load_explicit(&m->limit, memory_order_relaxed) == m->len &&
                     end != NULL && *end == m->last && m->last != '\0';
        if (!sound)
            mapping_compare(m);
        mapping_order_reads(); // `end`, which may already be filler, and then the damage
    }
    return mapping_faults(m);
}

// Notes that the page at `offset` cannot be read, after a system call has failed to read it. What
// others have read from the mapping is right all the same. `offset` is counted from `begin` and
// less than `len`.
void mapping_lose_page(struct mapping *m, size_t offset);

// Whether all of the `len` bytes from offset `from` on are there: none is known to be lost.
bool mapping_has(const struct mapping *m, size_t from, size_t len);

// Returns the number of trailing bytes of `part` that must be copied now, while the file is known
// to be intact. The kernel can send the bytes before them from the mapping later.
//
// If the file is cut before the kernel sends them, sending fails with EFAULT at a page that the
// file no longer has. But inside the page where the file then ends, the kernel would send zeros. So
// the bytes of `part` in its last page are copied, except the first byte of that page. This byte is
// either right, or the file no longer has the page. So if the kernel can send it, the file still
// had all bytes before it.
size_t mapping_tail(struct span part);

// Whether any damage was found.
static inline bool mapping_is_damaged(const struct mapping *m)
{
    return mapping_faults(m) > 0;
}

// Reads bytes from `offset` (counted from `begin`) on after they could not be read. The system
// reads several pages together, and one that cannot be read spoils those that were read with it.
// This function reads the page alone, into the page cache or past it. Returns the number of bytes
// read, which may be less than `to.len`. 0: the disk cannot read them, or the file has become
// shorter.
size_t mapping_read_alone(const struct mapping *m, size_t offset, struct bytes to);

#endif
