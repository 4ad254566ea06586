// test/ir/interp.c: run the IR, to find out whether the build is right.
//
// Slow and simple.  Vectors and atomics are left to the machine code.

#include "test/ir/help.h"

#include <stdlib.h>
#include <string.h>

// SPARE: room for the arguments of tail calls.
enum { SPARE = 64, DEPTH_MAX = 1000, STEPS_MAX = 1000000 };

struct frame_state {
    struct instance *in;
    const struct body *body;
    const struct fn *fn; // the part of it that runs
    struct cell *vals;   // by instruction
    struct cell *slots;
    struct cell *moved; // arguments of an edge under way
    blk_t block;
    u32 entered; // blocks so far
    struct result result;
    bool done;
    bool tail; // call `next` with the cells, in place of this function
    u32 next;
};

static struct result exec(struct instance *in, u32 func, struct cell *cells);

static void
trap(struct frame_state *s, enum trap kind)
{
    s->result = (struct result){TRAPPED, kind};
    s->done = true;
}

static void
give_up(struct frame_state *s)
{
    s->result = (struct result){UNSUPPORTED, TRAP_NONE};
    s->done = true;
}

// --- the kernel's part ------------------------------------------------------

static u64
builtin_throw(struct frame_state *s, u32 builtin, const u64 *a)
{
    struct instance *in = s->in;

    s->result = (struct result){THREW, TRAP_UNCAUGHT_EXCEPTION};
    s->done = true;
    if (builtin == BUILTIN_THROW_REF) {
        in->thrown = a[0];
        return 0;
    }
    u32 tag = (u32)a[0];
    u32 count = in->m.types[in->m.tags[tag]].param_count;
    struct cell *payload = calloc(count + 1, sizeof(struct cell));
    if (count > 0)
        memcpy(payload, (const void *)a[1], count * sizeof(struct cell));
    in->exceptions = realloc(in->exceptions, (in->exception_count + 2) *
                                                 sizeof(struct exception));
    in->exceptions[++in->exception_count] = (struct exception){tag, payload};
    in->thrown = in->exception_count;
    return 0;
}

static u32
type_of_ref(struct instance *in, u64 ref)
{
    return in->m.types[in->m.funcs[ref - 1].type].canonical;
}

// The entry of a reference is the reference.
static u64
find_entry(struct frame_state *s, u64 ref, u32 type)
{
    if (!type_is_subtype(&s->in->m, type_of_ref(s->in, ref), type))
        trap(s, TRAP_INDIRECT_TYPE);
    return ref;
}

static u64
run_builtin(struct frame_state *s, u32 builtin, const u64 *a)
{
    u64 r;

    if (run_instance_builtin(s->in, builtin, a, &r))
        return r;
    switch (builtin) {
    case BUILTIN_FUNC_ENTRY:
        return find_entry(s, a[0], (u32)a[1] - 1);
    case BUILTIN_THROW:
    case BUILTIN_THROW_REF:
        return builtin_throw(s, builtin, a);
    default:
        give_up(s);
        return 0;
    }
}

// --- calls ------------------------------------------------------------------

// The function that a call reaches; false if it traps.
static bool
find_callee(struct frame_state *s, const struct call *call, u32 *func)
{
    struct instance *in = s->in;
    u64 first = 0, ref;

    if (call->kind == CALL_FUNC) {
        *func = call->target;
        return true;
    }
    first = ref = s->vals[s->fn->pool[call->args]].bits[0];
    if (call->kind == CALL_INDIRECT) {
        const struct ref_table *t = &in->tables[call->target];
        if (first >= t->count) {
            trap(s, TRAP_UNDEFINED_ELEMENT);
            return false;
        }
        ref = t->refs[first];
    }
    if (ref == 0) {
        trap(s, call->kind == CALL_INDIRECT ? TRAP_UNINITIALIZED_ELEMENT :
                                              TRAP_NULL_FUNCTION);
        return false;
    }
    if (call->kind == CALL_INDIRECT &&
        type_of_ref(in, ref) != in->m.types[call->type].canonical) {
        trap(s, TRAP_INDIRECT_TYPE);
        return false;
    }
    *func = (u32)ref - 1;
    return true;
}

// A constant may be used where the block that has it was not.
static void
set_consts(struct frame_state *s)
{
    for (val_t v = 1; v < s->fn->ins_count; v++) {
        const struct ins *ins = &s->fn->ins[v];
        if (ins->op != IR_CONST)
            continue;
        if (ins->type == IR_V128)
            give_up(s);
        s->vals[v].bits[0] = ins->a | (u64)ins->b << 32;
    }
}

static void
enter_part(struct frame_state *s, u32 part, blk_t block)
{
    s->fn = &s->body->parts[part];
    s->block = block;
    s->entered++;
    set_consts(s);
}

// Plain mode: continue in whatever part has the label.
static void
go_to_label(struct frame_state *s, u32 label)
{
    u32 part = label == LABEL_NEXT ? (u32)(s->fn - s->body->parts) + 1 : 0;

    for (; part < s->body->count; part++) {
        const struct fn *fn = &s->body->parts[part];
        for (blk_t b = 0; b < fn->block_count; b++)
            if (fn->blocks[b].label == label) {
                enter_part(s, part, b);
                return;
            }
    }
    EXPECT(part < s->body->count);
    give_up(s);
}

// Continue at a landing pad, the target of a row of fn.catches.
static void
enter_pad(struct frame_state *s, edge_t edge)
{
    const struct exception *x = &s->in->exceptions[s->in->thrown];
    const struct edge *e = &s->fn->edges[edge];
    const struct block *b = &s->fn->blocks[e->to];

    for (u32 k = 0; k < b->params; k++) {
        val_t v = s->fn->pool[e->args + k];
        if (v == VAL_EXNREF)
            s->vals[b->first + k].bits[0] = s->in->thrown;
        else
            s->vals[b->first + k] = x->payload[v - VAL_PAYLOAD];
    }
    s->block = e->to;
    s->entered++;
    s->result = (struct result){RAN, TRAP_NONE};
    s->done = false;
}

// Continue at the handler of an exception, if there is one.
static void
unwind(struct frame_state *s, u32 try)
{
    const struct fn *fn = &s->body->parts[s->body->count - 1];
    const struct exception *x = &s->in->exceptions[s->in->thrown];
    bool plain = fn->part == FN_LAST;

    for (; try != 0; try = fn->tries[try].parent) {
        for (u32 i = 0; i < fn->tries[try].count; i++) {
            u32 row = fn->tries[try].catches + i;
            u32 tag = plain ? fn->pads[row].tag : fn->catches[row].tag;
            if (tag != NO_INDEX && tag != x->tag)
                continue;
            if (plain)
                go_to_label(s, fn->pads[row].label);
            enter_pad(s, plain ? s->fn->blocks[s->block].first_pred :
                                 fn->catches[row].edge);
            return;
        }
    }
}

static void
run_call(struct frame_state *s, const struct ins *ins, val_t v,
         struct cell *results)
{
    const struct call *call = &s->fn->calls[ins->a];
    const val_t *args = &s->fn->pool[call->args];
    u32 extra = call_has_callee(call), func;
    const struct type *type;

    if (call->kind == CALL_BUILTIN) {
        u64 values[5] = {0};
        for (u32 i = 0; i < call->count; i++)
            values[i] = s->vals[args[i]].bits[0];
        u64 r = run_builtin(s, call->target, values);
        s->vals[v].bits[0] = ins->type == IR_I32 ? (u32)r : r;
        if (s->done && s->result.outcome == THREW)
            unwind(s, call->try);
        return;
    }
    if (!find_callee(s, call, &func))
        return;
    type = &s->in->m.types[call->type];
    if (call->tail) {
        for (u32 i = 0; i < type->param_count; i++)
            results[i] = s->vals[args[i + extra]];
        s->tail = s->done = true;
        s->next = func;
        return;
    }
    u32 count = MAX(type->param_count, type->result_count);
    struct cell *cells = calloc(count + SPARE, sizeof(struct cell));
    for (u32 i = 0; i < type->param_count; i++)
        cells[i] = s->vals[args[i + extra]];
    s->result = exec(s->in, func, cells);
    if (s->result.outcome != RAN) {
        s->done = true;
        if (s->result.outcome == THREW)
            unwind(s, call->try);
    } else {
        for (u32 i = 0; i < type->result_count; i++) {
            // Results are found by RESULT; the first is the call itself.
            if (i == 0)
                s->vals[v] = cells[0];
            for (val_t r = v + 1; i > 0 && r < s->fn->ins_count; r++)
                if (s->fn->ins[r].op == IR_RESULT && s->fn->ins[r].a == v &&
                    s->fn->ins[r].b == i) {
                    s->vals[r] = cells[i];
                    break;
                }
        }
    }
    free(cells);
}

// --- control ----------------------------------------------------------------

static void
take_edge(struct frame_state *s, edge_t edge)
{
    const struct fn *fn = s->fn;
    const struct edge *e = &fn->edges[edge];
    const struct block *b = &fn->blocks[e->to];

    for (u32 i = 0; i < b->params; i++)
        s->moved[i] = s->vals[fn->pool[e->args + i]];
    memcpy(&s->vals[b->first], s->moved, b->params * sizeof(struct cell));
    s->block = e->to;
    s->entered++;
}

static void
run_end(struct frame_state *s, const struct ins *ins, struct cell *results)
{
    const struct fn *fn = s->fn;
    u64 x = ir_operand_count(ins->op) > 0 ? s->vals[ins->a].bits[0] : 0;

    switch (ins->op) {
    case IR_JUMP:
        take_edge(s, ins->a);
        break;
    case IR_BRANCH:
        take_edge(s, x != 0 ? ins->b : ins->c);
        break;
    case IR_SWITCH: {
        const struct cases *c = &fn->cases[ins->b];
        take_edge(s, fn->pool[c->targets + MIN(x, c->count - 1)]);
        break;
    }
    case IR_RETURN:
        for (u32 i = 0; i < ins->b; i++)
            results[i] = s->vals[fn->pool[ins->a + i]];
        s->done = true;
        break;
    case IR_GOTO:
        go_to_label(s, ins->a);
        break;
    default:
        trap(s, ins->aux);
    }
}

static u64
page_count(struct instance *in, u32 memory)
{
    return in->memories[memory].size >> in->m.memories[memory].page_log2;
}

// What is neither arithmetic nor memory.
static void
run_other(struct frame_state *s, const struct ins *ins, val_t v)
{
    struct instance *in = s->in;
    struct cell *vals = s->vals;
    u64 x = vals[ins->a < s->fn->ins_count ? ins->a : 0].bits[0];
    u64 *to = &vals[v].bits[0];

    switch (ins->op) {
    case IR_SELECT:
        vals[v] = vals[ins->c].bits[0] != 0 ? vals[ins->a] : vals[ins->b];
        break;
    case IR_RESULT: // set by the call
        break;
    case IR_CHECK:
        if (x != 0)
            trap(s, ins->aux);
        break;
    case IR_GLOBAL_GET:
        vals[v] = in->globals[ins->a];
        break;
    case IR_GLOBAL_SET:
        in->globals[ins->b] = vals[ins->a];
        break;
    case IR_TABLE_GET:
        if (x >= in->tables[ins->b].count)
            trap(s, TRAP_TABLE_BOUNDS);
        else
            *to = in->tables[ins->b].refs[x];
        break;
    case IR_TABLE_SET:
        if (x >= in->tables[ins->c].count)
            trap(s, TRAP_TABLE_BOUNDS);
        else
            in->tables[ins->c].refs[x] = vals[ins->b].bits[0];
        break;
    case IR_TABLE_SIZE:
        *to = in->tables[ins->a].count;
        break;
    case IR_MEMORY_SIZE:
        *to = page_count(in, ins->a);
        break;
    case IR_REF_FUNC:
        *to = ins->a + 1;
        break;
    case IR_TYPE_ID:
        *to = in->m.types[ins->a].canonical + 1;
        break;
    case IR_SLOT_GET:
        vals[v] = s->slots[ins->a];
        if (ins->type == IR_I32 || ins->type == IR_F32)
            *to = (u32)*to;
        break;
    case IR_SLOT_SET:
        s->slots[ins->b] = vals[ins->a];
        break;
    case IR_SLOT_ADDRESS:
        *to = (u64)&s->slots[ins->a];
        break;
    case IR_ADDRESS_ADD:
        if (__builtin_add_overflow(x, vals[ins->b].bits[0], to))
            trap(s, TRAP_MEMORY_BOUNDS);
        break;
    default:
        give_up(s);
    }
}

static void
run_ins(struct frame_state *s, val_t v, struct cell *results)
{
    const struct ins *ins = &s->fn->ins[v];
    u64 *to = &s->vals[v].bits[0], x = 0, y = 0;
    u32 count = ir_operand_count(ins->op);
    enum trap kind;

    if (ins->op == IR_CONST) // set before the function runs
        return;
    if (ins->op == IR_CALL || ins->op == IR_TAIL_CALL) {
        run_call(s, ins, v, results);
        return;
    }
    if ((ir_info(ins->op)->effects & EFFECT_END) != 0) {
        run_end(s, ins, results);
        return;
    }
    if (count > 0)
        x = s->vals[ins->a].bits[0];
    if (count > 1)
        y = s->vals[ins->b].bits[0];
    if (run_access(&s->in->memories[ins->aux], ins, s->vals, to, &kind) ||
        run_arithmetic(ins->op, x, y, to, &kind)) {
        if (kind != TRAP_NONE)
            trap(s, kind);
        return;
    }
    run_other(s, ins, v);
}

static void
run_block(struct frame_state *s, struct cell *results)
{
    const struct block *b = &s->fn->blocks[s->block];
    u32 entered = s->entered;

    for (val_t v = b->first + b->params; v < b->end && !s->done; v++) {
        if (s->in->steps-- == 0)
            give_up(s);
        else
            run_ins(s, v, results);
        if (s->entered != entered)
            return; // into a handler
    }
}

// Copy what the build made out of the scratch arena.
static void *
keep(struct instance *in, const void *from, u64 size)
{
    void *to = arena_alloc(&in->keep, size + 16, 16);

    assert(to != NULL);
    if (size > 0)
        memcpy(to, from, size);
    return to;
}

static void
keep_fn(struct instance *in, struct fn *fn)
{
    fn->ins = keep(in, fn->ins, fn->ins_count * sizeof(*fn->ins));
    fn->at = keep(in, fn->at, fn->ins_count * sizeof(*fn->at));
    fn->blocks = keep(in, fn->blocks, fn->block_count * sizeof(*fn->blocks));
    fn->edges = keep(in, fn->edges, fn->edge_count * sizeof(*fn->edges));
    fn->next_pred =
        keep(in, fn->next_pred, fn->edge_count * sizeof(*fn->next_pred));
    fn->pool = keep(in, fn->pool, fn->pool_count * sizeof(*fn->pool));
    fn->calls = keep(in, fn->calls, fn->call_count * sizeof(*fn->calls));
    fn->cases = keep(in, fn->cases, fn->case_count * sizeof(*fn->cases));
    fn->consts = keep(in, fn->consts, fn->const_count * sizeof(*fn->consts));
    fn->tries = keep(in, fn->tries, fn->try_count * sizeof(*fn->tries));
    fn->catches = keep(in, fn->catches, fn->catch_count * sizeof(*fn->catches));
    u32 rows = 0;
    for (u32 i = 1; i < fn->try_count && fn->part == FN_LAST; i++)
        rows += fn->tries[i].count;
    fn->pads = keep(in, fn->pads, rows * sizeof(*fn->pads));
}

enum { PARTS_MAX = 64 };

// Build a function, in parts or whole; false when that cannot be.
static bool
build_parts(struct instance *in, u32 func, struct body *body)
{
    struct fn *parts = ARENA_NEW(&in->keep, struct fn, PARTS_MAX);
    struct error error = {0};
    struct builder *b;
    val_t at = 0;
    status_t status = ERR_BUDGET;
    u32 count = 1;

    arena_reset(&in->temp, 0);
    if (!in->plain)
        status = fn_build(parts, &in->m, func, in->leaves, &in->temp, &error);
    if (status == ERR_BUDGET) {
        count = 0;
        arena_reset(&in->temp, 0);
        status = parts_open(&b, &in->m, func, 0, &in->temp, &error);
        while (status == OK && (count == 0 || parts[count - 1].part != FN_LAST))
            status = count < PARTS_MAX ? parts_next(b, &parts[count++]) :
                                         ERR_UNSUPPORTED;
    }
    for (u32 i = 0; i < count && status == OK; i++) {
        EXPECT(fn_check(&parts[i], &in->temp, &at) == NULL);
        keep_fn(in, &parts[i]);
    }
    *body = (struct body){parts, count};
    return status == OK;
}

// The parts of a function; NULL if the interpreter does not have what it takes.
static const struct body *
built(struct instance *in, u32 func)
{
    struct body *body = &in->bodies[func];

    if (body->parts == NULL && !build_parts(in, func, body))
        body->count = 0;
    return body->count > 0 ? body : NULL;
}

// Run a function up to its return, or to a tail call, which is in *next.
static struct result
exec_one(struct instance *in, u32 func, struct cell *cells, u32 *next)
{
    struct frame_state s = {.in = in, .next = NO_INDEX};
    u32 params = 0, count = 0;

    *next = NO_INDEX;
    if (func < in->m.func_imports) { // spectest prints
        memset(cells, 0, sizeof(*cells));
        return (struct result){RAN, TRAP_NONE};
    }
    s.body = built(in, func);
    if (s.body == NULL)
        return (struct result){UNSUPPORTED, TRAP_NONE};
    for (u32 i = 0; i < s.body->count; i++) {
        s.fn = &s.body->parts[i];
        count = MAX(count, s.fn->ins_count);
        for (blk_t b = 0; b < s.fn->block_count; b++)
            params = MAX(params, s.fn->blocks[b].params);
    }
    s.vals = calloc(count, sizeof(struct cell));
    s.slots = calloc(s.fn->slot_count + 1, sizeof(struct cell));
    s.moved = calloc(params + 1, sizeof(struct cell));
    enter_part(&s, s.body->count - 1, 0); // the entry is in the last
    for (u32 i = 0; i < s.fn->type->param_count; i++)
        s.vals[s.fn->blocks[0].first + i] = cells[i];
    while (!s.done)
        run_block(&s, cells);
    free(s.vals);
    free(s.slots);
    free(s.moved);
    *next = s.tail ? s.next : NO_INDEX;
    return s.result;
}

static struct result
exec(struct instance *in, u32 func, struct cell *cells)
{
    struct result r;

    if (in->depth >= DEPTH_MAX)
        return (struct result){TRAPPED, TRAP_STACK_OVERFLOW};
    in->depth++;
    do
        r = exec_one(in, func, cells, &func);
    while (r.outcome == RAN && func != NO_INDEX);
    in->depth--;
    return r;
}

struct result
instance_call(struct instance *in, u32 func, struct cell *cells)
{
    in->depth = 0;
    in->steps = STEPS_MAX;
    return exec(in, func, cells);
}
