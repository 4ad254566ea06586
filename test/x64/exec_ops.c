// test/x64/exec_ops.c: every instruction without immediates, on corner values,
// with each operand in a register, as a constant and loaded from the last bytes
// of the memory, and its result as a value and as a condition: all forms must
// agree with that of two registers, which the official suite judges.  Finds
// wrong folding, wrong widths of folded loads, and constants that are not cut
// to their type.

#include "test/x64/exec.h"
#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 32, MEMORY_SIZE = 65536 };

// Corner values by type: i l f d v.
static const u64 ints32[] = {
    0,          1,          2,          3,          5,    7,   9,
    10,         31,         32,         33,         63,   127, 128,
    255,        256,        65535,      65536,      1000, 641, 0x7fffffff,
    0x80000000, 0x80000001, 0xfffffffe, 0xffffffff,
};

static const u64 ints64[] = {
    0,
    1,
    2,
    3,
    5,
    7,
    10,
    31,
    63,
    64,
    255,
    65535,
    641,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x7fffffffffffffff,
    0x8000000000000000,
    0x8000000000000001,
    0xffffffff80000000,
    0xffffffff7fffffff,
    0xfffffffffffffffe,
    0xffffffffffffffff,
};

static const u64 floats32[] = {
    0,          0x80000000, 0x3f800000, 0xbf800000, 0x3f000000, 0xbf000000,
    0x3fc00000, 0x40200000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000,
    0x7fc01234, 0x00000001, 0x80000001, 0x00800000, 0x7f7fffff, 0x4effffff,
    0x4f000000, 0xcf000000, 0xcf000001, 0x4f7fffff, 0x4f800000, 0x5effffff,
    0x5f000000, 0xdf000000, 0x5f7fffff, 0x5f800000,
};

static const u64 floats64[] = {
    0,
    0x8000000000000000,
    0x3ff0000000000000,
    0xbff0000000000000,
    0x3fe0000000000000,
    0x4004000000000000,
    0x7ff0000000000000,
    0xfff0000000000000,
    0x7ff8000000000000,
    0xfff8000000000000,
    0x7ff8000000001234,
    0x0000000000000001,
    0x0010000000000000,
    0x7fefffffffffffff,
    0x41dfffffffc00000,
    0x41e0000000000000,
    0xc1e0000000000000,
    0xc1e0000000200000,
    0x41efffffffe00000,
    0x41f0000000000000,
    0x43dfffffffffffff,
    0x43e0000000000000,
    0xc3e0000000000000,
    0x43f0000000000000,
    0xbfefffffffffffff,
};

static const u64 vectors[][2] = {
    {0,                  0                 },
    {0xffffffffffffffff, 0xffffffffffffffff},
    {0x0706050403020100, 0x0f0e0d0c0b0a0908},
    {0x8000800080008000, 0x7fff7fff7fff7fff},
    {0x80818283ff7f0001, 0x100000007fffffff},
    {0x7f800000ffc00000, 0x3f800000bf800000},
    {0x7ff8000000000000, 0x41e0000000000000},
    {0x4f0000004f800000, 0xcf0000005f000000},
    {0x8000000000000000, 0x7fffffffffffffff},
};

struct values {
    u32 count, size;
    u64 bits[VALUES_MAX][2];
};

static struct values
values_of(char type)
{
    struct values v = {0};
    const u64 *from = type == 'i' ? ints32 :
                      type == 'l' ? ints64 :
                      type == 'f' ? floats32 :
                                    floats64;

    v.size = type == 'v' ? 16 : type == 'i' || type == 'f' ? 4 : 8;
    v.count = type == 'i' ? COUNT(ints32) :
              type == 'l' ? COUNT(ints64) :
              type == 'f' ? COUNT(floats32) :
              type == 'd' ? COUNT(floats64) :
                            COUNT(vectors);
    for (u32 i = 0; i < v.count; i++) {
        v.bits[i][0] = type == 'v' ? vectors[i][0] : from[i];
        v.bits[i][1] = type == 'v' ? vectors[i][1] : 0;
    }
    return v;
}

// --- code --------------------------------------------------------------------

static void
put_const(struct exec_bytes *b, char type, const u64 bits[2])
{
    switch (type) {
    case 'i':
        bytes_op(b, WASM_I32_CONST);
        bytes_i64(b, (i32)(u32)bits[0]);
        break;
    case 'l':
        bytes_op(b, WASM_I64_CONST);
        bytes_i64(b, (i64)bits[0]);
        break;
    case 'f':
        bytes_op(b, WASM_F32_CONST);
        bytes_put(b, bits, 4);
        break;
    case 'd':
        bytes_op(b, WASM_F64_CONST);
        bytes_put(b, bits, 8);
        break;
    default:
        bytes_op(b, WASM_V128_CONST);
        bytes_put(b, bits, 16);
    }
}

static void
put_local(struct exec_bytes *b, u32 local)
{
    bytes_op(b, WASM_LOCAL_GET);
    bytes_u32(b, local);
}

// Load from the address in local 2.
static void
put_load(struct exec_bytes *b, char type)
{
    static const struct {
        char type;
        u32 op;
    } loads[] = {
        {'i', WASM_I32_LOAD },
        {'l', WASM_I64_LOAD },
        {'f', WASM_F32_LOAD },
        {'d', WASM_F64_LOAD },
        {'v', WASM_V128_LOAD}
    };

    put_local(b, 2);
    for (u32 i = 0; i < COUNT(loads); i++)
        if (loads[i].type == type)
            bytes_op(b, loads[i].op);
    bytes_u32(b, 0);
    bytes_u32(b, 0);
}

// What is done with the result of the operation.
enum use { USE_VALUE, USE_SELECT, USE_BRANCH, USE_EQZ, USE_COUNT };

static void
put_use(struct exec_bytes *b, enum use use)
{
    static const u8 select[] = {WASM_LOCAL_SET, 3, WASM_I32_CONST, 1,
                                WASM_I32_CONST, 0, WASM_LOCAL_GET, 3,
                                WASM_SELECT};
    static const u8 branch[] = {WASM_IF, 0x7f,      WASM_I32_CONST,
                                1,       WASM_ELSE, WASM_I32_CONST,
                                0,       WASM_END};
    static const u8 eqz[] = {WASM_I32_EQZ,   WASM_IF, 0x7f,
                             WASM_I32_CONST, 0,       WASM_ELSE,
                             WASM_I32_CONST, 1,       WASM_END};

    if (use == USE_SELECT)
        bytes_put(b, select, sizeof(select));
    if (use == USE_BRANCH)
        bytes_put(b, branch, sizeof(branch));
    if (use == USE_EQZ)
        bytes_put(b, eqz, sizeof(eqz));
}

// An operation under test.  Functions of the module, for use u:
//     [u]                      both operands in registers
//     loads + 2 * u + n        operand n loaded
//     consts[n] + k            operand n is its k-th value
struct operation {
    u32 code;
    const char *text;
    char types[2], result;
    u32 operands;
    struct values values[2];
    u32 uses, loads, consts[2];
    struct exec e;
};

static void
add_function(struct operation *o, struct exec_module *m, struct exec_bytes *b,
             enum use use)
{
    char sig[8] = {o->types[0],
                   o->types[1],
                   'i',
                   ':',
                   use == USE_VALUE ? o->result : 'i',
                   0};

    bytes_op(b, o->code);
    put_use(b, use);
    exec_module_add(m, sig, "i", b);
}

static void
put_operands(struct operation *o, struct exec_bytes *b, u32 loaded)
{
    for (u32 n = 0; n < o->operands; n++) {
        if (n == loaded)
            put_load(b, o->types[n]);
        else
            put_local(b, n);
    }
}

static void
make_module(struct operation *o, struct exec_module *m)
{
    struct exec_bytes b = {0};

    for (u32 u = 0; u < o->uses; u++) {
        put_operands(o, &b, UINT32_MAX);
        add_function(o, m, &b, u);
    }
    o->loads = m->count;
    for (u32 u = 0; u < o->uses; u++) {
        for (u32 n = 0; n < 2; n++) {
            put_operands(o, &b, n);
            add_function(o, m, &b, u);
        }
    }
    for (u32 n = 0; n < o->operands; n++) {
        o->consts[n] = m->count;
        for (u32 k = 0; k < o->values[n].count; k++) {
            for (u32 i = 0; i < o->operands; i++)
                if (i == n)
                    put_const(&b, o->types[n], o->values[n].bits[k]);
                else
                    put_local(&b, i);
            add_function(o, m, &b, USE_VALUE);
        }
    }
    free(b.ptr);
}

// --- running -----------------------------------------------------------------

struct outcome {
    enum trap trap;
    u64 bits[2];
};

static struct outcome
call(struct operation *o, u32 func, u32 a, u32 b)
{
    u64 slots[3][2] = {0};
    struct outcome r = {0};

    memcpy(slots[0], o->values[0].bits[a], 16);
    memcpy(slots[1], o->values[1].bits[b], 16);
    slots[2][0] = MEMORY_SIZE;
    r.trap = exec_call(&o->e, func, slots);
    if (r.trap == TRAP_NONE)
        memcpy(r.bits, slots[0], 16);
    return r;
}

// The same with operand n in the last bytes of the memory.
static struct outcome
call_loaded(struct operation *o, u32 func, u32 n, u32 a, u32 b)
{
    u64 slots[3][2] = {0};
    struct outcome r = {0};
    u32 size = o->values[n].size, address = MEMORY_SIZE - size;

    memcpy(o->e.memories[0].base + address, o->values[n].bits[n ? b : a], size);
    memcpy(slots[0], o->values[0].bits[a], 16);
    memcpy(slots[1], o->values[1].bits[b], 16);
    slots[2][0] = address;
    r.trap = exec_call(&o->e, func, slots);
    if (r.trap == TRAP_NONE)
        memcpy(r.bits, slots[0], 16);
    return r;
}

static bool
is_nan(u64 bits, u32 size)
{
    return size == 4 ? (bits & 0x7fffffff) > 0x7f800000 :
                       (bits & INT64_MAX) > 0x7ff0000000000000;
}

// Bytes of a float in the result, 0 if it has none.  Which NaN comes out of
// arithmetic is open.
static u32
float_size(const struct operation *o, char type)
{
    if (type == 'f' || (type == 'v' && strncmp(o->text, "f32", 3) == 0))
        return 4;
    if (type == 'd' || (type == 'v' && strncmp(o->text, "f64", 3) == 0))
        return 8;
    return 0;
}

static bool
same(const struct operation *o, char type, struct outcome a, struct outcome b)
{
    u32 size = float_size(o, type);

    for (u32 at = 0; size != 0 && at < 16; at += size) {
        u64 x = 0, y = 0;
        memcpy(&x, (u8 *)a.bits + at, size);
        memcpy(&y, (u8 *)b.bits + at, size);
        if (is_nan(x, size) && is_nan(y, size))
            memcpy((u8 *)a.bits + at, &y, size);
    }
    return a.trap == b.trap && a.bits[0] == b.bits[0] &&
           (type != 'v' || a.bits[1] == b.bits[1]);
}

static void
check(struct operation *o, const char *form, char type, struct outcome got,
      struct outcome want, u32 a, u32 b)
{
    static u32 shown;

    if (same(o, type, got, want) || shown++ > 50)
        return;
    printf("%s %s of %#llx, %#llx: got %#llx %#llx (%s), want %#llx %#llx "
           "(%s)\n",
           o->text, form, (unsigned long long)o->values[0].bits[a][0],
           (unsigned long long)o->values[1].bits[b][0],
           (unsigned long long)got.bits[0], (unsigned long long)got.bits[1],
           trap_text(got.trap), (unsigned long long)want.bits[0],
           (unsigned long long)want.bits[1], trap_text(want.trap));
    test_failed(__FILE__, __LINE__, o->text, (i64)got.bits[0],
                (i64)want.bits[0]);
}

static void
check_pair(struct operation *o, u32 a, u32 b)
{
    struct outcome want = call(o, 0, a, b);
    struct outcome truth = {
        want.trap, {(u32)want.bits[0] != 0, 0}
    };

    for (u32 n = 0; n < o->operands; n++) {
        check(o, "loaded", o->result, call_loaded(o, o->loads + n, n, a, b),
              want, a, b);
        check(o, "constant", o->result,
              call(o, o->consts[n] + (n ? b : a), a, b), want, a, b);
    }
    for (u32 u = 1; u < o->uses; u++) {
        check(o, "condition", 'i', call(o, u, a, b), truth, a, b);
        for (u32 n = 0; n < o->operands; n++)
            check(o, "condition, loaded", 'i',
                  call_loaded(o, o->loads + 2 * u + n, n, a, b), truth, a, b);
    }
}

// One byte further the load must trap, in every form.
static void
check_bounds(struct operation *o)
{
    for (u32 n = 0; n < o->operands; n++) {
        for (u32 u = 0; u < o->uses; u++) {
            u64 slots[3][2] = {0};
            memcpy(slots[0], o->values[0].bits[1], 16);
            memcpy(slots[1], o->values[1].bits[1], 16);
            slots[2][0] = MEMORY_SIZE + 1 - o->values[n].size;
            EXPECT_EQ(exec_call(&o->e, o->loads + 2 * u + n, slots),
                      TRAP_MEMORY_BOUNDS);
        }
    }
}

static void
check_operation(struct operation *o, const struct exec_options *options)
{
    struct exec_module m = {.pages = 1};
    enum trap trap;

    make_module(o, &m);
    struct bytes bytes = exec_module_finish(&m);
    status_t status = exec_new_bytes(&o->e, bytes, options, &trap);
    if (status != OK)
        printf("%s: %s\n", o->text,
               o->e.error.what ? o->e.error.what : status_text(status));
    EXPECT_EQ(status, OK);
    for (u32 a = 0; status == OK && a < o->values[0].count; a++)
        for (u32 b = 0; b < o->values[1].count; b++)
            check_pair(o, a, b);
    if (status == OK)
        check_bounds(o);
    exec_free(&o->e);
}

// "ii:i" and "i:l" are operations; anything else is not.
static bool
as_operation(u32 code, struct operation *o)
{
    const struct op_info *info = op_info(code);

    *o = (struct operation){.code = code};
    if (info->text == NULL || info->sig == NULL || info->imm != IMM_NONE)
        return false;
    size_t length = strlen(info->sig);
    const char *colon = strchr(info->sig, ':');
    o->operands = (u32)(colon - info->sig);
    if (o->operands < 1 || o->operands > 2 || length != o->operands + 2 ||
        strchr(info->sig, 'a') != NULL)
        return false;
    o->text = info->text;
    o->types[0] = info->sig[0];
    o->types[1] = o->operands == 2 ? info->sig[1] : 'i';
    o->result = colon[1];
    o->values[0] = values_of(o->types[0]);
    o->values[1] = values_of(o->types[1]);
    if (o->operands == 1)
        o->values[1].count = 1;
    o->uses = o->result == 'i' ? USE_COUNT : 1;
    return true;
}

static u32
check_codes(u32 from, u32 to, const struct exec_options *options)
{
    struct operation o;
    u32 count = 0;

    exec_init();
    for (u32 code = from; code <= to; code++) {
        if (as_operation(code, &o)) {
            check_operation(&o, options);
            count++;
        }
    }
    return count;
}

static const struct exec_options floor_options = {.features = CPU_SSE41};

TEST(exec_ops_scalar)
{
    struct exec_options native = {.features = cpu_features_detect()};

    EXPECT(check_codes(0x45, 0xc4, &native) == 128);
    EXPECT(check_codes(0xfc0000, 0xfc0007, &native) == 8);
}

TEST(exec_ops_scalar_floor)
{
    EXPECT(check_codes(0x45, 0xc4, &floor_options) == 128);
}

TEST(exec_ops_vector)
{
    struct exec_options native = {.features = cpu_features_detect()};

    EXPECT(check_codes(0xfd0000, 0xfd0113, &native) > 150);
}

TEST(exec_ops_vector_floor)
{
    EXPECT(check_codes(0xfd0000, 0xfd0113, &floor_options) > 150);
}
