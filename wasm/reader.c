// wasm/reader.c: a cursor over untrusted bytes, and what every section is made
// of: integers, names, types (spec 5.2, 5.3).
//
// Syntax only: a type index may be out of range here.  Messages are those of
// the official test suite, which tells malformed from invalid.

#include "wasm/internal.h"

#define UNEXPECTED_END "unexpected end of section or function"
#define OUT_OF_BOUNDS  "length out of bounds"

void
reader_fail(struct reader *r, u64 at, status_t status, const char *what)
{
    error_set(r->error, status, at, what);
    r->at = r->end;
}

struct reader
reader_range(const u8 *bytes, u64 size, u64 at, u64 end, struct error *error)
{
    struct reader r = {bytes, at, end, error};

    if (at > end || end > size) {
        r.at = r.end = 0;
        reader_fail(&r, at, ERR_MALFORMED, OUT_OF_BOUNDS);
    }
    return r;
}

struct reader
reader_part(const struct reader *r, u64 at, u64 end)
{
    return reader_range(r->bytes, r->end, at, end, r->error);
}

u64
reader_left(const struct reader *r)
{
    return r->at < r->end ? r->end - r->at : 0;
}

bool
reader_skip(struct reader *r, u64 size)
{
    if (size > reader_left(r)) {
        reader_fail(r, r->at, ERR_MALFORMED, UNEXPECTED_END);
        return false;
    }
    r->at += size;
    return true;
}

u8
read_u8(struct reader *r)
{
    if (r->at >= r->end) {
        reader_fail(r, r->at, ERR_MALFORMED, UNEXPECTED_END);
        return 0;
    }
    return r->bytes[r->at++];
}

// Are the bits of the last byte that the number has no room for all zero, or
// copies of the sign?  `room` is the number of its bits that count.
static bool
rest_is_extension(u8 byte, u32 room, bool is_signed)
{
    u32 rest = is_signed ? byte >> (room - 1) : byte >> room;
    u32 ones = 0x7fu >> (room - 1);

    return rest == 0 || (is_signed && rest == ones);
}

// LEB128 of at most `bits` bits (spec 5.2.2).
static inline u64
read_leb(struct reader *r, u32 bits, bool is_signed)
{
    u64 at = r->at, value = 0;

    for (u32 shift = 0; shift < bits; shift += 7) {
        u8 byte = read_u8(r);
        value |= (u64)(byte & 0x7f) << shift;
        if (byte >= 0x80)
            continue;
        if (bits - shift < 7 &&
            !rest_is_extension(byte, bits - shift, is_signed))
            break;
        if (is_signed && (byte & 0x40) && shift + 7 < 64)
            value |= ~0ull << (shift + 7);
        return value;
    }
    bool too_long = r->at > at && r->bytes[r->at - 1] >= 0x80;
    reader_fail(r, at, ERR_MALFORMED,
                too_long ? "integer representation too long" :
                           "integer too large");
    return 0;
}

u32
read_u32(struct reader *r)
{
    if (r->at < r->end && r->bytes[r->at] < 0x80)
        return r->bytes[r->at++];
    return (u32)read_leb(r, 32, false);
}

u64
read_u64(struct reader *r)
{
    return read_leb(r, 64, false);
}

i32
read_i32(struct reader *r)
{
    return (i32)read_leb(r, 32, true);
}

i64
read_i64(struct reader *r)
{
    return (i64)read_leb(r, 64, true);
}

i64
read_i33(struct reader *r)
{
    return (i64)read_leb(r, 33, true);
}

u32
read_count(struct reader *r, u64 limit, const char *what)
{
    u64 at = r->at;
    u32 count = read_u32(r);

    if (count > reader_left(r))
        reader_fail(r, at, ERR_MALFORMED, UNEXPECTED_END);
    else if (count > limit)
        reader_fail(r, at, ERR_LIMIT, what);
    return r->error->status == OK ? count : 0;
}

u64
read_bits(struct reader *r, u32 size)
{
    u64 value = 0;

    for (u32 i = 0; i < size; i++)
        value |= (u64)read_u8(r) << (8 * i);
    return value;
}

bool
read_mutable(struct reader *r)
{
    u64 at = r->at;
    u8 byte = read_u8(r);

    if (byte > 1)
        reader_fail(r, at, ERR_MALFORMED, "malformed mutability");
    return byte == 1;
}

// The length of the UTF-8 sequence at `at`, 0 if it is not one (Unicode 15,
// table 3-7).
static u32
utf8_length(const u8 *at, u64 left)
{
    u8 lead = at[0], low = 0x80, high = 0xbf;
    u32 len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    if (len == 1)
        return 1;
    if (lead < 0xc2 || lead > 0xf4 || left < len)
        return 0;
    if (lead == 0xe0)
        low = 0xa0; // no overlong forms
    if (lead == 0xed)
        high = 0x9f; // no surrogates
    if (lead == 0xf0)
        low = 0x90;
    if (lead == 0xf4)
        high = 0x8f; // nothing above U+10FFFF
    if (at[1] < low || at[1] > high)
        return 0;
    for (u32 i = 2; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

struct string
read_name(struct reader *r)
{
    u64 at = r->at;
    u32 len = read_u32(r);

    if (len > reader_left(r)) {
        reader_fail(r, at, ERR_MALFORMED, OUT_OF_BOUNDS);
        len = 0;
    } else if (len > LIMIT_NAME_SIZE) {
        reader_fail(r, at, ERR_LIMIT, "name too long");
        len = 0;
    }
    const u8 *bytes = r->bytes + r->at;
    for (u32 i = 0, step; i < len; i += step) {
        step = utf8_length(bytes + i, len - i);
        if (step == 0) {
            reader_fail(r, r->at + i, ERR_MALFORMED,
                        "malformed UTF-8 encoding");
            return (struct string){NULL, 0};
        }
    }
    r->at += len;
    return (struct string){(const char *)bytes, len};
}

// Abstract heap types by their byte (spec 5.3.3), counted from 0x69.
static const valtype_t heaps[] = {
    HEAP_EXN,  HEAP_ARRAY,    HEAP_STRUCT, HEAP_I31,
    HEAP_EQ,   HEAP_ANY,      HEAP_EXTERN, HEAP_FUNC,
    HEAP_NONE, HEAP_NOEXTERN, HEAP_NOFUNC, HEAP_NOEXN,
};

enum { FIRST_HEAP = 0x69 };

static bool
is_heap(u8 byte)
{
    return byte >= FIRST_HEAP && byte < FIRST_HEAP + COUNT(heaps);
}

u32
read_heap(struct reader *r)
{
    u64 at = r->at;
    i64 heap = read_i33(r);

    if (heap >= 0) // an index too large for valtype_t is as wrong as this one
        return (u32)MIN((u64)heap, HEAP_FUNC - 1);
    if (r->at == at + 1 && is_heap(r->bytes[at]))
        return heaps[r->bytes[at] - FIRST_HEAP];
    reader_fail(r, at, ERR_MALFORMED, "malformed heap type");
    return HEAP_ANY;
}

// The reference type that starts with `byte`, VAL_NONE if none does.
static valtype_t
reftype_after(struct reader *r, u8 byte)
{
    if (byte == 0x63)
        return REF_BIT | NULL_BIT | read_heap(r);
    if (byte == 0x64)
        return REF_BIT | read_heap(r);
    if (is_heap(byte))
        return REF_BIT | NULL_BIT | heaps[byte - FIRST_HEAP];
    return VAL_NONE;
}

// Types are numbers of 7 bits, so that longer ones fail as numbers.
static void
fail_type(struct reader *r, u64 at, u8 byte, const char *what)
{
    reader_fail(r, at, ERR_MALFORMED,
                byte >= 0x80 ? "integer representation too long" : what);
}

valtype_t
read_reftype(struct reader *r)
{
    u64 at = r->at;
    u8 byte = read_u8(r);
    valtype_t type = reftype_after(r, byte);

    if (type == VAL_NONE)
        fail_type(r, at, byte, "malformed reference type");
    return type;
}

valtype_t
read_valtype(struct reader *r)
{
    u64 at = r->at;
    u8 byte = read_u8(r);

    if (byte >= 0x7b && byte <= 0x7f)
        return 0x7f - byte + VAL_I32;
    valtype_t type = reftype_after(r, byte);
    if (type == VAL_NONE)
        fail_type(r, at, byte, "malformed value type");
    return type;
}
