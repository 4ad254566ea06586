// verify/judge_tables.c: the tables as a whole: in order, and nothing between
// functions.
//
// They may have any number of rows.  A check that is not to go on says that
// what it checks does not hold; verify_tables() then tells which it was.

#include "verify/internal.h"

u32
judge_first(const void *rows, u64 size, u64 field, u32 count, u64 least)
{
    const u8 *at = rows;
    u32 low = 0, high = count, number;

    while (low < high) {
        u32 middle = low + (high - low) / 2;
        memcpy(&number, at + middle * size + field, sizeof(number));
        if (number < least)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum { FRAME_MOST = 1 << 30 };

// Of the row of funcs that a pc is in; func_count: of none.
static u32
row_of(const struct verify_code *c, u32 pc)
{
    u32 row = FIRST(c->funcs, end, c->func_count, pc + 1ull);

    return row < c->func_count && c->funcs[row].start <= pc ? row :
                                                              c->func_count;
}

// A row for each function, in their order, and before them one for the stubs of
// imports, if there are any, where all these are entered.  *end: of the last.
static bool
check_funcs(const struct verify_module *m, u32 *end, struct arena *temp)
{
    const struct verify_code *c = &m->code;
    u32 stubs = m->func_imports > 0, last = 0;

    if (c->func_count != m->func_count - m->func_imports + stubs)
        return false;
    for (u32 i = 0; i < c->func_count; i++) {
        if (!arena_may_step(temp, i))
            return false;
        const struct func_code *f = &c->funcs[i];
        u32 func = i < stubs ? NO_INDEX : m->func_imports + i - stubs;
        if (f->func != func || f->start < last || f->end <= f->start ||
            f->end > c->size || f->frame > FRAME_MOST ||
            (i < stubs && (f->frame | f->args) != 0))
            return false;
        last = f->end;
    }
    *end = last;
    return stubs == 0 || (c->entries[0] >= c->funcs[0].start &&
                          c->entries[m->func_imports - 1] < c->funcs[0].end);
}

// Do the rows rise by their pc, the first field?
static bool
rises(const void *rows, u64 size, u32 count, struct arena *temp)
{
    const u8 *at = rows;
    u32 pc, before;

    for (u32 i = 1; i < count; i++) {
        memcpy(&before, at + (i - 1) * size, sizeof(before));
        memcpy(&pc, at + i * size, sizeof(pc));
        if (pc <= before || !arena_may_step(temp, i))
            return false;
    }
    return true;
}

// A head may be where a function in parts starts.
static bool
check_heads(const struct verify_code *c, struct arena *temp)
{
    for (u32 i = 1; i < c->head_count; i++) {
        const struct code_head *h = &c->heads[i];
        bool frame = (h[-1].what & HEAD_FRAME) != 0;
        if (h->pc + (u64)frame <= h[-1].pc || !arena_may_step(temp, i))
            return false;
    }
    return true;
}

// No row is of what is behind the last function.
static bool
check_ends(const struct verify_code *c, u32 end)
{
    return FIRST(c->traps, pc, c->trap_count, end) == c->trap_count &&
           FIRST(c->calls, pc, c->call_count, end + 1ull) == c->call_count &&
           FIRST(c->heads, pc, c->head_count, end) == c->head_count;
}

static bool
check_order(const struct verify_module *m, u32 end, struct arena *temp)
{
    const struct verify_code *c = &m->code;

    return rises(c->entries, sizeof(*c->entries), m->func_count, temp) &&
           rises(c->traps, sizeof(*c->traps), c->trap_count, temp) &&
           rises(c->calls, sizeof(*c->calls), c->call_count, temp) &&
           check_heads(c, temp) && check_ends(c, end);
}

// The catches of a function are together, so that its walk finds them all, and
// stubs have none.
static bool
check_catches(const struct verify_code *c, struct arena *temp)
{
    u32 row, before = 0;

    for (u32 i = 0; i < c->catch_count; i++) {
        if (!arena_may_step(temp, i))
            return false;
        row = row_of(c, c->catches[i].pc);
        if (row == c->func_count || row < before ||
            c->funcs[row].func == NO_INDEX)
            return false;
        before = row;
    }
    return true;
}

// The function that a handler with its catches belongs to: NO_INDEX, of nobody,
// as it has none.  False: to several.
static bool
find_owner(const struct verify_code *c, u32 *try_funcs, u32 i, u64 *work,
           struct arena *temp)
{
    const struct code_try *t = &c->tries[i];

    if (t->parent >= i || t->catches > c->catch_count ||
        t->count > c->catch_count - t->catches)
        return false;
    u32 owner = t->parent != 0 ? try_funcs[t->parent] : NO_INDEX;
    for (u32 k = t->catches; k < t->catches + t->count; k++) {
        if (++*work > c->catch_count || !arena_may_step(temp, *work))
            return false;
        u32 func = c->funcs[row_of(c, c->catches[k].pc)].func;
        if (owner != NO_INDEX && owner != func)
            return false;
        owner = func;
    }
    try_funcs[i] = owner;
    return true;
}

// Row 0 stands for no handler.  Each catch is of one, so that this is linear.
static bool
check_tries(const struct verify_code *c, u32 *try_funcs, struct arena *temp)
{
    u64 work = 0;

    for (u32 i = 1; i < c->try_count; i++)
        if (!arena_may_step(temp, i) ||
            !find_owner(c, try_funcs, i, &work, temp))
            return false;
    return true;
}

status_t
verify_tables(const struct verify_module *m, u32 *try_funcs, struct arena *temp,
              struct verify_error *error)
{
    const struct verify_code *c = &m->code;
    u32 rule = RULE_OK, end = 0;

    if (!check_funcs(m, &end, temp))
        rule = RULE_FUNCTION;
    else if (!check_order(m, end, temp))
        rule = RULE_ORDER;
    else if (!check_catches(c, temp) || !check_tries(c, try_funcs, temp))
        rule = RULE_TRY;
    if (rule != RULE_OK && !arena_may_go_on(temp))
        return ERR_KILLED;
    *error = (struct verify_error){rule, NO_INDEX, 0};
    return rule == RULE_OK ? OK : ERR_INVALID;
}
