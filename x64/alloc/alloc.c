// x64/alloc/alloc.c: give every virtual register a place; see alloc.h.

#include "x64/alloc/alloc.h"

static void
init_values(struct allocator *a)
{
    const struct fn *fn = a->fn;

    for (vreg_t v = 0; v < a->m->vreg_count; v++) {
        struct vreg *value = &a->values[v];

        value->reg = value->hint = value->def_reg = REG_NONE;
        value->pred_reg = REG_NONE;
        value->slot = -1;
        if (v < fn->ins_count && fn->ins[v].op == IR_CONST)
            value->flags = VALUE_CONST;
    }
    for (u32 i = 0; i < fn->catch_count; i++)
        a->edge_flags[fn->catches[i].edge] |= EDGE_CATCH;
}

// Room for the locations of the longest signature that is called.
static status_t
init_abi_arena(struct allocator *a)
{
    const struct mach *m = a->m;
    u32 most = a->fn->type->param_count + a->fn->type->result_count;
    u64 size;
    void *buffer;

    for (u32 i = 0; i < m->call_count; i++)
        if (m->calls[i].type != NULL)
            most = MAX(most, m->calls[i].type->param_count +
                                 m->calls[i].type->result_count);
    size = (most + 16) * sizeof(struct abi_loc);
    buffer = arena_alloc(a->temp, size, 16);
    if (buffer == NULL)
        return ERR_NO_MEMORY;
    arena_init_fixed(&a->abi_arena, buffer, size);
    return OK;
}

enum { IN_PLACE = 2048 }; // instructions from which on memory counts

static bool
is_const(const struct mach *m, vreg_t v)
{
    return v < m->fn->ins_count && m->fn->ins[v].op == IR_CONST;
}

// Instructions that this one needs before it: constants, moves to fixed
// registers, the copy of a tied operand that is used again.
static u32
guess_before(const struct mach *m, const struct mins *ins, const u64 *seen)
{
    const struct roles *roles = mins_roles(ins, m->features);
    u32 count = 0;

    if (roles->a != ROLE_NONE)
        count += is_const(m, ins->a) || roles->a >= ROLE_RAX ||
                 (roles->def == ROLE_TIED && bit_get(seen, ins->a));
    if (roles->b != ROLE_NONE && roles->b != ROLE_EARLY)
        count += is_const(m, ins->b) || roles->b >= ROLE_RAX;
    if ((ins->flags & MINS_MEM) && is_vreg(ins->base))
        count += is_const(m, ins->base);
    if ((ins->flags & MINS_MEM) && is_vreg(ins->index))
        count += is_const(m, ins->index);
    return count;
}

// Note what is read; the number of operands.
static u32
note_operands(const struct mins *ins, const struct roles *roles, u64 *seen)
{
    u32 count = (roles->def != ROLE_NONE) + (roles->def2 != ROLE_NONE);

    if (roles->a != ROLE_NONE)
        bit_set(seen, ins->a);
    if (roles->b != ROLE_NONE)
        bit_set(seen, ins->b);
    if (is_vreg(ins->base))
        bit_set(seen, ins->base);
    if (is_vreg(ins->index))
        bit_set(seen, ins->index);
    return count + (roles->a != ROLE_NONE) + (roles->b != ROLE_NONE) +
           is_vreg(ins->base) + is_vreg(ins->index);
}

// About as many instructions as will be added; *operands is how many there are.
static u32
guess_added(const struct mach *m, struct arena *temp, u32 *operands)
{
    u64 mark = arena_mark(temp);
    u64 *seen = ARENA_NEW(temp, u64, m->vreg_count / 64 + 1);
    u32 count = m->count / 16 + 64;

    *operands = m->list_count;
    for (u32 i = 0; i < m->call_count; i++)
        count += m->calls[i].arg_count;
    for (u32 i = m->count; seen != NULL && i-- > 0;) {
        const struct mins *ins = &m->ins[i];
        const struct roles *roles = mins_roles(ins, m->features);

        count += guess_before(m, ins, seen);
        *operands += note_operands(ins, roles, seen);
    }
    arena_reset(temp, mark);
    return count;
}

// Move a large function's code up, to make room for the new code before it; the
// new code may overwrite what has been read.
static void
init_region(struct allocator *a)
{
    struct mach *m = a->m;
    u32 gap, operands;

    if (m->count < IN_PLACE || !m->is_packed || !mach_ins_last(m, a->temp))
        return;
    gap = guess_added(m, a->temp, &operands);
    if (!arena_resize(a->temp, m->ins, (u64)(gap + m->count) * sizeof(*m->ins)))
        return;
    memmove(m->ins + gap, m->ins, m->count * sizeof(*m->ins));
    a->region = m->ins;
    a->gap = gap;
    m->ins += gap;
    if (!mach_room(a->temp, &a->uses, &a->use_capacity, 0, operands,
                   sizeof(*a->uses)))
        fail(a, ERR_NO_MEMORY);
}

// The new code may reach up to the instruction that is being read.
static void
extend_region(struct allocator *a, u32 position)
{
    if (a->region != NULL && a->out.ins == a->region)
        a->out.capacity = a->gap + position;
}

static status_t
init(struct allocator *a, struct mach *m, struct arena *temp)
{
    const struct fn *fn = m->fn;

    *a = (struct allocator){
        .m = m,
        .fn = fn,
        .temp = temp,
        .free = REGS_ALL,
        .cycle_slot = -1,
        .budget = 4096 + 24 * (u64)(m->count + fn->block_count),
    };
    a->list = &a->out;
    init_region(a);
    a->values = ARENA_NEW(temp, struct vreg, m->vreg_count + 1);
    a->live_in = ARENA_NEW(temp, struct range, fn->block_count);
    a->exit = ARENA_NEW(temp, struct range, fn->block_count);
    a->loops = ARENA_NEW(temp, struct loop_info, fn->loop_count);
    a->edge_flags = ARENA_NEW(temp, u8, fn->edge_count);
    a->edge_code = ARENA_NEW(temp, struct range, fn->edge_count + 1);
    a->blocks =
        ARENA_NEW(temp, struct mblock, fn->block_count + fn->edge_count);
    m->edge_block = ARENA_NEW(temp, u32, fn->edge_count);
    if (!a->values || !a->live_in || !a->exit || !a->loops || !a->edge_flags ||
        !a->edge_code || !a->blocks || !m->edge_block)
        return ERR_NO_MEMORY;
    init_values(a);
    return a->status == OK ? init_abi_arena(a) : a->status;
}

static void
place_block(struct allocator *a, blk_t b)
{
    const struct mblock *block = &a->m->blocks[b];

    a->blocks[b].first = a->out.count;
    extend_region(a, block->first);
    uses_enter(a, b);
    block_enter(a, b);
    for (u32 i = block->first; i < block->end && a->status == OK; i++) {
        const struct mins *ins = &a->m->ins[i];

        extend_region(a, i);
        a->position = i;
        a->from = ins->from;
        if (mins_is_call(ins))
            place_call(a, ins);
        else
            place_ins(a, ins);
    }
    a->blocks[b].end = a->out.count;
    block_leave(a, b);
}

// After the walk back that counts uses, before the walk forth.
static status_t
init_walk(struct allocator *a)
{
    u32 room = a->m->count + a->m->count / 8 + 16;

    if (a->m->vreg_count >= 1u << 27)
        return ERR_LIMIT;
    a->out.ins = a->region;
    if (a->region != NULL)
        return OK;
    a->out.ins = arena_alloc(a->temp, room * sizeof(struct mins), 16);
    if (a->out.ins == NULL)
        return ERR_NO_MEMORY;
    a->out.capacity = room;
    return OK;
}

// A handler is entered with the registers of whoever threw: its function keeps
// all that its caller and itself rely on.  The last part of a function saves
// them for all parts.
static u32
saved_registers(const struct allocator *a)
{
    if (a->fn->has_pads)
        return REGS_CALLEE_SAVED | REGS_CONTEXT;
    if (a->fn->part != FN_WHOLE)
        return REGS_CALLEE_SAVED;
    return a->used & REGS_CALLEE_SAVED;
}

status_t
mach_allocate(struct mach *m, struct arena *temp)
{
    struct allocator a;
    status_t status = init(&a, m, temp);

    if (status != OK)
        return status;
    live(&a);
    if (a.status == OK && m->dump_live != NULL)
        live_print(&a, m->dump_live);
    if (a.status == OK)
        a.status = init_walk(&a);
    for (blk_t b = 0; b < a.fn->block_count && a.status == OK; b++)
        place_block(&a, b);
    extend_region(&a, m->count);
    if (a.status == OK)
        frame_finish(&a);
    if (a.status != OK)
        return a.status;
    m->ins = a.out.ins;
    m->count = a.out.count;
    m->capacity = a.out.capacity;
    m->blocks = a.blocks;
    m->saved = saved_registers(&a);
    return OK;
}
