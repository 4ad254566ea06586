// test/fuzz/compile.c: any bytes through the whole compiler.  What validates
// compiles, in both modes and for both kinds of CPU, and twice to the same
// bytes; the SSA in between is well-formed; the tables are sorted and inside
// the code.
//
// Built and run as README.md says.

#include "test/fuzz/fuzz.h"

#include "compile/compile.h"
#include "ir/ir.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { ARENA_SIZE = 512 * 1024 * 1024, RUNS = 5 };

struct output {
    struct arena text, keep;
    struct code code;
    struct error error;
    status_t status;
};

static void
arena_ready(struct arena *arena)
{
    if (arena->base == NULL) {
        void *memory = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        assert(memory != MAP_FAILED);
        arena_init_fixed(arena, memory, ARENA_SIZE);
    }
    arena_reset(arena, 0);
}

static void
compile(struct output *out, const struct module *m, u32 features, bool plain,
        u32 part_ins)
{
    static struct arena temp;
    struct compile_options options = {.features = features,
                                      .plain = plain,
                                      .part_ins = part_ins,
                                      .dump_func = NO_INDEX};

    arena_ready(&out->text);
    arena_ready(&out->keep);
    arena_ready(&temp);
    out->error = (struct error){OK, 0, NULL};
    out->status = module_compile(&out->code, m, &options, &out->text,
                                 &out->keep, &temp, &out->error);
}

static void
check_fn(const struct fn *fn, struct arena *temp)
{
    val_t at = 0;
    const char *problem = fn_check(fn, temp, &at);

    if (problem != NULL) {
        fprintf(stderr, "func %u, %s mode, v%u: %s\n", fn->index,
                fn->part != FN_WHOLE ? "plain" : "normal", at, problem);
        abort();
    }
}

static void
check_whole(const struct module *m, u32 func)
{
    static struct arena temp;
    struct error error = {0};
    struct fn fn;

    arena_ready(&temp);
    u8 *leaves = ARENA_NEW(&temp, u8, m->func_count);
    assert(leaves != NULL);
    status_t status = fn_build(&fn, m, func, leaves, &temp, &error);
    assert(status == OK || status == ERR_BUDGET);
    if (status == OK)
        check_fn(&fn, &temp);
}

static void
check_parts(const struct module *m, u32 func)
{
    static struct arena temp;
    struct error error = {0};
    struct builder *b;
    struct fn fn = {.part = FN_PART};

    arena_ready(&temp);
    status_t status = parts_open(&b, m, func, 1 + func % 16, &temp, &error);
    assert(status == OK);
    while (fn.part != FN_LAST) {
        u64 mark = arena_mark(&temp);
        status = parts_next(b, &fn);
        assert(status == OK);
        check_fn(&fn, &temp);
        arena_reset(&temp, mark);
    }
}

static void
check_code(const struct code *c)
{
    for (u32 i = 0; i < c->func_count; i++) {
        assert(c->funcs[i].start <= c->funcs[i].end);
        assert(c->funcs[i].end <= c->size);
        assert(i == 0 || c->funcs[i - 1].end <= c->funcs[i].start);
    }
    for (u32 i = 0; i < c->trap_count; i++) {
        assert(c->traps[i].pc < c->size);
        assert(i == 0 || c->traps[i - 1].pc < c->traps[i].pc);
        assert(code_trap(c, c->traps[i].pc) == &c->traps[i]);
    }
    for (u32 i = 0; i < c->call_count; i++) {
        assert(c->calls[i].pc <= c->size);
        assert(i == 0 || c->calls[i - 1].pc < c->calls[i].pc);
    }
}

static bool
same_code(const struct code *a, const struct code *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

int
LLVMFuzzerTestOneInput(const u8 *bytes, size_t size)
{
    static struct output out[RUNS];
    static const u32 all = CPU_SSE41 | CPU_LZCNT | CPU_BMI1 | CPU_BMI2 |
                           CPU_AVX | CPU_AVX2 | CPU_FMA;
    struct arena *arena = fuzz_arena();
    struct error error = {0};
    struct module m;

    if (module_decode(&m, (struct bytes){(u8 *)bytes, size}, arena, &error) !=
        OK)
        return 0;
    compile(&out[0], &m, all, false, 0);
    fuzz_check_verdict(out[0].status, &out[0].error, size);
    compile(&out[1], &m, all, false, 0);
    compile(&out[2], &m, CPU_SSE41, false, 0);
    compile(&out[3], &m, all, true, 0);
    compile(&out[4], &m, CPU_SSE41, true, 1 + (u32)size % 16);
    for (u32 i = 1; i < RUNS; i++)
        assert((out[i].status == OK) == (out[0].status == OK));
    if (out[0].status != OK)
        return 0;
    for (u32 i = m.func_imports; i < m.func_count; i++) {
        check_whole(&m, i);
        check_parts(&m, i);
    }
    assert(same_code(&out[0].code, &out[1].code));
    for (u32 i = 0; i < RUNS; i++)
        check_code(&out[i].code);
    return 0;
}
