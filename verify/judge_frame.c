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

// --- the prologue ------------------------------------------------------------

// Go on to what may be the next instruction of the prologue.
static void
look(struct judge *j)
{
    if (!judge_goes_on(j) || !judge_decode(j)) {
        j->at = j->next;
        j->ins.form = FORM_INT3; // no part of it
    }
}

// The branch out of the check.
static void
check_limit(struct judge *j, bool whole)
{
    judge_check(j, is_jcc(judge_step(j), CC_BE), RULE_PROLOGUE);
    j->overflow = judge_target(j);
    judge_mark_stub(j, j->overflow);
    j->checked = whole || j->frame <= STACK_UNCHECKED;
    look(j);
}

static void
stack_check(struct judge *j)
{
    const struct verify_ins *i = &j->ins;
    i32 limit = offsetof(struct vmctx, stack_limit);

    if (is_mem(i, FORM_CMP, RSP, R14, limit)) {
        check_limit(j, false);
    } else if (i->form == FORM_MOV && i->width == 8 && i->def == R11 &&
               i->b == RSP) {
        judge_check(j, is_sub(judge_step(j), R11, j->frame), RULE_PROLOGUE);
        judge_check(j, is_mem(judge_step(j), FORM_CMP, R11, R14, limit),
                    RULE_PROLOGUE);
        check_limit(j, true);
    }
}

// What is pushed, in their order; bytes of it.
static u32
pushes(struct judge *j, u32 *saved)
{
    u32 size = 0;

    for (u32 k = 0; k < COUNT(saved_order); k++) {
        if (j->ins.form != FORM_PUSH || j->ins.b != saved_order[k])
            continue;
        *saved |= 1u << saved_order[k];
        size += 8;
        look(j);
    }
    if (size > 0 && j->ins.form == FORM_PUSH && j->ins.b == RSP) {
        j->pushed_rsp = true;
        size += 8;
        look(j);
    }
    return size;
}

void
judge_prologue(struct judge *j)
{
    u32 before = j->saved, saved = 0;
    bool in_parts = j->frame_slot != NO_PC;

    j->saved = KEPT; // nobody's change until it is known
    judge_join(j, j->type->params, 0);
    look(j);
    stack_check(j);
    u32 size = pushes(j, &saved);
    if (is_sub(&j->ins, RSP, j->frame - size)) {
        size = j->frame;
        look(j);
    }
    judge_check(j, size == j->frame, RULE_PROLOGUE);
    judge_check(j, !in_parts || saved == before, RULE_PROLOGUE);
    judge_check(
        j, (saved & (1u << R14 | 1u << R15)) == 0 || saved == HANDLER_SAVED,
        RULE_PROLOGUE);
    judge_frame_set(j, saved);
    j->entering = in_parts;
    j->next = j->at; // what j->ins is, is the body's
}

// --- landing pads ------------------------------------------------------------

// The end of the frame, in a register.
static bool
is_end(const struct judge *j, u32 def)
{
    if (j->frame_slot != NO_PC)
        return is_mem(&j->ins, FORM_MOV, def, RSP, (i32)j->frame_slot);
    return is_mem(&j->ins, FORM_LEA, def, RSP, (i32)j->frame);
}

//     lea r15, [r14 - 48];  cmp r15, [r14 - 56];  jne stub
static void
check_frame(struct judge *j)
{
    judge_check(j,
                is_mem(judge_step(j), FORM_CMP, R15, R14, -HANDLER_MEMORY - 8),
                RULE_PAD);
    judge_check(j, is_jcc(judge_step(j), CC_NE), RULE_PAD);
    j->pads_check = true;
    judge_mark_stub(j, judge_target(j));
    judge_step(j);
}

// r14 and r15 come from the frame; rax is the address of the payload.
void
judge_pad(struct judge *j, u32 count)
{
    judge_check(j, !j->reachable && j->saved == HANDLER_SAVED, RULE_PAD);
    judge_decode(j);
    judge_check(j, is_end(j, R14), RULE_PAD);
    if (is_mem(judge_step(j), FORM_LEA, R15, R14, -HANDLER_MEMORY))
        check_frame(j);
    judge_check(j, is_mem(&j->ins, FORM_MOV, R15, R14, -HANDLER_MEMORY),
                RULE_PAD);
    judge_check(j, is_mem(judge_step(j), FORM_MOV, R14, R14, -HANDLER_VMCTX),
                RULE_PAD);
    judge_join(j, 0, 0);
    struct value payload = value_of_kind(j, KIND_PAYLOAD, 0);
    payload.number = 16ull * count;
    judge_set(j, VERIFY_RAX, payload);
}

// --- leaving -----------------------------------------------------------------

// From add rsp (or the first pop) on.
static void
unwind(struct judge *j)
{
    const struct verify_ins *i = &j->ins;
    u32 depth = j->frame;

    if (i->form == FORM_ADD_I) {
        judge_check(j, i->width == 8 && i->imm > 0 && i->imm <= depth,
                    RULE_EPILOGUE);
        depth -= (u32)i->imm;
        judge_step(j);
    }
    for (u32 k = RESTORED; k-- > 0;) {
        if ((j->saved >> saved_order[k] & 1) == 0)
            continue;
        judge_check(j,
                    i->form == FORM_POP && i->def == saved_order[k] &&
                        depth == saved_size(j, k + 1),
                    RULE_EPILOGUE);
        depth -= 8;
        judge_step(j);
    }
    judge_check(j, depth == 0, RULE_EPILOGUE);
}

void
judge_leave(struct judge *j)
{
    judge_check(j, !j->entering, RULE_PROLOGUE);
    unwind(j);
    if (j->ins.effect == EFFECT_RETURN) {
        judge_check(j, j->ins.imm == j->type->args, RULE_EPILOGUE);
        judge_check(j, (j->type->results & ~j->narrow) == 0, RULE_RESULT);
        j->reachable = false;
    } else {
        judge_tail(j, j->type->args);
    }
}

// The saved registers come back, by r10.
static void
restore_by_end(struct judge *j)
{
    i32 disp = 0;

    for (u32 k = 0; k < RESTORED; k++) {
        if ((j->saved >> saved_order[k] & 1) == 0)
            continue;
        disp -= 8;
        judge_check(j,
                    is_mem(judge_step(j), FORM_MOV, saved_order[k], R10, disp),
                    RULE_EPILOGUE);
    }
    judge_step(j);
}

// A move of 16 bytes, up to `top` from [base].
static bool
moves(const struct verify_ins *i, u32 form, u32 base, i64 top)
{
    return is_mem(i, form, i->reg, base, i->disp) && i->disp + 16ll <= top;
}

// 16 bytes of arguments move up; the lowest place that is written.
static i32
move_arguments(struct judge *j)
{
    const struct verify_ins *i = &j->ins;
    i32 lowest = INT32_MAX;

    while (j->rule == RULE_OK &&
           moves(i, FORM_MOVUPS, RSP, j->frame + 8ll + j->type->args)) {
        judge_check(j, i->disp >= 0, RULE_EPILOGUE);
        judge_check(
            j, moves(judge_step(j), FORM_MOVUPS_MR, R10, 8ll + j->type->args),
            RULE_EPILOGUE);
        lowest = MIN(lowest, i->disp);
        judge_step(j);
    }
    return lowest;
}

// Once the return address is in r11, it goes to where rsp is in the end, below
// the moved arguments.
void
judge_leave_by_end(struct judge *j)
{
    const struct verify_ins *i = &j->ins;

    judge_check(j, is_mem(i, FORM_MOV, R11, R10, 0) && !j->entering,
                RULE_EPILOGUE);
    restore_by_end(j);
    i32 lowest = move_arguments(j), disp = i->disp;
    judge_check(j,
                is_mem(i, FORM_LEA, RSP, R10, disp) && disp + 8ll <= lowest &&
                    disp <= (i32)j->type->args && disp % 8 == 0 &&
                    disp >= -(i32)j->frame,
                RULE_EPILOGUE);
    judge_check(j, is_mem(judge_step(j), FORM_MOV_MR, R11, RSP, 0),
                RULE_EPILOGUE);
    judge_step(j);
    judge_tail(j, (u32)((i32)j->type->args - disp));
}
