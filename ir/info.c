// ir/info.c: facts about instructions, from ir/ops.def and wasm/ops.def.

#include "ir/ir.h"

static const struct ir_info infos[IR_OP_COUNT] = {
#define IR(id, text, form, effects) {text, FORM_##form, EFFECTS_##effects},
#include "ir/ops.def"
};

// By place in wasm/ops.def.
static const u16 wasm_to_ir[OP_SLOTS] = {
#define OP(code, id, text, imm, sig, ir) [OP_SLOT(code)] = IR_##ir,
#include "wasm/ops.def"
};

// Rows without an IR instruction go behind the others, where nobody looks.
static const char *const sigs[IR_OP_COUNT + OP_SLOTS] = {
#define OP(code, id, text, imm, sig, ir) \
    [IR_##ir ? IR_##ir : IR_OP_COUNT + OP_SLOT(code)] = sig,
#include "wasm/ops.def"
};

const struct ir_info *
ir_info(u32 op)
{
    assert(op < IR_OP_COUNT);
    return &infos[op];
}

u32
ir_operand_count(u32 op)
{
    static const u8 counts[] = {
        [FORM_1] = 1,         [FORM_2] = 2,          [FORM_3] = 3,
        [FORM_LANE1] = 1,     [FORM_LANE2] = 2,      [FORM_SHUFFLE] = 2,
        [FORM_LOAD] = 1,      [FORM_STORE] = 2,      [FORM_MEM_LANE] = 2,
        [FORM_RMW] = 2,       [FORM_GLOBAL_SET] = 1, [FORM_TABLE] = 1,
        [FORM_TABLE_SET] = 2, [FORM_SLOT_SET] = 1,   [FORM_RESULT] = 1,
        [FORM_BRANCH] = 1,    [FORM_CASES] = 1,      [FORM_CHECK] = 1,
    };

    return counts[ir_info(op)->form];
}

_Static_assert(offsetof(struct ins, b) == offsetof(struct ins, a) + 4 &&
                   offsetof(struct ins, c) == offsetof(struct ins, a) + 8,
               "a, b, c are an array of operands");

struct ir_operands
ir_operands_of(const struct fn *fn, struct ins *ins)
{
    const struct call *call;

    switch (ir_info(ins->op)->form) {
    case FORM_CALL:
        call = &fn->calls[ins->a];
        return (struct ir_operands){fn->pool + call->args, call->count};
    case FORM_RETURN:
        return (struct ir_operands){fn->pool + ins->a, ins->b};
    case FORM_CAS:
        return (struct ir_operands){fn->pool + ins->a, 3};
    default:
        return (struct ir_operands){&ins->a, ir_operand_count(ins->op)};
    }
}

u32
ir_op_of(u32 wasm_code)
{
    return wasm_to_ir[OP_SLOT(wasm_code)];
}

const char *
ir_sig(u32 op)
{
    assert(op < IR_OP_COUNT);
    return sigs[op];
}

enum ir_type
ir_type_of(const struct module *m, valtype_t type)
{
    if (valtype_is_ref(type))
        return valtype_is_narrow(m, type) ? IR_I32 : IR_I64;
    switch (type) {
    case VAL_I32:
        return IR_I32;
    case VAL_F32:
        return IR_F32;
    case VAL_F64:
        return IR_F64;
    case VAL_V128:
        return IR_V128;
    default: // i64
        return IR_I64;
    }
}

enum ir_type
ir_result_type(const char *sig)
{
    valtype_t type = sig_result(sig);

    return type == VAL_NONE ? IR_VOID : ir_type_of(NULL, type);
}
