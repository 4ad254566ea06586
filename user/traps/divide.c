// user/traps/divide.c: integer divide by zero.

__attribute__((noinline)) int
divide_by(volatile int *divisor)
{
    return 100 / *divisor;
}

int
main(void)
{
    volatile int zero = 0;

    return divide_by(&zero);
}
