// The sessions of a loop by the ids of their clients: a hash table with chains. Only the loop's
// thread touches it.
#ifndef STELE_SERVE_ROSTER_H
#define STELE_SERVE_ROSTER_H

#include <stddef.h>
#include <stdint.h>

struct session;

enum { ROSTER_BITS_FIRST = 4 };

// A zeroed struct is empty.
struct roster {
    struct session **chains; // NULL: `first`
    struct session *first[1 << ROSTER_BITS_FIRST];
    unsigned grown; // how often the number of chains was doubled
    size_t count;   // of sessions
};

// Adds a session. Where memory is short the chains get longer.
void roster_add(struct roster *r, struct session *s);

// Does nothing when it is not there.
void roster_remove(struct roster *r, struct session *s);

// The session of that id, or NULL.
struct session *roster_find(const struct roster *r, uint64_t id);

// Frees the table; sessions may still be there.
void roster_release(struct roster *r);

#endif
