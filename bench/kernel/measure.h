// bench/kernel/measure.h: how both sides measure: the fastest of many short
// rounds, in nanoseconds for one step, printed as "NAME NS".

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 300, ROUND_NS = 300000 };

// NULL, or the one that is measured: for a profiler.
static const char *only;

static double
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double
time_of(void (*step)(void), uint32_t steps)
{
    double start = now_ns();

    for (uint32_t i = 0; i < steps; i++)
        step();
    return now_ns() - start;
}

// A round is so short that most are not disturbed by who else runs here.
static void
measure(const char *name, void (*step)(void))
{
    uint32_t steps = 1;
    double best = 1e18;

    if (only != NULL && strcmp(only, name) != 0)
        return;
    while (time_of(step, steps) < ROUND_NS)
        steps *= 2;
    for (int round = 0; round < ROUNDS; round++) {
        double time = time_of(step, steps) / steps;
        if (time < best)
            best = time;
    }
    printf("%s %.1f\n", name, best);
    fflush(stdout);
}

static void
need(int right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "%s failed\n", what);
    exit(1);
}
