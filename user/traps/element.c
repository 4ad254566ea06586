// user/traps/element.c: call a function pointer beyond the end of the table.

#include <stdint.h>

__attribute__((noinline)) void
call_beyond_the_table(volatile uintptr_t *index)
{
    ((void (*)(void)) * index)();
}

int
main(void)
{
    volatile uintptr_t index = 1000000;

    call_beyond_the_table(&index);
    return 0;
}
