// null: call the null pointer, an uninitialized element of the table.

#include <stddef.h>

__attribute__((noinline)) void
call_null(void (*volatile *function)(void))
{
    (*function)();
}

int
main(void)
{
    void (*volatile null)(void) = NULL;

    call_null(&null);
    return 0;
}
