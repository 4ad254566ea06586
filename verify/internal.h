// verify/internal.h: what the files of the judge offer each other.
//
//     judge.c        the walk over a function, and where jumps meet
//     judge_value.c  what instructions do to registers and flags
//     judge_access.c which memory an operand may reach
//     judge_frame.c  how a frame is entered and left
//     judge_call.c   calls, and jumps by tables
//     judge_tables.c the tables as a whole
//
// The first violation sticks in judge.rule; what is judged after that does not
// matter.

#pragma once

#include "verify/decode.h"
#include "verify/judge.h"

enum {
    REGS = 16,
    NO_PC = 0xffffffff,
    NO_INDEX = 0xffffffff,
    RBX = VERIFY_RBX,
    RSP = VERIFY_RSP,
    RBP = VERIFY_RBP,
    R10 = 10,
    R11 = 11,
    R12 = 12,
    R13 = 13,
    R14 = VERIFY_VMCTX,
    R15 = VERIFY_MEMORY,
    SCRATCH = 15, // xmm15
};

// Sets of registers, bit by number.
enum {
    FIXED = 1 << RSP | 1 << R14 | 1 << R15,
    KEPT = 1 << RBX | 1 << RBP | 1 << R12 | 1 << R13, // by every callee
    ALL = 0xffff,
    GENERAL = ALL & ~FIXED,
    HANDLER_SAVED = KEPT | 1 << R14 | 1 << R15, // with landing pads
};

// Condition codes.
enum { CC_B = 2, CC_AE = 3, CC_NE = 5, CC_BE = 6, CC_A = 7, CC_NS = 9 };

// What is known of the 64 bits of a register or slot.  A value that is copied
// keeps its id, and one with another id may be another one.
enum kind {
    KIND_NUMBER,     // below 2^bits
    KIND_CONST,      // `number`
    KIND_BELOW,      // below `number`
    KIND_TABLE_AT,   // below the count of table `arg`
    KIND_INSIDE,     // memory `arg` has `number` bytes from there on
    KIND_PAYLOAD,    // address of `number` bytes that may be read
    KIND_BASE,       // of memory `arg`
    KIND_VIEW,       // of memory `arg`: struct memory_view
    KIND_SIZE,       // what that says
    KIND_TABLE,      // of table `arg`: struct table_view
    KIND_COUNT,      // what that says
    KIND_ENTRIES,    // of table `arg`: its entries
    KIND_GLOBAL,     // address of the bits of global `arg`
    KIND_HEAP,       // of the thread: a slot with a guard
    KIND_VMCTX,      // r14
    KIND_BUILTINS,   // vmctx.builtins
    KIND_FUNCS,      // vmctx.funcs
    KIND_OWN_ID,     // vmctx.func_base
    KIND_OFFSET,     // value `of` << 4, which with `arg` is a KIND_REFERENCE
    KIND_FUNC_COUNT, // how many there are
    KIND_REFERENCE,  // less than that
    KIND_ENTRY,      // address of func_entry `of`, which may be of any type
    KIND_SIG,        // its canonical type
    KIND_TYPE,       // the canonical id of type `arg`
    KIND_CALLEE,     // address of a func_entry of type `arg`
    KIND_IMPORT,     // address of the func_entry of import `arg`
    KIND_FRAME,      // address of `number` bytes of the frame
    KIND_END,        // address of the return address
    KIND_RETURN,     // the return address
    KIND_JUMPS,      // address of the jump table at pc `arg`
    KIND_DISTANCE,   // one of its first `number` entries
    KIND_LABEL,      // where that leads
};

// Neither may be used behind a call.
static inline bool
is_fleeting(u32 kind)
{
    return kind == KIND_ENTRIES || kind == KIND_PAYLOAD;
}

struct value {
    u64 number;
    u32 id;
    u32 of;  // another value: `of` + `plus` where that does not overflow, for
             // kinds NUMBER and CONST; 0: nothing is known
    u32 arg; // plus for NUMBER and CONST
    u8 kind; // enum kind
    u8 bits; // below 2^bits, for all kinds
};

// What the flags say: whether a bound holds for value `id`, or for the
// func_entry `id` with a CALLEE.
struct flags {
    struct value bound; // what that value is then
    u64 subject;        // with is_const: what was compared
    u32 id;
    u16 denied; // conditions that were branches and do not hold
    u8 outside; // the condition that holds when the bound does not
    u8 width;   // bytes that were compared; 0: nothing is known
    bool is_const;
};

// A slot of the frame that was written since the last join.
struct slot {
    u32 at;   // from rsp
    u32 size; // bytes that were written
    u32 when; // see judge.when
    struct value value;
};

// The first jump to a place.
struct since {
    u32 pc, when;
};

enum { SLOTS = 16, RING = 256 };

// What a function is judged with.
struct judge {
    const struct verify_module *m;
    const u32 *try_funcs; // function by row of tries
    struct arena *temp;
    u32 rule; // enum verify_rule
    u32 rule_pc;

    // The function.
    const struct verify_type *type;
    u32 index; // of the function
    u32 start, end, entry;
    u32 frame;      // bytes from rsp to the return address
    u32 body;       // those that are the body's: below the saved registers
    u32 saved;      // registers that the prologue keeps in the frame
    u32 frame_slot; // HEAD_FRAME, or NO_PC
    bool has_calls, checked;
    bool entering;     // the frame slot is not yet written
    bool stopped;      // by a kill, in the middle of an instruction
    bool pushed_rsp;   // what landing pads may check: the last word of the body
    bool last_written; // ... which somebody else writes
    bool pads_check;
    u32 overflow;   // pc of the trap of the stack check, or NO_PC
    u64 table_room; // entries of jump tables that it may yet have

    // By byte of the function: what jumps to there expect, see judge.c.
    u16 *cells;
    u32 pending; // places that control comes to, which the walk has yet to
    struct since *ring; // of short jumps: by pc % RING

    // Rows that come next.
    u32 trap, call, head, first_head;
    u32 trap_pc, head_pc; // of those, or NO_PC

    // The place.
    u32 at, next; // of the instruction, and of the one after it
    bool reachable;
    u32 site; // enum site: what kind of trap site it has to be
    struct verify_ins ins;
    u32 copied; // where rax was last copied to a register

    // The state.
    struct value regs[REGS];
    u32 when[REGS]; // instruction that changed it last, see `now`
    u32 narrow;     // registers that are below 2^32
    struct flags flags;
    struct slot slots[SLOTS];
    u32 slots_from;            // older ones are not known
    bool slots_fleeting;       // some may hold what does not outlast a call
    u32 joined;                // pc of the last place where ways met
    u32 now;                   // instructions so far
    u32 ids;                   // given out
    u64 steps;                 // of work, which a kill ends
    struct value loaded;       // by this instruction
    struct verify_ins faulted; // the last access of linear memory
    u32 faulted_index;         // ids of its index
    u32 faulted_base;          // and base
};

enum site {
    SITE_NONE,
    SITE_MEMORY,
    SITE_DIVIDE,
    SITE_TRAP,
    SITE_AGAIN, // memory that was accessed before: may be listed
    SITE_CHECK, // the trap of a landing pad's check, which is not
};

// --- judge.c -----------------------------------------------------------------

// The first violation, at this instruction.
void judge_fail(struct judge *j, enum verify_rule rule);

static inline bool
judge_check(struct judge *j, bool holds, enum verify_rule rule)
{
    if (!holds)
        judge_fail(j, rule);
    return holds;
}

// Before a step of what there may be many of: go on?
static inline bool
judge_may_step(struct judge *j)
{
    j->stopped |= !arena_may_step(j->temp, ++j->steps);
    return !j->stopped;
}

// Decode the instruction at j->next.  False: there is none.
bool judge_decode(struct judge *j);

// Is there another instruction, to which nobody jumps?
bool judge_goes_on(const struct judge *j);

// Decode that: in the middle of a pattern there has to be one, which is j->ins.
const struct verify_ins *judge_step(struct judge *j);

// Where the jump or call that j->ins is leads.
static inline u32
judge_target(const struct judge *j)
{
    return (u32)(j->next + j->ins.imm);
}

// Does it have the memory operand [base + disp]?
static inline bool
is_at(const struct verify_ins *i, u32 base, i32 disp)
{
    return i->base == base && i->index == VERIFY_NONE && i->disp == disp;
}

// Is it this form, of 8 bytes or a vector, with reg and [base + disp]?
static inline bool
is_mem(const struct verify_ins *i, u32 form, u32 reg, u32 base, i32 disp)
{
    return i->form == form && (i->flags & VERIFY_MEM) != 0 && i->width >= 8 &&
           i->reg == reg && is_at(i, base, disp);
}

// sub def, number of 8 bytes
static inline bool
is_sub(const struct verify_ins *i, u32 def, i64 number)
{
    return i->form == FORM_SUB_I && i->width == 8 && i->def == def &&
           i->imm == number;
}

// A jump if cc?
static inline bool
is_jcc(const struct verify_ins *i, u32 cc)
{
    return i->effect == EFFECT_JCC && i->cc == cc;
}

// Look at the trap row of the instruction.
void judge_site(struct judge *j);

// A jump, from a body, to another place in it.
void judge_jump(struct judge *j, u32 to, bool is_short);

// Who comes here from elsewhere has `narrow`; what has not changed since `when`
// (0: of nothing that is known) holds on all ways.
void judge_join(struct judge *j, u32 narrow, u32 when);

// The ud2 of the stack check, or of a landing pad's.
void judge_mark_stub(struct judge *j, u32 pc);

// --- judge_value.c -----------------------------------------------------------

static inline struct value
value_const(struct judge *j, u64 number)
{
    return (struct value){.number = number,
                          .id = ++j->ids,
                          .kind = KIND_CONST,
                          .bits = (u8)verify_bits(number)};
}

static inline struct value
value_number(struct judge *j, u32 bits)
{
    if (bits == 0)
        return value_const(j, 0);
    return (struct value){
        .id = ++j->ids, .kind = KIND_NUMBER, .bits = (u8)bits};
}

static inline struct value
value_of_kind(struct judge *j, enum kind kind, u32 arg)
{
    return (struct value){
        .id = ++j->ids, .arg = arg, .kind = (u8)kind, .bits = 64};
}

// The register has changed: to `v`, whoever may change it.
static inline void
judge_put(struct judge *j, u32 reg, struct value v)
{
    u32 bit = 1u << reg;

    j->regs[reg] = v;
    j->when[reg] = j->now;
    j->narrow = v.bits <= 32 ? j->narrow | bit : j->narrow & ~bit;
}

// Likewise by an instruction of the body.
static inline void
judge_set(struct judge *j, u32 reg, struct value v)
{
    u32 bit = 1u << reg;

    judge_check(j, (bit & FIXED) == 0, RULE_FIXED);
    judge_check(j, (bit & KEPT & ~j->saved) == 0, RULE_KEPT);
    judge_put(j, reg, v);
}

// All of these become numbers below 2^64, but those in `narrow`.
void judge_forget(struct judge *j, u32 regs, u32 narrow);
// Nor is anything known of the flags, or of which conditions were asked.
void judge_forget_flags(struct judge *j);
// Nor of slots, or where memory was accessed.
void judge_forget_all(struct judge *j);
// At a call: what another function may have moved or released.
void judge_forget_fleeting(struct judge *j);
// What the instruction does, but for control flow and rsp.
void judge_effect(struct judge *j);
// The second operand: register, what was loaded, or immediate.
struct value judge_source(struct judge *j);

// --- judge_access.c ----------------------------------------------------------

// The memory operand: may it be accessed, and what is there (j->loaded)?
void judge_access(struct judge *j);
// An address that is computed.
struct value judge_address(struct judge *j);
// The body was written up to there.
void judge_write_body(struct judge *j, u64 end);
// A register was stored to where the operand says.
void judge_stored(struct judge *j, struct value v);

// --- judge_frame.c -----------------------------------------------------------

// The prologue has kept these registers.
void judge_frame_set(struct judge *j, u32 saved);
// At the entry: the prologue, as far as it goes.
void judge_prologue(struct judge *j);
void judge_pad(struct judge *j, u32 count);
// From the first instruction that leaves the frame to the last.
void judge_leave(struct judge *j);
// From a load of the return address, ditto.
void judge_leave_by_end(struct judge *j);

// --- judge_call.c ------------------------------------------------------------

void judge_call(struct judge *j);
// j->ins has to be a jump: it leaves the function, and its callee finds `args`
// bytes of arguments.
void judge_tail(struct judge *j, u32 args);
void judge_jump_table(struct judge *j);

// --- judge_tables.c ----------------------------------------------------------

// The index of the first of `count` rows whose field is at least `least`, or
// `count`; rows of so many bytes, which rise by that.
u32 judge_first(const void *rows, u64 size, u64 field, u32 count, u64 least);
#define FIRST(rows, field, count, least)                                       \
    judge_first((rows), sizeof(*(rows)), offsetof(__typeof__(*(rows)), field), \
                (count), (least))
