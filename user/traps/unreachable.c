// user/traps/unreachable.c: run the instruction that says "never here".

__attribute__((noinline)) void
reach_the_unreachable(void)
{
    __builtin_trap();
}

int
main(void)
{
    reach_the_unreachable();
    return 0;
}
