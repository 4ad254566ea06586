// test/ir_interp.c: run the IR, to find out whether the build is right.
//
// Slow and simple.  Vectors and atomics are left to the machine code.

#include "test/ir_help.h"

#include <stdlib.h>
#include <string.h>
#include <immintrin.h>

// SPARE: room for the arguments of tail calls.
enum { SPARE = 64, DEPTH_MAX = 1000, STEPS_MAX = 1000000 };

struct frame_state {
    struct instance *in;
    const struct fn *fn;
    struct cell *vals; // by instruction
    struct cell *slots;
    struct cell *moved; // arguments of an edge under way
    blk_t block;
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

// --- integers ---------------------------------------------------------------

static u32
rotl32(u32 x, u32 n)
{
    n &= 31;
    return n == 0 ? x : x << n | x >> (32 - n);
}

static u64
rotl64(u64 x, u64 n)
{
    n &= 63;
    return n == 0 ? x : x << n | x >> (64 - n);
}

#define INTEGER_OPS(T, U, S, bits)                                       \
    static bool run_##T(struct frame_state *s, u32 op, U x, U y, u64 *r) \
    {                                                                    \
        switch (op) {                                                    \
        case IR_##T##_EQZ:                                               \
            *r = x == 0;                                                 \
            return true;                                                 \
        case IR_##T##_EQ:                                                \
            *r = x == y;                                                 \
            return true;                                                 \
        case IR_##T##_NE:                                                \
            *r = x != y;                                                 \
            return true;                                                 \
        case IR_##T##_LT_S:                                              \
            *r = (S)x < (S)y;                                            \
            return true;                                                 \
        case IR_##T##_LT_U:                                              \
            *r = x < y;                                                  \
            return true;                                                 \
        case IR_##T##_GT_S:                                              \
            *r = (S)x > (S)y;                                            \
            return true;                                                 \
        case IR_##T##_GT_U:                                              \
            *r = x > y;                                                  \
            return true;                                                 \
        case IR_##T##_LE_S:                                              \
            *r = (S)x <= (S)y;                                           \
            return true;                                                 \
        case IR_##T##_LE_U:                                              \
            *r = x <= y;                                                 \
            return true;                                                 \
        case IR_##T##_GE_S:                                              \
            *r = (S)x >= (S)y;                                           \
            return true;                                                 \
        case IR_##T##_GE_U:                                              \
            *r = x >= y;                                                 \
            return true;                                                 \
        case IR_##T##_CLZ:                                               \
            *r = x == 0 ? bits : (u64)__builtin_clzll(x) - (64 - bits);  \
            return true;                                                 \
        case IR_##T##_CTZ:                                               \
            *r = x == 0 ? bits : (u64)__builtin_ctzll(x);                \
            return true;                                                 \
        case IR_##T##_POPCNT:                                            \
            *r = (u64)__builtin_popcountll(x);                           \
            return true;                                                 \
        case IR_##T##_ADD:                                               \
            *r = (U)(x + y);                                             \
            return true;                                                 \
        case IR_##T##_SUB:                                               \
            *r = (U)(x - y);                                             \
            return true;                                                 \
        case IR_##T##_MUL:                                               \
            *r = (U)(x * y);                                             \
            return true;                                                 \
        case IR_##T##_AND:                                               \
            *r = x & y;                                                  \
            return true;                                                 \
        case IR_##T##_OR:                                                \
            *r = x | y;                                                  \
            return true;                                                 \
        case IR_##T##_XOR:                                               \
            *r = x ^ y;                                                  \
            return true;                                                 \
        case IR_##T##_SHL:                                               \
            *r = (U)(x << y % bits);                                     \
            return true;                                                 \
        case IR_##T##_SHR_S:                                             \
            *r = (U)((S)x >> y % bits);                                  \
            return true;                                                 \
        case IR_##T##_SHR_U:                                             \
            *r = x >> y % bits;                                          \
            return true;                                                 \
        case IR_##T##_ROTL:                                              \
            *r = rotl##bits(x, y);                                       \
            return true;                                                 \
        case IR_##T##_ROTR:                                              \
            *r = rotl##bits(x, bits - y % bits);                         \
            return true;                                                 \
        case IR_##T##_DIV_S:                                             \
        case IR_##T##_DIV_U:                                             \
        case IR_##T##_REM_S:                                             \
        case IR_##T##_REM_U:                                             \
            if (y == 0) {                                                \
                trap(s, TRAP_DIVIDE_BY_ZERO);                            \
                return true;                                             \
            }                                                            \
            if (op == IR_##T##_DIV_U)                                    \
                *r = x / y;                                              \
            else if (op == IR_##T##_REM_U)                               \
                *r = x % y;                                              \
            else if ((S)y == -1 && op == IR_##T##_REM_S)                 \
                *r = 0;                                                  \
            else if ((S)y == -1) {                                       \
                if (x == (U)1 << (bits - 1))                             \
                    trap(s, TRAP_INTEGER_OVERFLOW);                      \
                *r = (U)(0 - x);                                         \
            } else if (op == IR_##T##_DIV_S)                             \
                *r = (U)((S)x / (S)y);                                   \
            else                                                         \
                *r = (U)((S)x % (S)y);                                   \
            return true;                                                 \
        default:                                                         \
            return false;                                                \
        }                                                                \
    }

// clang-format off
INTEGER_OPS(I32, u32, i32, 32)
INTEGER_OPS(I64, u64, i64, 64)
// clang-format on

// --- floats -----------------------------------------------------------------

static float
to_f32(u64 bits)
{
    u32 low = (u32)bits;
    float f;

    memcpy(&f, &low, sizeof(f));
    return f;
}

static u64
of_f32(float f)
{
    u32 bits;

    memcpy(&bits, &f, sizeof(f));
    return bits;
}

static double
to_f64(u64 bits)
{
    double d;

    memcpy(&d, &bits, sizeof(d));
    return d;
}

static u64
of_f64(double d)
{
    u64 bits;

    memcpy(&bits, &d, sizeof(d));
    return bits;
}

__attribute__((target("sse4.1"))) static double
round_f64(double d, u32 op)
{
    __m128d x = _mm_set_sd(d);

    switch (op) {
    case IR_F64_CEIL:
        return _mm_cvtsd_f64(_mm_round_sd(x, x, _MM_FROUND_CEIL));
    case IR_F64_FLOOR:
        return _mm_cvtsd_f64(_mm_round_sd(x, x, _MM_FROUND_FLOOR));
    case IR_F64_TRUNC:
        return _mm_cvtsd_f64(_mm_round_sd(x, x, _MM_FROUND_TRUNC));
    case IR_F64_NEAREST:
        return _mm_cvtsd_f64(_mm_round_sd(x, x, _MM_FROUND_NINT));
    default:
        return _mm_cvtsd_f64(_mm_sqrt_sd(x, x));
    }
}

// Rounding and roots of f32 are exact enough when done in f64: 53 >= 2*24 + 2.
static float
round_f32(float f, u32 op)
{
    return (float)round_f64((double)f, op - IR_F32_ABS + IR_F64_ABS);
}

#define FLOAT_OPS(T, t, sign)                           \
    static bool run_##T(u32 op, u64 xb, u64 yb, u64 *r) \
    {                                                   \
        u64 s = 1ull << sign;                           \
        t x = to_##t(xb), y = to_##t(yb);               \
        switch (op) {                                   \
        case IR_##T##_EQ:                               \
            *r = x == y;                                \
            return true;                                \
        case IR_##T##_NE:                               \
            *r = x != y;                                \
            return true;                                \
        case IR_##T##_LT:                               \
            *r = x < y;                                 \
            return true;                                \
        case IR_##T##_GT:                               \
            *r = x > y;                                 \
            return true;                                \
        case IR_##T##_LE:                               \
            *r = x <= y;                                \
            return true;                                \
        case IR_##T##_GE:                               \
            *r = x >= y;                                \
            return true;                                \
        case IR_##T##_ABS:                              \
            *r = xb & ~s;                               \
            return true;                                \
        case IR_##T##_NEG:                              \
            *r = xb ^ s;                                \
            return true;                                \
        case IR_##T##_COPYSIGN:                         \
            *r = (xb & ~s) | (yb & s);                  \
            return true;                                \
        case IR_##T##_CEIL:                             \
        case IR_##T##_FLOOR:                            \
        case IR_##T##_TRUNC:                            \
        case IR_##T##_NEAREST:                          \
        case IR_##T##_SQRT:                             \
            *r = of_##t(round_##t(x, op));              \
            return true;                                \
        case IR_##T##_ADD:                              \
            *r = of_##t(x + y);                         \
            return true;                                \
        case IR_##T##_SUB:                              \
            *r = of_##t(x - y);                         \
            return true;                                \
        case IR_##T##_MUL:                              \
            *r = of_##t(x * y);                         \
            return true;                                \
        case IR_##T##_DIV:                              \
            *r = of_##t(x / y);                         \
            return true;                                \
        case IR_##T##_MIN:                              \
            *r = x != x || y != y ? of_##t(x + y) :     \
                 x == y           ? xb | yb :           \
                 x < y            ? xb :                \
                                    yb;                            \
            return true;                                \
        case IR_##T##_MAX:                              \
            *r = x != x || y != y ? of_##t(x + y) :     \
                 x == y           ? xb & yb :           \
                 x > y            ? xb :                \
                                    yb;                            \
            return true;                                \
        default:                                        \
            return false;                               \
        }                                               \
    }

typedef float f32;
typedef double f64;
// clang-format off
FLOAT_OPS(F32, f32, 31)
FLOAT_OPS(F64, f64, 63)
// clang-format on

// Float to integer: the bounds are the first values that do not fit.
struct range {
    double low, high; // exclusive
    u64 min, max;     // what saturation gives
    bool narrow, is_signed;
};

static u64
truncate_float(struct frame_state *s, double d, const struct range *r, bool sat)
{
    if (d != d) {
        if (!sat)
            trap(s, TRAP_INVALID_CONVERSION);
        return 0;
    }
    if (d <= r->low || d >= r->high) {
        if (!sat)
            trap(s, TRAP_INTEGER_OVERFLOW);
        return d <= r->low ? r->min : r->max;
    }
    u64 v = r->is_signed ? (u64)(i64)d : (u64)d;
    return r->narrow ? (u32)v : v;
}

static bool
run_truncate(struct frame_state *s, u32 op, u64 x, u64 *r)
{
    // clang-format off
    static const struct range ranges[] = {
        {-2147483649.0, 2147483648.0, 0x80000000, 0x7fffffff, true, true},
        {-1.0, 4294967296.0, 0, 0xffffffff, true, false},
        {-9223372036854777856.0, 9223372036854775808.0,
         0x8000000000000000, 0x7fffffffffffffff, false, true},
        {-1.0, 18446744073709551616.0, 0, 0xffffffffffffffff, false, false},
    };
    // clang-format on
    static const struct {
        u16 op;
        u8 range;
        bool narrow, sat;
    } rows[] = {
        {IR_I32_TRUNC_F32_S,     0, true,  false},
        {IR_I32_TRUNC_F32_U,     1, true,  false},
        {IR_I32_TRUNC_F64_S,     0, false, false},
        {IR_I32_TRUNC_F64_U,     1, false, false},
        {IR_I64_TRUNC_F32_S,     2, true,  false},
        {IR_I64_TRUNC_F32_U,     3, true,  false},
        {IR_I64_TRUNC_F64_S,     2, false, false},
        {IR_I64_TRUNC_F64_U,     3, false, false},
        {IR_I32_TRUNC_SAT_F32_S, 0, true,  true },
        {IR_I32_TRUNC_SAT_F32_U, 1, true,  true },
        {IR_I32_TRUNC_SAT_F64_S, 0, false, true },
        {IR_I32_TRUNC_SAT_F64_U, 1, false, true },
        {IR_I64_TRUNC_SAT_F32_S, 2, true,  true },
        {IR_I64_TRUNC_SAT_F32_U, 3, true,  true },
        {IR_I64_TRUNC_SAT_F64_S, 2, false, true },
        {IR_I64_TRUNC_SAT_F64_U, 3, false, true },
    };

    for (u32 i = 0; i < COUNT(rows); i++) {
        if (rows[i].op != op)
            continue;
        double d = rows[i].narrow ? (double)to_f32(x) : to_f64(x);
        *r = truncate_float(s, d, &ranges[rows[i].range], rows[i].sat);
        return true;
    }
    return false;
}

static bool
run_convert(u32 op, u64 x, u64 *r)
{
    switch (op) {
    case IR_I32_WRAP_I64:
        *r = (u32)x;
        return true;
    case IR_I64_EXTEND_I32_U:
    case IR_I32_REINTERPRET_F32:
    case IR_I64_REINTERPRET_F64:
    case IR_F32_REINTERPRET_I32:
    case IR_F64_REINTERPRET_I64:
        *r = x;
        return true;
    case IR_I64_EXTEND_I32_S:
    case IR_I64_EXTEND32_S:
        *r = (u64)(i64)(i32)x;
        return true;
    case IR_I32_EXTEND8_S:
        *r = (u32)(i8)x;
        return true;
    case IR_I32_EXTEND16_S:
        *r = (u32)(i16)x;
        return true;
    case IR_I64_EXTEND8_S:
        *r = (u64)(i8)x;
        return true;
    case IR_I64_EXTEND16_S:
        *r = (u64)(i16)x;
        return true;
    case IR_F32_CONVERT_I32_S:
        *r = of_f32((float)(i32)x);
        return true;
    case IR_F32_CONVERT_I32_U:
        *r = of_f32((float)(u32)x);
        return true;
    case IR_F32_CONVERT_I64_S:
        *r = of_f32((float)(i64)x);
        return true;
    case IR_F32_CONVERT_I64_U:
        *r = of_f32((float)x);
        return true;
    case IR_F64_CONVERT_I32_S:
        *r = of_f64((double)(i32)x);
        return true;
    case IR_F64_CONVERT_I32_U:
        *r = of_f64((double)(u32)x);
        return true;
    case IR_F64_CONVERT_I64_S:
        *r = of_f64((double)(i64)x);
        return true;
    case IR_F64_CONVERT_I64_U:
        *r = of_f64((double)x);
        return true;
    case IR_F32_DEMOTE_F64:
        *r = of_f32((float)to_f64(x));
        return true;
    case IR_F64_PROMOTE_F32:
        *r = of_f64((double)to_f32(x));
        return true;
    default:
        return false;
    }
}

// --- memory -----------------------------------------------------------------

static const struct {
    u16 op;
    u8 size;
    bool is_signed, narrow; // narrow: the result is an i32
} accesses[] = {
    {IR_I32_LOAD,     4, false, true },
    {IR_I32_LOAD8_S,  1, true,  true },
    {IR_I32_LOAD8_U,  1, false, true },
    {IR_I32_LOAD16_S, 2, true,  true },
    {IR_I32_LOAD16_U, 2, false, true },
    {IR_I64_LOAD,     8, false, false},
    {IR_I64_LOAD8_S,  1, true,  false},
    {IR_I64_LOAD8_U,  1, false, false},
    {IR_I64_LOAD16_S, 2, true,  false},
    {IR_I64_LOAD16_U, 2, false, false},
    {IR_I64_LOAD32_S, 4, true,  false},
    {IR_I64_LOAD32_U, 4, false, false},
    {IR_F32_LOAD,     4, false, false},
    {IR_F64_LOAD,     8, false, false},
    {IR_I32_STORE,    4, false, false},
    {IR_I32_STORE8,   1, false, false},
    {IR_I32_STORE16,  2, false, false},
    {IR_I64_STORE,    8, false, false},
    {IR_I64_STORE8,   1, false, false},
    {IR_I64_STORE16,  2, false, false},
    {IR_I64_STORE32,  4, false, false},
    {IR_F32_STORE,    4, false, false},
    {IR_F64_STORE,    8, false, false},
};

static void
run_access(struct frame_state *s, const struct ins *ins, u32 row, val_t v)
{
    const struct memory *mem = &s->in->memories[ins->aux];
    u64 address = s->vals[ins->a].bits[0], at, size = accesses[row].size;
    u64 bits = 0;

    if (__builtin_add_overflow(address, (u64)ins->c, &at) || at > mem->size ||
        mem->size - at < size) {
        trap(s, TRAP_MEMORY_BOUNDS);
        return;
    }
    if (ir_info(ins->op)->form == FORM_STORE) {
        memcpy(mem->bytes + at, &s->vals[ins->b].bits[0], size);
        return;
    }
    memcpy(&bits, mem->bytes + at, size);
    if (accesses[row].is_signed)
        bits = (u64)((i64)(bits << (64 - 8 * size)) >> (64 - 8 * size));
    s->vals[v].bits[0] = accesses[row].narrow ? (u32)bits : bits;
}

static bool
out_of_range(u64 at, u64 size, u64 limit)
{
    return at > limit || limit - at < size;
}

static u64
grow(u64 *size, u64 max, u64 more)
{
    u64 old = *size;

    if (more > max || old > max - more)
        return ~0ull;
    *size = old + more;
    return old;
}

// --- the kernel's part ------------------------------------------------------

static u64
host_ref(void *self, u32 func)
{
    (void)self;
    return func + 1;
}

static union value
host_global(void *self, u32 index)
{
    struct instance *in = self;
    union value v;

    memcpy(v.bits, in->globals[index].bits, sizeof(v.bits));
    return v;
}

static bool
copy_elems(struct instance *in, u32 segment, struct ref_table *t, u64 to,
           u64 from, u64 count)
{
    const struct elem_segment *e = &in->m.elems[segment];
    struct const_env env = {in, host_global, host_ref};
    u64 at = e->at, size = in->dropped_elem[segment] ? 0 : e->count;

    if (out_of_range(from, count, size) || out_of_range(to, count, t->count))
        return false;
    for (u64 i = 0; i < from + count; i++) {
        u64 ref = elem_next(&in->m, e, &at, &env);
        if (i >= from)
            t->refs[to + i - from] = ref;
    }
    return true;
}

static bool
copy_data(struct instance *in, u32 segment, struct memory *mem, u64 to,
          u64 from, u64 count)
{
    const struct data_segment *d = &in->m.datas[segment];
    u64 size = in->dropped_data[segment] ? 0 : d->size;

    if (out_of_range(from, count, size) || out_of_range(to, count, mem->size))
        return false;
    memcpy(mem->bytes + to, in->m.bytes + d->at + from, count);
    return true;
}

static u64
builtin_memory(struct instance *in, u32 builtin, const u64 *a)
{
    struct memory *mem = &in->memories[(u32)a[0]];
    struct memory *from = &in->memories[a[0] >> 32 & 0xff];

    switch (builtin) {
    case BUILTIN_MEMORY_GROW: {
        u32 log2 = in->m.memories[a[0]].page_log2;
        u64 pages = mem->size >> log2, old;
        old = grow(&pages, mem->max >> log2, a[1]);
        mem->size = pages << log2;
        return old;
    }
    case BUILTIN_MEMORY_FILL:
        if (out_of_range(a[1], a[3], mem->size))
            return 1;
        memset(mem->bytes + a[1], (u8)a[2], a[3]);
        return 0;
    case BUILTIN_MEMORY_COPY:
        if (out_of_range(a[1], a[3], mem->size) ||
            out_of_range(a[2], a[3], from->size))
            return 1;
        memmove(mem->bytes + a[1], from->bytes + a[2], a[3]);
        return 0;
    case BUILTIN_MEMORY_INIT:
        return !copy_data(in, (u32)(a[0] >> 32), mem, a[1], a[2], a[3]);
    default:
        in->dropped_data[a[0]] = true;
        return 0;
    }
}

static u64
builtin_table(struct instance *in, u32 builtin, const u64 *a)
{
    struct ref_table *t = &in->tables[(u32)a[0]], *from;

    switch (builtin) {
    case BUILTIN_TABLE_GROW: {
        u64 old = grow(&t->count, t->max, a[2]);
        for (u64 i = old; old != ~0ull && i < t->count; i++)
            t->refs[i] = a[1];
        return old;
    }
    case BUILTIN_TABLE_FILL:
        if (out_of_range(a[1], a[3], t->count))
            return 1;
        for (u64 i = 0; i < a[3]; i++)
            t->refs[a[1] + i] = a[2];
        return 0;
    case BUILTIN_TABLE_COPY:
        from = &in->tables[a[0] >> 32];
        if (out_of_range(a[1], a[3], t->count) ||
            out_of_range(a[2], a[3], from->count))
            return 1;
        memmove(t->refs + a[1], from->refs + a[2], a[3] * sizeof(u64));
        return 0;
    case BUILTIN_TABLE_INIT:
        return !copy_elems(in, (u32)(a[0] >> 32), t, a[1], a[2], a[3]);
    default:
        in->dropped_elem[a[0]] = true;
        return 0;
    }
}

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

static u64
run_builtin(struct frame_state *s, u32 builtin, const u64 *a)
{
    switch (builtin) {
    case BUILTIN_MEMORY_GROW:
    case BUILTIN_MEMORY_COPY:
    case BUILTIN_MEMORY_FILL:
    case BUILTIN_MEMORY_INIT:
    case BUILTIN_DATA_DROP:
        return builtin_memory(s->in, builtin, a);
    case BUILTIN_TABLE_GROW:
    case BUILTIN_TABLE_FILL:
    case BUILTIN_TABLE_COPY:
    case BUILTIN_TABLE_INIT:
    case BUILTIN_ELEM_DROP:
        return builtin_table(s->in, builtin, a);
    case BUILTIN_TYPE_MATCH:
        return a[0] == 0 ||
               !type_is_subtype(&s->in->m, (u32)a[0] - 1, (u32)a[1] - 1);
    case BUILTIN_THROW:
    case BUILTIN_THROW_REF:
        return builtin_throw(s, builtin, a);
    default:
        give_up(s);
        return 0;
    }
}

// --- calls ------------------------------------------------------------------

static u32
type_of_ref(struct instance *in, u64 ref)
{
    return in->m.types[in->m.funcs[ref - 1].type].canonical;
}

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

// Continue at the handler of an exception, if there is one.
static void
unwind(struct frame_state *s, u32 try)
{
    const struct fn *fn = s->fn;
    const struct exception *x = &s->in->exceptions[s->in->thrown];

    for (; try != 0; try = fn->tries[try].parent) {
        const struct handler *h = &fn->catches[fn->tries[try].catches];
        for (u32 i = 0; i < fn->tries[try].count; i++, h++) {
            if (h->tag != NO_INDEX && h->tag != x->tag)
                continue;
            const struct edge *e = &fn->edges[h->edge];
            const struct block *b = &fn->blocks[e->to];
            for (u32 k = 0; k < b->params; k++) {
                val_t v = fn->pool[e->args + k];
                if (v == VAL_EXNREF)
                    s->vals[b->first + k].bits[0] = s->in->thrown;
                else
                    s->vals[b->first + k] = x->payload[v - VAL_PAYLOAD];
            }
            s->block = e->to;
            s->result = (struct result){RAN, TRAP_NONE};
            s->done = false;
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
    u32 extra = call->kind == CALL_INDIRECT || call->kind == CALL_REF, func;
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
    case IR_REF_TYPE:
        *to = x == 0 ? 0 : type_of_ref(in, x) + 1;
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
    for (u32 i = 0; i < COUNT(accesses); i++) {
        if (accesses[i].op == ins->op) {
            run_access(s, ins, i, v);
            return;
        }
    }
    if (count > 0)
        x = s->vals[ins->a].bits[0];
    if (count > 1)
        y = s->vals[ins->b].bits[0];
    if (ins->op == IR_I64_MUL_WIDE_S || ins->op == IR_I64_MUL_WIDE_U) {
        give_up(s);
        return;
    }
    bool arithmetic =
        ir_info(ins->op)->form == FORM_1 || ir_info(ins->op)->form == FORM_2;
    if (arithmetic &&
        (run_I32(s, ins->op, (u32)x, (u32)y, to) ||
         run_I64(s, ins->op, x, y, to) || run_F32(ins->op, x, y, to) ||
         run_F64(ins->op, x, y, to) || run_truncate(s, ins->op, x, to) ||
         run_convert(ins->op, x, to)))
        return;
    run_other(s, ins, v);
}

static void
run_block(struct frame_state *s, struct cell *results)
{
    const struct block *b = &s->fn->blocks[s->block];
    blk_t block = s->block;

    for (val_t v = b->first + b->params; v < b->end && !s->done; v++) {
        if (s->in->steps-- == 0)
            give_up(s);
        else
            run_ins(s, v, results);
        if (s->block != block)
            return; // also into a handler
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
}

static const struct fn *
built(struct instance *in, u32 func)
{
    struct fn *fn = &in->fns[func];
    struct error error = {0};
    val_t at = 0;

    if (fn->ins != NULL)
        return fn;
    arena_reset(&in->temp, 0);
    status_t status = fn_build(fn, &in->m, func, in->plain, &in->temp, &error);
    if (status == ERR_BUDGET)
        status = fn_build(fn, &in->m, func, true, &in->temp, &error);
    if (status != OK) {
        fn->ins = NULL;
        return NULL;
    }
    EXPECT(fn_check(fn, &in->temp, &at) == NULL);
    keep_fn(in, fn);
    return fn;
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

// Run a function up to its return, or to a tail call, which is in *next.
static struct result
exec_one(struct instance *in, u32 func, struct cell *cells, u32 *next)
{
    struct frame_state s = {.in = in, .next = NO_INDEX};
    u32 params = 0;

    *next = NO_INDEX;
    if (func < in->m.func_imports) { // spectest prints
        memset(cells, 0, sizeof(*cells));
        return (struct result){RAN, TRAP_NONE};
    }
    s.fn = built(in, func);
    if (s.fn == NULL)
        return (struct result){UNSUPPORTED, TRAP_NONE};
    for (blk_t b = 0; b < s.fn->block_count; b++)
        params = MAX(params, s.fn->blocks[b].params);
    s.vals = calloc(s.fn->ins_count, sizeof(struct cell));
    s.slots = calloc(s.fn->slot_count + 1, sizeof(struct cell));
    s.moved = calloc(params + 1, sizeof(struct cell));
    for (u32 i = 0; i < s.fn->type->param_count; i++)
        s.vals[s.fn->blocks[0].first + i] = cells[i];
    set_consts(&s);
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

// --- instances --------------------------------------------------------------

static const struct {
    const char *name;
    u64 bits;
} spectest_globals[] = {
    {"global_i32", 666               },
    {"global_i64", 666               },
    {"global_f32", 0x4426a666        },
    {"global_f64", 0x4084d4cccccccccd},
};

// Is there an import that we cannot give?
static bool
imports_known(struct instance *in)
{
    for (u32 i = 0; i < in->m.import_count; i++) {
        const struct import *import = &in->m.imports[i];
        bool known = string_equal(import->module, STRING("spectest"));
        if (import->kind == EXTERN_FUNC)
            known &= import->name.len >= 5 &&
                     memcmp(import->name.ptr, "print", 5) == 0;
        if (import->kind == EXTERN_TAG || !known)
            return false;
    }
    return true;
}

// Fresh pages of the arena are zero, and cost nothing until they are used.
static void *
zeroed(struct instance *in, u64 size)
{
    void *memory = arena_alloc(&in->keep, size, 16);

    assert(memory != NULL);
    return memory;
}

static void
make_memories(struct instance *in)
{
    in->memories = ARENA_NEW(&in->keep, struct memory, in->m.memory_count);
    for (u32 i = 0; i < in->m.memory_count; i++) {
        const struct limits *l = &in->m.memories[i];
        bool import = i < in->m.memory_imports;
        u64 min = import ? 1 : l->min, max = import ? 2 : l->max;
        max = MIN(max, (u64)(900 * PAGE) >> l->page_log2);
        max = MAX(max, min);
        in->memories[i] =
            (struct memory){zeroed(in, max << l->page_log2),
                            min << l->page_log2, max << l->page_log2};
    }
}

static void
make_tables(struct instance *in)
{
    struct const_env env = {in, host_global, host_ref};

    in->tables = ARENA_NEW(&in->keep, struct ref_table, in->m.table_count);
    for (u32 i = 0; i < in->m.table_count; i++) {
        const struct table *t = &in->m.tables[i];
        bool import = i < in->m.table_imports;
        u64 min = import ? 10 : t->type.limits.min;
        u64 max = import ? 20 : MIN(t->type.limits.max, TABLE_MAX);
        u64 *refs = zeroed(in, MAX(min, max) * sizeof(u64));
        in->tables[i] = (struct ref_table){refs, min, MAX(min, max)};
        for (u64 k = 0; t->has_init && k < min; k++)
            refs[k] = const_eval(&in->m, t->init, &env).i64;
    }
}

static void
make_globals(struct instance *in)
{
    struct const_env env = {in, host_global, host_ref};
    u32 index = 0;

    in->globals = ARENA_NEW(&in->keep, struct cell, in->m.global_count);
    for (u32 i = 0; i < in->m.import_count; i++) {
        const struct import *import = &in->m.imports[i];
        for (u32 k = 0; k < COUNT(spectest_globals); k++)
            if (import->kind == EXTERN_GLOBAL &&
                string_equal(import->name, string_of(spectest_globals[k].name)))
                in->globals[index].bits[0] = spectest_globals[k].bits;
        index += import->kind == EXTERN_GLOBAL;
    }
    for (; index < in->m.global_count; index++) {
        union value v = const_eval(&in->m, in->m.globals[index].init, &env);
        bool narrow = ir_type_of(in->m.globals[index].type.type) == IR_I32 ||
                      ir_type_of(in->m.globals[index].type.type) == IR_F32;
        in->globals[index].bits[0] = narrow ? v.i32 : v.bits[0];
    }
}

static u64
offset_of(struct instance *in, struct const_expr expr, bool wide)
{
    struct const_env env = {in, host_global, host_ref};
    union value v = const_eval(&in->m, expr, &env);

    return wide ? v.i64 : v.i32;
}

static bool
run_segments(struct instance *in)
{
    const struct module *m = &in->m;

    in->dropped_data = ARENA_NEW(&in->keep, bool, m->data_count);
    in->dropped_elem = ARENA_NEW(&in->keep, bool, m->elem_count);
    for (u32 i = 0; i < m->elem_count; i++) {
        const struct elem_segment *e = &m->elems[i];
        if (e->mode == SEGMENT_ACTIVE &&
            !copy_elems(
                in, i, &in->tables[e->table],
                offset_of(in, e->offset, m->tables[e->table].type.limits.is64),
                0, e->count))
            return false;
        in->dropped_elem[i] = e->mode != SEGMENT_PASSIVE;
    }
    for (u32 i = 0; i < m->data_count; i++) {
        const struct data_segment *d = &m->datas[i];
        if (d->mode == SEGMENT_ACTIVE &&
            !copy_data(in, i, &in->memories[d->memory],
                       offset_of(in, d->offset, m->memories[d->memory].is64), 0,
                       d->size))
            return false;
        in->dropped_data[i] = d->mode != SEGMENT_PASSIVE;
    }
    return true;
}

struct result
instance_new(struct instance *in, struct bytes bytes, bool plain)
{
    struct error error = {0};
    struct cell cell = {
        {0, 0}
    };

    *in = (struct instance){.plain = plain,
                            .keep = arena_make(8 * GIB),
                            .temp = arena_make(256 * MIB)};
    if (module_decode(&in->m, bytes, &in->keep, &error) != OK ||
        !imports_known(in))
        return (struct result){UNSUPPORTED, TRAP_NONE};
    in->fns = ARENA_NEW(&in->keep, struct fn, in->m.func_count);
    make_globals(in);
    make_memories(in);
    make_tables(in);
    if (!run_segments(in))
        return (struct result){TRAPPED, TRAP_MEMORY_BOUNDS};
    if (in->m.start != NO_INDEX)
        return instance_call(in, in->m.start, &cell);
    return (struct result){RAN, TRAP_NONE};
}

void
instance_free(struct instance *in)
{
    for (u32 i = 1; i <= in->exception_count; i++)
        free(in->exceptions[i].payload);
    free(in->exceptions);
    arena_drop(&in->keep);
    arena_drop(&in->temp);
}
