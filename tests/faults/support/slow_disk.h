// A disk that is as slow as a test wants. It replaces preadv2, with which the server reads lines
// that may not be in memory (data/dataset_read.c), pread, process_memory_allowed, and getrusage. A
// program that uses this is linked with --wrap for them (SLOW in the Makefile). Ranges are bytes of
// any file.
#ifndef STELE_TESTS_SLOW_DISK_H
#define STELE_TESTS_SLOW_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Ends the effect of all functions below.
void slow_disk_reset(void);

// Makes process_memory_allowed return `bytes`. 0: what it returns without this.
void slow_disk_memory(uint64_t bytes);

// Makes each thread seem to have waited for `count` pages more than it has.
void slow_disk_faults(unsigned count);

// Makes a part of each file cold: no read that begins in it finds its bytes in memory.
void slow_disk_cold(uint64_t from, uint64_t to);

// Says whether reads that wait for cold bytes are held. `false` lets all of them go.
void slow_disk_hold(bool hold);

// Lets one of the reads that are held go: the one that has waited longest.
void slow_disk_let_one_go(void);

// Waits until `count` reads with waiting have begun since slow_disk_reset, but at most a second.
void slow_disk_await_begun(unsigned count);

// Waits until at least `count` reads are held at the same time. Ends the test when that takes too
// long.
void slow_disk_await_held(unsigned count);

// Returns how many reads are held.
unsigned slow_disk_held(void);

// Makes reads that begin in this part fail with errno `error`. Calls of preadv2 that begin before
// it end there, and calls of pread fail if they reach it.
void slow_disk_fail(uint64_t from, uint64_t to, int error);

// Makes the file system refuse reads without waiting, as some do.
void slow_disk_refuse(void);

// Makes preadv2 fail with ENOSYS, as on a system that lacks it.
void slow_disk_lack(void);

// Makes each read return at most `most` bytes. 0: no limit.
void slow_disk_shorten(size_t most);

enum { SLOW_DISK_NOTED = 16 * 1024 };

// What reads there were since slow_disk_reset.
struct slow_disk_reads {
    unsigned asked;  // reads without waiting
    unsigned waited; // reads with waiting that have ended
    // Offsets of the first reads of both kinds, in the order in which they began.
    uint64_t asked_at[SLOW_DISK_NOTED];
    uint64_t waited_at[SLOW_DISK_NOTED];
    unsigned begun; // reads with waiting that have begun
};

// Returns a copy, which is valid until the next call.
const struct slow_disk_reads *slow_disk_reads(void);

#endif
