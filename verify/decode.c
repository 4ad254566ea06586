// verify/decode.c: bytes -> one instruction, by the rows of forms.def.

#include "verify/decode.h"

const char *
verify_form_text(u32 form)
{
    static const char *const texts[] = {
#define FORM(id, text, enc, pp, w, opcode, span, ext, ops, wide, mem, imm, \
             effect, flags)                                                \
    text,
#include "verify/forms.def"
    };

    assert(form < COUNT(texts));
    return texts[form];
}

const char *
verify_rule_text(u32 rule)
{
    static const char *const texts[] = {
#define RULE(id, text) text,
#include "verify/rules.def"
    };

    assert(rule < COUNT(texts));
    return texts[rule];
}
