// user/traps/stack.c: recursion without end.

static volatile int depth, deepest = -1; // never reached

__attribute__((noinline)) int
dig_deeper(int level)
{
    depth = level;
    if (level == deepest)
        return 0;
    int below = dig_deeper(level + 1);
    return depth + below;
}

int
main(void)
{
    return dig_deeper(1);
}
