// kernel/user.c: the memory of the program that called.

#include "kernel/kernel.h"

struct bytes
user_bytes(u64 ptr, u64 size)
{
    struct vmctx *vm = thread_current()->entry.vm;
    struct instance *i = vm != NULL ? vm->instance : NULL;

    if (i == NULL || i->code->module.memory_count == 0)
        return (struct bytes){NULL, 0};
    struct memory *m = i->memories[0];
    if (!memory_contains(m, ptr, size) || !memory_touch(m, ptr, size))
        return (struct bytes){NULL, 0};
    return (struct bytes){m->base + ptr, size};
}

bool
user_read(void *to, u64 ptr, u64 size)
{
    struct bytes from = user_bytes(ptr, size);

    if (from.ptr != NULL)
        memcpy(to, from.ptr, size);
    return from.ptr != NULL;
}

bool
user_write(u64 ptr, const void *from, u64 size)
{
    struct bytes to = user_bytes(ptr, size);

    if (to.ptr != NULL)
        memcpy(to.ptr, from, size);
    return to.ptr != NULL;
}
