// A count of references, embedded in a struct that threads and layers share.
//
// Code that holds a reference need not know the struct around the `struct ref`. For example, an
// output that borrows bytes of a mapping knows only the ref, and so keeps the mapping alive. Any
// thread may take and drop references.
#ifndef STELE_BASE_REF_H
#define STELE_BASE_REF_H

#include <assert.h>
#include <stdatomic.h>

struct ref {
    atomic_uint count;
    void (*release)(struct ref *ref); // called on the thread that drops the last reference
};

// Sets the count to one reference, which the caller holds.
static inline void ref_init(struct ref *r, void (*release)(struct ref *ref))
{
    atomic_init(&r->count, 1);
    r->release = release;
}

// Takes another reference. The caller, or a struct that cannot go away meanwhile, holds
// one already.
static inline void ref_take(struct ref *r)
{
    unsigned before = atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
}

// Drops a reference. Calls `release` if it was the last one.
static inline void ref_drop(struct ref *r)
{
    unsigned before = atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        r->release(r);
}

#endif
