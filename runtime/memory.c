// runtime/memory.c: linear memories.
//
// A memory lives at the start of a slot of addresses that is large enough for
// any access that generated code makes without a check (abi/abi.h, design
// section 4).  It never moves: growing publishes a larger size, and pages come
// when they are touched, COMMIT_STEP at a time.  What it has is promised to it:
// a touch never finds the machine without memory, however much others want.
//
// But in a group that overcommits only a part is promised when a memory is made
// or grows.  What is touched beyond that is promised then, if its group may
// have it and the machine has it; else the touch traps, and nobody else
// notices.

#include "runtime/internal.h"

static const u64 SLOT_SIZE = 8 * GIB; // 2^32 + 2^31 + an access, and spare
static const u64 MAX_64 = 16 * GIB;   // memories with 64-bit addresses, which
static const u64 GUARD_64 = 64 * KIB; // are checked by the code

// The most bytes that the memory can ever have.
static u64
max_bytes(const struct limits *type)
{
    u64 most = type->is64 ? MAX_64 : 4 * GIB;
    u64 pages = type->has_max ? type->max : memory_most_pages(type);

    return MIN(pages, most >> type->page_log2) << type->page_log2;
}

// What is promised at once to m for a size: all of it, or a part where its
// group overcommits.
static u64
part_of(const struct memory *m, u64 size)
{
    const struct account *a =
        m->pages.account != NULL ? m->pages.account : account_current();

    return ALIGN_UP(size * 100 / account_overcommit(a), COMMIT_STEP);
}

// Promise m memory for `size` bytes, and have it counted.  Callable with
// interrupts off.
static status_t
cover(struct memory *m, u64 size)
{
    u64 cost = port_promise_pages(size) * PAGE_SIZE;
    status_t status = ERR_LIMIT;
    bool on = lock_irq(&m->covering);
    u64 before = m->pages.amount;

    if (charge_to(&m->pages, RESOURCE_MEMORY, cost))
        status = port_promise(&m->promise, size) ? OK : ERR_NO_MEMORY;
    if (status == ERR_NO_MEMORY)
        charge_less(&m->pages, RESOURCE_MEMORY, before);
    unlock_irq(&m->covering, on);
    return status;
}

// The same, of what a size is promised at once.  What the kernel keeps to be
// faster next time goes first; no lock is held.
static bool
take(struct memory *m, u64 size)
{
    u64 part = part_of(m, size);
    status_t status = cover(m, part);

    if (status == ERR_NO_MEMORY) {
        scratch_reclaim();
        kernel_reclaim();
        status = cover(m, part);
    }
    while (status == ERR_NO_MEMORY && kept_relieve())
        status = cover(m, part);
    return status == OK;
}

status_t
memory_new(struct memory **out, const struct limits *type)
{
    u64 max = max_bytes(type);
    u64 steps = (max + COMMIT_STEP - 1) / COMMIT_STEP;
    u64 reserved = memory_is_guarded(type) ? SLOT_SIZE : max + GUARD_64;

    if (type->min > max >> type->page_log2)
        return ERR_NO_MEMORY;
    struct memory *m = kernel_alloc(sizeof(*m));
    if (m == NULL)
        return ERR_NO_MEMORY;
    object_init(&m->object, &memory_type);
    m->pinned.object = &m->object;
    mutex_init(&m->growing, LOCK_GROWING);
    lock_init(&m->covering, LOCK_COVERING);
    m->type = *type;
    m->view = (struct memory_view){type->min << type->page_log2, max};
    m->reserved = reserved;
    m->committed = kernel_alloc((steps / 64 + 1) * sizeof(u64));
    if (m->committed != NULL &&
        charge_to(&m->addresses, RESOURCE_ADDRESSES, m->reserved))
        m->base = port_reserve_slot(m->reserved);
    if (m->base == NULL || !take(m, m->view.size)) {
        object_release(&m->object);
        return ERR_NO_MEMORY;
    }
    *out = m;
    return OK;
}

void
memory_free(struct object *o)
{
    struct memory *m = CONTAINER(o, struct memory, object);

    assert(!memory_is_pinned(m)); // each pin has a reference
    if (m->base != NULL)
        port_release(m->base, m->reserved);
    port_unpromise(&m->promise);
    charge_end(&m->pages, RESOURCE_MEMORY);
    charge_end(&m->addresses, RESOURCE_ADDRESSES);
    kernel_free(m->committed);
    kernel_free(m);
}

static u64
grow(struct memory *m, u64 pages)
{
    u64 old = m->view.size;

    if (pages > (m->view.max - old) >> m->type.page_log2)
        return UINT64_MAX;
    u64 next = old + (pages << m->type.page_log2);
    if (!take(m, next))
        return UINT64_MAX;
    __atomic_store_n(&m->view.size, next, __ATOMIC_SEQ_CST);
    return old >> m->type.page_log2;
}

u64
memory_grow(struct memory *m, u64 pages)
{
    if (mutex_lock(&m->growing) != OK)
        return UINT64_MAX;
    u64 old = grow(m, pages);
    mutex_unlock(&m->growing);
    return old;
}

// Memory was missing for a step when `covered` bytes were promised: promise
// some more, unless that was all of the size.
static bool
cover_more(struct memory *m, u64 covered)
{
    if (covered >= memory_size(m))
        return false;
    status_t status = cover(m, covered + COMMIT_STEP);
    return status == OK || (status == ERR_NO_MEMORY && kept_relieve());
}

static bool
commit_step(struct memory *m, u64 step)
{
    u8 *at = m->base + step * COMMIT_STEP;
    u64 covered;

    do {
        covered = __atomic_load_n(&m->promise.size, __ATOMIC_ACQUIRE);
        if (port_commit_promised(at, COMMIT_STEP, &m->promise))
            return true;
    } while (cover_more(m, covered));
    return false;
}

bool
memory_touch(struct memory *m, u64 at, u64 size)
{
    if (size == 0)
        return true;
    for (u64 i = at / COMMIT_STEP; i <= (at + size - 1) / COMMIT_STEP; i++) {
        u64 bit = 1ull << (i % 64);
        u64 word = __atomic_load_n(&m->committed[i / 64], __ATOMIC_ACQUIRE);
        if ((word & bit) != 0)
            continue;
        if (!commit_step(m, i))
            return false;
        __atomic_fetch_or(&m->committed[i / 64], bit, __ATOMIC_RELEASE);
    }
    return true;
}

enum { PIECE = 16 * MIB }; // between two looks at a kill

bool
memory_prepare(struct memory *m, u64 ptr, u64 size)
{
    for (u64 done = 0; done < size; done += PIECE) {
        if (done > 0 && thread_is_killed())
            return false;
        if (memory_touch(m, ptr + done, MIN(size - done, PIECE)))
            continue;
        if (execution_current() != NULL)
            thread_trap(TRAP_NO_MEMORY);
        return false;
    }
    return true;
}

// What was ready stays so: whichever runs threads write here at once are right.
static void
set_run(struct memory *m, u64 run)
{
    u64 before = __atomic_load_n(&m->run, __ATOMIC_RELAXED);

    __atomic_store_n(&m->run_before, before, __ATOMIC_RELEASE);
    __atomic_store_n(&m->run, run, __ATOMIC_RELEASE);
}

// The run is the one around this step from now on, as far as a word says.
static void
note_run(struct memory *m, u64 step)
{
    u64 word = __atomic_load_n(&m->committed[step / 64], __ATOMIC_ACQUIRE);
    u64 bit = 1ull << step % 64, below = ~word & (bit - 1);
    u64 above = ~word & ~(bit | (bit - 1)), begin = step - step % 64;
    u64 first = begin + (below != 0 ? 64 - bits_leading_zeros(below) : 0);
    u64 end = begin + (above != 0 ? bits_trailing_zeros(above) : 64);

    end = MIN(end, memory_size(m) / COMMIT_STEP); // whole steps
    if (first < end)
        set_run(m, first | end << 32);
}

static struct bytes
bytes_in_run(const struct memory *m, struct memory_run run, u64 ptr, u64 size)
{
    u64 at = index_masked(ptr - run.first, run.size + 1);

    return (struct bytes){m->base + run.first + at, size};
}

// What the run was before; it is again, where [ptr, ptr + size) is in that: who
// names a thread's stack and other data goes between two.
static struct memory_run
run_before(struct memory *m, u64 ptr, u64 size)
{
    u64 word = __atomic_load_n(&m->run_before, __ATOMIC_ACQUIRE);
    struct memory_run run = memory_run_of(&word);

    if (word != 0 && memory_run_has(run, ptr, size))
        set_run(m, word);
    return run;
}

static struct bytes
bytes_beyond_run(struct memory *m, u64 ptr, u64 size)
{
    u64 now = memory_size(m);

    if (ptr > now || size > now - ptr)
        return (struct bytes){NULL, 0};
    if (size > 0 && !memory_prepare(m, ptr, size))
        return (struct bytes){NULL, 0};
    if (size > 0)
        note_run(m, ptr / COMMIT_STEP);
    return (struct bytes){m->base + index_masked(ptr, now + 1), size};
}

struct bytes
memory_bytes(struct memory *m, u64 ptr, u64 size)
{
    if (m == NULL)
        return (struct bytes){NULL, 0};
    struct memory_run run = memory_run(m);
    if (memory_run_has(run, ptr, size))
        return bytes_in_run(m, run, ptr, size);
    run = run_before(m, ptr, size);
    if (memory_run_has(run, ptr, size))
        return bytes_in_run(m, run, ptr, size);
    return bytes_beyond_run(m, ptr, size);
}
