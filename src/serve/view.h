// One loop's hold on one dataset. Replies that borrow a value, and commands that are not done, hold
// references to the view and not to the dataset, as counting all loops' borrowers in one place
// would make them wait for each other. A loop goes on with a new view when the dataset is replaced;
// the old one stays until the last of its references is dropped.
//
// A view belongs to the thread of its loop.
#ifndef STELE_SERVE_VIEW_H
#define STELE_SERVE_VIEW_H

#include "base/bytes.h"
#include "base/link.h"
#include "base/ref.h"

struct dataset;

struct view {
    struct ref ref;
    struct dataset *dataset; // a reference of the view's own
    struct link link;        // on the list of its loop's views, the oldest first
    // Of its loop, when it went on with this view; 0 at the start.
    uint64_t number;     // how often it had gone on with another
    uint64_t generation; // how often its data had been replaced, and not its index alone
};

// Makes `view`, which the caller places, one of `dataset`: with one reference, which is the
// caller's.
void view_init(struct view *view, struct dataset *dataset);

// The same on the heap; it frees itself. NULL when memory is short.
struct view *view_new(struct dataset *dataset);

// The one that a reply which borrows a value holds.
const struct view *view_of(const struct ref *ref);

// Whether the dataset of the view that `ref` refers to has no more damage now than `damage`.
bool view_stands(const struct ref *ref, unsigned damage);

#endif
