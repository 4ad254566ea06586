// verify/judge.c: one walk over the code of each function.
//
// The state (what registers hold, and slots written lately) follows the code in
// the order of addresses.  A jump forward leaves at its target which registers
// are below 2^32: all that reach it have to be for the walk to go on with that.
// A jump back leads only to a head, where the table says which registers are,
// whoever comes.  So each instruction is looked at once.
//
// Registers that nothing between a short jump and its target changes still hold
// there what they held at the jump, on all ways: the walk passes all of the
// code that lies between, and nobody else comes in but with a state that says
// so, too.

#include "verify/internal.h"

enum {
    FILL = 0xcc,            // the byte of int3
    FILL_MOST = 31,         // behind a stub
    COUNT_MOST = INT32_MAX, // of instructions and of ids in a function
    CELLS_PIECE = 1 << 20,  // cleared between two looks at a kill
};

// In a cell: bits of `narrow` registers, and these in the place of FIXED ones.
enum {
    CELL_TARGET = 1 << RSP, // jumped to from before
    CELL_LONG = 1 << R14,   // ... from afar: the ring does not know since when
    CELL_PAD = 1 << R15,    // a landing pad, or one of these:
    CELL_STUB = CELL_PAD | CELL_LONG, // the trap of a check
    CELL_ENTRY = CELL_PAD | CELL_TARGET,
    LOW_BITS = CELL_TARGET - 1,
};

void
judge_fail(struct judge *j, enum verify_rule rule)
{
    if (j->rule != RULE_OK)
        return;
    j->rule = rule;
    j->rule_pc = j->at;
}

// --- instructions ------------------------------------------------------------

bool
judge_decode(struct judge *j)
{
    const u8 *text = j->m->code.text;

    j->at = j->next;
    j->site = SITE_NONE;
    j->now++;
    enum verify_rule rule =
        verify_decode(&j->ins, text + j->at, text + j->m->code.size);
    if (!judge_check(j, rule == RULE_OK, rule))
        return false;
    j->next = j->at + j->ins.length;
    if (!judge_check(j, j->next <= j->end, RULE_CUT))
        return false;
    return judge_check(j, (j->ins.needs & ~j->m->features) == 0, RULE_FEATURE);
}

// Go on to this row of heads (of traps).
static void
set_head(struct judge *j, u32 head)
{
    const struct verify_code *c = &j->m->code;

    j->head = head;
    j->head_pc = head < c->head_count ? c->heads[head].pc : NO_PC;
}

static void
set_trap(struct judge *j, u32 trap)
{
    const struct verify_code *c = &j->m->code;

    j->trap = trap;
    j->trap_pc = trap < c->trap_count ? c->traps[trap].pc : NO_PC;
}

bool
judge_goes_on(const struct judge *j)
{
    return j->next < j->end && j->cells[j->next - j->start] == 0 &&
           j->next != j->head_pc;
}

const struct verify_ins *
judge_step(struct judge *j)
{
    if (judge_check(j, judge_goes_on(j), RULE_TARGET) && judge_decode(j) &&
        (j->ins.flags & VERIFY_WFLAGS) != 0)
        judge_forget_flags(j);
    return &j->ins;
}

void
judge_site(struct judge *j)
{
    enum {
        FAULTS = 1 << TRAP_MEMORY_BOUNDS | 1 << TRAP_NULL_STRUCT |
                 1 << TRAP_NULL_ARRAY,
        // Those of ud2 that are not the kernel's.
        TRAPS = (1 << TRAP_UNCAUGHT_EXCEPTION) - 2 - (1 << TRAP_STACK_OVERFLOW)
    };
    static const u32 traps[] = {
        [SITE_NONE] = 0,
        [SITE_MEMORY] = FAULTS,
        [SITE_DIVIDE] = 1 << TRAP_DIVIDE_BY_ZERO,
        [SITE_TRAP] = TRAPS,
        [SITE_AGAIN] = FAULTS,
        [SITE_CHECK] = 0,
    };

    if (j->trap_pc != j->at) {
        judge_check(j, j->site >= SITE_AGAIN, RULE_TRAP_SITE);
        return;
    }
    u32 trap = j->m->code.traps[j->trap].trap;
    set_trap(j, j->trap + 1);
    judge_check(j, trap < TRAP_COUNT && (traps[j->site] >> trap & 1) != 0,
                RULE_TRAP_SITE);
}

// --- jumps -------------------------------------------------------------------

static u16 *
cell_at(struct judge *j, u32 pc)
{
    return &j->cells[pc - j->start];
}

static void
jump_forward(struct judge *j, u32 to, bool is_short)
{
    u16 *cell = cell_at(j, to);
    u32 narrow = j->narrow & GENERAL;

    if (!judge_check(j, (*cell & CELL_PAD) == 0, RULE_TARGET))
        return;
    if ((*cell & CELL_TARGET) == 0) {
        j->pending++;
        *cell = (u16)(CELL_TARGET | narrow);
        if (is_short)
            j->ring[to % RING] = (struct since){to, j->now};
    }
    *cell &= (u16)(narrow | FIXED);
    if (!is_short)
        *cell |= CELL_LONG;
}

// The row of the head at pc that the walk has passed, or NULL.
static const struct code_head *
passed_head(const struct judge *j, u32 pc)
{
    const struct code_head *heads = j->m->code.heads + j->first_head;
    u32 count = j->head - j->first_head, at = FIRST(heads, pc, count, pc);
    bool found = at < count && heads[at].pc == pc;

    return found && (heads[at].what & ~GENERAL) == 0 ? &heads[at] : NULL;
}

// lock cmpxchg failed: once more from the copy of what it read.
//
//     mov rax, [mem]
//     to: mov spare, rax;  op spare, a;  lock cmpxchg [mem], spare;  jne to
//
// Nobody else comes to what is behind `to`.  rax is then what was read, of as
// many bits as the walk has found for it behind the exchange; what that makes
// of spare is not known.
static bool
is_retry(struct judge *j, u32 to)
{
    const u8 *text = j->m->code.text;
    struct verify_ins ins[3] = {0};
    u32 pc = to;

    if (to != j->copied || j->joined > to || !is_jcc(&j->ins, CC_NE))
        return false;
    for (u32 k = 0; k < COUNT(ins); k++) { // the walk has decoded all of them
        (void)verify_decode(&ins[k], text + pc, text + j->end);
        pc += ins[k].length;
    }
    const struct verify_ins *copy = &ins[0], *apply = &ins[1], *swap = &ins[2];
    u32 spare = copy->def;
    bool is_so = pc == j->at && copy->width == 8 && spare != VERIFY_RAX &&
                 (apply->effect == EFFECT_AND || apply->effect == EFFECT_ANY) &&
                 (apply->flags & (VERIFY_MEM | VERIFY_RFLAGS)) == 0 &&
                 apply->def == spare && swap->effect == EFFECT_MERGE &&
                 swap->def == VERIFY_RAX && // not of xadd
                 (swap->flags & VERIFY_LOCKED) != 0 &&
                 swap->index != spare && // which is no base: a number
                 swap->base != VERIFY_RAX && swap->index != VERIFY_RAX &&
                 swap->reg == spare;
    if (is_so)
        judge_set(j, spare, value_number(j, 64));
    return is_so;
}

static void
jump_back(struct judge *j, u32 to)
{
    const struct code_head *head = passed_head(j, to);

    if (head == NULL && is_retry(j, to))
        return;
    if (judge_check(j, head != NULL, RULE_TARGET))
        judge_check(j, (head->what & ~j->narrow) == 0, RULE_STATE);
}

void
judge_jump(struct judge *j, u32 to, bool is_short)
{
    if (!judge_check(j, to >= j->start && to < j->end, RULE_TARGET) ||
        !judge_check(j, !j->entering, RULE_PROLOGUE))
        return;
    if (to > j->at)
        jump_forward(j, to, is_short);
    else
        jump_back(j, to);
}

// --- where jumps meet --------------------------------------------------------

void
judge_join(struct judge *j, u32 narrow, u32 when)
{
    u32 changed = 0;

    for (u32 r = 0; when > 0 && r < REGS; r++)
        changed |= (u32)(j->when[r] > when) << r;
    j->now++;
    judge_forget(j, when > 0 ? changed & GENERAL : GENERAL, narrow);
    judge_forget_all(j);
    j->joined = j->at;
    j->reachable = true;
}

static void
reach_head(struct judge *j, u32 cell)
{
    u32 what = j->m->code.heads[j->head].what;
    u32 coming = j->reachable ? j->narrow : GENERAL;

    set_head(j, j->head + 1);
    if ((cell & CELL_TARGET) != 0)
        coming &= cell;
    judge_check(j, (what & ~GENERAL) == 0, RULE_HEAD);
    judge_check(j, (what & ~coming) == 0, RULE_STATE);
    judge_join(j, what, 0);
}

static void
reach_target(struct judge *j, u32 cell)
{
    u32 when = (cell & CELL_LONG) != 0 ? 0 : j->ring[j->next % RING].when;
    u32 narrow = cell & GENERAL;

    assert((cell & CELL_LONG) != 0 || j->ring[j->next % RING].pc == j->next);
    judge_join(j, j->reachable ? narrow & j->narrow : narrow, when);
}

// Before the instruction at j->next: who jumps to it?
static void
reach(struct judge *j, u32 cell)
{
    if ((cell & CELL_TARGET) != 0)
        j->pending--;
    if (j->next == j->head_pc)
        reach_head(j, cell);
    else if ((cell & CELL_TARGET) != 0)
        reach_target(j, cell);
}

static u32
pad_count(u32 cell)
{
    return (cell & LOW_BITS) | (cell & GENERAL & ~LOW_BITS) >> 1;
}

// A landing pad.  Where several tags lead to one, it takes no more than the
// smallest payload has.
static void
mark_pad(struct judge *j, u32 pc, u32 count)
{
    u16 *cell = cell_at(j, pc);
    u32 least = *cell != 0 ? MIN(count, pad_count(*cell)) : count;
    u32 high = least & ~(u32)LOW_BITS;

    j->pending += *cell == 0;
    *cell = (u16)(CELL_PAD | (least & LOW_BITS) | high << 1);
}

void
judge_mark_stub(struct judge *j, u32 pc)
{
    if (!judge_check(j, pc > j->at && pc < j->end, RULE_TARGET) ||
        !judge_check(j, *cell_at(j, pc) == 0, RULE_TARGET))
        return;
    *cell_at(j, pc) = CELL_STUB;
    j->pending++;
}

// --- control flow ------------------------------------------------------------

// A jump to the entry is a tail call, unless the function has no prologue, and
// its first block is a loop.
static void
jump(struct judge *j)
{
    u32 to = judge_target(j);
    bool calls = to == j->entry && passed_head(j, to) == NULL;

    if (to >= j->start && to < j->end && !calls)
        judge_jump(j, to, j->ins.length == 2);
    else
        judge_leave(j);
    j->reachable = false;
}

// What changes rsp or the place.
static void
control(struct judge *j)
{
    switch (j->ins.effect) {
    case EFFECT_CALL:
    case EFFECT_CALL_MEM:
        judge_call(j);
        break;
    case EFFECT_JUMP:
        jump(j);
        break;
    case EFFECT_JCC:
        judge_jump(j, judge_target(j), j->ins.length == 2);
        j->flags.denied |= (u16)(1u << j->ins.cc);
        break;
    case EFFECT_JUMP_REG:
        judge_jump_table(j);
        break;
    case EFFECT_TRAP:
        j->site = SITE_TRAP;
        j->reachable = false;
        break;
    case EFFECT_FILL:
    case EFFECT_PUSH:
        judge_fail(j, RULE_OPERAND);
        break;
    default:
        judge_leave(j);
    }
}

// What is read, whatever for.
static void
operands(struct judge *j)
{
    const struct verify_ins *i = &j->ins;
    bool moves = i->effect == EFFECT_COPY && i->width == 8;
    bool fixed = ((1u << i->a | 1u << i->b) & FIXED) != 0;

    judge_check(j, !fixed || moves, RULE_POINTER);
    if ((i->flags & VERIFY_MEM) != 0)
        judge_access(j);
}

static void
instruction(struct judge *j)
{
    const struct verify_ins *i = &j->ins;

    if (i->effect >= EFFECT_PUSH ||
        (i->effect != EFFECT_ADDRESS && i->def == RSP)) {
        control(j);
    } else if (i->effect == EFFECT_ADDRESS) {
        judge_set(j, i->def, judge_address(j));
    } else {
        operands(j);
        if ((i->flags & VERIFY_MEM) != 0 && j->loaded.kind == KIND_RETURN)
            judge_leave_by_end(j);
        else
            judge_effect(j);
    }
    if (j->site != SITE_NONE || j->at == j->trap_pc)
        judge_site(j);
}

// The trap of a stack check or of a landing pad's, which nothing else leads to.
static void
stub(struct judge *j)
{
    const struct trap_site *row = &j->m->code.traps[j->trap];

    judge_check(j, !j->reachable, RULE_TARGET);
    if (!judge_decode(j) ||
        !judge_check(j, j->ins.effect == EFFECT_TRAP, RULE_STUB))
        return;
    if (j->at != j->overflow) {
        j->site = SITE_CHECK;
        judge_site(j);
    } else if (judge_check(
                   j, j->trap_pc == j->at && row->trap == TRAP_STACK_OVERFLOW,
                   RULE_TRAP_SITE)) {
        set_trap(j, j->trap + 1);
    }
}

static void
skip_data(struct judge *j, u32 size)
{
    set_head(j, j->head + 1);
    judge_check(j, !j->reachable, RULE_END);
    judge_check(j, size > 0 && size <= j->end - j->next, RULE_HEAD);
    j->next += size;
}

// At the entry, which may be a head without prologue, a landing pad or a stub.
static bool
arrive_pad(struct judge *j, u32 cell)
{
    if (cell == CELL_ENTRY) {
        judge_check(j, !j->reachable, RULE_TARGET);
        *cell_at(j, j->entry) = 0; // nobody has jumped here, or will
        judge_prologue(j);
        if (j->next != j->entry)
            return false;
        reach(j, 0);
        return true;
    }
    if ((cell & CELL_STUB) == CELL_STUB)
        stub(j);
    else
        judge_pad(j, pad_count(cell));
    return false;
}

// At a place that is not just the next one.  False: the walk has gone on.
static bool
arrive(struct judge *j, u32 cell)
{
    const struct code_head *heads = j->m->code.heads;

    if (j->next == j->head_pc && (heads[j->head].what & HEAD_DATA) != 0) {
        skip_data(j, heads[j->head].what & INT32_MAX);
        return false;
    }
    if ((cell & CELL_PAD) != 0) {
        j->pending--;
        return arrive_pad(j, cell);
    }
    reach(j, cell);
    if (!j->reachable)
        judge_join(j, 0, 0); // whoever came here would know nothing
    return true;
}

// One step of the walk.
static void
go_on(struct judge *j)
{
    u32 cell = *cell_at(j, j->next);
    bool goes_on = cell == 0 && j->reachable && j->next != j->head_pc;

    j->at = j->next;
    if ((goes_on || arrive(j, cell)) && judge_decode(j))
        instruction(j);
}

// --- a function --------------------------------------------------------------

static void
mark_pads(struct judge *j)
{
    const struct verify_code *c = &j->m->code;
    u32 first = FIRST(c->catches, pc, c->catch_count, j->start);

    for (u32 i = first; i < c->catch_count && c->catches[i].pc < j->end; i++) {
        if (!judge_may_step(j))
            return;
        u32 tag = c->catches[i].tag;
        if (judge_check(j, tag == NO_INDEX || tag < j->m->counts.tags,
                        RULE_TRY))
            mark_pad(j, c->catches[i].pc,
                     tag == NO_INDEX ? 0 : j->m->tags[tag]);
    }
}

static void
mark_entry(struct judge *j)
{
    if (judge_check(j, j->entry >= j->start && j->entry < j->end,
                    RULE_FUNCTION) &&
        judge_check(j, *cell_at(j, j->entry) == 0, RULE_TARGET))
        *cell_at(j, j->entry) = CELL_ENTRY;
}

// A function may be as large as all of the code.
static void
clear_cells(struct judge *j)
{
    u32 size = j->end - j->start, piece;

    for (u32 at = 0; at < size && !j->stopped; at += piece) {
        piece = MIN(size - at, (u32)CELLS_PIECE);
        memset(j->cells + at, 0, piece * sizeof(*j->cells));
        j->stopped = at > 0 && !arena_may_go_on(j->temp);
    }
}

static void
reset(struct judge *j, u32 index, u32 start, u32 end)
{
    j->index = index;
    j->type = &j->m->types[j->m->func_types[index]];
    j->entry = j->m->code.entries[index];
    j->joined = j->start = j->next = j->at = start;
    j->end = end;
    j->frame = j->body = 0;
    j->frame_slot = NO_PC;
    j->saved = KEPT;
    j->has_calls = j->checked = j->entering = j->reachable = false;
    j->pushed_rsp = j->last_written = j->pads_check = false;
    j->overflow = NO_PC;
    j->pending = 1; // the entry
    j->first_head = j->head;
    j->now = 1;
    j->ids = 0;
    memset(j->slots, 0, sizeof(j->slots));
    clear_cells(j);
    judge_put(j, R14, value_of_kind(j, KIND_VMCTX, 0));
    judge_forget_all(j);
}

// A function in parts has its prologue in the last of them.  Until that is
// seen, it is taken to be as its row says.
static void
set_up_parts(struct judge *j)
{
    const struct verify_code *c = &j->m->code;
    u32 what = j->start == j->head_pc ? c->heads[j->head].what : 0;

    if (!judge_check(j, (what & HEAD_FRAME) != 0, RULE_HEAD))
        return;
    set_head(j, j->head + 1);
    j->first_head = j->head;
    j->frame_slot = what & ~(u32)(HEAD_FRAME | HEAD_PADS);
    judge_frame_set(j, (what & HEAD_PADS) != 0 ? HANDLER_SAVED : KEPT);
}

static void
set_up(struct judge *j, const struct func_code *f)
{
    const struct verify_code *c = &j->m->code;
    bool last = f + 1 == c->funcs + c->func_count;

    reset(j, f->func, f->start, f->end);
    j->frame = f->frame;
    // Its constants are between it and the next function.
    j->table_room = ((last ? c->size : f[1].start) - f->start) / 4;
    mark_pads(j);
    mark_entry(j);
    judge_check(j, f->args == j->type->args, RULE_FUNCTION);
    if (j->entry != j->start)
        set_up_parts(j);
}

static status_t
walk(struct judge *j)
{
    while (!j->stopped && j->rule == RULE_OK && j->next < j->end) {
        judge_check(j, (j->now | j->ids) <= COUNT_MOST, RULE_FUNCTION);
        go_on(j);
        (void)judge_may_step(j);
    }
    if (j->stopped)
        return ERR_KILLED;
    j->at = j->end;
    judge_check(j, !j->reachable && j->next == j->end, RULE_END);
    judge_check(j, j->pending == 0, RULE_TARGET);
    return OK;
}

// The rows of the function are used up.
static void
check_rows(struct judge *j)
{
    const struct verify_code *c = &j->m->code;

    judge_check(j, j->trap == c->trap_count || c->traps[j->trap].pc >= j->end,
                RULE_TRAP_SITE);
    judge_check(j, j->call == c->call_count || c->calls[j->call].pc > j->end,
                RULE_CALL_SITE);
    judge_check(j, j->head == c->head_count || c->heads[j->head].pc >= j->end,
                RULE_HEAD);
}

static status_t
judge_function(struct judge *j, const struct func_code *f)
{
    set_up(j, f);
    status_t status = walk(j);
    judge_check(j, !j->entering, RULE_PROLOGUE);
    bool is_leaf = !j->has_calls && j->frame <= LEAF_UNCHECKED;
    judge_check(j, j->checked || (is_leaf && j->frame_slot == NO_PC),
                RULE_CHECK);
    judge_check(j, !j->pads_check || (j->pushed_rsp && !j->last_written),
                RULE_PAD);
    check_rows(j);
    return status;
}

// The stubs of imports: functions without a row, which do not trap.
static status_t
judge_stubs(struct judge *j, const struct func_code *f)
{
    const struct verify_code *c = &j->m->code;
    status_t status = OK;

    for (u32 k = 0; k < j->m->func_imports && status == OK; k++) {
        bool last = k + 1 == j->m->func_imports;
        (void)judge_may_step(j); // walk() looks at what it said
        u32 start = c->entries[k], end = last ? f->end : c->entries[k + 1];
        for (u32 i = 0; i < FILL_MOST && end > start; i++)
            end -= c->text[end - 1] == FILL;
        reset(j, k, start, end);
        mark_entry(j);
        status = walk(j);
        judge_check(j, !j->has_calls && j->trap == 0, RULE_CHECK);
    }
    j->end = f->end; // what follows a stub has no rows either
    check_rows(j);
    return status;
}

// Row `row` starts where the one before it ends, for all rows: so none is left
// out.
static void
find_rows(struct judge *j, u32 row)
{
    const struct verify_code *c = &j->m->code;
    u32 pc = row > 0 ? c->funcs[row - 1].end : 0;

    set_trap(j, FIRST(c->traps, pc, c->trap_count, pc));
    j->call = FIRST(c->calls, pc, c->call_count, pc + (row > 0));
    set_head(j, FIRST(c->heads, pc, c->head_count, pc));
}

// For rows [first, end); NULL: no memory.
static struct judge *
judge_new(const struct verify_module *m, const u32 *try_funcs, u32 first,
          u32 end, struct arena *temp)
{
    struct judge *j = ARENA_NEW(temp, struct judge, 1);
    u32 largest = 0;

    for (u32 i = first; i < end; i++)
        largest = MAX(largest, m->code.funcs[i].end - m->code.funcs[i].start);
    u16 *cells = arena_alloc(temp, largest * sizeof(*cells), sizeof(*cells));
    struct since *ring = arena_alloc(temp, RING * sizeof(*ring), 4);
    if (j == NULL || cells == NULL || ring == NULL)
        return NULL;
    j->m = m;
    j->temp = temp;
    j->cells = cells;
    j->ring = ring;
    j->try_funcs = try_funcs;
    j->now = 1;
    judge_forget(j, ALL, 0);
    find_rows(j, first);
    return j;
}

status_t
verify_range(const struct verify_module *m, const u32 *try_funcs, u32 first,
             u32 end, struct arena *temp, struct verify_error *error)
{
    u64 mark = arena_mark(temp);
    struct judge *j = judge_new(m, try_funcs, first, end, temp);
    status_t status = j != NULL ? OK : ERR_NO_MEMORY;

    for (u32 i = first; i < end && status == OK; i++) {
        const struct func_code *f = &m->code.funcs[i];
        if (!arena_may_go_on(temp)) { // most are too short to ask
            status = ERR_KILLED;
            break;
        }
        status = f->func == NO_INDEX ? judge_stubs(j, f) : judge_function(j, f);
        if (status == OK && j->rule != RULE_OK) {
            *error = (struct verify_error){j->rule, j->index, j->rule_pc};
            status = ERR_INVALID;
        }
    }
    arena_reset(temp, mark);
    return status;
}

status_t
verify_code(const struct verify_module *m, struct arena *temp,
            struct verify_error *error)
{
    u64 mark = arena_mark(temp);
    u32 *try_funcs = ARENA_NEW(temp, u32, m->code.try_count);
    status_t status = try_funcs != NULL ? OK : ERR_NO_MEMORY;

    if (status == OK)
        status = verify_tables(m, try_funcs, temp, error);
    if (status == OK)
        status = verify_range(m, try_funcs, 0, m->code.func_count, temp, error);
    arena_reset(temp, mark);
    return status;
}
