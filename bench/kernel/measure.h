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

// --- two CPUs ----------------------------------------------------------------

enum { TURNS = 200000, WORK = 20000000, TRIES = 10 };

static volatile uint32_t worked; // so that it is

static uint32_t
work(uint32_t n)
{
    for (uint32_t i = 0; i < WORK; i++)
        n = n * 1664525 + (n >> 7) + i;
    return worked = n;
}

static double
least_time(void (*together)(void (*)(void *)), void (*run)(void *))
{
    double best = 1e18;

    for (int i = 0; i < TRIES; i++) {
        double start = now_ns();
        together(run);
        double time = now_ns() - start;
        if (time < best)
            best = time;
    }
    return best;
}

static void
alone(void (*run)(void *))
{
    uint32_t seeds[2] = {1, 2};

    run(&seeds[0]);
    run(&seeds[1]);
}

// `together` runs a function in two threads and returns when both have: a lock
// that both want, and how much sooner two computations end than one after the
// other.
static void
measure_two(void (*together)(void (*)(void *)), void (*take_turns)(void *),
            void (*compute)(void *))
{
    printf("mutex-2 %.1f\n", least_time(together, take_turns) / (2.0 * TURNS));
    printf("speed-up %.2f\n",
           least_time(alone, compute) / least_time(together, compute));
}
