// user/setjmp/main.c: jumps out of deep frames, in loops, past nested calls of
// setjmp, out of qsort and of calls through pointers.  Prints what it sees;
// argument "stray" jumps to a function that has returned.

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf top, inner;
static volatile int sink;

__attribute__((noinline)) static int
descend(int depth, jmp_buf env, int value)
{
    if (depth == 0)
        longjmp(env, value);
    int below = descend(depth - 1, env, value);
    return sink += below + 1;
}

static void
deep(void)
{
    volatile int kept = 1;
    int value = setjmp(top);

    if (value == 0) {
        kept = 2;
        descend(5000, top, 42);
    }
    printf("deep: %d, kept %d\n", value, kept);
}

static void
zero(void)
{
    int value = setjmp(top);

    if (value == 0)
        longjmp(top, 0);
    printf("zero: %d\n", value);
}

static void
loop(void)
{
    volatile unsigned long long sum = 0;

    for (volatile int i = 0; i < 100000; i++) {
        int value = setjmp(top);
        if (value == 0)
            descend(i % 10, top, i + 1);
        sum += (unsigned)value;
    }
    printf("loop: %llu\n", sum);
}

__attribute__((noinline)) static void
catch_inner(int where)
{
    int value = setjmp(inner);

    if (value == 0)
        descend(3, where == 0 ? inner : top, 10 + where);
    printf("inner: %d\n", value);
    if (value == 10)
        longjmp(top, 20);
}

static void
nested(void)
{
    for (volatile int where = 0; where < 2; where++) {
        int value = setjmp(top);
        if (value == 0)
            catch_inner(where);
        printf("outer: %d\n", value);
    }
}

static int compared;

static int
compare(const void *a, const void *b)
{
    if (++compared == 5)
        longjmp(top, compared);
    return memcmp(a, b, 1);
}

static void
through_qsort(void)
{
    char text[] = "zyxwvutsrqponmlkjihgfedcba";
    int value = setjmp(top);

    if (value == 0)
        qsort(text, sizeof(text) - 1, 1, compare);
    printf("qsort: %d\n", value);
}

// The same function many times on the stack: each has its own table.
static int
recurse(int depth, int target)
{
    jmp_buf here;
    int value = setjmp(here);

    if (value != 0)
        return depth * 1000 + value;
    if (depth == target)
        memcpy(top, here, sizeof(top));
    if (depth == 0)
        longjmp(top, 7);
    return recurse(depth - 1, target);
}

static jmp_buf gone;

__attribute__((noinline)) static void
leave(void)
{
    if (setjmp(gone) != 0)
        printf("not reached\n");
}

int
main(int argc, char **argv)
{
    void (*const all[])(void) = {deep, zero, loop, nested, through_qsort};

    (void)argv;
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        all[i]();
    printf("recursion: %d\n", recurse(50, 30));
    fflush(stdout);
    if (argc > 1) {
        leave();
        longjmp(gone, 1);
    }
    return 0;
}
