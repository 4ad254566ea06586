// kernel/kept.c: what nobody uses, kept in case somebody wants it again.
//
// Each thing is counted in the account of its last user, and is no burden to
// anybody: it goes when that account, or one above, is at its limit or is
// closed, when there is no memory, and when all together have more than a part
// of the machine's.  What was used longest ago goes first.

#include "kernel/internal.h"

enum {
    KEPT_MAX = 256, // things
    KEPT_PART = 4,  // of the machine's memory: a quarter
};

static struct lock kept_lock = LOCK_INIT(KEPT);
static struct {
    struct list all; // struct kept, oldest first
    u64 size;        // of those
    u32 count;       // atomic: others look without the lock
} kept GUARDED_BY(kept_lock);

static u64 most; // bytes, known when it starts

void LOCKS_BY_HAND
kept_init(void)
{
    u64 available, total;

    port_memory_info(&available, &total);
    most = total / KEPT_PART;
    list_init(&kept.all);
}

u32
kept_count(void)
{
    return __atomic_load_n(&kept.count, __ATOMIC_RELAXED);
}

static bool
is_closed(const struct account *a)
{
    while (a != NULL && !__atomic_load_n(&a->closed, __ATOMIC_SEQ_CST))
        a = a->parent;
    return a != NULL;
}

static bool
is_inside(const struct account *a, const struct account *whole)
{
    while (a != NULL && a != whole)
        a = a->parent;
    return a != NULL;
}

static void
unlink_kept(struct kept *k) REQUIRES(kept_lock)
{
    assert_held(&kept_lock);
    list_remove(&k->link);
    kept.size -= k->size;
    __atomic_store_n(&kept.count, kept.count - 1, __ATOMIC_RELAXED);
}

// --- one of them -------------------------------------------------------------

void
kept_setup(struct kept *k, void (*drop)(struct kept *k))
{
    *k = (struct kept){.drop = drop};
    list_init(&k->link);
}

bool
kept_put(struct kept *k, struct account *a, u64 size)
{
    lock(&kept_lock);
    bool keep = !is_closed(a);
    if (keep) {
        k->account = a;
        k->size = size;
        list_append(&kept.all, &k->link);
        kept.size += size;
        __atomic_store_n(&kept.count, kept.count + 1, __ATOMIC_RELAXED);
    }
    unlock(&kept_lock);
    return keep;
}

bool
kept_take(struct kept *k)
{
    lock(&kept_lock);
    bool there = !list_empty(&k->link);
    if (there)
        unlink_kept(k);
    unlock(&kept_lock);
    return there;
}

// --- dropping ----------------------------------------------------------------

// The oldest that is counted in `a` leaves the list; NULL: there is none.
static struct kept *
take_oldest(const struct account *a)
{
    struct kept *oldest = NULL;

    if (kept_count() == 0)
        return NULL;
    lock(&kept_lock);
    for (struct list *at = kept.all.next; at != &kept.all; at = at->next) {
        struct kept *k = CONTAINER(at, struct kept, link);
        if (!is_inside(k->account, a))
            continue;
        unlink_kept(k);
        oldest = k;
        break;
    }
    unlock(&kept_lock);
    return oldest;
}

static bool
drop_oldest(const struct account *a)
{
    struct kept *k = take_oldest(a);

    if (k != NULL)
        k->drop(k);
    return k != NULL;
}

static bool
is_too_much(void)
{
    lock(&kept_lock);
    bool more = kept.size > most || kept.count > KEPT_MAX;
    unlock(&kept_lock);
    return more;
}

void
kept_trim(void)
{
    while (is_too_much() && drop_oldest(account_root()))
        ;
}

void
kept_reclaim(void)
{
    while (drop_oldest(account_root()))
        ;
}

// Whoever puts something has seen `closed`, or is in the list by now.
void
kept_close(struct account *a)
{
    __atomic_store_n(&a->closed, true, __ATOMIC_SEQ_CST);
    while (drop_oldest(a))
        ;
}

bool
kept_make_room(struct account *a, enum resource r, u64 amount)
{
    const struct account *full = account_full(a, r, amount);

    return full == NULL || drop_oldest(full);
}

bool
kept_relieve(void)
{
    if (kept_count() == 0 || thread_current()->preempt_count > 0)
        return false;
    bool on = port_interrupts_off();
    port_interrupts_restore(on);
    return on && drop_oldest(account_root());
}

bool
kept_commit(void *at, u64 size)
{
    while (!port_commit(at, size))
        if (!kept_relieve())
            return false;
    return true;
}

bool
kept_promise(struct port_promise *promise, u64 size)
{
    while (!port_promise(promise, size))
        if (!kept_relieve())
            return false;
    return true;
}
