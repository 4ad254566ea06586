// tool/script_value.c: what a script writes against what a module gives:
// values, their types, messages.

#include "tool/script_run.h"

// --- values -----------------------------------------------------------------

static u64
lane_get(const u8 *bits, u32 lane, u32 size)
{
    u64 value = 0;

    memcpy(&value, bits + lane * size, size);
    return value;
}

// Floats as integers: the kernel has no float registers of its own.
static bool
is_nan(u64 bits, u32 size, u8 pattern)
{
    u32 fraction = size == 4 ? 23 : 52;
    u64 sign = 1ull << (size * 8 - 1);
    u64 quiet = 1ull << (fraction - 1);
    u64 exponent = (sign - 1) & ~((1ull << fraction) - 1);

    if (pattern == SCRIPT_CANONICAL)
        return (bits & ~sign) == (exponent | quiet);
    return (bits & exponent) == exponent && (bits & quiet) != 0;
}

static bool
bits_match(const struct script_value *want, const u8 *got, u32 size)
{
    for (u32 lane = 0; lane < size / want->lane; lane++) {
        u64 bits = lane_get(got, lane, want->lane);
        bool same = want->nan[lane] != SCRIPT_EXACT ?
                        is_nan(bits, want->lane, want->nan[lane]) :
                        bits == lane_get(want->bits, lane, want->lane);
        if (!same)
            return false;
    }
    return true;
}

// A reference that the host made of a number.
static u64
host_ref(const struct script_value *v)
{
    return lane_get(v->bits, 0, 8) << 2 | REF_TAG_HOST;
}

// Is it what a reference of the type, which is not null, refers to?
static bool
is_of_heap(u64 ref, u32 heap)
{
    switch (heap) {
    case HEAP_EQ:
        return (ref & 3) != REF_TAG_HOST;
    case HEAP_I31:
        return (ref & REF_TAG_I31) != 0;
    case HEAP_STRUCT:
        return (ref & REF_TAG_MASK) == REF_TAG_STRUCT;
    case HEAP_ARRAY:
        return (ref & REF_TAG_MASK) == REF_TAG_ARRAY;
    }
    return true;
}

// Can a value that a script writes be of the type that a module declares?
// Numbers are of that type; references are of its hierarchy.
static bool
type_matches(const struct script_value *v, const struct typed *t)
{
    bool is_ref = (v->type & REF_BIT) != 0;

    if (!is_ref || !valtype_is_ref(t->type))
        return v->type == t->type;
    return valtype_heap(v->type) == HEAP_BOT ||
           valtype_ref_kind(t->module, v->type) ==
               valtype_ref_kind(t->module, t->type);
}

// A host's reference is above all but the tops of its hierarchies.
bool
script_is_argument(const struct script_value *v, const struct typed *t)
{
    u32 heap = valtype_heap(t->type);

    if (!type_matches(v, t))
        return false;
    if (v->kind == SCRIPT_HOST_REF)
        return heap == HEAP_EXTERN || heap == HEAP_ANY;
    return v->kind != SCRIPT_NULL_REF || valtype_is_nullable(t->type);
}

bool
script_value_matches(const struct script_value *want, const struct typed *t,
                     const union value *got)
{
    if (!type_matches(want, t))
        return false;
    switch (want->kind) {
    case SCRIPT_HOST_REF:
        return got->i64 == host_ref(want);
    case SCRIPT_NULL_REF:
        return got->i64 == 0;
    case SCRIPT_ANY_REF:
        return got->i64 != 0 && is_of_heap(got->i64, valtype_heap(want->type));
    case SCRIPT_NUMBER:
        return bits_match(want, got->v128,
                          want->type == VAL_V128 ? 16 : want->lane);
    default:
        return true;
    }
}

union value
script_value_of(const struct script_value *v)
{
    union value value = {
        .bits = {0, 0}
    };

    if (v->kind == SCRIPT_HOST_REF)
        value.i64 = host_ref(v);
    else if (v->kind != SCRIPT_NULL_REF)
        memcpy(value.v128, v->bits, 16);
    return value;
}

// --- messages ---------------------------------------------------------------

static bool
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

// " 2", " ff" or ": more": which one, or why, after a message of the suite's.
static bool
is_detail(const char *text, u32 len)
{
    u32 digits = 1;

    if (text[0] == ':')
        return true;
    while (digits < len && ((text[digits] >= '0' && text[digits] <= '9') ||
                            (text[digits] >= 'a' && text[digits] <= 'f')))
        digits++;
    return text[0] == ' ' && digits > 1 && digits == len;
}

bool
script_message_matches(struct string want, const char *got)
{
    struct string have = string_of(got);
    u32 len = MIN(have.len, want.len);

    if (len == 0 || memcmp(have.ptr, want.ptr, len) != 0)
        return false;
    if (have.len > len)
        return !is_word(have.ptr[len]) || !is_word(have.ptr[len - 1]);
    return want.len == len || is_detail(want.ptr + len, want.len - len);
}
