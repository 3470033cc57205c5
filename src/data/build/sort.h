// Sorting records in place.
#ifndef STELE_DATA_BUILD_SORT_H
#define STELE_DATA_BUILD_SORT_H

#include "data/build/sorted.h"

// Sorts `records` by key and keeps of each key the record with the greatest offset: the last line
// wins. Returns how many records are kept. They stand in order at the front, and the dropped ones
// follow in no order. Takes no memory but the stack.
size_t trie_sort(struct trie_record *records, size_t count);

// As trie_sort, in less time when every record is near its final position.
size_t trie_sort_nearly(struct trie_record *records, size_t count);

#endif
