// kernel/pfex.c: pretty fast exclusion, and the waits of shared memories.
//
// A pfex is a word of linear memory: 0 free, 1 held, 2 held and somebody waits.
// Programs take and release it by themselves while nobody waits (0 <-> 1); the
// kernel does the rest.  Waiters are served in the order they came: a release
// passes the lock on, the word never becomes 0 in between.  A program that
// writes nonsense to the word hurts only itself.
//
// Waiters sit in buckets by the address of the word, which is unique in the
// system, hashed under a random key: a program cannot choose words that share a
// bucket with each other or with those of others.

#include "kernel/internal.h"

enum { BUCKETS = 512 };
enum { PFEX_FREE, PFEX_HELD, PFEX_CONTENDED };

static struct wait_queue buckets[BUCKETS];
static struct hash_key key; // random, from pfex_init() on

u32
pfex_bucket(const void *address)
{
    return hash_bytes(&key, &address, sizeof(address)) % BUCKETS;
}

static struct wait_queue *
bucket_of(const void *address)
{
    return &buckets[pfex_bucket(address)];
}

void
pfex_init(void)
{
    port_random(&key, sizeof(key));
    for (u32 i = 0; i < BUCKETS; i++)
        wait_queue_init(&buckets[i]);
}

// Nobody waits.
static bool
change(u32 *word, u32 from, u32 to)
{
    return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

status_t
pfex_acquire(u32 *word)
{
    if (change(word, PFEX_FREE, PFEX_HELD))
        return OK;
    struct wait_queue *q = bucket_of(word);
    bool on = lock_irq(&q->lock);
    // Whatever it was, it is now contended; if it was free, it is ours.
    u32 before = __atomic_exchange_n(word, PFEX_CONTENDED, __ATOMIC_SEQ_CST);
    if (before == PFEX_FREE) {
        unlock_irq(&q->lock, on);
        return OK;
    }
    return wait_queue_wait(q, (u64)word, UINT64_MAX, on);
}

status_t
pfex_release(u32 *word)
{
    if (change(word, PFEX_HELD, PFEX_FREE))
        return OK;
    struct wait_queue *q = bucket_of(word);
    status_t status = OK;
    bool on = lock_irq(&q->lock);

    // A woken waiter holds the lock now, and the word says so.
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == PFEX_FREE)
        status = ERR_NOT_OWNER;
    else if (wait_queue_wake(q, (u64)word, 1) == 0)
        __atomic_store_n(word, PFEX_FREE, __ATOMIC_SEQ_CST);
    unlock_irq(&q->lock, on);
    return status;
}

static u64
load(const void *address, bool is64)
{
    return is64 ? __atomic_load_n((const u64 *)address, __ATOMIC_SEQ_CST) :
                  __atomic_load_n((const u32 *)address, __ATOMIC_SEQ_CST);
}

status_t
atomic_wait(const void *address, bool is64, u64 expected, i64 timeout_ns,
            u32 *result)
{
    struct wait_queue *q = bucket_of(address);
    u64 now = port_monotonic_ns(), deadline = UINT64_MAX;

    if (timeout_ns >= 0 && (u64)timeout_ns < UINT64_MAX - now)
        deadline = now + (u64)timeout_ns;
    bool on = lock_irq(&q->lock);
    if (load(address, is64) != expected) {
        unlock_irq(&q->lock, on);
        *result = WAIT_NOT_EQUAL;
        return OK;
    }
    status_t status = wait_queue_wait(q, (u64)address, deadline, on);
    *result = status == ERR_TIMED_OUT ? WAIT_TIMED_OUT : WAIT_WOKEN;
    return status == ERR_KILLED ? status : OK;
}

u32
atomic_notify(const void *address, u32 count)
{
    return wait_queue_wake_many(bucket_of(address), (u64)address, count);
}
