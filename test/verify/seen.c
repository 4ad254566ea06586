// test/verify/seen.c: see seen.h.

#include "test/verify/help.h"
#include "test/verify/seen.h"

#include <stdio.h>

_Static_assert((int)SEEN_NONE == (int)VERIFY_NONE, "the same numbers");

enum { SHOWN = 20 };

static struct forms_met met;

// REX.W or VEX.W.
static bool
has_w(const u8 *at)
{
    if (*at == 0xc4)
        return at[2] >> 7 != 0;
    while (*at == 0xf0 || *at == 0x66 || *at == 0xf2 || *at == 0xf3)
        at++;
    return *at >> 3 == 0x48 >> 3;
}

static void
say_refused(const u8 *at, const u8 *end, enum verify_rule rule)
{
    static u32 shown;

    if (shown++ >= SHOWN)
        return;
    printf("%s:", verify_rule_text(rule));
    for (u32 i = 0; i < 15 && at + i < end; i++)
        printf(" %02x", at[i]);
    printf("\n");
}

static enum seen_next
next_of(const struct verify_ins *ins)
{
    switch (ins->effect) {
    case EFFECT_JUMP:
        return SEEN_AWAY;
    case EFFECT_JCC:
        return SEEN_EITHER;
    case EFFECT_JUMP_REG:
        return SEEN_REG;
    case EFFECT_JUMP_MEM:
    case EFFECT_RETURN:
    case EFFECT_TRAP:
        return SEEN_END;
    }
    return SEEN_BEHIND;
}

bool
verify_see(struct seen *seen, const u8 *at, const u8 *end)
{
    struct verify_ins ins;
    enum verify_rule rule = verify_decode(&ins, at, end);

    if (rule != RULE_OK || !zydis_agrees(&ins, at)) {
        say_refused(at, end, rule);
        return false;
    }
    forms_meet(&met, &ins, has_w(at));
    *seen = (struct seen){
        .length = ins.length,
        .text = verify_form_text(ins.form),
        .writes_flags = (ins.flags & VERIFY_WFLAGS) != 0,
        .reads_flags = (ins.flags & VERIFY_RFLAGS) != 0,
        .is_locked = (ins.flags & VERIFY_LOCKED) != 0,
        .is_vex = (ins.flags & VERIFY_VEX) != 0,
        .is_compare = ins.effect == EFFECT_COMPARE || ins.effect == EFFECT_TEST,
        .is_zero = ins.form == FORM_XOR && ins.effect == EFFECT_COPY,
        .cc = ins.cc,
        .def = ins.def,
        .b = ins.b,
        .has_mem = (ins.flags & VERIFY_MEM) != 0,
        .base = ins.base,
        .index = ins.index,
        .scale = ins.scale,
        .mem_size = ins.mem_size,
        .disp = ins.disp,
        .imm = ins.imm,
        .next = (u8)next_of(&ins),
        .is_const = ins.effect == EFFECT_COPY && ins.from == FROM_IMM,
        .is_rip_address =
            ins.effect == EFFECT_ADDRESS && ins.base == VERIFY_RIP,
    };
    return true;
}

u32
verify_unseen(void)
{
    u32 count = 0;

    for (u32 i = 0; i < FORM_COUNT; i++)
        for (u32 n = 0; n < 8; n++) {
            bool vex = n % 2 != 0, w = n / 2 % 2 != 0, mem = n / 4 != 0;
            if (!form_has(i, vex, w, mem) || met.met[i][vex][w][mem])
                continue;
            printf("not met: %s, VEX %d, W %d, memory %d\n", form_texts[i].id,
                   vex, w, mem);
            count++;
        }
    return count;
}
