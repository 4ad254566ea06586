// test/x64/alloc.c: random functions in machine code, allocated and checked.

#include "test/test.h"
#include "test/x64/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_INS = 40000, // per function
    MAX_EDGES = 4000,
    MAX_LABELS = 32,
    MAX_LIVE = 400,
};

// Where branches may go.
struct label {
    u8 types[24]; // of the parameters
    u32 count;
    blk_t header;      // of a loop, or 0
    edge_t edges[600]; // forward edges to be bound
    u32 edge_count;
};

struct maker {
    u64 random;
    struct fn fn;
    struct mach m;
    struct type types[8];
    valtype_t vals[8][40];
    vreg_t live[MAX_LIVE]; // values that dominate this point
    u32 live_count;
    struct label labels[MAX_LABELS];
    u32 label_count;
    u32 pool_count, edge_count, ins_count, vreg_count;
    u32 budget; // instructions still to make
    u32 loop;
    u32 pressure; // how many different values to use at once
    bool plain;
};

static u32
roll(struct maker *g, u32 n)
{
    g->random ^= g->random << 13;
    g->random ^= g->random >> 7;
    g->random ^= g->random << 17;
    return (u32)(g->random >> 33) % n;
}

static vreg_t
new_ins(struct maker *g, u16 op, u8 type)
{
    vreg_t v = g->fn.ins_count++;

    assert(v < MAX_INS);
    g->fn.ins[v] = (struct ins){.op = op, .type = type};
    return v;
}

static void
now_live(struct maker *g, vreg_t v)
{
    if (g->live_count < MAX_LIVE)
        g->live[g->live_count++] = v;
    else
        g->live[roll(g, MAX_LIVE)] = v;
}

static u8
type_of(const struct maker *g, vreg_t v)
{
    return g->fn.ins[v].type;
}

static bool
fits(u8 type, u8 wanted)
{
    return type == wanted || (wanted == IR_I64 && type == IR_I32);
}

static vreg_t
new_const(struct maker *g, u8 type)
{
    static const u32 words[] = {0, 1, 7, 0x7fffffff, 0x80000000, 0xffffffff};
    vreg_t v = new_ins(g, IR_CONST, type);

    g->fn.ins[v].a = words[roll(g, COUNT(words))];
    if (type == IR_I64 || type == IR_F64)
        g->fn.ins[v].b = words[roll(g, COUNT(words))];
    if (type == IR_V128)
        g->fn.ins[v].a = roll(g, 2);
    return v;
}

// A value of the type to use: mostly among the last `pressure`.
static vreg_t
pick(struct maker *g, u8 type)
{
    for (u32 i = 0; i < 24 && g->live_count > 0 && roll(g, 12) != 0; i++) {
        u32 window = MIN(g->live_count, g->pressure);
        u32 from = roll(g, 8) == 0 ? g->live_count : window;
        vreg_t v = g->live[g->live_count - 1 - roll(g, from)];

        if (fits(type_of(g, v), type))
            return v;
    }
    return new_const(g, type);
}

static vreg_t
pick_exact(struct maker *g, u8 type)
{
    vreg_t v = pick(g, type);

    return type_of(g, v) == type ? v : new_const(g, type);
}

static vreg_t
new_value(struct maker *g, u8 type)
{
    return new_ins(g, IR_PARAM, type); // any op but CONST will do
}

static struct mins *
add(struct maker *g, u32 op)
{
    struct mins *ins = &g->m.ins[g->m.count++];

    assert(g->m.count < MAX_INS);
    *ins = (struct mins){.op = (u16)op};
    if (g->budget > 0)
        g->budget--;
    return ins;
}

// --- instructions ------------------------------------------------------------

static const struct {
    u16 op;
    u8 def, a, b;
} simple[] = {
    {X64_ADD32,        IR_I32,  IR_I32,  IR_I32 },
    {X64_ADD64,        IR_I64,  IR_I64,  IR_I64 },
    {X64_SUB32,        IR_I32,  IR_I32,  IR_I32 },
    {X64_SUB64,        IR_I64,  IR_I64,  IR_I64 },
    {X64_XOR32,        IR_I32,  IR_I32,  IR_I32 },
    {X64_IMUL64,       IR_I64,  IR_I64,  IR_I64 },
    {X64_ADD32_I,      IR_I32,  IR_I32,  0      },
    {X64_SHL32_I,      IR_I32,  IR_I32,  0      },
    {X64_NEG32,        IR_I32,  IR_I32,  0      },
    {X64_SHL32_CL,     IR_I32,  IR_I32,  IR_I32 },
    {X64_SHLX64,       IR_I64,  IR_I64,  IR_I64 },
    {X64_MOV64,        IR_I64,  0,       IR_I64 },
    {X64_MOV32,        IR_I32,  0,       IR_I64 },
    {X64_IMUL32_I,     IR_I32,  0,       IR_I32 },
    {X64_MOVZX8,       IR_I32,  0,       IR_I32 },
    {X64_MOVSX32_64,   IR_I64,  0,       IR_I32 },
    {X64_ADDSD,        IR_F64,  IR_F64,  IR_F64 },
    {X64_ADDSS,        IR_F32,  IR_F32,  IR_F32 },
    {X64_SQRTSD,       IR_F64,  0,       IR_F64 },
    {X64_ADDPS,        IR_V128, IR_V128, IR_V128},
    {X64_SUBSD,        IR_F64,  IR_F64,  IR_F64 },
    {X64_PADDD,        IR_V128, IR_V128, IR_V128},
    {X64_XORPS,        IR_F64,  IR_F64,  IR_F64 },
    {X64_SHUFPS,       IR_V128, IR_V128, IR_V128},
    {X64_PSHUFD,       IR_V128, 0,       IR_V128},
    {X64_PSRLD_I,      IR_V128, IR_V128, 0      },
    {X64_MOVAPS,       IR_F64,  0,       IR_F64 },
    {X64_MOVD_X,       IR_F32,  0,       IR_I32 },
    {X64_MOVD_R,       IR_I32,  IR_F32,  0      },
    {X64_CVTSI2SD_32,  IR_F64,  IR_F64,  IR_I32 },
    {X64_FMIN_SD,      IR_F64,  IR_F64,  IR_F64 },
    {X64_ANDNPS,       IR_V128, IR_V128, IR_V128},
    {X64_MUL64,        IR_I64,  IR_I64,  IR_I64 },
    {X64_DIV32,        IR_I32,  IR_I32,  IR_I32 },
    {X64_IDIV64,       IR_I64,  IR_I64,  IR_I64 },
    {X64_MOV32_I,      IR_I32,  0,       0      },
    {X64_CVTTSD2SI_32, IR_I32,  0,       IR_F64 },
};

static void
add_address(struct maker *g, struct mins *ins)
{
    ins->flags |= MINS_MEM;
    ins->disp = (i32)roll(g, 100);
    switch (roll(g, 4)) {
    case 0:
        ins->base = MEM_VMCTX;
        break;
    case 1:
        ins->base = pick(g, IR_I64);
        ins->index = pick(g, IR_I64);
        ins->scale = (u8)roll(g, 4);
        break;
    case 2:
        ins->base = pick(g, IR_I64);
        break;
    default:
        ins->base = MEM_MEMORY;
        ins->index = pick(g, IR_I32);
    }
}

static void
add_simple(struct maker *g)
{
    u32 k = roll(g, COUNT(simple));
    u8 shape = x64_info(simple[k].op)->shape;
    vreg_t a = simple[k].a ? pick(g, simple[k].a) : 0;
    vreg_t b = simple[k].b ? pick(g, simple[k].b) : 0;
    bool tied = shape != SHAPE_MUL && shape != SHAPE_DIV;
    struct mins *ins;

    if (a != 0 && type_of(g, a) != simple[k].a && tied &&
        simple[k].def == IR_I32)
        a = pick_exact(g, simple[k].a);
    ins = add(g, simple[k].op);
    ins->a = a;
    ins->b = b;
    ins->imm = roll(g, 8);
    if (b != 0 && roll(g, 4) == 0 && x64_info(ins->op)->mem != 0 &&
        shape != SHAPE_R_CL) {
        ins->b = 0;
        add_address(g, ins);
    }
    ins->def = new_value(g, simple[k].def);
    if (!tied) {
        ins->def2 = roll(g, 3) == 0 ? 0 : new_value(g, simple[k].def);
        if (ins->def2 != 0 && roll(g, 3) == 0)
            ins->def = 0;
        if (ins->def2 != 0)
            now_live(g, ins->def2);
    }
    if (ins->def != 0)
        now_live(g, ins->def);
}

static void
add_compare(struct maker *g)
{
    struct mins *ins;

    if (roll(g, 4) == 0) {
        vreg_t a = pick(g, IR_F64), b = pick(g, IR_F64);

        ins = add(g, X64_UCOMISD);
        ins->a = a;
        ins->b = b;
    } else if (roll(g, 2) == 0) {
        vreg_t b = pick(g, IR_I32);

        ins = add(g, X64_CMP32_I);
        ins->b = b;
    } else {
        vreg_t a = pick(g, IR_I32), b = pick(g, IR_I32);

        ins = add(g, roll(g, 2) ? X64_CMP32 : X64_TEST32);
        ins->a = a;
        ins->b = b;
    }
}

static void
add_flag_user(struct maker *g)
{
    struct mins *ins;
    vreg_t a, b;

    add_compare(g);
    switch (roll(g, 3)) {
    case 0:
        ins = add(g, X64_SETCC);
        ins->def = new_value(g, IR_I32);
        now_live(g, ins->def);
        break;
    case 1:
        a = pick(g, IR_I64);
        b = pick(g, IR_I64);
        ins = add(g, X64_CMOV64);
        ins->a = a;
        ins->b = b;
        ins->def = new_value(g, IR_I64);
        now_live(g, ins->def);
        break;
    default:
        add(g, X64_TRAP_CC);
    }
}

static void
add_memory(struct maker *g)
{
    struct mins *ins;
    vreg_t a, b;
    static const u16 stores[] = {
        [IR_I32] = X64_MOV32_MR,   [IR_I64] = X64_MOV64_MR,
        [IR_F32] = X64_MOVSS_MR,   [IR_F64] = X64_MOVSD_MR,
        [IR_V128] = X64_MOVUPS_MR,
    };
    u8 type = (u8)(1 + roll(g, 5));

    switch (roll(g, 8)) {
    case 0:
        a = pick(g, IR_I32);
        ins = add(g, X64_LOCK_XADD32);
        ins->a = a;
        add_address(g, ins);
        ins->def = roll(g, 3) ? new_value(g, IR_I32) : 0;
        break;
    case 1:
        a = pick(g, IR_I32);
        b = pick(g, IR_I32);
        ins = add(g, X64_LOCK_CMPXCHG32);
        ins->a = a;
        ins->b = b;
        add_address(g, ins);
        ins->def = roll(g, 3) ? new_value(g, IR_I32) : 0;
        break;
    case 2:
        a = pick(g, IR_I32);
        ins = add(g, X64_LOOP_OR32);
        ins->a = a;
        add_address(g, ins);
        ins->def = new_value(g, IR_I32);
        ins->def2 = new_value(g, IR_I64);
        break;
    case 3:
    case 4:
        a = pick(g, type);
        ins = add(g, stores[type]);
        ins->a = a;
        add_address(g, ins);
        break;
    case 5:
        ins = add(g, X64_ADD32_MI);
        add_address(g, ins);
        break;
    default:
        ins = add(g, X64_MOV64);
        add_address(g, ins);
        ins->def = new_value(g, IR_I64);
    }
    if (ins->def != 0)
        now_live(g, ins->def);
}

static const u8 ir_types[] = {
    [VAL_I32] = IR_I32, [VAL_I64] = IR_I64,   [VAL_F32] = IR_F32,
    [VAL_F64] = IR_F64, [VAL_V128] = IR_V128,
};

static u32
new_call(struct maker *g, const struct type *type, bool returns)
{
    const valtype_t *args = type->vals;
    u32 count = type->param_count;
    struct mcall *call = &g->m.calls[g->m.call_count];

    *call = (struct mcall){.type = type};
    if (returns) {
        args += type->param_count;
        count = type->result_count;
    }
    call->args = g->m.list_count;
    call->arg_count = count;
    for (u32 i = 0; i < count; i++)
        g->m.list[g->m.list_count++] = pick_exact(g, ir_types[args[i]]);
    call->results = g->m.list_count;
    for (u32 i = 0; i < type->result_count && !returns; i++) {
        vreg_t v = new_value(g, ir_types[type->vals[type->param_count + i]]);

        g->m.list[g->m.list_count++] = roll(g, 4) ? v : 0;
        call->result_count++;
    }
    return g->m.call_count++;
}

static void
add_call(struct maker *g)
{
    u32 number = new_call(g, &g->types[roll(g, 7)], false);
    const struct mcall *call = &g->m.calls[number];
    bool indirect = roll(g, 3) == 0;
    vreg_t base = indirect ? pick(g, IR_I64) : 0;
    struct mins *ins = add(g, indirect ? X64_CALL_RM : X64_CALL_REL);

    ins->imm = number;
    if (indirect) {
        ins->flags = MINS_MEM;
        ins->base = base;
    }
    for (u32 i = 0; i < call->result_count; i++)
        if (g->m.list[call->results + i] != 0)
            now_live(g, g->m.list[call->results + i]);
}

static void
add_code(struct maker *g, u32 count)
{
    while (count-- > 0 && g->budget > 0) {
        switch (roll(g, 10)) {
        case 0:
            add_flag_user(g);
            break;
        case 1:
            add_memory(g);
            break;
        case 2:
            if (roll(g, 3) == 0)
                add_call(g);
            break;
        default:
            add_simple(g);
        }
    }
}

// --- blocks ------------------------------------------------------------------

static blk_t
this_block(const struct maker *g)
{
    return g->fn.block_count - 1;
}

static blk_t
open_block(struct maker *g, const u8 *types, u32 count)
{
    blk_t b = g->fn.block_count++;
    struct block *block = &g->fn.blocks[b];

    *block = (struct block){.first = g->fn.ins_count, .params = count};
    block->loop = g->loop;
    block->cold = roll(g, 10) == 0;
    for (u32 i = 0; i < count; i++) {
        vreg_t v = new_ins(g, IR_PARAM, types[i]);

        g->fn.ins[v].a = i;
        now_live(g, v);
    }
    g->m.blocks[b].first = g->m.count;
    return b;
}

static void
close_block(struct maker *g)
{
    g->m.blocks[this_block(g)].end = g->m.count;
}

static edge_t
new_edge(struct maker *g, const u8 *types, u32 count)
{
    edge_t e = g->fn.edge_count++;

    assert(e < MAX_EDGES);
    g->fn.edges[e] = (struct edge){.from = this_block(g)};
    g->fn.edges[e].args = g->fn.pool_count;
    for (u32 i = 0; i < count; i++)
        g->fn.pool[g->fn.pool_count++] = pick_exact(g, types[i]);
    return e;
}

static void
bind(struct maker *g, edge_t e, blk_t to)
{
    g->fn.edges[e].to = to;
    g->fn.next_pred[e] = g->fn.blocks[to].first_pred;
    g->fn.blocks[to].first_pred = e;
    g->fn.blocks[to].preds++;
}

static edge_t
edge_to_label(struct maker *g, struct label *label)
{
    edge_t e = new_edge(g, label->types, label->count);

    if (label->header != 0)
        bind(g, e, label->header);
    else
        label->edges[label->edge_count++] = e;
    return e;
}

static void
random_types(struct maker *g, u8 *types, u32 *count, u32 most)
{
    *count = roll(g, 3) == 0 ? roll(g, most) : roll(g, 3);
    for (u32 i = 0; i < *count; i++)
        types[i] = (u8)(roll(g, 3) ? 1 + roll(g, 2) : 1 + roll(g, 5));
}

static struct label *
push_label(struct maker *g)
{
    struct label *label = &g->labels[g->label_count++];

    random_types(g, label->types, &label->count, COUNT(label->types));
    label->header = 0;
    label->edge_count = 0;
    return label;
}

static void
place_label(struct maker *g, u32 live)
{
    struct label *label = &g->labels[--g->label_count];
    blk_t b;

    g->live_count = MIN(live, g->live_count);
    b = open_block(g, label->types, label->count);
    for (u32 i = 0; i < label->edge_count; i++)
        bind(g, label->edges[i], b);
}

static void
end_jump(struct maker *g, struct label *label)
{
    edge_t e = edge_to_label(g, label);

    add(g, X64_JMP)->imm = e;
    close_block(g);
}

// A conditional branch to a random label.
static void
branch(struct maker *g)
{
    struct label *label = &g->labels[roll(g, g->label_count)];
    u8 types[4];
    u32 count;
    edge_t to, other;
    struct mins *ins;
    blk_t next;

    if (label->edge_count > 500)
        return;
    random_types(g, types, &count, COUNT(types));
    add_compare(g);
    to = edge_to_label(g, label);
    other = new_edge(g, types, count);
    ins = add(g, X64_JCC);
    ins->imm = to;
    ins->def2 = other;
    close_block(g);
    next = open_block(g, types, count);
    bind(g, other, next);
}

static void
branch_table(struct maker *g)
{
    u32 count = 2 + roll(g, 5), live = g->live_count;
    struct label *labels[8];
    vreg_t a = new_value(g, IR_I32), from;
    struct mins *ins;
    edge_t first = 0;

    if (g->label_count + 1 >= MAX_LABELS)
        return;
    labels[0] = push_label(g);
    for (u32 i = 1; i < count; i++)
        labels[i] = &g->labels[roll(g, g->label_count)];
    from = pick(g, IR_I32);
    ins = add(g, X64_MOV32);
    ins->def = a;
    ins->b = from;
    for (u32 i = 0; i < count; i++) {
        edge_t e = edge_to_label(g, labels[i]);

        if (i == 0)
            first = e;
    }
    g->fn.cases[g->fn.case_count] = (struct cases){first, count, 0, 0};
    ins = add(g, X64_SWITCH);
    ins->imm = g->fn.case_count++;
    ins->a = a;
    ins->def = new_value(g, IR_I64);
    ins->b = new_value(g, IR_I64);
    close_block(g);
    place_label(g, live);
}

static void make_body(struct maker *g, u32 depth);

static void
make_loop(struct maker *g, u32 depth)
{
    struct label *label = push_label(g);
    u32 live = g->live_count, l = g->fn.loop_count++, outer = g->loop;
    edge_t e = new_edge(g, label->types, label->count);
    u32 at = g->label_count - 1;
    blk_t next;

    add(g, X64_JMP)->imm = e;
    close_block(g);
    g->loop = l;
    g->fn.loops[l] = (struct loop){.header = g->fn.block_count,
                                   .parent = outer,
                                   .depth = g->fn.loops[outer].depth + 1};
    label->header = open_block(g, label->types, label->count);
    bind(g, e, label->header);
    make_body(g, depth + 1);
    // Usually around again, by a branch at the bottom.
    if (roll(g, 4) != 0) {
        edge_t back, out;
        struct mins *ins;

        add_compare(g);
        back = edge_to_label(g, &g->labels[at]);
        out = new_edge(g, NULL, 0);
        ins = add(g, X64_JCC);
        ins->imm = back;
        ins->def2 = out;
        e = out;
    } else {
        e = new_edge(g, NULL, 0);
        add(g, X64_JMP)->imm = e;
    }
    close_block(g);
    g->loop = outer;
    g->fn.loops[l].end = g->fn.block_count;
    g->label_count--;
    g->live_count = MIN(live, g->live_count);
    next = open_block(g, NULL, 0);
    bind(g, e, next);
}

static void
make_if(struct maker *g, u32 depth)
{
    u32 live = g->live_count, at;
    edge_t then, other;
    struct mins *ins;
    blk_t b;

    push_label(g);
    at = g->label_count - 1;
    add_compare(g);
    then = new_edge(g, NULL, 0);
    other = new_edge(g, NULL, 0);
    ins = add(g, X64_JCC);
    ins->imm = then;
    ins->def2 = other;
    close_block(g);
    b = open_block(g, NULL, 0);
    bind(g, then, b);
    make_body(g, depth + 1);
    if (roll(g, 6) == 0) {
        u32 number = new_call(g, g->fn.type, true);

        add(g, X64_RET)->imm = number;
        close_block(g);
    } else {
        end_jump(g, &g->labels[at]);
    }
    g->live_count = MIN(live, g->live_count);
    b = open_block(g, NULL, 0);
    bind(g, other, b);
    if (roll(g, 2) == 0)
        make_body(g, depth + 1);
    end_jump(g, &g->labels[at]);
    place_label(g, live);
}

static void
make_block(struct maker *g, u32 depth)
{
    u32 live = g->live_count, at;

    push_label(g);
    at = g->label_count - 1;
    make_body(g, depth + 1);
    end_jump(g, &g->labels[at]);
    place_label(g, live);
}

static void
make_body(struct maker *g, u32 depth)
{
    u32 steps = 1 + roll(g, 5);

    while (steps-- > 0 && g->budget > 0) {
        add_code(g, roll(g, 12));
        if (depth > 6 || g->label_count + 2 >= MAX_LABELS || g->plain)
            continue;
        switch (roll(g, 6)) {
        case 0:
            make_loop(g, depth);
            break;
        case 1:
            make_if(g, depth);
            break;
        case 2:
            make_block(g, depth);
            break;
        case 3:
            if (g->label_count > 0)
                branch(g);
            break;
        case 4:
            if (g->label_count > 0)
                branch_table(g);
            break;
        }
    }
}

static void
make_types(struct maker *g)
{
    static const u8 counts[8][2] = {
        {0,  0 },
        {1,  1 },
        {2,  1 },
        {6,  2 },
        {9,  0 },
        {20, 3 },
        {3,  12},
        {12, 18}
    };

    for (u32 i = 0; i < 8; i++) {
        struct type *type = &g->types[i];

        type->vals = g->vals[i];
        type->param_count = counts[i][0];
        type->result_count = counts[i][1];
        for (u32 k = 0; k < type->param_count + type->result_count; k++)
            g->vals[i][k] =
                roll(g, 2) ? VAL_I32 + roll(g, 2) : VAL_I32 + roll(g, 5);
    }
}

static struct maker *
maker_new(u64 seed, u32 size)
{
    struct maker *g = calloc(1, sizeof(*g));
    static u64 constants[2][2] = {
        {0,                  0 },
        {0x123456789abcdef0, 77}
    };

    g->random = seed * 0x9e3779b97f4a7c15 + 1;
    for (u32 i = 0; i < 8; i++)
        roll(g, 2);
    g->budget = size;
    g->pressure = 4 + roll(g, 40);
    g->fn.ins = calloc(MAX_INS, sizeof(struct ins));
    g->fn.blocks = calloc(MAX_INS, sizeof(struct block));
    g->fn.edges = calloc(MAX_EDGES, sizeof(struct edge));
    g->fn.next_pred = calloc(MAX_EDGES, sizeof(edge_t));
    g->fn.pool = calloc(MAX_INS * 2, sizeof(val_t));
    g->fn.loops = calloc(1000, sizeof(struct loop));
    g->fn.cases = calloc(MAX_EDGES, sizeof(struct cases));
    g->fn.consts = constants;
    g->fn.ins_count = g->fn.edge_count = 1;
    g->fn.loop_count = 1;
    g->m.ins = calloc(MAX_INS, sizeof(struct mins));
    g->m.blocks = calloc(MAX_INS, sizeof(struct mblock));
    g->m.list = calloc(MAX_INS * 2, sizeof(vreg_t));
    g->m.calls = calloc(MAX_INS, sizeof(struct mcall));
    g->m.features = roll(g, 2) ? CPU_AVX : 0;
    make_types(g);
    return g;
}

static void
make_function(struct maker *g)
{
    u8 types[40];
    u32 number;

    g->fn.type = &g->types[roll(g, 8)];
    for (u32 i = 0; i < g->fn.type->param_count; i++)
        types[i] = ir_types[g->fn.type->vals[i]];
    open_block(g, types, g->fn.type->param_count);
    while (g->budget > 0)
        make_body(g, 0);
    number = new_call(g, g->fn.type, true);
    add(g, X64_RET)->imm = number;
    close_block(g);
    g->fn.loops[0].end = g->fn.block_count;
    g->m.fn = &g->fn;
    g->m.block_count = g->fn.block_count;
    g->m.vreg_count = g->fn.ins_count;
    g->m.types = calloc(g->fn.ins_count, 1);
    for (u32 i = 0; i < g->fn.ins_count; i++)
        g->m.types[i] = g->fn.ins[i].type;
}

static void
maker_free(struct maker *g)
{
    free(g->m.ins);
    free(g->m.blocks);
    free(g->fn.ins);
    free(g->fn.blocks);
    free(g->fn.edges);
    free(g->fn.next_pred);
    free(g->fn.pool);
    free(g->fn.loops);
    free(g->fn.cases);
    free(g->m.list);
    free(g->m.calls);
    free(g->m.types);
    free(g);
}

static void
move_array(struct arena *arena, void *array, u64 size)
{
    void *old, *new = arena_alloc(arena, size, 16);

    memcpy(&old, array, sizeof(old));
    assert(new != NULL);
    memcpy(new, old, size);
    memcpy(array, &new, sizeof(new));
}

// As select leaves a function to allocate.
static void
move_to_arena(struct mach *m, struct arena *arena)
{
    u64 mark = arena_mark(arena);

    move_array(arena, &m->ins, m->count * sizeof(*m->ins));
    move_array(arena, &m->blocks, m->block_count * sizeof(*m->blocks));
    move_array(arena, &m->types, m->vreg_count);
    move_array(arena, &m->calls, m->call_count * sizeof(*m->calls));
    move_array(arena, &m->list, m->list_count * sizeof(*m->list));
    mach_keep(m, arena, mark);
}

static bool
try_seed(u64 seed, u32 size, bool plain)
{
    static u8 buffer[64 * MIB];
    struct maker *g = maker_new(seed, size);
    struct mach made;
    struct arena arena;
    struct check *check;
    const char *what;
    status_t status;

    g->plain = plain;
    make_function(g);
    made = g->m;
    arena_init_fixed(&arena, buffer, sizeof(buffer));
    move_to_arena(&g->m, &arena);
    check = check_begin(&g->m);
    status = mach_allocate(&g->m, &arena);
    if (status == ERR_BUDGET) {
        what = NULL;
        printf("seed %llu: over budget\n", (unsigned long long)seed);
    } else {
        EXPECT_EQ(status, OK);
        what = check_end(check, &g->m);
    }
    if (what != NULL)
        printf("seed %llu size %u: %s\n", (unsigned long long)seed, size, what);
    g->m = made;
    maker_free(g);
    return what == NULL;
}

TEST(x64_alloc_small)
{
    for (u64 seed = 1; seed <= 3000; seed++)
        if (!try_seed(seed, 20, false)) {
            EXPECT(false);
            return;
        }
}

TEST(x64_alloc_medium)
{
    for (u64 seed = 1; seed <= 400; seed++)
        if (!try_seed(seed, 150, false)) {
            EXPECT(false);
            return;
        }
}

TEST(x64_alloc_large)
{
    for (u64 seed = 1; seed <= 20; seed++)
        if (!try_seed(seed, 1000, false)) {
            EXPECT(false);
            return;
        }
}

// Large enough for the new code to grow over the old.
TEST(x64_alloc_in_place)
{
    EXPECT(try_seed(1, 2500, false));
    for (u64 seed = 1; seed <= 10; seed++)
        EXPECT(try_seed(seed, 2500, true));
}

TEST(x64_alloc_block)
{
    for (u64 seed = 1; seed <= 200; seed++)
        if (!try_seed(seed, 300, true)) {
            EXPECT(false);
            return;
        }
}
