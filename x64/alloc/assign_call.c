// x64/alloc/assign_call.c: arguments and results of calls and returns,
// parameters of the function.
//
// Before a call: stack arguments are stored; what lives on moves to callee-
// saved registers or is left to its slot; then all register arguments move at
// once.

#include "x64/alloc/alloc.h"

// The places of a call's values.
struct signature {
    struct abi abi;
    struct abi_loc *args, *results;
};

static status_t
signature_of(struct allocator *a, const struct mcall *call, bool is_ret,
             struct signature *s)
{
    static const struct abi_loc builtin_result = {REG_RAX, 0};
    struct arena *arena = &a->abi_arena;
    status_t status;

    arena_reset(arena, 0);
    if (call->type != NULL) {
        status = abi_compute(&s->abi, call->type, arena);
        s->args = is_ret ? s->abi.results : s->abi.params;
        s->results = s->abi.results;
        return status;
    }
    s->abi = (struct abi){NULL, NULL, 0, 0};
    s->args = ARENA_NEW(arena, struct abi_loc, ABI_INTS);
    s->results = ARENA_NEW(arena, struct abi_loc, 1);
    if (s->args == NULL || s->results == NULL)
        return ERR_NO_MEMORY;
    for (u32 i = 1; i < ABI_INTS; i++)
        s->args[i - 1].reg = abi_int_args[i];
    s->results[0] = builtin_result;
    return OK;
}

static struct place
place_of(const struct allocator *a, vreg_t v)
{
    const struct vreg *value = &a->values[v];
    struct place place = {.type = value_type(a, v), .v = v};

    if (value->reg != REG_NONE) {
        place.kind = PLACE_REG;
        place.reg = value->reg;
    } else {
        place.kind = value->flags & VALUE_CONST ? PLACE_CONST : PLACE_SLOT;
    }
    return place;
}

static void
pop_args(struct allocator *a, const struct mcall *call, const struct mins *ins)
{
    if ((ins->flags & MINS_MEM) && is_vreg(ins->base))
        alloc_uses_pop(a, ins->base);
    for (u32 i = 0; i < call->arg_count; i++)
        alloc_uses_pop(a, a->m->list[call->args + i]);
}

static void
store_stack_args(struct allocator *a, const struct mcall *call,
                 const struct abi_loc *locs, u8 kind)
{
    for (u32 i = 0; i < call->arg_count; i++) {
        vreg_t v = a->m->list[call->args + i];
        struct place to = {.kind = kind, .type = value_type(a, v)};

        if (locs[i].reg != REG_NONE)
            continue;
        to.offset = locs[i].offset;
        alloc_move_add(a, to, place_of(a, v));
    }
    alloc_moves_put(a);
}

// What lives on after the call leaves the registers that do not.
static void
save_survivors(struct allocator *a)
{
    for (u32 rest = REGS_CALLER_SAVED & ~a->free; rest; rest &= rest - 1) {
        reg_t r = (reg_t)bits_trailing_zeros(rest);
        vreg_t v = a->in[r];
        u32 set = a->free & REGS_CALLEE_SAVED;
        reg_t to;

        if (a->fn->blocks[a->block].cold)
            set &= a->used;
        if (v == 0 || (a->values[v].flags & VALUE_CONST) ||
            alloc_next_use(a, v) == NEVER)
            continue;
        if (r >= REG_XMM0 || set == 0 || (a->values[v].flags & VALUE_SLOT)) {
            alloc_need_slot(a, v);
            continue;
        }
        to = alloc_reg_choose(a, v, set);
        alloc_put_copy(a, to, r, value_type(a, v));
        alloc_reg_release(a, r);
        alloc_reg_set(a, to, v);
    }
}

static void
move_reg_args(struct allocator *a, const struct mcall *call,
              const struct abi_loc *locs)
{
    for (u32 i = 0; i < call->arg_count; i++) {
        vreg_t v = a->m->list[call->args + i];
        struct place to = {.kind = PLACE_REG, .reg = locs[i].reg};

        if (locs[i].reg == REG_NONE)
            continue;
        to.type = value_type(a, v);
        alloc_move_add(a, to, place_of(a, v));
    }
}

static void
clobber(struct allocator *a)
{
    for (u32 rest = REGS_ALL & ~a->free; rest != 0; rest &= rest - 1) {
        reg_t r = (reg_t)bits_trailing_zeros(rest);

        if ((REGS_CALLER_SAVED >> r & 1) || a->in[r] == 0 ||
            alloc_next_use(a, a->in[r]) == NEVER)
            alloc_reg_release(a, r);
    }
}

// Results in memory, one by one: there may be more than registers.
static void
load_result(struct allocator *a, vreg_t v, u32 offset)
{
    static const u16 ops[] = {
        [IR_I32] = X64_MOV32, [IR_I64] = X64_MOV64,   [IR_F32] = X64_MOVSS,
        [IR_F64] = X64_MOVSD, [IR_V128] = X64_MOVUPS,
    };
    u8 type = value_type(a, v);
    reg_t r = alloc_reg_pick(a, v, type_regs(type));
    struct mins *ins = alloc_put(a, ops[type]);

    ins->def = r;
    ins->flags = MINS_MEM | MINS_OUT;
    ins->disp = (i32)offset;
    alloc_define(a, v, r);
}

static void
fetch_results(struct allocator *a, const struct mcall *call,
              const struct abi_loc *locs)
{
    const vreg_t *results = &a->m->list[call->results];

    for (u32 i = 0; i < call->result_count; i++) {
        vreg_t v = results[i];

        if (v == 0)
            continue;
        alloc_uses_pop(a, v);
        if (locs[i].reg != REG_NONE && a->values[v].next != NEVER)
            alloc_define(a, v, locs[i].reg);
    }
    for (u32 i = 0; i < call->result_count; i++) {
        vreg_t v = results[i];

        if (v != 0 && locs[i].reg == REG_NONE && a->values[v].next != NEVER)
            load_result(a, v, locs[i].offset);
    }
}

static void
add_call(struct allocator *a, const struct mins *ins)
{
    struct mins *new = alloc_put(a, ins->op);

    *new = *ins;
    new->def = new->def2 = new->a = new->b = REG_NONE;
    new->base = new->index = REG_NONE;
    if (ins->flags & MINS_MEM)
        new->base = ins->base == MEM_VMCTX ? REG_VMCTX : REG_RAX;
}

void
alloc_call(struct allocator *a, const struct mins *ins)
{
    struct mcall *call = &a->m->calls[ins->imm];
    bool is_call = mins_returns(ins), is_ret = mins_is_ret(ins);
    struct signature s;
    status_t status = signature_of(a, call, is_ret, &s);

    if (status != OK) {
        alloc_fail(a, status);
        return;
    }
    pop_args(a, call, ins);
    if (!is_ret) {
        call->args_size = s.abi.args_size;
        a->m->out_size = MAX(a->m->out_size, s.abi.stack_size);
    }
    store_stack_args(a, call, s.args, is_ret ? PLACE_ARGS : PLACE_OUT);
    if (is_call)
        save_survivors(a);
    move_reg_args(a, call, s.args);
    if ((ins->flags & MINS_MEM) && is_vreg(ins->base)) {
        struct place rax = {PLACE_REG, REG_RAX, IR_I64, 0, 0};

        alloc_move_add(a, rax, place_of(a, ins->base));
    }
    if (call->type == NULL && is_call) { // a builtin takes the vmctx first
        struct place to = {PLACE_REG, REG_RDI, IR_I64, 0, 0};
        struct place vmctx = {PLACE_REG, REG_VMCTX, IR_I64, 0, 0};

        alloc_move_add(a, to, vmctx);
    }
    alloc_moves_put(a);
    add_call(a, ins);
    if (is_call) {
        clobber(a);
        fetch_results(a, call, s.results);
    }
}

void
alloc_params(struct allocator *a)
{
    const struct block *block = &a->fn->blocks[0];
    struct abi abi;
    status_t status;

    arena_reset(&a->abi_arena, 0);
    status = abi_compute(&abi, a->fn->type, &a->abi_arena);
    if (status != OK) {
        alloc_fail(a, status);
        return;
    }
    a->m->args_size = abi.args_size;
    for (u32 i = 0; i < block->params; i++) {
        vreg_t v = block->first + i;
        struct abi_loc loc = abi.params[a->fn->ins[v].a];

        if (alloc_next_use(a, v) == NEVER)
            continue;
        if (loc.reg != REG_NONE) {
            alloc_define(a, v, loc.reg);
        } else {
            a->values[v].flags |= VALUE_SLOT | VALUE_INCOMING;
            a->values[v].incoming = (i32)loc.offset;
        }
    }
}
