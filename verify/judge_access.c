// verify/judge_access.c: which memory an operand may reach.
//
// By its base: r15, memory 0 of a module whose guard catches all that 32 bits
// and a displacement reach; rsp, the frame; r14, parts of the vmctx; rip,
// constants beside the code; any other register, what is known to be in it.

#include "verify/internal.h"

enum { GLOBAL_SIZE = sizeof(struct vmctx_global) };

static bool
writes(const struct judge *j)
{
    return (j->ins.access & ACCESS_WRITE) != 0;
}

// A word is read from a place that is only read, by itself.
static bool
reads(const struct judge *j, u32 disp, u32 size)
{
    const struct verify_ins *i = &j->ins;

    return !writes(j) && i->index == VERIFY_NONE && i->disp == (i32)disp &&
           i->mem_size == size;
}

// [disp, disp + mem_size) is within `size` bytes.
static bool
within(const struct verify_ins *i, u64 size)
{
    return i->disp >= 0 && (u64)i->disp + i->mem_size <= size;
}

static const struct value *
index_value(const struct judge *j)
{
    return &j->regs[j->ins.index];
}

// No index, or an ordinary register.
static bool
is_plain_index(const struct verify_ins *i)
{
    return i->index == VERIFY_NONE || (FIXED >> i->index & 1) == 0;
}

// --- linear memory -----------------------------------------------------------

static bool
is_again(const struct judge *j)
{
    const struct verify_ins *i = &j->ins, *f = &j->faulted;

    return i->base == f->base && i->index == f->index && i->disp == f->disp &&
           i->scale == f->scale && i->mem_size <= f->mem_size &&
           (i->flags & VERIFY_LOCKED) != 0 && i->effect == EFFECT_MERGE &&
           index_value(j)->id == j->faulted_index &&
           j->regs[i->base].id == j->faulted_base;
}

// It may fault.  An exchange of what was read just now does not.
static void
linear(struct judge *j)
{
    judge_check(j, (j->ins.flags & VERIFY_ALIGNED) == 0, RULE_ALIGNED);
    if (is_again(j)) {
        j->site = SITE_AGAIN;
        return;
    }
    j->site = SITE_MEMORY;
    j->faulted = j->ins;
    j->faulted_index = index_value(j)->id;
    j->faulted_base = j->regs[j->ins.base].id;
}

// Bytes [index + disp, ...) of a memory that is checked.
static bool
is_inside(const struct judge *j, u32 memory)
{
    const struct verify_ins *i = &j->ins;
    const struct value *index = index_value(j);

    return i->index != VERIFY_NONE && i->scale == 0 &&
           index->kind == KIND_INSIDE && index->arg == memory &&
           within(i, index->number);
}

// Any 32 bits and a displacement: all that a slot with a guard has room for.
static bool
is_guarded(const struct judge *j)
{
    const struct verify_ins *i = &j->ins;

    return i->disp >= 0 && (i->index == VERIFY_NONE ||
                            (i->scale == 0 && index_value(j)->bits <= 32));
}

static void
access_memory_0(struct judge *j)
{
    if (!judge_check(j, j->m->memory_count > 0, RULE_ADDRESS))
        return;
    bool guarded = j->m->memories[0].guarded;
    judge_check(j, guarded ? is_guarded(j) : is_inside(j, 0), RULE_ADDRESS);
    linear(j);
}

// --- the frame ---------------------------------------------------------------

static struct slot *
slot_of(struct judge *j, u32 at)
{
    return &j->slots[at / 8 % SLOTS];
}

// What lies in [at, at + size) is no more known.
static void
forget_slots(struct judge *j, u32 at, u32 size)
{
    for (u32 word = at / 8; word <= (at + size - 1) / 8; word++) {
        struct slot *s = &j->slots[word % SLOTS];
        if (s->at == word * 8)
            s->when = 0;
    }
}

void
judge_stored(struct judge *j, struct value v)
{
    const struct verify_ins *i = &j->ins;
    u32 at = (u32)i->disp;

    if (at % 8 != 0 || i->width < 4 || i->from != FROM_REG)
        return;
    *slot_of(j, at) = (struct slot){at, i->width, j->now, v};
    j->slots_fleeting |= is_fleeting(v.kind);
}

static void
load_slot(struct judge *j)
{
    const struct verify_ins *i = &j->ins;
    u32 at = (u32)i->disp;
    const struct slot *s = slot_of(j, at);

    if (at % 8 == 0 && s->at == at && s->when >= j->slots_from &&
        i->mem_size <= s->size &&
        (i->mem_size == 8 || (i->mem_size == 4 && s->value.bits <= 32)))
        j->loaded = s->value;
}

// Outside of the body: incoming arguments, and results.
static bool
is_incoming(const struct judge *j)
{
    u64 first = j->frame + 8ull, at = (u64)j->ins.disp;

    return at >= first &&
           at + j->ins.mem_size <= first + j->type->args + j->type->returned;
}

static bool
hits_frame_slot(const struct judge *j)
{
    u32 at = (u32)j->ins.disp;

    return j->frame_slot != NO_PC && at < j->frame_slot + 8 &&
           at + j->ins.mem_size > j->frame_slot;
}

// The address of the return address, which a function in parts keeps.
static void
access_frame_slot(struct judge *j)
{
    const struct verify_ins *i = &j->ins;
    bool exact = (u32)i->disp == j->frame_slot && i->mem_size == 8;

    if (!writes(j)) {
        judge_check(j, exact && !j->entering, RULE_FRAME);
        j->loaded = value_of_kind(j, KIND_END, 0);
        return;
    }
    judge_check(j, j->entering, RULE_FRAME);
    if (exact && i->effect == EFFECT_STORE && i->from == FROM_REG &&
        j->regs[i->b & (REGS - 1)].kind == KIND_END)
        j->entering = false;
}

// The slots of plain mode are filled with zeros.  The body of
//
//     mov r10d, size - 16
//     again: movups [rsp + r10 + disp], xmm15;  sub r10, 16;  jns again
static void
fill_slots(struct judge *j)
{
    struct verify_ins fill = j->ins;
    struct value index = *index_value(j);
    u32 again = j->at;

    judge_check(j,
                fill.form == FORM_MOVUPS_MR && fill.reg == SCRATCH &&
                    fill.index == R10 && fill.scale == 0 && fill.disp >= 0 &&
                    index.kind == KIND_CONST && index.number % 16 == 0 &&
                    index.number <= j->body &&
                    fill.disp + index.number + 16 <= j->body && j->entering,
                RULE_FRAME);
    j->slots_from = j->now + 1;
    judge_write_body(j, fill.disp + index.number + 16);
    judge_check(j, is_sub(judge_step(j), R10, 16), RULE_FRAME);
    judge_check(j, is_jcc(judge_step(j), CC_NS) && judge_target(j) == again,
                RULE_FRAME);
    judge_set(j, R10, value_number(j, 64));
    j->ins.effect = EFFECT_NONE;
}

void
judge_write_body(struct judge *j, u64 end)
{
    if (end + 8 > j->body && end <= j->body)
        j->last_written = true;
}

static void
access_frame(struct judge *j)
{
    const struct verify_ins *i = &j->ins;

    if (i->index != VERIFY_NONE) {
        fill_slots(j);
        return;
    }
    if (!judge_check(j, within(i, j->body) || (i->disp >= 0 && is_incoming(j)),
                     RULE_FRAME))
        return;
    judge_check(j,
                (i->flags & VERIFY_ALIGNED) == 0 ||
                    (i->disp % 16 == 0 && j->frame % 16 == 8),
                RULE_ALIGNED);
    if (writes(j))
        judge_write_body(j, (u64)i->disp + i->mem_size);
    if (hits_frame_slot(j))
        access_frame_slot(j);
    else if (writes(j))
        forget_slots(j, (u32)i->disp, i->mem_size);
    else
        load_slot(j);
}

// --- the vmctx and the views -------------------------------------------------

// What a part of the vmctx is made of, beside enum kind.
enum {
    IN_NONE = KIND_LABEL,
#define PART(id, type) IN_##id,
#include "abi/vmctx.def"
};

// Words that are only read, each by itself: where, and what they are.
// clang-format off
static const struct {
    u8 base; // of that kind is the address
    u8 at, size;
    u8 kind, bits;
} words[] = {
    {KIND_VMCTX,  offsetof(struct vmctx, builtins),    8, KIND_BUILTINS,   64},
    {KIND_VMCTX,  offsetof(struct vmctx, funcs),       8, KIND_FUNCS,      64},
    {KIND_VMCTX,  offsetof(struct vmctx, func_base),   4, KIND_OWN_ID,     32},
    {IN_memories, offsetof(struct vmctx_memory, base), 8, KIND_BASE,       64},
    {IN_memories, offsetof(struct vmctx_memory, view), 8, KIND_VIEW,       64},
    {IN_tables,   offsetof(struct vmctx_table, view),  8, KIND_TABLE,      64},
    {IN_imports,  offsetof(struct func_entry, id),     4, KIND_NUMBER,     32},
    {IN_types,    0,                                   4, KIND_TYPE,       32},
    {IN_heap,     offsetof(struct vmctx_heap, base),   8, KIND_HEAP,       64},
    {IN_heap_types, 0,                                 4, KIND_NUMBER,     32},
    {KIND_VIEW,   offsetof(struct memory_view, size),  8, KIND_SIZE,       64},
    {KIND_VIEW,   offsetof(struct memory_view, size),  4, KIND_SIZE,       64},
    {KIND_TABLE,  offsetof(struct table_view, base),   8, KIND_ENTRIES,    64},
    {KIND_TABLE,  offsetof(struct table_view, count),  8, KIND_COUNT,      32},
    {KIND_FUNCS,  offsetof(struct func_entry, id),     4, KIND_FUNC_COUNT, 32},
    {KIND_ENTRY,  offsetof(struct func_entry, sig),    4, KIND_SIG,        32},
    {KIND_END,    0,                                   8, KIND_RETURN,     64},
};
// clang-format on
_Static_assert(LIMIT_TABLE_ENTRIES <= UINT32_MAX, "KIND_COUNT has 32 bits");

// Of what is at `base`, which starts there: one of the words?
static bool
load_word(struct judge *j, const struct value *base, u32 start)
{
    for (u32 k = 0; k < COUNT(words); k++) {
        if (words[k].base != base->kind ||
            !reads(j, start + words[k].at, words[k].size))
            continue;
        j->loaded = value_of_kind(j, (enum kind)words[k].kind, base->arg);
        j->loaded.of = base->of;
        j->loaded.bits = words[k].kind != KIND_SIZE ?
                             words[k].bits :
                             j->m->memories[base->arg].bits;
        return true;
    }
    return false;
}

// What is there of the vmctx: an element of a part (`arg`: which), or its
// header; *start is its first byte.
static struct value
part_at(const struct judge *j, u32 at, u32 *start)
{
    const struct vmctx_layout *l = &j->m->layout;
    const struct vmctx_counts *n = &j->m->counts;

#define PART(id, type)                                        \
    if (at >= l->id && (at - l->id) / sizeof(type) < n->id) { \
        u32 k = (at - l->id) / (u32)sizeof(type);             \
        *start = vmctx_##id##_at(l, k);                       \
        return (struct value){.kind = IN_##id, .arg = k};     \
    }
#include "abi/vmctx.def"
    *start = 0;
    return (struct value){.kind = KIND_VMCTX};
}

static bool
access_global(struct judge *j, u32 k, u32 start)
{
    const struct verify_ins *i = &j->ins;
    u32 offset = (u32)i->disp - start;

    if (offset + i->mem_size > GLOBAL_SIZE || i->index != VERIFY_NONE)
        return false;
    switch (j->m->globals[k]) {
    case VERIFY_CONSTANT:
        return !writes(j);
    case VERIFY_OWN:
        return true;
    }
    j->loaded = value_of_kind(j, KIND_GLOBAL, k);
    return offset == 0 && i->mem_size == 8 && !writes(j);
}

static void
access_vmctx(struct judge *j)
{
    u32 start;
    struct value part = part_at(j, (u32)j->ins.disp, &start);
    bool is_none = part.kind == IN_memories && j->m->memory_count == 0;

    judge_check(j, (j->ins.flags & VERIFY_ALIGNED) == 0, RULE_ALIGNED);
    judge_check(j,
                part.kind == IN_globals ?
                    access_global(j, part.arg, start) :
                    !is_none && load_word(j, &part, start),
                RULE_FIELD);
}

// --- beside the code ---------------------------------------------------------

static u64
target_of(const struct judge *j)
{
    return (u64)((i64)j->next + j->ins.disp);
}

static void
access_constant(struct judge *j)
{
    const struct verify_code *c = &j->m->code;
    u64 at = target_of(j);

    judge_check(j,
                !writes(j) && at < c->size && j->ins.mem_size <= c->size - at,
                RULE_CONSTANT);
    judge_check(j, (j->ins.flags & VERIFY_ALIGNED) == 0 || at % 16 == 0,
                RULE_ALIGNED);
}

// --- by other registers ------------------------------------------------------

static bool
is_table_index(const struct judge *j, u32 table)
{
    const struct verify_table *t = &j->m->tables[table];
    const struct value *v = index_value(j);

    return (v->kind == KIND_TABLE_AT && v->arg == table) ||
           (v->kind == KIND_CONST && v->number < t->min) ||
           (v->kind == KIND_BELOW && v->number <= t->min);
}

// Every entry of a table of functions refers to one.
static bool
is_stored(struct judge *j, u32 table)
{
    if (j->ins.effect != EFFECT_STORE)
        return false;
    struct value v = judge_source(j);
    return !j->m->tables[table].funcs || v.kind == KIND_REFERENCE ||
           (v.kind == KIND_CONST && v.number == 0);
}

static bool
access_entries(struct judge *j, u32 table)
{
    const struct verify_ins *i = &j->ins;

    if (j->m->tables[table].funcs)
        j->loaded = value_of_kind(j, KIND_REFERENCE, 0);
    return i->disp == 0 && i->mem_size == 8 && i->index != VERIFY_NONE &&
           i->scale == 3 && is_table_index(j, table) &&
           (!writes(j) || is_stored(j, table));
}

static bool
load_distance(struct judge *j, u32 table)
{
    const struct verify_ins *i = &j->ins;
    const struct value *index = index_value(j);

    j->loaded = value_of_kind(j, KIND_DISTANCE, table);
    j->loaded.number = index->number;
    return i->index != VERIFY_NONE && index->kind == KIND_BELOW &&
           i->scale == 2 && i->disp == 0 && i->mem_size == 4 && !writes(j) &&
           i->effect == EFFECT_EXTEND &&
           index->number <= (j->m->code.size - table) / 4;
}

static bool
access_by(struct judge *j, const struct value *base)
{
    const struct verify_ins *i = &j->ins;

    switch (base->kind) {
    case KIND_HEAP:
        linear(j);
        return is_guarded(j);
    case KIND_BASE:
        linear(j);
        return is_inside(j, base->arg);
    case KIND_ENTRIES:
        return access_entries(j, base->arg);
    case KIND_GLOBAL:
        return i->index == VERIFY_NONE && within(i, GLOBAL_SIZE);
    case KIND_PAYLOAD:
        return i->index == VERIFY_NONE && !writes(j) && within(i, base->number);
    case KIND_JUMPS:
        return load_distance(j, base->arg);
    }
    return load_word(j, base, 0);
}

void
judge_access(struct judge *j)
{
    const struct verify_ins *i = &j->ins;
    struct value base;

    j->loaded = value_number(j, 8u * MIN(i->mem_size, 8));
    if (!judge_check(j, is_plain_index(i), RULE_ADDRESS))
        return;
    switch (i->base) {
    case R15:
        access_memory_0(j);
        break;
    case RSP:
        access_frame(j);
        break;
    case R14:
        access_vmctx(j);
        break;
    case VERIFY_RIP:
        access_constant(j);
        break;
    default:
        base = j->regs[i->base]; // there is one: forms.def, NO_ACCESS
        judge_check(j, access_by(j, &base), RULE_ADDRESS);
        if (base.kind != KIND_BASE)
            judge_check(j, (i->flags & VERIFY_ALIGNED) == 0, RULE_ALIGNED);
    }
}

// --- addresses ---------------------------------------------------------------

static struct value
address_of_import(struct judge *j)
{
    u32 start;
    struct value part = part_at(j, (u32)j->ins.disp, &start);

    judge_check(j, part.kind == IN_imports && start == (u32)j->ins.disp,
                RULE_FIELD);
    return value_of_kind(j, KIND_IMPORT, part.arg);
}

static struct value
address_in_frame(struct judge *j)
{
    const struct verify_ins *i = &j->ins;

    if (i->disp >= 0 && (u32)i->disp == j->frame)
        return value_of_kind(j, KIND_END, 0);
    struct value v = value_of_kind(j, KIND_FRAME, 0);
    if (judge_check(j, i->disp >= 0 && (u32)i->disp <= j->body, RULE_FRAME))
        v.number = j->body - (u32)i->disp;
    return v;
}

static struct value
address_of_table(struct judge *j)
{
    u64 at = target_of(j);

    judge_check(j, at < j->m->code.size && at % 4 == 0, RULE_CONSTANT);
    return value_of_kind(j, KIND_JUMPS, (u32)at);
}

// A number, by lea.
static struct value
number_of(struct judge *j)
{
    const struct verify_ins *i = &j->ins;
    u32 most = i->base < REGS ? j->regs[i->base].bits : 0;

    judge_check(j, i->base >= REGS || (FIXED >> i->base & 1) == 0,
                RULE_POINTER);
    if (i->width == 4)
        return value_number(j, 32);
    if (i->index != VERIFY_NONE)
        most = MAX(most, index_value(j)->bits + (u32)i->scale) + 1;
    return value_number(j, i->disp >= 0 ? MIN(MAX(most, 31) + 1, 64) : 64);
}

struct value
judge_address(struct judge *j)
{
    const struct verify_ins *i = &j->ins;
    bool alone = i->index == VERIFY_NONE && i->width == 8;

    judge_check(j, is_plain_index(i), RULE_ADDRESS);
    if (i->base == R14 && alone)
        return address_of_import(j);
    if (i->base == RSP && alone)
        return address_in_frame(j);
    if (i->base == VERIFY_RIP && alone)
        return address_of_table(j);
    return number_of(j);
}
