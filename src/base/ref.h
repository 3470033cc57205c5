// A count of references, embedded in what is shared between threads and layers.
//
// Who holds a `struct ref *` needs not know what it is part of: a reply that borrows bytes of a
// mapping keeps the mapping alive through this alone. Any thread may take and drop.
#ifndef STELE_BASE_REF_H
#define STELE_BASE_REF_H

#include <assert.h>
#include <stdatomic.h>

struct ref {
    atomic_uint count;
    void (*release)(struct ref *ref); // called by the thread that drops the last reference
};

// Starts at one reference, held by the caller.
static inline void ref_init(struct ref *r, void (*release)(struct ref *ref))
{
    atomic_init(&r->count, 1);
    r->release = release;
}

static inline void ref_take(struct ref *r)
{
    unsigned before = atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
}

static inline void ref_drop(struct ref *r)
{
    unsigned before = atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        r->release(r);
}

#endif
