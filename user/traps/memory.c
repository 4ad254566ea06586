// user/traps/memory.c: read far outside of the linear memory.

#include <stdint.h>

__attribute__((noinline)) int
read_at(volatile uintptr_t *address)
{
    return *(volatile int *)*address;
}

int
main(void)
{
    volatile uintptr_t far = 0xfffffff0;

    return read_at(&far);
}
