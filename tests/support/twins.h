// Two data files with the same keys, in opposite orders and with different values, which take each
// other's place under a server; and clients who ask for them without end. Each reply must be wholly
// from one of the two, and none from the old one once its connection has heard the new one.
//
// Which one is served is told by generations: an even one is the first file, an odd one the second.
#ifndef STELE_TESTS_TWINS_H
#define STELE_TESTS_TWINS_H

#include <stdbool.h>
#include <sys/types.h>

#include "support/tap.h"

enum {
    TWINS_LARGE_EACH = 500, // one key in so many has a value that is sent from the mapping
    TWINS_LARGE = 20000,    // bytes of it
};

struct twins {
    unsigned keys;
    bool by_link;          // the name is a symbolic link to one of the files
    const char *files[2];  // each keeps its own index when the name is a link
    const char *live;      // the name that is served
    const char *fresh;     // where its replacement is made
    unsigned begun;        // generation whose publication has begun
    unsigned acknowledged; // and that all loops serve
};

// Writes both and publishes generation 0.
void twins_write(struct twins *t, unsigned keys, bool by_link);

// Puts the file of the next generation in the place of the present one.
void twins_replace(struct twins *t);

// All loops serve it: what is asked from here on must be answered from it.
void twins_acknowledge(struct twins *t);

struct askers;

// `count` connections to 127.0.0.1, with a password unless it is NULL.
struct askers *askers_new(const struct twins *t, int port, unsigned count, struct random *r,
                          const char *password);

// Lets them ask, until `fd`, if it is not -1, can be read, and each of them has had `replies`
// replies to what it has asked since the call. Ends the test when one stands still, or hears
// bytes that are from neither file.
void askers_run(struct askers *a, int fd, unsigned replies);

// Of all of them, since the last call: replies, and the first few wrong ones shown.
unsigned long askers_replies(struct askers *a);
unsigned askers_wrong(const struct askers *a);

// Lets them hear what they have asked for, and ask no more.
void askers_rest(struct askers *a);

// The same, and closes their connections.
void askers_free(struct askers *a);

// What a server has open and mapped.
struct holdings {
    unsigned descriptors;
    unsigned maps;      // of data files and indexes
    long long resident; // bytes of its own memory
};
struct holdings holdings_of(pid_t pid);

#endif
