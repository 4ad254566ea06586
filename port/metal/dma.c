// port/metal/dma.c: memory that devices use, which see physical addresses.

#include "port/metal/tables.h"

static u32
order_of(u64 size)
{
    u32 order = ORDER_PAGE;

    while ((u64)PAGE_SIZE << order < size)
        order++;
    return order;
}

bool
port_dma_new(struct port_dma *dma, u64 size)
{
    u32 order = order_of(size);
    u64 frame = order < ORDER_COUNT ? frames_new(order) : 0;

    *dma = (struct port_dma){frame == 0 ? NULL : direct(frame), frame, size};
    if (frame != 0)
        memset(dma->memory, 0, (u64)PAGE_SIZE << order);
    return frame != 0;
}

void
port_dma_free(struct port_dma *dma)
{
    if (dma->memory != NULL)
        frames_free(dma->address, order_of(dma->size));
    *dma = (struct port_dma){0};
}

// The physical address of a mapped byte, and how much of its page follows.
static u64
translate(u64 address, u64 *left) REQUIRES(tables_lock)
{
    u32 level = LEVEL_PAGE;
    entry_t entry = *find_entry(address, &level);
    u64 offset = address & (level_size(level) - 1);

    assert(entry & PAGE_PRESENT);
    *left = level_size(level) - offset;
    return (entry & ENTRY_ADDR) + offset;
}

enum { LOOKS = 16 }; // under one lock: what is committed in one step

u64
port_dma_address(const void *ptr, u64 size, u64 *contiguous)
{
    bool on = lock_irq(&tables_lock);
    u64 left, start = translate((u64)ptr, &left);
    u64 have = MIN(left, size);

    for (u32 i = 1; i < LOOKS && have < size; i++) {
        if (translate((u64)ptr + have, &left) != start + have)
            break;
        have += MIN(left, size - have);
    }
    unlock_irq(&tables_lock, on);
    *contiguous = have;
    return start;
}
