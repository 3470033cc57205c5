// Sorting records in place.
#ifndef STELE_DATA_BUILD_SORT_H
#define STELE_DATA_BUILD_SORT_H

#include "data/build/sorted.h"

// Sorts `records` by key and keeps, for each key, the record with the greatest offset, which is the
// last line of that key. Returns the number of records that are kept. They are at the front in
// order; the dropped records follow in any order. Allocates no memory.
size_t trie_sort(struct trie_record *records, size_t count);

// Does the same as trie_sort, and is faster when every record is already near its final position.
size_t trie_sort_nearly(struct trie_record *records, size_t count);

#endif
