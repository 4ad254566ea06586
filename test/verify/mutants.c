// test/verify/mutants.c: directed mutants: changes to the code of the official
// suite, and to the tables beside it, each of which would let code out of its
// instance or mislead the kernel.  All of them have to be refused.
//
// A class says where it applies, and changes that place.  The function is
// judged with that change alone, and then put back.

#include "test/wasm/help.h"
#include "test/test.h"
#include "compile/compile.h"
#include "verify/judge.h"
#include "verify/decode.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SITES = 10, SITES_SOAK = 1000, PATH_SIZE = 1024, KEPT_BYTES = 32 };

// A place in compiled code.
struct place {
    struct verify_module *m;
    struct verify_code *code; // the module's, whose tables may be changed
    u8 *text;
    u32 row;      // of code.funcs
    u32 pc, next; // of the instruction
    struct verify_ins ins;
    struct verify_ins before; // the one in front of it, or form 0
    struct func_code *func;
    struct trap_site *trap; // its row, or NULL
    struct call_site *call; // of the call that ends at `next`, or NULL
    struct code_catch *pad; // that it starts, or NULL
};

static bool
has_mem(const struct place *p, u32 base)
{
    return (p->ins.flags & VERIFY_MEM) != 0 && p->ins.access != 0 &&
           p->ins.base == base;
}

// Where the displacement is: behind it there is only an immediate.
static u8 *
disp_of(const struct place *p, u32 *size)
{
    u8 *at = p->text + p->pc;

    for (u32 i = 1; i < p->ins.length; i++) {
        i32 wide = 0;
        i8 byte = (i8)at[i];
        if (i + 4u <= p->ins.length)
            memcpy(&wide, at + i, 4);
        if (i + 4u <= p->ins.length && wide == p->ins.disp &&
            (wide > 127 || wide < -128)) {
            *size = 4;
            return at + i;
        }
        if (byte == p->ins.disp && p->ins.disp != 0 && i > 1) {
            *size = 1;
            return at + i;
        }
    }
    return NULL;
}

static bool
set_disp(struct place *p, i32 disp)
{
    u32 size;
    u8 *at = disp_of(p, &size);

    if (at == NULL || (size == 1 && disp != (i8)disp))
        return false;
    memcpy(at, &disp, size);
    struct verify_ins now;
    return verify_decode(&now, p->text + p->pc, p->text + p->next) == RULE_OK &&
           now.length == p->ins.length && now.disp == disp &&
           now.base == p->ins.base;
}

static bool
is_branch(const struct place *p)
{
    return p->ins.effect == EFFECT_JCC || p->ins.effect == EFFECT_JUMP;
}

static bool
add_distance(struct place *p, i32 more)
{
    u8 *at = p->text + p->next;

    if (p->ins.length == 2) {
        at[-1] = (u8)(at[-1] + more);
    } else {
        i32 distance;
        memcpy(&distance, at - 4, 4);
        distance += more;
        memcpy(at - 4, &distance, 4);
    }
    return true;
}

// Is this jcc, and the cmov that follows, a check of a bound?
static bool
is_mask(const struct place *p)
{
    return p->ins.effect == EFFECT_SELECT && p->ins.width == 8 &&
           p->before.effect == EFFECT_JCC && p->before.cc == p->ins.cc &&
           (p->ins.cc == 3 || p->ins.cc == 7);
}

static bool
is_rsp(const struct place *p, u32 form)
{
    return p->ins.form == form && p->ins.def == VERIFY_RSP && p->ins.width == 8;
}

// --- classes: code -----------------------------------------------------------

static bool
scale(struct place *p, u32 by)
{
    u8 *at = p->text + p->pc;
    struct verify_ins now;

    if (!has_mem(p, VERIFY_MEMORY) || p->ins.index == VERIFY_NONE)
        return false;
    for (u32 i = 1; i < p->ins.length; i++) {
        u8 old = at[i];
        at[i] = (u8)((old & 0x3f) | by << 6);
        if (verify_decode(&now, at, at + 16) == RULE_OK &&
            now.length == p->ins.length && now.scale == by &&
            now.index == p->ins.index && now.base == p->ins.base &&
            now.form == p->ins.form && now.disp == p->ins.disp)
            return true;
        at[i] = old;
    }
    return false;
}

static bool
scale_2(struct place *p)
{
    return scale(p, 1);
}

static bool
scale_4(struct place *p)
{
    return scale(p, 2);
}

static bool
scale_8(struct place *p)
{
    return scale(p, 3);
}

static bool
negative_disp(struct place *p)
{
    return has_mem(p, VERIFY_MEMORY) && set_disp(p, -64);
}

static bool
other_base(struct place *p)
{
    u8 *at = p->text + p->pc;
    struct verify_ins now;

    if (!has_mem(p, VERIFY_MEMORY) || (p->ins.flags & VERIFY_VEX) != 0)
        return false;
    for (u32 i = 0; i < 3; i++) {
        if ((at[i] & 0xf1) != 0x41)
            continue;
        at[i] ^= 1; // REX.B: rdi
        return verify_decode(&now, at, at + 16) == RULE_OK &&
               now.base == VERIFY_RDI;
    }
    return false;
}

static bool
segment(struct place *p)
{
    if (!has_mem(p, VERIFY_MEMORY))
        return false;
    p->text[p->pc] = 0x65;
    return true;
}

static bool
narrow_address(struct place *p)
{
    if (!has_mem(p, VERIFY_MEMORY))
        return false;
    p->text[p->pc] = 0x67;
    return true;
}

static bool
flip_mask(struct place *p)
{
    if (!is_mask(p))
        return false;
    u8 *at = p->text + p->pc;
    for (u32 i = 0; i < 4; i++)
        if (at[i] == 0x0f) {
            at[i + 1] ^= 1;
            return true;
        }
    return false;
}

static bool
flip_check(struct place *p)
{
    if (!is_mask(p))
        return false;
    u8 *at = p->text + p->pc; // the end of the branch before it
    if (at[-2] == (0x70 | p->ins.cc))
        at[-2] ^= 1;
    else if (at[-5] == (0x80 | p->ins.cc))
        at[-5] ^= 1;
    else
        return false;
    return true;
}

// Behind an instruction of one byte there is another: a trap, say, where
// whoever likes may go.
static bool
jump_inside(struct place *p)
{
    struct verify_ins target;
    i32 distance;

    if (!is_branch(p))
        return false;
    memcpy(&distance, p->text + p->next - 4, 4);
    if (p->ins.length == 2)
        distance = (i8)p->text[p->next - 1];
    const u8 *at = p->text + p->next + distance;
    return verify_decode(&target, at, at + 16) == RULE_OK &&
           target.length > 1 && add_distance(p, 1);
}

static bool
jump_away(struct place *p)
{
    return is_branch(p) && p->ins.length > 4 && add_distance(p, 1 << 24);
}

static bool
call_behind(struct place *p)
{
    return p->ins.effect == EFFECT_CALL && add_distance(p, 1);
}

static bool
call_before(struct place *p)
{
    return p->ins.effect == EFFECT_CALL && add_distance(p, -1);
}

static bool
larger_frame(struct place *p)
{
    if (!is_rsp(p, FORM_SUB_I) || p->ins.length != 4)
        return false;
    p->text[p->next - 1] = (u8)(p->text[p->next - 1] + 16);
    return p->ins.imm < 100;
}

static bool
smaller_frame(struct place *p)
{
    if (!is_rsp(p, FORM_SUB_I) || p->ins.length != 4 || p->ins.imm <= 16)
        return false;
    p->text[p->next - 1] = (u8)(p->text[p->next - 1] - 16);
    return true;
}

static bool
leave_less(struct place *p)
{
    if (!is_rsp(p, FORM_ADD_I) || p->ins.length != 4 || p->ins.imm <= 8)
        return false;
    p->text[p->next - 1] = (u8)(p->text[p->next - 1] - 8);
    return true;
}

static bool
leave_more(struct place *p)
{
    if (!is_rsp(p, FORM_ADD_I) || p->ins.length != 4 || p->ins.imm > 100)
        return false;
    p->text[p->next - 1] = (u8)(p->text[p->next - 1] + 8);
    return true;
}

static bool
other_push(struct place *p)
{
    if (p->ins.effect != EFFECT_PUSH)
        return false;
    p->text[p->next - 1] ^= 1;
    return true;
}

static bool
other_pop(struct place *p)
{
    if (p->ins.effect != EFFECT_POP)
        return false;
    p->text[p->next - 1] ^= 1;
    return true;
}

static bool
store_return(struct place *p)
{
    return has_mem(p, VERIFY_RSP) && (p->ins.access & ACCESS_WRITE) != 0 &&
           p->func->frame > 0 && set_disp(p, (i32)p->func->frame);
}

static bool
store_below(struct place *p)
{
    return has_mem(p, VERIFY_RSP) && (p->ins.access & ACCESS_WRITE) != 0 &&
           set_disp(p, -8);
}

static bool
store_saved(struct place *p)
{
    return has_mem(p, VERIFY_RSP) && (p->ins.access & ACCESS_WRITE) != 0 &&
           p->text[p->func->start] != 0 && p->func->frame > 24 &&
           set_disp(p, (i32)p->func->frame + 4);
}

static bool
thread_field(struct place *p)
{
    return has_mem(p, VERIFY_VMCTX) && p->ins.length == 4 &&
           p->ins.effect == EFFECT_COPY &&
           set_disp(p, offsetof(struct vmctx, thread));
}

static bool
stack_limit_field(struct place *p)
{
    return has_mem(p, VERIFY_VMCTX) && p->ins.effect == EFFECT_COPY &&
           p->ins.length == 4 && set_disp(p, offsetof(struct vmctx, contexts));
}

static bool
behind_vmctx(struct place *p)
{
    return has_mem(p, VERIFY_VMCTX) && set_disp(p, (i32)p->m->layout.size);
}

static bool
before_vmctx(struct place *p)
{
    return has_mem(p, VERIFY_VMCTX) && set_disp(p, -8);
}

// A move that would change r14: reg = 6 with REX.R.
static bool
write_vmctx(struct place *p)
{
    u8 *at = p->text + p->pc;

    if (p->ins.form != FORM_MOV || p->ins.width != 8 || (at[0] & 0xf8) != 0x48)
        return false;
    at[0] |= 4;
    at[2] = (u8)((at[2] & 0xc7) | 6 << 3);
    return true;
}

static bool
write_memory(struct place *p)
{
    u8 *at = p->text + p->pc;

    if (p->ins.form != FORM_MOV || p->ins.width != 8 || (at[0] & 0xf8) != 0x48)
        return false;
    at[0] |= 4;
    at[2] |= 7 << 3;
    return true;
}

static bool
write_rsp(struct place *p)
{
    u8 *at = p->text + p->pc;

    if (p->ins.form != FORM_MOV || p->ins.width != 8 || (at[0] & 0xf8) != 0x48)
        return false;
    at[0] &= 0xfb;
    at[2] = (u8)((at[2] & 0xc7) | 4 << 3);
    return true;
}

static bool
entry_shift(struct place *p)
{
    if (p->ins.form != FORM_SHL_I || p->ins.width != 8 || p->ins.imm != 4 ||
        p->text[p->next] != 0x49 || p->text[p->next + 1] != 0x03)
        return false;
    p->text[p->next - 1] = 5;
    return true;
}

static bool
builtin_odd(struct place *p)
{
    return p->ins.effect == EFFECT_CALL_MEM && p->ins.disp != 0 &&
           set_disp(p, p->ins.disp + 1);
}

static bool
builtin_before(struct place *p)
{
    return p->ins.effect == EFFECT_CALL_MEM && p->ins.disp != 0 &&
           set_disp(p, -8);
}

static bool
builtin_context(struct place *p)
{
    if (p->ins.form != FORM_MOV || p->ins.from != FROM_REG ||
        p->ins.b != VERIFY_VMCTX)
        return false;
    p->text[p->next - 1] |= 1; // r15
    return true;
}

static bool
entry_offset(struct place *p)
{
    u8 *at = p->text + p->next;

    // call [rax] becomes call [rcx].
    if (p->ins.effect != EFFECT_CALL_MEM || p->ins.disp != 0)
        return false;
    at[-1] |= 1;
    return true;
}

static bool
no_stack_check(struct place *p)
{
    if (p->before.effect != EFFECT_COMPARE || p->before.a != VERIFY_RSP ||
        p->ins.effect != EFFECT_JCC)
        return false;
    p->text[p->next - (p->ins.length == 2 ? 2 : 5)] ^= 1;
    return true;
}

static bool
ret_pops(struct place *p)
{
    if (p->ins.effect != EFFECT_RETURN || p->ins.imm != 0)
        return false;
    p->text[p->pc] = 0xcc;
    return true;
}

static bool
privileged(struct place *p)
{
    if (p->ins.length < 2)
        return false;
    p->text[p->pc] = 0x0f;
    p->text[p->pc + 1] = 0x05;
    return true;
}

static bool
string_store(struct place *p)
{
    if (p->ins.length < 2)
        return false;
    p->text[p->pc] = 0xf3;
    p->text[p->pc + 1] = 0xaa;
    return true;
}

static bool
table_entry(struct place *p)
{
    u32 word;

    // The table that a lea names, whose first entry leads inside of something.
    if (p->ins.effect != EFFECT_ADDRESS || p->ins.base != VERIFY_RIP)
        return false;
    u8 *at = p->text + p->next + p->ins.disp;
    memcpy(&word, at, 4);
    word++;
    memcpy(at, &word, 4);
    return true;
}

// --- classes: tables ---------------------------------------------------------

static bool
is_first(const struct place *p)
{
    return p->pc == p->func->start;
}

static bool
row_frame_more(struct place *p)
{
    if (!is_first(p))
        return false;
    p->func->frame += 8;
    return true;
}

static bool
row_frame_less(struct place *p)
{
    if (!is_first(p) || p->func->frame < 8)
        return false;
    p->func->frame -= 8;
    return true;
}

static bool
row_args(struct place *p)
{
    if (!is_first(p))
        return false;
    p->func->args += 16;
    return true;
}

static bool
row_end(struct place *p)
{
    if (!is_first(p))
        return false;
    p->func->end--;
    return true;
}

static bool
trap_missing(struct place *p)
{
    if (p->trap == NULL)
        return false;
    p->trap->pc++;
    return true;
}

static bool
trap_overflow(struct place *p)
{
    if (p->trap == NULL || p->trap->trap == TRAP_STACK_OVERFLOW)
        return false;
    p->trap->trap = TRAP_STACK_OVERFLOW;
    return true;
}

static bool
overflow_other(struct place *p)
{
    if (p->trap == NULL || p->trap->trap != TRAP_STACK_OVERFLOW)
        return false;
    p->trap->trap = TRAP_UNREACHABLE;
    return true;
}

static bool
call_missing(struct place *p)
{
    if (p->call == NULL)
        return false;
    p->call->pc++;
    return true;
}

static bool
call_args(struct place *p)
{
    if (p->call == NULL)
        return false;
    p->call->args += 16;
    return true;
}

static bool
call_try(struct place *p)
{
    if (p->call == NULL)
        return false;
    p->call->try = p->code->try_count;
    return true;
}

static bool
pad_moved(struct place *p)
{
    if (p->pad == NULL)
        return false;
    p->pad->pc = p->next;
    return true;
}

static bool
pad_outside(struct place *p)
{
    if (p->pad == NULL)
        return false;
    p->pad->pc = p->func->end - 1;
    return true;
}

static const struct class
{
    const char *name;
    bool (*make)(struct place *p);
    u32 least; // sites that the official suites have, up to SITES_SOAK
} classes[] = {
    {"scale 2",               scale_2,           SITES_SOAK},
    {"scale 4",               scale_4,           SITES_SOAK},
    {"scale 8",               scale_8,           SITES_SOAK},
    {"negative displacement", negative_disp,     SITES_SOAK},
    {"another base",          other_base,        SITES_SOAK},
    {"segment prefix",        segment,           SITES_SOAK},
    {"address size prefix",   narrow_address,    SITES_SOAK},
    {"mask inverted",         flip_mask,         500       },
    {"bound inverted",        flip_check,        500       },
    {"jump inside",           jump_inside,       SITES_SOAK},
    {"jump away",             jump_away,         800       },
    {"call behind an entry",  call_behind,       290       },
    {"call before an entry",  call_before,       290       },
    {"prologue grows more",   larger_frame,      900       },
    {"prologue grows less",   smaller_frame,     40        },
    {"epilogue gives less",   leave_less,        140       },
    {"epilogue gives more",   leave_more,        SITES_SOAK},
    {"another push",          other_push,        550       },
    {"another pop",           other_pop,         550       },
    {"return address",        store_return,      SITES_SOAK},
    {"below rsp",             store_below,       40        },
    {"return address, half",  store_saved,       SITES_SOAK},
    {"vmctx.thread",          thread_field,      SITES_SOAK},
    {"vmctx.contexts",        stack_limit_field, SITES_SOAK},
    {"behind the vmctx",      behind_vmctx,      SITES_SOAK},
    {"before the vmctx",      before_vmctx,      SITES_SOAK},
    {"r14 is written",        write_vmctx,       SITES_SOAK},
    {"r15 is written",        write_memory,      SITES_SOAK},
    {"rsp is written",        write_rsp,         SITES_SOAK},
    {"entry of another size", entry_shift,       400       },
    {"builtin between",       builtin_odd,       900       },
    {"builtin before",        builtin_before,    900       },
    {"builtin's vmctx",       builtin_context,   SITES_SOAK},
    {"call by another",       entry_offset,      400       },
    {"stack check inverted",  no_stack_check,    900       },
    {"no return",             ret_pops,          SITES_SOAK},
    {"syscall",               privileged,        SITES_SOAK},
    {"rep stos",              string_store,      SITES_SOAK},
    {"jump table entry",      table_entry,       12        },
    {"row: larger frame",     row_frame_more,    SITES_SOAK},
    {"row: smaller frame",    row_frame_less,    SITES_SOAK},
    {"row: arguments",        row_args,          SITES_SOAK},
    {"row: end",              row_end,           SITES_SOAK},
    {"trap: missing",         trap_missing,      SITES_SOAK},
    {"trap: overflow",        trap_overflow,     SITES_SOAK},
    {"trap: not overflow",    overflow_other,    900       },
    {"call: missing",         call_missing,      SITES_SOAK},
    {"call: arguments",       call_args,         SITES_SOAK},
    {"call: handler",         call_try,          SITES_SOAK},
    {"pad: moved",            pad_moved,         100       },
    {"pad: outside",          pad_outside,       100       },
};

// --- the walk ----------------------------------------------------------------

struct run {
    struct arena keep, text, temp;
    u32 wanted; // sites of each class
    u32 sites[COUNT(classes)], accepted[COUNT(classes)];
    u64 random;
    const char *path; // of the module
};

struct saved {
    u8 bytes[KEPT_BYTES];
    u32 at;
    u8 *table;
    u32 word;
    struct func_code func;
    struct trap_site trap;
    struct call_site call;
    struct code_catch pad;
};

static void
save(struct saved *s, const struct place *p)
{
    s->at = p->pc > 8 ? p->pc - 8 : 0;
    for (u32 i = 0; i < KEPT_BYTES && s->at + i < p->code->size; i++)
        s->bytes[i] = p->text[s->at + i];
    s->table = NULL;
    if (p->ins.base == VERIFY_RIP && (p->ins.flags & VERIFY_MEM) != 0) {
        s->table = p->text + p->next + p->ins.disp;
        memcpy(&s->word, s->table, 4);
    }
    s->func = *p->func;
    if (p->trap != NULL)
        s->trap = *p->trap;
    if (p->call != NULL)
        s->call = *p->call;
    if (p->pad != NULL)
        s->pad = *p->pad;
}

static void
restore(const struct saved *s, const struct place *p)
{
    for (u32 i = 0; i < KEPT_BYTES && s->at + i < p->code->size; i++)
        p->text[s->at + i] = s->bytes[i];
    if (s->table != NULL)
        memcpy(s->table, &s->word, 4);
    *p->func = s->func;
    if (p->trap != NULL)
        *p->trap = s->trap;
    if (p->call != NULL)
        *p->call = s->call;
    if (p->pad != NULL)
        *p->pad = s->pad;
}

static status_t
judge_all(struct run *r, const struct verify_module *m, u32 row)
{
    struct verify_error error;
    u64 mark = arena_mark(&r->temp);
    u32 *owners = ARENA_NEW(&r->temp, u32, m->code.try_count);
    status_t status = verify_tables(m, owners, &r->temp, &error);

    if (status == OK)
        status = verify_range(m, owners, row, row + 1, &r->temp, &error);
    arena_reset(&r->temp, mark);
    return status;
}

static void
try_class(struct run *r, struct place *p, u32 class)
{
    struct saved saved;

    if (r->sites[class] == r->wanted)
        return;
    save(&saved, p);
    if (classes[class].make(p)) {
        r->sites[class]++;
        if (judge_all(r, p->m, p->row) == OK) {
            r->accepted[class]++;
            printf("accepted: %s: %s: row %u pc 0x%x\n", r->path,
                   classes[class].name, p->row, p->pc);
        }
    }
    restore(&saved, p);
}

static struct trap_site *
trap_at(const struct verify_code *c, u32 pc)
{
    for (u32 i = 0; i < c->trap_count; i++)
        if (c->traps[i].pc == pc)
            return (struct trap_site *)&c->traps[i];
    return NULL;
}

static struct call_site *
call_at(const struct verify_code *c, u32 pc)
{
    for (u32 i = 0; i < c->call_count; i++)
        if (c->calls[i].pc == pc)
            return (struct call_site *)&c->calls[i];
    return NULL;
}

static struct code_catch *
pad_at(const struct verify_code *c, u32 pc)
{
    for (u32 i = 0; i < c->catch_count; i++)
        if (c->catches[i].pc == pc)
            return (struct code_catch *)&c->catches[i];
    return NULL;
}

static void
mutate_func(struct run *r, struct place *p)
{
    struct verify_ins before = {0};

    for (u32 pc = p->func->start; pc < p->func->end; pc = p->next) {
        if (verify_decode(&p->ins, p->text + pc, p->text + p->func->end) !=
            RULE_OK)
            return; // constants amid parts
        p->pc = pc;
        p->next = pc + p->ins.length;
        p->before = before;
        p->trap = trap_at(p->code, pc);
        p->call =
            p->ins.effect == EFFECT_CALL || p->ins.effect == EFFECT_CALL_MEM ?
                call_at(p->code, p->next) :
                NULL;
        p->pad = pad_at(p->code, pc);
        struct verify_ins ins = p->ins;
        for (u32 c = 0; c < COUNT(classes); c++)
            try_class(r, p, c);
        before = ins;
        p->next = pc + ins.length;
    }
}

static void
mutate_module(struct run *r, struct bytes bytes)
{
    const struct compile_options options = {.features = cpu_features_detect()};
    struct verify_module m;
    struct module module;
    struct error error = {0};
    struct code code;

    arena_reset(&r->keep, 0);
    arena_reset(&r->text, 0);
    arena_reset(&r->temp, 0);
    if (module_decode(&module, bytes, &r->keep, &error) != OK ||
        module_compile(&code, &module, &options, &r->text, &r->keep, &r->temp,
                       &error) != OK ||
        code.size == 0)
        return;
    if (module_compile_describe(&m, &module, &code, options.features,
                                &r->temp) != OK)
        return;
    struct place p = {.m = &m, .code = &m.code, .text = (u8 *)code.text};
    for (u32 i = 0; i < code.func_count; i++) {
        p.row = i;
        p.func = &code.funcs[i];
        if (p.func->func == NO_INDEX)
            continue;
        EXPECT_EQ(judge_all(r, &m, i), OK);
        mutate_func(r, &p);
    }
}

static void
mutate_folder(struct run *r, const char *folder)
{
    char path[PATH_SIZE], name[2 * PATH_SIZE];
    struct dirent **entries;

    if (!test_suite(folder, path, sizeof(path)))
        return;
    int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        u64 len = strlen(entries[i]->d_name);
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        if (len > 5 && strcmp(entries[i]->d_name + len - 5, ".wasm") == 0) {
            struct bytes bytes = whole_file(name);
            r->path = name;
            mutate_module(r, bytes);
            free(bytes.ptr);
        }
        free(entries[i]);
    }
    free(entries);
}

TEST(verify_mutants)
{
    struct run r = {.keep = arena_make(GIB),
                    .text = arena_make(GIB),
                    .temp = arena_make(4 * GIB),
                    .wanted = getenv("SOAK") != NULL ? SITES_SOAK : SITES};

    mutate_folder(&r, "core");
    mutate_folder(&r, "legacy-exceptions");
    mutate_folder(&r, "threads");
    for (u32 c = 0; c < COUNT(classes); c++) {
        EXPECT_EQ(r.accepted[c], 0);
        if (r.wanted == SITES_SOAK || r.sites[c] < r.wanted)
            printf("%s: %u sites\n", classes[c].name, r.sites[c]);
        EXPECT(r.sites[c] >= MIN(r.wanted, classes[c].least));
    }
    arena_drop(&r.keep);
    arena_drop(&r.text);
    arena_drop(&r.temp);
}
