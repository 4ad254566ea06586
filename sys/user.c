// sys/user.c: the memory of the program that called.

#include "kernel/kernel.h"

enum { PIECE = 16 * MIB }; // of memory to touch, between two looks at a kill

static bool
touch(struct memory *m, u64 at, u64 size)
{
    for (u64 done = 0; done < size; done += PIECE)
        if ((done > 0 && thread_is_killed()) ||
            !memory_touch(m, at + done, MIN(size - done, PIECE)))
            return false;
    return true;
}

struct bytes
user_bytes(u64 ptr, u64 size)
{
    struct vmctx *vm = thread_current()->entry.vm;
    struct instance *i = vm != NULL ? vm->instance : NULL;

    if (i == NULL || i->code->module.memory_count == 0)
        return (struct bytes){NULL, 0};
    struct memory *m = i->memories[0];
    if (!memory_contains(m, ptr, size) || !touch(m, ptr, size))
        return (struct bytes){NULL, 0};
    return (struct bytes){m->base + index_masked(ptr, m->view.size + 1), size};
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
