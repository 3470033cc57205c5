// The state of CLIENT TRACKING for one client. Keys change only when the whole dataset is replaced,
// so the server does not remember which keys a client has read. After a replacement it sends each
// tracking client one invalidation of all keys, whatever prefixes the client has given.
//
// A session owns its tracking. Only the thread of the session's service touches it.
#ifndef STELE_SERVE_TRACKING_H
#define STELE_SERVE_TRACKING_H

#include "base/bytes.h"

struct session;

enum { TRACKING_REDIRECT_OFF = -1 }; // what CLIENT GETREDIR returns without tracking

// Argument of CLIENT CACHING for the next request.
enum tracking_caching { CACHING_UNSAID, CACHING_YES, CACHING_NO };

struct tracking_modes {
    bool bcast;
    bool optin;
    bool optout;
    bool noloop;
};

struct tracking {
    struct tracking_modes modes;
    enum tracking_caching caching;
    bool broken;          // the client that gets the invalidations has gone
    uint64_t redirect;    // id of the client that gets the invalidations; 0: this client
    uint64_t reported;    // number of the newest snapshot that the client knows about
    struct buf *prefixes; // sorted
    unsigned prefix_count;
    // Sends the invalidation after a replacement of the dataset. Called between two replies.
    void (*invalidate)(struct session *s);
};

// Returns the tracking of a client that reads the snapshot with the number `reported`. Returns NULL
// when memory is short.
struct tracking *tracking_new(uint64_t reported, void (*invalidate)(struct session *s));

// Frees the tracking. NULL is allowed.
void tracking_free(struct tracking *t);

// Returns the bytes of memory that the tracking takes. 0 for NULL.
size_t tracking_memory(const struct tracking *t);

// Adds a prefix at its place in the order, unless it is there already. Returns false when memory is
// short.
bool tracking_add_prefix(struct tracking *t, struct span prefix);

// Returns the id of the client that gets the invalidations. Returns 0 when it is this client, and
// TRACKING_REDIRECT_OFF for NULL, a client without tracking.
int64_t tracking_redirect(const struct tracking *t);

// Writes the flags of CLIENT LIST that concern tracking to `to`. Returns their number: at most 3,
// and 0 for NULL.
size_t tracking_letters(const struct tracking *t, char *to);

#endif
