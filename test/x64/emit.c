// test/x64/emit.c: functions in machine code, built by hand as allocate would
// leave them, are emitted and run on this machine.

#include "test/test.h"
#include "test/x64/fault.h"
#include "runtime/internal.h"
#include "x64/emit/emit.h"

#include <string.h>
#include <sys/mman.h>

enum {
    MAX_INS = 40,
    MAX_BLOCKS = 12,
    MAX_EDGES = 16,
    MAX_FUNCS = 4,
    MAX_CALLS = 8,
    ARENA_SIZE = 1 << 20,
    STACK_BYTES = 64 * 1024,
    SLOTS = 16,
    X0 = REG_XMM0,
    X1 = REG_XMM0 + 1,
};

// A function as the allocator leaves it.  Block i has the instructions up to
// ends[i]; edge i goes from .. to .. .
struct body {
    struct mins ins[MAX_INS];
    u32 ends[MAX_BLOCKS];
    u32 edges[2 * MAX_EDGES];    // from, to; the first pair is unused
    u32 edge_blocks[MAX_BLOCKS]; // the edge of block i, or 0
    u32 cold;                    // bit set of blocks
    struct mcall calls[MAX_CALLS];
    u32 type;
    u32 out_size, frame_size, args_size, saved;
    u64 rodata[2];
    u32 slots;          // of plain mode
    u32 case_edges[11]; // of the only switch, 0 ends them
};

static u64 text_memory[ARENA_SIZE / 8], keep_memory[ARENA_SIZE / 8],
    temp_memory[ARENA_SIZE / 8];
static struct arena text, keep, temp;
static struct module module;
static struct code code;
static struct image image;
static u8 *run_at; // the code, executable

// --- the module ------------------------------------------------------------

static const valtype_t vals_ii_i[] = {VAL_I32, VAL_I32, VAL_I32};
static const valtype_t vals_ll_l[] = {VAL_I64, VAL_I64, VAL_I64};
static const valtype_t vals_dd_i[] = {VAL_F64, VAL_F64, VAL_I32};
static const valtype_t vals_many[] = {
    VAL_I64, VAL_I64, VAL_I64,  VAL_I64, VAL_I64, VAL_I64, VAL_I64, VAL_I32,
    VAL_F32, VAL_F64, VAL_V128, // parameters
    VAL_I64, VAL_I64, VAL_I64,  VAL_I64, VAL_I64, VAL_I64, VAL_I64, VAL_I64,
    VAL_F32, // results
};

enum { TYPE_II_I, TYPE_LL_L, TYPE_DD_I, TYPE_MANY, TYPES };

static struct type types[TYPES] = {
    [TYPE_II_I] = {.canonical = TYPE_II_I,
                   .param_count = 2,
                   .result_count = 1,
                   .vals = vals_ii_i},
    [TYPE_LL_L] = {.canonical = TYPE_LL_L,
                   .param_count = 2,
                   .result_count = 1,
                   .vals = vals_ll_l},
    [TYPE_DD_I] = {.canonical = TYPE_DD_I,
                   .param_count = 2,
                   .result_count = 1,
                   .vals = vals_dd_i},
    [TYPE_MANY] = {.canonical = TYPE_MANY,
                   .param_count = 11,
                   .result_count = 9,
                   .vals = vals_many},
};

static struct func funcs[MAX_FUNCS];

static void
start_module(u32 imports)
{
    arena_init_fixed(&text, text_memory, sizeof(text_memory));
    arena_init_fixed(&keep, keep_memory, sizeof(keep_memory));
    arena_init_fixed(&temp, temp_memory, sizeof(temp_memory));
    module = (struct module){
        .type_count = TYPES,
        .types = types,
        .func_count = imports,
        .func_imports = imports,
        .funcs = funcs,
        .memory_count = 1,
        .layout = {.memories = sizeof(struct vmctx),
                   .imports = sizeof(struct vmctx) + 16},
    };
    module.func_count = MAX_FUNCS;
    EXPECT_EQ(image_init(&image, &code, &module, &text, &keep, &temp), OK);
    EXPECT_EQ(emit_stubs(&image), OK);
    image_settle(&image);
}

static u32
block_count_of(const struct body *body)
{
    u32 count = 0;

    while (count < MAX_BLOCKS && (count == 0 || body->ends[count] != 0))
        count++;
    return count;
}

// Turn the table form into the structures of the compiler, and emit.
static status_t
add_function(struct body *body, u32 index)
{
    static struct block blocks[MAX_BLOCKS];
    static struct mblock mblocks[MAX_BLOCKS];
    static struct edge edges[MAX_EDGES];
    static u32 edge_block[MAX_EDGES], at[MAX_INS + 1];
    static u16 narrow[MAX_BLOCKS]; // nothing is known
    static u32 slot_at[1];
    struct cases cases = {.targets = 0};
    struct fn fn = {.module = &module,
                    .index = index,
                    .type = &types[body->type],
                    .blocks = blocks,
                    .edges = edges,
                    .at = at,
                    .pool = body->case_edges,
                    .cases = &cases,
                    .zero_size = (u32)ALIGN_UP(8 * body->slots, 16),
                    .slot_at = slot_at};
    struct mach m = {.fn = &fn,
                     .ins = body->ins,
                     .blocks = mblocks,
                     .block_count = block_count_of(body),
                     .calls = body->calls,
                     .edge_block = edge_block,
                     .narrow = narrow,
                     .rodata = &body->rodata,
                     .rodata_count = body->rodata[0] != 0,
                     .out_size = body->out_size,
                     .frame_size = body->frame_size,
                     .args_size = body->args_size,
                     .saved = body->saved};

    module.funcs[index] = (struct func){.type = body->type, .at = 1000 * index};
    while (body->case_edges[cases.count] != 0)
        cases.count++;
    for (u32 i = 0; i < m.block_count; i++) {
        blocks[i] = (struct block){.cold = (body->cold >> i & 1) != 0};
        mblocks[i] = (struct mblock){.first = i > 0 ? body->ends[i - 1] : 0,
                                     .end = body->ends[i],
                                     .edge = body->edge_blocks[i]};
    }
    for (u32 i = 0; i < MAX_EDGES; i++) {
        edges[i] = (struct edge){.from = body->edges[2 * i],
                                 .to = body->edges[2 * i + 1]};
        edge_block[i] = edges[i].to;
    }
    for (u32 i = 0; i < m.block_count; i++)
        edge_block[mblocks[i].edge] = mblocks[i].edge != 0 ? i : 0;
    m.count = body->ends[m.block_count - 1];
    for (u32 i = 0; i < m.count; i++) {
        at[i + 1] = 10 * (i + 1);
        body->ins[i].from = i + 1;
    }
    status_t status = mach_emit(&m, &image, false, &temp, NULL);
    image_settle(&image);
    return status;
}

static void
finish_module(u32 func_count)
{
    module.func_count = func_count;
    EXPECT_EQ(image_finish(&image), OK);
    EXPECT_EQ(code.size > 0, 1);
    run_at = mmap(NULL, ALIGN_UP(code.size, 4096), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(run_at != MAP_FAILED);
    memcpy(run_at, code.text, code.size);
    EXPECT_EQ(
        mprotect(run_at, ALIGN_UP(code.size, 4096), PROT_READ | PROT_EXEC), 0);
}

static void
make_single(struct body *body)
{
    start_module(0);
    EXPECT_EQ(add_function(body, 0), OK);
    finish_module(1);
}

// --- running it ------------------------------------------------------------

static struct {
    struct vmctx vm;
    struct vmctx_memory memory;
    struct func_entry imports[4];
} context, other_context;

struct invocation {
    u32 func;
    u64 (*slots)[2];
};

static void
invoke(void *arg)
{
    const struct invocation *i = arg;
    u8 here;
    struct func_entry entry = {.code = (u64)(run_at + code.entries[i->func])};

    context.vm.stack_limit = (u64)&here - STACK_BYTES;
    call_entry(&context.vm, &entry, &types[module.funcs[i->func].type],
               i->slots);
}

static u64 last_fault; // offset in the code

// Call function `func`; the trap it ends in, or TRAP_NONE.
static enum trap
call(u32 func, u64 (*slots)[2])
{
    struct invocation i = {func, slots};
    u64 pc = fault_of(invoke, &i);

    if (pc == 0)
        return TRAP_NONE;
    last_fault = pc - (u64)run_at;
    const struct trap_site *site = code_trap(&code, last_fault);
    EXPECT(site != NULL);
    return site != NULL ? (enum trap)site->trap : TRAP_COUNT;
}

static u64
call2(u32 func, u64 a, u64 b)
{
    u64 slots[SLOTS][2] = {
        {a, 0},
        {b, 0}
    };

    EXPECT_EQ(call(func, slots), TRAP_NONE);
    return slots[0][0];
}

// --- single functions ------------------------------------------------------

// Keeps the formatter from aligning lists.
#define LIST(...)   \
    {               \
        __VA_ARGS__ \
    }

// Instructions: registers; register and immediate; register and [rsp + disp] in
// an area of the frame.
static struct mins
rr(u32 op, u32 to, u32 from)
{
    return (struct mins){.op = (u16)op, .def = to, .a = to, .b = from};
}

static struct mins
ri(u32 op, u32 reg, u32 imm)
{
    return (struct mins){
        .op = (u16)op, .def = reg, .a = reg, .b = reg, .imm = imm};
}

static struct mins
rm(u32 op, u32 reg, u32 area, u32 disp)
{
    return (struct mins){.op = (u16)op,
                         .flags = (u8)(MINS_MEM | area),
                         .def = reg,
                         .a = reg,
                         .disp = (i32)disp};
}

static struct mins
jcc(u32 cc, edge_t yes, edge_t no)
{
    return (struct mins){.op = X64_JCC, .cc = (u8)cc, .imm = yes, .def2 = no};
}

// def <- a op rm, or flags <- a op rm.
static struct mins
load(u32 op, u32 reg, u32 base, u32 disp)
{
    return (struct mins){.op = (u16)op,
                         .flags = MINS_MEM,
                         .def = reg,
                         .a = reg,
                         .base = base,
                         .index = REG_NONE,
                         .disp = (i32)disp};
}

static struct mins
trap_cc(u32 cc, enum trap trap)
{
    return (struct mins){.op = X64_TRAP_CC, .cc = (u8)cc, .imm = trap};
}

static struct mins
trapping(struct mins ins)
{
    ins.flags |= MINS_TRAPS;
    return ins;
}

static struct mins
imm_only(u32 op, u32 imm) // jumps, calls, returns, traps
{
    return (struct mins){.op = (u16)op, .imm = imm};
}

TEST(x64_emit_add)
{
    struct body body = {
        .ins = {rr(X64_MOV32, REG_RAX, REG_RDI),
                rr(X64_ADD32, REG_RAX, REG_RSI), imm_only(X64_RET, 0)},
        .ends = LIST(3),
    };

    make_single(&body);
    EXPECT_EQ(call2(0, 40, 2), 42);
    EXPECT_EQ(call2(0, 0xffffffff, 2), 1);
    EXPECT_EQ(code.funcs[0].frame, 0);
    EXPECT_EQ(code.funcs[0].end - code.funcs[0].start, 5); // no prologue
    EXPECT_EQ(code_func(&code, code.funcs[0].start)->func, 0);
    EXPECT(code_func(&code, code.funcs[0].end) == NULL);
}

// Sum of 1 .. rdi in a loop, whose back edge has an edge block.
TEST(x64_emit_loop)
{
    struct body body = {
        .ins = {ri(X64_ZERO32, REG_RAX, 0), imm_only(X64_JMP, 1),
                rr(X64_ADD32, REG_RAX, REG_RDI), ri(X64_SUB32_I, REG_RDI, 1),
                jcc(CC_NE, 2, 3), imm_only(X64_RET, 0),
                rr(X64_MOV32, REG_RCX, REG_RAX)},
        .ends = LIST(2, 5, 6, 7),
        .edges = LIST(0, 0, 0, 1, 1, 1, 1, 2),
        .edge_blocks = LIST(0, 0, 0, 2),
    };

    make_single(&body);
    EXPECT_EQ(call2(0, 10, 0), 55);
    // xor; add; sub; je 2+2; mov; jmp; ret
    EXPECT_EQ(code.funcs[0].end - code.funcs[0].start,
              2 + 2 + 3 + 2 + 2 + 2 + 1);
}

// Which way a comparison of floats goes, for each order of the two targets.
static u32
compare_floats(u32 cc, bool swapped, u64 a, u64 b)
{
    struct body body = {
        .ins = {rr(X64_UCOMISD, X0, X1),
                swapped ? jcc(cc, 2, 1) : jcc(cc, 1, 2),
                ri(X64_MOV32_I, REG_RAX, swapped ? 0 : 1), imm_only(X64_RET, 0),
                ri(X64_MOV32_I, REG_RAX, swapped ? 1 : 0),
                imm_only(X64_RET, 0)},
        .ends = LIST(2, 4, 6),
        .edges = LIST(0, 0, 0, 1, 0, 2),
        .type = TYPE_DD_I,
    };

    make_single(&body);
    return (u32)call2(0, a, b);
}

TEST(x64_emit_floats)
{
    const u64 one = 0x3ff0000000000000, two = 0x4000000000000000,
              nan = 0x7ff8000000000000;

    for (u32 swapped = 0; swapped < 2; swapped++) {
        EXPECT_EQ(compare_floats(CC_FEQ, swapped != 0, one, one), 1);
        EXPECT_EQ(compare_floats(CC_FEQ, swapped != 0, one, two), 0);
        EXPECT_EQ(compare_floats(CC_FEQ, swapped != 0, one, nan), 0);
        EXPECT_EQ(compare_floats(CC_FNE, swapped != 0, one, one), 0);
        EXPECT_EQ(compare_floats(CC_FNE, swapped != 0, one, two), 1);
        EXPECT_EQ(compare_floats(CC_FNE, swapped != 0, nan, nan), 1);
    }
}

// A switch of `count` cases, the odd ones to block 1.
static void
make_switch(u32 count)
{
    struct body body = {
        .ins = {(struct mins){.op = X64_SWITCH,
                              .def = REG_RCX,
                              .a = REG_RDI,
                              .b = REG_RDX},
                ri(X64_MOV32_I, REG_RAX, 1), imm_only(X64_RET, 0),
                ri(X64_MOV32_I, REG_RAX, 2), imm_only(X64_RET, 0),
                ri(X64_MOV32_I, REG_RAX, 3), imm_only(X64_RET, 0)},
        .ends = LIST(1, 3, 5, 7),
        .edges = LIST(0, 0, 0, 1, 0, 2, 0, 3),
    };

    for (u32 i = 0; i + 1 < count; i++)
        body.case_edges[i] = i % 2 != 0 ? 1 : 2;
    body.case_edges[count - 1] = 3;
    make_single(&body);
}

TEST(x64_emit_switch)
{
    for (u32 count = 1; count < 10; count++) {
        make_switch(count);
        for (u32 i = 0; i < count + 3; i++)
            EXPECT_EQ(call2(0, i, 0), i + 1 >= count ? 3 : 2 - i % 2);
        EXPECT_EQ(call2(0, 0xffffffff, 0), 3);
        EXPECT_EQ(call2(0, 0x80000000, 0), 3);
    }
}

// Branches over more than 127 bytes are long, in both directions.
TEST(x64_emit_far)
{
    struct body body = {
        .ins = {imm_only(X64_JMP, 1), rr(X64_TEST32, REG_RDI, REG_RDI),
                jcc(CC_E, 3, 2), ri(X64_SUB32_I, REG_RDI, 1)},
        .ends = LIST(1, 3, 0, 0),
        .edges = LIST(0, 0, 0, 1, 1, 2, 1, 3, 2, 1),
    };
    u32 n = 4;

    while (n < 30)
        body.ins[n++] = ri(X64_ADD32_I, REG_RSI, 1000);
    body.ins[n++] = imm_only(X64_JMP, 4);
    body.ends[2] = n;
    body.ins[n++] = rr(X64_MOV32, REG_RAX, REG_RSI);
    body.ins[n++] = imm_only(X64_RET, 0);
    body.ends[3] = n;
    make_single(&body);
    EXPECT_EQ(call2(0, 0, 5), 5);
    EXPECT_EQ(call2(0, 3, 5), 5 + 3 * 26 * 1000);
}

// Chains of jumps, and a circle of them.
TEST(x64_emit_jumps)
{
    struct body body = {
        .ins = {rr(X64_TEST32, REG_RDI, REG_RDI), jcc(CC_E, 1, 3),
                imm_only(X64_JMP, 2), imm_only(X64_JMP, 4),
                imm_only(X64_JMP, 5), imm_only(X64_JMP, 6),
                ri(X64_MOV32_I, REG_RAX, 7), imm_only(X64_RET, 0)},
        .ends = LIST(2, 3, 4, 5, 6, 8),
        .edges = LIST(0, 0, 0, 1, 1, 2, 0, 3, 2, 5, 3, 4, 4, 3),
        .cold = 1 << 5,
    };

    make_single(&body);
    EXPECT_EQ(call2(0, 0, 0), 7);
    // test; je; circle: jmp circle; mov; ret
    EXPECT_EQ(code.funcs[0].end - code.funcs[0].start, 2 + 2 + 2 + 5 + 1);
}

// The loops of lock cmpxchg: what memory held and what it holds then.
TEST(x64_emit_atomics)
{
    const u64 before = 0xf0f1f2f3f4f5f6f7, operand = 0x0ff00ff00ff00ff0;
    static const struct {
        u32 op, size;
    } rows[] = {
        {X64_LOOP_OR8,   1},
        {X64_LOOP_OR16,  2},
        {X64_LOOP_OR32,  4},
        {X64_LOOP_OR64,  8},
        {X64_LOOP_AND8,  1},
        {X64_LOOP_AND16, 2},
        {X64_LOOP_AND32, 4},
        {X64_LOOP_AND64, 8},
        {X64_LOOP_XOR8,  1},
        {X64_LOOP_XOR16, 2},
        {X64_LOOP_XOR32, 4},
        {X64_LOOP_XOR64, 8},
    };

    for (u32 i = 0; i < COUNT(rows); i++) {
        struct body body = {
            .ins = {load(rows[i].op, REG_RAX, MEM_MEMORY, 0),
                    imm_only(X64_RET, 0)},
            .ends = LIST(2),
            .type = TYPE_LL_L,
        };
        u64 cell = before, mask = ~0ull >> (64 - 8 * rows[i].size);
        u64 want = i < 4 ? before | operand :
                   i < 8 ? before & operand :
                           before ^ operand;

        body.ins[0].a = REG_RDI;
        body.ins[0].def2 = REG_RCX;
        make_single(&body);
        context.memory.base = (u8 *)&cell;
        EXPECT_EQ(call2(0, operand, 0), before & mask);
        EXPECT_EQ(cell, (want & mask) | (before & ~mask));
    }
}

// --- frames ----------------------------------------------------------------

TEST(x64_emit_frame)
{
    struct body body = {
        .ins = {rr(X64_MOV64, REG_RBX, REG_RDI),
                rm(X64_MOV64_MR, REG_RSI, MINS_FRAME, 8),
                rm(X64_ADD64, REG_RBX, MINS_FRAME, 8),
                rm(X64_ADD64, REG_RBX, MINS_FRAME, 0),
                rr(X64_MOV64, REG_RAX, REG_RBX), imm_only(X64_RET, 0)},
        .ends = LIST(6),
        .type = TYPE_LL_L,
        .frame_size = 16,
        .saved = 1 << REG_RBX | 1 << REG_R12,
        .slots = 2, // zeroed
    };

    make_single(&body);
    EXPECT_EQ(call2(0, 40, 2), 42);
    EXPECT_EQ(code.funcs[0].frame, 16 + 16 + 8);
}

// Slots are zeroed whatever their number; the loop touches nothing else.
TEST(x64_emit_slots)
{
    for (u32 slots = 1; slots < 40; slots++) {
        struct body body = {
            .ins = {ri(X64_ZERO32, REG_RAX, 0),
                    rm(X64_OR64, REG_RAX, MINS_FRAME, 8 * slots - 8),
                    rm(X64_OR64, REG_RAX, MINS_FRAME, 0),
                    rm(X64_OR64, REG_RAX, MINS_FRAME, slots / 2 * 8),
                    rr(X64_OR64, REG_RAX, REG_RDI), imm_only(X64_RET, 0)},
            .ends = LIST(6),
            .type = TYPE_LL_L,
            .frame_size = (u32)ALIGN_UP(8 * slots, 16),
            .slots = slots,
        };
        make_single(&body);
        EXPECT_EQ(call2(0, 40, 2), 40);
    }
}

TEST(x64_emit_constant)
{
    struct body body = {
        .ins = {rm(X64_ADDSD, X0, MINS_RODATA, 0),
                (struct mins){.op = X64_MOVQ_R, .def = REG_RAX, .a = X0},
                ri(X64_SHR64_I, REG_RAX, 48), imm_only(X64_RET, 0)},
        .ends = LIST(4),
        .type = TYPE_DD_I,
        .rodata = LIST(0x3ff0000000000000, 0), // 1.0
    };

    make_single(&body);
    EXPECT_EQ(call2(0, 0x3ff0000000000000, 0), 0x4000); // 2.0
}

// --- calls -----------------------------------------------------------------

// f0(n) = n == 0 ? 0 : n + f1(n - 1), f1 likewise with f0: calls in both
// directions, values in callee-saved registers.
static struct body
sum_of(u32 other)
{
    return (struct body){
        .ins = {rr(X64_MOV64, REG_RBX, REG_RDI), ri(X64_ZERO32, REG_RAX, 0),
                rr(X64_TEST32, REG_RDI, REG_RDI), jcc(CC_E, 2, 1),
                ri(X64_SUB32_I, REG_RDI, 1), imm_only(X64_CALL_REL, 0),
                rr(X64_ADD32, REG_RAX, REG_RBX), imm_only(X64_JMP, 3),
                imm_only(X64_RET, 0)},
        .ends = LIST(4, 8, 9),
        .edges = LIST(0, 0, 0, 1, 0, 2, 1, 2),
        .saved = 1 << REG_RBX,
        .calls = {{.func = other}   },
    };
}

static void
make_mutual(void)
{
    struct body even = sum_of(1), odd = sum_of(0);

    start_module(0);
    EXPECT_EQ(add_function(&even, 0), OK);
    EXPECT_EQ(add_function(&odd, 1), OK);
    finish_module(2);
}

TEST(x64_emit_calls)
{
    make_mutual();
    EXPECT_EQ(call2(0, 100, 0), 5050);
    EXPECT_EQ(call2(1, 101, 0), 5151);
    const struct call_site *site = &code.calls[0];
    EXPECT(code_call(&code, site->pc) == site);
    EXPECT(code_call(&code, site->pc + 1) == NULL);
    EXPECT_EQ(site->at, 60); // the sixth instruction of function 0
    EXPECT_EQ(code.funcs[0].frame, 8);
}

TEST(x64_emit_stack_overflow)
{
    u64 slots[SLOTS][2] = {
        {0x7fffffff, 0}
    };

    make_mutual();
    EXPECT_EQ(call(0, slots), TRAP_STACK_OVERFLOW);
    const struct trap_site *site = code_trap(&code, last_fault);
    const struct func_code *f = code_func(&code, last_fault);
    EXPECT(f->func < 2);
    EXPECT_EQ(site->at, 1000 * f->func);
}

// A frame beyond STACK_UNCHECKED is checked as a whole.
TEST(x64_emit_big_frame)
{
    struct body body = {
        .ins = {rr(X64_MOV32, REG_RAX, REG_RDI), imm_only(X64_RET, 0)},
        .ends = LIST(2),
    };
    u64 slots[SLOTS][2] = {
        {1, 0}
    };

    body.frame_size = STACK_BYTES / 2;
    make_single(&body);
    EXPECT_EQ(call2(0, 5, 0), 5);
    body.frame_size = STACK_BYTES;
    make_single(&body);
    EXPECT_EQ(call(0, slots), TRAP_STACK_OVERFLOW);
}

// --- traps -----------------------------------------------------------------

TEST(x64_emit_traps)
{
    struct body body = {
        .ins = {rr(X64_TEST32, REG_RSI, REG_RSI),
                trap_cc(CC_S, TRAP_UNDEFINED_ELEMENT),
                rr(X64_MOV32, REG_RAX, REG_RDI),
                trapping(rr(X64_IDIV32, REG_RAX, REG_RSI)),
                ri(X64_CMP32_I, REG_RAX, 7), jcc(CC_E, 1, 2),
                imm_only(X64_TRAP, TRAP_UNREACHABLE), imm_only(X64_RET, 0)},
        .ends = LIST(6, 7, 8),
        .edges = LIST(0, 0, 0, 1, 0, 2),
        .cold = 1 << 1,
    };
    static const struct {
        u32 a, b;
        enum trap trap;
        u32 at;
    } rows[] = {
        {10, 0xffffffff, TRAP_UNDEFINED_ELEMENT, 20},
        {10, 0,          TRAP_DIVIDE_BY_ZERO,    40},
        {14, 2,          TRAP_UNREACHABLE,       70},
    };

    make_single(&body);
    EXPECT_EQ(call2(0, 10, 2), 5);
    for (u32 i = 0; i < COUNT(rows); i++) {
        u64 slots[SLOTS][2] = {
            {rows[i].a, 0},
            {rows[i].b, 0}
        };
        EXPECT_EQ(call(0, slots), rows[i].trap);
        EXPECT_EQ(code_trap(&code, last_fault)->at, rows[i].at);
    }
    for (u32 i = 1; i < code.trap_count; i++)
        EXPECT(code.traps[i - 1].pc < code.traps[i].pc);
}

// --- thunks ----------------------------------------------------------------

// The sum of the integers to the first result, constants to the others, the f32
// goes through.  Stack arguments: the seventh and the eighth parameter.
static struct body
many(void)
{
    struct body body = {
        .ins = {rr(X64_MOV64, REG_RAX, REG_RDI),
                rr(X64_ADD64, REG_RAX, REG_RSI),
                rr(X64_ADD64, REG_RAX, REG_RDX),
                rr(X64_ADD64, REG_RAX, REG_RCX), rr(X64_ADD64, REG_RAX, REG_R8),
                rr(X64_ADD64, REG_RAX, REG_R9),
                rm(X64_ADD64, REG_RAX, MINS_ARGS, 0),
                rm(X64_MOV32, REG_RCX, MINS_ARGS, 8),
                rr(X64_ADD64, REG_RAX, REG_RCX), ri(X64_MOV32_I, REG_RDX, 2),
                ri(X64_MOV32_I, REG_RCX, 3), ri(X64_MOV32_I, REG_RSI, 4),
                ri(X64_MOV32_I, REG_RDI, 5), ri(X64_MOV32_I, REG_R8, 6),
                ri(X64_MOV32_I, REG_R11, 7),
                rm(X64_MOV64_MR, REG_R11, MINS_ARGS, 16),
                ri(X64_MOV32_I, REG_R11, 8),
                rm(X64_MOV64_MR, REG_R11, MINS_ARGS, 24), imm_only(X64_RET, 0)},
        .ends = LIST(19),
        .type = TYPE_MANY,
        .args_size = 16,
        .frame_size = 16,
    };
    return body;
}

static void
check_many(u32 func)
{
    u64 slots[SLOTS][2] = {
        {1,          0 },
        {20,         0 },
        {300,        0 },
        {4000,       0 },
        {50000,      0 },
        {600000,     0 },
        {7000000,    0 },
        {80000000,   0 },
        {0x3f800000, 0 },
        {9,          0 },
        {10,         11}
    };

    EXPECT_EQ(call(func, slots), TRAP_NONE);
    EXPECT_EQ(slots[0][0], 87654321);
    for (u32 i = 1; i < 8; i++)
        EXPECT_EQ(slots[i][0], i + 1);
    EXPECT_EQ(slots[8][0], 0x3f800000);
}

TEST(x64_emit_enter)
{
    struct body body = many();

    make_single(&body);
    check_many(0);
}

// A tail call with stack arguments from a function that has none: called by
// TYPE_LL_L with sum of two, it passes them on.
TEST(x64_emit_tail)
{
    struct body from = {
        .ins = {rm(X64_MOV64_MR, REG_RSI, MINS_OUT, 0),
                ri(X64_ZERO32, REG_RCX, 0),
                rm(X64_MOV64_MR, REG_RCX, MINS_OUT, 8),
                rr(X64_MOV64, REG_RBX, REG_RDI), ri(X64_ZERO32, REG_RSI, 0),
                ri(X64_ZERO32, REG_RDX, 0), ri(X64_ZERO32, REG_R8, 0),
                ri(X64_ZERO32, REG_R9, 0), imm_only(X64_TAIL_REL, 0)},
        .ends = LIST(9),
        .type = TYPE_LL_L,
        .out_size = 48,
        .saved = 1 << REG_RBX | 1 << REG_R13,
        .calls = {{.func = 1, .args_size = 16}      },
    };
    struct body to = {
        .ins = {rr(X64_MOV64, REG_RAX, REG_RDI),
                rm(X64_ADD64, REG_RAX, MINS_ARGS, 0),
                rm(X64_ADD64, REG_RAX, MINS_ARGS, 8), imm_only(X64_RET, 0)},
        .ends = LIST(4),
        .type = TYPE_LL_L,
        .args_size = 16,
    };

    start_module(0);
    EXPECT_EQ(add_function(&from, 0), OK);
    EXPECT_EQ(add_function(&to, 1), OK);
    finish_module(2);
    EXPECT_EQ(call2(0, 40, 2), 42);
}

// An import by its stub.
TEST(x64_emit_import)
{
    struct body body = {
        .ins = {imm_only(X64_CALL_REL, 0), ri(X64_ADD32_I, REG_RAX, 1),
                imm_only(X64_RET, 0)},
        .ends = LIST(3),
        .calls = {{.func = 0}      },
    };
    struct body add = {
        .ins = {rr(X64_MOV32, REG_RAX, REG_RDI),
                rr(X64_ADD32, REG_RAX, REG_RSI), imm_only(X64_RET, 0)},
        .ends = LIST(3),
    };

    start_module(1);
    EXPECT_EQ(add_function(&body, 1), OK);
    EXPECT_EQ(add_function(&add, 2), OK);
    finish_module(3);
    context.imports[0].code = (u64)(run_at + code.entries[2]);
    EXPECT_EQ(call2(1, 40, 1), 42);
}

// The same through an entry that belongs to another instance: there r14 is
// the other context, and back here it is ours.
TEST(x64_emit_adapt)
{
    struct vmctx *contexts[] = {&context.vm, &other_context.vm};
    struct thread_entry thread = {0};
    struct func_target targets[2];
    struct body caller = {
        .ins = {imm_only(X64_CALL_REL, 0),
                load(X64_ADD64, REG_RAX, MEM_VMCTX,
                offsetof(struct vmctx, instance)),
                imm_only(X64_RET, 0)},
        .ends = LIST(3),
        .type = TYPE_LL_L,
        .calls = {{.func = 0}       },
    };
    struct body callee = {
        .ins = {load(X64_MOV64, REG_RAX, MEM_VMCTX,
                offsetof(struct vmctx, instance)),
                rr(X64_ADD64, REG_RAX, REG_R15), imm_only(X64_RET, 0)},
        .ends = LIST(3),
        .type = TYPE_LL_L,
    };

    start_module(1);
    module.funcs[0].type = TYPE_LL_L;
    EXPECT_EQ(add_function(&caller, 1), OK);
    EXPECT_EQ(add_function(&callee, 2), OK);
    finish_module(3);
    context.vm.targets = targets;
    context.vm.contexts = contexts;
    context.vm.thread = other_context.vm.thread = (struct thread *)&thread;
    context.vm.instance = (struct instance *)100;
    context.memory.base = (u8 *)5;
    other_context.vm.instance = (struct instance *)2000;
    other_context.memory.base = (u8 *)7;
    context.imports[0] = (struct func_entry){.code = (u64)adapt_stub, .id = 1};
    targets[1] = (struct func_target){.code = (u64)(run_at + code.entries[2]),
                                      .context = 8};
    EXPECT_EQ(call2(1, 0, 0), 2000 + 7 + 100);
    targets[1].context = 0;
    EXPECT_EQ(call2(1, 0, 0), 100 + 5 + 100);
}

// Arguments and results on the stack cross instances too.
TEST(x64_emit_adapt_many)
{
    struct vmctx *contexts[] = {&context.vm, &other_context.vm};
    struct thread_entry thread = {0};
    struct func_target targets[2];
    struct body body = many();

    start_module(1);
    module.funcs[0].type = TYPE_MANY;
    EXPECT_EQ(add_function(&body, 1), OK);
    finish_module(2);
    context.vm.targets = targets;
    context.vm.contexts = contexts;
    context.vm.thread = other_context.vm.thread = (struct thread *)&thread;
    context.imports[0] = (struct func_entry){.code = (u64)adapt_stub, .id = 1};
    targets[1] = (struct func_target){.code = (u64)(run_at + code.entries[1]),
                                      .context = 8,
                                      .args = 1,
                                      .results = 1};
    other_context.vm.stack_limit = 0;
    check_many(0);
}
