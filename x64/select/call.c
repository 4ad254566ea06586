// x64/select/call.c: calls and returns.
//
// Functions of the module are called directly; everything else through a
// func_entry whose address is in rax, or through the vector of builtins.

#include "x64/select/select.h"

static bool
push(struct select *s, vreg_t v)
{
    struct mach *m = s->m;

    if (!ARRAY_MORE(s->temp, m->list, m->list_capacity, m->list_count)) {
        s->status = ERR_NO_MEMORY;
        return false;
    }
    m->list[m->list_count++] = v;
    return true;
}

// Append the vregs of `count` values; where they start.
static u32
push_values(struct select *s, u32 first, u32 count)
{
    u32 at = s->m->list_count;

    for (u32 i = 0; i < count; i++)
        if (!push(s, select_reg(s, s->fn->pool[first + i])))
            return 0;
    return at;
}

static u32
push_zeros(struct select *s, u32 count)
{
    u32 at = s->m->list_count;

    for (u32 i = 0; i < count; i++)
        if (!push(s, 0))
            return 0;
    return at;
}

// A new record; its index.  The pointer is good until the next one.
static u32
record_new(struct select *s, struct mcall **record)
{
    static const struct mcall none;
    struct mach *m = s->m;

    if (!ARRAY_MORE(s->temp, m->calls, m->call_capacity, m->call_count)) {
        s->status = ERR_NO_MEMORY;
        *record = NULL;
        return 0;
    }
    *record = &m->calls[m->call_count];
    **record = none;
    return m->call_count++;
}

// --- results -----------------------------------------------------------------

// The results of a call are its own value and the RESULTs that follow it.
// Those of type i32 that come from foreign code are extended again, so they
// arrive in temporaries.
static void
collect_results(struct select *s, val_t v, u32 at, u32 count, bool foreign)
{
    const struct fn *fn = s->fn;
    val_t end = fn->blocks[s->block].end;

    for (val_t r = v; r < end && (r == v || fn->ins[r].op == IR_RESULT); r++) {
        u32 number = r == v ? 0 : fn->ins[r].b;
        u8 type = fn->ins[r].type;
        if (number >= count || type == IR_VOID || s->facts[r].uses == 0)
            continue;
        vreg_t to = foreign && type == IR_I32 ? select_temp(s, IR_I32) : r;
        s->m->list[at + number] = to;
    }
}

static void
extend_results(struct select *s, val_t v, u32 at, u32 count)
{
    const struct fn *fn = s->fn;
    val_t end = fn->blocks[s->block].end;

    for (val_t r = v; r < end && (r == v || fn->ins[r].op == IR_RESULT); r++) {
        u32 number = r == v ? 0 : fn->ins[r].b;
        if (number < count && s->m->list[at + number] >= fn->ins_count)
            select_put_rm(s, X64_MOV32, r,
                          select_rm_reg(s->m->list[at + number]));
    }
}

// --- targets -----------------------------------------------------------------

static vreg_t
import_entry(struct select *s, u32 func)
{
    return select_temp_rm(
        s, IR_I64, X64_LEA64,
        select_rm_vmctx(vmctx_imports_at(&s->module->layout, func)));
}

static vreg_t
expected_type(struct select *s, u32 type)
{
    if (code_errs(MISTAKE_OTHER_TYPE))
        type = (type + 1) % s->module->type_count;
    return select_temp_rm(
        s, IR_I32, X64_MOV32,
        select_rm_vmctx(vmctx_types_at(&s->module->layout, type)));
}

static vreg_t
type_of_entry(struct select *s, vreg_t entry)
{
    return select_temp_rm(
        s, IR_I32, X64_MOV32,
        select_rm_mem(entry, offsetof(struct func_entry, sig)));
}

// Types are compared by their canonical ids, which are the same in all modules.
// Where a mispredicted branch lets another type through, there is no entry.
static vreg_t
typed_entry(struct select *s, vreg_t entry, vreg_t sig, vreg_t expected)
{
    vreg_t zero = select_temp_const(s, IR_I64, 0),
           safe = select_temp(s, IR_I64);

    if (code_errs(MISTAKE_ANY_SIGNATURE))
        return entry;
    select_put_cmp(s, X64_CMP32, sig, select_rm_reg(expected));
    select_put_trap_cc(s, CC_NE, TRAP_INDIRECT_TYPE);
    select_put_cmov(s, X64_CMOV64, CC_NE, safe, entry, zero);
    return safe;
}

// Index in bounds, entry not null, type as expected.  What is checked is what
// is called: the entry is the process's, which nobody changes, whatever another
// thread writes to the table.
static vreg_t
table_entry(struct select *s, const struct call *c)
{
    val_t index = s->fn->pool[c->args];
    struct rm at = select_rm_table(s, index, c->target, TRAP_UNDEFINED_ELEMENT);
    vreg_t entry =
        select_put_entry(s, select_temp_rm(s, IR_I64, X64_MOV64, at));
    vreg_t expected = expected_type(s, c->type);
    vreg_t sig = type_of_entry(s, entry);

    select_put_cmp(s, X64_TEST32, sig, select_rm_reg(sig));
    select_put_trap_cc(s, CC_E, TRAP_UNINITIALIZED_ELEMENT);
    return typed_entry(s, entry, sig, expected);
}

// A reference is whatever was kept as one: only here it is looked at.
static vreg_t
reference_entry(struct select *s, const struct call *c)
{
    vreg_t reference = select_reg(s, s->fn->pool[c->args]);

    select_put_cmp(s, X64_TEST64, reference, select_rm_reg(reference));
    select_put_trap_cc(s, CC_E, TRAP_NULL_FUNCTION);
    vreg_t entry = select_put_entry(s, select_put_reference(s, reference));
    vreg_t expected = expected_type(s, c->type);
    return typed_entry(s, entry, type_of_entry(s, entry), expected);
}

// Where to call through, base 0: directly.
static struct rm
call_target(struct select *s, const struct call *c)
{
    struct rm rm = select_rm_mem(0, offsetof(struct func_entry, code));

    if (c->kind == CALL_INDIRECT) {
        rm.base = table_entry(s, c);
    } else if (c->kind == CALL_REF) {
        rm.base = reference_entry(s, c);
    } else if (c->kind == CALL_ENTRY) {
        rm.base = select_reg(s, s->fn->pool[c->args]);
    } else if (c->kind == CALL_BUILTIN) {
        rm = select_rm_mem(
            select_temp_rm(s, IR_I64, X64_MOV64,
                           select_rm_vmctx(offsetof(struct vmctx, builtins))),
            (i32)(sizeof(u64) * c->target));
    } else if (c->target < s->module->func_imports) {
        rm.base = import_entry(s, c->target);
    }
    return rm;
}

// --- calls and returns -------------------------------------------------------

// op: direct; op2: through memory.
void
lower_call(struct select *s, val_t v, const struct rule *rule)
{
    const struct call *c = &s->fn->calls[s->fn->ins[v].a];
    u32 skip = call_has_callee(c);
    struct rm target = call_target(s, c);
    bool direct = target.base == 0;
    const struct type *type = NULL;
    u32 result_count = s->fn->ins[v].type != IR_VOID;
    struct mcall *record;

    if (c->type != NO_INDEX) {
        type = &s->module->types[c->type];
        result_count = type->result_count;
    }
    if (rule->op == X64_TAIL_REL)
        result_count = 0;
    u32 args = push_values(s, c->args + skip, c->count - skip);
    u32 results = push_zeros(s, result_count);
    u32 index = record_new(s, &record);
    if (s->status != OK)
        return;
    *record = (struct mcall){.type = type,
                             .func = c->target,
                             .args = args,
                             .arg_count = c->count - skip,
                             .results = results,
                             .result_count = result_count,
                             .try = c->try};
    collect_results(s, v, results, result_count, !direct);
    if (direct) {
        select_put(s, rule->op)->imm = index;
    } else {
        select_put_rm_i(s, rule->op2, 0, target, index);
        extend_results(s, v, results, result_count);
    }
}

void
lower_return(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    u32 args = push_values(s, i->a, i->b);
    struct mcall *record;
    u32 index = record_new(s, &record);

    (void)rule;
    if (s->status != OK)
        return;
    record->type = s->fn->type;
    record->args = args;
    record->arg_count = i->b;
    select_put(s, X64_RET)->imm = index;
}
