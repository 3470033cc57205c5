// Client-side caching. No key ever changes by itself, so what clients have read need not be
// remembered: all there is to tell them is that the whole dataset has been replaced, once to each
// client, whatever it reads and whichever prefixes it names.
#ifndef STELE_SERVE_TRACKING_H
#define STELE_SERVE_TRACKING_H

#include "base/bytes.h"

struct service;
struct session;

// The dataset of this loop has been replaced: each client that tracks gets one invalidation of all
// keys, behind what it was answered from the old dataset and before what it will be from the new.
// Clients that redirect have it sent to the other connection, wherever that one is. In the loop's
// thread.
void tracking_invalidate(struct service *service);

// Tells the client if it has not been told yet. The session calls it between two replies.
void tracking_catch_up(struct session *s);

// For a client that tracks: its last request is done with, and so is what CLIENT CACHING said of
// it, unless it was one of CLIENT itself or MULTI has begun.
void tracking_forget_caching(struct session *s);

// The id invalidations are redirected to; 0: none; -1: the client does not track.
int64_t tracking_redirect(const struct session *s);

// The letters of CLIENT LIST's flags for tracking, at `to`; how many, 3 at most.
size_t tracking_letters(const struct session *s, char *to);

// Bytes that tracking takes.
size_t tracking_memory(const struct session *s);

// Turns tracking off.
void tracking_end(struct session *s);

#endif
