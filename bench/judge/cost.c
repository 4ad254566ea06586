// bench/judge/cost.c: what the verifier costs, beside the compiler.
//
//     cost FILE...          CPU time: the least of some rounds, in microseconds
//     cost --once FILE...   one round, for a tool that counts instructions of
//                           work_compile() and work_judge()
//
// Prints a line for each file: name, bytes of code, time to compile, to judge.

#include "test/wasm/help.h"
#include "compile/compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 40, ENOUGH_NS = 2000000000 };

struct work {
    struct bytes bytes;
    struct arena keep, text, temp;
    struct compile_options options;
    struct module module;
    struct code code;
    u32 mistakes; // what did not work
};

__attribute__((noinline)) void work_compile(struct work *w);
__attribute__((noinline)) void work_judge(struct work *w);

void
work_compile(struct work *w)
{
    struct error error = {0};

    arena_reset(&w->keep, 0);
    arena_reset(&w->text, 0);
    arena_reset(&w->temp, 0);
    w->mistakes +=
        module_decode(&w->module, w->bytes, &w->keep, &error) != OK ||
        module_compile(&w->code, &w->module, &w->options, &w->text, &w->keep,
                       &w->temp, &error) != OK;
}

void
work_judge(struct work *w)
{
    struct verify_error error = {0};

    w->mistakes +=
        module_compile_verify(&w->code, &w->module, w->options.features,
                              &w->temp, &error) != OK;
}

static u64
timed(void (*step)(struct work *w), struct work *w)
{
    u64 before = cpu_ns();

    step(w);
    return cpu_ns() - before;
}

static void
measure(struct work *w, u32 rounds, const char *path)
{
    u64 compile = UINT64_MAX, judge = UINT64_MAX, spent = 0;
    const char *slash = strrchr(path, '/');

    for (u32 i = 0; i < rounds && spent < ENOUGH_NS && w->mistakes == 0; i++) {
        u64 one = timed(work_compile, w), other = timed(work_judge, w);
        compile = MIN(compile, one);
        judge = MIN(judge, other);
        spent += one + other;
    }
    printf("%s %llu %llu %llu\n", slash != NULL ? slash + 1 : path,
           (unsigned long long)w->code.size, (unsigned long long)compile / 1000,
           (unsigned long long)judge / 1000);
}

int
main(int argc, char **argv)
{
    bool once = argc > 1 && strcmp(argv[1], "--once") == 0;
    struct work w = {
        .keep = arena_make(2 * GIB),
        .text = arena_make(GIB),
        .temp = arena_make(4 * GIB),
        .options = {.features = cpu_features_detect(), .dump_func = NO_INDEX}
    };

    for (int i = 1 + once; i < argc && w.mistakes == 0; i++) {
        w.bytes = whole_file(argv[i]);
        measure(&w, once ? 1 : ROUNDS, argv[i]);
        free(w.bytes.ptr);
        if (w.mistakes > 0)
            fprintf(stderr, "cost: %s: not compiled, or refused\n", argv[i]);
    }
    return w.mistakes > 0;
}
