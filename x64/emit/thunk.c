// x64/emit/thunk.c: code between C and wasm, and between instances.
//
// A stub for each import: so that a function of the module can be called by
// number, whatever it is.  For each type of function:
//
//     enter   C calls wasm, see enter_fn in code.h
//     adapt   what the entries of functions point to in a process of several
//             instances: switches r14 and r15 when the function belongs to
//             another instance than the caller

#include "x64/emit/emit.h"

enum {
    INSTRUCTION = 16, // bytes of one of those used here, at most
    FIXED = 64,       // instructions of a thunk besides moves of values
    ENTER_SAVED = 1 << REG_RBX | 1 << REG_RBP | 1 << REG_R12 | 1 << REG_R13 |
                  1 << REG_R14 | 1 << REG_R15,
    ADAPT_SAVED = 1 << REG_R14 | 1 << REG_R15,
    WANTED = 1, // no offset of a thunk
};

// --- writing ---------------------------------------------------------------

static void
put_ins(struct encoder *e, struct mins ins)
{
    encode(e, &ins);
}

static void
put_rr(struct encoder *e, u32 op, reg_t to, reg_t from)
{
    put_ins(e, (struct mins){.op = (u16)op, .def = to, .a = to, .b = from});
}

// Load, store, call: register and [base + disp].
static void
put_mem(struct encoder *e, u32 op, reg_t reg, reg_t base, u64 disp)
{
    put_ins(e, (struct mins){.op = (u16)op,
                             .flags = MINS_MEM,
                             .def = reg,
                             .a = reg,
                             .base = base,
                             .index = REG_NONE,
                             .disp = (i32)disp});
}

static void
put_imm(struct encoder *e, u32 op, reg_t reg, u32 imm)
{
    if (imm != 0)
        put_ins(e,
                (struct mins){.op = (u16)op, .def = reg, .a = reg, .imm = imm});
}

static void
put_saves(struct encoder *e, u32 saved)
{
    for (u32 r = 0; r < REG_XMM0; r++)
        if ((saved >> r & 1) != 0)
            put_ins(e, (struct mins){.op = X64_PUSH, .a = r});
}

static void
put_restores(struct encoder *e, u32 saved)
{
    for (u32 r = REG_XMM0; r-- > 0;)
        if ((saved >> r & 1) != 0)
            put_ins(e, (struct mins){.op = X64_POP, .def = r});
}

// Copy `size` bytes, a multiple of 16, from [rsp + from] to [rsp + to].
static void
put_copy(struct encoder *e, u32 from, u32 to, u32 size)
{
    for (u32 i = 0; i < size; i += 16) {
        put_mem(e, X64_MOVUPS, REG_SCRATCH, REG_RSP, from + i);
        put_mem(e, X64_MOVUPS_MR, REG_SCRATCH, REG_RSP, to + i);
    }
}

// Let a thunk of at most `count` instructions be written; false: no memory.
static bool
start_thunk(struct image *image, struct encoder *e, u64 count)
{
    u8 *at = count < INT32_MAX / INSTRUCTION ?
                 image_grow(image, (u32)count * INSTRUCTION) :
                 NULL;

    *e = (struct encoder){.at = at};
    return at != NULL;
}

// The thunk ends here; make its row.
static status_t
end_thunk(struct image *image, struct encoder *e, u32 start, u32 frame,
          u32 args)
{
    image_trim(image, e->at);
    return image_func(image, (struct func_code){.start = start,
                                                .end = (u32)image->code->size,
                                                .func = NO_INDEX,
                                                .frame = frame,
                                                .args = args});
}

static status_t
end_call(struct image *image, struct encoder *e, const struct abi *abi)
{
    u32 pc = (u32)(e->at - image->code->text);

    return image_call(image,
                      (struct call_site){.pc = pc, .args = abi->args_size});
}

// --- imports ---------------------------------------------------------------

//     lea rax, [r14 + import];  jmp [rax]
static void
put_stub(struct encoder *e, const struct module *m, u32 func)
{
    u64 at = vmctx_imports_at(&m->layout, func);

    put_mem(e, X64_LEA64, REG_RAX, REG_VMCTX, at);
    put_mem(e, X64_TAIL_RM, REG_RAX, REG_RAX, 0);
}

status_t
emit_stubs(struct image *image)
{
    const struct module *m = image->module;
    u32 start = (u32)image->code->size;

    for (u32 i = 0; i < m->func_imports; i++) {
        struct encoder e = {.at = image_grow(image, INSTRUCTION)};
        if (e.at == NULL)
            return ERR_NO_MEMORY;
        image_define(image, i, (u32)(e.at - image->code->text));
        put_stub(&e, m, i);
        image_trim(image, e.at);
    }
    if (m->func_imports == 0)
        return OK;
    return image_func(image, (struct func_code){.start = start,
                                                .end = (u32)image->code->size,
                                                .func = NO_INDEX});
}

// --- enter -----------------------------------------------------------------

// How each type of value moves between a slot of 16 bytes and its place.
static const struct value_ops {
    u16 load, store; // register and memory
    reg_t scratch;   // for values on the stack
} value_ops[] = {
    [IR_I32] = {X64_MOV32,  X64_MOV64_MR,  REG_R10    },
    [IR_I64] = {X64_MOV64,  X64_MOV64_MR,  REG_R10    },
    [IR_F32] = {X64_MOVSS,  X64_MOVSD_MR,  REG_SCRATCH},
    [IR_F64] = {X64_MOVSD,  X64_MOVSD_MR,  REG_SCRATCH},
    [IR_V128] = {X64_MOVUPS, X64_MOVUPS_MR, REG_SCRATCH},
};

static const struct value_ops *
ops_of(valtype_t type)
{
    switch (type) {
    case VAL_I32:
        return &value_ops[IR_I32];
    case VAL_F32:
        return &value_ops[IR_F32];
    case VAL_F64:
        return &value_ops[IR_F64];
    case VAL_V128:
        return &value_ops[IR_V128];
    }
    return &value_ops[IR_I64]; // references too
}

// Stack arguments first: they need a register to pass through.
static void
put_arguments(struct encoder *e, const struct type *type, const struct abi *abi,
              reg_t slots)
{
    for (u32 i = 0; i < type->param_count; i++) {
        const struct value_ops *ops = ops_of(type->vals[i]);
        struct abi_loc loc = abi->params[i];
        if (loc.reg != REG_NONE)
            continue;
        put_mem(e, ops->load, ops->scratch, slots, 16ull * i);
        put_mem(e, ops->store, ops->scratch, REG_RSP, loc.offset);
    }
    for (u32 i = 0; i < type->param_count; i++)
        if (abi->params[i].reg != REG_NONE)
            put_mem(e, ops_of(type->vals[i])->load, abi->params[i].reg, slots,
                    16ull * i);
}

// The upper half of an i32 that a C function returns is anything, the upper
// lanes of an f32 too: clear them.
static void
put_result(struct encoder *e, valtype_t type, struct abi_loc loc, u32 popped,
           reg_t slots, u64 at)
{
    const struct value_ops *ops = ops_of(type);

    if (loc.reg == REG_NONE) {
        loc.reg = ops->scratch;
        put_mem(e, ops->load, loc.reg, REG_RSP, loc.offset - popped);
    } else if (type == VAL_I32) {
        put_rr(e, X64_MOV32, loc.reg, loc.reg);
    } else if (type == VAL_F32) {
        put_ins(e,
                (struct mins){.op = X64_MOVD_R, .def = REG_R10, .a = loc.reg});
        put_mem(e, X64_MOV64_MR, REG_R10, slots, at);
        return;
    }
    put_mem(e, ops->store, loc.reg, slots, at);
}

static status_t
emit_enter(struct image *image, const struct type *type, const struct abi *abi,
           u32 *start)
{
    const struct module *m = image->module;
    u32 size = abi->stack_size + 8; // six pushes: rsp is a multiple of 16
    u32 frame = size + 6 * 8;
    u64 values = (u64)type->param_count + type->result_count;
    struct encoder e;

    if (!start_thunk(image, &e, FIXED + 3 * values))
        return ERR_NO_MEMORY;
    *start = (u32)(e.at - image->code->text);
    put_saves(&e, ENTER_SAVED);
    put_imm(&e, X64_SUB64_I, REG_RSP, size);
    put_rr(&e, X64_MOV64, REG_VMCTX, REG_RDI);
    put_rr(&e, X64_MOV64, REG_RAX, REG_RSI);
    put_rr(&e, X64_MOV64, REG_RBX, REG_RDX);
    if (m->memory_count > 0)
        put_mem(&e, X64_MOV64, REG_MEMORY, REG_VMCTX, m->layout.memories);
    put_arguments(&e, type, abi, REG_RBX);
    put_mem(&e, X64_CALL_RM, REG_RAX, REG_RAX, 0);
    status_t status = end_call(image, &e, abi);
    for (u32 i = 0; i < type->result_count; i++)
        put_result(&e, type->vals[type->param_count + i], abi->results[i],
                   abi->args_size, REG_RBX, 16ull * i);
    put_imm(&e, X64_ADD64_I, REG_RSP, size - abi->args_size);
    put_restores(&e, ENTER_SAVED);
    encode_ret(&e, 0);
    if (status != OK)
        return status;
    return end_thunk(image, &e, *start, frame, 0);
}

// --- adapt -----------------------------------------------------------------

// A short jump to a place that land() gives.
static u8 *
put_jcc(struct encoder *e, u32 cc)
{
    *e->at++ = (u8)(0x70 | cc);
    return e->at++;
}

static void
land(struct encoder *e, u8 *jump)
{
    *jump = (u8)(e->at - jump - 1);
}

// r11 = address of the func_target of the func_entry in rax, r10 = vmctx of its
// instance.
static void
put_find_target(struct encoder *e)
{
    put_mem(e, X64_MOV32, REG_R11, REG_RAX, offsetof(struct func_entry, id));
    put_imm(e, X64_SHL64_I, REG_R11, 4);
    put_mem(e, X64_ADD64, REG_R11, REG_VMCTX, offsetof(struct vmctx, targets));
    put_mem(e, X64_MOV64, REG_R10, REG_VMCTX, offsetof(struct vmctx, contexts));
    put_mem(e, X64_ADD64, REG_R10, REG_R11,
            offsetof(struct func_target, context));
    put_mem(e, X64_MOV64, REG_R10, REG_R10, 0);
}

// As in the prologue of a function, see emit.c.
static status_t
put_stack_check(struct image *image, struct encoder *e, u32 frame)
{
    reg_t reg = REG_RSP;

    if (frame > STACK_UNCHECKED) {
        reg = REG_RAX;
        put_rr(e, X64_MOV64, reg, REG_RSP);
        put_imm(e, X64_SUB64_I, reg, frame);
    }
    put_mem(e, X64_CMP64, reg, REG_VMCTX, offsetof(struct vmctx, stack_limit));
    u8 *enough = put_jcc(e, CC_A);
    u32 pc = (u32)(e->at - image->code->text);
    put_ins(e, (struct mins){.op = X64_UD2});
    land(e, enough);
    return image_trap(image, (struct trap_site){.pc = pc,
                                                .func = NO_INDEX,
                                                .trap = TRAP_STACK_OVERFLOW});
}

// Call the function in its own instance, with copies of the stack arguments,
// and copy the results on the stack back.
static status_t
put_switch(struct image *image, struct encoder *e, const struct abi *abi,
           u32 frame)
{
    u32 size = abi->stack_size + 8;
    status_t status = put_stack_check(image, e, frame);

    put_saves(e, ADAPT_SAVED);
    put_imm(e, X64_SUB64_I, REG_RSP, size);
    put_rr(e, X64_MOV64, REG_VMCTX, REG_R10);
    put_mem(e, X64_MOV64, REG_MEMORY, REG_VMCTX, sizeof(struct vmctx));
    put_copy(e, frame + 8, 0, abi->args_size);
    put_mem(e, X64_CALL_RM, REG_RAX, REG_R11,
            offsetof(struct func_target, code));
    if (status == OK)
        status = end_call(image, e, abi);
    put_copy(e, 0, frame + 8, abi->stack_size - abi->args_size);
    put_imm(e, X64_ADD64_I, REG_RSP, size - abi->args_size);
    put_restores(e, ADAPT_SAVED);
    encode_ret(e, abi->args_size);
    return status;
}

static status_t
emit_adapt(struct image *image, const struct abi *abi, u32 *start)
{
    u32 frame = abi->stack_size + 8 + 2 * 8;
    struct encoder e;

    if (!start_thunk(image, &e, FIXED + abi->stack_size / 8))
        return ERR_NO_MEMORY;
    *start = (u32)(e.at - image->code->text);
    put_find_target(&e);
    put_ins(&e, (struct mins){.op = X64_CMP64, .a = REG_R10, .b = REG_VMCTX});
    u8 *other = put_jcc(&e, CC_NE);
    put_mem(&e, X64_TAIL_RM, REG_RAX, REG_R11,
            offsetof(struct func_target, code));
    land(&e, other);
    status_t status = put_switch(image, &e, abi, frame);
    if (status != OK)
        return status;
    return end_thunk(image, &e, *start, frame, abi->args_size);
}

// --- every type ------------------------------------------------------------

static status_t
emit_type(struct image *image, u32 index)
{
    const struct type *type = &image->module->types[index];
    struct code *code = image->code;
    struct abi abi;
    status_t status = abi_compute(&abi, type, image->temp);

    if (status == OK)
        status = emit_enter(image, type, &abi, &code->enter[index]);
    if (status == OK)
        status = emit_adapt(image, &abi, &code->adapt[index]);
    image_settle(image);
    return status;
}

// Equal types share a thunk; types that no function has get none.
status_t
emit_thunks(struct image *image)
{
    const struct module *m = image->module;
    struct code *code = image->code;
    u32 *enter = code->enter, *adapt = code->adapt;
    status_t status = OK;

    for (u32 i = 0; i < m->func_count; i++)
        enter[m->types[m->funcs[i].type].canonical] = WANTED;
    for (u32 i = 0; i < m->type_count && status == OK; i++)
        if (enter[i] == WANTED)
            status = emit_type(image, i);
    for (u32 i = 0; i < m->type_count; i++) {
        enter[i] = enter[m->types[i].canonical];
        adapt[i] = adapt[m->types[i].canonical];
    }
    return status;
}
