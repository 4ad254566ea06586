// verify/judge_value.c: what instructions do to registers and flags.
//
// A bound that is checked comes in three steps, as the compiler writes them,
// with moves in between: a compare, a branch that leaves when the bound does
// not hold, and a cmov that gives a harmless value where a mispredicted branch
// goes on.  Only what the cmov gives is bounded.

#include "verify/internal.h"

void
judge_forget(struct judge *j, u32 regs, u32 narrow)
{
    u32 id = j->ids, now = j->now;

    j->narrow = (j->narrow & ~regs) | (narrow & regs);
    for (; regs != 0; regs &= regs - 1) {
        u32 r = (u32)__builtin_ctz(regs);
        u8 bits = (u8)(64 - (narrow >> r & 1) * 32);
        j->regs[r] =
            (struct value){.id = ++id, .kind = KIND_NUMBER, .bits = bits};
        j->when[r] = now;
    }
    j->ids = id;
}

void
judge_forget_flags(struct judge *j)
{
    j->flags.width = 0;
    j->flags.denied = 0;
}

void
judge_forget_all(struct judge *j)
{
    judge_forget_flags(j);
    j->slots_from = j->now + 1;
    j->slots_fleeting = false;
    j->faulted.base = VERIFY_NONE;
}

void
judge_forget_fleeting(struct judge *j)
{
    static const u8 kept[] = {RBX, RBP, R12, R13};

    for (u32 i = 0; i < COUNT(kept); i++)
        if (is_fleeting(j->regs[kept[i]].kind))
            judge_forget(j, 1u << kept[i], 0);
    if (j->slots_fleeting)
        j->slots_from = j->now + 1;
    j->slots_fleeting = false;
    j->faulted.base = VERIFY_NONE; // a heap may be smaller
}

// --- operands ----------------------------------------------------------------

static const struct value *
register_value(struct judge *j, u32 reg)
{
    enum { NOT_READ = 1 << RSP | 1 << R15 | 1 << VERIFY_NONE };

    judge_check(j, (NOT_READ >> reg & 1) == 0, RULE_POINTER);
    return &j->regs[reg % REGS];
}

// What the lower `width` bytes are.
static struct value
narrowed(struct judge *j, const struct value *v, u32 width)
{
    if (v->bits <= 8 * width)
        return *v;
    if (v->kind == KIND_CONST)
        return value_const(j, v->number & ((1ull << 8 * width) - 1));
    return value_number(j, 8 * width);
}

struct value
judge_source(struct judge *j)
{
    const struct verify_ins *i = &j->ins;

    if (i->from == FROM_REG)
        return narrowed(j, register_value(j, i->b), i->width);
    if (i->from == FROM_MEM)
        return narrowed(j, &j->loaded, i->width);
    assert(i->from == FROM_IMM);
    struct value number = value_const(j, (u64)i->imm);
    return narrowed(j, &number, i->width);
}

static struct value
target_value(struct judge *j)
{
    return narrowed(j, register_value(j, j->ins.def), j->ins.width);
}

// --- sums --------------------------------------------------------------------

// v + number.  Where that may overflow, the carry says whether it is that.
static struct value
add_const(struct judge *j, struct value v, u64 number)
{
    u32 bits = MAX(v.bits, verify_bits(number)) + 1;
    struct value any = value_number(j, MIN(bits, 64)), sum = any;

    if (v.kind == KIND_CONST && bits <= 64)
        sum = value_const(j, v.number + number);
    if (v.kind != KIND_OWN_ID && number <= INT32_MAX) {
        sum.of = v.id;
        sum.arg = (u32)number;
    }
    if (bits <= 64)
        return sum;
    j->flags =
        (struct flags){.bound = sum, .id = any.id, .outside = CC_B, .width = 8};
    return any;
}

static struct value
sum_of(struct judge *j, struct value a, struct value b)
{
    if (a.kind == KIND_OFFSET && a.arg != 0 && b.kind == KIND_FUNCS) {
        struct value entry = value_of_kind(j, KIND_ENTRY, 0);
        entry.of = a.of;
        return entry;
    }
    if (a.kind == KIND_DISTANCE && b.kind == KIND_JUMPS && a.arg == b.arg) {
        struct value label = value_of_kind(j, KIND_LABEL, a.arg);
        label.number = a.number;
        return label;
    }
    if (b.kind == KIND_CONST)
        return add_const(j, a, b.number);
    if (a.kind == KIND_CONST)
        return add_const(j, b, a.number);
    return value_number(j, MIN(MAX(a.bits, b.bits) + 1, 64));
}

static void
add(struct judge *j)
{
    struct value a = target_value(j), b = judge_source(j);

    struct value sum =
        j->ins.width == 8 ? sum_of(j, a, b) : value_number(j, 8 * j->ins.width);
    judge_set(j, j->ins.def, sum);
}

static void and (struct judge * j)
{
    struct value a = target_value(j), b = judge_source(j);

    judge_set(j, j->ins.def, value_number(j, MIN(a.bits, b.bits)));
}

// A shift of 8 bytes by a constant.
static struct value
shifted_left(struct judge *j, struct value v, u32 count)
{
    struct value result = value_number(j, MIN(v.bits + count, 64));

    if (count == 4) {
        result.kind = KIND_OFFSET;
        result.of = v.id;
        result.arg = v.kind == KIND_REFERENCE;
    }
    return result;
}

static struct value
shifted_right(struct judge *j, struct value v, u32 count)
{
    if (count == 32)
        j->flags = (struct flags){
            .bound.bits = 32, .id = v.id, .outside = CC_NE, .width = 8};
    return value_number(j, v.bits > count ? v.bits - count : 0);
}

static void
any(struct judge *j)
{
    const struct verify_ins *i = &j->ins;

    struct value v = value_number(j, i->bits);
    if (i->width == 8 && i->form == FORM_SHL_I)
        v = shifted_left(j, *register_value(j, i->def), (u32)i->imm);
    else if (i->width == 8 && i->form == FORM_SHR_I)
        v = shifted_right(j, *register_value(j, i->def), (u32)i->imm);
    judge_set(j, i->def, v);
}

static void
merge(struct judge *j)
{
    u32 def = j->ins.def;
    u32 bits = MAX(register_value(j, def)->bits, 8 * j->ins.width);

    judge_set(j, def, value_number(j, bits));
}

// --- compares ----------------------------------------------------------------

// A canonical type id with that of a function.
static bool
compare_types(struct judge *j, struct value a, struct value b)
{
    struct value sig = a.kind == KIND_SIG ? a : b;
    struct value type = a.kind == KIND_SIG ? b : a;

    if (sig.kind != KIND_SIG || type.kind != KIND_TYPE)
        return false;
    j->flags = (struct flags){.bound = value_of_kind(j, KIND_CALLEE, type.arg),
                              .id = sig.of,
                              .outside = CC_NE,
                              .width = 4};
    return true;
}

// Value a with b, which may be a bound of it: by kind, what it is below that.
static struct flags
bound_of(struct value a, struct value b, u32 width)
{
    static const u8 kinds[KIND_LABEL + 1] = {
        [KIND_CONST] = KIND_BELOW,
        [KIND_COUNT] = KIND_TABLE_AT,
        [KIND_SIZE] = KIND_INSIDE,
        [KIND_FUNC_COUNT] = KIND_REFERENCE,
    };
    bool is_const = a.kind == KIND_CONST, is_sum = a.kind == KIND_NUMBER;
    struct flags f = {
        .bound = {.number = b.number,
                  .arg = b.arg,
                  .kind = kinds[b.kind],
                  .bits = a.bits},
        .subject = a.number,
        .id = a.id,
        .outside = CC_AE,
        .width = kinds[b.kind] != 0 ? (u8)width : 0,
        .is_const = is_const
    };

    if (b.kind != KIND_SIZE)
        return f;
    f.outside = CC_A;
    f.bound.number = is_const ? a.number : a.arg;
    f.id = is_const ? a.id : a.of;
    f.width = is_const || (is_sum && a.of != 0) ? (u8)width : 0;
    return f;
}

static void
compare(struct judge *j)
{
    const struct verify_ins *i = &j->ins;

    if ((i->flags & VERIFY_A_MEM) != 0 || i->width < 4)
        return;
    struct value a = narrowed(j, register_value(j, i->a), i->width);
    struct value b = judge_source(j);
    if (i->width == 4 && compare_types(j, a, b))
        return;
    j->flags = bound_of(a, b, i->width);
}

// --- cmov --------------------------------------------------------------------

// `v`, for which the bound holds.
static struct value
bounded(struct judge *j, struct value v)
{
    struct value result = j->flags.bound;

    result.id = ++j->ids;
    if (result.kind == KIND_INSIDE && j->flags.is_const)
        result.number -= v.number;
    return result;
}

// Is it the value that the flags are about?
static bool
is_subject(const struct flags *f, struct value v)
{
    if (f->bound.kind == KIND_CALLEE)
        return v.kind == KIND_ENTRY && v.of == f->id;
    if (!f->is_const || v.kind != KIND_CONST)
        return v.id == f->id;
    return f->bound.kind == KIND_INSIDE ? v.number <= f->subject :
                                          v.number == f->subject;
}

// The index of a jump table: the smaller of a register and a constant, both of
// 32 bits.
static bool
is_clamp(const struct judge *j, struct value def, struct value source)
{
    const struct flags *f = &j->flags;

    return f->bound.kind == KIND_BELOW && f->width == 4 && j->ins.cc == CC_B &&
           def.kind == KIND_CONST && def.number == f->bound.number &&
           source.id == f->id;
}

// A branch has left if the condition holds, so that only mispredicted ones move
// the constant.
static bool
is_mask(const struct judge *j, struct value source)
{
    return j->ins.width == 8 && (j->flags.denied >> j->ins.cc & 1) != 0 &&
           source.kind == KIND_CONST;
}

// Is it the mask of the bound that the flags tell of?
static bool
is_bound(const struct judge *j, struct value def, struct value source)
{
    const struct flags *f = &j->flags;

    return f->width >= (f->bound.kind == KIND_CALLEE ? 4 : 8) &&
           j->ins.cc == f->outside && is_subject(f, def) &&
           (source.number == 0 || f->bound.of != 0);
}

static void
select(struct judge *j)
{
    struct value def = target_value(j), source = judge_source(j);
    struct value result = def;

    if (is_clamp(j, def, source)) {
        result = value_of_kind(j, KIND_BELOW, 0);
        result.number = j->flags.bound.number + 1;
        result.bits = 32;
    } else if (!is_mask(j, source)) {
        result = value_number(j, MAX(def.bits, source.bits));
    } else if (is_bound(j, def, source)) {
        result = bounded(j, def);
    }
    judge_set(j, j->ins.def, result);
}

// --- all ---------------------------------------------------------------------

// rax and rdx.  The upper half of a product of 128 bits is as large as its
// factors make it.
static void
two(struct judge *j)
{
    const struct verify_ins *i = &j->ins;
    u32 high = i->bits;

    if ((i->form == FORM_DIV || i->form == FORM_IDIV) && j->site == SITE_NONE)
        j->site = SITE_DIVIDE;
    if (i->form == FORM_MUL64 && i->from == FROM_REG) {
        u32 bits = j->regs[VERIFY_RAX].bits + register_value(j, i->b)->bits;
        high = bits > 64 ? bits - 64 : 0;
    }
    judge_set(j, VERIFY_RAX, value_number(j, i->bits));
    judge_set(j, VERIFY_RDX, value_number(j, high));
}

static void
swap(struct judge *j)
{
    struct value a = *register_value(j, j->ins.def);
    struct value b = *register_value(j, j->ins.b);

    judge_set(j, j->ins.def, b);
    judge_set(j, j->ins.b, a);
}

// Sign-extended: an entry of a jump table, else anything.
static void
extend(struct judge *j)
{
    struct value v = j->loaded;

    if (j->ins.from != FROM_MEM || v.kind != KIND_DISTANCE)
        v = value_number(j, 64);
    judge_set(j, j->ins.def, v);
}

static void
copy(struct judge *j)
{
    if (j->ins.b == VERIFY_RAX)
        j->copied = j->at;
    judge_set(j, j->ins.def, judge_source(j));
}

static void
store(struct judge *j)
{
    struct value v = judge_source(j);

    if (j->ins.base == RSP)
        judge_stored(j, v);
}

void
judge_effect(struct judge *j)
{
    static void (*const effects[])(struct judge *) = {
        [EFFECT_COPY] = copy,     [EFFECT_ADD] = add,
        [EFFECT_SUB] = any,       [EFFECT_AND] = and,
        [EFFECT_SELECT] = select, [EFFECT_EXTEND] = extend,
        [EFFECT_ANY] = any,       [EFFECT_MERGE] = merge,
        [EFFECT_TWO] = two,       [EFFECT_SWAP] = swap,
        [EFFECT_STORE] = store,   [EFFECT_COMPARE] = compare,
        [EFFECT_TEST] = NULL, // of registers and memory nothing
    };

    if ((j->ins.flags & VERIFY_WFLAGS) != 0)
        judge_forget_flags(j);
    assert(j->ins.effect < COUNT(effects));
    if (effects[j->ins.effect] != NULL)
        effects[j->ins.effect](j);
}
