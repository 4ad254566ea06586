#!/usr/bin/env python3
"""test/latency/big.py FAMILY COUNT FILE: write a module with so many of one thing,
which exports _start."""

import sys

I32, I64 = 0x7F, 0x7E
(TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEM, CODE, DATA,
 TAG) = *range(1, 12), 13


def u(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def s33(n):
    out = bytearray()
    while True:
        b = n & 0x7F
        n >>= 7
        if n == 0 and not b & 0x40:
            out.append(b)
            return bytes(out)
        out.append(b | 0x80)


def sized(b):
    return u(len(b)) + b


def vec(count, items):
    return u(count) + items


def name(text):
    return sized(text.encode())


def module(sections, custom=b""):
    return b"\0asm\1\0\0\0" + b"".join(
        bytes([k]) + sized(v) for k, v in sections) + custom


def body(code, locals_=b"\0"):
    return sized(locals_ + code + b"\x0b")


NOTHING = b"\x60\0\0"  # () -> ()
START_ONLY = {TYPE: vec(1, NOTHING), FUNCTION: vec(1, b"\0"),
              EXPORT: vec(1, name("_start") + b"\0\0"),
              CODE: vec(1, body(b""))}
ORDER = [TYPE, IMPORT, FUNCTION, TABLE, MEMORY, TAG, GLOBAL, EXPORT, ELEM, CODE,
         DATA]


def simple(changes, custom=b""):
    parts = {**START_ONLY, **changes}
    return module([(k, parts[k]) for k in ORDER if k in parts], custom)


def params(k):
    """Twenty, other ones for each k."""
    return bytes(I32 if k >> i & 1 else I64 for i in range(20))


def types(n):
    one = b"".join(b"\x60\x14" + params(k) + b"\0" for k in range(n - 1))
    return simple({TYPE: vec(n, NOTHING + one)})


def rec_types(n):
    """All in one recursive group."""
    one = b"".join(b"\x60\x01\x63" + s33(k) + b"\0" for k in range(n - 1))
    return simple({TYPE: vec(1, b"\x4e" + vec(n, NOTHING + one))})


def rec_thunks(n):
    """The same, with 920 parameters each."""
    one = b"".join(b"\x60" + u(920) + params(k) + b"\x7b" * 900 + b"\0"
                   for k in range(n - 1))
    return simple({TYPE: vec(1, b"\x4e" + vec(n, NOTHING + one))})


def imports(n):
    one = name("wasi_snapshot_preview1") + name("sched_yield") + b"\0\1"
    return simple({TYPE: vec(2, NOTHING + b"\x60\0\1\x7f"),
                   IMPORT: vec(n, one * n),
                   EXPORT: vec(1, name("_start") + b"\0" + u(n))})


def missing(n):
    one = b"".join(name("m") + name("f%d" % k) + b"\0\0" for k in range(n))
    return simple({IMPORT: vec(n, one),
                   EXPORT: vec(1, name("_start") + b"\0" + u(n))})


def exports(n):
    one = b"".join(name("e%d" % k) + b"\0\0" for k in range(n - 1))
    return simple({EXPORT: vec(n, one + name("_start") + b"\0\0")})


def functions(n):
    return simple({FUNCTION: vec(n, b"\0" * n), CODE: vec(n, body(b"") * n)})


def globals_(n):
    return simple({GLOBAL: vec(n, b"\x7f\1\x41\x05\x0b" * n)})


def tags(n):
    return simple({TAG: vec(n, b"\0\0" * n)})


def tables(n):
    return simple({TABLE: vec(n, b"\x70\1\1\1" * n)})


def datas(n):
    return simple({MEMORY: vec(1, b"\0\1"),
                   DATA: vec(n, b"\0\x41\0\x0b\1a" * n)})


def data(n):
    """One segment of n bytes."""
    pages = n // 65536 + 1
    return simple({MEMORY: vec(1, b"\0" + u(pages)),
                   DATA: vec(1, b"\0\x41\0\x0b" + sized(b"x" * n))})


def elems(n):
    """Active segments of one function."""
    return simple({TABLE: vec(1, b"\x70\0\1"),
                   ELEM: vec(n, b"\0\x41\0\x0b\1\0" * n)})


def passive(n):
    return simple({ELEM: vec(n, b"\1\0\1\0" * n)})


def elem(n):
    """One segment of n functions."""
    return simple({TABLE: vec(1, b"\x70\0" + u(n)),
                   ELEM: vec(1, b"\0\x41\0\x0b" + vec(n, b"\0" * n))})


def elem_exprs(n):
    return simple({TABLE: vec(1, b"\x70\0" + u(n)),
                   ELEM: vec(1, b"\4\x41\0\x0b" + vec(n, b"\xd2\0\x0b" * n))})


def elem_passive(n):
    return simple({ELEM: vec(1, b"\1\0" + vec(n, b"\0" * n))})


def thunks(n):
    """Function types with 900 parameters each."""
    t = b"".join(b"\x60" + u(920) + params(i) + b"\x7b" * 900 + b"\0"
                 for i in range(n))
    return simple({TYPE: vec(n + 1, NOTHING + t),
                   FUNCTION: vec(n + 1, b"".join(map(u, range(n + 1)))),
                   CODE: vec(n + 1, body(b"") + body(b"") * n)})


LOCALS = b"\1\1\x7f"


def code(n):
    """About n bytes of straight code, in functions as large as they may be."""
    one = b"\x20\0\x41\1\x6a\x21\0"  # local 0 += 1
    store = b"\x20\0\x20\0\x36\2\0"
    size = 7000000
    count = max(1, n // size)
    big = body((one + store) * (min(n, size) // 14), LOCALS)
    return simple({FUNCTION: vec(count + 1, b"\0" * (count + 1)),
                   MEMORY: vec(1, b"\0\1"),
                   CODE: vec(count + 1, body(b"") + big * count)})


def small_code(n):
    """Many functions of some 1,400 bytes, n bytes in all."""
    one = b"\x20\0\x41\1\x6a\x21\0" + b"\x20\0\x20\0\x36\2\0"
    f = body(one * 100, LOCALS)
    count = n // len(f)
    return simple({FUNCTION: vec(count + 1, b"\0" * (count + 1)),
                   MEMORY: vec(1, b"\0\1"),
                   CODE: vec(count + 1, body(b"") + f * count)})


def custom(title, contents):
    return b"\0" + sized(name(title) + contents)


def lines(n):
    """n bytes of .debug_line, whose units say nothing, and a trap."""
    head = bytes([2, 0, 30, 0, 0, 0, 1, 1, 251, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0,
                  1, 0, 0, 1, 0]) + b"\0a.c" + bytes(8)
    part = 1 << 20
    program = b"\x06" * part
    unit = (len(head) + part).to_bytes(4, "little") + head + program
    count = n // len(unit) + 1
    return simple({CODE: vec(1, body(b"\0"))},
                  custom(".debug_line", unit * count))


def names(n):
    """A name section with n names, and a trap."""
    items = u(n) + b"".join(u(k + 1) + name("f") for k in range(n))
    return simple({CODE: vec(1, body(b"\0"))},
                  custom("name", b"\1" + sized(items)))


FAMILIES = {f.__name__.strip("_"): f for f in (
    types, rec_types, rec_thunks, imports, missing, exports, functions,
    globals_, tags, tables, datas, data, elems, passive, elem, elem_exprs,
    elem_passive, thunks, code, small_code, lines, names)}

family, count, file = sys.argv[1:]
with open(file, "wb") as out:
    out.write(FAMILIES[family](int(count)))
