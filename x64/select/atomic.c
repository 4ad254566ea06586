// x64/select/atomic.c: atomic accesses.  Plain loads are sequentially
// consistent on x86 when every store is an exchange.

#include "x64/select/select.h"

// The address must be a multiple of the size.
static void
put_alignment_check(struct select *s, val_t address, u64 offset, u32 size)
{
    bool is64 = s->fn->ins[address].type == IR_I64;
    vreg_t low = reg(s, address);

    if (size == 1)
        return;
    if (offset % size != 0)
        low = temp_rm(s, is64 ? IR_I64 : IR_I32, is64 ? X64_LEA64 : X64_LEA32,
                      rm_mem(low, (i32)(offset % size)));
    put_cmp_i(s, X64_TEST32_I, rm_reg(low), size - 1);
    put_trap_cc(s, CC_NE, TRAP_UNALIGNED_ATOMIC);
}

// The operand of an atomic access: aligned, then in bounds.
static struct rm
rm_atomic(struct select *s, const struct ins *i, val_t address,
          const struct row *row)
{
    u32 size = x64_info(row->op)->mem;

    put_alignment_check(s, address, i->c, size);
    return rm_address(s, address, i->c, i->aux, size);
}

static bool
is_unused(const struct select *s, val_t v)
{
    return s->facts[v].uses == 0;
}

// The register that the instruction writes, before put_extension.
static vreg_t
narrow_result(struct select *s, val_t v, const struct row *row)
{
    return row->op3 == X64_NOP ? v : temp_new(s, s->fn->ins[v].type);
}

static void
put_extension(struct select *s, val_t v, const struct row *row, vreg_t narrow)
{
    if (narrow != v)
        put_rm(s, row->op3, v, rm_reg(narrow));
}

void
lower_fence(struct select *s, val_t v, const struct row *row)
{
    (void)v;
    put(s, row->op);
}

void
lower_atomic_load(struct select *s, val_t v, const struct row *row)
{
    const struct ins *i = &s->fn->ins[v];

    put_rm(s, row->op, v, rm_atomic(s, i, i->a, row));
}

void
lower_atomic_store(struct select *s, val_t v, const struct row *row)
{
    const struct ins *i = &s->fn->ins[v];
    struct rm to = rm_atomic(s, i, i->a, row);

    put_r_rm(s, row->op, temp_new(s, s->fn->ins[i->b].type), reg(s, i->b), to);
}

static void
put_rmw(struct select *s, val_t v, const struct row *row, struct rm to,
        vreg_t value)
{
    vreg_t old = narrow_result(s, v, row);

    put_r_rm(s, row->op, old, value, to);
    put_extension(s, v, row, old);
}

void
lower_atomic_add(struct select *s, val_t v, const struct row *row)
{
    const struct ins *i = &s->fn->ins[v];
    struct rm to = rm_atomic(s, i, i->a, row);

    if (is_unused(s, v))
        put_mr(s, row->op2, to, reg(s, i->b));
    else
        put_rmw(s, v, row, to, reg(s, i->b));
}

void
lower_atomic_sub(struct select *s, val_t v, const struct row *row)
{
    const struct ins *i = &s->fn->ins[v];
    struct rm to = rm_atomic(s, i, i->a, row);

    if (is_unused(s, v)) {
        put_mr(s, row->op2, to, reg(s, i->b));
        return;
    }
    vreg_t minus = temp_r_i(
        s, i->type, i->type == IR_I64 ? X64_NEG64 : X64_NEG32, reg(s, i->b), 0);
    put_rmw(s, v, row, to, minus);
}

void
lower_atomic_xchg(struct select *s, val_t v, const struct row *row)
{
    const struct ins *i = &s->fn->ins[v];
    struct rm to = rm_atomic(s, i, i->a, row);

    put_rmw(s, v, row, to, reg(s, i->b));
}

void
lower_atomic_loop(struct select *s, val_t v, const struct row *row)
{
    const struct ins *i = &s->fn->ins[v];
    struct rm to = rm_atomic(s, i, i->a, row);

    if (is_unused(s, v)) {
        put_mr(s, row->op2, to, reg(s, i->b));
        return;
    }
    vreg_t old = narrow_result(s, v, row), spare = temp_new(s, IR_I64);
    put_r_rm(s, row->op, old, reg(s, i->b), to);
    if (s->status == OK)
        s->m->ins[s->m->count - 1].def2 = spare;
    put_extension(s, v, row, old);
}

// The expected value is compared in the width of the access.
void
lower_atomic_cas(struct select *s, val_t v, const struct row *row)
{
    const struct ins *i = &s->fn->ins[v];
    const val_t *args = &s->fn->pool[i->a];
    struct rm to = rm_atomic(s, i, args[0], row);
    vreg_t expected = reg(s, args[1]), value = reg(s, args[2]);
    vreg_t old = narrow_result(s, v, row);

    if (expected == value)
        expected =
            temp_rm(s, i->type, i->type == IR_I64 ? X64_MOV64 : X64_MOV32,
                    rm_reg(expected));
    to.reg = expected;
    put_r_rm(s, row->op, old, value, to);
    put_extension(s, v, row, old);
}
