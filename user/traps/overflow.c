// user/traps/overflow.c: the one quotient that does not fit.

#include <limits.h>

__attribute__((noinline)) int
divide_smallest_by(volatile int *divisor)
{
    volatile int smallest = INT_MIN;

    return smallest / *divisor;
}

int
main(void)
{
    volatile int minus_one = -1;

    return divide_smallest_by(&minus_one);
}
