// x64/select/atomic.c: atomic accesses.  Plain loads are sequentially
// consistent on x86 when every store is an exchange.

#include "x64/select/select.h"

// The address must be a multiple of the size.
static void
put_alignment_check(struct select *s, val_t address, u64 offset, u32 size)
{
    bool is64 = s->fn->ins[address].type == IR_I64;
    vreg_t low = select_reg(s, address);

    if (size == 1)
        return;
    if (offset % size != 0)
        low = select_temp_rm(s, is64 ? IR_I64 : IR_I32,
                             is64 ? X64_LEA64 : X64_LEA32,
                             select_rm_mem(low, (i32)(offset % size)));
    select_put_cmp_i(s, X64_TEST32_I, select_rm_reg(low), size - 1);
    select_put_trap_cc(s, CC_NE, TRAP_UNALIGNED_ATOMIC);
}

// The operand of an atomic access: aligned, then in bounds.
static struct rm
rm_atomic(struct select *s, const struct ins *i, val_t address,
          const struct rule *rule)
{
    u32 size = x64_info(rule->op)->mem;

    put_alignment_check(s, address, i->c, size);
    return select_rm_address(s, address, i->c, i->aux, size);
}

static bool
is_unused(const struct select *s, val_t v)
{
    return s->facts[v].uses == 0;
}

// The register that the instruction writes, before put_extension.
static vreg_t
narrow_result(struct select *s, val_t v, const struct rule *rule)
{
    return rule->op3 == X64_NOP ? v : select_temp(s, s->fn->ins[v].type);
}

static void
put_extension(struct select *s, val_t v, const struct rule *rule, vreg_t narrow)
{
    if (narrow != v)
        select_put_rm(s, rule->op3, v, select_rm_reg(narrow));
}

void
lower_fence(struct select *s, val_t v, const struct rule *rule)
{
    (void)v;
    select_put(s, rule->op);
}

void
lower_atomic_load(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];

    select_put_rm(s, rule->op, v, rm_atomic(s, i, i->a, rule));
}

void
lower_atomic_store(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    struct rm to = rm_atomic(s, i, i->a, rule);

    select_put_r_rm(s, rule->op, select_temp(s, s->fn->ins[i->b].type),
                    select_reg(s, i->b), to);
}

static void
put_rmw(struct select *s, val_t v, const struct rule *rule, struct rm to,
        vreg_t value)
{
    vreg_t old = narrow_result(s, v, rule);

    select_put_r_rm(s, rule->op, old, value, to);
    put_extension(s, v, rule, old);
}

void
lower_atomic_add(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    struct rm to = rm_atomic(s, i, i->a, rule);

    if (is_unused(s, v))
        select_put_mr(s, rule->op2, to, select_reg(s, i->b));
    else
        put_rmw(s, v, rule, to, select_reg(s, i->b));
}

void
lower_atomic_sub(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    struct rm to = rm_atomic(s, i, i->a, rule);

    if (is_unused(s, v)) {
        select_put_mr(s, rule->op2, to, select_reg(s, i->b));
        return;
    }
    vreg_t minus =
        select_temp_r_i(s, i->type, i->type == IR_I64 ? X64_NEG64 : X64_NEG32,
                        select_reg(s, i->b), 0);
    put_rmw(s, v, rule, to, minus);
}

void
lower_atomic_xchg(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    struct rm to = rm_atomic(s, i, i->a, rule);

    put_rmw(s, v, rule, to, select_reg(s, i->b));
}

void
lower_atomic_loop(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    struct rm to = rm_atomic(s, i, i->a, rule);

    if (is_unused(s, v)) {
        select_put_mr(s, rule->op2, to, select_reg(s, i->b));
        return;
    }
    vreg_t old = narrow_result(s, v, rule), spare = select_temp(s, IR_I64);
    select_put_r_rm(s, rule->op, old, select_reg(s, i->b), to);
    if (s->status == OK)
        s->m->ins[s->m->count - 1].def2 = spare;
    put_extension(s, v, rule, old);
}

// The expected value is compared in the width of the access.
void
lower_atomic_cas(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    const val_t *args = &s->fn->pool[i->a];
    struct rm to = rm_atomic(s, i, args[0], rule);
    vreg_t expected = select_reg(s, args[1]), value = select_reg(s, args[2]);
    vreg_t old = narrow_result(s, v, rule);

    if (expected == value)
        expected = select_temp_rm(s, i->type,
                                  i->type == IR_I64 ? X64_MOV64 : X64_MOV32,
                                  select_rm_reg(expected));
    to.reg = expected;
    select_put_r_rm(s, rule->op, old, value, to);
    put_extension(s, v, rule, old);
}
