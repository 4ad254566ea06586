// wasm/validate.c: function bodies, one instruction at a time (spec 3.4 and
// appendix, "Validation Algorithm").
//
// This file keeps the state: locals, operands, frames.  Most instructions are
// checked by the `sig` of their row; validate_control.c, validate_data.c and
// validate_gc.c have the rules of the others.
//
// Time and memory are proportional to the body, although a call of two bytes
// can push a thousand operands: there is a limit on how many there may be, and
// a budget for moving them, both far from what programs need.

#include "wasm/internal.h"

// Operands beyond one for each byte of the body; moves for each byte and
// beyond that.  The compiler relies on them too.
enum { OPERAND_SLACK = 65536, MOVES_PER_BYTE = 8, MOVES_SLACK = 1000000 };

// --- failures ---------------------------------------------------------------

void
validator_fail(struct validator *v, const char *what)
{
    reader_fail(&v->r, v->at, ERR_INVALID, what);
}

void
validator_mismatch(struct validator *v)
{
    validator_fail(v, "type mismatch");
}

static bool
is_ok(const struct validator *v)
{
    return v->error->status == OK;
}

static void
grow(struct validator *v, void *array, u32 *capacity, u32 count, u64 more,
     u64 size)
{
    if (!array_grow(v->temp, NULL, array, capacity, count, more, size))
        reader_fail(&v->r, v->at, ERR_NO_MEMORY, "out of memory");
}

// --- operands ---------------------------------------------------------------

void
validator_spend(struct validator *v, u32 moves)
{
    if (moves > v->moves_left)
        reader_fail(&v->r, v->at, ERR_LIMIT, "too many operands moved");
    else
        v->moves_left -= moves;
}

static bool
make_room(struct validator *v, u32 more)
{
    if (v->operand_count + more <= v->operand_capacity)
        return true;
    if (v->operand_count + more > v->operand_limit) {
        reader_fail(&v->r, v->at, ERR_LIMIT, "too many operands");
        return false;
    }
    grow(v, &v->operands, &v->operand_capacity, v->operand_count, more,
         sizeof(*v->operands));
    v->operand_capacity = MIN(v->operand_capacity, v->operand_limit);
    return is_ok(v);
}

void
operand_push_slow(struct validator *v, valtype_t type)
{
    if (make_room(v, 1))
        v->operands[v->operand_count++] = type;
}

void
operands_push(struct validator *v, const valtype_t *types, u32 count)
{
    validator_spend(v, count);
    if (count == 0 || !make_room(v, count))
        return;
    memcpy(v->operands + v->operand_count, types, count * sizeof(valtype_t));
    v->operand_count += count;
}

valtype_t
operand_pop(struct validator *v)
{
    const struct frame *f = &v->frames[v->frame_count - 1];

    if (v->operand_count > f->height)
        return v->operands[--v->operand_count];
    if (!f->unreachable)
        validator_mismatch(v);
    return VAL_BOT;
}

valtype_t
operand_pop_ref(struct validator *v)
{
    valtype_t type = operand_pop(v);

    if (type == VAL_BOT)
        return REF_BIT | HEAP_BOT;
    if (!valtype_is_ref(type))
        validator_mismatch(v);
    return type;
}

void
operand_expect_slow(struct validator *v, valtype_t type)
{
    valtype_t actual = operand_pop(v);

    if (actual != type && !valtype_matches(v->m, actual, type))
        validator_mismatch(v);
}

// How many of the `count` topmost operands are there; the missing ones, in
// unreachable code only, have any type.
static u32
operands_present(struct validator *v, u32 count)
{
    const struct frame *f = &v->frames[v->frame_count - 1];
    u32 present = MIN(count, v->operand_count - f->height);

    if (present < count && !f->unreachable)
        validator_mismatch(v);
    return present;
}

void
operands_check(struct validator *v, const valtype_t *types, u32 count)
{
    u32 present = operands_present(v, count);

    validator_spend(v, present);
    if (present == 0)
        return;
    const valtype_t *actual = v->operands + v->operand_count - present;
    types += count - present;
    if (memcmp(actual, types, present * sizeof(valtype_t)) == 0)
        return;
    for (u32 i = 0; i < present; i++)
        if (!valtype_matches(v->m, actual[i], types[i]))
            validator_mismatch(v);
}

void
operands_expect(struct validator *v, const valtype_t *types, u32 count)
{
    operands_check(v, types, count);
    v->operand_count -= operands_present(v, count);
}

bool
operands_are_unknown(const struct validator *v)
{
    const struct frame *f = &v->frames[v->frame_count - 1];

    return !is_ok(v) || (f->unreachable && v->operand_count == f->height);
}

void
validator_unreachable(struct validator *v)
{
    struct frame *f = &v->frames[v->frame_count - 1];

    v->operand_count = f->height;
    f->unreachable = true;
}

// --- frames -----------------------------------------------------------------

const valtype_t *
block_params(const struct module *m, struct block_type b, u32 *count)
{
    if (b.type == NO_INDEX) {
        *count = 0;
        return NULL;
    }
    *count = m->types[b.type].param_count;
    return m->types[b.type].vals;
}

const valtype_t *
block_results(const struct module *m, const struct block_type *b, u32 *count)
{
    if (b->type == NO_INDEX) {
        *count = b->result != VAL_NONE;
        return &b->result;
    }
    *count = m->types[b->type].result_count;
    return m->types[b->type].vals + m->types[b->type].param_count;
}

void
frame_open(struct validator *v, u32 code, struct block_type type)
{
    bool dead = false;

    if (v->frame_count > 0) {
        const struct frame *outer = &v->frames[v->frame_count - 1];
        dead = outer->dead || outer->unreachable;
    }

    grow(v, &v->frames, &v->frame_capacity, v->frame_count, 1,
         sizeof(*v->frames));
    if (!is_ok(v))
        return;
    v->frames[v->frame_count++] = (struct frame){
        .code = code,
        .type = type,
        .height = v->operand_count,
        .init_height = v->init_count,
        .dead = dead,
    };
}

// Locals set inside a block count as unset after it.
static void
forget_locals(struct validator *v, u32 init_height)
{
    while (v->init_count > init_height)
        bit_clear(v->inited, v->init_undo[--v->init_count]);
}

void
frame_close(struct validator *v)
{
    struct frame f = v->frames[v->frame_count - 1];
    u32 count;
    const valtype_t *results = block_results(v->m, &f.type, &count);

    operands_expect(v, results, count);
    if (v->operand_count != f.height)
        validator_mismatch(v);
    forget_locals(v, f.init_height);
    v->closed = f;
    v->frame_count--;
}

const valtype_t *
label_types(const struct validator *v, const struct frame *f, u32 *count)
{
    return f->code == WASM_LOOP ? block_params(v->m, f->type, count) :
                                  block_results(v->m, &f->type, count);
}

// --- locals -----------------------------------------------------------------

valtype_t
validator_local_type(const struct validator *v, u32 local)
{
    u32 low = 0, high = v->run_count - 1;

    while (low < high) {
        u32 middle = (low + high) / 2;
        if (local < v->runs[middle].end)
            high = middle;
        else
            low = middle + 1;
    }
    return v->runs[low].type;
}

static void
add_run(struct validator *v, u32 count, valtype_t type)
{
    v->local_count += count;
    if (count == 0)
        return;
    if (v->run_count == 0 || v->runs[v->run_count - 1].type != type)
        v->runs[v->run_count++].type = type;
    v->runs[v->run_count - 1].end = v->local_count;
}

static void
read_locals(struct validator *v, u32 declarations)
{
    u64 total = v->local_count;

    for (u32 i = 0; i < declarations && is_ok(v); i++) {
        u64 at = v->r.at;
        u32 count = read_u32(&v->r);
        u64 type_at = v->r.at;
        valtype_t type = read_valtype(&v->r);
        total += count;
        if (total > UINT32_MAX)
            reader_fail(&v->r, at, ERR_MALFORMED, "too many locals");
        else if (total > LIMIT_LOCALS)
            count = 0; // fails below, unless it gets worse
        if (!valtype_is_known(type, v->m->type_count))
            reader_fail(&v->r, type_at, ERR_INVALID, "unknown type");
        if (is_ok(v))
            add_run(v, count, type);
    }
    if (total > LIMIT_LOCALS)
        reader_fail(&v->r, v->at, ERR_LIMIT, "too many locals");
}

// Remember which locals are set, when some have no default.
static void
track_locals(struct validator *v)
{
    bool needed = false;

    for (u32 i = 0; i < v->run_count; i++)
        needed |= !valtype_has_default(v->runs[i].type);
    if (!needed || !is_ok(v))
        return;
    v->inited = ARENA_NEW(v->temp, u64, v->local_count / 64 + 1);
    v->init_undo = ARENA_NEW(v->temp, u32, v->local_count);
    if (v->inited == NULL || v->init_undo == NULL) {
        reader_fail(&v->r, v->at, ERR_NO_MEMORY, "out of memory");
        return;
    }
    for (u32 i = 0, run = 0; i < v->local_count; i++) {
        run += i == v->runs[run].end;
        if (i < v->type->param_count || valtype_has_default(v->runs[run].type))
            bit_set(v->inited, i);
    }
}

static void
init_locals(struct validator *v)
{
    u32 declarations = read_count(&v->r, NO_INDEX, NULL);
    u32 params = v->type->param_count;

    v->runs = ARENA_NEW(v->temp, struct local_run, params + declarations + 1);
    if (v->runs == NULL) {
        reader_fail(&v->r, v->at, ERR_NO_MEMORY, "out of memory");
        return;
    }
    for (u32 i = 0; i < params; i++)
        add_run(v, 1, v->type->vals[i]);
    read_locals(v, declarations);
    track_locals(v);
}

// --- instructions -----------------------------------------------------------

static inline valtype_t
operand_type(const struct validator *v, char letter, const struct op *op)
{
    valtype_t type = sig_type(letter);

    if (type != VAL_NONE)
        return type;
    return v->m->memories[op->memory].is64 ? VAL_I64 : VAL_I32;
}

static void
apply_sig(struct validator *v, const char *sig, const struct op *op)
{
    const char *colon = sig;

    while (*colon != ':')
        colon++;
    for (const char *p = colon; p-- != sig;)
        operand_expect(v, operand_type(v, *p, op));
    for (const char *p = colon + 1; *p != 0; p++)
        operand_push(v, operand_type(v, *p, op));
}

static void
check_memory(struct validator *v, u32 memory)
{
    if (memory >= v->m->memory_count)
        validator_fail(v, "unknown memory");
}

static void
check_memarg(struct validator *v, const struct op *op, u32 width)
{
    bool atomic = op->code >> 16 == 0xfe;

    check_memory(v, op->memory);
    if (!is_ok(v))
        return;
    if (op->align > width)
        validator_fail(v, "alignment must not be larger than natural");
    else if (atomic && op->align != width)
        validator_fail(v, "atomic alignment must be natural");
    else if (op->value > UINT32_MAX && !v->m->memories[op->memory].is64)
        validator_fail(v, "offset out of range");
}

static void
check_shuffle(struct validator *v, const struct op *op)
{
    for (u32 i = 0; i < sizeof(op->v128); i++)
        if (op->v128[i] >= 32)
            validator_fail(v, "invalid lane index");
}

// Without a data count section a module is malformed, not invalid.
void
data_check(struct validator *v, u32 segment)
{
    if (!v->m->has_data_count)
        reader_fail(&v->r, v->at, ERR_MALFORMED, "data count section required");
    else if (segment >= v->m->data_count)
        validator_fail(v, "unknown data segment");
}

// The immediates of instructions that have a sig.
static void
check_immediates(struct validator *v, const struct op *op,
                 const struct op_info *info)
{
    switch ((enum imm_kind)info->imm) {
    case IMM_MEMARG_LANE:
        if (op->lane >= 16 >> info->width)
            validator_fail(v, "invalid lane index");
        check_memarg(v, op, info->width);
        break;
    case IMM_MEMARG:
        check_memarg(v, op, info->width);
        break;
    case IMM_LANE:
        if (op->lane >= info->width)
            validator_fail(v, "invalid lane index");
        break;
    case IMM_SHUFFLE:
        check_shuffle(v, op);
        break;
    case IMM_MEMORY:
        check_memory(v, op->memory);
        break;
    case IMM_DATA_MEMORY:
        check_memory(v, op->memory);
        data_check(v, op->index);
        break;
    case IMM_DATA:
        data_check(v, op->index);
        break;
    case IMM_ELEM:
        if (op->index >= v->m->elem_count)
            validator_fail(v, "unknown elem segment");
        break;
    default:
        break;
    }
}

static validate_fn *
find_rule(u32 code)
{
    u32 slot = OP_SLOT(code);

    return validate_control[slot] != NULL ? validate_control[slot] :
           validate_data[slot] != NULL    ? validate_data[slot] :
                                            validate_gc[slot];
}

void
validator_check(struct validator *v, const struct op *op)
{
    const struct op_info *info = op->info;
    const struct frame *f = &v->frames[v->frame_count - 1];

    v->at = op->at;
    v->was_reachable = !f->unreachable && !f->dead;
    if (info->sig == NULL) {
        find_rule(op->code)(v, op);
        return;
    }
    if (info->imm != IMM_NONE)
        check_immediates(v, op, info);
    if (is_ok(v))
        apply_sig(v, info->sig, op);
}

// Why a body that ends before its `end` is malformed: what a reader that goes
// on behind it would say.
static const char *
missing_end(const struct validator *v)
{
    u8 next = v->r.end < v->m->size ? v->m->bytes[v->r.end] : 0;

    return next == WASM_END  ? "section size mismatch" :
           next == WASM_ELSE ? "END opcode expected" :
                               "unexpected end of section or function";
}

bool
validator_next(struct validator *v, struct op *op)
{
    if (v->frame_count == 0 || !is_ok(v))
        return false;
    if (v->r.at == v->r.end) {
        reader_fail(&v->r, v->r.at, ERR_MALFORMED, missing_end(v));
        return false;
    }
    op_read(&v->r, op);
    if (!is_ok(v))
        return false;
    validator_check(v, op);
    if (v->frame_count == 0 && v->r.at != v->r.end)
        reader_fail(&v->r, v->r.at, ERR_MALFORMED, "section size mismatch");
    return is_ok(v);
}

// --- start ------------------------------------------------------------------

void
validator_init(struct validator *v, const struct module *m, u32 func,
               struct arena *temp, struct error *error)
{
    const struct func *f = &m->funcs[func];

    *v = (struct validator){
        .m = m,
        .r = reader_range(m->bytes, m->size, f->at, f->end, error),
        .temp = temp,
        .error = error,
        .func = func,
        .type = &m->types[f->type],
        .operand_limit = (u32)(f->end - f->at) + OPERAND_SLACK,
        .moves_left = MOVES_PER_BYTE * (f->end - f->at) + MOVES_SLACK,
        .at = f->at,
    };
    init_locals(v);
    frame_open(v, WASM_BLOCK, (struct block_type){f->type, VAL_NONE});
}

void
validator_reserve(struct validator *v, u32 operands, u32 frames)
{
    grow(v, &v->operands, &v->operand_capacity, v->operand_count, operands,
         sizeof(*v->operands));
    grow(v, &v->frames, &v->frame_capacity, v->frame_count, frames,
         sizeof(*v->frames));
}

void
validator_init_const(struct validator *v, struct const_expr expr)
{
    v->r =
        reader_range(v->m->bytes, v->m->size, expr.at, expr.end + 1, v->error);
    v->at = expr.at;
    v->operand_count = 0;
    v->operand_limit = LIMIT_CONST_OPERANDS;
    v->moves_left = MOVES_SLACK;
    v->frame_count = 0;
    frame_open(v, WASM_BLOCK, (struct block_type){NO_INDEX, expr.type});
}

status_t
module_validate(const struct module *m, struct arena *temp, struct error *error)
{
    u64 mark = arena_mark(temp);

    for (u32 i = m->func_imports; i < m->func_count; i++) {
        struct validator v;
        struct op op;
        validator_init(&v, m, i, temp, error);
        while (validator_next(&v, &op))
            continue;
        arena_reset(temp, mark);
        if (error->status != OK)
            break;
    }
    return error->status;
}
