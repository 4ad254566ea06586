// x64/alloc/alloc.c: give every virtual register a place; see alloc.h for what
// the phases do.

#include "x64/alloc/alloc.h"

static void
init_values(struct allocator *a)
{
    const struct fn *fn = a->fn;

    for (vreg_t v = 0; v < a->m->vreg_count; v++) {
        struct vreg *value = &a->values[v];

        if (!arena_may_step(a->temp, v)) {
            a->status = ERR_KILLED;
            return;
        }
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

static status_t
init(struct allocator *a, struct mach *m, struct arena *temp)
{
    const struct fn *fn = m->fn;

    if (m->vreg_count > STATE_VREG)
        return ERR_LIMIT;
    *a = (struct allocator){
        .m = m,
        .fn = fn,
        .temp = temp,
        .free = REGS_ALL,
        .cycle_slot = -1,
        .budget = 4096 + 24 * (u64)(m->count + fn->block_count),
    };
    a->list = &a->out;
    alloc_region_init(a);
    a->values = ARENA_NEW(temp, struct vreg, m->vreg_count + 1);
    a->live_in = ARENA_NEW(temp, struct range, fn->block_count);
    a->exit = ARENA_NEW(temp, struct range, fn->block_count);
    a->loops = ARENA_NEW(temp, struct loop_info, fn->loop_count);
    a->edge_flags = ARENA_NEW(temp, u8, fn->edge_count);
    a->edge_code = ARENA_NEW(temp, struct range, fn->edge_count + 1);
    a->blocks =
        ARENA_NEW(temp, struct mblock, fn->block_count + fn->edge_count);
    m->edge_block = ARENA_NEW(temp, u32, fn->edge_count);
    m->narrow = ARENA_NEW(temp, u16, fn->block_count);
    if (!a->values || !a->live_in || !a->exit || !a->loops || !a->edge_flags ||
        !a->edge_code || !a->blocks || !m->edge_block || !m->narrow)
        return ERR_NO_MEMORY;
    init_values(a);
    return a->status == OK ? init_abi_arena(a) : a->status;
}

static void
alloc_block(struct allocator *a, blk_t b)
{
    const struct mblock *block = &a->m->blocks[b];

    a->blocks[b].first = a->out.count;
    alloc_region_extend(a, block->first);
    alloc_uses_enter(a, b);
    alloc_block_enter(a, b);
    for (u32 i = block->first; i < block->end && a->status == OK; i++) {
        const struct mins *ins = &a->m->ins[i];

        if (!arena_may_step(a->temp, i))
            alloc_fail(a, ERR_KILLED);
        alloc_region_extend(a, i);
        a->position = i;
        a->from = ins->from;
        if (mins_is_call(ins))
            alloc_call(a, ins);
        else
            alloc_ins(a, ins);
    }
    a->blocks[b].end = a->out.count;
    alloc_block_leave(a, b);
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

// What later steps find in m.
static void
finish(struct allocator *a)
{
    struct mach *m = a->m;

    m->ins = a->out.ins;
    m->count = a->out.count;
    m->capacity = a->out.capacity;
    m->blocks = a->blocks;
    m->saved = saved_registers(a);
}

status_t
mach_allocate(struct mach *m, struct arena *temp)
{
    struct allocator a;
    status_t status = init(&a, m, temp);

    if (status != OK)
        return status;
    // 1. Last block to first: what is live where, how far its next use is.
    alloc_live(&a);
    if (a.status == OK && m->dump_live != NULL)
        alloc_live_print(&a, m->dump_live);
    // 2. First block to last: registers for all operands; edges get moves.
    if (a.status == OK)
        a.status = alloc_region_open(&a);
    for (blk_t b = 0; b < a.fn->block_count && a.status == OK; b++)
        alloc_block(&a, b);
    alloc_region_extend(&a, m->count);
    // 3. Slots for what was spilled; spill stores and moves get their place.
    if (a.status == OK)
        alloc_frame(&a);
    if (a.status == OK)
        finish(&a);
    return a.status;
}
