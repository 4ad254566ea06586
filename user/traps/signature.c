// user/traps/signature.c: call a function as if it had another type.

__attribute__((noinline)) double
half(double number)
{
    return number / 2;
}

__attribute__((noinline)) int
call_with_wrong_type(double (*volatile *function)(double))
{
    return ((int (*)(int))(void *)*function)(1);
}

int
main(void)
{
    double (*volatile function)(double) = half;

    return call_with_wrong_type(&function);
}
