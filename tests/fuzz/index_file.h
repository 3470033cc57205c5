// The format of an input of the fuzz target index_file. The target and the program that writes its
// first inputs (seeds/index_file.c) share it.
//
//   byte 0    number of the data text that the index claims to belong to; INPUT_SKIP, INPUT_SAMPLED
//   byte 1    the other flags
//   then      INPUT_IMAGE: a trie image
//             INPUT_SEAL: the header's first INPUT_FIELDS bytes, then the trie image
//             else: the same bytes of the header, its last 8, then the rest of the file
//
// The zeros of the header are left out, because a fuzzer would waste time on them.
#ifndef STELE_TESTS_FUZZ_INDEX_FILE_H
#define STELE_TESTS_FUZZ_INDEX_FILE_H

#include "base/bytes.h"
#include "data/uuid.h"

enum {
    INPUT_HEAD = 2,     // bytes before the image or header
    INPUT_FIELDS = 168, // bytes of the header before its zeros

    INPUT_SKIP = 0x80,    // in byte 0: malformed lines are skipped, not refused
    INPUT_SAMPLED = 0x40, // in byte 0: equal samples of the data prove the index

    INPUT_SEED = 7, // seed of the samples

    INPUT_IMAGE = 0x01,   // only a trie image, no file
    INPUT_FIT = 0x02,     // the sizes in both headers are set right
    INPUT_SEAL = 0x04,    // all checksums are set right, and the trailer
    INPUT_TIMES = 0x08,   // size, inode and times are set to those of the data
    INPUT_SAMPLE = 0x10,  // size, seed and sample are set to those of the data
    INPUT_CONTENT = 0x20, // the content's checksum is set to that of the data
    INPUT_HUGE = 0x40,    // the index is copied to memory
    INPUT_FINISH = 0x80,  // the dataset is finished, and opened again if its index is wrong
};

enum {
    TEXT_TRAPS, // values that look like lines, and malformed lines that look like records
    TEXT_RANDOM,
    TEXT_COMB, // one key for every second leading bit
    TEXT_EMPTY,
    TEXT_SHORT,  // shorter than any record
    TEXT_PREFIX, // keys that share their first 64 bits
    TEXT_CUT,    // ends with a UUID, without a space after it
    TEXT_COUNT,
};

// Returns the text, in a block of exactly its size that is never freed.
struct span index_file_text(unsigned number);

// Returns the i-th of the keys that the texts use. Two more keys occur only where no record begins:
// in the value of another key, and at the beginning of a line but without a space after it.
struct uuid index_file_key(unsigned i);
enum { KEY_IN_VALUE = 1000, KEY_WITHOUT_SPACE = 1001 };

#endif
