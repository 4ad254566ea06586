// verify/judge_frame.c: how a frame is entered and left.
//
//     [mov r11, rsp;  sub r11, frame]
//     cmp rsp or r11, [r14 + stack_limit];  jbe overflow
//     push rbx, rbp, r12, r13, r14, r15: those that are kept
//     [push rsp];  [sub rsp, body]
//
// In the body rsp does not move, but around calls with stack arguments.  It is
// left by the way back, or with the address of the return address in r10 where
// stack arguments have to move.

#include "verify/internal.h"

static const u8 saved_order[] = {RBX, RBP, R12, R13, R14, R15};
enum { RESTORED = 4 }; // of these; nobody changes the others

// Bytes of the first `count` of saved_order that are kept.
static u32
saved_size(const struct judge *j, u32 count)
{
    u32 size = 0;

    for (u32 i = 0; i < count; i++)
        size += 8 * (j->saved >> saved_order[i] & 1);
    return size;
}

void
judge_frame_set(struct judge *j, u32 saved)
{
    j->saved = saved;
    u32 size = saved_size(j, COUNT(saved_order));
    if (judge_check(j, j->frame >= size, RULE_PROLOGUE))
        j->body = j->frame - size;
}

bool
judge_needs_no_check(const struct judge *j)
{
    return !j->has_calls && j->frame <= LEAF_UNCHECKED &&
           j->frame_slot == NO_PC;
}

// --- the prologue ------------------------------------------------------------

// Decode what comes next without going there.
static bool
peek(const struct judge *j, struct verify_ins *ins)
{
    const u8 *text = j->m->code.text;

    return j->next < j->end &&
           verify_decode(ins, text + j->next, text + j->end) == RULE_OK;
}

static bool
is_limit_check(const struct verify_ins *i, u32 reg)
{
    return i->effect == EFFECT_COMPARE && i->width == 8 && i->a == reg &&
           i->from == FROM_MEM && i->base == R14 && i->index == VERIFY_NONE &&
           i->disp == (i32)offsetof(struct vmctx, stack_limit);
}

// The branch out of the check.
static void
check_limit(struct judge *j, bool whole)
{
    if (!judge_step(j))
        return;
    u32 to = (u32)(j->next + j->ins.imm);
    if (!judge_check(j,
                     j->ins.effect == EFFECT_JCC && j->ins.cc == CC_BE &&
                         to > j->at && to < j->end,
                     RULE_PROLOGUE) ||
        !judge_check(j, j->cells[to - j->start] == 0, RULE_TARGET))
        return;
    j->overflow = to;
    j->pending++;
    j->checked = whole || j->frame <= STACK_UNCHECKED;
}

//     mov r11, rsp;  sub r11, frame;  cmp r11, [limit]
static void
whole_check(struct judge *j)
{
    if (!judge_step(j) || !judge_step(j))
        return;
    judge_check(j,
                j->ins.form == FORM_SUB_I && j->ins.width == 8 &&
                    j->ins.def == R11 && j->ins.imm == j->frame,
                RULE_PROLOGUE);
    if (!judge_step(j))
        return;
    judge_check(j, is_limit_check(&j->ins, R11), RULE_PROLOGUE);
    check_limit(j, true);
}

static void
stack_check(struct judge *j)
{
    struct verify_ins next;

    if (!peek(j, &next))
        return;
    if (next.effect == EFFECT_COPY && next.width == 8 &&
        next.from == FROM_REG && next.b == RSP && next.def == R11) {
        whole_check(j);
    } else if (is_limit_check(&next, RSP) && judge_step(j)) {
        check_limit(j, false);
    }
}

// What is pushed, in their order; bytes of it.
static u32
pushes(struct judge *j, u32 *saved)
{
    struct verify_ins next;
    u32 order = 0, size = 0;

    while (peek(j, &next) && next.effect == EFFECT_PUSH && next.b != RSP) {
        while (order < COUNT(saved_order) && saved_order[order] != next.b)
            order++;
        if (!judge_check(j, order < COUNT(saved_order), RULE_PROLOGUE) ||
            !judge_step(j))
            break;
        *saved |= 1u << next.b;
        order++;
        size += 8;
    }
    if (size > 0 && next.effect == EFFECT_PUSH && judge_step(j)) {
        j->pushed_rsp = true;
        size += 8;
    }
    return size;
}

static u32
grown(struct judge *j)
{
    struct verify_ins next;

    if (!peek(j, &next) || next.form != FORM_SUB_I || next.def != RSP ||
        next.width != 8 || next.imm <= 0 || !judge_step(j))
        return 0;
    return (u32)next.imm;
}

// What arguments there are.
static void
enter(struct judge *j)
{
    j->now++;
    judge_forget(j, GENERAL, j->type->params);
    judge_forget_all(j);
    j->reachable = true;
}

void
judge_prologue(struct judge *j)
{
    u32 before = j->saved, saved = 0;
    bool in_parts = j->frame_slot != NO_PC;

    j->saved = KEPT; // nobody's change until it is known
    enter(j);
    stack_check(j);
    u32 size = pushes(j, &saved);
    size += grown(j);
    judge_check(j, size == j->frame, RULE_PROLOGUE);
    if (in_parts)
        judge_check(j, saved == before, RULE_PROLOGUE);
    judge_check(
        j, (saved & (1u << R14 | 1u << R15)) == 0 || saved == HANDLER_SAVED,
        RULE_PROLOGUE);
    judge_frame_set(j, saved);
    j->entering = in_parts;
}

// --- landing pads ------------------------------------------------------------

static bool
is_load(const struct verify_ins *i, u32 def, u32 base, i32 disp)
{
    return i->effect == EFFECT_COPY && i->width == 8 && i->from == FROM_MEM &&
           i->def == def && i->base == base && i->index == VERIFY_NONE &&
           i->disp == disp;
}

static bool
is_lea(const struct verify_ins *i, u32 def, u32 base, i32 disp)
{
    return i->effect == EFFECT_ADDRESS && i->width == 8 && i->def == def &&
           i->base == base && i->index == VERIFY_NONE && i->disp == disp;
}

// The end of the frame, in a register.
static bool
is_end(const struct judge *j, u32 def)
{
    if (j->frame_slot != NO_PC)
        return is_load(&j->ins, def, RSP, (i32)j->frame_slot);
    return is_lea(&j->ins, def, RSP, (i32)j->frame);
}

//     lea r15, [r14 - 48];  cmp r15, [r14 - 56];  jne stub
static bool
check_frame(struct judge *j)
{
    if (!judge_step(j))
        return false;
    const struct verify_ins *i = &j->ins;
    judge_check(j,
                i->effect == EFFECT_COMPARE && i->a == R15 &&
                    i->from == FROM_MEM && i->width == 8 && i->base == R14 &&
                    i->index == VERIFY_NONE && i->disp == -HANDLER_MEMORY - 8,
                RULE_PAD);
    if (!judge_step(j))
        return false;
    judge_check(j, i->effect == EFFECT_JCC && i->cc == CC_NE, RULE_PAD);
    j->pads_check = true;
    judge_mark_stub(j, (u32)(j->next + i->imm));
    return judge_step(j);
}

// r14 and r15 come from the frame; rax is the address of the payload.
void
judge_pad(struct judge *j, u32 count)
{
    judge_check(j, !j->reachable && j->saved == HANDLER_SAVED, RULE_PAD);
    if (!judge_decode(j))
        return;
    judge_check(j, is_end(j, R14), RULE_PAD);
    if (!judge_step(j))
        return;
    if (is_lea(&j->ins, R15, R14, -HANDLER_MEMORY) && !check_frame(j))
        return;
    judge_check(j, is_load(&j->ins, R15, R14, -HANDLER_MEMORY), RULE_PAD);
    if (!judge_step(j))
        return;
    judge_check(j, is_load(&j->ins, R14, R14, -HANDLER_VMCTX), RULE_PAD);
    judge_forget(j, GENERAL, 0);
    struct value payload = value_of_kind(j, KIND_PAYLOAD, 0);
    payload.number = 16ull * count;
    judge_set(j, VERIFY_RAX, payload);
    judge_forget_all(j);
    j->reachable = true;
}

// --- leaving -----------------------------------------------------------------

static bool
is_return(const struct judge *j)
{
    return j->ins.effect == EFFECT_RETURN;
}

static bool
is_jump(const struct judge *j)
{
    return j->ins.effect == EFFECT_JUMP || j->ins.effect == EFFECT_JUMP_MEM;
}

static void
give_back(struct judge *j)
{
    judge_check(j, j->ins.imm == j->type->args, RULE_EPILOGUE);
    judge_check(j, (j->type->results & ~j->narrow) == 0, RULE_RESULT);
}

// From add rsp (or the first pop) on.
static void
unwind(struct judge *j)
{
    u32 depth = j->frame;

    if (j->ins.effect == EFFECT_ADD) {
        judge_check(j,
                    j->ins.form == FORM_ADD_I && j->ins.def == RSP &&
                        j->ins.width == 8 && j->ins.imm > 0 &&
                        j->ins.imm <= depth,
                    RULE_EPILOGUE);
        depth -= (u32)j->ins.imm;
        if (!judge_step(j))
            return;
    }
    for (u32 i = RESTORED; i-- > 0;) {
        if ((j->saved >> saved_order[i] & 1) == 0)
            continue;
        if (!judge_check(j,
                         j->ins.effect == EFFECT_POP &&
                             j->ins.def == saved_order[i] &&
                             depth == saved_size(j, i + 1),
                         RULE_EPILOGUE))
            return;
        depth -= 8;
        if (!judge_step(j))
            return;
    }
    judge_check(j, depth == 0, RULE_EPILOGUE);
}

void
judge_leave(struct judge *j)
{
    judge_check(j, !j->entering, RULE_PROLOGUE);
    unwind(j);
    if (is_return(j))
        give_back(j);
    else if (judge_check(j, is_jump(j), RULE_EPILOGUE))
        judge_tail(j, j->type->args);
    j->reachable = false;
}

// The saved registers come back, by r10.
static bool
restore_by_end(struct judge *j)
{
    i32 disp = 0;

    for (u32 i = 0; i < RESTORED; i++) {
        if ((j->saved >> saved_order[i] & 1) == 0)
            continue;
        disp -= 8;
        if (!judge_step(j) ||
            !judge_check(j, is_load(&j->ins, saved_order[i], R10, disp),
                         RULE_EPILOGUE))
            return false;
    }
    return judge_step(j);
}

// 16 bytes of arguments move up; the lowest place that is written.
static bool
move_arguments(struct judge *j, i32 *lowest)
{
    u64 top = j->frame + 8ull + j->type->args;
    const struct verify_ins *i = &j->ins;

    while (i->effect == EFFECT_NONE && i->access == ACCESS_READ) {
        judge_check(j,
                    i->base == RSP && i->index == VERIFY_NONE && i->disp >= 0 &&
                        i->mem_size == 16 && (i->flags & VERIFY_ALIGNED) == 0 &&
                        i->disp + 16ull <= top,
                    RULE_EPILOGUE);
        if (!judge_step(j))
            return false;
        judge_check(j,
                    i->effect == EFFECT_NONE && i->access == ACCESS_WRITE &&
                        i->base == R10 && i->index == VERIFY_NONE &&
                        i->mem_size == 16 && (i->flags & VERIFY_ALIGNED) == 0 &&
                        i->disp + 16ll <= 8ll + j->type->args,
                    RULE_EPILOGUE);
        *lowest = MIN(*lowest, i->disp);
        if (!judge_step(j))
            return false;
    }
    return true;
}

// The return address goes to where rsp is now, below the moved arguments.
static void
leave_by_end(struct judge *j)
{
    i32 lowest = INT32_MAX;

    if (!restore_by_end(j) || !move_arguments(j, &lowest))
        return;
    i32 disp = j->ins.disp;
    judge_check(j,
                is_lea(&j->ins, RSP, R10, disp) && disp + 8ll <= lowest &&
                    disp <= (i32)j->type->args && disp % 8 == 0 &&
                    disp >= -(i32)j->frame,
                RULE_EPILOGUE);
    if (!judge_step(j))
        return;
    judge_check(j,
                j->ins.effect == EFFECT_STORE && j->ins.width == 8 &&
                    j->ins.from == FROM_REG && j->ins.b == R11 &&
                    j->ins.base == RSP && j->ins.index == VERIFY_NONE &&
                    j->ins.disp == 0,
                RULE_EPILOGUE);
    if (judge_step(j) && judge_check(j, is_jump(j), RULE_EPILOGUE))
        judge_tail(j, (u32)((i32)j->type->args - disp));
}

void
judge_leave_by_end(struct judge *j)
{
    judge_check(j,
                j->ins.base == R10 && j->ins.def == R11 && !j->entering &&
                    j->ins.effect == EFFECT_COPY,
                RULE_EPILOGUE);
    leave_by_end(j);
    j->reachable = false;
}
