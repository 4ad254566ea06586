// test/verify/emitted.c: what the compiler emits and what verify/ accepts are
// the same: every row of x64/ops.def in all variants, and every instruction of
// every module of the official suites, for several CPUs and in both modes.

#include "test/verify/seen.h"
#include "test/wasm/help.h"
#include "test/x64/rows.h"
#include "compile/compile.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALL_FEATURES = CPU_SSE41 | CPU_LZCNT | CPU_BMI1 | CPU_BMI2 | CPU_AVX |
                   CPU_AVX2 | CPU_FMA
};

static u32 instructions, bad;

// --- the table of x64/ ------------------------------------------------------

static bool
is_general(char wide)
{
    return wide != 'x' && wide != '-';
}

// The number of a general register, or SEEN_NONE where it is none.
static u32
general(u32 reg, bool is_one)
{
    return is_one && reg < REG_XMM0 ? reg : SEEN_NONE;
}

static void
expect_memory(const struct seen *v, const struct mins *ins)
{
    EXPECT_EQ(v->base, ins->base == REG_NONE ? SEEN_NONE : ins->base);
    EXPECT_EQ(v->index, ins->index == REG_NONE ? SEEN_NONE : ins->index);
    EXPECT_EQ(v->scale, ins->index == REG_NONE ? 0 : ins->scale);
    EXPECT_EQ(v->disp, ins->disp);
    EXPECT_EQ(v->mem_size, x64_info(ins->op)->mem);
}

// Does an instruction that is all there is of a row do to the general registers
// what the allocator of x64/ believes?
static void
expect_roles(const struct seen *v, const struct mins *ins, u32 features)
{
    const struct x64_info *info = x64_info(ins->op);
    const struct roles *roles = mins_roles(ins, features);
    bool of_rm = info->shape == SHAPE_MR || info->shape == SHAPE_MR_I ||
                 info->shape == SHAPE_SET;
    bool has_def = roles->def != ROLE_NONE || info->shape == SHAPE_POP;
    bool general_def = has_def && is_general(info->regs[of_rm ? 1 : 0]);
    u32 def = general(roles->def == ROLE_RAX ? REG_RAX : ins->def,
                      general_def && info->shape != SHAPE_SWAP);

    if (info->shape != SHAPE_SWAP)
        EXPECT_EQ(v->def, def);
    if (roles->b == ROLE_RM && (ins->flags & MINS_MEM) == 0 && !v->is_compare)
        EXPECT_EQ(v->b, general(ins->b, is_general(info->regs[1])));
    EXPECT_EQ(v->has_mem, (ins->flags & MINS_MEM) != 0);
    if ((ins->flags & MINS_MEM) != 0)
        expect_memory(v, ins);
}

// The mnemonic without `lock` and the v of VEX.
static const char *
bare_text(const struct x64_info *info)
{
    if ((info->flags & LOCKED) != 0)
        return info->text + strlen("lock ");
    return info->text + ((info->flags & VEX_ONLY) != 0 && info->text[0] == 'v');
}

// To the allocator the callee changes the flags.
static bool
is_jump(const struct x64_info *info)
{
    return info->shape == SHAPE_CALL_RM || info->shape == SHAPE_TAIL_RM;
}

static void
expect_row(const struct seen *v, const struct mins *ins, u32 features)
{
    const struct x64_info *info = x64_info(ins->op);

    if (info->shape == SHAPE_NONE)
        return; // no operands
    EXPECT_EQ(strcmp(v->text, bare_text(info)), 0);
    EXPECT_EQ(v->writes_flags, (info->flags & WFLAGS) != 0 && !is_jump(info));
    EXPECT_EQ(v->reads_flags, (info->flags & RFLAGS) != 0);
    EXPECT_EQ(v->is_locked, (info->flags & LOCKED) != 0);
    EXPECT_EQ(v->is_vex, x64_is_vex(info, features));
    if ((info->flags & RFLAGS) != 0)
        EXPECT_EQ(v->cc, ins->cc);
    if (!v->is_zero)
        expect_roles(v, ins, features);
}

// Rows that are written with another instruction: setcc and division.
static bool
is_pair(const struct mins *ins)
{
    u8 shape = x64_info(ins->op)->shape;

    return shape == SHAPE_SET || shape == SHAPE_DIV;
}

// Constants are written by the shortest of three rows.
static bool
is_constant(const struct mins *ins)
{
    return x64_info(ins->op)->shape == SHAPE_I;
}

// What the rows could say, but nobody asks for: a constant that has a shorter
// way, a call of what is in a register.
static bool
is_never(const struct mins *ins)
{
    u8 shape = x64_info(ins->op)->shape;

    return (shape == SHAPE_S && (i32)ins->imm >= 0) ||
           (shape == SHAPE_CALL_RM && (ins->flags & MINS_MEM) == 0);
}

static void
visit(const struct mins *ins, u32 features)
{
    u8 bytes[ENCODE_ROOM + 16] = {0};
    struct encoder e = {.at = bytes,
                        .end = bytes + ENCODE_ROOM,
                        .features = features,
                        .wide = x64_rows_wide};
    struct seen v;
    u32 count = 0;

    if (is_never(ins))
        return;
    encode(&e, ins);
    for (const u8 *at = bytes; at < e.at; at += v.length, count++)
        if (!verify_see(&v, at, e.at)) {
            bad++;
            return;
        }
    instructions += count;
    EXPECT_EQ(count, is_pair(ins) ? 2 : 1);
    if (!is_pair(ins) && !is_constant(ins))
        expect_row(&v, ins, features);
}

static void
visit_rows(void)
{
    u8 fill[16] = {0};
    struct seen v;

    encode_fill(fill, sizeof(fill));
    EXPECT(verify_see(&v, fill, fill + sizeof(fill)));
    for (u32 op = 0; op < X64_OP_COUNT; op++) {
        if (x64_row_elsewhere(op) || op == X64_NOP)
            continue;
        x64_row_each(op, 0, visit);
        if ((x64_info(op)->flags & VEX) != 0)
            x64_row_each(op, CPU_AVX, visit);
    }
}

TEST(verify_emitted_rows)
{
    visit_rows();
    EXPECT_EQ(bad, 0);
    printf("%u instructions\n", instructions);
}

// --- modules ----------------------------------------------------------------

static const struct mode {
    u32 features;
    bool plain;
} modes[] = {
    {ALL_FEATURES, false},
    {ALL_FEATURES, true },
    {CPU_SSE41,    false},
    {CPU_SSE41,    true },
};

static bool
read_whole(const char *path, struct arena *arena, struct bytes *bytes)
{
    FILE *file = fopen(path, "rb");
    long size = 0;

    if (file == NULL)
        return false;
    if (fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    rewind(file);
    bytes->ptr = arena_alloc(arena, (u64)size + 1, 16);
    bytes->size = fread(bytes->ptr, 1, (u64)size, file);
    fclose(file);
    return bytes->size == (u64)size;
}

// A walk over the code of a module: constants and tables lie between the parts
// of a function, so it follows what the code does.
struct walk {
    const struct code *code;
    u8 *seen;  // by offset
    u32 *todo; // offsets to go on at
    u32 count;
};

static void
walk_to(struct walk *w, u64 at)
{
    EXPECT(at < w->code->size);
    if (at < w->code->size && !w->seen[at]) {
        w->seen[at] = 1;
        w->todo[w->count++] = (u32)at;
    }
}

// A table of distances from itself, see emit_table() of x64/emit.
static void
walk_table(struct walk *w, u64 table, u64 count)
{
    i32 distance;

    for (u64 i = 0; i < count && table + 4 * i + 4 <= w->code->size; i++) {
        memcpy(&distance, w->code->text + table + 4 * i, 4);
        walk_to(w, table + (u64)(i64)distance);
    }
}

// From one place up to where the code goes on elsewhere.
static void
walk_on(struct walk *w, u64 at)
{
    const u8 *text = w->code->text;
    u64 last_const = 0, table = 0;
    struct seen v;

    for (;;) {
        if (!verify_see(&v, text + at, text + w->code->size)) {
            bad++;
            return;
        }
        instructions++;
        at += v.length;
        if (v.is_const)
            last_const = (u64)v.imm;
        if (v.is_rip_address)
            table = at + (u64)(i64)v.disp;
        if (v.next == SEEN_AWAY || v.next == SEEN_EITHER)
            walk_to(w, at + (u64)v.imm);
        if (v.next == SEEN_REG)
            walk_table(w, table, last_const + 1);
        if (v.next == SEEN_EITHER)
            walk_to(w, at);
        if (v.next != SEEN_BEHIND || at == w->code->size || w->seen[at])
            return;
        w->seen[at] = 1;
    }
}

static void
see_code(const struct code *code, u32 func_count)
{
    struct walk w = {.code = code,
                     .seen = calloc(1, code->size + 1),
                     .todo = calloc(code->size + 1, sizeof(u32))};

    for (u32 i = 0; i < func_count; i++)
        walk_to(&w, code->entries[i]);
    for (u32 i = 0; i < code->catch_count; i++)
        walk_to(&w, code->catches[i].pc);
    while (w.count > 0)
        walk_on(&w, w.todo[--w.count]);
    free(w.seen);
    free(w.todo);
}

static u32
see_module(const char *path, const struct mode *mode, struct arena *arenas)
{
    struct compile_options options = {.features = mode->features,
                                      .plain = mode->plain,
                                      .check_pads = mode->plain,
                                      .dump_func = NO_INDEX};
    struct bytes bytes;
    struct module module;
    struct code code;
    struct error error = {0};

    for (u32 i = 0; i < 4; i++)
        arena_reset(&arenas[i], 0);
    if (!read_whole(path, &arenas[0], &bytes) ||
        module_decode(&module, bytes, &arenas[0], &error) != OK ||
        module_compile(&code, &module, &options, &arenas[1], &arenas[2],
                       &arenas[3], &error) != OK)
        return 0;
    see_code(&code, module.func_count);
    return 1;
}

// The number of modules that were compiled.
static u32
see_folder(const char *folder, struct arena *arenas)
{
    char path[1024], file[2048];
    u32 count = 0;

    if (!test_suite(folder, path, sizeof(path)))
        return 0;
    DIR *d = opendir(path);
    EXPECT(d != NULL);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        u64 len = strlen(e->d_name);
        if (len < 5 || strcmp(e->d_name + len - 5, ".wasm") != 0)
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        for (u32 i = 0; i < COUNT(modes); i++)
            count += see_module(file, &modes[i], arenas);
    }
    if (d != NULL)
        closedir(d);
    return count;
}

TEST(verify_emitted_suites)
{
    static const char *const folders[] = {"core", "custom-page-sizes",
                                          "threads", "wide-arithmetic",
                                          "legacy-exceptions"};
    struct arena arenas[4];
    u32 count = 0;

    for (u32 i = 0; i < COUNT(arenas); i++)
        arenas[i] = arena_make(256 << 20);
    for (u32 i = 0; i < COUNT(folders); i++)
        count += see_folder(folders[i], arenas);
    for (u32 i = 0; i < COUNT(arenas); i++)
        arena_drop(&arenas[i]);
    printf("%u modules, %u instructions\n", count, instructions);
    EXPECT(count > 4000);
    EXPECT_EQ(bad, 0);
    // Nothing is in the table that is not emitted.
    visit_rows();
    EXPECT_EQ(verify_unseen(), 0);
}
