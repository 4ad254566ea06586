// sys/user.c: the memory of the program that called.

#include "sys/internal.h"

struct bytes
user_bytes(u64 ptr, u64 size)
{
    return memory_bytes(caller_memory(), ptr, size);
}

bool
user_read(void *to, u64 ptr, u64 size)
{
    struct bytes from = user_bytes(ptr, size);

    if (from.ptr != NULL)
        copy_few(to, from.ptr, size);
    return from.ptr != NULL;
}

bool
user_write(u64 ptr, const void *from, u64 size)
{
    struct bytes to = user_bytes(ptr, size);

    if (to.ptr != NULL)
        copy_few(to.ptr, from, size);
    return to.ptr != NULL;
}
