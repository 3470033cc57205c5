// What CLIENT TRACKING has set up for one client. No key ever changes by itself, so the keys that
// clients have read are not remembered. A client is told once when the whole dataset has been
// replaced, whatever it has read and whichever prefixes it names.
//
// A session owns its tracking. Only the thread of its service touches it.
#ifndef STELE_SERVE_TRACKING_H
#define STELE_SERVE_TRACKING_H

#include "base/bytes.h"

struct session;

enum { TRACKING_REDIRECT_OFF = -1 };

// What the client has said of the next request (CLIENT CACHING).
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
    bool broken;          // the client that invalidations are redirected to is gone
    uint64_t redirect;    // the id of that client; 0: none
    uint64_t reported;    // number of the newest snapshot that the client has been told of
    struct buf *prefixes; // in their order
    unsigned prefix_count;
    // Tells the client that its dataset has been replaced. Called between two replies.
    void (*invalidate)(struct session *s);
};

// Tracking of a client that reads the snapshot of that number. NULL when memory is short.
struct tracking *tracking_new(uint64_t reported, void (*invalidate)(struct session *s));

// Frees the tracking. NULL is allowed.
void tracking_free(struct tracking *t);

// The number of bytes that tracking takes. 0 for NULL.
size_t tracking_memory(const struct tracking *t);

// Adds a prefix, in order, unless it is there. Returns false when memory is short.
bool tracking_add_prefix(struct tracking *t, struct span prefix);

// The id of the client that invalidations are redirected to. 0: none. TRACKING_REDIRECT_OFF for
// NULL, a client that does not track.
int64_t tracking_redirect(const struct tracking *t);

// Writes the letters of CLIENT LIST's flags for tracking to `to`. Returns how many: 3 at most, 0
// for NULL.
size_t tracking_letters(const struct tracking *t, char *to);

#endif
