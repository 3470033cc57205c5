// A count of references, embedded in a struct that threads and layers share.
//
// The holder of a `struct ref *` need not know the struct around it: a reply that borrows bytes of
// a mapping keeps the mapping alive through the ref alone. Any thread may take and drop.
#ifndef STELE_BASE_REF_H
#define STELE_BASE_REF_H

#include <assert.h>
#include <stdatomic.h>

struct ref {
    atomic_uint count;
    void (*release)(struct ref *ref); // called by the thread that drops the last reference
};

// Sets the count to one reference, which the caller holds.
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
