// port/linux/dma.c: memory that devices use: they are programs of ours in this
// process (port/model), which see our addresses.

#include "port/linux/linux.h"

bool
port_dma_new(struct port_dma *dma, u64 size)
{
    u8 *memory = port_reserve(size, PAGE_SIZE);

    if (memory != NULL && !port_commit(memory, size)) {
        port_release(memory, size);
        memory = NULL;
    }
    *dma = (struct port_dma){memory, (u64)memory, size};
    return memory != NULL;
}

void
port_dma_free(struct port_dma *dma)
{
    if (dma->memory != NULL)
        port_release(dma->memory, dma->size);
    *dma = (struct port_dma){0};
}

u64
port_dma_address(const void *ptr, u64 size, u64 *contiguous)
{
    *contiguous = size;
    return (u64)ptr;
}
