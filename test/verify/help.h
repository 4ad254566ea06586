// test/verify/help.h: what the tests of the decoder share.

#pragma once

#include "test/test.h"
#include "verify/decode.h"

// A row of verify/forms.def, as text.
struct form_text {
    const char *id, *text, *ops, *wide, *enc, *w, *mod;
    u32 opcode;
    bool is_cc;
};

extern const struct form_text form_texts[FORM_COUNT];

// Does Zydis see the same instruction in these bytes: length, mnemonic,
// operands with their widths, memory, immediate, what is read and written of
// registers and flags?  Says what it does not agree on.
bool zydis_agrees(const struct verify_ins *ins, const u8 *bytes);

// Does a row have this form?
bool form_has(u32 form, bool vex, bool w, bool mem);

// Forms that were met: by row, VEX, W, and whether memory.
struct forms_met {
    u8 met[FORM_COUNT][2][2][2];
};

void forms_meet(struct forms_met *met, const struct verify_ins *ins, bool w);
