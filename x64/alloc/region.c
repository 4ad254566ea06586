// x64/alloc/region.c: where the new code goes.
//
// The code of a small function is written to a new array.  That of a large one
// is moved up instead, by as many instructions as will be added, and the new
// code grows from below into what has been read: memory for the code once, not
// twice.  A guess that was too small costs one copy.

#include "x64/alloc/alloc.h"

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

        if (!arena_may_step(temp, i))
            break; // who is killed gets no memory for it either
        count += guess_before(m, ins, seen);
        *operands += note_operands(ins, roles, seen);
    }
    arena_reset(temp, mark);
    return count;
}

void
alloc_region_init(struct allocator *a)
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
    if (!array_room(a->temp, &a->uses, &a->use_capacity, 0, operands,
                    sizeof(*a->uses)))
        alloc_fail(a, ERR_NO_MEMORY);
}

void
alloc_region_extend(struct allocator *a, u32 position)
{
    if (a->region != NULL && a->out.ins == a->region)
        a->out.capacity = a->gap + position;
}

status_t
alloc_region_open(struct allocator *a)
{
    u32 room = a->m->count + a->m->count / 8 + 16;

    a->out.ins = a->region;
    if (a->region != NULL)
        return OK;
    a->out.ins = arena_alloc(a->temp, room * sizeof(struct mins), 16);
    if (a->out.ins == NULL)
        return ERR_NO_MEMORY;
    a->out.capacity = room;
    return OK;
}
