// Two data files that replace each other while a server serves them, and clients that read them all
// the time. The files have the same keys, in opposite orders and with different values. Each reply
// must come from one file only. After a connection has received a reply from the new file, it must
// receive none from the old one.
//
// Each replacement begins a new generation. Even generations are the first file, odd
// ones the second.
#ifndef STELE_TESTS_TWINS_H
#define STELE_TESTS_TWINS_H

#include <stdbool.h>
#include <sys/types.h>

#include "support/tap.h"

enum {
    TWINS_LARGE_EACH = 500, // one key in 500 has a large value, which is sent from the mapping
    TWINS_LARGE = 20000,    // bytes of a large value
};

struct twins {
    unsigned keys;
    bool by_link;          // `live` is a symbolic link to one of the files, otherwise a hard link
    const char *files[2];  // paths of the files
    const char *live;      // path that the server serves
    const char *fresh;     // path where the replacement of `live` is made before it is renamed
    unsigned begun;        // last generation that was put in place
    unsigned acknowledged; // last generation that all loops are known to serve
};

// Writes both files and puts generation 0 in place.
void twins_write(struct twins *t, unsigned keys, bool by_link);

// Puts the file of the next generation in place.
void twins_replace(struct twins *t);

// Notes that all loops serve the last generation. Later requests must be answered from it.
void twins_acknowledge(struct twins *t);

struct askers;

// Opens `count` connections to 127.0.0.1, with a password unless it is NULL.
struct askers *askers_new(const struct twins *t, int port, unsigned count, struct random *r,
                          const char *password);

// Sends requests and checks replies, until two conditions hold: `fd` can be read (unless it is -1),
// and each client has received `replies` replies to requests that it has sent since this call. Ends
// the test when no reply comes any more, or one comes from neither file.
void askers_run(struct askers *a, int fd, unsigned replies);

// Returns the number of replies to all clients since the last call.
unsigned long askers_replies(struct askers *a);
// Returns the number of wrong replies so far. The first few have been printed.
unsigned askers_wrong(const struct askers *a);

// Receives the replies that are still to come, without sending new requests.
void askers_rest(struct askers *a);

// Calls askers_rest, then closes the connections and frees the clients.
void askers_free(struct askers *a);

// Resources of a server.
struct holdings {
    unsigned descriptors; // open descriptors
    long long mapped;     // bytes of data files and index files that are mapped
    long long resident;   // bytes of its own memory (RssAnon)
};
struct holdings holdings_of(pid_t pid);

#endif
