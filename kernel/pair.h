// kernel/pair.h: pairs of objects, the two ends of something.
//
// A pair lives as long as one of its ends.  What a type adds to a pair begins
// with struct pair, and what it adds to an end with struct end; unless its
// fields say otherwise, all of it is under the lock of the pair.

#pragma once

#include "kernel/internal.h"

struct pair;

struct pair_type {
    const struct object_type *ends;
    u64 size, end_size;
    void (*clear)(struct pair *pair); // before it is freed; or NULL
};

struct pair {
    const struct pair_type *type;
    struct lock lock;
    u32 references MEMBER_GUARDED_BY(lock);      // of ends, which exist
    struct end *ends[2] MEMBER_GUARDED_BY(lock); // NULL: freed
};

struct end {
    struct object object;
    struct pair *pair; // NULL: the pair was never complete
    u32 side;          // ends[side] of the pair
    bool closed MEMBER_GUARDED_BY(pair->lock);
};

// Make a pair with both ends, each with one reference; what the type adds is
// zero.  Or no memory, and nothing was made.
MUST_USE status_t pair_new(struct end *ends[2], const struct pair_type *type,
                           struct account *payer);

// What the type of such an end does when the last reference is gone; closes it
// if it never had a handle.
void pair_free_end(struct object *o);

// --- pair->lock is held ------------------------------------------------------

// The other end; NULL: it is closed.
struct end *pair_peer(const struct end *e);

// Of the signals in `mask`, e has those in `set` and no others.
void pair_show(struct end *e, u32 mask, u32 set);
