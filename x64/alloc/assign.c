// x64/alloc/assign.c: registers for one instruction's operands.
//
// Reads are assigned first, each in a register or, where the row allows it, as
// memory; then the registers of values that are not used again are free, and
// the results are assigned.  All moves come before the instruction.

#include "x64/alloc/alloc.h"

enum { RELOAD_WITHIN = 12 }; // a use so near is worth a register

// An instruction whose operands are being assigned.
struct operands {
    struct allocator *a;
    const struct mins *ins;
    const struct x64_info *info;
    struct roles roles;
    struct mins new;
    vreg_t used[4]; // what is read: a, b, base, index, or 0
    u32 avoid;      // registers that operands may not be in
    u32 copies;     // registers that hold copies of fixed operands
};

static bool
is_dead(const struct allocator *a, vreg_t v)
{
    return a->values[v].next == NEVER;
}

static void
lock(struct operands *o, reg_t r)
{
    o->a->locked |= 1u << r;
}

// Put v in r, whatever form it has now.
static void
bring(struct operands *o, vreg_t v, reg_t r)
{
    struct allocator *a = o->a;
    const struct vreg *value = &a->values[v];

    if (value->reg != REG_NONE)
        alloc_put_copy(a, r, value->reg, value_type(a, v));
    else if (value->flags & VALUE_CONST)
        alloc_put_const(a, r, v, o->ins->flags_live);
    else
        alloc_put_load(a, r, v);
}

// --- fixed operands ----------------------------------------------------------

// Is v read by more than one operand?
static bool
is_shared(const struct operands *o, vreg_t v)
{
    u32 count = 0;

    for (u32 i = 0; i < COUNT(o->used); i++)
        count += o->used[i] == v;
    return count > 1;
}

// v is in r, which the instruction overwrites: give v another home.
static void
move_home(struct operands *o, vreg_t v, reg_t r)
{
    struct allocator *a = o->a;
    u32 set = a->free & type_regs(value_type(a, v)) & ~o->avoid & ~a->locked;

    alloc_reg_release(a, r);
    if (is_dead(a, v) && !is_shared(o, v))
        return;
    if (set != 0) {
        reg_t to = alloc_reg_choose(a, v, set);

        alloc_put_copy(a, to, r, value_type(a, v));
        alloc_reg_set(a, to, v);
        if (is_shared(o, v))
            lock(o, to);
    } else if (!(a->values[v].flags & VALUE_CONST)) {
        alloc_need_slot(a, v);
    }
}

static reg_t
assign_fixed(struct operands *o, vreg_t v, reg_t r)
{
    struct allocator *a = o->a;

    if (a->values[v].reg == r) {
        if (!(o->roles.clobbers >> r & 1))
            return r;
        move_home(o, v, r);
    } else {
        alloc_reg_vacate(a, r, o->avoid);
        bring(o, v, r);
    }
    lock(o, r);
    o->copies |= 1u << r;
    a->free &= ~(1u << r);
    return r;
}

// --- other operands ----------------------------------------------------------

static bool
is_foldable(const struct operands *o, vreg_t v)
{
    const struct allocator *a = o->a;
    const struct vreg *value = &a->values[v];
    u32 size = value->flags & VALUE_CONST ? 16 : type_size(value_type(a, v));

    if (o->roles.b != ROLE_RM || o->info->mem == 0 || o->info->mem > size ||
        (o->info->flags & NO_MEM))
        return false;
    if (value->flags & VALUE_CONST)
        return type_is_vector(value_type(a, v));
    return value->next == NEVER || value->next > a->position + RELOAD_WITHIN ||
           (a->free & type_regs(value_type(a, v))) == 0;
}

static reg_t
assign_use(struct operands *o, vreg_t v)
{
    struct allocator *a = o->a;
    reg_t r = a->values[v].reg;

    if (r == REG_NONE) {
        r = alloc_reg_pick(
            a, v, type_regs(value_type(a, v)) & ~o->avoid & ~a->locked);
        bring(o, v, r);
        alloc_reg_set(a, r, v);
    }
    lock(o, r);
    return r;
}

// Operand b, as memory if that is better.
static void
assign_rm(struct operands *o, vreg_t v)
{
    struct allocator *a = o->a;

    if (a->values[v].reg != REG_NONE || !is_foldable(o, v)) {
        o->new.b = assign_use(o, v);
        return;
    }
    if (a->values[v].flags & VALUE_CONST)
        alloc_set_rodata(a, &o->new, v);
    else
        alloc_set_slot(a, &o->new, v);
}

// Exchange a and b where that saves a copy or a load.
static void
commute(struct operands *o)
{
    struct allocator *a = o->a;
    vreg_t x = o->used[0], y = o->used[1];
    bool x_good, y_good;

    if (!(o->info->flags & COMMUTES) || o->roles.b != ROLE_RM || x == y)
        return;
    x_good = a->values[x].reg != REG_NONE;
    y_good = a->values[y].reg != REG_NONE;
    if (o->roles.def == ROLE_TIED) {
        x_good = x_good && is_dead(a, x);
        y_good = y_good && is_dead(a, y);
        if (x_good && y_good) {
            reg_t hint = a->values[o->ins->def].hint;

            x_good = a->values[y].reg != hint;
        }
    }
    if (x_good || !y_good)
        return;
    o->used[0] = y;
    o->used[1] = x;
}

// Operand a of a tied result: the register of both.
static reg_t
assign_tied(struct operands *o, vreg_t v)
{
    struct allocator *a = o->a;
    reg_t r = a->values[v].reg;

    if (r != REG_NONE && is_dead(a, v)) {
        lock(o, r);
        return r;
    }
    if (r != REG_NONE)
        lock(o, r);
    r = alloc_reg_pick(a, o->ins->def,
                       type_regs(value_type(a, v)) & ~o->avoid & ~a->locked);
    bring(o, v, r);
    a->free &= ~(1u << r);
    lock(o, r);
    return r;
}

// --- the whole ---------------------------------------------------------------

static void
find_uses(struct operands *o)
{
    struct allocator *a = o->a;
    const struct mins *ins = o->ins;

    if (o->roles.a)
        o->used[0] = ins->a;
    if (o->roles.b && o->roles.b != ROLE_EARLY)
        o->used[1] = ins->b;
    if ((ins->flags & MINS_MEM) && is_vreg(ins->base))
        o->used[2] = ins->base;
    if ((ins->flags & MINS_MEM) && is_vreg(ins->index))
        o->used[3] = ins->index;
    for (u32 i = 0; i < COUNT(o->used); i++) {
        vreg_t v = o->used[i];

        if (v == 0)
            continue;
        alloc_uses_pop(a, v);
        if (a->values[v].reg != REG_NONE)
            lock(o, a->values[v].reg);
    }
}

static reg_t
base_of(vreg_t base)
{
    return base == MEM_VMCTX  ? REG_VMCTX :
           base == MEM_MEMORY ? REG_MEMORY :
                                REG_NONE;
}

static void
assign_uses(struct operands *o)
{
    struct allocator *a = o->a;
    u32 rest;

    commute(o);
    o->avoid = o->roles.clobbers;
    if (o->roles.b == ROLE_RCX)
        o->avoid |= 1 << REG_RCX;
    if (o->roles.a == ROLE_RAX)
        o->new.a = assign_fixed(o, o->used[0], REG_RAX);
    if (o->roles.b == ROLE_RAX)
        o->new.b = assign_fixed(o, o->used[1], REG_RAX);
    for (rest = o->roles.clobbers & ~o->copies; rest != 0; rest &= rest - 1)
        alloc_reg_vacate(a, (reg_t)bits_trailing_zeros(rest), o->avoid);
    if (o->roles.b == ROLE_RCX)
        o->new.b = assign_fixed(o, o->used[1], REG_RCX);
    if (o->roles.a == ROLE_USE && o->roles.def != ROLE_TIED)
        o->new.a = assign_use(o, o->used[0]);
    if (o->roles.b == ROLE_USE)
        o->new.b = assign_use(o, o->used[1]);
    if (o->used[2] != 0)
        o->new.base = assign_use(o, o->used[2]);
    if (o->used[3] != 0)
        o->new.index = assign_use(o, o->used[3]);
    if (o->roles.b == ROLE_RM)
        assign_rm(o, o->used[1]);
    if (o->roles.def == ROLE_TIED)
        o->new.a = assign_tied(o, o->used[0]);
}

static void
release_dead(struct operands *o)
{
    struct allocator *a = o->a;

    for (u32 i = 0; i < COUNT(o->used); i++) {
        vreg_t v = o->used[i];

        if (v == 0 || !is_dead(a, v) || a->values[v].reg == REG_NONE)
            continue;
        a->locked &= ~(1u << a->values[v].reg);
        alloc_value_release(a, v);
    }
    a->free |= o->copies;
}

// The register for a result, chosen before the instruction is written.
static reg_t
assign_def(struct operands *o, vreg_t v, u8 role)
{
    struct allocator *a = o->a;
    reg_t r;

    switch (role) {
    case ROLE_NONE:
        return REG_NONE;
    case ROLE_TIED:
        return (reg_t)o->new.a;
    case ROLE_RAX:
        return REG_RAX;
    case ROLE_RDX:
        return REG_RDX;
    }
    if (v == 0)
        return REG_NONE;
    r = alloc_reg_pick(
        a, v, type_regs(value_type(a, v)) & ~a->locked & ~o->roles.clobbers);
    lock(o, r);
    return r;
}

// A copy that stays where it is needs no instruction.
static bool
is_idle_copy(const struct operands *o)
{
    const struct mins *new = &o->new;

    if ((new->flags &MINS_MEM) || new->def != new->b)
        return false;
    return o->ins->op == X64_MOV64 || o->ins->op == X64_MOVAPS ||
           o->ins->op == X64_MOVUPS ||
           (o->ins->op == X64_MOV32 && value_type(o->a, o->ins->b) == IR_I32);
}

static void
define_result(struct operands *o, vreg_t v, reg_t r)
{
    struct allocator *a = o->a;

    if (r == REG_NONE)
        return;
    a->used |= 1u << r;
    if (v == 0) {
        if (a->in[r] == 0)
            a->free |= 1u << r;
        return;
    }
    alloc_define(a, v, r);
    if (alloc_uses_pop(a, v) == NEVER)
        alloc_value_release(a, v);
}

// A copy prefers the register that it copies.
static void
hint_copy(struct operands *o)
{
    struct vreg *def = &o->a->values[o->ins->def];

    if (o->info->shape == SHAPE_RM && o->new.b != REG_NONE &&
        def->hint == REG_NONE)
        def->hint = (u8)o->new.b;
}

void
alloc_ins(struct allocator *a, const struct mins *ins)
{
    struct operands o = {
        .a = a,
        .ins = ins,
        .info = x64_info(ins->op),
        .roles = *mins_roles(ins, a->m->features),
        .new = *ins,
    };
    vreg_t def = o.roles.def ? ins->def : 0;
    vreg_t def2 = o.roles.def2 ? ins->def2 : 0;
    vreg_t temporary = o.roles.b == ROLE_EARLY ? ins->b : 0;
    bool early = o.roles.b == ROLE_EARLY || o.roles.def2 == ROLE_EARLY;

    a->locked = 0;
    o.new.flags_live = false;
    o.new.def = o.new.a = o.new.b = REG_NONE;
    o.new.base = base_of(ins->base);
    o.new.index = REG_NONE;
    find_uses(&o);
    assign_uses(&o);
    hint_copy(&o);
    if (!early)
        release_dead(&o);
    o.new.def = assign_def(&o, def, o.roles.def);
    if (o.roles.def2)
        o.new.def2 = assign_def(&o, def2, o.roles.def2);
    else if (o.info->shape != SHAPE_JCC)
        o.new.def2 = REG_NONE;
    if (temporary != 0)
        o.new.b = assign_def(&o, temporary, ROLE_EARLY);
    if (early)
        release_dead(&o);
    if (!is_idle_copy(&o))
        *alloc_put(a, ins->op) = o.new;
    if ((o.new.flags &MINS_SPILLED) &&
        !(a->values[o.new.disp].flags & VALUE_STORED))
        a->values[o.new.disp].last_read = a->out.count;
    define_result(&o, def, (reg_t)o.new.def);
    define_result(&o, def2, o.roles.def2 ? (reg_t)o.new.def2 : REG_NONE);
    if (temporary != 0)
        define_result(&o, temporary, (reg_t)o.new.b);
    a->locked = 0;
}
