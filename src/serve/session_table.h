// The sessions of a loop by the ids of their clients: a hash table with chains. The table links
// entries that are embedded in the sessions and knows nothing else of them. Only the loop's thread
// touches it.
#ifndef STELE_SERVE_SESSION_TABLE_H
#define STELE_SERVE_SESSION_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum { SESSION_TABLE_BITS_FIRST = 4 };

struct session_entry {
    uint64_t id; // does not change while the entry is in a table
    struct session_entry *next;
};

// A zeroed struct is empty.
struct session_table {
    struct session_entry **chains; // NULL: `first`
    struct session_entry *first[1 << SESSION_TABLE_BITS_FIRST];
    unsigned grown; // how often the number of chains was doubled
    size_t count;   // of entries
};

// Adds an entry. Where memory is short the chains get longer.
void session_table_add(struct session_table *table, struct session_entry *entry);

// Removes an entry, or does nothing when it is not in the table.
void session_table_remove(struct session_table *table, struct session_entry *entry);

// The entry of that id, or NULL.
struct session_entry *session_table_find(const struct session_table *table, uint64_t id);

// Frees the table. Entries may still be in it.
void session_table_release(struct session_table *table);

#endif
