// test/x64/compile.c: the compiler as a whole, on a module of two functions:
// the same bytes every time, errors, dumps, and what happens when memory ends.

#include "test/test.h"
#include "compile/compile.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_SIZE = 4 << 20, MEMORY_STEP = 64 };

// (func $gcd (param i32 i32) (result i32)): calls itself
// (func $sum (param i32) (result i32) (local i32)): calls gcd in a loop
static u8 wasm[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x0c, 0x02, 0x60,
    0x02, 0x7f, 0x7f, 0x01, 0x7f, 0x60, 0x01, 0x7f, 0x01, 0x7f, 0x03, 0x03,
    0x02, 0x00, 0x01, 0x0a, 0x34, 0x02, 0x14, 0x00, 0x20, 0x01, 0x45, 0x04,
    0x7f, 0x20, 0x00, 0x05, 0x20, 0x01, 0x20, 0x00, 0x20, 0x01, 0x70, 0x10,
    0x00, 0x0b, 0x0b, 0x1d, 0x01, 0x01, 0x7f, 0x03, 0x40, 0x20, 0x00, 0x41,
    0x0c, 0x10, 0x00, 0x20, 0x01, 0x6a, 0x21, 0x01, 0x20, 0x00, 0x41, 0x01,
    0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b, 0x20, 0x01, 0x0b,
};

static u64 memory[4][ARENA_SIZE / 8];

struct job {
    struct arena text, keep, temp;
    struct module module;
    struct code code;
    struct error error;
    u32 steps;
};

static void
count_step(void *self, const char *step, u32 func)
{
    struct job *job = self;

    EXPECT(step != NULL && func < 2);
    job->steps++;
}

static status_t
compile(struct job *job, struct compile_options *options, u64 text_size,
        u64 temp_size)
{
    struct arena decoded;

    *job = (struct job){.steps = 0};
    arena_init_fixed(&decoded, memory[0], ARENA_SIZE);
    arena_init_fixed(&job->text, memory[1], text_size);
    arena_init_fixed(&job->temp, memory[2], ARENA_SIZE);
    EXPECT_EQ(module_decode(&job->module, (struct bytes){wasm, sizeof(wasm)},
                            &decoded, &job->error),
              OK);
    arena_init_fixed(&job->temp, memory[2], temp_size);
    arena_init_fixed(&job->keep, memory[3], ARENA_SIZE);
    options->step = count_step;
    options->self = job;
    return module_compile(&job->code, &job->module, options, &job->text,
                          &job->keep, &job->temp, &job->error);
}

TEST(x64_compile_twice)
{
    static u8 first[ARENA_SIZE];
    struct compile_options options = {.dump_func = NO_INDEX};
    struct job job;

    EXPECT_EQ(compile(&job, &options, ARENA_SIZE, ARENA_SIZE), OK);
    EXPECT_EQ(job.steps, 2 * 4);
    u64 size = job.code.size;
    memcpy(first, job.code.text, size);
    memset(memory, 0xdd, sizeof(memory));
    EXPECT_EQ(compile(&job, &options, ARENA_SIZE, ARENA_SIZE), OK);
    EXPECT_EQ(job.code.size, size);
    EXPECT_EQ(memcmp(first, job.code.text, size), 0);
}

TEST(x64_compile_tables)
{
    struct compile_options options = {.dump_func = NO_INDEX};
    struct job job;

    EXPECT_EQ(compile(&job, &options, ARENA_SIZE, ARENA_SIZE), OK);
    const struct code *code = &job.code;
    EXPECT_EQ(code->func_count, 2);
    for (u32 i = 1; i < code->func_count; i++)
        EXPECT(code->funcs[i - 1].end <= code->funcs[i].start);
    for (u32 i = 1; i < code->trap_count; i++)
        EXPECT(code->traps[i - 1].pc < code->traps[i].pc);
    for (u32 i = 1; i < code->call_count; i++)
        EXPECT(code->calls[i - 1].pc < code->calls[i].pc);
    for (u32 i = 0; i < 2; i++) {
        EXPECT_EQ(code_func(code, code->entries[i])->func, i);
        EXPECT_EQ(code->entries[i] % 16, 0);
    }
    EXPECT_EQ(code->calls[0].at, 47); // the call in gcd
}

// A body that is not valid: the error is at the wrong instruction.
TEST(x64_compile_invalid)
{
    struct compile_options options = {.dump_func = NO_INDEX};
    struct job job;

    wasm[46] = 0x7c; // i64.add of i32
    EXPECT_EQ(compile(&job, &options, ARENA_SIZE, ARENA_SIZE), ERR_INVALID);
    EXPECT_EQ(job.error.status, ERR_INVALID);
    EXPECT_EQ(job.error.at, 46);
}

// Whatever the memory that is left: the result is an error, not a crash.
// A little more memory each time, until it is enough.
static void
starve(struct compile_options *options)
{
    struct job job;
    status_t status = ERR_NO_MEMORY;
    u64 size = 0;

    while (status != OK && size < ARENA_SIZE) {
        status = compile(&job, options, ARENA_SIZE, size);
        EXPECT(status == OK || status == ERR_NO_MEMORY);
        size += MEMORY_STEP;
    }
    EXPECT_EQ(status, OK);
    size = 0;
    do {
        status = compile(&job, options, size, ARENA_SIZE);
        EXPECT(status == OK || status == ERR_NO_MEMORY);
        size += MEMORY_STEP;
    } while (status != OK && size < ARENA_SIZE);
    EXPECT_EQ(status, OK);
}

TEST(x64_compile_no_memory)
{
    starve(&(struct compile_options){.dump_func = NO_INDEX});
    starve(&(struct compile_options){
        .dump_func = NO_INDEX, .plain = true, .part_ins = 16});
}

// --- dumps ------------------------------------------------------------------

static u32 dump_size;
static bool dump_escapes; // line ends that became text

static void
count_text(struct printer *p, const char *text, u32 len)
{
    (void)p;
    dump_size += len;
    dump_escapes |= memchr(text, '\\', len) != NULL;
}

TEST(x64_compile_dumps)
{
    static const char *const steps[] = {"build", "select", "allocate", "emit"};
    struct printer p = {count_text, NULL};
    struct job job;

    for (u32 i = 0; i < COUNT(steps); i++) {
        struct compile_options options = {
            .dump = &p, .dump_step = steps[i], .dump_func = NO_INDEX};
        dump_size = 0;
        EXPECT_EQ(compile(&job, &options, ARENA_SIZE, ARENA_SIZE), OK);
        u32 both = dump_size;
        options.dump_func = 1;
        dump_size = 0;
        EXPECT_EQ(compile(&job, &options, ARENA_SIZE, ARENA_SIZE), OK);
        EXPECT(dump_size > 0 && dump_size < both);
        EXPECT(!dump_escapes);
    }
}

// --- the processor ----------------------------------------------------------

TEST(x64_compile_features)
{
    u32 features = cpu_features_detect();

    __builtin_cpu_init();
    EXPECT_EQ((features & CPU_SSE41) != 0,
              __builtin_cpu_supports("sse4.1") != 0);
    EXPECT_EQ((features & CPU_BMI1) != 0, __builtin_cpu_supports("bmi") != 0);
    EXPECT_EQ((features & CPU_BMI2) != 0, __builtin_cpu_supports("bmi2") != 0);
    EXPECT_EQ((features & CPU_AVX) != 0, __builtin_cpu_supports("avx") != 0);
    EXPECT_EQ((features & CPU_AVX2) != 0, __builtin_cpu_supports("avx2") != 0);
    EXPECT_EQ((features & CPU_FMA) != 0, __builtin_cpu_supports("fma") != 0);
}

// --- being stopped -----------------------------------------------------------

static bool
refuse(struct arena *arena, u64 from, u64 to)
{
    (void)arena;
    return from < to;
}

static u8 *
padded(u8 *to, u32 number) // LEB128 of three bytes
{
    to[0] = (u8)(number | 0x80);
    to[1] = (u8)(number >> 7 | 0x80);
    to[2] = (u8)(number >> 14 & 0x7f);
    return to + 3;
}

// A function of so many equal pieces; its size.
static u64
long_function(u8 *to, u32 times, struct string piece)
{
    static const u8 head[] = {0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5,
                              1, 0x60, 1,    0x7f, 0, 3, 2, 1, 0, 10};
    u32 size = 1 + piece.len * times + 1; // no locals, ..., end
    u8 *at = to;

    memcpy(at, head, sizeof(head));
    at = padded(at + sizeof(head), size + 4);
    *at++ = 1;
    at = padded(at, size);
    *at++ = 0;
    for (u32 i = 0; i < times; i++) {
        memcpy(at, piece.ptr, piece.len);
        at += piece.len;
    }
    *at++ = 0x0b;
    return (u64)(at - to);
}

static status_t
compile_long(u32 times, struct string piece,
             bool (*commit)(struct arena *, u64, u64))
{
    enum { MOST = 20000, PIECE_MOST = 8 };
    static u8 bytes[PIECE_MOST * MOST + 64];
    struct compile_options options = {.features = 0};
    struct job job = {.steps = 0};
    struct arena decoded;

    EXPECT(times <= MOST && piece.len <= PIECE_MOST);
    u64 size = long_function(bytes, times, piece);
    arena_init_fixed(&decoded, memory[0], ARENA_SIZE);
    arena_init_fixed(&job.text, memory[1], ARENA_SIZE);
    arena_init_fixed(&job.temp, memory[2], ARENA_SIZE);
    arena_init_fixed(&job.keep, memory[3], ARENA_SIZE);
    EXPECT_EQ(module_decode(&job.module, (struct bytes){bytes, size}, &decoded,
                            &job.error),
              OK);
    job.temp.commit = commit;
    return module_compile(&job.code, &job.module, &options, &job.text,
                          &job.keep, &job.temp, &job.error);
}

// A killed thread gets no memory; where none is taken it is to stop as well.
TEST(compile_stops_where_it_takes_no_memory)
{
    const struct string drop = STRING("\x20\x00\x1a"); // local.get 0, drop

    EXPECT_EQ(compile_long(20000, drop, NULL), OK);
    EXPECT_EQ(compile_long(20000, drop, refuse), ERR_KILLED);
}

static u32 asked, asked_most; // how often; from when on the answer is no

static bool
count_asks(struct arena *arena, u64 from, u64 to)
{
    (void)arena;
    return from < to || ++asked < asked_most;
}

// Each step of a large function asks while it is at it, and ends when it hears
// no.
TEST(compile_asks_in_each_step)
{
    enum {
        CALLS = 9000,
        STEPS = 6
    }; // build, mark, lower, live, allocate, emit
    const struct string call = STRING("\x20\x00\x10\x00");

    asked = 0;
    asked_most = UINT32_MAX;
    EXPECT_EQ(compile_long(CALLS, call, count_asks), OK);
    EXPECT(asked >= STEPS * (CALLS / 8192));
    u32 all = asked;
    for (asked_most = 1; asked_most <= all; asked_most++) {
        asked = 0;
        EXPECT_EQ(compile_long(CALLS, call, count_asks), ERR_KILLED);
        EXPECT(asked <= asked_most + 1);
    }
}

static bool
commit_pages(struct arena *arena, u64 from, u64 to)
{
    (void)arena;
    EXPECT_EQ((from | to) % 4096, 0);
    return true;
}

// A function that takes nearly all the memory it may: the pages are whole.
TEST(compile_near_its_limit)
{
    enum { FIRST = 86000, LAST = 88000, STEP = 2000 };
    const struct string piece = STRING("\x02\x40\x41\x00\x0d\x00\x0b");
    const u64 large = 256 * MIB;
    u8 *bytes = malloc(piece.len * LAST + 64);

    for (u32 times = FIRST; times <= LAST; times += STEP) {
        struct compile_options options = {.features = 0};
        struct job job = {.steps = 0};
        struct arena *arenas[] = {&job.text, &job.temp, &job.keep};
        u64 size = long_function(bytes, times, piece);
        for (u32 i = 0; i < COUNT(arenas); i++)
            *arenas[i] = (struct arena){.base = malloc(large),
                                        .reserved = large,
                                        .commit = commit_pages};
        EXPECT_EQ(module_decode(&job.module, (struct bytes){bytes, size},
                                &job.keep, &job.error),
                  OK);
        EXPECT_EQ(module_compile(&job.code, &job.module, &options, &job.text,
                                 &job.keep, &job.temp, &job.error),
                  OK);
        for (u32 i = 0; i < COUNT(arenas); i++)
            free(arenas[i]->base);
    }
    free(bytes);
}
