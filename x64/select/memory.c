// x64/select/memory.c: linear memory, globals, tables, references, slots.
//
// Memory 0 with 32-bit addresses needs no check: its slot of 8 GiB ends in a
// guard.  Everything else compares with the current size first and then
// accesses what it compared.

#include "x64/select/select.h"

u32
select_load_op(u32 type)
{
    static const u16 ops[] = {X64_NOP,   X64_MOV32, X64_MOV64,
                              X64_MOVSS, X64_MOVSD, X64_MOVUPS};

    assert(type < COUNT(ops));
    return ops[type];
}

u32
select_store_op(u32 type)
{
    static const u16 ops[] = {X64_NOP,      X64_MOV32_MR, X64_MOV64_MR,
                              X64_MOVSS_MR, X64_MOVSD_MR, X64_MOVUPS_MR};

    assert(type < COUNT(ops));
    return ops[type];
}

struct rm
select_rm_vmctx(u64 offset)
{
    return select_rm_mem(MEM_VMCTX, (i32)offset);
}

static vreg_t
load_vmctx(struct select *s, u64 offset)
{
    return select_temp_rm(s, IR_I64, X64_MOV64, select_rm_vmctx(offset));
}

// --- linear memory -----------------------------------------------------------

static u64
memory_field(const struct select *s, u32 memory, u64 field)
{
    return vmctx_memories_at(&s->module->layout, memory) + field;
}

// Does the guard catch every access out of bounds?
static bool
is_guarded(const struct select *s, u32 memory)
{
    return memory == 0 && (memory_is_guarded(&s->module->memories[memory]) ||
                           code_errs(MISTAKE_GUARDED_ANYWAY));
}

// What a mispredicted branch would let through is forced to another value.
static vreg_t
put_mask(struct select *s, u8 cc, vreg_t a, vreg_t harmless)
{
    vreg_t safe = select_temp(s, IR_I64);

    select_put_cmov(s, X64_CMOV64, cc, safe, a, harmless);
    return safe;
}

// [r15 + address + offset].  The displacement of an instruction is below 2^31;
// for larger ones the sum is made first, and one of 2^32 or more is outside of
// any memory: also where a mispredicted branch goes on, as the last ones and
// the size of an access lead to the next slot.
static struct rm
rm_guarded(struct select *s, val_t address, u64 offset)
{
    struct rm rm = select_rm_mem(MEM_MEMORY, (i32)offset);

    rm.flags |= MINS_TRAPS;
    if (select_is_const(s, address) &&
        select_const_bits(s, address) + offset <= INT32_MAX) {
        rm.disp = (i32)(select_const_bits(s, address) + offset);
        return rm;
    }
    rm.index = select_reg(s, address);
    if (code_errs(MISTAKE_SCALED_INDEX))
        rm.scale = 1;
    if (offset <= INT32_MAX || code_errs(MISTAKE_WRAPPED_OFFSET))
        return rm;
    vreg_t sum = select_temp_r_rm(s, IR_I64, X64_ADD64,
                                  select_temp_const(s, IR_I64, offset),
                                  select_rm_reg(rm.index));
    vreg_t zero = select_temp_const(s, IR_I64, 0);
    select_temp_r_i(s, IR_I64, X64_SHR64_I, sum, 32);
    select_put_trap_cc(s, CC_NE, TRAP_MEMORY_BOUNDS);
    rm.index = put_mask(s, CC_NE, sum, zero);
    rm.disp = 0;
    return rm;
}

// a + offset; traps when that overflows, which only addresses of 64 bits can
// (`ones`: a register with the largest number, else 0).
static vreg_t
put_address_add(struct select *s, vreg_t a, u64 offset, vreg_t ones)
{
    vreg_t sum;

    if (offset == 0)
        return a;
    if (offset <= INT32_MAX)
        sum = select_temp_r_i(s, IR_I64, X64_ADD64_I, a, (u32)offset);
    else
        sum = select_temp_r_rm(s, IR_I64, X64_ADD64,
                               select_temp_const(s, IR_I64, offset),
                               select_rm_reg(a));
    if (ones == 0)
        return sum;
    select_put_trap_cc(s, CC_B, TRAP_MEMORY_BOUNDS);
    return put_mask(s, CC_B, sum, ones);
}

// Is the address a constant that no memory reaches?  That it is the same one
// at the check and at the access nobody can see who only has two numbers of 64
// bits in code.
static bool
is_hopeless(const struct select *s, val_t address)
{
    return select_is_const(s, address) &&
           select_const_bits(s, address) > INT64_MAX;
}

static struct rm
rm_checked(struct select *s, val_t address, u64 offset, u32 memory, u32 size)
{
    bool is64 = s->module->memories[memory].is64;
    vreg_t ones = is64 ? select_temp_const(s, IR_I64, UINT64_MAX) : 0;
    vreg_t zero = select_temp_const(s, IR_I64, 0), start = zero, end = ones;

    if (!is_hopeless(s, address)) {
        u32 checked = code_errs(MISTAKE_WIDE_ACCESS) ? size / 2 : size;
        start = put_address_add(s, select_reg(s, address), offset, ones);
        // One register for the check and the access: what is read from a slot
        // twice are two numbers, to who judges code.
        if (offset == 0 && is64)
            start = select_temp_rm(s, IR_I64, X64_MOV64, select_rm_reg(start));
        end = put_address_add(s, start, checked, ones);
    }
    vreg_t view = load_vmctx(
        s, memory_field(s, memory, offsetof(struct vmctx_memory, view)));

    select_put_cmp(s, X64_CMP64, end,
                   select_rm_mem(view, offsetof(struct memory_view, size)));
    select_put_trap_cc(s, CC_A, TRAP_MEMORY_BOUNDS);
    start = put_mask(s, CC_A, start, zero);
    vreg_t base = MEM_MEMORY;
    if (memory > 0)
        base = load_vmctx(
            s, memory_field(s, memory, offsetof(struct vmctx_memory, base)));
    struct rm rm =
        select_rm_mem(base, code_errs(MISTAKE_OTHER_ADDRESS) ? 8 : 0);
    rm.index = start;
    rm.flags |= MINS_TRAPS;
    return rm;
}

// [heap + reference + offset]: the heap is a slot of its own, with a guard.
static struct rm
rm_heap(struct select *s, val_t reference, u64 offset)
{
    u64 field = vmctx_heap_at(&s->module->layout, 0) +
                offsetof(struct vmctx_heap, base);
    struct rm rm = select_rm_mem(load_vmctx(s, field), (i32)offset);

    assert(s->module->has_heap && offset <= INT32_MAX);
    rm.flags |= MINS_TRAPS;
    if (select_is_const(s, reference) &&
        select_const_bits(s, reference) + offset <= INT32_MAX)
        rm.disp = (i32)(select_const_bits(s, reference) + offset);
    else
        rm.index = select_reg(s, reference);
    return rm;
}

struct rm
select_rm_address(struct select *s, val_t address, u64 offset, u32 memory,
                  u32 size)
{
    if (memory >= MEMORY_ARRAYS)
        return rm_heap(s, address, offset);
    if (is_guarded(s, memory))
        return rm_guarded(s, address, offset);
    return rm_checked(s, address, offset, memory, size);
}

struct rm
select_rm_load(struct select *s, val_t load)
{
    const struct ins *i = &s->fn->ins[load];
    val_t user = s->now;

    s->now = load; // what traps is the load, also where it is folded
    struct rm rm = select_rm_address(s, i->a, i->c, i->aux,
                                     x64_info(select_rule(i->op)->op)->mem);
    s->now = user;
    rm.from = load;
    return rm;
}

void
lower_load(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    bool errs = code_errs(MISTAKE_SIGN_REFERENCE) && i->op == IR_I32_LOAD &&
                i->aux >= MEMORY_ARRAYS;

    select_put_rm(s, errs ? X64_MOVSX32_64 : rule->op, v, select_rm_load(s, v));
}

// Constants of up to 32 bits, or sign-extended from 32, are immediates; so are
// those of floats.
static bool
store_imm(const struct select *s, val_t v, u32 size, u32 *imm)
{
    if (!select_is_const(s, v) || s->fn->ins[v].type == IR_V128)
        return false;
    u64 bits = select_const_bits(s, v);
    *imm = (u32)bits;
    return size < 8 || bits == (u64)(i64)(i32)(u32)bits;
}

const struct update *
select_update(u32 ir_op)
{
    static const struct update updates[] = {
        {IR_I32_ADD, X64_ADD32_MR, X64_ADD32_MI},
        {IR_I32_SUB, X64_SUB32_MR, X64_SUB32_MI},
        {IR_I32_AND, X64_AND32_MR, X64_AND32_MI},
        {IR_I32_OR,  X64_OR32_MR,  X64_OR32_MI },
        {IR_I32_XOR, X64_XOR32_MR, X64_XOR32_MI},
        {IR_I64_ADD, X64_ADD64_MR, X64_ADD64_MI},
        {IR_I64_SUB, X64_SUB64_MR, X64_SUB64_MI},
        {IR_I64_AND, X64_AND64_MR, X64_AND64_MI},
        {IR_I64_OR,  X64_OR64_MR,  X64_OR64_MI },
        {IR_I64_XOR, X64_XOR64_MR, X64_XOR64_MI},
    };

    for (u32 i = 0; i < COUNT(updates); i++)
        if (updates[i].ir == ir_op)
            return &updates[i];
    return NULL;
}

// The value to be stored is folded: operate on memory if its load is too, else
// make the value now.
static bool
put_update(struct select *s, const struct ins *store)
{
    const struct ins *value = &s->fn->ins[store->b];
    const struct update *update = select_update(value->op);
    u32 imm;

    if (!select_is_folded(s, value->a)) {
        const struct rule *rule = select_rule(value->op);
        rule->lower(s, store->b, rule);
        return false;
    }
    struct rm to = select_rm_load(s, value->a);
    if (select_const_imm32(s, value->b, &imm))
        select_put_mi(s, update->mi, to, imm);
    else
        select_put_mr(s, update->mr, to, select_reg(s, value->b));
    return true;
}

void
lower_store(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    if (select_is_folded(s, i->b) && put_update(s, i))
        return;
    u32 size = x64_info(rule->op)->mem, imm;
    struct rm to = select_rm_address(s, i->a, i->c, i->aux, size);

    if (rule->op2 != X64_NOP && store_imm(s, i->b, size, &imm))
        select_put_mi(s, rule->op2, to, imm);
    else
        select_put_mr(s, rule->op, to, s->facts[i->b].vreg);
}

// An i32 leaves the upper half of its register zero, so a size in bytes is read
// as what it is; memory_most_pages() fits in either.
void
lower_memory_size(struct select *s, val_t v, const struct rule *rule)
{
    u32 memory = s->fn->ins[v].a;
    const struct limits *type = &s->module->memories[memory];
    vreg_t view = load_vmctx(
        s, memory_field(s, memory, offsetof(struct vmctx_memory, view)));
    struct rm bytes = select_rm_mem(view, offsetof(struct memory_view, size));

    (void)rule;
    if (type->page_log2 == 0)
        select_put_rm(s, type->is64 ? X64_MOV64 : X64_MOV32, v, bytes);
    else
        select_put_r_i(s, X64_SHR64_I, v,
                       select_temp_rm(s, IR_I64, X64_MOV64, bytes),
                       type->page_log2);
}

// The end of an address that the function computed by itself.
void
lower_address_add(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];

    (void)rule;
    select_put_r_rm(s, X64_ADD64, v, select_reg(s, i->a),
                    select_rm_reg(select_reg(s, i->b)));
    select_put_trap_cc(s, CC_B, TRAP_MEMORY_BOUNDS);
}

// --- globals -----------------------------------------------------------------

// Own globals and imported constants are inline; a mutable import is at the
// address that is there instead.
static struct rm
rm_global(struct select *s, u32 global)
{
    u64 offset = vmctx_globals_at(&s->module->layout, global);

    if (global_is_shared(s->module, global))
        return select_rm_mem(load_vmctx(s, offset), 0);
    return select_rm_vmctx(offset);
}

void
lower_global_get(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];

    (void)rule;
    select_put_rm(s, select_load_op(i->type), v, rm_global(s, i->a));
}

// Store a value of any type; constants as immediates where they fit.
static void
put_store(struct select *s, struct rm to, val_t value)
{
    u32 type = s->fn->ins[value].type, imm;
    bool wide = type == IR_I64 || type == IR_F64;

    if (store_imm(s, value, wide ? 8 : 4, &imm))
        select_put_mi(s, wide ? X64_MOV64_MI : X64_MOV32_MI, to, imm);
    else
        select_put_mr(s, select_store_op(type), to, select_reg(s, value));
}

void
lower_global_set(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];

    (void)rule;
    put_store(s, rm_global(s, i->b), i->a);
}

// --- tables ------------------------------------------------------------------

// The view of a table, see abi/abi.h.
static vreg_t
table_view(struct select *s, u32 table)
{
    return load_vmctx(s, vmctx_tables_at(&s->module->layout, table) +
                             offsetof(struct vmctx_table, view));
}

// The index once it is checked.
static vreg_t
put_index_check(struct select *s, val_t index, u32 table, vreg_t view,
                enum trap trap)
{
    const struct limits *limits = &s->module->tables[table].type.limits;
    vreg_t i = select_reg(s, index), zero;

    if (select_is_const(s, index) && select_const_bits(s, index) < limits->min)
        return i;
    if (code_errs(MISTAKE_ANY_ELEMENT))
        return i;
    zero = select_temp_const(s, IR_I64, 0);
    if (limits->has_max && limits->min == limits->max &&
        limits->max <= INT32_MAX)
        select_put_cmp_i(s, X64_CMP64_I, select_rm_reg(i), (u32)limits->max);
    else
        select_put_cmp(s, X64_CMP64, i,
                       select_rm_mem(view, offsetof(struct table_view, count)));
    select_put_trap_cc(s, CC_AE, trap);
    return put_mask(s, CC_AE, i, zero);
}

struct rm
select_rm_table(struct select *s, val_t index, u32 table, enum trap trap)
{
    vreg_t view = table_view(s, table);
    vreg_t i = put_index_check(s, index, table, view, trap);
    struct rm base = select_rm_mem(view, offsetof(struct table_view, base));
    struct rm rm = select_rm_mem(select_temp_rm(s, IR_I64, X64_MOV64, base), 0);

    rm.index = i;
    rm.scale = 3;
    if (code_errs(MISTAKE_OTHER_LAYOUT))
        rm.disp = 8;
    return rm;
}

void
lower_table_get(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];

    (void)rule;
    select_put_rm(s, X64_MOV64, v,
                  select_rm_table(s, i->a, i->b, TRAP_TABLE_BOUNDS));
}

void
lower_table_set(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    bool funcs = s->module->tables[i->c].type.kind == REF_FUNC;
    vreg_t value = select_reg(s, i->b);

    (void)rule;
    if (funcs && !(select_is_const(s, i->b) && select_const_bits(s, i->b) == 0))
        value = select_put_reference(s, value);
    select_put_mr(s, X64_MOV64_MR,
                  select_rm_table(s, i->a, i->c, TRAP_TABLE_BOUNDS), value);
}

void
lower_table_size(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t view = table_view(s, s->fn->ins[v].a);

    (void)rule;
    select_put_rm(s, X64_MOV64, v,
                  select_rm_mem(view, offsetof(struct table_view, count)));
}

// --- references --------------------------------------------------------------

// The reference to a function once it is checked: nobody else has.
vreg_t
select_put_reference(struct select *s, vreg_t reference)
{
    vreg_t funcs = load_vmctx(s, offsetof(struct vmctx, funcs));
    vreg_t count =
        select_temp_rm(s, IR_I64, X64_MOV32,
                       select_rm_mem(funcs, offsetof(struct func_entry, id)));
    vreg_t zero = select_temp_const(s, IR_I64, 0);

    select_put_cmp(s, X64_CMP64, reference, select_rm_reg(count));
    select_put_trap_cc(s, CC_AE, TRAP_BAD_REFERENCE);
    return put_mask(s, CC_AE, reference, zero);
}

// The address of the entry of a function.
vreg_t
select_put_entry(struct select *s, vreg_t reference)
{
    vreg_t offset = select_temp_r_i(s, IR_I64, X64_SHL64_I, reference, 4);

    return select_temp_r_rm(s, IR_I64, X64_ADD64, offset,
                            select_rm_vmctx(offsetof(struct vmctx, funcs)));
}

// An import keeps the identity it was given; own functions are numbered from
// the instance's first.
void
lower_ref_func(struct select *s, val_t v, const struct rule *rule)
{
    u32 func = s->fn->ins[v].a;
    u64 entry = vmctx_imports_at(&s->module->layout, func);

    (void)rule;
    if (func < s->module->func_imports)
        select_put_rm(s, X64_MOV32, v,
                      select_rm_vmctx(entry + offsetof(struct func_entry, id)));
    else
        select_put_r_i(
            s, X64_ADD64_I, v,
            select_temp_rm(s, IR_I64, X64_MOV32,
                           select_rm_vmctx(offsetof(struct vmctx, func_base))),
            func);
}

void
lower_type_id(struct select *s, val_t v, const struct rule *rule)
{
    (void)rule;
    select_put_rm(
        s, X64_MOV32, v,
        select_rm_vmctx(vmctx_types_at(&s->module->layout, s->fn->ins[v].a)));
}

void
lower_heap_type(struct select *s, val_t v, const struct rule *rule)
{
    u32 type = s->fn->ins[v].a;

    (void)rule;
    select_put_rm(
        s, X64_MOV32, v,
        select_rm_vmctx(vmctx_heap_types_at(&s->module->layout, type)));
}

// --- slots of the frame ------------------------------------------------------

static struct rm
rm_slot(const struct select *s, u32 slot)
{
    struct rm rm = select_rm_mem(0, (i32)s->fn->slot_at[slot]);

    rm.flags |= MINS_FRAME;
    return rm;
}

void
lower_slot_get(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];

    (void)rule;
    select_put_rm(s, select_load_op(i->type), v, rm_slot(s, i->a));
}

void
lower_slot_set(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];

    (void)rule;
    put_store(s, rm_slot(s, i->b), i->a);
}

void
lower_slot_address(struct select *s, val_t v, const struct rule *rule)
{
    (void)rule;
    select_put_rm(s, X64_LEA64, v, rm_slot(s, s->fn->ins[v].a));
}
