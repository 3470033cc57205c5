// A hash table that finds the sessions of a loop by their ids. It links entries that are embedded
// in the sessions, and uses nothing else of a session. Only the thread of the loop touches it.
#ifndef STELE_SERVE_SESSION_TABLE_H
#define STELE_SERVE_SESSION_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum { SESSION_TABLE_BITS_FIRST = 4 }; // an empty table has 2^4 chains

struct session_entry {
    uint64_t id;                // must not change while the entry is in a table
    struct session_entry *next; // next entry of the chain
};

// A zeroed struct is an empty table.
struct session_table {
    struct session_entry **chains; // first entry of each chain; NULL: `first` has them
    struct session_entry *first[1 << SESSION_TABLE_BITS_FIRST];
    unsigned grown; // how often the number of chains was doubled
    size_t count;   // number of entries
};

// Adds an entry. Never fails: when memory for more chains is short, the chains become longer.
void session_table_add(struct session_table *table, struct session_entry *entry);

// Removes an entry, or does nothing when it is not in the table.
void session_table_remove(struct session_table *table, struct session_entry *entry);

// Returns the entry with this id, or NULL.
struct session_entry *session_table_find(const struct session_table *table, uint64_t id);

// Frees the chains, but no entries. The table may still have entries.
void session_table_release(struct session_table *table);

#endif
