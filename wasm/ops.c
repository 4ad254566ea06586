// wasm/ops.c: instructions, from bytes to struct op (spec 5.4).
//
// Syntax only: an index may be out of range here.

#include "wasm/internal.h"

static const struct op_info rows[OP_SLOTS] = {
#define OP(code, id, text, imm, sig, ir) \
    [OP_SLOT(code)] = {text, sig, IMM_##imm & IMM_KIND, IMM_##imm >> IMM_WIDTH},
#include "wasm/ops.def"
};

// Where the numbers of each prefix end in `rows`.
static const u16 prefix_sizes[] = {0x40, 0x40, 0x180, 0x80};

enum { FIRST_PREFIX = 0xfb };

static const struct op_info unknown;

const u8 sig_letters[128] = {
    ['i'] = VAL_I32, ['l'] = VAL_I64,  ['f'] = VAL_F32,
    ['d'] = VAL_F64, ['v'] = VAL_V128, ['a'] = VAL_NONE,
};

valtype_t
sig_result(const char *sig)
{
    while (*sig != ':')
        sig++;
    return sig_type(sig[1]);
}

const struct op_info *
op_info(u32 code)
{
    u32 prefix = code >> 16;

    if (code < 0x100)
        return &rows[code];
    if (prefix < FIRST_PREFIX || prefix >= FIRST_PREFIX + COUNT(prefix_sizes) ||
        (code & 0xffff) >= prefix_sizes[prefix - FIRST_PREFIX])
        return &unknown;
    return &rows[OP_SLOT(code)];
}

static void
read_opcode(struct reader *r, struct op *op)
{
    u64 at = r->at;
    u32 code = read_u8(r);

    if (code >= FIRST_PREFIX && code < FIRST_PREFIX + COUNT(prefix_sizes)) {
        u32 number = read_u32(r);
        if (number >= prefix_sizes[code - FIRST_PREFIX])
            number = 0xffff; // no such opcode
        code = code << 16 | number;
    }
    op->at = at;
    op->code = code;
    op->info = op_info(code);
    if (op->info->text != NULL)
        return;
    reader_fail(r, at, ERR_MALFORMED, "illegal opcode");
    op->code = WASM_UNREACHABLE;
    op->info = &rows[WASM_UNREACHABLE];
}

// Most indexes and constants have one byte.
static inline u32
read_index(struct reader *r)
{
    if (r->at < r->end && r->bytes[r->at] < 0x80)
        return r->bytes[r->at++];
    return read_u32(r);
}

// Spec 5.4.1: nothing, a value type or a type index, told apart by the sign.
static struct block_type
read_block_type(struct reader *r)
{
    u8 byte = r->at < r->end ? r->bytes[r->at] : 0;

    if (byte == 0x40) {
        r->at++;
        return (struct block_type){NO_INDEX, VAL_NONE};
    }
    if ((byte & 0xc0) == 0x40)
        return (struct block_type){NO_INDEX, read_valtype(r)};

    u64 at = r->at;
    i64 index = read_i33(r);
    if (index < 0)
        reader_fail(r, at, ERR_MALFORMED, "malformed block type");
    return (struct block_type){(u32)MIN(index, NO_INDEX - 1), VAL_NONE};
}

static void
read_memarg(struct reader *r, struct op *op)
{
    u64 at = r->at;
    u32 flags = read_u32(r);

    if (flags >= 0x80)
        reader_fail(r, at, ERR_MALFORMED, "malformed memop flags");
    op->align = flags & 0x3f;
    op->memory = flags & 0x40 ? read_u32(r) : 0;
    op->value = read_u64(r);
}

static void
read_br_table(struct reader *r, struct op *op)
{
    op->index = read_count(r, LIMIT_BR_TABLE, "br_table too large");
    op->table_at = r->at;
    for (u64 i = 0; i <= op->index && r->at < r->end; i++)
        read_u32(r);
    if (r->at == r->end && r->error->status == OK)
        read_u8(r); // at least an `end` must follow
}

void
read_catch(struct reader *r, struct catch_clause *clause)
{
    u64 at = r->at;

    clause->kind = read_u8(r);
    if (clause->kind > CATCH_ANY_REF)
        reader_fail(r, at, ERR_MALFORMED, "malformed catch clause");
    clause->tag = clause->kind < CATCH_ANY ? read_u32(r) : NO_INDEX;
    clause->label = read_u32(r);
}

static void
read_try_table(struct reader *r, struct op *op)
{
    struct catch_clause clause;

    op->block = read_block_type(r);
    op->index = read_count(r, NO_INDEX, NULL);
    op->table_at = r->at;
    for (u32 i = 0; i < op->index; i++)
        read_catch(r, &clause);
}

// A vector of value types; only those with one are valid.
static void
read_select(struct reader *r, struct op *op)
{
    op->index = read_count(r, NO_INDEX, NULL);
    for (u32 i = 0; i < op->index; i++)
        op->type = read_valtype(r);
}

static void
read_cast(struct reader *r, struct op *op)
{
    u64 at = r->at;
    u8 flags = read_u8(r);

    if (flags > 3)
        reader_fail(r, at, ERR_MALFORMED, "malformed br_on_cast flags");
    op->index = read_u32(r);
    op->type = REF_BIT | (flags & 1 ? NULL_BIT : 0) | read_heap(r);
    op->type2 = REF_BIT | (flags & 2 ? NULL_BIT : 0) | read_heap(r);
}

static void
read_v128(struct reader *r, struct op *op)
{
    for (u32 i = 0; i < sizeof(op->v128); i++)
        op->v128[i] = read_u8(r);
}

static void
read_one(struct reader *r, struct op *op)
{
    op->index = read_index(r);
}

static void
read_two(struct reader *r, struct op *op)
{
    op->index = read_index(r);
    op->index2 = read_index(r);
}

static void
read_memory_index(struct reader *r, struct op *op)
{
    op->memory = op->index = read_index(r);
}

static void
read_data_memory(struct reader *r, struct op *op)
{
    op->index = read_index(r);
    op->memory = op->index2 = read_index(r);
}

static void
read_block(struct reader *r, struct op *op)
{
    op->block = read_block_type(r);
}

static void
read_lane(struct reader *r, struct op *op)
{
    op->lane = read_u8(r);
}

static void
read_memarg_lane(struct reader *r, struct op *op)
{
    read_memarg(r, op);
    read_lane(r, op);
}

static void
read_i32_const(struct reader *r, struct op *op)
{
    op->value = (u32)read_i32(r);
}

static void
read_i64_const(struct reader *r, struct op *op)
{
    op->value = (u64)read_i64(r);
}

static void
read_f32_const(struct reader *r, struct op *op)
{
    op->value = read_bits(r, 4);
}

static void
read_f64_const(struct reader *r, struct op *op)
{
    op->value = read_bits(r, 8);
}

static void
read_heap_type(struct reader *r, struct op *op)
{
    op->type = REF_BIT | read_heap(r);
}

static void
read_order(struct reader *r, struct op *op)
{
    (void)op;
    if (read_u8(r) != 0)
        reader_fail(r, r->at - 1, ERR_MALFORMED, "zero byte expected");
}

static void (*const readers[])(struct reader *r, struct op *op) = {
    [IMM_BLOCK] = read_block,
    [IMM_LABEL] = read_one,
    [IMM_BR_TABLE] = read_br_table,
    [IMM_FUNC] = read_one,
    [IMM_TYPE_TABLE] = read_two,
    [IMM_TYPE] = read_one,
    [IMM_TYPE2] = read_two,
    [IMM_TYPE_FIELD] = read_two,
    [IMM_TYPE_COUNT] = read_two,
    [IMM_TYPE_DATA] = read_two,
    [IMM_TYPE_ELEM] = read_two,
    [IMM_LOCAL] = read_one,
    [IMM_GLOBAL] = read_one,
    [IMM_TABLE] = read_one,
    [IMM_TABLE2] = read_two,
    [IMM_MEMARG] = read_memarg,
    [IMM_MEMARG_LANE] = read_memarg_lane,
    [IMM_LANE] = read_lane,
    [IMM_MEMORY] = read_memory_index,
    [IMM_MEMORY2] = read_two,
    [IMM_DATA] = read_one,
    [IMM_DATA_MEMORY] = read_data_memory,
    [IMM_ELEM] = read_one,
    [IMM_ELEM_TABLE] = read_two,
    [IMM_I32] = read_i32_const,
    [IMM_I64] = read_i64_const,
    [IMM_F32] = read_f32_const,
    [IMM_F64] = read_f64_const,
    [IMM_V128] = read_v128,
    [IMM_SHUFFLE] = read_v128,
    [IMM_SELECT] = read_select,
    [IMM_HEAP] = read_heap_type,
    [IMM_TAG] = read_one,
    [IMM_TRY_TABLE] = read_try_table,
    [IMM_CAST] = read_cast,
    [IMM_ORDER] = read_order,
};

_Static_assert(COUNT(readers) == IMM_ORDER + 1, "a reader for each kind");

void
op_read(struct reader *r, struct op *op)
{
    read_opcode(r, op);
    if (op->info->imm != IMM_NONE)
        readers[op->info->imm](r, op);
}

u32
read_nested(struct reader *r, struct op *op, u32 depth)
{
    op_read(r, op);
    if (op->code == WASM_END || op->code == WASM_DELEGATE)
        return depth - 1;
    bool opens = op->info->imm == IMM_BLOCK || op->info->imm == IMM_TRY_TABLE;
    return depth + opens;
}

struct const_expr
read_const_expr(struct reader *r)
{
    struct const_expr expr = {.at = r->at, .end = r->at};
    struct op op;

    for (u32 depth = 1; depth > 0 && r->error->status == OK;) {
        depth = read_nested(r, &op, depth);
        expr.end = op.at;
        if (op.at - expr.at >= LIMIT_CONST_SIZE)
            reader_fail(r, expr.at, ERR_LIMIT, "constant expression too large");
    }
    return expr;
}
