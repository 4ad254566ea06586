// ir/print.c: a function as text, one instruction a line:
//
//     b1(v7 i32, v8 i32): loop 1, from b0 b3
//         v9 = i32.add v7, v8
//         branch v9 ? b2 : b3(v7)

#include "ir/ir.h"

static const char *const type_names[] = {
    [IR_VOID] = "void", [IR_I32] = "i32", [IR_I64] = "i64",
    [IR_F32] = "f32",   [IR_F64] = "f64", [IR_V128] = "v128",
};

void
fn_print_value(struct printer *p, const struct fn *fn, val_t v)
{
    (void)fn;
    if (v >= VAL_PAYLOAD)
        print(p, "payload %u", v - VAL_PAYLOAD);
    else if (v == VAL_EXNREF)
        print(p, "exnref");
    else
        print(p, "v%u", v);
}

static void
print_list(struct printer *p, const struct fn *fn, u32 first, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        print(p, i == 0 ? "" : ", ");
        fn_print_value(p, fn, fn->pool[first + i]);
    }
}

static void
print_edge(struct printer *p, const struct fn *fn, edge_t edge)
{
    const struct edge *e = &fn->edges[edge];
    u32 count = fn->blocks[e->to].params;

    print(p, "b%u", e->to);
    if (count == 0)
        return;
    print(p, "(");
    print_list(p, fn, e->args, count);
    print(p, ")");
}

static void
print_call(struct printer *p, const struct fn *fn, const struct call *call)
{
    static const char *const kinds[] = {
        [CALL_FUNC] = "func",   [CALL_INDIRECT] = "table",  [CALL_REF] = "ref",
        [CALL_ENTRY] = "entry", [CALL_BUILTIN] = "builtin",
    };
    static const char *const builtins[] = {
#define BUILTIN(id, sig, trap, low, high) #id,
#include "abi/builtins.def"
    };

    print(p, " %s", kinds[call->kind]);
    if (call->kind == CALL_BUILTIN)
        print(p, " %s", builtins[call->target]);
    else if (call->kind == CALL_FUNC || call->kind == CALL_INDIRECT)
        print(p, " %u", call->target);
    if (call_has_callee(call))
        print(p, " type %u", call->type);
    print(p, "(");
    print_list(p, fn, call->args, call->count);
    print(p, ")");
    if (call->try != 0)
        print(p, " try %u", call->try);
}

static void
print_const(struct printer *p, const struct fn *fn, const struct ins *ins)
{
    switch (ins->type) {
    case IR_I32:
        print(p, " %d", (i32)ins->a);
        break;
    case IR_I64:
        print(p, " %ld", (i64)(ins->a | (u64)ins->b << 32));
        break;
    case IR_V128:
        print(p, " 0x%016lx%016lx", fn->consts[ins->a][1],
              fn->consts[ins->a][0]);
        break;
    default:
        print(p, " 0x%lx", ins->a | (u64)ins->b << 32);
    }
}

static void
print_cases(struct printer *p, const struct fn *fn, const struct cases *cases)
{
    print(p, " [");
    for (u32 i = 0; i < cases->count; i++) {
        print(p, i + 1 < cases->count ? "%s" : "%selse ", i == 0 ? "" : ", ");
        print_edge(p, fn, fn->pool[cases->targets + i]);
    }
    print(p, "]");
}

// The address of a memory access.
static void
print_memory(struct printer *p, const struct ins *ins, u32 address, u64 offset)
{
    print(p, " [v%u", address);
    if (offset != 0)
        print(p, " + %lu", offset);
    print(p, "]");
    if (ins->aux >= MEMORY_ARRAYS)
        print(p, ins->aux == MEMORY_ARRAYS ? " of array" : " of struct");
    else if (ins->aux != 0)
        print(p, " memory %u", ins->aux);
}

// How operands are shown: %a %b %c are values, %A %B %C numbers, %x is aux.
// Forms that are missing need more than that, see print_special().
static const char *const patterns[] = {
    [FORM_NONE] = "",
    [FORM_PARAM] = " %A",
    [FORM_INDEX] = " %A",
    [FORM_GLOBAL] = " %A",
    [FORM_1] = " %a",
    [FORM_2] = " %a, %b",
    [FORM_3] = " %a, %b, %c",
    [FORM_LANE1] = " %a lane %x",
    [FORM_LANE2] = " %a, %b lane %x",
    [FORM_GLOBAL_SET] = " %B, %a",
    [FORM_SLOT_SET] = " %B, %a",
    [FORM_TABLE] = " %B [%a]",
    [FORM_TABLE_SET] = " %C [%a], %b",
    [FORM_RESULT] = " %B of %a",
    [FORM_CHECK] = " %a",
};

static void
print_pattern(struct printer *p, const struct ins *ins, const char *pattern)
{
    const u32 fields[] = {ins->a, ins->b, ins->c};

    for (const char *at = pattern; *at != 0; at++) {
        if (*at != '%')
            print(p, "%c", *at);
        else if (*++at == 'x')
            print(p, "%u", ins->aux);
        else if (*at >= 'a')
            print(p, "v%u", fields[*at - 'a']);
        else
            print(p, "%u", fields[*at - 'A']);
    }
}

static void
print_access(struct printer *p, const struct fn *fn, const struct ins *ins)
{
    const val_t *list = &fn->pool[ins->a];

    switch (ir_info(ins->op)->form) {
    case FORM_LOAD:
        print_memory(p, ins, ins->a, ins->c);
        break;
    case FORM_CAS:
        print_memory(p, ins, list[0], ins->c);
        print(p, ", v%u, v%u", list[1], list[2]);
        break;
    case FORM_MEM_LANE:
        print_memory(p, ins, ins->a, fn->consts[ins->c][0]);
        print(p, ", v%u lane %lu", ins->b, fn->consts[ins->c][1]);
        break;
    default:
        print_memory(p, ins, ins->a, ins->c);
        print(p, ", v%u", ins->b);
    }
}

static void
print_branch(struct printer *p, const struct fn *fn, const struct ins *ins)
{
    print(p, " v%u ? ", ins->a);
    print_edge(p, fn, ins->b);
    print(p, " : ");
    print_edge(p, fn, ins->c);
}

static void
print_special(struct printer *p, const struct fn *fn, const struct ins *ins)
{
    switch (ir_info(ins->op)->form) {
    case FORM_CONST:
        print_const(p, fn, ins);
        break;
    case FORM_SHUFFLE:
        print(p, " v%u, v%u lanes 0x%016lx%016lx", ins->a, ins->b,
              fn->consts[ins->c][1], fn->consts[ins->c][0]);
        break;
    case FORM_CALL:
        print_call(p, fn, &fn->calls[ins->a]);
        break;
    case FORM_JUMP:
        print(p, " ");
        print_edge(p, fn, ins->a);
        break;
    case FORM_BRANCH:
        print_branch(p, fn, ins);
        break;
    case FORM_CASES:
        print(p, " v%u", ins->a);
        print_cases(p, fn, &fn->cases[ins->b]);
        break;
    case FORM_RETURN:
        print(p, ins->b == 0 ? "" : " ");
        print_list(p, fn, ins->a, ins->b);
        break;
    case FORM_TRAP:
        break;
    default:
        print_access(p, fn, ins);
    }
}

static void
print_operands(struct printer *p, const struct fn *fn, const struct ins *ins)
{
    u32 form = ir_info(ins->op)->form;

    if (form < COUNT(patterns) && patterns[form] != NULL)
        print_pattern(p, ins, patterns[form]);
    else
        print_special(p, fn, ins);
    if (form == FORM_TRAP || form == FORM_CHECK)
        print(p, " \"%s\"", trap_text(ins->aux));
}

// The type of a result is in the name, or it is the only thing to tell.
static void
print_name(struct printer *p, const struct ins *ins)
{
    if (ins->op == IR_CONST)
        print(p, "%s.const", type_names[ins->type]);
    else if (ins->type != IR_VOID && ir_sig(ins->op) == NULL)
        print(p, "%s %s", ir_info(ins->op)->text, type_names[ins->type]);
    else
        print(p, "%s", ir_info(ins->op)->text);
}

static void
print_ins(struct printer *p, const struct fn *fn, val_t v)
{
    const struct ins *ins = &fn->ins[v];

    print(p, "    ");
    if (ins->type != IR_VOID)
        print(p, "v%u = ", v);
    print_name(p, ins);
    print_operands(p, fn, ins);
    print(p, "\n");
}

static void
print_head(struct printer *p, const struct fn *fn, blk_t b)
{
    const struct block *block = &fn->blocks[b];

    print(p, "b%u", b);
    for (u32 i = 0; i < block->params; i++)
        print(p, "%sv%u %s", i == 0 ? "(" : ", ", block->first + i,
              type_names[fn->ins[block->first + i].type]);
    print(p, block->params == 0 ? ":" : "):");
    if (block->loop != 0)
        print(p, " loop %u", block->loop);
    if (block->label != 0)
        print(p, " label %u", block->label);
    if (block->cold)
        print(p, " cold");
    print(p, "\n");
}

static void
print_tries(struct printer *p, const struct fn *fn)
{
    for (u32 i = 1; i < fn->try_count; i++) {
        const struct handlers *try = &fn->tries[i];
        print(p, "try %u in %u:\n", i, try->parent);
        for (u32 k = 0; k < try->count; k++) {
            u32 row = try->catches + k;
            bool plain = fn->part == FN_LAST;
            u32 tag = plain ? fn->pads[row].tag : fn->catches[row].tag;
            if (tag == NO_INDEX)
                print(p, "    catch_all ");
            else
                print(p, "    catch %u ", tag);
            if (plain)
                print(p, "label %u", fn->pads[row].label);
            else
                print_edge(p, fn, fn->catches[row].edge);
            print(p, "\n");
        }
    }
}

void
fn_print(struct printer *p, const struct fn *fn)
{
    static const char *const parts[] = {"", ", a part", ", the last part"};

    print(p, "function %u%s\n", fn->index, parts[fn->part]);
    for (blk_t b = 0; b < fn->block_count; b++) {
        const struct block *block = &fn->blocks[b];
        print_head(p, fn, b);
        for (val_t v = block->first + block->params; v < block->end; v++)
            print_ins(p, fn, v);
    }
    if (fn->part != FN_PART)
        print_tries(p, fn);
}
