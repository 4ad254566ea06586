// test/ir/interp_ops.c: arithmetic and memory for the interpreter of the IR.

#include "test/ir/help.h"

#include <immintrin.h>
#include <string.h>

// --- integers ---------------------------------------------------------------

// Does a division trap?
static bool
run_division(u32 op, u64 x, u64 y, u32 width, enum trap *trap)
{
    u64 lowest = 1ull << (width - 1), ones = width == 64 ? ~0ull : 0xffffffff;

    switch (op) {
    case IR_I32_DIV_S:
    case IR_I64_DIV_S:
        if (x == lowest && y == ones)
            *trap = TRAP_INTEGER_OVERFLOW;
        break;
    case IR_I32_DIV_U:
    case IR_I32_REM_S:
    case IR_I32_REM_U:
    case IR_I64_DIV_U:
    case IR_I64_REM_S:
    case IR_I64_REM_U:
        break;
    default:
        return false;
    }
    if (y == 0)
        *trap = TRAP_DIVIDE_BY_ZERO;
    return *trap != TRAP_NONE;
}

static bool
run_i32(u32 op, u32 x, u32 y, u64 *r)
{
    typedef u32 U;
    const u32 bits = 32;
    i32 sx = (i32)x, sy = (i32)y;

    switch (op) {
#define INT(id, value)     \
    case IR_I32_##id:      \
        *r = (u32)(value); \
        return true;
#include "test/ir/interp.def"
    default:
        return false;
    }
}

static bool
run_i64(u32 op, u64 x, u64 y, u64 *r)
{
    typedef u64 U;
    const u32 bits = 64;
    i64 sx = (i64)x, sy = (i64)y;

    switch (op) {
#define INT(id, value)     \
    case IR_I64_##id:      \
        *r = (u64)(value); \
        return true;
#include "test/ir/interp.def"
    default:
        return false;
    }
}

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

// Rounding and roots of f32 are exact when done in f64: 53 >= 2 * 24 + 2.
#define ROUND(x, how) \
    _mm_cvtsd_f64(_mm_round_sd(_mm_set_sd(x), _mm_set_sd(x), how))
#define ROOT(x) _mm_cvtsd_f64(_mm_sqrt_sd(_mm_set_sd(x), _mm_set_sd(x)))

// A comparison gives an int, all else a float.
#define RESULT(value, type, of) \
    _Generic((value), int : (u64)(value), default : of((type)(value)))

__attribute__((target("sse4.1"))) static bool
run_f32(u32 op, u64 xb, u64 yb, u64 *r)
{
    const u64 sign = 0x80000000;
    float x = to_f32(xb), y = to_f32(yb);

    switch (op) {
#define OF of_f32
#define FLOAT(id, value)                   \
    case IR_F32_##id:                      \
        *r = RESULT(value, float, of_f32); \
        return true;
#define BITS(id, value) \
    case IR_F32_##id:   \
        *r = (value);   \
        return true;
#include "test/ir/interp.def"
#undef OF
    default:
        return false;
    }
}

__attribute__((target("sse4.1"))) static bool
run_f64(u32 op, u64 xb, u64 yb, u64 *r)
{
    const u64 sign = 1ull << 63;
    double x = to_f64(xb), y = to_f64(yb);

    switch (op) {
#define OF of_f64
#define FLOAT(id, value)                    \
    case IR_F64_##id:                       \
        *r = RESULT(value, double, of_f64); \
        return true;
#define BITS(id, value) \
    case IR_F64_##id:   \
        *r = (value);   \
        return true;
#include "test/ir/interp.def"
#undef OF
    default:
        return false;
    }
}

// --- conversions ------------------------------------------------------------

static bool
run_convert(u32 op, u64 x, u64 *r)
{
    switch (op) {
#define CONVERT(id, value) \
    case IR_##id:          \
        *r = (value);      \
        return true;
#include "test/ir/interp.def"
    default:
        return false;
    }
}

// Float to integer: values between the bounds fit; beyond them, saturation
// gives min and max.
static const struct range {
    double low, high;
    u64 min, max;
} ranges[] = {
    {-2147483649.0,          2147483648.0,           0x80000000, 0x7fffffff},
    {-1.0,                   4294967296.0,           0,          0xffffffff},
    {-9223372036854777856.0, 9223372036854775808.0,  1ull << 63,
     (1ull << 63) - 1                                                      },
    {-1.0,                   18446744073709551616.0, 0,          ~0ull     },
};

static u64
truncate(double d, u32 row, enum trap *trap)
{
    const struct range *r = &ranges[row];

    if (d != d) {
        *trap = TRAP_INVALID_CONVERSION;
        return 0;
    }
    if (d <= r->low || d >= r->high) {
        *trap = TRAP_INTEGER_OVERFLOW;
        return d <= r->low ? r->min : r->max;
    }
    return (r->min == 0 ? (u64)d : (u64)(i64)d) &
           (row < 2 ? 0xffffffff : ~0ull);
}

static bool
run_truncate(u32 op, u64 x, u64 *r, enum trap *trap)
{
    switch (op) {
#define TRUNCATE(id, row, f32)                                         \
    case IR_##id:                                                      \
        *r = truncate(f32 ? (double)to_f32(x) : to_f64(x), row, trap); \
        break;
#include "test/ir/interp.def"
    default:
        return false;
    }
    if (strstr(ir_info(op)->text, "sat") != NULL)
        *trap = TRAP_NONE;
    return true;
}

bool
run_arithmetic(u32 op, u64 x, u64 y, u64 *r, enum trap *trap)
{
    u32 form = ir_info(op)->form;

    *trap = TRAP_NONE;
    if (form != FORM_1 && form != FORM_2)
        return false;
    return run_division(op, x, y, op < IR_I64_CLZ ? 32 : 64, trap) ||
           run_i32(op, (u32)x, (u32)y, r) || run_i64(op, x, y, r) ||
           run_f32(op, x, y, r) || run_f64(op, x, y, r) ||
           run_truncate(op, x, r, trap) || run_convert(op, x, r);
}

// --- memory -----------------------------------------------------------------

// Loads and stores by name: "i32.load8_s", "f64.store".
static u32
access_size(const char *text)
{
    const char *what = strchr(text, '.') + 1;

    what += what[0] == 'l' ? strlen("load") : strlen("store");
    if (*what == 0)
        return text[1] == '3' ? 4 : 8;
    return *what == '8' ? 1 : *what == '1' ? 2 : 4;
}

bool
run_access(const struct memory *mem, const struct ins *ins,
           const struct cell *vals, u64 *to, enum trap *trap)
{
    const char *text = ir_info(ins->op)->text;
    u64 at, bits = 0;

    if (ins->op < IR_I32_LOAD || ins->op > IR_F64_STORE)
        return false;
    u32 size = access_size(text);
    *trap = TRAP_NONE;
    if (__builtin_add_overflow(vals[ins->a].bits[0], (u64)ins->c, &at) ||
        at > mem->size || mem->size - at < size) {
        *trap = TRAP_MEMORY_BOUNDS;
        return true;
    }
    if (ins->type == IR_VOID) {
        memcpy(mem->bytes + at, &vals[ins->b].bits[0], size);
        return true;
    }
    memcpy(&bits, mem->bytes + at, size);
    if (strstr(text, "_s") != NULL)
        bits = (u64)((i64)(bits << (64 - 8 * size)) >> (64 - 8 * size));
    *to = ins->type == IR_I32 ? (u32)bits : bits;
    return true;
}
