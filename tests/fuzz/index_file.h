// How an input of the target index_file is written: shared by the target and by the program that
// writes its first inputs (seeds/index_file.c), and by nobody else.
//
//   byte 0    which data text the index is said to be of; INPUT_SKIP, INPUT_SAMPLED
//   byte 1    the other flags
//   then      INPUT_IMAGE: a trie image
//             INPUT_SEAL: the header's first INPUT_FIELDS bytes, then the trie image
//             else: the same bytes of the header, its last 8, then all of the file behind it
//
// So an input has no 4 KiB of zeros for a fuzzer to waste its time on.
#ifndef STELE_TESTS_FUZZ_INDEX_FILE_H
#define STELE_TESTS_FUZZ_INDEX_FILE_H

#include "base/bytes.h"
#include "data/uuid.h"

enum {
    INPUT_HEAD = 2,     // bytes
    INPUT_FIELDS = 168, // bytes of the header before its zeros

    INPUT_SKIP = 0x80,    // in byte 0: malformed lines are skipped, not refused
    INPUT_SAMPLED = 0x40, // in byte 0: samples of the data are enough to serve

    INPUT_SEED = 7, // of the samples

    INPUT_IMAGE = 0x01,   // no file: the trie alone
    INPUT_FIT = 0x02,     // the sizes in both headers are set right
    INPUT_SEAL = 0x04,    // all checksums are set right, and the trailer
    INPUT_TIMES = 0x08,   // size, inode and times are set to those of the data
    INPUT_SAMPLE = 0x10,  // size, seed and sample are set to those of the data
    INPUT_CONTENT = 0x20, // the content's checksum is set to that of the data
    INPUT_HUGE = 0x40,    // the index is copied to memory
    INPUT_FINISH = 0x80,  // the dataset is finished, and opened again if its index is wrong
};

enum {
    TEXT_TRAPS, // lines and values that look like what they are not
    TEXT_RANDOM,
    TEXT_COMB, // one key for every second leading bit
    TEXT_EMPTY,
    TEXT_SHORT,  // shorter than any record
    TEXT_PREFIX, // keys that share their first 64 bits
    TEXT_CUT,    // ends with a UUID, no space behind it
    TEXT_COUNT,
};

// The text, in memory of exactly its size that stays.
struct span index_file_text(unsigned number);

// The i-th of the keys the texts are made of, and two that stand only where no record begins: in
// the value of another key, and at a line's start but without a space behind it.
struct uuid index_file_key(unsigned i);
enum { KEY_IN_VALUE = 1000, KEY_WITHOUT_SPACE = 1001 };

#endif
