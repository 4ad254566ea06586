// x64/emit/emit.c: an allocated function -> pieces, that is, bytes with
// branches still to be placed.
//
// Blocks keep their order, but cold ones go last, and the code of an edge goes
// behind the block it leaves.  Frame, from rsp up after the prologue: outgoing
// arguments, slots, saved registers, return address, incoming arguments.  The
// stack is checked before anything is pushed, so that a trap there finds the
// frame of the caller.  A function with landing pads keeps r14 and r15 in its
// frame as well, and each pad takes them from there.

#include "x64/emit/emit.h"

enum {
    NO_BLOCK = 0xffffffff,
    MAX_CHAIN = 4,
    MAX_UNROLLED = 128,
};

// As they are pushed; r14 and r15 only for landing pads, since nobody else
// changes them.
static const reg_t saved_order[] = {REG_RBX, REG_RBP, REG_R12,
                                    REG_R13, REG_R14, REG_R15};
enum { RESTORED = 4 };
_Static_assert(HANDLER_VMCTX == 5 * 8 && HANDLER_MEMORY == 6 * 8,
               "where saved_order has r14 and r15");

// Arrays that only a few functions grow out of.
static bool
init_arrays(struct emission *em, struct arena *temp)
{
    const struct mach *m = em->m;

    return array_room(temp, &em->pieces, &em->piece_capacity, 0,
                      2ull * m->block_count + 16, sizeof(*em->pieces)) &&
           array_room(temp, &em->sites, &em->site_capacity, 0,
                      m->count / 4 + 16, sizeof(*em->sites)) &&
           array_room(temp, &em->stubs, &em->stub_capacity, 0,
                      m->count / 16 + 16, sizeof(*em->stubs)) &&
           array_room(temp, &em->bytes, &em->byte_capacity, 0,
                      5ull * m->count + 4 * ENCODE_ROOM, 1);
}

static status_t
emission_init(struct emission *em, const struct mach *m, struct arena *temp)
{
    em->m = m;
    em->temp = temp;
    em->labels = ARENA_NEW(temp, u32, m->block_count);
    em->order = ARENA_NEW(temp, u32, m->block_count + 1);
    em->jumps = ARENA_NEW(temp, u32, m->block_count);
    em->cold = ARENA_NEW(temp, bool, m->block_count);
    em->pads = ARENA_NEW(temp, bool, m->block_count);
    em->heads = ARENA_NEW(temp, bool, m->block_count);
    em->needed = ARENA_NEW(temp, bool, m->block_count + 1);
    if (em->labels == NULL || em->order == NULL || em->jumps == NULL ||
        em->cold == NULL || em->pads == NULL || em->heads == NULL ||
        em->needed == NULL || !init_arrays(em, temp))
        return ERR_NO_MEMORY;
    em->encoder = (struct encoder){.at = em->bytes,
                                   .end = em->bytes + em->byte_capacity,
                                   .features = m->features,
                                   .wide = m->wide};
    em->pieces[0].start = 0;
    em->pool_size = m->rodata_count * 16;
    for (u32 i = 0; i < m->count; i++)
        em->has_calls |= mins_returns(&m->ins[i]);
    return OK;
}

// --- the order of blocks ---------------------------------------------------

static bool
is_edge_block(const struct mach *m, u32 block)
{
    return m->blocks[block].edge != 0;
}

static void
mark_pads(struct emission *em)
{
    const struct mach *m = em->m;

    for (u32 i = 0; i < m->fn->catch_count; i++)
        em->pads[m->edge_block[m->fn->catches[i].edge]] = true;
}

// Where a block without code of its own leads to, else NO_BLOCK.
static u32
only_jumps_to(const struct emission *em, u32 block)
{
    const struct mach *m = em->m;
    const struct mblock *b = &m->blocks[block];

    if (is_edge_block(m, block))
        return b->first == b->end ? m->fn->edges[b->edge].to : NO_BLOCK;
    if (m->fn->blocks[block].label != 0 || em->pads[block])
        return NO_BLOCK; // other parts, or handlers, need it
    if (b->end - b->first == 1 && m->ins[b->first].op == X64_JMP)
        return m->edge_block[m->ins[b->first].imm];
    return NO_BLOCK;
}

// Jumps to a block that only jumps on go directly to the end of such a chain.
// A chain that is a circle ends anywhere in it.
static void
resolve_jumps(struct emission *em)
{
    enum { UNKNOWN = 0xfffffffe, PENDING = 0xfffffffd };
    const struct mach *m = em->m;

    for (u32 b = 0; b < m->block_count; b++)
        em->jumps[b] = only_jumps_to(em, b) == NO_BLOCK ? b : UNKNOWN;
    for (u32 b = 0; b < m->block_count; b++) {
        u32 end = b;
        for (; em->jumps[end] == UNKNOWN; end = only_jumps_to(em, end))
            em->jumps[end] = PENDING;
        if (em->jumps[end] == PENDING)
            em->jumps[end] = end;
        end = em->jumps[end];
        for (u32 at = b; em->jumps[at] == PENDING; at = only_jumps_to(em, at))
            em->jumps[at] = end;
    }
}

static void
mark_cold(struct emission *em)
{
    const struct mach *m = em->m;
    const struct fn *fn = m->fn;

    for (u32 b = 1; b < m->block_count; b++) {
        const struct edge *e = &fn->edges[m->blocks[b].edge];
        em->cold[b] = is_edge_block(m, b) ?
                          fn->blocks[e->from].cold || fn->blocks[e->to].cold :
                          fn->blocks[b].cold || em->pads[b];
    }
}

static void
add_to_order(struct emission *em, u32 block, bool cold)
{
    if (em->cold[block] == cold && (em->jumps[block] == block || block == 0))
        em->order[em->order_count++] = block;
}

// Edge blocks by the block they leave: a list in em->labels, which has no other
// use yet, from `first` on.
static void
order_blocks(struct emission *em, u32 *first)
{
    const struct mach *m = em->m;
    u32 *next = em->labels;

    mark_cold(em);
    for (u32 b = m->block_count; b-- > 0;) {
        if (!is_edge_block(m, b))
            continue;
        u32 from = m->fn->edges[m->blocks[b].edge].from;
        next[b] = first[from];
        first[from] = b;
    }
    for (u32 cold = 0; cold < 2; cold++) {
        for (u32 b = 0; b < m->block_count; b++) {
            if (is_edge_block(m, b))
                continue;
            add_to_order(em, b, cold != 0);
            for (u32 e = first[b]; e != 0; e = next[e])
                add_to_order(em, e, cold != 0);
        }
    }
    em->order[em->order_count] = NO_BLOCK;
}

// --- pieces, labels and sites ----------------------------------------------

static u32
position(const struct emission *em)
{
    return (u32)(em->encoder.at - em->bytes);
}

// There is no memory for more: what is emitted from now on is lost.
static void
no_memory(struct emission *em)
{
    em->status = ERR_NO_MEMORY;
}

// Room for one more instruction.
static struct encoder *
reserve(struct emission *em)
{
    struct encoder *e = &em->encoder;
    u32 used = position(em);

    if (e->end - e->at >= ENCODE_ROOM)
        return e;
    if (array_grow(em->temp, NULL, &em->bytes, &em->byte_capacity, used,
                   ENCODE_ROOM, 1)) {
        e->at = em->bytes + used;
        e->end = em->bytes + em->byte_capacity;
    }
    return e; // else encoder.full will say so
}

// End the current piece, by a branch or by nothing.
static void
end_piece(struct emission *em, u32 branch, u32 label)
{
    struct piece *piece;

    if (!array_grow(em->temp, NULL, &em->pieces, &em->piece_capacity,
                    em->piece_count + 1, 1, sizeof(*em->pieces))) {
        no_memory(em);
        return;
    }
    piece = &em->pieces[em->piece_count++];
    piece->end = position(em);
    piece->branch = (u8)branch;
    piece->label = label;
    piece->is_short = false;
    piece[1].start = piece->end;
}

static struct origin
origin_of(const struct emission *em, const struct mins *ins)
{
    return fn_origin(em->m->fn, ins->from);
}

static const struct origin nowhere = {0, 0};

static void
add_site(struct emission *em, u32 kind, u32 at, u32 a, struct origin origin)
{
    if (!ARRAY_MORE(em->temp, em->sites, em->site_capacity, em->site_count)) {
        no_memory(em);
        return;
    }
    em->sites[em->site_count++] = (struct site){.kind = (u8)kind,
                                                .piece = em->piece_count,
                                                .at = at,
                                                .a = a,
                                                .origin = origin};
}

// Start a piece here; its number.
static u32
start_piece(struct emission *em, u32 label)
{
    if (position(em) > em->pieces[em->piece_count].start)
        end_piece(em, BRANCH_NONE, 0);
    if (em->listing)
        add_site(em, SITE_LABEL, position(em), label, nowhere);
    return em->piece_count;
}

// A new trap out of line; its label.
static u32
add_stub(struct emission *em, u32 trap, struct origin origin)
{
    if (!ARRAY_MORE(em->temp, em->stubs, em->stub_capacity, em->stub_count)) {
        no_memory(em);
        return em->m->block_count;
    }
    em->stubs[em->stub_count] =
        (struct stub){.origin = origin, .trap = (u8)trap};
    return em->m->block_count + em->stub_count++;
}

// --- single instructions ---------------------------------------------------

static void
emit_ins(struct emission *em, struct mins ins)
{
    encode(reserve(em), &ins);
}

static void
emit_move_rsp(struct emission *em, u32 op, u32 size)
{
    if (size > 0)
        emit_ins(em,
                 (struct mins){
                     .op = (u16)op, .def = REG_RSP, .a = REG_RSP, .imm = size});
}

// A load, store or address at [base + disp].
static void
emit_access(struct emission *em, u32 op, u32 reg, u32 base, i32 disp)
{
    emit_ins(em, (struct mins){.op = (u16)op,
                               .flags = MINS_MEM,
                               .def = reg,
                               .a = reg,
                               .base = base,
                               .index = REG_NONE,
                               .disp = disp});
}

static void
emit_stack(struct emission *em, u32 op, u32 reg, u32 disp)
{
    emit_access(em, op, reg, REG_RSP, (i32)disp);
}

static void
emit_trap(struct emission *em, u32 trap, struct origin origin)
{
    if (trap != TRAP_NONE)
        add_site(em, SITE_TRAP, position(em), trap, origin);
    emit_ins(em, (struct mins){.op = X64_TRAP});
}

// A jump or call of a function, or of a label of this one.
static void
emit_link(struct emission *em, u32 op, enum site_kind kind, u32 to)
{
    encode_rel(reserve(em), op, 0, 0);
    add_site(em, kind, position(em) - 4, to, nowhere);
}

// --- frame -----------------------------------------------------------------

// Of the registers in saved_order before index `end`.
static u32
saved_below(const struct mach *m, u32 end)
{
    u32 size = 0;

    for (u32 i = 0; i < end; i++)
        size += 8 * (m->saved >> saved_order[i] & 1);
    return size;
}

// What the prologue pushes; with checks, the address of that too.
static u32
pushed_size(const struct emission *em)
{
    return saved_below(em->m, COUNT(saved_order)) + (em->checks ? 8 : 0);
}

// Bytes from rsp to the return address: 8 more than a multiple of 16, unless
// nothing needs the alignment.
static u32
frame_size(const struct emission *em)
{
    const struct mach *m = em->m;
    u32 size = m->out_size + m->frame_size + pushed_size(em);

    if (!em->has_calls && m->out_size + m->frame_size == 0)
        return size; // never of a last part: it has slots
    return size % 16 == 8 ? size : size + 8;
}

static void
emit_stack_check(struct emission *em)
{
    struct origin origin = fn_origin(em->m->fn, 0);
    reg_t reg = REG_RSP;

    if (!em->has_calls && em->m->fn->part == FN_WHOLE &&
        em->frame <= LEAF_UNCHECKED)
        return;
    if (em->frame > STACK_UNCHECKED) {
        reg = REG_R11;
        emit_ins(em, (struct mins){.op = X64_MOV64, .def = reg, .b = REG_RSP});
        emit_ins(
            em, (struct mins){
                    .op = X64_SUB64_I, .def = reg, .a = reg, .imm = em->frame});
    }
    emit_ins(em, (struct mins){.op = X64_CMP64,
                               .flags = MINS_MEM,
                               .a = reg,
                               .base = MEM_VMCTX,
                               .index = REG_NONE,
                               .disp = offsetof(struct vmctx, stack_limit)});
    end_piece(em, CC_BE, add_stub(em, TRAP_STACK_OVERFLOW, origin));
}

// Fill the slots of plain mode with zero bytes, from their end down.  r10 and
// xmm15 carry no argument.
//
//     mov r10d, size - 16
//     again: movups [rsp + r10 + slots], xmm15;  sub r10, 16;  jns again
static void
emit_zero_slots(struct emission *em)
{
    u32 size = em->m->fn->zero_size;

    if (size == 0)
        return;
    emit_ins(em, (struct mins){.op = X64_ZEROX, .def = REG_SCRATCH});
    for (u32 at = 0; size <= MAX_UNROLLED && at < size; at += 16)
        emit_stack(em, X64_MOVUPS_MR, REG_SCRATCH, em->m->out_size + at);
    if (size <= MAX_UNROLLED)
        return;
    emit_ins(
        em, (struct mins){.op = X64_MOV32_I, .def = REG_R10, .imm = size - 16});
    u32 again = position(em);
    emit_ins(em, (struct mins){.op = X64_MOVUPS_MR,
                               .flags = MINS_MEM,
                               .a = REG_SCRATCH,
                               .base = REG_RSP,
                               .index = REG_R10,
                               .disp = (i32)em->m->out_size});
    emit_ins(em,
             (struct mins){
                 .op = X64_SUB64_I, .def = REG_R10, .a = REG_R10, .imm = 16});
    reserve(em);
    encode_jump_back(&em->encoder, CC_NS, em->bytes + again);
}

u32
emission_slot(const struct emission *em)
{
    return em->m->out_size + em->m->fn->slot_at[SLOT_FRAME];
}

// The last part tells the others, which leave by tail calls, how large the
// frame is.
static void
emit_prologue(struct emission *em)
{
    const struct mach *m = em->m;

    em->encoder.slots_at = m->out_size;
    if (m->fn->part == FN_PART)
        return;
    em->frame = frame_size(em);
    em->encoder.args_at = em->frame + 8;
    emit_stack_check(em);
    for (u32 i = 0; i < COUNT(saved_order); i++)
        if ((m->saved >> saved_order[i] & 1) != 0)
            emit_ins(em, (struct mins){.op = X64_PUSH, .a = saved_order[i]});
    if (em->checks)
        emit_ins(em, (struct mins){.op = X64_PUSH, .a = REG_RSP});
    emit_move_rsp(em, X64_SUB64_I, em->frame - pushed_size(em));
    emit_zero_slots(em);
    if (m->fn->part == FN_LAST) {
        emit_stack(em, X64_LEA64, REG_R10, em->frame);
        emit_stack(em, X64_MOV64_MR, REG_R10, emission_slot(em));
    }
}

static void
emit_epilogue(struct emission *em)
{
    const struct mach *m = em->m;

    emit_move_rsp(em, X64_ADD64_I, em->frame - saved_below(m, RESTORED));
    for (u32 i = RESTORED; i-- > 0;)
        if ((m->saved >> saved_order[i] & 1) != 0)
            emit_ins(em, (struct mins){.op = X64_POP, .def = saved_order[i]});
}

// Leave the frame for a tail call.  Its stack arguments, now at rsp, end where
// our own end, below the caller's result area; they move upwards, so the last
// goes first.  r10, r11 and xmm15 carry no argument; r10 becomes the address of
// the return address.
static void
emit_leave(struct emission *em, u32 args_size)
{
    const struct mach *m = em->m;
    i32 to = 8 + (i32)m->args_size - (i32)args_size, at = 0;
    bool whole = m->fn->part == FN_WHOLE;

    if (args_size == 0 && m->args_size == 0 && whole) {
        emit_epilogue(em);
        return;
    }
    if (whole)
        emit_stack(em, X64_LEA64, REG_R10, em->frame);
    else
        emit_stack(em, X64_MOV64, REG_R10, emission_slot(em));
    emit_access(em, X64_MOV64, REG_R11, REG_R10, 0);
    for (u32 i = 0; i < RESTORED; i++)
        if ((m->saved >> saved_order[i] & 1) != 0)
            emit_access(em, X64_MOV64, saved_order[i], REG_R10, at -= 8);
    for (u32 i = args_size; i > 0; i -= 16) {
        emit_stack(em, X64_MOVUPS, REG_SCRATCH, i - 16);
        emit_access(em, X64_MOVUPS_MR, REG_SCRATCH, REG_R10, to + (i32)i - 16);
    }
    emit_access(em, X64_LEA64, REG_RSP, REG_R10, to - 8);
    emit_stack(em, X64_MOV64_MR, REG_R11, 0);
}

// --- landing pads ----------------------------------------------------------

// The word below the saved registers, which end at r14, is their address: else
// this is not the function's own frame.
static void
emit_pad_check(struct emission *em)
{
    emit_access(em, X64_LEA64, REG_R15, REG_R14, -HANDLER_MEMORY);
    emit_ins(em, (struct mins){.op = X64_CMP64,
                               .flags = MINS_MEM,
                               .a = REG_R15,
                               .base = REG_R14,
                               .index = REG_NONE,
                               .disp = -HANDLER_MEMORY - 8});
    end_piece(em, CC_NE, add_stub(em, TRAP_NONE, nowhere));
}

// Only rsp is right: find the frame's end from it, and there r15 and r14.
static void
emit_pad(struct emission *em)
{
    if (em->m->fn->part == FN_WHOLE)
        emit_stack(em, X64_LEA64, REG_R14, em->frame);
    else
        emit_stack(em, X64_MOV64, REG_R14, emission_slot(em));
    if (em->checks)
        emit_pad_check(em);
    emit_access(em, X64_MOV64, REG_R15, REG_R14, -HANDLER_MEMORY);
    emit_access(em, X64_MOV64, REG_R14, REG_R14, -HANDLER_VMCTX);
}

// --- calls and ends of blocks ----------------------------------------------

static void
emit_call(struct emission *em, const struct mins *ins)
{
    const struct mcall *call = &em->m->calls[ins->imm];

    if (ins->op == X64_CALL_REL)
        emit_link(em, X64_CALL_REL, SITE_LINK, call->func);
    else
        emit_ins(em, *ins);
    add_site(em, SITE_CALL, position(em), ins->imm, origin_of(em, ins));
    emit_move_rsp(em, X64_SUB64_I, call->args_size);
}

static void
emit_tail(struct emission *em, const struct mins *ins)
{
    const struct mcall *call = &em->m->calls[ins->imm];

    emit_leave(em, call->args_size);
    if (ins->op == X64_TAIL_REL) {
        emit_link(em, X64_TAIL_REL, SITE_LINK, call->func);
    } else {
        assert(ins->base == REG_RAX); // nothing else outlives the frame
        emit_ins(em, *ins);
    }
}

static u32
target(const struct emission *em, edge_t edge)
{
    return em->jumps[em->m->edge_block[edge]];
}

static bool
only_returns(const struct mach *m, u32 block)
{
    const struct mblock *b = &m->blocks[block];

    return !is_edge_block(m, block) && b->end - b->first == 1 &&
           m->ins[b->first].op == X64_RET;
}

static void
emit_return(struct emission *em)
{
    emit_epilogue(em);
    encode_ret(reserve(em), em->m->args_size);
}

// A return is shorter than a jump to it, or not much longer.
static void
emit_jump(struct emission *em, u32 to, u32 next)
{
    if (to == next)
        em->needed[next] = true;
    else if (only_returns(em->m, to))
        emit_return(em);
    else
        end_piece(em, CC_ALWAYS, to);
}

// To `yes` after a comparison of floats that found them equal, else to `no`.
static void
emit_jump_feq(struct emission *em, u32 yes, u32 no, u32 next)
{
    if (yes == next) {
        em->needed[next] = true;
        end_piece(em, CC_NE, no);
        end_piece(em, CC_P, no);
    } else {
        end_piece(em, CC_P, no);
        end_piece(em, CC_E, yes);
        emit_jump(em, no, next);
    }
}

static void
emit_jcc(struct emission *em, const struct mins *ins, u32 next)
{
    u32 yes = target(em, ins->imm), no = target(em, ins->def2);

    if (yes == no) {
        emit_jump(em, yes, next);
    } else if (ins->cc == CC_FEQ) {
        emit_jump_feq(em, yes, no, next);
    } else if (ins->cc == CC_FNE) {
        emit_jump_feq(em, no, yes, next);
    } else if (yes == next) {
        em->needed[next] = true;
        end_piece(em, ins->cc ^ 1u, no);
    } else {
        end_piece(em, ins->cc, yes);
        emit_jump(em, no, next);
    }
}

static void
emit_trap_cc(struct emission *em, const struct mins *ins)
{
    u32 stub = add_stub(em, ins->imm, origin_of(em, ins));

    assert(ins->cc != CC_FEQ);
    end_piece(em, ins->cc == CC_FNE ? CC_NE : ins->cc, stub);
    if (ins->cc == CC_FNE)
        end_piece(em, CC_P, stub);
}

// Of the instruction just written, whose displacement is in the pool.
static void
add_rodata_site(struct emission *em)
{
    add_site(em, SITE_RODATA, (u32)(em->encoder.rodata_at - em->bytes),
             position(em), nowhere);
}

static u32
case_target(const struct emission *em, const struct cases *cases, u32 i)
{
    return target(em, em->m->fn->pool[cases->targets + i]);
}

// Few targets: compare with each.
static void
emit_chain(struct emission *em, const struct cases *cases, u32 index, u32 next)
{
    u32 last = cases->count - 1;

    for (u32 i = 0; i < last; i++) {
        emit_ins(em, (struct mins){.op = X64_CMP32_I, .b = index, .imm = i});
        end_piece(em, CC_E, case_target(em, cases, i));
    }
    emit_jump(em, case_target(em, cases, last), next);
}

// Many: a table of distances from itself.  The index is clamped without a
// branch, so no speculation reads past the table (Spectre v1).
static void
emit_table(struct emission *em, const struct mins *ins)
{
    const struct cases *cases = &em->m->fn->cases[ins->imm];
    u32 one = ins->def, two = ins->b;

    if (!ARRAY_MORE(em->temp, em->tables, em->table_capacity,
                    em->table_count)) {
        no_memory(em);
        return;
    }
    em->tables[em->table_count++] =
        (struct jump_table){em->pool_size, cases, em->piece_count};
    emit_ins(em, (struct mins){
                     .op = X64_MOV32_I, .def = one, .imm = cases->count - 1});
    emit_ins(em, (struct mins){.op = X64_CMP32, .a = ins->a, .b = one});
    emit_ins(
        em,
        (struct mins){
            .op = X64_CMOV32, .cc = CC_B, .def = one, .a = one, .b = ins->a});
    emit_ins(em, (struct mins){.op = X64_LEA64,
                               .flags = MINS_MEM | MINS_RODATA,
                               .def = two,
                               .disp = (i32)em->pool_size});
    add_rodata_site(em);
    emit_ins(em, (struct mins){.op = X64_MOVSX32_64,
                               .flags = MINS_MEM,
                               .scale = 2,
                               .def = one,
                               .base = two,
                               .index = one});
    emit_ins(em,
             (struct mins){.op = X64_ADD64, .def = one, .a = one, .b = two});
    emit_ins(em, (struct mins){.op = X64_TAIL_RM, .b = one});
    em->pool_size += cases->count * 4;
}

static void
emit_switch(struct emission *em, const struct mins *ins, u32 next)
{
    const struct cases *cases = &em->m->fn->cases[ins->imm];

    if (cases->count <= MAX_CHAIN)
        emit_chain(em, cases, ins->a, next);
    else
        emit_table(em, ins);
}

// The trap that a fault of the instruction is.
static u32
trap_of(const struct emission *em, const struct mins *ins)
{
    if (x64_info(ins->op)->shape == SHAPE_DIV)
        return TRAP_DIVIDE_BY_ZERO;
    if (ins->from == 0)
        return TRAP_MEMORY_BOUNDS;
    const struct ins *from = &em->m->fn->ins[ins->from];
    u8 form = ir_info(from->op)->form;
    bool heap =
        from->aux >= MEMORY_ARRAYS && (form == FORM_LOAD || form == FORM_STORE);
    if (!heap)
        return TRAP_MEMORY_BOUNDS;
    return from->aux == MEMORY_ARRAYS ? TRAP_NULL_ARRAY : TRAP_NULL_STRUCT;
}

static void
emit_plain(struct emission *em, const struct mins *ins)
{
    emit_ins(em, *ins);
    if ((ins->flags & MINS_TRAPS) != 0 && !code_errs(MISTAKE_LOST_TRAP))
        add_site(em, SITE_TRAP, (u32)(em->encoder.fault_at - em->bytes),
                 trap_of(em, ins), origin_of(em, ins));
    if ((ins->flags & MINS_RODATA) != 0)
        add_rodata_site(em);
}

// One instruction; `next` is the block that follows.
static void
emit_any(struct emission *em, const struct mins *ins, u32 next)
{
    switch (x64_info(ins->op)->shape) {
    case SHAPE_CALL_REL:
    case SHAPE_CALL_RM:
        emit_call(em, ins);
        break;
    case SHAPE_TAIL_REL:
    case SHAPE_TAIL_RM:
        emit_tail(em, ins);
        break;
    case SHAPE_JUMP:
        emit_jump(em, target(em, ins->imm), next);
        break;
    case SHAPE_JCC:
        emit_jcc(em, ins, next);
        break;
    case SHAPE_SWITCH:
        emit_switch(em, ins, next);
        break;
    case SHAPE_RET:
        emit_return(em);
        break;
    case SHAPE_GOTO:
        emit_link(em, X64_GOTO, SITE_GOTO, ins->imm);
        break;
    case SHAPE_TRAP:
        emit_trap(em, ins->imm, origin_of(em, ins));
        break;
    case SHAPE_TRAP_CC:
        emit_trap_cc(em, ins);
        break;
    default:
        emit_plain(em, ins);
    }
}

static void
emit_block(struct emission *em, u32 block, u32 next)
{
    const struct mach *m = em->m;
    const struct mblock *b = &m->blocks[block];

    em->labels[block] = start_piece(em, block);
    if (!is_edge_block(m, block) && m->fn->blocks[block].label != 0)
        add_site(em, SITE_BIND, position(em), m->fn->blocks[block].label,
                 nowhere);
    if (em->pads[block])
        emit_pad(em);
    for (u32 i = b->first; i < b->end && em->status == OK; i++) {
        if (!arena_may_step(em->temp, i))
            em->status = ERR_KILLED;
        if (em->listing)
            add_site(em, SITE_INS, position(em), i, nowhere);
        emit_any(em, &m->ins[i], next);
    }
    if (is_edge_block(m, block))
        emit_jump(em, em->jumps[m->fn->edges[b->edge].to], next);
}

static void
emit_body(struct emission *em)
{
    emit_prologue(em);
    for (u32 i = 0; i < em->order_count; i++)
        emit_block(em, em->order[i], em->order[i + 1]);
    for (u32 i = 0; i < em->stub_count; i++) {
        em->stubs[i].piece = start_piece(em, em->m->block_count + i);
        emit_trap(em, em->stubs[i].trap, em->stubs[i].origin);
    }
    end_piece(em, BRANCH_NONE, 0);
    if (em->encoder.full)
        no_memory(em);
}

// --- jumps back ------------------------------------------------------------

// Code of piece i jumps to a block.
static void
mark_jump(struct emission *em, u32 i, u32 block)
{
    em->needed[block] = true;
    if (em->labels[block] <= i)
        em->heads[block] = true;
}

static void
mark_jumps(struct emission *em)
{
    for (u32 i = 0; i < em->piece_count; i++) {
        const struct piece *p = &em->pieces[i];
        if (p->branch != BRANCH_NONE && p->label < em->m->block_count)
            mark_jump(em, i, p->label);
    }
    for (u32 i = 0; i < em->table_count; i++) {
        const struct jump_table *table = &em->tables[i];
        for (u32 n = 0; n < table->cases->count; n++)
            mark_jump(em, table->piece, case_target(em, table->cases, n));
    }
}

// A return that was written wherever it was jumped to is not needed itself.
static void
drop_returns(struct emission *em)
{
    const struct mach *m = em->m;

    for (u32 b = 1; b < m->block_count; b++) {
        struct piece *p = &em->pieces[em->labels[b]];
        if (!em->needed[b] && em->jumps[b] == b && only_returns(m, b) &&
            m->fn->blocks[b].label == 0 && !em->pads[b])
            p->end = p->start;
    }
}

// Mark the blocks that are jumped to from behind them, or from other parts; how
// many that are.
static u32
mark_heads(struct emission *em)
{
    const struct mach *m = em->m;
    u32 count = 0;

    for (u32 b = 0; b < m->block_count; b++) {
        if (!is_edge_block(m, b) && m->fn->blocks[b].label != 0)
            em->heads[b] = em->jumps[b] == b && !em->pads[b];
        count += em->heads[b];
    }
    return count;
}

status_t
mach_emit(const struct mach *m, struct image *image, bool check_pads,
          struct arena *temp, struct printer *listing)
{
    struct emission em = {.listing = listing != NULL,
                          .checks = check_pads && m->fn->has_pads};
    status_t status = emission_init(&em, m, temp);
    u32 *first = ARENA_NEW(temp, u32, m->block_count);

    if (status != OK)
        return status;
    if (first == NULL)
        return ERR_NO_MEMORY;
    // 1. In which order.
    mark_pads(&em);
    resolve_jumps(&em);
    order_blocks(&em, first);
    // 2. Bytes, in pieces, and what needs their final addresses.
    emit_body(&em);
    // Once the code is placed there is no way back.
    mark_jumps(&em);
    drop_returns(&em);
    u32 heads = mark_heads(&em);
    if (em.status == OK &&
        !image_room(image, em.site_count + m->fn->try_count +
                               m->fn->catch_count + heads + 2))
        no_memory(&em);
    if (em.status != OK)
        return em.status;
    // 3. Addresses, and rows for the tables.
    return emission_place(&em, image, listing);
}
