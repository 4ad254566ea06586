// x64/alloc/place.c: one instruction's operands.
//
// Reads are placed first, each in a register or, where the row allows it, as
// memory; then the registers of values that are not used again are free, and
// the results are placed.  All moves come before the instruction.

#include "x64/alloc/alloc.h"

enum { RELOAD_WITHIN = 12 }; // a use so near is worth a register

// An instruction being placed.
struct placing {
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
lock(struct placing *p, reg_t r)
{
    p->a->locked |= 1u << r;
}

// Put v in r, whatever form it has now.
static void
bring(struct placing *p, vreg_t v, reg_t r)
{
    struct allocator *a = p->a;
    const struct vreg *value = &a->values[v];

    if (value->reg != REG_NONE)
        code_copy(a, r, value->reg, value_type(a, v));
    else if (value->flags & VALUE_CONST)
        code_const(a, r, v, p->ins->flags_live);
    else
        code_load(a, r, v);
}

// --- fixed operands ----------------------------------------------------------

// Is v read by more than one operand?
static bool
is_shared(const struct placing *p, vreg_t v)
{
    u32 count = 0;

    for (u32 i = 0; i < COUNT(p->used); i++)
        count += p->used[i] == v;
    return count > 1;
}

// v is in r, which the instruction overwrites: give v another home.
static void
move_home(struct placing *p, vreg_t v, reg_t r)
{
    struct allocator *a = p->a;
    u32 set = a->free & type_regs(value_type(a, v)) & ~p->avoid & ~a->locked;

    reg_release(a, r);
    if (is_dead(a, v) && !is_shared(p, v))
        return;
    if (set != 0) {
        reg_t to = reg_choose(a, v, set);

        code_copy(a, to, r, value_type(a, v));
        reg_set(a, to, v);
        if (is_shared(p, v))
            lock(p, to);
    } else if (!(a->values[v].flags & VALUE_CONST)) {
        need_slot(a, v);
    }
}

static reg_t
place_fixed(struct placing *p, vreg_t v, reg_t r)
{
    struct allocator *a = p->a;

    if (a->values[v].reg == r) {
        if (!(p->roles.clobbers >> r & 1))
            return r;
        move_home(p, v, r);
    } else {
        reg_vacate(a, r, p->avoid);
        bring(p, v, r);
    }
    lock(p, r);
    p->copies |= 1u << r;
    a->free &= ~(1u << r);
    return r;
}

// --- other operands ----------------------------------------------------------

static bool
is_foldable(const struct placing *p, vreg_t v)
{
    const struct allocator *a = p->a;
    const struct vreg *value = &a->values[v];
    u32 size = value->flags & VALUE_CONST ? 16 : type_size(value_type(a, v));

    if (p->roles.b != ROLE_RM || p->info->mem == 0 || p->info->mem > size ||
        (p->info->flags & NO_MEM))
        return false;
    if (value->flags & VALUE_CONST)
        return type_is_vector(value_type(a, v));
    return value->next == NEVER || value->next > a->position + RELOAD_WITHIN ||
           (a->free & type_regs(value_type(a, v))) == 0;
}

static reg_t
place_use(struct placing *p, vreg_t v)
{
    struct allocator *a = p->a;
    reg_t r = a->values[v].reg;

    if (r == REG_NONE) {
        r = reg_pick(a, v,
                     type_regs(value_type(a, v)) & ~p->avoid & ~a->locked);
        bring(p, v, r);
        reg_set(a, r, v);
    }
    lock(p, r);
    return r;
}

// Operand b, as memory if that is better.
static void
place_rm(struct placing *p, vreg_t v)
{
    struct allocator *a = p->a;

    if (a->values[v].reg != REG_NONE || !is_foldable(p, v)) {
        p->new.b = place_use(p, v);
        return;
    }
    if (a->values[v].flags & VALUE_CONST)
        code_rodata(a, &p->new, v);
    else
        code_slot(a, &p->new, v);
}

// Exchange a and b where that saves a copy or a load.
static void
commute(struct placing *p)
{
    struct allocator *a = p->a;
    vreg_t x = p->used[0], y = p->used[1];
    bool x_good, y_good;

    if (!(p->info->flags & COMMUTES) || p->roles.b != ROLE_RM || x == y)
        return;
    x_good = a->values[x].reg != REG_NONE;
    y_good = a->values[y].reg != REG_NONE;
    if (p->roles.def == ROLE_TIED) {
        x_good = x_good && is_dead(a, x);
        y_good = y_good && is_dead(a, y);
        if (x_good && y_good) {
            reg_t hint = a->values[p->ins->def].hint;

            x_good = a->values[y].reg != hint;
        }
    }
    if (x_good || !y_good)
        return;
    p->used[0] = y;
    p->used[1] = x;
}

// Operand a of a tied result: the register of both.
static reg_t
place_tied(struct placing *p, vreg_t v)
{
    struct allocator *a = p->a;
    reg_t r = a->values[v].reg;

    if (r != REG_NONE && is_dead(a, v)) {
        lock(p, r);
        return r;
    }
    if (r != REG_NONE)
        lock(p, r);
    r = reg_pick(a, p->ins->def,
                 type_regs(value_type(a, v)) & ~p->avoid & ~a->locked);
    bring(p, v, r);
    a->free &= ~(1u << r);
    lock(p, r);
    return r;
}

// --- the whole ---------------------------------------------------------------

static void
find_uses(struct placing *p)
{
    struct allocator *a = p->a;
    const struct mins *ins = p->ins;

    if (p->roles.a)
        p->used[0] = ins->a;
    if (p->roles.b && p->roles.b != ROLE_EARLY)
        p->used[1] = ins->b;
    if ((ins->flags & MINS_MEM) && is_vreg(ins->base))
        p->used[2] = ins->base;
    if ((ins->flags & MINS_MEM) && is_vreg(ins->index))
        p->used[3] = ins->index;
    for (u32 i = 0; i < COUNT(p->used); i++) {
        vreg_t v = p->used[i];

        if (v == 0)
            continue;
        uses_pop(a, v);
        if (a->values[v].reg != REG_NONE)
            lock(p, a->values[v].reg);
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
place_uses(struct placing *p)
{
    struct allocator *a = p->a;
    u32 rest;

    commute(p);
    p->avoid = p->roles.clobbers;
    if (p->roles.b == ROLE_RCX)
        p->avoid |= 1 << REG_RCX;
    if (p->roles.a == ROLE_RAX)
        p->new.a = place_fixed(p, p->used[0], REG_RAX);
    if (p->roles.b == ROLE_RAX)
        p->new.b = place_fixed(p, p->used[1], REG_RAX);
    for (rest = p->roles.clobbers & ~p->copies; rest != 0; rest &= rest - 1)
        reg_vacate(a, (reg_t)bits_trailing_zeros(rest), p->avoid);
    if (p->roles.b == ROLE_RCX)
        p->new.b = place_fixed(p, p->used[1], REG_RCX);
    if (p->roles.a == ROLE_USE && p->roles.def != ROLE_TIED)
        p->new.a = place_use(p, p->used[0]);
    if (p->roles.b == ROLE_USE)
        p->new.b = place_use(p, p->used[1]);
    if (p->used[2] != 0)
        p->new.base = place_use(p, p->used[2]);
    if (p->used[3] != 0)
        p->new.index = place_use(p, p->used[3]);
    if (p->roles.b == ROLE_RM)
        place_rm(p, p->used[1]);
    if (p->roles.def == ROLE_TIED)
        p->new.a = place_tied(p, p->used[0]);
}

static void
release_dead(struct placing *p)
{
    struct allocator *a = p->a;

    for (u32 i = 0; i < COUNT(p->used); i++) {
        vreg_t v = p->used[i];

        if (v == 0 || !is_dead(a, v) || a->values[v].reg == REG_NONE)
            continue;
        a->locked &= ~(1u << a->values[v].reg);
        value_release(a, v);
    }
    a->free |= p->copies;
}

// The register for a result, chosen before the instruction is written.
static reg_t
place_def(struct placing *p, vreg_t v, u8 role)
{
    struct allocator *a = p->a;
    reg_t r;

    switch (role) {
    case ROLE_NONE:
        return REG_NONE;
    case ROLE_TIED:
        return (reg_t)p->new.a;
    case ROLE_RAX:
        return REG_RAX;
    case ROLE_RDX:
        return REG_RDX;
    }
    if (v == 0)
        return REG_NONE;
    r = reg_pick(a, v,
                 type_regs(value_type(a, v)) & ~a->locked & ~p->roles.clobbers);
    lock(p, r);
    return r;
}

// A copy that stays where it is needs no instruction.
static bool
is_idle_copy(const struct placing *p)
{
    const struct mins *new = &p->new;

    if ((new->flags &MINS_MEM) || new->def != new->b)
        return false;
    return p->ins->op == X64_MOV64 || p->ins->op == X64_MOVAPS ||
           p->ins->op == X64_MOVUPS ||
           (p->ins->op == X64_MOV32 && value_type(p->a, p->ins->b) == IR_I32);
}

static void
define_result(struct placing *p, vreg_t v, reg_t r)
{
    struct allocator *a = p->a;

    if (r == REG_NONE)
        return;
    a->used |= 1u << r;
    if (v == 0) {
        if (a->in[r] == 0)
            a->free |= 1u << r;
        return;
    }
    define(a, v, r);
    if (uses_pop(a, v) == NEVER)
        value_release(a, v);
}

// A copy prefers the register that it copies.
static void
hint_copy(struct placing *p)
{
    struct vreg *def = &p->a->values[p->ins->def];

    if (p->info->shape == SHAPE_RM && p->new.b != REG_NONE &&
        def->hint == REG_NONE)
        def->hint = (u8)p->new.b;
}

void
place_ins(struct allocator *a, const struct mins *ins)
{
    struct placing p = {
        .a = a,
        .ins = ins,
        .info = x64_info(ins->op),
        .roles = *mins_roles(ins, a->m->features),
        .new = *ins,
    };
    vreg_t def = p.roles.def ? ins->def : 0;
    vreg_t def2 = p.roles.def2 ? ins->def2 : 0;
    vreg_t temporary = p.roles.b == ROLE_EARLY ? ins->b : 0;
    bool early = p.roles.b == ROLE_EARLY || p.roles.def2 == ROLE_EARLY;

    a->locked = 0;
    p.new.flags_live = 0;
    p.new.def = p.new.a = p.new.b = REG_NONE;
    p.new.base = base_of(ins->base);
    p.new.index = REG_NONE;
    find_uses(&p);
    place_uses(&p);
    hint_copy(&p);
    if (!early)
        release_dead(&p);
    p.new.def = place_def(&p, def, p.roles.def);
    if (p.roles.def2)
        p.new.def2 = place_def(&p, def2, p.roles.def2);
    else if (p.info->shape != SHAPE_JCC)
        p.new.def2 = REG_NONE;
    if (temporary != 0)
        p.new.b = place_def(&p, temporary, ROLE_EARLY);
    if (early)
        release_dead(&p);
    if (!is_idle_copy(&p))
        *code_add(a, ins->op) = p.new;
    if (p.new.flags_live == SLOT_OF_VREG &&
        !(a->values[p.new.disp].flags & VALUE_STORED))
        a->values[p.new.disp].last = a->out.count;
    define_result(&p, def, (reg_t)p.new.def);
    define_result(&p, def2, p.roles.def2 ? (reg_t)p.new.def2 : REG_NONE);
    if (temporary != 0)
        define_result(&p, temporary, (reg_t)p.new.b);
    a->locked = 0;
}
