// port/linux/memory.c: addresses and memory from mmap.
//
// A reservation is a PROT_NONE mapping; committing is mprotect, so Linux gives
// the pages on first touch.  Code is written while its pages are read-write and
// nobody has its address, then becomes read-execute for good.

#include "port/linux/linux.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

enum {
    ARENA_PAGES = 1 << 18, // 1 GiB of code
    ARENA_WORDS = ARENA_PAGES / 64,
};

static struct {
    u8 *base;
    u64 used[ARENA_WORDS]; // bit set of pages
    u32 next;              // where to look first
    u32 lock;
} arena;

static u64 commits_left = UINT64_MAX;

void
linux_fail_commits(u64 after)
{
    commits_left = after;
}

static void *
map(u64 size)
{
    void *ptr = mmap(NULL, size, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return ptr == MAP_FAILED ? NULL : ptr;
}

static void
unmap(u8 *from, u8 *to)
{
    if (from < to)
        munmap(from, (u64)(to - from));
}

void *
port_reserve(u64 size, u64 align)
{
    assert((align & (align - 1)) == 0 && align >= PAGE_SIZE);
    size = ALIGN_UP(size, PAGE_SIZE);
    if (size == 0 || size + align < size)
        return NULL;

    bool on = port_interrupts_off();
    u64 slack = align > PAGE_SIZE ? align : 0;
    u8 *ptr = map(size + slack);
    u8 *start = (u8 *)ALIGN_UP((u64)ptr, align);
    if (ptr != NULL && slack != 0) {
        unmap(ptr, start);
        unmap(start + size, ptr + size + slack);
    }
    port_interrupts_restore(on);
    return ptr != NULL ? start : NULL;
}

static bool
protect(void *ptr, u64 size, int protection)
{
    u64 start = (u64)ptr & ~(u64)(PAGE_SIZE - 1);
    u64 end = ALIGN_UP((u64)ptr + size, PAGE_SIZE);
    bool on = port_interrupts_off();
    bool done = mprotect((void *)start, end - start, protection) == 0;

    port_interrupts_restore(on);
    return done;
}

bool
port_commit(void *ptr, u64 size)
{
    if (commits_left != UINT64_MAX) {
        if (commits_left == 0)
            return false;
        commits_left--;
    }
    return size == 0 || protect(ptr, size, PROT_READ | PROT_WRITE);
}

void
port_decommit(void *ptr, u64 size)
{
    bool on = port_interrupts_off();

    assert(((u64)ptr | size) % PAGE_SIZE == 0);
    void *fresh = ptr;
    if (size != 0)
        fresh = mmap(ptr, size, PROT_NONE,
                     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                     -1, 0);
    assert(fresh == ptr);
    port_interrupts_restore(on);
}

void
port_release(void *ptr, u64 size)
{
    bool on = port_interrupts_off();

    munmap(ptr, ALIGN_UP(size, PAGE_SIZE));
    port_interrupts_restore(on);
}

void
port_memory_info(u64 *available, u64 *total)
{
    struct sysinfo info;
    bool on = port_interrupts_off();

    sysinfo(&info);
    port_interrupts_restore(on);
    *total = (u64)info.totalram * info.mem_unit;
    *available = commits_left == 0 ? 0 : *total;
}

// --- code --------------------------------------------------------------------

static bool
arena_lock(void)
{
    bool on = port_interrupts_off();

    while (__atomic_exchange_n(&arena.lock, 1, __ATOMIC_ACQUIRE) != 0)
        __builtin_ia32_pause();
    return on;
}

static void
arena_unlock(bool on)
{
    __atomic_store_n(&arena.lock, 0, __ATOMIC_RELEASE);
    port_interrupts_restore(on);
}

// The first free run of `count` pages at or after `from`, or ARENA_PAGES.
static u32
find_run(u32 from, u32 count)
{
    u32 run = 0;

    for (u32 page = from; page < ARENA_PAGES; page++) {
        run = bit_get(arena.used, page) ? 0 : run + 1;
        if (run == count)
            return page + 1 - count;
    }
    return ARENA_PAGES;
}

static u8 *
take_pages(u32 count)
{
    bool on = arena_lock();
    u32 page = find_run(arena.next, count);

    if (page == ARENA_PAGES)
        page = find_run(0, count);
    if (page != ARENA_PAGES) {
        for (u32 i = page; i < page + count; i++)
            bit_set(arena.used, i);
        arena.next = page + count;
    }
    arena_unlock(on);
    return page != ARENA_PAGES ? arena.base + (u64)page * PAGE_SIZE : NULL;
}

void *
port_code_publish(const void *text, u64 size)
{
    if (size == 0 || size > (u64)ARENA_PAGES * PAGE_SIZE)
        return NULL;
    u8 *to = take_pages((u32)(ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE));

    if (to == NULL)
        return NULL;
    if (port_commit(to, size)) {
        memcpy(to, text, size);
        if (protect(to, size, PROT_READ | PROT_EXEC))
            return to;
    }
    port_code_release(to, size);
    return NULL;
}

void
port_code_release(void *text, u64 size)
{
    u32 page = (u32)(((u64)text - (u64)arena.base) / PAGE_SIZE);
    u32 count = (u32)(ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE);

    assert(port_code_contains((u64)text));
    port_decommit(text, (u64)count * PAGE_SIZE);
    bool on = arena_lock();
    for (u32 i = page; i < page + count; i++)
        bit_clear(arena.used, i);
    arena.next = MIN(arena.next, page);
    arena_unlock(on);
}

bool
port_code_contains(u64 pc)
{
    return pc - (u64)arena.base < (u64)ARENA_PAGES * PAGE_SIZE;
}

void
linux_memory_init(void)
{
    arena.base = port_reserve((u64)ARENA_PAGES * PAGE_SIZE, PAGE_SIZE);
    assert(arena.base != NULL);
}
