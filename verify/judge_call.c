// verify/judge_call.c: calls, tail calls, and jumps by tables.

#include "verify/internal.h"

// --- who is called -----------------------------------------------------------

// The type of the function that starts at pc, or NULL.
static const struct verify_type *
find_callee(const struct judge *j, u32 pc)
{
    const u32 *entries = j->m->code.entries;
    u32 count = j->m->func_count;
    u32 func = judge_first(entries, sizeof(*entries), 0, count, pc);
    bool found = func < count && entries[func] == pc;

    return found ? &j->m->types[j->m->func_types[func]] : NULL;
}

// Through the func_entry whose address is in rax.
static const struct verify_type *
entry_callee(const struct judge *j)
{
    const struct value *rax = &j->regs[VERIFY_RAX];

    if (!is_at(&j->ins, VERIFY_RAX, offsetof(struct func_entry, code)))
        return NULL;
    if (rax->kind == KIND_CALLEE)
        return &j->m->types[rax->arg];
    return rax->kind == KIND_IMPORT ? &j->m->types[j->m->func_types[rax->arg]] :
                                      NULL;
}

static bool
is_builtin(const struct judge *j)
{
    return j->ins.effect == EFFECT_CALL_MEM && j->ins.base < REGS &&
           j->regs[j->ins.base].kind == KIND_BUILTINS;
}

// The type of what a call goes to, or NULL.
static const struct verify_type *
callee(struct judge *j)
{
    bool direct = j->ins.effect == EFFECT_CALL || j->ins.effect == EFFECT_JUMP;
    const struct verify_type *type =
        direct ? find_callee(j, judge_target(j)) : entry_callee(j);

    judge_check(j, type != NULL, RULE_CALLEE);
    return type;
}

// --- builtins ----------------------------------------------------------------

// Does the first argument number what is there?
static bool
is_first(const struct verify_module *m, u64 builtin, struct value v)
{
    enum { ANY = INT32_MAX, ZERO = 1 };
    const u32 MEMORY = m->memory_count, TABLE = m->counts.tables;
    const u32 DATA = m->data_count, ELEM = m->elem_count, TAG = m->counts.tags;
    const struct {
        u32 low, high;
    } counts[] = {
#define BUILTIN(id, sig, trap, low, high) {low, high},
#include "abi/builtins.def"
    };

    return counts[builtin].low == ANY ||
           (v.kind == KIND_CONST && (u32)v.number < counts[builtin].low &&
            v.number >> 32 < counts[builtin].high);
}

// All but this the kernel looks at.
static bool
are_arguments(const struct judge *j, u64 builtin)
{
    const struct verify_module *m = j->m;
    struct value one = j->regs[VERIFY_RSI], two = j->regs[VERIFY_RDX];

    if (!is_first(m, builtin, one))
        return false;
    switch (builtin) {
    case BUILTIN_TABLE_COPY:
        return m->tables[(u32)one.number].kind ==
               m->tables[one.number >> 32].kind;
    case BUILTIN_FUNC_ENTRY:
        return two.kind == KIND_TYPE;
    case BUILTIN_THROW: // the values are in the frame
        return m->tags[one.number] == 0 ||
               (two.kind == KIND_FRAME &&
                16ull * m->tags[one.number] <= two.number);
    }
    return true;
}

// The kernel has looked for a function of the type.
static struct value
builtin_result(struct judge *j)
{
    if ((u64)j->ins.disp / sizeof(u64) != BUILTIN_FUNC_ENTRY)
        return value_number(j, 64);
    return value_of_kind(j, KIND_CALLEE, j->regs[VERIFY_RDX].arg);
}

static void
call_builtin(struct judge *j)
{
    const struct verify_ins *i = &j->ins;
    u64 builtin = (u64)i->disp / sizeof(u64);

    if (judge_check(j,
                    i->disp >= 0 && i->disp % 8 == 0 &&
                        i->index == VERIFY_NONE && builtin < BUILTIN_COUNT,
                    RULE_CALLEE))
        judge_check(j,
                    j->regs[VERIFY_RDI].kind == KIND_VMCTX &&
                        are_arguments(j, builtin),
                    RULE_BUILTIN);
}

// --- calls -------------------------------------------------------------------

static void
call_row(struct judge *j, u32 args)
{
    const struct verify_code *c = &j->m->code;
    const struct call_site *row = &c->calls[j->call];

    if (!judge_check(j, j->call < c->call_count && row->pc == j->next,
                     RULE_CALL_SITE))
        return;
    j->call++;
    judge_check(j, row->args == args, RULE_CALL_SITE);
    if (row->try == 0 || !judge_check(j, row->try < c->try_count, RULE_TRY))
        return;
    u32 owner = j->try_funcs[row->try];
    judge_check(j, owner == j->index || owner == NO_INDEX, RULE_TRY);
}

void
judge_call(struct judge *j)
{
    static const struct verify_type none;
    const struct verify_type *type = &none;

    j->has_calls = true;
    judge_check(j, !j->entering, RULE_PROLOGUE);
    judge_check(j, j->frame % 16 == 8, RULE_STACK);
    bool builtin = is_builtin(j);
    if (builtin)
        call_builtin(j);
    else
        type = callee(j);
    if (type == NULL)
        return;
    struct value rax = builtin ? builtin_result(j) : value_number(j, 64);
    u64 area = (u64)type->args + type->returned;
    judge_check(j, area <= MIN(j->body, j->frame_slot), RULE_STACK);
    judge_write_body(j, area);
    judge_check(j, (type->params & ~j->narrow) == 0, RULE_ARGUMENT);
    call_row(j, type->args);
    if (type->args > 0) // which the callee has popped
        judge_check(j, is_sub(judge_step(j), RSP, type->args), RULE_STACK);
    judge_forget(j, GENERAL & ~KEPT, type->results);
    if (builtin)
        judge_set(j, VERIFY_RAX, rax);
    judge_forget_flags(j);
    judge_forget_fleeting(j);
    if (area > 0)
        j->slots_from = j->now + 1;
}

// --- tail calls --------------------------------------------------------------

// A function that does not check the stack leaves to the next one no less of it
// than it was given, or than any such function may take.
static bool
is_deeper(const struct judge *j, u32 args)
{
    return !j->checked && j->frame_slot == NO_PC &&
           args > MAX(j->type->args, (u32)LEAF_UNCHECKED);
}

void
judge_tail(struct judge *j, u32 args)
{
    bool jumps =
        j->ins.effect == EFFECT_JUMP || j->ins.effect == EFFECT_JUMP_MEM;
    const struct verify_type *type = NULL, *own = j->type;

    j->reachable = false;
    if (judge_check(j, jumps, RULE_EPILOGUE))
        type = callee(j);
    if (type == NULL)
        return;
    judge_check(j, type->args == args, RULE_STACK);
    judge_check(j, !is_deeper(j, args), RULE_CHECK);
    judge_check(j, (type->params & ~j->narrow) == 0, RULE_ARGUMENT);
    judge_check(j,
                (own->results & ~type->results) == 0 &&
                    type->returned <= own->returned,
                RULE_RESULT);
}

// --- jumps by tables ---------------------------------------------------------

void
judge_jump_table(struct judge *j)
{
    const struct verify_code *c = &j->m->code;
    struct value v = j->regs[j->ins.b & (REGS - 1)];

    if (!judge_check(j, v.kind == KIND_LABEL && v.number <= j->table_room,
                     RULE_TABLE))
        return;
    j->table_room -= v.number;
    for (u64 k = 0; k < v.number && j->rule == RULE_OK; k++) {
        u32 distance;
        if (!judge_may_step(j))
            break;
        memcpy(&distance, c->text + v.arg + 4 * k, sizeof(distance));
        judge_jump(j, v.arg + distance, false);
    }
    j->reachable = false;
}
