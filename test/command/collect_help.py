"""test/command/collect_help.py: a module that fills its heap, in bytes: what assembles
text here knows no structs.  test/kernel/collect.c has it, too."""

I32, ANY, EXTERN, I8 = b"\x7f", b"\x6e", b"\x6f", b"\x78"
IS_NULL, DROP, ADD, SUB, EQZ, END = (bytes([op]) for op in (
    0xd1, 0x1a, 0x6a, 0x6b, 0x45, 0x0b))


def u(number):
    out = b""
    while number > 0x7f:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def s(number):
    out = b""
    while not -64 <= number < 64:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number & 0x7f])


def vec(items):
    return u(len(items)) + b"".join(items)


def section(number, items):
    return bytes([number]) + u(len(vec(items))) + vec(items)


def ref(kind):
    return b"\x63" + s(kind)


def struct(*fields):
    return b"\x5f" + vec([field + b"\x01" for field in fields])


def array(field):
    return b"\x5e" + field + b"\x01"


def func(params, results):
    return b"\x60" + vec(params) + vec(results)


def op(code, *numbers):
    return bytes([code]) + b"".join(u(number) for number in numbers)


def gc(code, *numbers):
    return b"\xfb" + op(code, *numbers)


def get(local):
    return op(0x20, local)


def put(local):
    return op(0x21, local)


def const(number):
    return b"\x41" + s(number)


def call(function):
    return op(0x10, function)


def new(kind):
    return gc(0, kind)


def new_array(kind):  # of a length, all zero
    return gc(7, kind)


def field(kind, number):
    return gc(2, kind, number)


def cast(kind):
    return b"\xfb\x16" + s(kind)


def cast_null(kind):
    return b"\xfb\x17" + s(kind)


def times(local, *code):
    """The code, until the local has come down to 0."""
    return (b"\x02\x40\x03\x40" + get(local) + EQZ + op(0x0d, 1) +
            b"".join(code) + get(local) + const(1) + SUB + put(local) +
            op(0x0c, 0) + END + END)


def either(result, yes, no):
    return b"\x04" + result + yes + b"\x05" + no + END


def body(local_types, *code):
    text = vec([u(1) + kind for kind in local_types]) + b"".join(code) + END
    return u(len(text)) + text


NODE, REFS, BYTES, OUTER, BIG, FUNC, TREE, COUNT = range(8)
TYPES = [struct(ref(NODE), ref(NODE), I32), array(ANY), array(I8),
         struct(EXTERN, ref(REFS)), struct(*[ANY] * 70), func([I32], [I32]),
         func([I32], [ref(NODE)]), func([ref(NODE)], [I32])]
NONE = b"\xd0" + s(NODE)
LEAF = NONE + NONE + get(0) + new(NODE)  # with the argument
GARBAGE = gc(1, NODE) + DROP
GLOBAL, SET_GLOBAL = op(0x23, 0), op(0x24, 0)
CHURN = const(20000) + call(6) + DROP


def walk(head, total):
    """Add the numbers of a list."""
    return (b"\x02\x40\x03\x40" + get(head) + IS_NULL + op(0x0d, 1) +
            get(total) + get(head) + field(NODE, 2) + ADD + put(total) +
            get(head) + field(NODE, 0) + put(head) + op(0x0c, 0) + END + END)


def number_at(index):
    """Of the node in local 1, an array."""
    return (get(1) + index + gc(0x0b, REFS) + cast(NODE) + field(NODE, 2))


def spare(count):
    return const(count) + put(4) + times(4, GARBAGE)


def steal(kind, make, look, forget):
    """Again and again: an object that is kept only by another, which forgets it
    when it is in a local. Add their numbers."""
    return body([ref(kind), ref(NODE), I32, I32], times(
        0, make + put(1) + spare(30) + get(1) + look + put(2) + get(1) +
        forget + spare(60) + get(3) + get(2) + field(NODE, 2) + ADD + put(3)),
                get(3))


# What each does says test/kernel/collect.c.
FUNCTIONS = {
    "": [(TREE, body([], get(0) + EQZ + either(
        ref(NODE), NONE + NONE + const(1) + new(NODE),
        (get(0) + const(1) + SUB + call(0)) * 2 + const(1) + new(NODE)))),
         (COUNT, body([], get(0) + IS_NULL + either(
             I32, const(0), get(0) + field(NODE, 0) + call(1) + get(0) +
             field(NODE, 1) + call(1) + ADD + get(0) + field(NODE, 2) +
             ADD)))],
    "l": body([ref(NODE), I32], times(
        0, get(1) + NONE + get(0) + new(NODE) + put(1), GARBAGE),
              walk(1, 2), get(2)),
    "t": body([], get(0) + call(0) + call(1)),
    "g": body([], times(0, GLOBAL + cast_null(NODE) + NONE + get(0) +
                        new(NODE) + SET_GLOBAL), const(0)),
    "w": body([ref(NODE), I32], GLOBAL + cast_null(NODE) + put(1), walk(1, 2),
              get(2)),
    "c": body([I32], get(0) + put(1),
              times(0, const(1000) + new_array(BYTES) + DROP), get(1)),
    "a": body([ref(REFS), I32, I32],
              get(0) + new_array(REFS) + put(1) + get(0) + put(2),
              times(2, get(1) + get(2) + const(1) + SUB + NONE + NONE +
                    get(2) + new(NODE) + gc(0x0e, REFS), GARBAGE),
              times(0, get(3) + number_at(get(0) + const(1) + SUB) + ADD +
                    put(3)), get(3)),
    "x": body([ref(OUTER)], LEAF + gc(0x1b) + b"\xd0" + s(REFS) + new(OUTER) +
              put(1) + CHURN + get(1) + field(OUTER, 0) + gc(0x1a) +
              cast(NODE) + field(NODE, 2)),
    "b": body([ref(BIG)], gc(1, BIG) + put(1) + get(1) + LEAF +
              gc(5, BIG, 69) + CHURN + get(1) + field(BIG, 69) + cast(NODE) +
              field(NODE, 2)),
    "m": body([ref(REFS)], LEAF + get(0) + gc(6, REFS) + put(1) + CHURN +
              number_at(get(0) + const(1) + SUB)),
    "p": body([ref(REFS)], b"\x03\x40" + const(2) + new_array(REFS) + put(1) +
              get(1) + const(0) + GLOBAL + gc(0x0e, REFS) + get(1) + const(1) +
              get(0) + new_array(BYTES) + gc(0x0e, REFS) + get(1) +
              SET_GLOBAL + op(0x0c, 0) + END, const(0)),
    "d": body([], b"\xd0" + ANY + SET_GLOBAL, const(0)),
    "e": body([], const(0) + LEAF + op(0x26, 0) + CHURN + const(0) +
              op(0x25, 0) + cast(NODE) + field(NODE, 2) + const(0) + const(1) +
              gc(0x0a, REFS, 0) + const(0) + gc(0x0b, REFS) + cast(NODE) +
              field(NODE, 2) + ADD),
    "r": body([ref(NODE), I32], get(0) + put(2), times(
        0, LEAF + put(1) + get(1) + get(1) + NONE + get(0) + new(NODE) +
        gc(5, NODE, 1)), get(2)),
    "s": steal(NODE, LEAF + NONE + const(0) + new(NODE), field(NODE, 0),
               NONE + gc(5, NODE, 0)),
    "i": steal(REFS, LEAF + const(1) + gc(6, REFS), const(0) +
               gc(0x0b, REFS) + cast(NODE), const(0) + NONE + gc(0x0e, REFS)),
    "f": steal(REFS, LEAF + const(2) + gc(6, REFS), const(1) +
               gc(0x0b, REFS) + cast(NODE), const(0) + NONE + const(2) +
               gc(0x10, REFS)),
    "_start": body([ref(NODE), I32], const(1000000) + call(2) + DROP),
}


def module():
    functions = FUNCTIONS[""] + [
        (FUNC, code) for name, code in FUNCTIONS.items()
        if name not in ("", "_start")]
    names = [name for name in FUNCTIONS if name]
    exports = [vec([bytes([c]) for c in name.encode()]) + b"\0" + u(k + 2)
               for k, name in enumerate(names)]
    start = len(TYPES)
    functions.append((start, FUNCTIONS["_start"]))
    return (b"\0asm\1\0\0\0" + section(1, TYPES + [func([], [])]) +
            section(3, [u(kind) for kind, _ in functions]) +
            section(4, [ANY + b"\0" + u(64)]) +
            section(6, [ANY + b"\1\xd0" + ANY + END]) + section(7, exports) +
            section(9, [b"\5" + ANY + vec([NONE + NONE + const(77) +
                                           new(NODE) + END])]) +
            section(10, [code for _, code in functions]))
