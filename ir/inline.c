// ir/inline.c: calls of small functions, in place of which their bodies are
// built.
//
// A leaf has few bytes, calls nothing and has no loops or handlers.  Whether a
// function is one is found out once, by checking its body.  Where it is called,
// its body is read again by a validator of its own, between the instructions
// of the caller: its locals are new ones, its end is that of a block, and what
// may trap says where it comes from (struct origin).  How much may be built so
// is in proportion to the caller's own body.

#include "ir/build.h"

enum { LEAF_SIZE = 64, LEAF_LOCALS = 24 }; // the most bytes and locals of one

enum { UNKNOWN, LEAF, OTHER }; // in builder.leaves

static bool
is_leaf_op(u32 code)
{
    enum { FORM, YES, NO };
    static const u8 rows[OP_SLOTS] = {
#define BUILD(id, name, leaf) [OP_SLOT(WASM_##id)] = leaf,
#include "ir/build.def"
    };
    u8 row = rows[OP_SLOT(code)];

    return row == YES || (row == FORM && ir_op_of(code) != IR_NONE);
}

static u8
judge(const struct builder *b, u32 func)
{
    u64 mark = arena_mark(b->temp);
    struct error error = {OK, 0, NULL};
    struct validator v;
    struct op op;
    bool leaf = true;

    validator_init(&v, b->m, func, b->temp, &error);
    leaf = error.status == OK && v.local_count <= LEAF_LOCALS;
    while (leaf && validator_next(&v, &op))
        leaf = is_leaf_op(op.code);
    arena_reset(b->temp, mark);
    return leaf && error.status == OK ? LEAF : OTHER;
}

static bool
is_leaf(const struct builder *b, u32 func)
{
    if (b->leaves[func] == UNKNOWN)
        b->leaves[func] = judge(b, func);
    return b->leaves[func] == LEAF;
}

// The callee's locals, of which the first are what is on the stack.
static void
take_locals(struct builder *b)
{
    u32 params = b->v.type->param_count, count = b->v.local_count;
    u32 height = b->height - params;

    if (!ir_room(b, &b->locals, &b->local_capacity, b->local_count, count,
                 sizeof(struct local)))
        return;
    for (u32 i = 0; i < count; i++) {
        u32 type = ir_type_of(b->m, validator_local_type(&b->v, i));
        b->locals[b->local_count++] = (struct local){
            .number = LOCAL_INLINED,
            .type = (u8)type,
            .value = i < params ? ir_operand(b, height + i) :
                                  ir_const(b, type, 0, 0),
        };
    }
    ir_drop(b, params);
}

static void
build_callee(struct builder *b)
{
    u32 height = b->height;

    ir_label_push(b, WASM_BLOCK, 0);
    while (b->status == OK && validator_next(&b->v, &b->op)) {
        b->inline_origin = 0;
        build_op(b);
        assert(b->status != OK || b->block == NO_BLOCK ||
               b->height == height + b->v.operand_count);
    }
    if (b->error->status != OK)
        ir_stop(b, b->error->status, NULL);
}

bool
ir_inline(struct builder *b, u32 func)
{
    const struct func *f = &b->m->funcs[func];
    u64 size = f->end - f->at;

    if (b->leaves == NULL || b->plain || b->shadow || b->inlining ||
        func < b->m->func_imports || size > LEAF_SIZE ||
        size > b->inline_room || !is_leaf(b, func))
        return false;

    struct validator v = b->v;
    struct op call = b->op;
    u32 undo = b->undo_count, locals = b->local_count;

    b->inline_room -= (u32)size;
    b->budget += size * BUDGET_PER_BYTE;
    validator_init(&b->v, b->m, func, b->temp, b->error);
    take_locals(b);
    b->inlining = true;
    b->inline_call = (u32)call.at;
    b->inline_labels = b->label_count;
    b->inline_locals = locals;
    b->op.block = (struct block_type){f->type, VAL_NONE};
    b->inline_origin = 0;
    build_callee(b);
    b->inlining = false;
    b->inline_labels = 0;
    // What was written since is the callee's, whose locals nobody knows now.
    b->undo_count = undo;
    b->local_count = locals;
    b->op = call;
    b->v = v;
    return true;
}

u32
ir_inline_at(struct builder *b)
{
    struct fn *fn = b->fn;

    if (b->inline_origin == 0 &&
        ir_room(b, &fn->origins, &b->origin_capacity, fn->origin_count, 1,
                sizeof(struct origin))) {
        fn->origins[fn->origin_count] =
            (struct origin){(u32)b->op.at, b->inline_call};
        b->inline_origin = ++fn->origin_count;
    }
    return b->inline_origin == 0 ? 0 : (u32)AT_ORIGIN | (b->inline_origin - 1);
}

struct origin
fn_origin(const struct fn *fn, val_t ins)
{
    u32 at = ins != 0 ? fn->at[ins] : 0;

    if (at & (u32)AT_ORIGIN)
        return fn->origins[at & ~(u32)AT_ORIGIN];
    return (struct origin){(u32)fn->module->funcs[fn->index].at + at, 0};
}
