// user/traps/null.c: call the null pointer, an element of the table nobody set.

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
